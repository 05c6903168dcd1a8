"""Bookings per second and latency of a running hub, from request produced to event read.

Each figure is taken on real requests that are all confirmed: 200 rooms with a slot for everybody, or one session with a
seat for everybody. Afterwards every request must have exactly one answer; that is counted, not believed.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from bench.frontend import Frontend, Wanted, percentile, slots, uuid_of, wanted
from contracts.catalog import OfferPublished

ROOMS: Final = 200
SLOT_MINUTES: Final = 30
SEATS: Final = 100_000  # the most that the contract allows
RATE: Final = 200.0
HUB: Final = "bench"


@dataclass(frozen=True, slots=True)
class Rate:
    """Confirmed per second; `lost` and `doubled` must be 0."""

    confirmed: int
    seconds: float
    lost: int
    doubled: int

    @property
    def per_second(self) -> float:
        """From the first request handed over to the last answer read."""
        return self.confirmed / self.seconds


@dataclass(frozen=True, slots=True)
class Latency:
    """Request due to event read, in milliseconds, at `RATE` requests a second."""

    p50: float
    p99: float
    most: float
    lost: int


@dataclass(frozen=True, slots=True)
class Stampede:
    """Everybody wants one slot: milliseconds from the first request to the last answer, and what was answered."""

    all_answered: float
    confirmed: int
    refused: int


class Town:
    """The offers of the benchmark and a stream of requests that can all be confirmed: no two want the same."""

    def __init__(self, seed: int, now: datetime) -> None:
        self.random = Random(seed)
        self.now = now
        self.first = (now + timedelta(days=2)).replace(hour=0, minute=0, second=0, microsecond=0)
        self.rooms = [f"urn:hub:{HUB}:offer:{uuid_of(self.random)}" for _ in range(ROOMS)]
        self.course = f"urn:hub:{HUB}:offer:{uuid_of(self.random)}"
        self.session = str(uuid_of(self.random))
        self._starts = self._free_slots()

    def offers(self) -> Iterator[OfferPublished]:
        """One room each for `ROOMS` offers, and a course with one date."""
        for number, offer_id in enumerate(self.rooms):
            yield published(offer_id, "room", self._room(number))
        yield published(self.course, "course", self._session())

    def spread(self, count: int) -> list[Wanted]:
        """Requests round the rooms, each for a slot that nobody else asks for."""
        return [self._wanted(*next(self._starts)) for _ in range(count)]

    def one_slot(self, count: int) -> list[Wanted]:
        """Requests of that many people for one and the same slot."""
        slot = next(self._starts)
        return [self._wanted(*slot) for _ in range(count)]

    def hot(self, count: int) -> list[Wanted]:
        """Requests for seats of the one course."""
        source = f"urn:hub:{HUB}:frontend-bench"
        return [
            wanted(self.random, source=source, offer_id=self.course, at=self.now, start=None, minutes=0, session=self.session)
            for _ in range(count)
        ]

    def _wanted(self, offer_id: str, start: datetime) -> Wanted:
        source = f"urn:hub:{HUB}:frontend-bench"
        return wanted(
            self.random, source=source, offer_id=offer_id, at=self.now, start=start, minutes=SLOT_MINUTES, session=None
        )

    def _free_slots(self) -> Iterator[tuple[str, datetime]]:
        for start in slots(self.first, SLOT_MINUTES, 700 * 48):
            for offer_id in self.rooms:
                yield offer_id, start

    def resource_of(self, number: int) -> str:
        """The unit behind the offer of that number."""
        return f"room-{self.rooms[number][-36:]}"

    def _room(self, number: int) -> dict[str, object]:
        name = self.resource_of(number)
        return {
            "mode": "instant",
            "horizon_days": 730,
            "components": [{"component_id": "room", "kind": "unit", "resource_ids": [name], "choose": "any"}],
            "resources": [{"resource_id": name, "kind": "unit", "revision": 1}],
        }

    def _session(self) -> dict[str, object]:
        start = self.first + timedelta(days=20)
        resource = {
            "resource_id": self.session,
            "kind": "session",
            "revision": 1,
            "capacity": SEATS,
            "start": start.isoformat(),
            "end": (start + timedelta(hours=2)).isoformat(),
        }
        component = {"component_id": "session", "kind": "session", "resource_ids": [self.session], "choose": "named"}
        return {"mode": "instant", "components": [component], "resources": [resource]}


def published(offer_id: str, kind: str, booking: Mapping[str, object]) -> OfferPublished:
    """An offer with these rules, as the catalogue would publish it."""
    state = {
        "offer_id": offer_id,
        "hub_id": HUB,
        "revision": 1,
        "kind": kind,
        "status": "published",
        "title": {"de": "Messung"},
        "description": {"de": "Ein Angebot für die Messung."},
        "booking": booking,
    }
    return OfferPublished.model_validate_json(json.dumps(state))


def throughput(frontend: Frontend, requests: list[Wanted]) -> Rate:
    """All at once; the producer is the only brake."""
    before = frontend.answers.types.get("BookingConfirmed", 0)
    doubled = frontend.answers.doubled
    started = frontend.send_all(requests)
    lost = frontend.wait_for(requests)
    ended = max(frontend.answers.arrived[r.request_id] for r in requests if r.request_id in frontend.answers.arrived)
    return Rate(
        frontend.answers.types.get("BookingConfirmed", 0) - before,
        ended - started,
        len(lost),
        frontend.answers.doubled - doubled,
    )


def latency(frontend: Frontend, requests: list[Wanted]) -> Latency:
    """Open loop at `RATE`: a request that is due is sent, whether or not the last one was answered."""
    due = frontend.send_at_rate(requests, RATE)
    lost = frontend.wait_for(requests)
    arrived = frontend.answers.arrived
    taken = [(arrived[request_id] - at) * 1000 for request_id, at in due.items() if request_id in arrived]
    return Latency(percentile(taken, 0.5), percentile(taken, 0.99), max(taken), len(lost))


def stampede(frontend: Frontend, requests: list[Wanted]) -> Stampede:
    """All at once, for something that one of them can have."""
    before = dict(frontend.answers.types)
    started = frontend.send_all(requests)
    frontend.wait_for(requests)
    ended = max(frontend.answers.arrived.get(request.request_id, started) for request in requests)
    types = {name: number - before.get(name, 0) for name, number in frontend.answers.types.items()}
    return Stampede((ended - started) * 1000, types.get("BookingConfirmed", 0), types.get("BookingRejected", 0))


def now_whole() -> datetime:
    """The present second; the seed draws everything else."""
    return datetime.now(UTC).replace(microsecond=0)
