"""Whatever the order within Kafka's rules, the size of the polls, and wherever a process ends: the same figures."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from random import Random
from typing import Any

import pytest

from contracts import topics
from contracts.envelope import encode
from contracts.topics import Topic
from hubkit import db, inbox, points
from services.analytics.ingest import facts
from services.analytics.limits import RECOMPUTE_WORKERS
from services.analytics.recompute import turns
from services.analytics.recompute.rebuild import rebuild
from services.analytics.store import events
from services.analytics.worker import loops, placing
from tests.service.analytics.hub import WHERE, Desk, Raw
from tests.service.analytics.log import HUB, Claim, day, local
from tests.service.analytics.random_log import PARTITIONS, Log, random_log, shuffled

SEEDS = range(int(os.environ.get("ANALYTICS_SEEDS", "4")))
POINTS: tuple[points.Point, ...] = (
    "consume.after_offsets",
    "consume.after_handle",
    "consume.after_commit",
    "analytics.after_known",
    "analytics.after_insert",
    "analytics.after_marks",
    "analytics.after_calendar",
    "analytics.after_delete",
    "analytics.after_recompute",
)
CHECKSUMS = """
WITH lines AS (
    SELECT day, 1 AS source, resource_id AS key, o::text AS line FROM open_days AS o
    UNION ALL SELECT day, 2, resource_id, r::text FROM day_resource AS r
    UNION ALL SELECT day, 3, offer_id, o::text FROM day_offer AS o
    UNION ALL SELECT first_day, 4, period || measure || offer_id, p::text FROM period_figures AS p
)
SELECT day, encode(sha256(convert_to(string_agg(line, E'\\n' ORDER BY source, key), 'UTF8')), 'hex') FROM lines GROUP BY day
"""


class Crash(BaseException):
    """The process ends here; no `except Exception` sees it."""


@pytest.fixture(autouse=True)
def no_hook_remains() -> Iterator[None]:
    yield
    points.hook = None


@pytest.fixture
async def other(service_db: Callable[[str], str]) -> AsyncIterator[Desk]:
    """A second desk on a second database."""
    desk = await Desk.open(service_db("analytics"))
    yield desk
    await desk.close()


async def checksums(desk: Desk) -> dict[object, str]:
    return {row[0]: row[1] for row in await desk.fetch(CHECKSUMS)}


async def read_at_once(desk: Desk, log: Log) -> None:
    """Everything in one poll per topic, key by key, then all turns."""
    await desk.publish(*(event for states in log.catalogue for event in states))
    await desk.book(*(event for key in log.booking for event in key))
    await desk.settle()


class Reader:
    """A process that reads a log in polls of 1 to 2,000, takes turns between them, and ends at any point."""

    def __init__(self, desk: Desk, log: Log, rng: Random, *, crashes: int) -> None:
        self.desk, self.rng, self.crashes = desk, rng, crashes
        self.ended: list[str] = []
        keys = [log.booking[n::PARTITIONS] for n in range(PARTITIONS)]
        self.logs: dict[tuple[Topic, int], list[Raw]] = {
            (topics.BOOKING_EVENTS, n): [encode(event) for event in shuffled(rng, part)] for n, part in enumerate(keys)
        }
        self.logs[topics.CATALOG_OFFERS, 0] = [encode(event) for event in shuffled(rng, log.catalogue)]

    async def read(self) -> None:
        """To the end of the log, then all turns."""
        while behind := await self._behind():
            await self._survive(self.rng.choice([*([self._poll] * 3), self._derive, self._recompute]), behind)
        while await self._survive(self._settle, []):
            pass

    async def _behind(self) -> list[tuple[Topic, int, int]]:
        rows = await self.desk.fetch("SELECT topic, partition, next_offset FROM stored_offsets")
        stored = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
        positions = [(topic, n, stored.get((topic.name, n), 0)) for topic, n in self.logs]
        return [(topic, n, at) for topic, n, at in positions if at < len(self.logs[topic, n])]

    async def _survive(self, step: Any, behind: Sequence[tuple[Topic, int, int]]) -> bool:
        """Do a step, perhaps with an end on the way; whether it ended."""
        if not self.ended:
            self._arm("consume.after_offsets", 1)  # the first poll ends, whatever else does
        elif self.crashes and self.rng.random() < 0.5:
            self._arm(self.rng.choice(POINTS), self.rng.randrange(1, 3))
        try:
            await step(behind)
        except Crash as crash:
            self.ended.append(str(crash))
            return True
        finally:
            points.hook = None
        return False

    def _arm(self, point: points.Point, number: int) -> None:
        passes = 0

        def hook(reached: points.Point) -> None:
            nonlocal passes
            passes += reached == point
            if passes == number and reached == point:
                self.crashes -= 1
                raise Crash(point)

        points.hook = hook

    async def _poll(self, behind: Sequence[tuple[Topic, int, int]]) -> None:
        """From the stored offset on, or from a little before it, as Kafka does that was not told."""
        topic, partition, position = self.rng.choice(behind)
        first = max(0, position - self.rng.choice([0, 0, 1, 5]))
        size = self.rng.choices([1, 2, 7, 20, 2000], weights=[3, 3, 6, 6, 1])[0]
        records = self.logs[topic, partition][first : position + size]
        await self.desk.hand(topic, records, first=first, partition=partition)

    async def _derive(self, _: object) -> None:
        await turns.derive_calendars(self.desk.pool, self.desk.clock, WHERE)

    async def _recompute(self, _: object) -> None:
        await turns.recompute_days(self.desk.pool, WHERE)
        await turns.recompute_periods(self.desk.pool)

    async def _settle(self, _: object) -> None:
        await self.desk.settle()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", SEEDS)
async def test_a_shuffled_log_in_polls_of_any_size_with_crashes__same_checksums(
    desk: Desk, other: Desk, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every other time polls are cut into transactions of three records, read two at once."""
    if seed % 2:
        monkeypatch.setattr(placing, "EVENTS_PER_TRANSACTION_MAX", 3)
        monkeypatch.setattr(placing, "RECORDS_READ_AT_ONCE_MAX", 2)
    rng = Random(seed)
    log = random_log(rng)
    await read_at_once(desk, log)
    reader = Reader(other, log, rng, crashes=8)
    await reader.read()
    assert reader.ended, "a run without a crash shows nothing"
    assert await checksums(other) == await checksums(desk)
    assert [each for each in log.days if (await other.audit(each)).differences] == []
    assert await other.value("SELECT count(*) FROM dirty_days") == 0


@pytest.mark.timeout(60)
@pytest.mark.parametrize("point", POINTS)
async def test_an_end_at_each_point__nothing_lost_and_nothing_doubled(desk: Desk, point: points.Point) -> None:
    """The first pass of the point ends the process; what was not committed is read again."""
    log = random_log(Random(17), bookings=8)
    reader = Reader(desk, log, Random(1), crashes=0)

    def hook(reached: points.Point) -> None:
        if reached == point:
            points.hook = None
            raise Crash(point)

    async def once(step: Any) -> int:
        try:
            await step()
        except Crash:
            await step()
            return 1
        return 0

    async def read_all() -> None:
        for topic, partition, position in await reader._behind():
            await desk.hand(topic, reader.logs[topic, partition][position:], first=position, partition=partition)

    points.hook = hook
    ended = await once(read_all) + await once(desk.settle)
    assert ended == 1
    unique = {event.id for key in log.booking for event in key}
    assert await desk.value("SELECT count(*) FROM events") == len(unique)
    assert [each for each in log.days if (await desk.audit(each)).differences] == []


@pytest.mark.timeout(60)
async def test_a_rebuild__equals_the_live_tables(desk: Desk) -> None:
    await read_at_once(desk, random_log(Random(5)))
    before = await checksums(desk)
    done = await rebuild(desk.pool, desk.clock, WHERE, accept=False)
    assert (done.swapped, list(done.differences)) == (True, [])
    assert await checksums(desk) == before
    await desk.settle()
    assert await checksums(desk) == before


@pytest.mark.timeout(60)
async def test_a_rebuild_over_damaged_figures__says_which_and_swaps_only_if_told(desk: Desk) -> None:
    await read_at_once(desk, random_log(Random(5)))
    before = await checksums(desk)
    async with db.transaction(desk.pool) as tx:
        damaged = await tx.fetchrow("UPDATE day_resource SET booked_s = 1 WHERE booked_s > 0 RETURNING day, resource_id")
    assert damaged is not None
    refused = await rebuild(desk.pool, desk.clock, WHERE, accept=False)
    assert not refused.swapped
    assert {each.figure for each in refused.unexplained} == {"booked_s"}
    assert (damaged["day"], damaged["resource_id"]) in {(each.day, each.key) for each in refused.differences}
    assert await desk.value("SELECT to_regnamespace('shadow')") is None
    accepted = await rebuild(desk.pool, desk.clock, WHERE, accept=True)
    assert accepted.swapped
    assert await checksums(desk) == before


@pytest.mark.timeout(60)
async def test_many_days_by_turns_side_by_side__same_checksums(
    desk: Desk, other: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = random_log(Random(7))
    await read_at_once(desk, log)
    await other.publish(*(event for states in log.catalogue for event in states))
    await other.book(*(event for key in log.booking for event in key))
    while await turns.derive_calendars(other.pool, other.clock, WHERE):
        pass
    monkeypatch.setattr(turns, "DAYS_PER_TURN_MAX", 7)
    monkeypatch.setattr(turns, "DAYS_ONE_BY_ONE_MAX", 3)
    monkeypatch.setattr(loops, "DAYS_ONE_BY_ONE_MAX", 1)  # turn after turn until nothing is left
    compute_days, begun, both = turns.compute_days, 0, asyncio.Event()

    async def wait_for_the_other(*arguments: Any) -> None:
        nonlocal begun
        begun += 1
        if begun == RECOMPUTE_WORKERS:
            both.set()
        await asyncio.wait_for(both.wait(), 10)
        await compute_days(*arguments)

    monkeypatch.setattr(turns, "compute_days", wait_for_the_other)
    await loops.recompute_days(loops.Work(HUB, WHERE, other.pool, other.clock, other.metrics))
    assert await other.value("SELECT count(*) FROM dirty_days") == 0
    assert begun > RECOMPUTE_WORKERS
    await other.settle()
    assert await checksums(other) == await checksums(desk)


@pytest.mark.timeout(60)
async def test_a_rebuild_while_days_are_marked__the_difference_is_explained(desk: Desk) -> None:
    log = random_log(Random(5))
    await read_at_once(desk, log)
    more = random_log(Random(6), bookings=5, prefix="later-")
    await desk.book(*(event for key in more.booking for event in key))
    assert await desk.value("SELECT count(*) FROM dirty_days") > 0
    done = await rebuild(desk.pool, desk.clock, WHERE, accept=False)
    assert done.unexplained == []
    assert done.swapped
    await desk.settle()
    assert [each for each in log.days if (await desk.audit(each)).differences] == []


async def test_unique_id_off__doubles_are_seen(desk: Desk, other: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: without the unique index duplicates of a producer count, and the test above would say so."""
    log = random_log(Random(3))
    await read_at_once(desk, log)
    async with db.transaction(other.pool) as tx:
        await tx.execute("DROP INDEX events_event_id")

    monkeypatch.setattr(facts, "tell_apart", lambda rows, known: (rows, []))
    refusals = [event for key in log.booking for event in key if event.bare_type == "BookingRejected"]
    await other.publish(*(event for states in log.catalogue for event in states))
    await other.book(*(event for key in log.booking for event in key), *refusals)
    await other.settle()
    assert await checksums(other) != await checksums(desk)


async def test_fence_off__the_position_goes_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: a late owner's poll moves the stored offset backwards, and "as of" would be wrong."""

    async def no_fence(tx: db.Tx, consumer: str, topic: str, partitions: Sequence[int]) -> dict[int, int]:
        return dict.fromkeys(partitions, 0)

    records = [encode(event) for key in random_log(Random(2)).booking for event in key]
    position = "SELECT next_offset FROM stored_offsets WHERE topic = 'booking.events.v1'"
    await desk.hand(topics.BOOKING_EVENTS, records[:20], first=0)
    await desk.hand(topics.BOOKING_EVENTS, records[:5], first=0)
    assert await desk.value(position) == 20
    monkeypatch.setattr(inbox, "lock_offsets", no_fence)
    await desk.hand(topics.BOOKING_EVENTS, records[:5], first=0)
    assert await desk.value(position) == 5


async def test_marks_for_the_new_days_only__what_was_moved_away_stays(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: without the days of the other versions a moved booking counts on both days."""
    seen: list[int] = []
    mark_days = events.mark_days

    async def new_days_only(tx: db.Tx, own: Any, booking_ids: Sequence[Any]) -> None:
        seen.append(len(booking_ids))
        await mark_days(tx, own, [])

    monkeypatch.setattr(events, "mark_days", new_days_only)
    claim = Claim("b1", local("2027-05-03", "09:00"), local("2027-05-03", "10:00")).confirmed()
    await desk.book(claim.last)
    await desk.settle()
    await desk.book(claim.moved(local("2027-05-06", "09:00"), local("2027-05-06", "10:00")).last)
    await desk.settle()
    assert any(seen)
    assert (await desk.audit(day("2027-05-03"))).differences == 2
    assert (await desk.audit(day("2027-05-06"))).differences == 0
