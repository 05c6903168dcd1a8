"""The table of booking.md §6, written down a second time row by row: the code's table is this one, no more and no less."""

from datetime import timedelta
from typing import Any

import pytest

from services.booking.domain.claims import Booking
from services.booking.domain.closures import take_along
from services.booking.domain.codes import TERMINAL, State
from services.booking.domain.decisions import Desk, decide
from services.booking.domain.promotion import lapse_due
from services.booking.domain.requests import CHANGES, Asked, Command, Outcome, Request
from services.booking.domain.transitions import TABLE, Trigger, allowed
from tests.unit.booking.rules import (
    DAY,
    HOUR,
    NOW,
    STAFF,
    at,
    booking,
    citizen,
    empty,
    named,
    offer,
    person,
    session,
    unit,
    wish,
)

S, T = State, Trigger
TEN = at("03-02 10:00")
KEY = b"check-in-key-of-tests"
NOTHING = (None,)
NON_TERMINAL = (S.HELD, S.PENDING_APPROVAL, S.OFFERED, S.CONFIRMED, S.CHECKED_IN, S.WAITLISTED, S.DISPLACED, S.AWAITING_PARTNER)

# (from, to, by what), in the order of the page. Where it says both that pending requests expire and that they are displaced by
# a closure, §9 decides: they are displaced. The last rows are §3: rooms of sessions, sessions that move.
PAGE: list[tuple[tuple[State | None, ...], tuple[State, ...], tuple[Trigger, ...]]] = [
    (NOTHING, (S.HELD, S.PENDING_APPROVAL, S.CONFIRMED, S.WAITLISTED), (T.REQUEST,)),
    (NOTHING, (S.AWAITING_PARTNER,), (T.REQUEST,)),
    ((S.HELD,), (S.AWAITING_PARTNER,), (T.CONFIRM,)),
    ((S.AWAITING_PARTNER,), (S.HELD, S.CONFIRMED, S.DECLINED, S.CANCELLED), (T.PARTNER,)),
    ((S.CONFIRMED,), (S.CONFIRMED, S.CANCELLED, S.DISPLACED), (T.PARTNER,)),
    ((S.HELD,), (S.CONFIRMED, S.PENDING_APPROVAL), (T.CONFIRM,)),
    ((S.HELD, S.PENDING_APPROVAL, S.WAITLISTED), (S.EXPIRED,), (T.TIME,)),
    ((S.HELD, S.WAITLISTED), (S.EXPIRED,), (T.CLOSURE,)),
    ((S.PENDING_APPROVAL,), (S.CONFIRMED, S.DECLINED), (T.APPROVE,)),
    ((S.PENDING_APPROVAL,), (S.DECLINED,), (T.DECLINE,)),
    ((S.WAITLISTED,), (S.OFFERED,), (T.FREED,)),
    ((S.OFFERED,), (S.CONFIRMED, S.PENDING_APPROVAL), (T.ACCEPT,)),
    ((S.OFFERED,), (S.EXPIRED,), (T.TIME, T.CLOSURE)),
    ((S.CONFIRMED,), (S.CONFIRMED,), (T.RESCHEDULE,)),
    ((S.PENDING_APPROVAL,), (S.PENDING_APPROVAL,), (T.RESCHEDULE,)),
    ((S.CHECKED_IN,), (S.CHECKED_IN,), (T.RESCHEDULE,)),
    (tuple(state for state in NON_TERMINAL if state is not S.CHECKED_IN), (S.CANCELLED,), (T.CANCEL,)),
    ((S.DISPLACED, S.AWAITING_PARTNER), (S.CANCELLED,), (T.TIME,)),
    ((S.CONFIRMED,), (S.CHECKED_IN,), (T.CHECK_IN,)),
    ((S.CONFIRMED,), (S.NO_SHOW,), (T.TIME,)),
    ((S.CHECKED_IN, S.CONFIRMED), (S.COMPLETED,), (T.TIME,)),
    ((S.CHECKED_IN,), (S.COMPLETED,), (T.CHECK_OUT,)),
    ((S.CONFIRMED, S.PENDING_APPROVAL), (S.DISPLACED,), (T.CLOSURE,)),
    ((S.DISPLACED,), (S.CONFIRMED,), (T.RESCHEDULE,)),
    (NOTHING, (S.CONFIRMED,), (T.FREED,)),
    *(((state,), (state,), (T.MOVED,)) for state in NON_TERMINAL if state not in (S.DISPLACED, S.AWAITING_PARTNER)),
]


def test_table__is_that_of_the_page() -> None:
    page: dict[tuple[Trigger, State | None], set[State]] = {}
    for befores, afters, triggers in PAGE:
        for before in befores:
            for trigger in triggers:
                page.setdefault((trigger, before), set()).update(afters)
    assert {pair: set(after) for pair, after in TABLE.items()} == page


@pytest.mark.parametrize("trigger", list(T))
@pytest.mark.parametrize("before", [None, *S])
def test_allowed__what_the_page_lists_and_nothing_else(trigger: Trigger, before: State | None) -> None:
    for after in S:
        listed = any(before in befores and after in afters and trigger in triggers for befores, afters, triggers in PAGE)
        assert allowed(trigger, before, after) is listed


def stand(state: State) -> tuple[Desk, Booking]:
    """One booking of a course tomorrow at ten."""
    of = offer(session("course", TEN.isoformat(), (TEN + HOUR).isoformat()))
    held = booking(of, TEN, TEN + HOUR, state=state, due_at=None if state in TERMINAL else TEN + HOUR)
    if state is S.WAITLISTED:
        held = held._replace(parts=(), wish=wish(), queue_no=1, waits_for=frozenset({"course"}))
    occupancy = empty(of)
    if held.blocking:
        occupancy.book(held.booking_id, held.start, held.end, held.parts)
    return Desk({of.offer_id: of}, {held.booking_id: held}, occupancy, KEY), held


@pytest.mark.parametrize("state", list(S))
def test_time__does_nothing_a_second_before_the_end_nor_ever_to_what_is_over(state: State) -> None:
    desk, held = stand(state)
    lapse_due(desk, TEN + HOUR - timedelta(seconds=1))
    assert desk.bookings[held.booking_id] is held
    lapse_due(desk, TEN + 400 * DAY)
    after = desk.bookings[held.booking_id]
    if (T.TIME, state) in TABLE:
        assert (after.state in TABLE[T.TIME, state], after.version) == (True, held.version + 1)
    else:
        assert after is held


@pytest.mark.parametrize("state", list(S))
def test_session_moved__takes_along_what_goes_on_and_leaves_the_rest(state: State) -> None:
    desk, held = stand(state)
    moved = offer(session("course", (TEN + DAY).isoformat(), (TEN + DAY + HOUR).isoformat()))
    assert moved.session is not None
    take_along(desk, moved.session.resources[0], NOW)
    after = desk.bookings[held.booking_id]
    if (T.MOVED, state) in TABLE:
        assert (after.state, after.start, after.version) == (state, TEN + DAY, held.version + 1)
        assert after.free_to_cancel
    else:
        assert after is held


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize("hold", [False, True])
@pytest.mark.parametrize("approval", [False, True])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("queue", ["off", "fit"])
def test_request__becomes_what_the_page_lists_or_nothing(
    required: bool, hold: bool, approval: bool, full: bool, queue: str
) -> None:
    rules: dict[str, Any] = {"mode": "request"} if approval else {}
    of = offer(unit(), waitlist={"mode": queue}, check_in={"required": required}, **rules)
    desk = Desk({of.offer_id: of}, {}, empty(of), KEY, queue_numbers=iter(range(9)))
    if full:
        assert isinstance(request(desk, "bob", hold=False), CHANGES)
    outcome = request(desk, "ann", hold=hold)
    after = desk.bookings.get(named("ann"))
    if full and (hold or queue == "off"):
        assert after is None
        assert not isinstance(outcome, CHANGES)
        return
    assert after is not None
    assert isinstance(outcome, CHANGES)
    assert after.state is (S.WAITLISTED if full else S.HELD if hold else S.PENDING_APPROVAL if approval else S.CONFIRMED)
    assert after.version == 1


def request(desk: Desk, who: str, *, hold: bool) -> Outcome:
    body = Asked(named(who), person(who), wish(TEN, person_id=named(who)), hold=hold)
    return decide(Request(Command.REQUEST, "offer", citizen(who) if who == "ann" else STAFF, body), desk, NOW)
