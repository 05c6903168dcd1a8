"""The publish gate: what stops an offer (errors) and what staff should know (warnings). The codes are stable."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.catalog.domain import tree
from services.catalog.domain.build import Catalogue, takes_sessions
from services.catalog.domain.entities import Occurrence, Offer, Problem
from services.catalog.domain.occurrences import OddDate, any_ahead
from services.catalog.domain.texts import MAIN_LANGUAGE, SIMPLE
from services.catalog.limits import VERIFIED_WITHIN


@dataclass(frozen=True, slots=True)
class Findings:
    """The gate's answer; any error means no."""

    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def examine(
    offer: Offer, occurrences: Sequence[Occurrence], odd: Sequence[OddDate], catalogue: Catalogue, *, now: datetime
) -> Findings:
    """Everything that can be said without building the record; form and size are judged with it (`wire.states`)."""
    errors = (
        *_texts(offer),
        *_place(offer, catalogue),
        *_contact_and_price(offer, catalogue),
        *_partners(offer),
        *_booking(offer, occurrences, catalogue),
    )
    dated = bool(offer.schedules)
    if dated and not any_ahead(occurrences, now=now):
        errors = (*errors, Problem("/schedules", "nothing_ahead"))
    return Findings(errors, tuple(_warnings(offer, odd, now=now)))


def _texts(offer: Offer) -> Iterator[Problem]:
    if not offer.title.get(MAIN_LANGUAGE, "").strip():
        yield Problem(f"/title/{MAIN_LANGUAGE}", "missing_text")
    if not offer.description.get(MAIN_LANGUAGE, "").strip():
        yield Problem(f"/description/{MAIN_LANGUAGE}", "missing_text")


def _place(offer: Offer, catalogue: Catalogue) -> Iterator[Problem]:
    if not offer.place_ids and offer.attendance != "online":
        yield Problem("/place_ids", "missing_place")
    open_keys: list[str] = []
    for n, place_id in enumerate(offer.place_ids):
        place = catalogue.places.get(place_id)
        if place is None:
            yield Problem(f"/place_ids/{n}", "missing_place")
        else:
            open_keys += tree.unanswered(tree.resolved(place, catalogue.places))
    for key in dict.fromkeys(open_keys):
        if key not in offer.accessibility:
            yield Problem(f"/accessibility/{key}", "accessibility_unanswered")


def _contact_and_price(offer: Offer, catalogue: Catalogue) -> Iterator[Problem]:
    if offer.contact_id is None or offer.contact_id not in catalogue.contacts:
        yield Problem("/contact_id", "missing_contact")
    if not offer.prices and not offer.is_free:
        yield Problem("/prices", "missing_price")


def _partners(offer: Offer) -> Iterator[Problem]:
    special = offer.kind == "health" or offer.data_category == "special"
    if special and offer.partner_mode == "federated":
        yield Problem("/partner_mode", "special_needs_redirect")


def _booking(offer: Offer, occurrences: Sequence[Occurrence], catalogue: Catalogue) -> Iterator[Problem]:
    booked_here = offer.booking.mode in ("instant", "request")
    if booked_here and not offer.booking.components:
        yield Problem("/booking/components", "bad_booking")
    for n, component in enumerate(offer.booking.components):
        pointer = f"/booking/components/{n}"
        if component.kind == "session":
            if component.resource_ids:
                yield Problem(f"{pointer}/resource_ids", "bad_booking")  # filled in from the dates, never stated
            if any(each.capacity is None for each in occurrences):
                yield Problem("/schedules", "bad_booking")
            if not offer.schedules:
                yield Problem(pointer, "bad_booking")
            continue
        if not component.resource_ids:
            yield Problem(f"{pointer}/resource_ids", "bad_booking")
        for m, resource_id in enumerate(component.resource_ids):
            resource = catalogue.resources.get(resource_id)
            if resource is None or resource.kind != component.kind:
                yield Problem(f"{pointer}/resource_ids/{m}", "bad_booking")
    if takes_sessions(offer):
        for n, schedule in enumerate(offer.schedules):
            for m, resource_id in enumerate(schedule.occupies):
                resource = catalogue.resources.get(resource_id)
                if resource is None or resource.kind not in ("unit", "adviser"):
                    yield Problem(f"/schedules/{n}/occupies/{m}", "bad_booking")


def _warnings(offer: Offer, odd: Sequence[OddDate], *, now: datetime) -> Iterator[Problem]:
    if not offer.title.get("en") or not offer.description.get("en"):
        yield Problem("/description/en", "no_english")
    if offer.simple_review is None or not offer.description.get(SIMPLE):
        yield Problem(f"/description/{SIMPLE}", "no_simple_language")
    if offer.last_verified_at is None or offer.last_verified_at < now - VERIFIED_WITHIN:
        yield Problem("/last_verified_at", "not_verified")
    for each in odd:
        yield Problem(f"/schedules/{each.local.isoformat()}", f"date_in_{each.oddity}")
