"""The table of booking.md §6: every listed transition happens, and every unlisted pair does nothing."""

from datetime import timedelta
from typing import Any

import pytest

from services.booking.domain.claims import Booking, Reasons
from services.booking.domain.closures import Closure, close
from services.booking.domain.codes import BLOCKING, TERMINAL, Reason, State
from services.booking.domain.decisions import Desk, decide
from services.booking.domain.desk import Waiting
from services.booking.domain.promotion import lapse, promote
from services.booking.domain.requests import CHANGES, Command, Move, Named, Refused, Request, Unchanged
from services.booking.domain.transitions import EXPECTED, TABLE, Trigger, allowed
from tests.unit.booking.rules import HOUR, NOW, STAFF, at, booking, empty, named, offer, unit, wish

TEN = at("03-02 10:00")
KEY = b"check-in-key-of-tests"


def stand(state: State, **rules: Any) -> tuple[Desk, Booking]:
    """One booking in that state, tomorrow at ten, and a desk on which it stands."""
    of = offer(unit(), **rules)
    held = booking(of, TEN, TEN + HOUR, state=state, due_at=TEN + HOUR)
    if state is State.WAITLISTED:
        held = held._replace(parts=(), wish=wish(TEN), queue_no=1, waits_for=frozenset({"room"}), due_at=TEN - HOUR)
    if state in TERMINAL:
        held = held._replace(due_at=None)
    occupancy = empty(of)
    if held.blocking:
        occupancy.book(held.booking_id, held.start, held.end, held.parts)
    desk = Desk({of.offer_id: of}, {held.booking_id: held}, occupancy, KEY)
    if state is State.WAITLISTED:
        desk.waiting = [Waiting(1, held.booking_id, of.offer_id, None, TEN, TEN + HOUR, held.waits_for)]
    return desk, held


NAMED = {
    Trigger.CONFIRM: (Command.CONFIRM, Named(named("b1"))),
    Trigger.ACCEPT: (Command.ACCEPT, Named(named("b1"))),
    Trigger.CANCEL: (Command.CANCEL, Named(named("b1"))),
    Trigger.RESCHEDULE: (Command.RESCHEDULE, Named(named("b1"), move=Move(None, TEN + 2 * HOUR, None, None, None))),
    Trigger.APPROVE: (Command.DECIDE, Named(named("b1"), approve=True)),
    Trigger.DECLINE: (Command.DECIDE, Named(named("b1"))),
    Trigger.CHECK_IN: (Command.CHECK_IN, Named(named("b1"), coming=True)),
    Trigger.CHECK_OUT: (Command.CHECK_IN, Named(named("b1"))),
}


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("trigger", list(NAMED))
def test_commands__listed_change_and_unlisted_do_nothing(trigger: Trigger, state: State) -> None:
    desk, held = stand(state)
    command, body = NAMED[trigger]
    now = TEN if trigger in (Trigger.CHECK_IN, Trigger.CHECK_OUT) else NOW
    outcome = decide(Request(command, held.offer_id, STAFF, body), desk, now)
    after = desk.bookings[held.booking_id]
    if (trigger, state) in TABLE:
        assert isinstance(outcome, CHANGES), outcome
        assert outcome.booking is after
        assert after.state in TABLE[trigger, state]
        assert after.version == held.version + 1
        assert (after.due_at is None) is (after.state in TERMINAL)
    else:
        assert after is held
        assert isinstance(outcome, Unchanged | Refused)
        # a target that is reached, or another state that goes on, is no error
        assert isinstance(outcome, Refused) is (state in TERMINAL and not _reached(trigger, state))


def _reached(trigger: Trigger, state: State) -> bool:
    return (trigger, state) in {
        (Trigger.CANCEL, State.CANCELLED), (Trigger.DECLINE, State.DECLINED), (Trigger.CHECK_OUT, State.COMPLETED),
    }  # fmt: skip


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize("state", [state for state in State if state not in TERMINAL])
def test_time__ends_every_state_that_has_an_end(state: State, required: bool) -> None:
    desk, held = stand(state, check_in={"required": required})
    lapse(desk, held, TEN + HOUR)
    after = desk.bookings[held.booking_id]
    assert after.state in TABLE[Trigger.TIME, state]
    if state is State.CONFIRMED:
        assert after.state is (State.NO_SHOW if required else State.COMPLETED)
        assert after.given_back_at == (TEN + timedelta(minutes=15) if required else None)
    assert [told.outcome.booking for told in desk.told] == [after]


@pytest.mark.parametrize("state", list(State))
def test_closure__displaces_or_lets_expire_and_leaves_the_rest(state: State) -> None:
    desk, held = stand(state)
    close(desk, [Closure(None, "room", "water", TEN, TEN + HOUR)], NOW)
    after = desk.bookings[held.booking_id]
    if (Trigger.CLOSURE, state) in TABLE:
        assert after.state in TABLE[Trigger.CLOSURE, state]
    else:
        assert after is held


@pytest.mark.parametrize("state", list(State))
def test_freed__only_who_waits_is_offered_something(state: State) -> None:
    desk, held = stand(state, waitlist={"mode": "fit"})
    promote(desk, {"room"}, NOW)
    after = desk.bookings[held.booking_id]
    assert after.state is (State.OFFERED if state is State.WAITLISTED else state)


@pytest.mark.parametrize(
    ("state", "command", "field", "reason"),
    [
        (State.HELD, Command.CONFIRM, "hold_expires_at", Reason.HOLD_EXPIRED),
        (State.OFFERED, Command.ACCEPT, "offer_expires_at", Reason.OFFER_EXPIRED),
    ],
)
def test_deadline__a_second_before_it_is_taken_and_at_it_lost(
    state: State, command: Command, field: str, reason: Reason
) -> None:
    until = NOW + HOUR
    for early in (True, False):
        desk, held = stand(state)
        held = held._replace(due_at=until)
        held = held._replace(hold_expires_at=until) if field == "hold_expires_at" else held._replace(offer_expires_at=until)
        desk.bookings[held.booking_id] = held
        now = until - timedelta(milliseconds=1) if early else until
        if not early:
            lapse(desk, held, now)
        outcome = decide(Request(command, held.offer_id, STAFF, Named(held.booking_id)), desk, now)
        if early:
            assert desk.bookings[held.booking_id].state is State.CONFIRMED
        else:
            assert isinstance(outcome, Refused)
            assert outcome.reasons.first is reason


@pytest.mark.parametrize(("seconds", "reason"), [(-901, "too_soon"), (-900, None), (899, None), (900, "deadline_passed")])
def test_check_in__from_a_quarter_of_an_hour_before_to_one_after(seconds: int, reason: str | None) -> None:
    desk, held = stand(State.CONFIRMED)
    now = TEN + timedelta(seconds=seconds)
    outcome = decide(Request(Command.CHECK_IN, held.offer_id, STAFF, Named(held.booking_id, coming=True)), desk, now)
    found = outcome.reasons.first if isinstance(outcome, Refused) else None
    assert found == reason


def test_move__that_fails_keeps_the_old_claim() -> None:
    desk, held = stand(State.CONFIRMED, hours=[{"weekday": 2, "from": "08:00", "to": "12:00"}])
    move = Move(TEN + 3 * HOUR, TEN + 4 * HOUR, None, None, None)
    outcome = decide(Request(Command.RESCHEDULE, held.offer_id, STAFF, Named(held.booking_id, move=move)), desk, NOW)
    assert isinstance(outcome, Refused) and isinstance(outcome.reasons, Reasons)
    assert outcome.reasons.first is Reason.OUTSIDE_OPENING_HOURS
    assert desk.bookings[held.booking_id] is held
    assert list(desk.occupancy.units["room"].occupied(TEN, TEN + HOUR)) == [(TEN, TEN + HOUR)]


def test_table__agrees_with_what_commands_expect() -> None:
    for command, states in EXPECTED.items():
        triggers = [trigger for trigger, (named_command, _) in NAMED.items() if named_command is command]
        assert states == {state for trigger in triggers for state in State if (trigger, state) in TABLE}
    assert not any(before in TERMINAL for _, before in TABLE)
    assert not allowed(Trigger.CANCEL, State.CHECKED_IN, State.CANCELLED)
    assert {State.CONFIRMED, State.CHECKED_IN} <= BLOCKING
