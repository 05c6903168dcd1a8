"""A year of a hub with a hundred rooms as a log: bookings in their order, and what the catalogue says of the rooms."""

import heapq
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from pydantic_core import to_json

from bench.frontend import uuid_of
from contracts.catalog import OfferPublished
from contracts.envelope import Event

HUB: Final = "bench"
ROOMS: Final = 100
OFFERS: Final = 30
PEOPLE: Final = 20_000
DUPLICATES: Final = 0.01
LEAD_DAYS_MAX: Final = 40
YEAR: Final = timedelta(days=365)
LAST: Final = timedelta(days=14)  # before now the year ends: what was booked in it is over for the most part before now
Record = tuple[bytes, list[tuple[str, str | bytes | None]], bytes]  # key, headers, value


class Year:
    """A year of bookings up to some days ago in log order: confirmed some days ahead, then cancelled, completed or missed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.offers = [f"urn:hub:{HUB}:offer:{uuid_of(self.random)}" for _ in range(OFFERS)]
        self.people = [str(uuid_of(self.random)) for _ in range(PEOPLE)]
        self.repeated = 0  # of the records given so far, those that were given before

    def records(self, count: int) -> Iterator[Record]:
        """So many records, duplicates not counted among them; a duplicate follows some records later."""
        later: list[tuple[datetime, int, Record]] = []
        begin = self.now - LAST - YEAR
        step = YEAR * 2 / count
        given = number = 0
        while given < count:
            at = begin + number * step
            while later and later[0][0] <= at and given < count:
                _, order, record = heapq.heappop(later)
                self.repeated += order < 0
                given += 1
                yield record
            if given < count:
                record = self._booking(number, at, later)
                given += 1
                yield record
            number += 1
        rest = heapq.nsmallest(int(count * DUPLICATES / 2), later)
        for at, order, record in rest:
            if at <= self.now:
                self.repeated += order < 0
                yield record

    def _booking(self, number: int, at: datetime, later: list[tuple[datetime, int, Record]]) -> Record:
        """The confirmation; what becomes of it is put on the heap, and sometimes the same record once more."""
        room = self.random.randrange(ROOMS)
        start = (at + timedelta(days=self.random.randrange(1, LEAD_DAYS_MAX))).replace(minute=0, second=0, microsecond=0)
        start = start.replace(hour=7 + self.random.randrange(10))
        body = {
            "booking_id": self._id(), "version": 1, "state": "confirmed", "offer_id": self.offers[room % OFFERS],
            "offer_revision": 1, "claimant": {"kind": "person", "person_id": self.random.choice(self.people)},
            "start": _text(start), "end": _text(start + timedelta(minutes=self.random.choice((30, 60, 90)))),
            "time_zone": "Europe/Berlin", "quantity": 1,
            "placements": [{"component_id": "room", "resource_id": f"room-{room}", "quantity": 1}],
            "actor_role": "citizen", "request_id": self._id(),
        }  # fmt: skip
        first = self._record("BookingConfirmed", at, body | {"check_in_code": "ABCDEFGH", "cancel_until": _text(start)})
        end = self.random.choice(("BookingCancelled", "BookingCompleted", "BookingCompleted", "BookingNoShow"))
        state = {"BookingCancelled": "cancelled", "BookingCompleted": "completed", "BookingNoShow": "no_show"}[end]
        own: dict[str, object] = {"by": "citizen", "late": False, "freed": True} if state == "cancelled" else {}
        when = at + (start - at) * self.random.random() if state == "cancelled" else start + timedelta(hours=2)
        if state == "completed":
            own = {"at": _text(when)}
        changed = body | {"version": 2, "state": state, "from_state": "confirmed"} | own
        heapq.heappush(later, (when, number, self._record(end, when, changed)))
        if self.random.random() < DUPLICATES * 2:
            heapq.heappush(later, (at + timedelta(minutes=10), -number - 1, first))
        return first

    def _id(self) -> str:
        """As `uuid_of`, without making the object."""
        digits = f"{self.random.getrandbits(128):032x}"
        variant = "89ab"[int(digits[16], 16) % 4]
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"

    def _record(self, kind: str, at: datetime, body: dict[str, object]) -> Record:
        headers: list[tuple[str, str | bytes | None]] = [
            ("ce_specversion", b"1.0"),
            ("ce_id", self._id().encode()),
            ("ce_source", f"urn:hub:{HUB}:booking".encode()),
            ("ce_type", f"de.hubnetz.booking.{kind}.v1".encode()),
            ("ce_time", _text(at.replace(microsecond=0)).encode()),
            ("content-type", b"application/json"),
            ("ce_causationid", str(body["request_id"]).encode()),
        ]
        return str(body["booking_id"]).encode(), headers, to_json(body)

    def states(self) -> list[Event]:
        """What the catalogue says: a hundred rooms in thirty offers, open on weekdays."""
        found = []
        for number, offer_id in enumerate(self.offers):
            rooms = [f"room-{room}" for room in range(ROOMS) if room % OFFERS == number]
            hours = [{"weekday": day, "from": "08:00", "to": "18:00"} for day in range(1, 6)]
            resources = [{"resource_id": room, "kind": "unit", "revision": 1, "hours": hours} for room in rooms]
            component = {"component_id": "room", "kind": "unit", "resource_ids": rooms}
            body = {
                "offer_id": offer_id, "hub_id": HUB, "revision": 1, "kind": "room", "status": "published",
                "title": {"de": "Raum"}, "description": {"de": "Ein Raum"},
                "booking": {"mode": "instant", "components": [component], "resources": resources},
            }  # fmt: skip
            data = OfferPublished.model_validate_json(json.dumps(body))
            at = self.now - LAST - YEAR - timedelta(days=1)
            event = Event(uuid_of(self.random), f"urn:hub:{HUB}:catalog", data.ce_type, at, offer_id, data)
            found.append(event)
        return found


def _text(instant: datetime) -> str:
    """In UTC and whole seconds; three times as fast as `strftime`."""
    return f"{instant.isoformat()[:19]}Z"
