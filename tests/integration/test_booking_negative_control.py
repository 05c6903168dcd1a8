"""What keeps claims apart: the lock, behind it the constraint. Each is switched off by a test double, and then it must show.

Four workers read what is taken, meet at a barrier, and only then write. A control that stays green proves that the test
above it proves nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import Any

import pytest

from hubkit.db import Tx
from services.booking.handlers import writing
from services.booking.store import resources
from services.booking.store.resources import Locked
from tests.service.booking.hub import Hub, at, command, one, published, room, wish

WORKERS = 4
UNITS = 6
BARRIER_SECONDS = 1.0
POOL = {"resource_id": "desks", "kind": "pool", "revision": 1, "capacity": 1}
SESSION = {
    "resource_id": "course", "kind": "session", "revision": 1, "capacity": 1,
    "start": "2027-03-10T17:00:00Z", "end": "2027-03-10T19:00:00Z",
}  # fmt: skip


class Meeting:
    """A barrier between read and write. Where the lock lets only one through, the others never come: then it goes on."""

    def __init__(self, write: Callable[..., Awaitable[None]], parties: int = WORKERS) -> None:
        self.write = write
        self.barrier = asyncio.Barrier(parties)
        self.met = 0
        self.came: set[Any] = set()

    async def __call__(self, *arguments: Any) -> None:
        """In place of `writing.write`; each worker waits once."""
        if (worker := asyncio.current_task()) not in self.came:
            self.came.add(worker)
            try:
                async with asyncio.timeout(BARRIER_SECONDS):
                    await self.barrier.wait()
                self.met += 1
            except (TimeoutError, asyncio.BrokenBarrierError):
                await self.barrier.reset()
        await self.write(*arguments)


async def read_without_lock(tx: Tx, resource_ids: Collection[str]) -> dict[str, Locked]:
    """The double: the same rows, and everybody may have them."""
    rows = await tx.fetch(
        "SELECT resource_id, revision, capacity, used, tolerated FROM resources WHERE resource_id = ANY ($1::text[])",
        list(resource_ids),
    )
    return {row[0]: Locked(*row[1:]) for row in rows}


@pytest.fixture
async def workers(service_db: Callable[[str], str]) -> AsyncIterator[list[Hub]]:
    dsn = service_db("booking")
    hubs = [await Hub.open(dsn) for _ in range(WORKERS)]
    kinds = {f"unit{n}": one("unit", room(f"unit{n}")) for n in range(UNITS)}
    kinds |= {"desks": one("pool", POOL), "course": one("session", SESSION)}
    await hubs[0].publish(*(published(name, **rules) for name, rules in kinds.items()))
    yield hubs
    for hub in hubs:
        await hub.close()


async def everybody_wants(workers: list[Hub], monkeypatch: pytest.MonkeyPatch, names: list[str]) -> int:
    """Each worker takes a poll with a wish for each of these, all at one hour; how many met between read and write."""
    meeting = Meeting(writing.write)
    monkeypatch.setattr(writing, "write", meeting)
    polls = []
    for part, worker in enumerate(workers):
        wishes = [wish(name, None if name == "course" else at(9), person=f"p{part}") for name in names]
        events = [command(each, f"{name} {part}") for name, each in zip(names, wishes, strict=True)]
        polls.append(worker.consumers["booking.requests.v1"].process(worker.records(part, events)))
    await asyncio.gather(*polls)
    assert len(await workers[0].answers()) == WORKERS * len(names)
    return meeting.met


def backstop(workers: list[Hub]) -> float:
    return sum(worker.house.metrics.value("booking_backstop_total") for worker in workers)


UNIT_NAMES = [f"unit{number}" for number in range(UNITS)]
EVERYTHING = [*UNIT_NAMES, "desks", "course"]


async def test_both_on__nothing_twice_and_no_backstop(workers: list[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    met = await everybody_wants(workers, monkeypatch, EVERYTHING)
    assert met == 0  # the lock lets one through at a time
    assert await workers[0].violations() == {}
    assert backstop(workers) == 0
    confirmed = [answer for answer in await workers[0].answers() if answer.type == "BookingConfirmed"]
    assert len(confirmed) == len(EVERYTHING)


async def test_lock_off__the_constraints_keep_units_and_places_apart(
    workers: list[Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "lock_resources", read_without_lock)
    met = await everybody_wants(workers, monkeypatch, [*UNIT_NAMES, "course"])
    assert met == WORKERS
    assert backstop(workers) > 0
    assert await workers[0].violations() == {}
    confirmed = [answer for answer in await workers[0].answers() if answer.type == "BookingConfirmed"]
    assert len(confirmed) == UNITS + 1


async def test_lock_off__a_pool_has_no_constraint_and_is_oversold(workers: list[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "lock_resources", read_without_lock)
    met = await everybody_wants(workers, monkeypatch, ["desks"])
    assert met == WORKERS
    assert await workers[0].violations() == {"oversold_pool": 1}


async def test_both_off__units_overlap_and_everything_is_oversold(workers: list[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "lock_resources", read_without_lock)
    await workers[0].pool.raw.execute("ALTER TABLE allocations DROP CONSTRAINT no_overlap")
    await workers[0].pool.raw.execute("ALTER TABLE resources DROP CONSTRAINT no_oversell")
    met = await everybody_wants(workers, monkeypatch, EVERYTHING)
    assert met == WORKERS
    assert backstop(workers) == 0
    assert await workers[0].violations() == {
        "overlap": UNITS * (WORKERS - 1), "oversold_pool": 1, "oversold_session": 1,
    }  # fmt: skip
