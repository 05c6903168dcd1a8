"""`decide`: who may, what follows, and what the next request finds."""

import base64
import hmac
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.booking.domain.claims import Actor, Booking, Claimant, ClaimantKind
from services.booking.domain.codes import BLOCKING, Role, State
from services.booking.domain.decisions import Desk, check_in_code, decide
from services.booking.domain.occupancy import Counted
from services.booking.domain.offers import Offer
from services.booking.domain.requests import (
    Asked,
    Cancelled,
    Command,
    Confirmed,
    Named,
    Outcome,
    Refused,
    Rejected,
    Request,
    Unchanged,
)
from tests.unit.booking.rules import (
    HOUR,
    MINUTE,
    NOW,
    SECOND,
    STAFF,
    at,
    booking,
    citizen,
    empty,
    named,
    offer,
    person,
    pool,
    session,
    unit,
    wish,
)

KEY = b"a key of at least sixteen bytes"
TEN = at("03-02 10:00")
PARTNER = Actor(Role.PARTNER, "sued", frozenset(), True)
GUEST = Claimant(ClaimantKind.PARTNER, hub_id="sued", booking_ref=named("ref"))
ONE_EACH = {"key": "k", "per": "person", "unit": "bookings", "window": "active", "max": 1}
HOUSE = Claimant(ClaimantKind.HOUSE, purpose="cleaning")


def desk(of: Offer | None, *bookings: Booking) -> Desk:
    occupancy = empty(of) if of is not None else empty(offer(unit()))
    for held in bookings:
        if held.state in BLOCKING:
            occupancy.book(held.booking_id, held.start, held.end, held.parts)
    return Desk({} if of is None else {of.offer_id: of}, {held.booking_id: held for held in bookings}, occupancy, KEY)


def asked(
    start: datetime | None = TEN, *, actor: Actor | None = None, claimant: Claimant | None = None, name: str = "b1", **more: Any
) -> Request:
    actor, claimant = actor or citizen(), claimant or person()
    fields = {"groups": actor.groups, "person_id": claimant.person_id} | more.pop("wish", {})
    body = Asked(named(name), claimant, wish(start, **fields))
    return Request(Command.REQUEST, "offer", actor, body, **more)


def about(
    command: Command,
    name: str | None = "b1",
    *,
    actor: Actor | None = None,
    code: str | None = None,
    gave_up: bool = False,
    **more: Any,
) -> Request:
    body = Named(None if name is None else named(name), code, gave_up)
    return Request(command, "offer", actor or citizen(), body, **more)


def said(outcome: Outcome) -> str | list[str]:
    if isinstance(outcome, Rejected | Refused):
        return [why.code.value for why in outcome.reasons.items]
    return type(outcome).__name__


def test_request__confirmed_in_its_first_version_with_code_and_deadline() -> None:
    of = offer(unit(), cancel={"until_minutes": 90})
    outcome = decide(asked(), desk(of), NOW)
    assert isinstance(outcome, Confirmed)
    assert outcome.booking.version == 1
    assert outcome.booking.state is State.CONFIRMED
    assert outcome.booking.offer_revision == 7
    assert outcome.booking.time_zone == "Europe/Berlin"
    assert outcome.booking.check_in_code == check_in_code(KEY, named("b1"))
    assert outcome.cancel_until == TEN - 90 * MINUTE


def test_check_in_code__forty_bits_in_crockfords_alphabet() -> None:
    codes = {check_in_code(KEY, named(f"b{number}")) for number in range(200)}
    assert len(codes) == 200
    assert {len(code) for code in codes} == {8}
    assert set("".join(codes)) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")


def test_check_in_code__is_base32_of_the_first_forty_bits() -> None:
    digits = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789ABCDEFGHJKMNPQRSTVWXYZ")
    first = hmac.new(KEY, str(named("b")).encode(), "sha256").digest()[:5]
    assert check_in_code(KEY, named("b")) == base64.b32encode(first).decode().translate(digits)


def test_next_request__finds_what_the_last_one_left() -> None:
    one = desk(offer(unit()))
    assert [said(decide(asked(name=name), one, NOW)) for name in ("b1", "b2")] == ["Confirmed", ["conflict"]]
    cancel = decide(about(Command.CANCEL, "b1"), one, NOW)
    assert isinstance(cancel, Cancelled)
    assert (cancel.booking.version, cancel.from_state) == (2, State.CONFIRMED)
    assert said(decide(asked(name="b3"), one, NOW)) == "Confirmed"


@pytest.mark.parametrize(
    ("actor", "claimant", "partner_mode", "permitted"),
    [
        (citizen("ann"), person("ann"), "none", True),
        (citizen("ann"), person("bob"), "none", False),
        (citizen(None), person("ann"), "none", False),  # a kiosk is nobody
        (citizen("ann", permitted=False), person("ann"), "none", False),  # its source may not speak for citizens
        (citizen("ann"), HOUSE, "none", False),
        (citizen("ann"), GUEST, "none", False),
        (STAFF, person("ann"), "none", True),
        (STAFF, HOUSE, "none", True),
        (STAFF, GUEST, "none", False),
        (Actor(Role.STAFF, "s", frozenset(), False), person("ann"), "none", False),
        (PARTNER, GUEST, "federated", True),
        (PARTNER, GUEST, "none", False),
        (PARTNER, GUEST, "redirect", False),
        (PARTNER, person("ann"), "federated", False),
        (Actor(Role.PARTNER, "west", frozenset(), True), GUEST, "federated", False),
    ],
)
def test_request__who_may_ask_for_whom(actor: Actor, claimant: Claimant, partner_mode: str, permitted: bool) -> None:
    of = offer(unit(), partner_mode=partner_mode)
    outcome = decide(asked(actor=actor, claimant=claimant), desk(of), NOW)
    assert said(outcome) == ("Confirmed" if permitted else ["not_permitted"])


def test_request__not_permitted_stands_in_its_place_and_tells_nothing_of_a_persons_limits() -> None:
    of = offer(
        unit(), status="suspended", limits=[{"key": "k", "per": "person", "unit": "bookings", "window": "active", "max": 0}]
    )
    outcome = decide(asked(actor=citizen("bob"), wish={"quantity": 2}), desk(of), NOW)
    assert said(outcome) == ["not_bookable", "not_permitted", "person_limit"]  # that of the offer, not of the person
    outcome = decide(asked(actor=citizen("bob")), desk(of), NOW)
    assert said(outcome) == ["not_bookable", "not_permitted"]


def test_request__unknown_offer() -> None:
    assert said(decide(asked(), desk(None), NOW)) == ["unknown_offer"]
    assert said(decide(asked(actor=citizen(permitted=False)), desk(None), NOW)) == ["unknown_offer", "not_permitted"]


def test_request__that_the_offer_cannot_read__is_refused_with_pointers() -> None:
    outcome = decide(asked(None), desk(offer(unit())), NOW)
    assert isinstance(outcome, Refused)
    assert (said(outcome), outcome.reasons.detail) == (["invalid_request"], ("/start", "/end"))
    outcome = decide(asked(None, actor=citizen(permitted=False)), desk(offer(unit())), NOW)
    assert said(outcome) == ["invalid_request"]


@pytest.mark.parametrize(
    ("expires", "expected"), [(NOW, ["request_expired"]), (NOW + SECOND, "Confirmed"), (None, "Confirmed")]
)
def test_request__expired(expires: datetime | None, expected: str | list[str]) -> None:
    assert said(decide(asked(expires_at=expires), desk(offer(unit())), NOW)) == expected


def test_command__expired() -> None:
    of = offer(unit())
    outcome = decide(about(Command.CANCEL, expires_at=NOW), desk(of, booking(of, TEN, TEN + HOUR)), NOW)
    assert isinstance(outcome, Refused)
    assert said(outcome) == ["request_expired"]


def test_limits__count_what_the_same_run_booked_and_gave_up() -> None:
    of = offer(unit("a"), unit("b"), limits=[ONE_EACH])
    one = desk(of)
    assert said(decide(asked(name="b1"), one, NOW)) == "Confirmed"
    assert said(decide(asked(name="b2"), one, NOW)) == ["person_limit"]
    assert said(decide(asked(name="b3", actor=citizen("bob"), claimant=person("bob")), one, NOW)) == "Confirmed"
    assert said(decide(about(Command.CANCEL, "b1"), one, NOW)) == "Cancelled"
    assert said(decide(asked(name="b4"), one, NOW)) == "Confirmed"


def test_limits__count_for_the_person_also_when_staff_book_for_them() -> None:
    of = offer(unit(), limits=[ONE_EACH])
    one = desk(of)
    one.occupancy.count(named("ann"), "k", Counted(named("x"), TEN, TEN + HOUR, 1, State.CONFIRMED))
    assert said(decide(asked(TEN + HOUR, actor=STAFF), one, NOW)) == ["person_limit"]
    assert said(decide(asked(TEN + HOUR, actor=STAFF, claimant=HOUSE), one, NOW)) == "Confirmed"


@pytest.mark.parametrize("command", [command for command in Command if command is not Command.REQUEST])
def test_commands__on_an_unknown_booking_or_a_series__gone(command: Command) -> None:
    of = offer(unit())
    for name in ("nothing", None):
        assert said(decide(about(command, name, actor=STAFF), desk(of), NOW)) == ["gone"]
    unheard = Actor(Role.STAFF, "s", frozenset(), False)
    assert said(decide(about(command, "nothing", actor=unheard), desk(of), NOW)) == ["not_permitted", "gone"]


@pytest.mark.parametrize(
    ("actor", "claimant", "command", "code", "permitted"),
    [
        (citizen("ann"), person("ann"), Command.CANCEL, None, True),
        (citizen("bob"), person("ann"), Command.CANCEL, None, False),
        (citizen(None), person("ann"), Command.CANCEL, "ABCDEFGH", False),
        (citizen("ann", permitted=False), person("ann"), Command.CANCEL, None, False),
        (STAFF, person("ann"), Command.CANCEL, None, True),
        (PARTNER, GUEST, Command.CANCEL, None, True),
        (PARTNER, person("ann"), Command.CANCEL, None, False),
        (Actor(Role.PARTNER, "west", frozenset(), True), GUEST, Command.CANCEL, None, False),
        (citizen(None), person("ann"), Command.CHECK_IN, "ABCDEFGH", True),
        (citizen(None), person("ann"), Command.CHECK_IN, "WRONG000", False),
        (citizen(None), person("ann"), Command.CHECK_IN, None, False),
        (citizen("ann"), person("ann"), Command.CHECK_IN, None, True),
        (citizen("ann"), person("ann"), Command.DECIDE, None, False),
        (STAFF, person("ann"), Command.DECIDE, None, True),
    ],
)
def test_commands__who_may(actor: Actor, claimant: Claimant, command: Command, code: str | None, permitted: bool) -> None:
    of = offer(unit())
    held = booking(of, TEN, TEN + HOUR, claimant=claimant)
    outcome = decide(about(command, actor=actor, code=code), desk(of, held), NOW)
    assert (said(outcome) != ["not_permitted"]) is permitted
    if not permitted:
        assert isinstance(outcome, Refused)
        assert outcome.booking_id == held.booking_id


@pytest.mark.parametrize("who", ["citizen", "staff", "partner"])
@pytest.mark.parametrize(
    ("after", "moment", "citizen_says", "staff_says"),
    [
        # until two hours before 10:00, then late
        ("late", "03-02 07:59:59", ("Cancelled", False), ("Cancelled", False)),
        ("late", "03-02 08:00", ("Cancelled", True), ("Cancelled", True)),
        ("late", "03-02 09:59:59", ("Cancelled", True), ("Cancelled", True)),
        ("late", "03-02 10:00", (["deadline_passed"], None), ("Cancelled", True)),
        ("late", "03-02 10:59:59", (["deadline_passed"], None), ("Cancelled", True)),
        ("late", "03-02 11:00", (["deadline_passed"], None), (["deadline_passed"], None)),
        ("refuse", "03-02 07:59:59", ("Cancelled", False), ("Cancelled", False)),
        ("refuse", "03-02 08:00", (["deadline_passed"], None), ("Cancelled", True)),
    ],
)
def test_cancel__deadline(who: str, after: str, moment: str, citizen_says: Any, staff_says: Any) -> None:
    of = offer(unit(), cancel={"until_minutes": 120, "after": after})
    claimant = GUEST if who == "partner" else person()
    actor = {"citizen": citizen(), "staff": STAFF, "partner": PARTNER}[who]
    held = booking(of, TEN, TEN + HOUR, claimant=claimant)
    outcome = decide(about(Command.CANCEL, actor=actor), desk(of, held), at(moment))
    expected, late = staff_says if who == "staff" else citizen_says
    assert said(outcome) == expected
    if isinstance(outcome, Cancelled):
        assert (outcome.late, outcome.by, outcome.freed) == (late, actor.role, True)


def test_cancel__a_partner_that_gave_up_passes_the_deadline() -> None:
    of = offer(unit(), cancel={"until_minutes": 120, "after": "refuse"})
    held = booking(of, TEN, TEN + HOUR, claimant=GUEST)
    for gave_up in (False, True):
        outcome = decide(about(Command.CANCEL, actor=PARTNER, gave_up=gave_up), desk(of, held), TEN - MINUTE)
        assert said(outcome) == ("Cancelled" if gave_up else ["deadline_passed"])


def test_cancel__of_an_offer_that_is_gone__no_deadline_but_the_start() -> None:
    of = offer(unit())
    held = booking(of, TEN, TEN + HOUR)
    outcome = decide(about(Command.CANCEL), Desk({}, {held.booking_id: held}, desk(of, held).occupancy, KEY), TEN - SECOND)
    assert isinstance(outcome, Cancelled)
    assert not outcome.late


@pytest.mark.parametrize(("version", "expected"), [(None, "Cancelled"), (1, "Cancelled"), (2, ["stale_version"])])
def test_cancel__expected_version(version: int | None, expected: str | list[str]) -> None:
    of = offer(unit())
    held = booking(of, TEN, TEN + HOUR)
    assert said(decide(about(Command.CANCEL, expected_version=version), desk(of, held), NOW)) == expected


def test_cancel__both_reasons_in_order_and_unchanged_before_stale_version() -> None:
    of = offer(unit())
    held = booking(of, TEN, TEN + HOUR)
    assert said(decide(about(Command.CANCEL, expected_version=9), desk(of, held), TEN)) == ["deadline_passed", "stale_version"]
    gone = booking(of, TEN, TEN + HOUR, state=State.CANCELLED)
    assert said(decide(about(Command.CANCEL, expected_version=9), desk(of, gone), NOW)) == "Unchanged"


@pytest.mark.parametrize("resource", [unit("x"), pool("x", 1), session("x", capacity=1)])
@pytest.mark.parametrize(("actor", "delayed"), [(citizen(), True), (STAFF, False)])
def test_cancel__resale_delay_keeps_a_citizens_place_from_newcomers(
    resource: dict[str, Any], actor: Actor, delayed: bool
) -> None:
    of = offer(resource, resale_delay_minutes=60)
    start = None if resource["kind"] == "session" else TEN
    one = desk(of)
    assert said(decide(asked(start, name="b1"), one, NOW)) == "Confirmed"
    outcome = decide(about(Command.CANCEL, "b1", actor=actor), one, NOW)
    assert isinstance(outcome, Cancelled)
    assert outcome.resale_after == (NOW + HOUR if delayed else None)
    again = said(decide(asked(start, name="b2"), one, NOW))
    assert again == ((["conflict"] if resource["kind"] == "unit" else ["capacity_full"]) if delayed else "Confirmed")


def test_rejected__tells_the_next_start_and_asks_for_the_week_first() -> None:
    of = offer(unit(), grid_minutes=30, hours=[{"weekday": day, "from": "08:00", "to": "12:00"} for day in range(1, 8)])
    one = desk(of)
    for name, hours in (("b1", 0), ("b2", 1)):
        assert said(decide(asked(TEN + hours * HOUR, name=name), one, NOW)) == "Confirmed"
    outcome = decide(asked(TEN, name="b3"), one, NOW)
    assert isinstance(outcome, Rejected)
    assert outcome.next_start == at("03-03 08:00")
    assert not one.unread
    one.occupancy.known["room"] = [(TEN, TEN + 2 * HOUR)]
    outcome = decide(asked(TEN, name="b3"), one, NOW)
    assert isinstance(outcome, Rejected)
    assert outcome.next_start is None
    assert [(resource.resource_id, low, high) for resource, low, high in one.unread] == [
        ("room", TEN, TEN + HOUR + timedelta(days=7))
    ]


def test_rejected__no_next_start_where_another_start_would_not_help() -> None:
    of = offer(unit(), max_minutes=30)
    one = desk(of, booking(of, TEN, TEN + HOUR))
    outcome = decide(asked(TEN), one, NOW)
    assert isinstance(outcome, Rejected)
    assert said(outcome) == ["too_long", "conflict"]
    assert outcome.next_start is None
    assert not one.unread


def test_a_stampede__the_same_answer_is_worked_out_once_until_something_changes() -> None:
    one = desk(offer(unit("a")))
    assert said(decide(asked(name="b1"), one, NOW)) == "Confirmed"
    starts = [decide(asked(name=f"c{number}"), one, NOW) for number in range(5)]
    assert {outcome.next_start for outcome in starts if isinstance(outcome, Rejected)} == {TEN + HOUR}
    assert len(one.later) == 1
    assert said(decide(asked(TEN + HOUR, name="b2"), one, NOW)) == "Confirmed"
    outcome = decide(asked(name="d"), one, NOW)
    assert isinstance(outcome, Rejected)
    assert outcome.next_start == TEN + 2 * HOUR


def test_unchanged__gives_the_current_state() -> None:
    of = offer(unit())
    held = booking(of, TEN, TEN + HOUR)
    outcome = decide(about(Command.CONFIRM), desk(of, held), NOW)
    assert isinstance(outcome, Unchanged)
    assert outcome.booking is held
