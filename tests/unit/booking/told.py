"""What booking said and what stands, in the words of the naive model."""

from functools import singledispatch

from services.booking.domain.claims import Booking, Reasons
from services.booking.domain.requests import (
    ApprovalRequested,
    Cancelled,
    CheckedIn,
    Completed,
    Confirmed,
    Declined,
    Held,
    Joined,
    Moved,
    Outcome,
    Refused,
    Rejected,
    SeriesDecided,
    Unchanged,
)
from tests.unit.booking.naive_life import Said
from tests.unit.booking.naive_rules import Claim
from tests.unit.booking.ours import minute


def of_outcome(outcome: Outcome) -> Said:
    """An answer."""
    return _said(outcome)


@singledispatch
def _said(outcome: object) -> Said:
    raise AssertionError(f"{outcome} answers no command")


@_said.register
def _(outcome: Confirmed) -> Said:
    until = minute(outcome.cancel_until)
    return ("confirmed", until) if outcome.from_state is None else ("confirmed", until, outcome.from_state.value)


@_said.register
def _(outcome: Held) -> Said:
    assert outcome.booking.hold_expires_at is not None
    return "held", minute(outcome.booking.hold_expires_at)


@_said.register
def _(outcome: ApprovalRequested) -> Said:
    return "pending_approval", outcome.competing


@_said.register
def _(outcome: Joined) -> Said:
    return "waitlisted", outcome.position


@_said.register
def _(outcome: Rejected) -> Said:
    return "rejected", _codes(outcome.reasons)


@_said.register
def _(outcome: Refused) -> Said:
    return "refused", _codes(outcome.reasons)


@_said.register
def _(outcome: Unchanged) -> Said:
    return "unchanged", outcome.booking.state.value


@_said.register
def _(outcome: Cancelled) -> Said:
    until = None if outcome.resale_after is None else minute(outcome.resale_after)
    return "cancelled", outcome.from_state.value, outcome.late, outcome.freed, until


@_said.register
def _(outcome: Declined) -> Said:
    return "declined", None if outcome.reason is None else outcome.reason.value


@_said.register
def _(outcome: CheckedIn) -> Said:
    return "checked_in", minute(outcome.at)


@_said.register
def _(outcome: Completed) -> Said:
    return "completed", minute(outcome.at)


@_said.register
def _(outcome: Moved) -> Said:
    return "moved", outcome.from_state.value


@_said.register
def _(outcome: SeriesDecided) -> Said:
    results = [str(result.state or result.reason) for result in outcome.series.results]
    return "series", outcome.stored, results if outcome.stored else None


def _codes(found: Reasons) -> list[str]:
    return list(dict.fromkeys(why.code.value for why in found.items))


def of_booking(booking: Booking) -> dict[str, object]:
    """A booking as far as the model knows one."""
    return {
        "state": booking.state.value, "version": booking.version, "start": minute(booking.start), "end": minute(booking.end),
        "quantity": booking.quantity, "competing": booking.competing,
        "due": None if booking.due_at is None else minute(booking.due_at),
        "parts": [
            (part.component_id, part.resource_id, minute(part.occupied_start), minute(part.occupied_end), part.quantity)
            for part in booking.parts
        ],
    }  # fmt: skip


def of_claim(claim: Claim) -> dict[str, object]:
    """A claim of the model."""
    return {
        "state": claim.state, "version": claim.version, "start": claim.start, "end": claim.end, "quantity": claim.quantity,
        "competing": claim.competing, "due": claim.due,
        "parts": [(piece.role, piece.thing, piece.low, piece.high, piece.quantity) for piece in claim.pieces],
    }  # fmt: skip
