"""A booking's events, and the booking that they add up to (analytics.md §3).

`fold` is a function of the set of events: their order of arrival, their number of repetitions and their batches cannot matter.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from services.analytics.domain.words import Claimant, State


@dataclass(frozen=True, slots=True)
class Fact:
    """One event about one booking, as far as figures need it; `given_back_at`: from then on the time was free again."""

    event_id: UUID
    booking_id: UUID
    version: int
    state: State
    occurred_at: datetime
    occurred_day: date
    offer_id: str
    claimant: Claimant
    start: datetime
    end: datetime
    placements: tuple[tuple[str, int], ...] = ()
    given_back_at: datetime | None = None
    moved: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that led to no claim, on the local day of the request."""

    event_id: UUID
    offer_id: str
    reason: str
    day: date


@dataclass(frozen=True, slots=True)
class Booking:
    """What is known of a booking; it holds its resources until its end, or until they were given back."""

    booking_id: UUID
    offer_id: str
    state: State
    claimant: Claimant
    start: datetime
    until: datetime
    placements: tuple[tuple[str, int], ...]
    first_confirmed_at: datetime | None
    first_confirmed_day: date | None
    last_moved_at: datetime | None


def fold(facts: Iterable[Fact]) -> Booking:
    """The booking of these facts, at least one, all of one booking.

    Two facts of one version do not occur; if they did, the smaller event id would count, here as in SQL.
    """
    known = list(facts)
    last = min(known, key=lambda fact: (-fact.version, fact.event_id.int))
    confirmed = [fact for fact in known if fact.state is State.CONFIRMED]
    moves = [fact.occurred_at for fact in known if fact.moved]
    until = last.end
    if last.given_back_at is not None:
        until = min(last.end, max(last.start, last.given_back_at))
    return Booking(
        booking_id=last.booking_id,
        offer_id=last.offer_id,
        state=last.state,
        claimant=last.claimant,
        start=last.start,
        until=until,
        placements=last.placements,
        first_confirmed_at=min((fact.occurred_at for fact in confirmed), default=None),
        first_confirmed_day=min((fact.occurred_day for fact in confirmed), default=None),
        last_moved_at=max(moves, default=None),
    )
