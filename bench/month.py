"""A month of claims for `bench.days`: six offers whose resources carry 10,000 allocations each within 31 days.

They are written by SQL as the service would have left them: ledger, booking, allocations, a session's counter.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from bench.bookings import HUB, published
from bench.frontend import uuid_of
from contracts.catalog import OfferPublished

CLAIMS: Final = 10_000
DAYS: Final = 31
ROOMS: Final = 20
DESKS: Final = 25
HALLS: Final = 16
SESSIONS_A_DAY: Final = 10
SEATS: Final = 40
BERLIN: Final = ZoneInfo("Europe/Berlin")
OPENS: Final = time(7)
OPEN_MINUTES: Final = 15 * 60
OPEN: Final = [{"weekday": day, "from": "07:00", "to": "22:00"} for day in range(1, 8)]
NONE: Final = timedelta()

_CLAIMS: Final = """
WITH claims AS (
    SELECT c.offer_id, c.booking_id, c.component_id, c.resource_id, c.n, c.low, c.high, c.buffer, r.unit_no, r.pool_no
    FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::integer[], $6::timestamptz[], $7::timestamptz[],
                $8::interval[])
         AS c (offer_id, booking_id, component_id, resource_id, n, low, high, buffer)
    JOIN resources AS r ON r.resource_id = c.resource_id
), ledger AS (
    INSERT INTO requests (request_id, payload_hash, command, actor_role, actor_id, booking_id, version, decided_at, outcome)
    SELECT gen_random_uuid(), repeat('0', 64), 'RequestBooking', 'citizen', booking_id::text, booking_id, 1, now(),
           jsonb_build_object('type', 'de.hubnetz.booking.BookingConfirmed.v1', 'time', now()::text,
                              'data', jsonb_build_object('booking_id', booking_id))
    FROM claims
    WHERE n = 0
), booked AS (
    INSERT INTO bookings (booking_id, offer_id, offer_revision, claimant_kind, person_id, state, version, start, "end",
                          time_zone, quantity, needs, check_in_code, next_due_at)
    SELECT booking_id, offer_id, 1, 'person', gen_random_uuid(), 'confirmed', 1, low, high, 'Europe/Berlin', 1, '{}',
           '00000000', high
    FROM claims
    WHERE n = 0
), counted AS (
    UPDATE resources AS r
    SET used = r.used + c.places
    FROM (SELECT resource_id, count(*)::integer AS places FROM claims GROUP BY resource_id) AS c
    WHERE r.resource_id = c.resource_id AND r.kind = 'session'
)
INSERT INTO allocations (booking_id, component_id, resource_id, unit_no, pool_no, booked, occupied, quantity, blocking, n)
SELECT booking_id, component_id, resource_id, unit_no, pool_no, tstzrange(low, high), tstzrange(low - buffer, high + buffer), 1,
       true, n
FROM claims
"""


class Claim(NamedTuple):
    """One allocation; `n` is its place among those of its booking."""

    offer_id: str
    booking_id: UUID
    component_id: str
    resource_id: str
    n: int
    low: datetime
    high: datetime
    buffer: timedelta = NONE


@dataclass(frozen=True, slots=True)
class Asked:
    """An offer, what is asked of it, and the claims on its resources (none: those of another offer)."""

    name: str
    offer_id: str
    booking: Mapping[str, object]
    question: Mapping[str, object]
    claims: list[Claim] = field(default_factory=list)


class Month:
    """The same seed draws the same month, from the day after tomorrow on."""

    def __init__(self, seed: int, now: datetime) -> None:
        self.random = Random(f"month {seed}")  # others draw their ids from the bare seed
        self.first: date = now.astimezone(BERLIN).date() + timedelta(days=2)
        self.last: date = self.first + timedelta(days=DAYS - 1)
        rooms = self._rooms()
        loose = self._asked("the same rooms without a grid", {**rooms.booking, "grid_minutes": None}, rooms.question)
        self.asked = [rooms, loose, self._advisers(), self._pool(), self._bundle(), self._sessions()]

    def offers(self) -> Iterator[OfferPublished]:
        """All of them, as the catalogue would publish them."""
        return (published(one.offer_id, "room", one.booking) for one in self.asked)

    async def write(self, dsn: str) -> None:
        """Put all claims in place; the offers must have arrived, as units and pools got their numbers then."""
        connection = await asyncpg.connect(dsn, command_timeout=300)
        try:
            await connection.execute("SET statement_timeout = 0")
            for one in self.asked:
                if one.claims:
                    await connection.execute(_CLAIMS, *(list(column) for column in zip(*one.claims, strict=True)))
            await connection.execute("VACUUM ANALYZE")
        finally:
            await connection.close()

    def _asked(self, name: str, booking: Mapping[str, object], question: Mapping[str, object]) -> Asked:
        offer_id = f"urn:hub:{HUB}:offer:{uuid_of(self.random)}"
        return Asked(name, offer_id, {"mode": "instant", "horizon_days": 90, **booking}, question)

    def _names(self, prefix: str, count: int) -> list[str]:
        return [f"{prefix}-{uuid_of(self.random)}" for _ in range(count)]

    def _starts(self, minutes: int, count: int) -> list[datetime]:
        """That many of the starts that such slots have in the month's open hours, none twice."""
        every = [(day, step) for day in range(DAYS) for step in range(OPEN_MINUTES // minutes)]
        return [self._at(day, step * minutes) for day, step in self.random.sample(every, count)]

    def _at(self, day: int, minutes: int) -> datetime:
        opening = datetime.combine(self.first + timedelta(days=day), OPENS, BERLIN)
        return (opening + timedelta(minutes=minutes)).astimezone(UTC)

    def _fill(self, one: Asked, component_id: str, names: list[str]) -> None:
        """Half-hours of each name, the same number of each."""
        for name in names:
            for low in self._starts(30, CLAIMS // len(names)):
                high = low + timedelta(minutes=30)
                one.claims.append(Claim(one.offer_id, uuid_of(self.random), component_id, name, 0, low, high))

    def _rooms(self) -> Asked:
        names = self._names("room", ROOMS)
        limit = {"key": "rooms", "per": "person", "unit": "bookings", "window": "week", "max": 3}
        booking = {
            "hours": OPEN,
            "grid_minutes": 15,
            "limits": [limit],
            "components": [{"component_id": "room", "kind": "unit", "resource_ids": names, "choose": "any"}],
            "resources": [{"resource_id": name, "kind": "unit", "revision": 1} for name in names],
        }
        one = self._asked(f"any of {ROOMS} rooms each quarter of an hour", booking, {"duration": 60})
        self._fill(one, "room", names)
        return one

    def _advisers(self) -> Asked:
        names = self._names("adviser", ROOMS)
        booking = {
            "hours": OPEN,
            "grid_minutes": 30,
            "durations": [30, 60],
            "components": [{"component_id": "adviser", "kind": "adviser", "resource_ids": names, "choose": "any"}],
            "resources": [{"resource_id": name, "kind": "adviser", "revision": 1} for name in names],
        }
        one = self._asked(f"any of {ROOMS} advisers each half-hour", booking, {"duration": 60})
        self._fill(one, "adviser", names)
        return one

    def _pool(self) -> Asked:
        name = self._names("desks", 1)[0]
        booking = {
            "hours": OPEN,
            "grid_minutes": 15,
            "max_quantity": 4,
            "components": [{"component_id": "desk", "kind": "pool", "resource_ids": [name]}],
            "resources": [{"resource_id": name, "kind": "pool", "revision": 1, "capacity": DESKS}],
        }
        one = self._asked(f"2 of a pool of {DESKS} each quarter of an hour", booking, {"duration": 120, "quantity": 2})
        for _ in range(DESKS):
            for low in self._starts(60, CLAIMS // DESKS):
                high = low + timedelta(minutes=60)
                one.claims.append(Claim(one.offer_id, uuid_of(self.random), "desk", name, 0, low, high))
        return one

    def _bundle(self) -> Asked:
        halls, beamers = self._names("hall", HALLS), self._names("beamers", 1)[0]
        buffer = timedelta(minutes=15)
        booking = {
            "hours": OPEN,
            "grid_minutes": 15,
            "components": [
                {
                    "component_id": "hall", "kind": "unit", "resource_ids": halls, "choose": "any",
                    "setup_minutes": 15, "teardown_minutes": 15,
                },
                {"component_id": "beamer", "kind": "pool", "resource_ids": [beamers]},
            ],
            "resources": [
                *({"resource_id": name, "kind": "unit", "revision": 1} for name in halls),
                {"resource_id": beamers, "kind": "pool", "revision": 1, "capacity": HALLS},
            ],
        }  # fmt: skip
        one = self._asked(f"any of {HALLS} halls with buffers and a beamer", booking, {"duration": 30})
        for name in halls:
            for at in self._starts(60, CLAIMS // 2 // HALLS):
                low = at + buffer
                high, booking_id = low + timedelta(minutes=30), uuid_of(self.random)
                one.claims.append(Claim(one.offer_id, booking_id, "hall", name, 0, low, high, buffer))
                one.claims.append(Claim(one.offer_id, booking_id, "beamer", beamers, 1, low, high))
        return one

    def _sessions(self) -> Asked:
        names = self._names("session", DAYS * SESSIONS_A_DAY)
        times = {
            name: (
                self._at(number // SESSIONS_A_DAY, low := 60 * (number % SESSIONS_A_DAY)),
                self._at(number // SESSIONS_A_DAY, low + 60),
            )
            for number, name in enumerate(names)
        }
        booking = {
            "components": [{"component_id": "session", "kind": "session", "resource_ids": names, "choose": "named"}],
            "resources": [
                {
                    "resource_id": name, "kind": "session", "revision": 1, "capacity": SEATS,
                    "start": low.isoformat(), "end": high.isoformat(),
                }
                for name, (low, high) in times.items()
            ],
        }  # fmt: skip
        one = self._asked(f"{len(names)} sessions", booking, {})
        seats = [name for name in names for _ in range(SEATS)]
        for name in self.random.sample(seats, CLAIMS):
            one.claims.append(Claim(one.offer_id, uuid_of(self.random), "session", name, 0, *times[name]))
        return one
