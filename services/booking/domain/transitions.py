"""The life of a booking as one table: which trigger may bring it from where to where (booking.md §6).

What is not listed does nothing: `allowed` is asserted with every change, and a command that meets a state outside of
`EXPECTED` is answered without one.
"""

from enum import StrEnum

from services.booking.domain.codes import State
from services.booking.domain.requests import Command


class Trigger(StrEnum):
    """What changes a booking: the commands, time, a closure, something freed, the house itself."""

    REQUEST = "request"
    CONFIRM = "confirm"
    ACCEPT = "accept"
    CANCEL = "cancel"
    RESCHEDULE = "reschedule"
    APPROVE = "approve"
    DECLINE = "decline"
    CHECK_IN = "check_in"
    CHECK_OUT = "check_out"
    TIME = "time"
    CLOSURE = "closure"
    FREED = "freed"
    MOVED = "moved"
    PARTNER = "partner"


_S = State
_CANCELLABLE = (_S.HELD, _S.PENDING_APPROVAL, _S.OFFERED, _S.CONFIRMED, _S.WAITLISTED, _S.DISPLACED, _S.AWAITING_PARTNER)

# (trigger, from) -> the states it may lead to. None: there was no booking before.
TABLE: dict[tuple[Trigger, State | None], frozenset[State]] = {
    (Trigger.REQUEST, None): frozenset({_S.HELD, _S.PENDING_APPROVAL, _S.CONFIRMED, _S.WAITLISTED, _S.AWAITING_PARTNER}),
    (Trigger.CONFIRM, _S.HELD): frozenset({_S.CONFIRMED, _S.PENDING_APPROVAL, _S.AWAITING_PARTNER}),
    (Trigger.ACCEPT, _S.OFFERED): frozenset({_S.CONFIRMED, _S.PENDING_APPROVAL}),
    (Trigger.APPROVE, _S.PENDING_APPROVAL): frozenset({_S.CONFIRMED, _S.DECLINED}),
    (Trigger.DECLINE, _S.PENDING_APPROVAL): frozenset({_S.DECLINED}),
    (Trigger.FREED, None): frozenset({_S.CONFIRMED}),  # the rooms of a session
    (Trigger.FREED, _S.WAITLISTED): frozenset({_S.OFFERED}),
    (Trigger.RESCHEDULE, _S.CONFIRMED): frozenset({_S.CONFIRMED}),
    (Trigger.RESCHEDULE, _S.PENDING_APPROVAL): frozenset({_S.PENDING_APPROVAL}),
    (Trigger.RESCHEDULE, _S.CHECKED_IN): frozenset({_S.CHECKED_IN}),
    (Trigger.RESCHEDULE, _S.DISPLACED): frozenset({_S.CONFIRMED}),
    (Trigger.CHECK_IN, _S.CONFIRMED): frozenset({_S.CHECKED_IN}),
    (Trigger.CHECK_OUT, _S.CHECKED_IN): frozenset({_S.COMPLETED}),
    (Trigger.TIME, _S.HELD): frozenset({_S.EXPIRED}),
    (Trigger.TIME, _S.PENDING_APPROVAL): frozenset({_S.EXPIRED}),
    (Trigger.TIME, _S.WAITLISTED): frozenset({_S.EXPIRED}),
    (Trigger.TIME, _S.OFFERED): frozenset({_S.EXPIRED}),
    (Trigger.TIME, _S.CONFIRMED): frozenset({_S.NO_SHOW, _S.COMPLETED}),
    (Trigger.TIME, _S.CHECKED_IN): frozenset({_S.COMPLETED}),
    (Trigger.TIME, _S.DISPLACED): frozenset({_S.CANCELLED}),
    (Trigger.TIME, _S.AWAITING_PARTNER): frozenset({_S.CANCELLED}),
    (Trigger.CLOSURE, _S.HELD): frozenset({_S.EXPIRED}),
    (Trigger.CLOSURE, _S.OFFERED): frozenset({_S.EXPIRED}),
    (Trigger.CLOSURE, _S.WAITLISTED): frozenset({_S.EXPIRED}),
    (Trigger.CLOSURE, _S.CONFIRMED): frozenset({_S.DISPLACED}),
    (Trigger.CLOSURE, _S.PENDING_APPROVAL): frozenset({_S.DISPLACED}),
    **{(Trigger.CANCEL, state): frozenset({_S.CANCELLED}) for state in _CANCELLABLE},
    **{
        (Trigger.MOVED, state): frozenset({state})  # a session moved in time takes its bookings along
        for state in (_S.HELD, _S.PENDING_APPROVAL, _S.OFFERED, _S.CONFIRMED, _S.CHECKED_IN, _S.WAITLISTED)
    },
    (Trigger.PARTNER, _S.AWAITING_PARTNER): frozenset({_S.HELD, _S.CONFIRMED, _S.DECLINED, _S.CANCELLED}),
    (Trigger.PARTNER, _S.CONFIRMED): frozenset({_S.CONFIRMED, _S.CANCELLED, _S.DISPLACED}),
}

EXPECTED: dict[Command, frozenset[State]] = {
    Command.CONFIRM: frozenset({_S.HELD}),
    Command.ACCEPT: frozenset({_S.OFFERED}),
    Command.CANCEL: frozenset(_CANCELLABLE),
    Command.RESCHEDULE: frozenset({_S.CONFIRMED, _S.PENDING_APPROVAL, _S.CHECKED_IN, _S.DISPLACED}),
    Command.DECIDE: frozenset({_S.PENDING_APPROVAL}),
}


def allowed(trigger: Trigger, before: State | None, after: State) -> bool:
    """Whether the table lists it."""
    return after in TABLE.get((trigger, before), frozenset())
