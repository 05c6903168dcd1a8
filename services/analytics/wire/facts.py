"""Booking's events as rows: every event of a backlog passes here, so what recurs is worked out once."""

import hashlib
from collections.abc import Sequence
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
from contracts.booking.vocabulary import PersonClaimant
from contracts.envelope import Event
from hubkit.inbox import content_hash
from services.analytics.domain.pseudonyms import Pseudonyms
from services.analytics.domain.rows import EPOCH_DAY, EventRow, Problem
from services.analytics.domain.words import Side
from services.analytics.domain.zones import local_day
from services.analytics.limits import INSTANTS_CACHED_MAX, SPAN_DAYS_MAX, TEXTS_CACHED_MAX
from services.analytics.wire.lean import Fields, Headers, LeanFacts, Placed, microseconds

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
# Clocks change, and local days begin, at whole quarters of an hour.
_QUARTER_HOUR: Final = 900 * 1_000_000
_UNIX_TO_EPOCH: Final = (_EPOCH - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)

# BookingUnchanged says again what an earlier event of the same version said.
_COUNTED: Final = frozenset(FACTS) - {BookingUnchanged}
_MOVED: Final = BookingRescheduled.__name__


class Place(NamedTuple):
    """Where a record lay in the log, and when Kafka got it (milliseconds since 1970)."""

    partition: int
    offset: int
    timestamp_ms: int


def instant_of(number: int) -> datetime:
    """The inverse of `microseconds`."""
    return _EPOCH + timedelta(microseconds=number)


class ReadFact(Event):
    """An event of which nothing is left but its row, and why it must not count if it must not.

    What else an `Event` has is not there: nobody who gets one asks for it, and making it costs as much as the row.
    """

    __slots__ = ("problem", "row")

    row: EventRow
    problem: Problem | None


@dataclass(frozen=True, slots=True)
class FactReader:
    """Turns events into rows for one hub; `where` is its zone. Calls no clock and no network."""

    hub_id: str
    where: ZoneInfo
    pseudonyms: Pseudonyms
    _lean: LeanFacts = field(default_factory=lambda: LeanFacts(_COUNTED))
    _days: dict[int, tuple[int, int]] = field(default_factory=dict)
    _hubs: dict[str, tuple[str, str]] = field(default_factory=dict)

    def read_record(self, key: bytes | None, headers: Headers, value: bytes | None, place: Place) -> ReadFact | None:
        """The row of a record, straight from its bytes; None: `contracts.envelope` has to read it, then `read`."""
        found = self._lean.read(key, headers, value)
        if found is None or value is None:
            return None
        attributes, fields = found
        ce_type = attributes["ce_type"]
        digest = hashlib.sha256(ce_type.encode() + value).digest()
        fact = ReadFact.__new__(ReadFact)
        event_id = bytes.fromhex(attributes["ce_id"].replace("-", ""))
        fact.row, fact.problem = self._fact(event_id, attributes["ce_time"], _bare(ce_type), digest, fields, place)
        return fact

    def read(self, event: Event, place: Place | None) -> tuple[EventRow | None, Problem | None]:
        """The row and, if it must not count, why; (None, None) for types without a figure."""
        data = event.data
        if isinstance(data, BookingFact) and type(data) in _COUNTED:
            self._lean.know_source(event.source)
            occurred = microseconds(event.time)
            return self._fact(event.id.bytes, occurred, type(data).__name__, content_hash(event), _fields(data), place)
        if isinstance(data, BookingRejected):
            return self._refusal(event, data, place), None
        return None, None

    def _fact(
        self, event_id: bytes, occurred: int, kind: str, digest: bytes, fields: Fields, place: Place | None
    ) -> tuple[EventRow, Problem | None]:
        problem: Problem | None = None
        starts, ends = fields["start"], fields["end"]
        first_day, year = self._day(starts)
        last_day = self._day(ends - 1)[0]
        if ends <= starts:
            problem = "span_not_forward"
        elif last_day - first_day > SPAN_DAYS_MAX:
            problem = "span_too_long"
        visitor = None
        claimant = fields["claimant"]
        if claimant["kind"] == "person":
            try:
                visitor = self.pseudonyms.visitor(bytes.fromhex(claimant["person_id"].replace("-", "")), year)
            except KeyError:
                problem = problem or "no_year_key"
        hub_id, side = self._hub_and_side(fields["offer_id"])
        resource_ids, quantities = _placed(fields.get("placements", ()))
        given_back = fields.get("freed_from") if kind == _NO_SHOW else fields.get("at") if kind == _COMPLETED else None
        if given_back is not None and given_back >= ends:
            given_back = None
        produced, offset, partition = (None, None, None) if place is None else (_produced(place), place.offset, place.partition)
        reason = fields.get("reason")
        row = EventRow(
            event_id,
            bytes.fromhex(fields["booking_id"].replace("-", "")),
            occurred,
            produced,
            starts,
            ends,
            given_back,
            offset,
            partition,
            fields["version"],
            fields["quantity"],
            self._day(occurred)[0],
            first_day,
            last_day,
            last_day > first_day,
            kind == _MOVED,
            fields.get("late", False),
            fields.get("freed", False),
            digest,
            visitor,
            kind,
            fields["state"],
            fields.get("from_state"),
            hub_id,
            side,
            claimant["kind"],
            fields["actor_role"],
            None if reason is None else str(reason),
            fields["offer_id"],
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
            starts_at=None if data.start is None else microseconds(data.start),
            ends_at=None if data.end is None else microseconds(data.end),
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


_NO_SHOW: Final = BookingNoShow.__name__
_COMPLETED: Final = BookingCompleted.__name__


def _fields(data: BookingFact) -> Fields:
    """What `lean` would have read of the same message."""
    claimant = data.claimant
    fields: Fields = {
        "booking_id": str(data.booking_id),
        "version": data.version,
        "state": data.state.value,
        "from_state": None if data.from_state is None else data.from_state.value,
        "offer_id": data.offer_id,
        "claimant": {"kind": claimant.kind},
        "start": microseconds(data.start),
        "end": microseconds(data.end),
        "quantity": data.quantity,
        "placements": [{"resource_id": each.resource_id, "quantity": each.quantity} for each in data.placements],
        "actor_role": data.actor_role.value,
        "reason": data.reason,
    }
    if isinstance(claimant, PersonClaimant):
        fields["claimant"]["person_id"] = str(claimant.person_id)
    if isinstance(data, BookingCancelled):
        fields["late"], fields["freed"] = data.late, data.freed
    elif isinstance(data, BookingNoShow):
        fields["freed_from"] = None if data.freed_from is None else microseconds(data.freed_from)
    elif isinstance(data, BookingCompleted):
        fields["at"] = microseconds(data.at)
    return fields


def _produced(place: Place) -> int:
    return place.timestamp_ms * 1_000 - _UNIX_TO_EPOCH


@lru_cache(maxsize=len(FACTS))
def _bare(ce_type: str) -> str:
    return ce_type.rsplit(".", 2)[-2]


def _placed(placements: Sequence[Placed]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Resources, each once, and how much of each: two components may take from one pool."""
    if len(placements) == 1:
        return _alone(placements[0]["resource_id"], placements[0]["quantity"])
    taken: dict[str, int] = {}
    for placement in placements:
        taken[placement["resource_id"]] = taken.get(placement["resource_id"], 0) + placement["quantity"]
    return tuple(taken), tuple(taken.values())


@lru_cache(maxsize=TEXTS_CACHED_MAX)
def _alone(resource_id: str, quantity: int) -> tuple[tuple[str, ...], tuple[int, ...]]:
    return (resource_id,), (quantity,)
