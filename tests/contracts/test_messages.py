"""Rules between the fields of one message: what no offer and no state of a booking can make right."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from contracts.booking import (
    BookingRules,
    CancelBooking,
    CheckIn,
    Command,
    DecideApproval,
    Reason,
    RequestBooking,
    RequestRefused,
    RescheduleBooking,
)
from contracts.booking.rules import BY_KIND, BookingMode, CheckInRules, Component, Limit, OpenHours, Resource, ResourceKind
from contracts.catalog import OfferKind, OfferPublished
from contracts.envelope import READER, Model, Part
from contracts.envelope.event import NULL_IS_A_VALUE
from contracts.envelope.parser import problems_of
from contracts.people import ContactSaved
from contracts.schema import components
from tests.contracts.records import BOOKING_ID, COMMAND, EVENT_ID, OFFER, OFFER_ID, STATE, request

ACTOR = {"role": "citizen", "id": "p-1"}
SERIES = {"every": "week", "count": 3, "mode": "skip"}
SPAN = {"start": "2027-03-02T08:00:00Z", "end": "2027-03-02T10:00:00Z"}
LOCAL = {"start": "2027-03-02T08:00:00", "end": "2027-03-02T10:00:00"}
BOOKING = {"booking_id": str(BOOKING_ID)}


def problems(model: type[Part], body: dict[str, Any]) -> tuple[str, ...]:
    """Pointers of what the model refuses; empty if it takes the body."""
    try:
        model.model_validate_json(json.dumps(body))
    except ValidationError as exc:
        return problems_of(exc.errors(), body)
    return ()


def of_command(model: type[Command], fields: dict[str, Any]) -> tuple[str, ...]:
    body = {"offer_id": OFFER_ID, "actor": ACTOR} | fields
    if model is RequestBooking:
        body = {"claimant": {"kind": "house", "purpose": "x"}} | body
    return problems(model, body)


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (RequestBooking, {}),
        (RequestBooking, SPAN),
        (RequestBooking, LOCAL),
        (RequestBooking, {"start": SPAN["start"], "duration_minutes": 1}),
        (RequestBooking, SPAN | {"series": SERIES}),
        (RequestBooking, SPAN | {"add_to": {"series_id": str(EVENT_ID), "n": 59}}),
        (RequestBooking, {"quantity": 500, "hold_seconds": 1800}),
        (CancelBooking, BOOKING),
        (CancelBooking, {"series_id": str(EVENT_ID), "from_n": 0}),
        (RescheduleBooking, BOOKING | SPAN),
        (RescheduleBooking, BOOKING | {"end": SPAN["end"]}),
        (RescheduleBooking, BOOKING | {"choices": {"termin": "s-2"}}),
        (DecideApproval, BOOKING | {"decision": "approve"}),
        (DecideApproval, {"series_id": str(EVENT_ID), "decision": "decline", "reason_code": "no"}),
        (CheckIn, BOOKING | {"direction": "in", "code": "0123456Z", "actor": {"role": "citizen"}}),
    ],
)
def test_command_that_makes_sense__taken(model: type[Command], fields: dict[str, Any]) -> None:
    assert of_command(model, fields) == ()


@pytest.mark.parametrize(
    ("model", "fields", "expected"),
    [
        (RequestBooking, {"end": SPAN["end"]}, "/start"),
        (RequestBooking, {"duration_minutes": 60}, "/start"),
        (RequestBooking, {"series": SERIES}, "/start"),
        (RequestBooking, {"start": SPAN["start"]}, "/end"),
        (RequestBooking, SPAN | {"duration_minutes": 60}, "/end"),
        (RequestBooking, SPAN | {"end": SPAN["start"]}, "/end"),
        (RequestBooking, SPAN | {"end": LOCAL["end"]}, "/end"),
        (RequestBooking, LOCAL | {"end": "2027-03-02T07:59:59"}, "/end"),
        (RequestBooking, SPAN | {"series": SERIES, "add_to": {"series_id": str(EVENT_ID), "n": 1}}, "/add_to"),
        (RequestBooking, {"quantity": 0}, "/quantity"),
        (RequestBooking, {"quantity": 501}, "/quantity"),
        (RequestBooking, {"hold_seconds": 1801}, "/hold_seconds"),
        (RequestBooking, SPAN | {"series": SERIES | {"count": 61}}, "/series/count"),
        (RequestBooking, {"choices": {f"c{n}": "r" for n in range(9)}}, "/choices"),
        (RequestBooking, {"overbook": {"reason_code": "Because!"}}, "/overbook/reason_code"),
        (RequestBooking, {"note": "free text"}, "/note"),
        (CancelBooking, {}, "/booking_id"),
        (CancelBooking, BOOKING | {"series_id": str(EVENT_ID), "from_n": 1}, "/booking_id"),
        (CancelBooking, BOOKING | {"from_n": 1}, "/from_n"),
        (CancelBooking, {"series_id": str(EVENT_ID)}, "/from_n"),
        (RescheduleBooking, BOOKING | {"start": SPAN["start"]}, "/end"),
        (RescheduleBooking, BOOKING | {"start": SPAN["end"], "end": SPAN["start"]}, "/end"),
        (DecideApproval, {"decision": "approve"}, "/booking_id"),
        (CheckIn, BOOKING | {"direction": "in", "code": "0123456U"}, "/code"),
        (CheckIn, BOOKING | {"direction": "in", "code": "0123456"}, "/code"),
        (CheckIn, BOOKING | {"direction": "in", "actor": {"role": "system"}}, "/actor/role"),
    ],
)
def test_command_against_a_rule__pointer(model: type[Command], fields: dict[str, Any], expected: str) -> None:
    assert of_command(model, fields) == (expected,)


@pytest.mark.parametrize(
    ("model", "body", "expected"),
    [
        (OpenHours, {"from": "09:00", "to": "24:00"}, None),
        (OpenHours, {"from": "18:00", "to": "02:00"}, "/to"),
        (OpenHours, {"from": "09:00", "to": "09:00"}, "/to"),
        (Component, {"component_id": "a", "kind": "unit", "resource_ids": ["r"] * 50}, None),
        (Component, {"component_id": "a", "kind": "unit", "resource_ids": ["r"] * 51}, "/resource_ids"),
        (Component, {"component_id": "a", "kind": "session", "resource_ids": ["r"] * 400}, None),
        (Component, {"component_id": "a", "kind": "session", "resource_ids": ["r"] * 401}, "/resource_ids"),
        (Resource, {"resource_id": "a", "kind": "unit", "revision": 1}, None),
        (Resource, {"resource_id": "a", "kind": "pool", "revision": 1}, "/capacity"),
        (Resource, {"resource_id": "a", "kind": "session", "revision": 1, "capacity": 3}, "/start"),
        (Resource, {"resource_id": "a", "kind": "session", "revision": 1, "capacity": 3} | SPAN, None),
        (
            Resource,
            {"resource_id": "a", "kind": "session", "revision": 1, "capacity": 3} | SPAN | {"end": SPAN["start"]},
            "/end",
        ),
        (Limit, {"key": "k", "per": "group", "unit": "bookings", "window": "day", "max": 1}, "/group"),
        (Limit, {"key": "k", "per": "person", "unit": "bookings", "window": "day", "max": 1}, None),
        (BookingRules, {}, None),
        (BookingRules, {"mode": "instant"}, "/components"),
        (BookingRules, {"mode": "external"}, None),
        (BookingRules, {"min_minutes": 60, "max_minutes": 30}, "/max_minutes"),
        (BookingRules, {"components": [{"component_id": "a", "kind": "unit"}] * 2}, "/components"),
        (BookingRules, {"durations": []}, "/durations"),
        (BookingRules, {"horizon_days": 731}, "/horizon_days"),
        (
            BookingRules,
            {"limits": [{"key": "k", "per": "person", "unit": "places", "window": "day", "max": 1}] * 11},
            "/limits",
        ),
    ],
)
def test_rules_of_an_offer__taken_or_pointer(model: type[Part], body: dict[str, Any], expected: str | None) -> None:
    assert problems(model, body) == (() if expected is None else (expected,))


def test_rules_of_an_offer_without_any__the_defaults_of_the_contract() -> None:
    rules = BookingRules.model_validate_json("{}")

    assert rules.to_json() == b"{}"
    assert json.loads(rules.model_dump_json()) == {
        "mode": "none", "components": [], "resources": [], "hours": [], "exceptions": [], "blackouts": [],
        "bookable_from": None, "bookable_until": None, "lead": {"value": 0, "unit": "minutes"}, "horizon_days": 90,
        "grid_minutes": None, "min_minutes": 1, "max_minutes": 1440, "durations": None, "max_quantity": 1,
        "permitted_groups": None, "limits": [],
        "approval": {"blocks": True, "decide_within_minutes": 2880, "auto_groups": []},
        "waitlist": {"mode": "off", "offer_minutes": 1440, "promote_until_minutes": 120, "max_entries": 50},
        "cancel": {"until_minutes": 0, "after": "late"},
        "check_in": {"required": False, "opens_minutes": 15, "release_after_minutes": "by_kind"},
        "hold_minutes": 10, "resale_delay_minutes": 0, "rebook_days": 14, "retention_days": 90,
    }  # fmt: skip


def test_release_after_minutes__absent_null_and_a_number_are_three_things() -> None:
    def read(text: str) -> CheckInRules:
        offer = STATE.with_body(booking={"check_in": json.loads(text), "max_minutes": None}).read().data
        assert isinstance(offer, OfferPublished)
        return offer.booking.check_in

    assert read("{}").release_after_minutes == BY_KIND
    assert read('{"release_after_minutes":null}').release_after_minutes is None
    assert read('{"release_after_minutes":15}').release_after_minutes == 15
    assert CheckInRules(release_after_minutes=None).to_json() == b'{"release_after_minutes":null}'
    assert CheckInRules(release_after_minutes=15).to_json() == b'{"release_after_minutes":15}'


def test_null_is_a_value__of_those_fields_alone_whose_schema_has_null() -> None:
    parts = components("#/{model}").values()
    nullable = {
        name
        for part in parts
        for name, field in part.get("properties", {}).items()
        if {"type": "null"} in field.get("anyOf", ())
    }

    assert nullable == NULL_IS_A_VALUE


def test_nulls_in_many_entries_of_a_list__all_read_as_absent() -> None:
    resource = {"kind": "unit", "revision": 1, "status": None, "hours": None, "capacity": None}
    booking = {"resources": [resource | {"resource_id": f"r-{n}"} for n in range(30)], "lead": None}
    offer = STATE.with_body(booking=booking, teaser={"de": "a", "en": None}).read().data

    assert isinstance(offer, OfferPublished)
    assert [one.hours for one in offer.booking.resources] == [()] * 30
    assert offer.teaser == {"de": "a"}


def test_rules_with_kinds_and_modes_of_a_newer_version__readers_see_unknown() -> None:
    booking = {
        "mode": "lottery",
        "components": [{"component_id": "a", "kind": "robot", "resource_ids": ["r"]}],
        "resources": [{"resource_id": "r", "kind": "robot", "revision": 1}],
    }
    offer = STATE.with_body(kind="spaceship", booking=booking).read().data

    assert isinstance(offer, OfferPublished)
    assert offer.kind is OfferKind.OTHER
    assert offer.booking.mode is BookingMode.UNKNOWN
    assert offer.booking.components[0].kind is ResourceKind.UNKNOWN
    with pytest.raises(ValidationError):
        BookingRules.model_validate_json(json.dumps(booking))
    assert BookingRules.model_validate_json(json.dumps(booking), context=READER).mode is BookingMode.UNKNOWN


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"hub_id": "sued"}, "/offer_id"),
        ({"title": {"en": "Desk"}}, "/title"),
        ({"description": {}}, "/description"),
        ({"title": {"de": "a\nb"}}, "/title/de"),
        ({"kind": "health"}, "/data_category"),
        ({"data_category": "special", "partner_mode": "federated"}, "/partner_mode"),
        ({"status": "withdrawn"}, "/status"),
        ({"offer_id": "urn:hub:nord:offer:1"}, "/offer_id"),
        ({"places": [{"place_id": "p", "kind": "room", "lat": 91}]}, "/places/0/lat"),
        ({"images": [{"sha256": "0" * 64, "width": 1, "height": 1, "licence": "x"}]}, "/images/0/alt"),
        ({"prices": [{"amount_minor": 1.5}]}, "/prices/0/amount_minor"),
    ],
)
def test_offer_against_a_rule__pointer(changes: dict[str, Any], expected: str) -> None:
    assert problems(OfferPublished, dict(OFFER) | changes) == (expected,)


@pytest.mark.parametrize(
    "address", ["a@example.org", "erika.mustermann+hub@xn--grorhrsdorf-0za.example", "o'hara@example.org", "müller@example.org"]
)
def test_contact_with_a_mailbox__taken(address: str) -> None:
    assert problems(ContactSaved, {"person_id": str(EVENT_ID), "address": address}) == ()


NO_MAILBOX = ["", "a", "a@", "@b", "a@b@c", "a b@c", "a@b,c@d", "<a@b>", "A <a@b>", '"a"@b', "a@b;", "x" * 250 + "@b.de"]


@pytest.mark.parametrize("address", [*NO_MAILBOX, "a@b\r\nBcc: c@d", "a@b\n", "a\x00@b"])
def test_contact_with_anything_else_than_one_mailbox__refused(address: str) -> None:
    assert problems(ContactSaved, {"person_id": str(EVENT_ID), "address": address}) == ("/address",)


def test_models__closed_strict_and_frozen_where_they_are_made() -> None:
    wish = request()

    with pytest.raises(ValidationError):
        RequestBooking.model_validate_json(COMMAND.with_body(added_by_a_newer_version=1).value or b"")
    with pytest.raises(ValidationError):
        RequestBooking(offer_id=OFFER_ID, actor=wish.actor, claimant=wish.claimant, quantity="1")  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        wish.quantity = 2  # type: ignore[misc]


def test_refusal_key__booking_then_offer_then_request_then_none() -> None:
    refusal = RequestRefused(
        reason=Reason.GONE, command="CheckIn", payload_hash="0" * 64, retryable=False, offer_id=OFFER_ID, booking_id=BOOKING_ID
    )

    assert refusal.key() == str(BOOKING_ID)
    assert refusal.model_copy(update={"booking_id": None}).key() == OFFER_ID
    unreadable = refusal.model_copy(update={"booking_id": None, "offer_id": None, "request_id": EVENT_ID})
    assert unreadable.key() == str(EVENT_ID)
    assert unreadable.model_copy(update={"request_id": None}).key() == ""


def test_models__type_and_bare_type() -> None:
    assert RequestBooking.ce_type == "de.hubnetz.booking.RequestBooking.v1"
    assert RequestBooking.bare_type() == "RequestBooking"

    class Later(Model):
        area = "booking"
        major = 2

    assert Later.ce_type == "de.hubnetz.booking.Later.v2"
