"""What `domain.build` gives, as the record that travels; the contract model has the last word on its form."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import cast

from pydantic import TypeAdapter, ValidationError

from contracts.catalog import OfferPublished, OfferStatus, OfferWithdrawn, WithdrawReason
from services.catalog.domain import life
from services.catalog.domain.build import BuiltBlackout, BuiltResource, State
from services.catalog.domain.entities import Json, Occurrence, Problem, Schedule
from services.catalog.domain.texts import escaped
from services.catalog.limits import STATE_BYTES_MAX
from services.catalog.wire import documents
from services.catalog.wire.documents import JsonObject

_RESOURCE: TypeAdapter[BuiltResource] = TypeAdapter(BuiltResource)
_BLACKOUTS: TypeAdapter[tuple[BuiltBlackout, ...]] = TypeAdapter(tuple[BuiltBlackout, ...])
_OCCURRENCE: TypeAdapter[Occurrence] = TypeAdapter(Occurrence)

_OFFER_ONLY = ("place_ids", "contact_id", "schedules", "simple_review", "terms", "booking")
_PLACE_ONLY = ("parent_id", "holidays", "apply_holidays")
_OCCURRENCE_ONLY = {"offer_id", "schedule_id", "rule_start", "occupies", "public"}
_SCHEDULE_FIELDS = ("rrule", "local_start", "duration_minutes", "time_zone", "exdates", "rdates")


def resource_form(resource: BuiltResource) -> JsonObject:
    """A built resource as JSON, without its revision: what is compared to tell whether that has to rise."""
    return cast(JsonObject, _RESOURCE.dump_python(resource, mode="json", by_alias=True, exclude_defaults=True))


def occurrence_form(occurrence: Occurrence) -> JsonObject:
    """A date as JSON, without its sequence, likewise."""
    body = _OCCURRENCE.dump_python(occurrence, mode="json", exclude_defaults=True, exclude={*_OCCURRENCE_ONLY, "sequence"})
    if body.get("status") == "scheduled":
        del body["status"]
    return {name: value for name, value in body.items() if value is not None}


def record_of(
    state: State,
    *,
    hub_id: str,
    status: life.Status,
    sequences: Mapping[str, int],
    revisions: Mapping[str, int],
) -> OfferPublished | tuple[Problem, ...]:
    """The record with revision 0, or what the contract refuses (`bad_booking`, `bad_value`, `too_large`).

    `sequences` by occurrence id, `revisions` by resource id: both hold an entry for all that the state has.
    """
    offer = state.offer
    working = documents.OFFERS.write(offer)
    body: JsonObject = {name: value for name, value in working.items() if name not in _OFFER_ONLY and value != {}}
    body |= {"hub_id": hub_id, "status": status, "revision": 0}
    body["places"] = [_without(documents.PLACES.write(each), _PLACE_ONLY) for each in state.places]
    body["terms"] = [dict(documents.TERMS.write(each)) for each in state.terms]
    if state.contact is not None:
        body["contact"] = _without(documents.CONTACTS.write(state.contact), ("contact_id",))
    body["occurrences"] = [
        {**occurrence_form(each), "sequence": sequences[str(each.occurrence_id)]} for each in state.occurrences
    ]
    if offer.schedules:
        body["schedule"] = _schedule(offer.schedules[0])
    body["booking"] = {
        **cast(JsonObject, dict(offer.booking.rules)),
        "mode": offer.booking.mode,
        "components": [documents.COMPONENTS.write(each) for each in state.components],
        "resources": [{**resource_form(each), "revision": revisions[each.resource_id]} for each in state.resources],
        "blackouts": cast(list[Json], _BLACKOUTS.dump_python(state.blackouts, mode="json")),
    }
    try:
        record = OfferPublished.model_validate_json(json.dumps(_without_empty_texts(body)))
    except ValidationError as exc:
        return _problems(exc, state)
    if len(record.to_json()) > STATE_BYTES_MAX:
        return (Problem("", "too_large"),)
    return record


def _without(body: JsonObject, names: tuple[str, ...]) -> Json:
    return {name: value for name, value in body.items() if name not in names}


def _without_empty_texts(body: JsonObject) -> JsonObject:
    """An empty text in a text map of the top level is none: the contract has no empty texts."""
    cleaned: JsonObject = {}
    for name, value in body.items():
        if name in ("title", "teaser", "description", "procedure", "required_documents", "legal_basis", "visitor_notes"):
            assert isinstance(value, dict), "text maps are objects"
            value = {tag: text for tag, text in value.items() if text}
        cleaned[name] = value
    return cleaned


def _schedule(schedule: Schedule) -> Json:
    body = documents.SCHEDULES.write(schedule)
    return {name: body[name] for name in _SCHEDULE_FIELDS if name in body}


def _problems(exc: ValidationError, state: State) -> tuple[Problem, ...]:
    """The contract's refusals, pointing into the working copy; what was built from elsewhere points to the block."""
    found: dict[Problem, None] = {}
    for error in exc.errors(include_url=False, include_input=False):
        parts = [str(part) for part in error["loc"]]
        inner = str(error.get("ctx", {}).get("pointer", ""))
        code = "bad_booking" if parts[:1] == ["booking"] else "bad_value"
        if parts[:2] == ["booking", "resources"]:
            parts = ["booking", "components"]
        elif parts[:1] in (["occurrences"], ["schedule"]):
            parts, inner, code = ["schedules"], "", "bad_booking"
        elif parts[:1] == ["contact"]:
            parts, inner = ["contact_id"], ""
        elif parts[:1] == ["places"]:
            parts, inner = ["place_ids", *parts[1:2]], ""
        found[Problem("".join(f"/{escaped(part)}" for part in parts) + inner, code)] = None
    return tuple(found)


def withdrawn(offer_id: str, *, hub_id: str, revision: int, reason: life.WithdrawReason, at: datetime) -> OfferWithdrawn:
    """The record that says an offer is gone, and why; no texts."""
    return OfferWithdrawn(
        offer_id=offer_id,
        hub_id=hub_id,
        revision=revision,
        status=OfferStatus.WITHDRAWN,
        reason=WithdrawReason(reason),
        withdrawn_at=at,
    )


def state_text(record: OfferPublished) -> str:
    """The record as it is kept and shown."""
    return record.to_json().decode()


def parsed_state(text: str) -> OfferPublished:
    """A kept record."""
    return OfferPublished.model_validate_json(text)


def parsed_withdrawal(text: str) -> OfferWithdrawn:
    """A kept record of a withdrawal."""
    return OfferWithdrawn.model_validate_json(text)


def content_of(record: OfferPublished) -> Json:
    """What a record says, without its number: two of the same content are one state."""
    body: JsonObject = json.loads(record.to_json())
    del body["revision"]
    return body


def with_revision(record: OfferPublished, revision: int) -> OfferPublished:
    """The record under its number."""
    return record.model_copy(update={"revision": revision})


def hidden(state: JsonObject) -> JsonObject:
    """What the public may read of a state: how to get in is told only to people who booked."""
    return {name: value for name, value in state.items() if name not in ("online_url", "visitor_notes")}
