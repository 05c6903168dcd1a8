"""Contract models to domain and back."""

import json
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts import topics
from contracts.booking import COMMANDS, CancelBooking, CheckIn, RequestBooking, payload_hash
from contracts.booking.rules import BookingRules
from contracts.catalog import OfferPublished, OfferWithdrawn
from contracts.envelope import Event, Model, decode, encode
from services.booking.domain.claims import Booking, Claimant, ClaimantKind, Reasons, Why
from services.booking.domain.codes import Choose, Every, Kind, Reason, Role, State
from services.booking.domain.copies import Status
from services.booking.domain.requests import (
    Asked,
    Cancelled,
    Command,
    Confirmed,
    Named,
    Outcome,
    Refused,
    Rejected,
    SeriesRef,
    SeriesRule,
    Unchanged,
)
from services.booking.wire import answers
from services.booking.wire.offers import copies_of, offer_of, withdrawn_copy
from services.booking.wire.requests import named_actor, named_booking, named_offer, request_of
from tests.unit.booking.rules import DAY, HOUR, NOW, at, booking, named, offer, unit

ALL = frozenset({Role.CITIZEN, Role.STAFF, Role.PARTNER})
OFFER = "urn:hub:nord:offer:6ba7b810-9dad-11d1-80b4-00c04fd430c8"


def published(revision: int = 3, **rules: Any) -> OfferPublished:
    fields = {
        "offer_id": OFFER, "hub_id": "nord", "revision": revision, "kind": "room", "status": "published",
        "title": {"de": "Saal"}, "description": {"de": "Ein Saal"}, "partner_mode": "federated",
    }  # fmt: skip
    state = OfferPublished.model_validate_json(json.dumps(fields))
    return state.model_copy(update={"booking": BookingRules.model_validate_json(json.dumps({"mode": "instant"} | rules))})


ROOM = {
    "resource_id": "room", "kind": "unit", "revision": 5, "capacity": 8, "features": ["step_free"], "setup_minutes": 10,
    "hours": [{"weekday": 1, "from": "22:00", "to": "24:00"}], "exceptions": [{"date": "2027-03-02"}],
}  # fmt: skip
MAIN = {"component_id": "main", "kind": "unit", "resource_ids": ["room", "gone"], "choose": "either", "teardown_minutes": 0}
RULES: dict[str, Any] = {
    "components": [
        {"component_id": "main", "kind": "unit", "resource_ids": ["room", "gone"], "choose": "either", "teardown_minutes": 0}
    ],
    "resources": [ROOM],
    "limits": [{"key": "k", "per": "person", "unit": "places", "window": "week", "max": 4}],
    "lead": {"value": 2, "unit": "working_days"},
    "durations": [30, 90],
    "cancel": {"until_minutes": 60, "after": "refuse"},
    "permitted_groups": ["club"],
    "resale_delay_minutes": 15,
    "grid_minutes": 15,
}


def test_copies__rules_without_resources_and_each_resource_on_its_own() -> None:
    copy, resources = copies_of(published(**RULES))
    assert (copy.offer_id, copy.revision, copy.status, copy.limit_keys) == (OFFER, 3, Status.PUBLISHED, ["k"])
    assert copy.resource_ids == ["gone", "room"]
    assert "resources" not in json.loads(copy.rules)
    assert [(r.resource_id, r.kind, r.capacity, r.revision) for r in resources] == [("room", "unit", 8, 5)]


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"grid_minutes": 30}, False),
        ({"mode": "request"}, False),
        ({"resources": [ROOM | {"revision": 6}]}, True),  # resources have revisions of their own
        ({"resources": []}, True),
    ],
)
def test_copies__content_hash_tells_other_rules(change: dict[str, Any], same: bool) -> None:
    assert (copies_of(published(**RULES))[0].content_hash == copies_of(published(**RULES | change))[0].content_hash) is same


def test_copies__content_hash_of_a_resource() -> None:
    one = copies_of(published(**RULES))[1][0].content_hash
    assert copies_of(published(**RULES | {"resources": [ROOM | {"capacity": 9}]}))[1][0].content_hash != one
    assert copies_of(published(4, **RULES))[1][0].content_hash == one


def test_offer_of__everything_arrives() -> None:
    copy, resources = copies_of(published(**RULES))
    ready = offer_of(copy, {"room": resources[0]})
    assert (ready.served, ready.published, ready.federated, ready.where.key) == (True, True, True, "Europe/Berlin")
    part = ready.components[0]
    assert (part.choose, part.kind, [r.resource_id for r in part.resources]) == (Choose.EITHER, Kind.UNIT, ["room"])
    assert part.buffers(part.resources[0]) == (timedelta(minutes=10), timedelta())
    assert part.features == {"step_free"}
    opening = part.resources[0].opening
    assert opening is not None
    assert opening.on(date(2027, 3, 1)) == ((at("03-01 22:00"), at("03-02 00:00")),)
    assert not opening.opens_on(date(2027, 3, 2))
    assert (ready.lead, ready.lead_unit) == (2, "working_days")
    assert ready.lengths == frozenset({timedelta(minutes=30), timedelta(minutes=90)})
    assert (ready.cancel_ahead, ready.cancel_late, ready.resale_delay) == (HOUR, False, timedelta(minutes=15))
    assert (ready.permitted_groups, ready.grid, ready.limits[0].most) == (frozenset({"club"}), timedelta(minutes=15), 4)


def test_offer_of__a_resource_of_another_kind_serves_nobody() -> None:
    rules = RULES | {"resources": [ROOM | {"kind": "pool"}]}
    copy, resources = copies_of(published(**rules))
    assert offer_of(copy, {"room": resources[0]}).components[0].resources == ()


def test_offer_of__words_that_are_newer_than_we_are() -> None:
    body = json.dumps(
        {"mode": "telepathy", "components": [{"component_id": "main", "kind": "robot", "resource_ids": ["room"]}]}
    )
    rules = BookingRules.model_validate_json(body, extra="ignore", context={"reader": True})
    copy, _ = copies_of(published(mode="none").model_copy(update={"booking": rules}))
    ready = offer_of(copy, {})
    assert not ready.served
    assert ready.components[0].kind is Kind.UNKNOWN


def test_withdrawn__keeps_what_was_known_and_stands_for_what_was_not() -> None:
    gone = OfferWithdrawn.model_validate_json(
        json.dumps({
            "offer_id": OFFER, "hub_id": "nord", "revision": 4, "status": "withdrawn", "reason": "editor",
            "withdrawn_at": "2027-03-01T09:00:00Z",
        })
    )  # fmt: skip
    copy, resources = copies_of(published(**RULES))
    withdrawn = withdrawn_copy(gone, copy)
    ready = offer_of(withdrawn, {"room": resources[0]})
    assert (ready.published, ready.revision, ready.cancel_late, ready.served) == (False, 4, False, True)
    unknown = offer_of(withdrawn_copy(gone, None), {})
    assert (unknown.published, unknown.served) == (False, False)


CITIZEN = {"role": "citizen", "id": str(named("ann"))}
PERSON = {"kind": "person", "person_id": str(named("ann"))}
PARTNER = {"kind": "partner", "hub_id": "sued", "booking_ref": str(named("ref"))}


def event(model: type[Model], body: dict[str, Any], **more: Any) -> Event:
    """A command as it arrives."""
    data = model.model_validate_json(json.dumps({"offer_id": OFFER, "actor": CITIZEN} | body))
    sent = Event(id=named("r"), source="urn:hub:nord:portal", type=data.ce_type, time=NOW, key=OFFER, data=data, **more)
    key, headers, value = encode(sent)
    return decode(topics.BOOKING_REQUESTS, key=key, headers=headers, value=value)


def test_request__everything_arrives() -> None:
    body = {
        "claimant": PERSON, "start": "2027-03-02T10:00:00", "duration_minutes": 90, "choices": {"main": "room"},
        "options": ["beamer"], "quantity": 2, "quantities": {"beamer": 1}, "needs": ["step_free"], "offer_revision": 3,
        "actor": CITIZEN | {"groups": ["club"]}, "expected_version": 4,
    }  # fmt: skip
    request = request_of(event(RequestBooking, body, expiry_time=NOW + DAY), [named("b")], ALL)
    assert (request.command, request.offer_id, request.expected_version) == (Command.REQUEST, OFFER, 4)
    assert request.expires_at == NOW + DAY
    assert isinstance(request.body, Asked)
    wish = request.body.wish
    assert (wish.start, wish.end, wish.duration) == (datetime.fromisoformat("2027-03-02T10:00:00"), None, timedelta(minutes=90))
    assert (wish.choices, wish.quantities) == ({"main": "room"}, {"beamer": 1})
    assert (wish.options, wish.needs, wish.groups) == (frozenset({"beamer"}), frozenset({"step_free"}), frozenset({"club"}))
    assert (wish.quantity, wish.offer_revision, wish.person_id) == (2, 3, named("ann"))
    assert (request.body.booking_id, request.body.claimant.person_id) == (named("b"), named("ann"))


def test_request__what_is_asked_beside_the_wish_arrives() -> None:
    body = {"claimant": PERSON, "start": "2027-03-02T10:00:00Z", "end": "2027-03-02T11:00:00Z"}

    def asked(**more: Any) -> Asked:
        ids = [named("b"), named("c")]
        made = request_of(event(RequestBooking, body | more), ids, ALL, series_id=named("s")).body
        assert isinstance(made, Asked)
        return made

    assert (asked().hold, asked().join, asked().instant_only, asked().series) == (False, True, False, None)
    held = asked(intent="hold", hold_seconds=90, join_waitlist=False, instant_only=True)
    assert (held.hold, held.hold_for, held.join, held.instant_only) == (True, timedelta(seconds=90), False, True)
    series = asked(series={"every": "week", "count": 2, "mode": "skip"})
    assert series.series == SeriesRule(Every.WEEK, 1, 2, True)
    assert (series.series_id, series.occurrence_ids) == (named("s"), (named("c"),))
    assert asked(add_to={"series_id": str(named("s")), "n": 1}).add_to == SeriesRef(named("s"), 1)
    over = asked(overbook={"reason_code": "vip"})
    assert (over.overbook_reason, over.wish.overbook) == ("vip", True)


@pytest.mark.parametrize(("roles", "permitted"), [(ALL, True), (frozenset({Role.STAFF}), False), (frozenset(), False)])
def test_request__permitted_if_the_source_may_state_the_role(roles: frozenset[Role], permitted: bool) -> None:
    assert request_of(event(RequestBooking, {"claimant": PERSON}), [named("b")], roles).actor.permitted is permitted


@pytest.mark.parametrize(
    ("claimant", "expected"),
    [
        (PERSON, Claimant(ClaimantKind.PERSON, person_id=named("ann"))),
        (PARTNER, Claimant(ClaimantKind.PARTNER, hub_id="sued", booking_ref=named("ref"))),
        ({"kind": "house", "purpose": "cleaning"}, Claimant(ClaimantKind.HOUSE, purpose="cleaning")),
    ],
)
def test_claimants__there_and_back(claimant: dict[str, Any], expected: Claimant) -> None:
    command = event(RequestBooking, {"claimant": claimant})
    request = request_of(command, [named("b")], ALL)
    assert isinstance(request.body, Asked)
    assert request.body.claimant == expected
    assert isinstance(command.data, RequestBooking)
    assert answers.contract_claimant(expected) == command.data.claimant


@pytest.mark.parametrize(
    ("role", "reason", "gave_up"), [("partner", "gave_up", True), ("partner", "other", False), ("citizen", "gave_up", False)]
)
def test_cancel__only_a_partner_gives_up(role: str, reason: str, gave_up: bool) -> None:
    body = {"booking_id": str(named("b")), "reason_code": reason, "actor": {"role": role, "id": "sued"}}
    request = request_of(event(CancelBooking, body), [named("x")], ALL)
    assert request.body == Named(named("b"), None, gave_up)


def test_commands__about_a_booking_or_a_series() -> None:
    check_in = event(CheckIn, {"booking_id": str(named("b")), "code": "ABCDEFGH", "direction": "in"})
    assert request_of(check_in, [named("x")], ALL).body == Named(named("b"), "ABCDEFGH", coming=True)
    assert named_booking(check_in) == named("b")
    series = event(CancelBooking, {"series_id": str(named("s")), "from_n": 0})
    assert request_of(series, [named("x")], ALL).body == Named(None, series_id=named("s"))
    assert named_booking(series) is None
    assert named_booking(event(RequestBooking, {"claimant": PERSON})) is None
    for model in COMMANDS:
        assert Command(model.__name__)


@pytest.mark.parametrize(
    ("value", "offer_id"),
    [
        (b'{"offer_id": "abc"}', "abc"),
        (b'{"offer_id": "with space"}', None),
        (b'{"offer_id": 7}', None),
        (b'{"offer_id": "' + b"x" * 121 + b'"}', None),
        (b"{}", None),
    ],
)
def test_invalid_body__the_offer_is_read_if_it_can_be(value: bytes, offer_id: str | None) -> None:
    invalid = Event(named("r"), "urn:x", RequestBooking.ce_type, NOW, "k", None, value=value, problems=("/claimant",))
    assert named_offer(invalid) == offer_id
    assert named_actor(invalid) == (None, None)
    refused = answers.refusal_of_unreadable(invalid, payload_hash("RequestBooking", value), offer_id, Reason.INVALID_REQUEST)
    assert (refused.request_id, refused.detail, refused.offer_id) == (named("r"), ("/claimant",), offer_id)
    assert answers.key_of(refused) == offer_id


HELD = booking(offer(unit()), at("03-02 10:00"), at("03-02 11:00"))
GUEST = HELD._replace(claimant=Claimant(ClaimantKind.PARTNER, hub_id="sued", booking_ref=named("ref")))


def answered(outcome: Outcome, model: type[Model] = CancelBooking, **body: Any) -> dict[str, Any]:
    body = body or ({"claimant": PERSON} if model is RequestBooking else {"booking_id": str(named("b1"))})
    answer = answers.answer_of(outcome, event(model, body), "a" * 64, offer(unit()))
    assert answers.key_of(answer)
    told: dict[str, Any] = json.loads(answer.to_json())
    return {"type": type(answer).__name__} | told


COMMON = {
    "booking_id": str(named("b1")), "version": 1, "state": "confirmed", "offer_id": "offer", "offer_revision": 7,
    "claimant": PERSON, "start": "2027-03-02T09:00:00Z", "end": "2027-03-02T10:00:00Z", "time_zone": "Europe/Berlin",
    "quantity": 1, "placements": [{"component_id": "main", "resource_id": "room", "quantity": 1}], "actor_role": "citizen",
    "request_id": str(named("r")),
}  # fmt: skip


def test_answer__confirmed() -> None:
    assert answered(Confirmed(HELD, HELD.start), RequestBooking) == COMMON | {
        "type": "BookingConfirmed", "check_in_code": "ABCDEFGH", "cancel_until": "2027-03-02T09:00:00Z",
    }  # fmt: skip


@pytest.mark.parametrize("held", [HELD, GUEST])
def test_answer__cancelled(held: Booking) -> None:
    gone = held._replace(state=State.CANCELLED, version=2)
    answer = answered(Cancelled(gone, State.CONFIRMED, Role.STAFF, True, True, NOW))
    claimant = PERSON if held is HELD else PARTNER
    assert answer == COMMON | {
        "type": "BookingCancelled", "version": 2, "state": "cancelled", "from_state": "confirmed", "by": "staff", "late": True,
        "freed": True, "resale_after": "2027-03-01T09:00:00Z", "claimant": claimant,
    }  # fmt: skip


def test_answer__unchanged() -> None:
    assert answered(Unchanged(HELD)) == COMMON | {"type": "BookingUnchanged"}


def test_answer__rejected_with_all_that_could_be_read_of_the_wish() -> None:
    reasons = Reasons((Why(Reason.CONFLICT, "main"), Why(Reason.CAPACITY_FULL)), HELD.start, HELD.end)
    answer = answered(Rejected(reasons, HELD.end), RequestBooking, claimant=PERSON, quantity=2)
    assert answer == {
        "type": "BookingRejected", "offer_id": OFFER, "actor_role": "citizen", "request_id": str(named("r")),
        "reason": "conflict", "offer_revision": 7, "claimant": PERSON, "start": "2027-03-02T09:00:00Z",
        "end": "2027-03-02T10:00:00Z", "time_zone": "Europe/Berlin", "quantity": 2,
        "reasons": [{"code": "conflict", "component_id": "main"}, {"code": "capacity_full"}],
        "next_start": "2027-03-02T10:00:00Z", "retryable": False, "requested_at": "2027-03-01T09:00:00Z",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("start", "told"), [("2027-03-28T02:30:00", None), ("2027-03-28T02:30:00+02:00", "2027-03-28T00:30:00Z")]
)
def test_answer__rejected__a_local_time_that_means_nothing_is_not_repeated(start: str, told: str | None) -> None:
    reasons = Reasons((Why(Reason.NOT_BOOKABLE),))
    answer = answered(Rejected(reasons), RequestBooking, claimant=PERSON, start=start, duration_minutes=60)
    assert answer.get("start") == told


@pytest.mark.parametrize(("booking_id", "key"), [(named("b1"), str(named("b1"))), (None, OFFER)])
def test_answer__refused(booking_id: UUID | None, key: str) -> None:
    outcome = Refused(Reasons((Why(Reason.GONE),), detail=tuple(f"/{n}" for n in range(30))), booking_id)
    answer = answers.answer_of(outcome, event(CancelBooking, {"booking_id": str(named("b1"))}), "a" * 64, None)
    assert answers.key_of(answer) == key
    body = json.loads(answer.to_json())
    assert len(body.pop("detail")) == 20
    assert body == {
        "offer_id": OFFER, "actor_role": "citizen", "request_id": str(named("r")), "reason": "gone", "command": "CancelBooking",
        "payload_hash": "a" * 64, "retryable": False,
    } | ({"booking_id": str(booking_id)} if booking_id else {})  # fmt: skip


def test_answer__reused_id__without_request_id() -> None:
    refused = answers.refusal_of_reused(event(RequestBooking, {"claimant": PERSON}), "b" * 64, OFFER)
    assert (refused.request_id, refused.reason, refused.payload_hash) == (None, "request_id_reused", "b" * 64)


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (event(RequestBooking, {"claimant": PERSON}), "BookingRejected"),
        (event(CancelBooking, {"booking_id": str(named("b"))}), "RequestRefused"),
        (Event(named("r"), "urn:x", RequestBooking.ce_type, NOW, "k", None, value=b"{}"), "RequestRefused"),
    ],
)
def test_answer__busy_is_the_only_one_to_be_tried_again(sent: Event, kind: str) -> None:
    answer = answers.busy_of(sent, "a" * 64, OFFER)
    assert (type(answer).__name__, answer.reason, getattr(answer, "retryable", None)) == (kind, "busy", True)
