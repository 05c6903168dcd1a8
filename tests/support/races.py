"""Two workers of booking on two connections, led into each other's way; and what came of it, told without ids and ranks.

A scene is a set of offers and bookings with names of its own, so that many of them fit in one database and can be compared.
"""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from uuid import UUID

import pytest

from contracts.catalog import OfferPublished
from contracts.envelope import Event
from hubkit import ids
from services.booking.handlers import aftermath, writing
from services.booking.store import resources
from services.booking.wire.offers import uuid_of
from tests.service.booking.hub import Hub, booked, named, offer_id

Way = Literal["planned", "deciding"]
Place = Literal["lock", "write"]
WAYS: Final[tuple[Way, ...]] = ("planned", "deciding")
_WHO: ContextVar[int | None] = ContextVar("worker", default=None)
_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.005  # between looks at who waits for a row
SESSION: Final = "course"  # the session that a scene may have
_ID: Final = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_UNORDERED: Final = ("displaced", "in_the_way")  # equal starts are told by id, and ids are the scene's own


@dataclass(slots=True)
class Duel:
    """Two workers, of whom the first gets through first.

    `planned`: both have planned before either locks, so the second decides after a plan that the first made old.
    `deciding`: the first has decided and not yet written when the second starts; that one waits for a row, or is as far.
    """

    hub: Hub
    way: Way
    reached: set[tuple[int, Place]] = field(default_factory=set)
    done: set[int] = field(default_factory=set)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def pause(self, place: Place) -> None:
        """Wait here for the other, the first time that a worker comes by."""
        who = _WHO.get()
        if who is None or (who, place) in self.reached:
            return
        self.reached.add((who, place))
        self._tell()
        if self.way == "planned" and place == "lock":
            await self._until({(1, "lock")}, 1) if who == 0 else await self._until(set(), 0)
        elif self.way == "deciding" and place == "write" and who == 0:
            await self._until({(1, "write")}, 1)

    async def fight(self, first: Callable[[], Awaitable[object]], second: Callable[[], Awaitable[object]]) -> None:
        """Run both to their ends."""
        await asyncio.gather(self._run(0, first), self._run(1, second))

    async def _run(self, who: int, work: Callable[[], Awaitable[object]]) -> None:
        _WHO.set(who)
        try:
            if self.way == "deciding" and who == 1:
                await self._until({(0, "write")}, 0)
            await work()
        finally:
            self.done.add(who)
            self._tell()

    async def _until(self, places: set[tuple[int, Place]], other: int) -> None:
        """The other is there, or through, or waits for a row that one of them has."""
        deadline = time.monotonic() + _SECONDS
        while not (places & self.reached or other in self.done):
            try:
                await asyncio.wait_for(self.news.wait(), _POLL_SECONDS)
            except TimeoutError:
                if await self._blocked():
                    return
            assert time.monotonic() < deadline, f"{self.way}: worker {other} neither came nor waits for a row"

    def _tell(self) -> None:
        """Wake whoever waits for a change."""
        self.news.set()
        self.news = asyncio.Event()

    async def _blocked(self) -> bool:
        query = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return bool(await self.hub.fetch(query))


def set_up(patch: pytest.MonkeyPatch, duel: Callable[[], Duel | None]) -> None:
    """Put the places to wait into the service: before its locks, and between its decision and its writes."""
    lock, write = resources.lock_resources, writing.write

    async def paused_lock(*arguments: Any) -> Any:
        if (current := duel()) is not None:
            await current.pause("lock")
        return await lock(*arguments)

    async def paused_write(*arguments: Any) -> None:
        if (current := duel()) is not None:
            await current.pause("write")
        await write(*arguments)

    patch.setattr(resources, "lock_resources", paused_lock)
    patch.setattr(writing, "write", paused_write)
    patch.setattr(aftermath, "write", paused_write)


@dataclass(slots=True)
class Scene:
    """Names that nobody else has, and how to call them when two scenes are compared."""

    prefix: str
    offers: tuple[str, ...]
    words: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for offer in self.offers:
            for revision in range(1, 9):  # by which a session occupies its rooms
                rooms = f"session/{self.prefix}-{SESSION}/{revision}"
                self.words[str(ids.derived(uuid_of(offer_id(self.name(offer))), rooms))] = f"rooms {revision}"

    def name(self, bare: str) -> str:
        """A person's, a request's, an offer's or a resource's name in this scene; each is also an id."""
        full = f"{self.prefix}-{bare}"
        for n in range(3):  # occurrences of a series
            self.words[str(ids.derived(named(full), f"booking/{n}"))] = f"booking {bare} {n}"
        self.words[str(named(full))] = bare
        self.words[str(ids.derived(named(full), "series"))] = f"series {bare}"
        return full

    def booked(self, bare: str) -> UUID:
        """The booking that the request of this name led to."""
        return booked(self.name(bare))

    def offer_ids(self) -> list[str]:
        return [offer_id(self.name(offer)) for offer in self.offers]

    def told(self, rows: object) -> str:
        """Rows as text, in the words that all scenes share."""
        text = json.dumps(rows, default=str, sort_keys=True).replace(f"{self.prefix}-", "")
        return _ID.sub(lambda found: self.words.get(found[0], found[0]), text)


STATE: Final[Mapping[str, str]] = {
    "bookings": """
        SELECT booking_id, state, version, start, "end", quantity, next_due_at, competing, free_to_cancel, given_back_at,
               waits_for, offer_revision, overbook_reason, wish IS NULL AS settled,
               CASE state WHEN 'waitlisted' THEN rank() OVER (PARTITION BY state ORDER BY queue_no) END AS place
        FROM bookings
        WHERE offer_id = ANY ($1)
        """,
    "allocations": """
        SELECT a.booking_id, a.resource_id, a.booked::text, a.occupied::text, a.quantity, a.blocking, a.competing, a.superseded,
               a.resale_after
        FROM allocations AS a
        JOIN bookings AS b ON b.booking_id = a.booking_id
        WHERE b.offer_id = ANY ($1)
        """,
    "resources": """
        SELECT r.resource_id, r.revision, r.capacity, r.used, r.tolerated, r.unplaced
        FROM resources AS r
        WHERE EXISTS (SELECT FROM offers AS o WHERE o.offer_id = ANY ($1) AND r.resource_id = ANY (o.resource_ids))
        """,
    "series": "SELECT series_id, results::text FROM series WHERE offer_id = ANY ($1)",
    "ledger": """
        SELECT q.booking_id, q.version, q.command, q.outcome ->> 'type' AS type, q.outcome -> 'data' ->> 'reason' AS reason
        FROM requests AS q
        WHERE q.outcome -> 'data' ->> 'offer_id' = ANY ($1)
        """,
    "events": """
        SELECT convert_from(key, 'UTF8') AS key, data - 'check_in_code' - 'payload_hash' AS data, kind
        FROM (
            SELECT key, convert_from(payload, 'UTF8')::jsonb AS data,
                   substring(encode(headers, 'escape') FROM 'hubnetz\\.booking\\.([A-Za-z]+)') AS kind
            FROM outbox
            WHERE topic = 'booking.events.v1'
        ) AS o
        WHERE data ->> 'offer_id' = ANY ($1)
        """,
}


async def end_of(hub: Hub, scene: Scene) -> dict[str, list[str]]:
    """Everything that stands and everything that was said in a scene, sorted."""
    found = {}
    for part, query in STATE.items():
        rows = [dict(row) for row in await hub.fetch(query, scene.offer_ids())]
        for row in rows:
            if part == "events":
                data = json.loads(row["data"])
                row["data"] = {key: sorted(map(scene.told, v)) if key in _UNORDERED else v for key, v in data.items()}
        found[part] = sorted(scene.told(row) for row in rows)
    return found


def differences(got: Mapping[str, Sequence[str]], *wanted: Mapping[str, Sequence[str]]) -> list[str]:
    """What of `got` is in none of the wanted ends, against the one that is nearest; empty if it is one of them."""
    best: list[str] | None = None
    for end in wanted:
        lines = [f"{part}: + {line}" for part in got for line in got[part] if line not in end[part]]
        lines += [f"{part}: - {line}" for part in got for line in end[part] if line not in got[part]]
        if not lines and any(len(got[part]) != len(end[part]) for part in got):
            lines = ["the same rows, in other numbers"]
        if best is None or len(lines) < len(best):
            best = lines
    return best or []


@dataclass(frozen=True, slots=True)
class Move:
    """Something that happens in a scene: a command, a new state of an offer, or (None of both) the timer."""

    name: str
    command: Callable[[Scene], Event] | None = None
    offer: Callable[[Scene], OfferPublished] | None = None
