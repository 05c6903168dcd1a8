"""Booking's events as rows: every event of a backlog passes here, so what recurs is worked out once."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from contracts.booking import (
    FACTS,
    BookingCancelled,
    BookingCompleted,
    BookingFact,
    BookingNoShow,
    BookingRejected,
    BookingRescheduled,
    BookingUnchanged,
)
from contracts.booking.vocabulary import PersonClaimant, Placements
from contracts.envelope import Event
from hubkit.inbox import content_hash
from services.analytics.domain.pseudonyms import Pseudonyms
from services.analytics.domain.rows import EPOCH_DAY, EventRow, Problem
from services.analytics.domain.words import Side
from services.analytics.domain.zones import local_day
from services.analytics.limits import INSTANTS_CACHED_MAX, SPAN_DAYS_MAX, TEXTS_CACHED_MAX

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECONDS: Final = 1_000_000
# Clocks change, and local days begin, at whole quarters of an hour.
_QUARTER_HOUR: Final = 900 * _MICROSECONDS

# BookingUnchanged says again what an earlier event of the same version said.
_COUNTED: Final = frozenset(FACTS) - {BookingUnchanged}


class Place(NamedTuple):
    """Where a record lay in the log, and when Kafka got it (milliseconds since 1970)."""

    partition: int
    offset: int
    timestamp_ms: int


def microseconds(instant: datetime) -> int:
    """Since PostgreSQL's epoch; `instant` is aware."""
    since = instant - _EPOCH
    return (since.days * 86_400 + since.seconds) * _MICROSECONDS + since.microseconds


def instant_of(number: int) -> datetime:
    """The inverse of `microseconds`."""
    return _EPOCH + timedelta(microseconds=number)


@dataclass(frozen=True, slots=True)
class FactReader:
    """Turns events into rows for one hub; `where` is its zone. Calls no clock and no network."""

    hub_id: str
    where: ZoneInfo
    pseudonyms: Pseudonyms
    _days: dict[int, tuple[int, int]] = field(default_factory=dict)
    _hubs: dict[str, tuple[str, str]] = field(default_factory=dict)

    def read(self, event: Event, place: Place | None) -> tuple[EventRow | None, Problem | None]:
        """The row and, if it must not count, why; (None, None) for types without a figure."""
        data = event.data
        if type(data) in _COUNTED:
            assert isinstance(data, BookingFact), "that is what _COUNTED holds"
            return self._fact(event, data, place)
        if isinstance(data, BookingRejected):
            return self._refusal(event, data, place), None
        return None, None

    def _fact(self, event: Event, data: BookingFact, place: Place | None) -> tuple[EventRow, Problem | None]:
        problem: Problem | None = None
        starts, ends, occurred = _booked(data.start), _booked(data.end), microseconds(event.time)
        first_day, year = self._day(starts)
        last_day = self._day(ends - 1)[0]
        if ends <= starts:
            problem = "span_not_forward"
        elif last_day - first_day > SPAN_DAYS_MAX:
            problem = "span_too_long"
        visitor = None
        claimant = data.claimant
        if isinstance(claimant, PersonClaimant):
            if year in self.pseudonyms.years:
                visitor = self.pseudonyms.visitor(claimant.person_id, year)
            else:
                problem = problem or "no_year_key"
        hub_id, side = self._hub_and_side(data.offer_id)
        resource_ids, quantities = _placed(data.placements)
        late = freed = False
        given_back = None
        if isinstance(data, BookingCancelled):
            late, freed = data.late, data.freed
        elif isinstance(data, BookingNoShow | BookingCompleted):
            given_back = _given_back(data)
        row = EventRow(
            event.id.bytes,
            data.booking_id.bytes,
            occurred,
            None if place is None else _produced(place),
            starts,
            ends,
            given_back,
            None if place is None else place.offset,
            None if place is None else place.partition,
            data.version,
            data.quantity,
            self._day(occurred)[0],
            first_day,
            last_day,
            last_day > first_day,
            type(data) is BookingRescheduled,
            late,
            freed,
            content_hash(event),
            visitor,
            type(data).__name__,
            data.state.value,
            None if data.from_state is None else data.from_state.value,
            hub_id,
            side,
            claimant.kind,
            data.actor_role.value,
            None if data.reason is None else data.reason.value,
            data.offer_id,
            resource_ids,
            quantities,
        )
        return row, problem

    def _refusal(self, event: Event, data: BookingRejected, place: Place | None) -> EventRow:
        """On the day of the request; who asked is not kept, no figure counts them."""
        occurred = microseconds(event.time)
        day = self._day(microseconds(data.requested_at))[0]
        hub_id, side = self._hub_and_side(data.offer_id)
        return EventRow(
            event_id=event.id.bytes,
            booking_id=None,
            occurred_at=occurred,
            produced_at=None if place is None else _produced(place),
            starts_at=None if data.start is None else _booked(data.start),
            ends_at=None if data.end is None else _booked(data.end),
            given_back_at=None,
            record_offset=None if place is None else place.offset,
            partition=None if place is None else place.partition,
            version=None,
            quantity=data.quantity,
            occurred_day=self._day(occurred)[0],
            first_day=day,
            last_day=day,
            over_midnight=False,
            moved=False,
            late=False,
            freed=False,
            content_hash=content_hash(event),
            visitor=None,
            type=type(data).__name__,
            state=None,
            from_state=None,
            hub_id=hub_id,
            side=side,
            claimant=None if data.claimant is None else data.claimant.kind,
            actor_role=data.actor_role.value,
            reason=data.reason.value,
            offer_id=data.offer_id,
            resource_ids=(),
            quantities=(),
        )

    def _day(self, instant: int) -> tuple[int, int]:
        """The local day as PostgreSQL numbers it, and its year."""
        quarter = instant // _QUARTER_HOUR
        known = self._days.get(quarter)
        if known is None:
            if len(self._days) >= INSTANTS_CACHED_MAX:
                self._days.clear()
            day = local_day(instant_of(quarter * _QUARTER_HOUR), self.where)
            known = self._days[quarter] = ((day - EPOCH_DAY).days, day.year)
        return known

    def _hub_and_side(self, offer_id: str) -> tuple[str, str]:
        """An offer's id names its hub; one that does not was asked of us."""
        known = self._hubs.get(offer_id)
        if known is None:
            if len(self._hubs) >= TEXTS_CACHED_MAX:
                self._hubs.clear()
            parts = offer_id.split(":")
            hub_id = parts[2] if len(parts) == 5 and parts[:2] == ["urn", "hub"] else self.hub_id
            known = self._hubs[offer_id] = hub_id, (Side.PROVIDER if hub_id == self.hub_id else Side.HOME).value
        return known


@lru_cache(maxsize=INSTANTS_CACHED_MAX)
def _booked(instant: datetime) -> int:
    return microseconds(instant)


def _produced(place: Place) -> int:
    return place.timestamp_ms * 1_000 - _UNIX_TO_EPOCH


_UNIX_TO_EPOCH: Final = (_EPOCH - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _given_back(data: BookingNoShow | BookingCompleted) -> int | None:
    at = data.freed_from if isinstance(data, BookingNoShow) else data.at
    return microseconds(at) if at is not None and at < data.end else None


def _placed(placements: Placements) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Resources, each once, and how much of each: two components may take from one pool."""
    if len(placements) == 1:
        return _alone(placements[0].resource_id, placements[0].quantity)
    taken: dict[str, int] = {}
    for placement in placements:
        taken[placement.resource_id] = taken.get(placement.resource_id, 0) + placement.quantity
    return tuple(taken), tuple(taken.values())


@lru_cache(maxsize=TEXTS_CACHED_MAX)
def _alone(resource_id: str, quantity: int) -> tuple[tuple[str, ...], tuple[int, ...]]:
    return (resource_id,), (quantity,)
