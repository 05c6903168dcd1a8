"""Killed at each named point, frozen and continued, killed under load: nothing lost, nothing doubled.

The same check finds doubles as soon as the dedup or the fence is switched off: it is able to fail.
"""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Callable
from typing import get_args

import pytest

from hubkit import points
from tests.support import frontend
from tests.support.kafka import KafkaServer, Raw
from tests.support.processes import House
from tests.support.recorder import EXIT_CODE, SERVICE
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(90, func_only=True)  # processes of their own, which the broker takes its time to give up

POINTS = [point for point in get_args(points.Point) if point.startswith(("consume.", "relay."))]
COUNT = 240


def load(seed: int) -> tuple[list[Raw], list[Raw]]:
    """(requests, what a frontend that re-sends makes of them): every third comes again, some soon, some late."""
    draw = random.Random(seed)
    wanted = frontend.requests(COUNT)
    sent = list(wanted)
    for raw in wanted[::3]:
        sent.insert(draw.randrange(sent.index(raw) + 1, len(sent) + 1), raw)
    return wanted, sent


@pytest.fixture
async def ours(kafka: KafkaServer, service_db: Callable[[str], str]) -> AsyncIterator[House]:
    built = await House.built(kafka, service_db(SERVICE))
    yield built
    await built.stop()
    ended = [running.log.read_text() for running in built.started if "part of the service ended" in running.log.read_text()]
    assert ended == [], "a process ended by itself that was only frozen or left alone"


@pytest.mark.parametrize("point", POINTS)
async def test_killed_at_a_point_of_consume_or_relay__nothing_lost_or_doubled(ours: House, point: str) -> None:
    wanted, sent = load(seed=len(point))
    killed = ours.start(crash_at=f"{point}:{1 if point == 'consume.after_acknowledge' else 2}", records_max="50")
    await killed.port()
    for start in range(0, len(sent), 80):
        await ours.kafka.produce(ours.requests, sent[start : start + 80])
    assert await killed.ended(seconds=20) == EXIT_CODE, f"{point} was never passed twice"
    await ours.bury()
    ours.start(records_max="50")
    await ours.kafka.produce(ours.requests, wanted[:10])  # repeats for this process, however far the other one came
    await ours.settled(len(sent) + 10)
    assert await ours.faults(wanted) == []
    assert await ours.dropped() > 0, "no repeat was ever dropped: this test would show nothing"


async def test_repeats_with_the_dedup_off__the_same_check_finds_doubles(ours: House) -> None:
    """The negative control: a check that cannot fail shows nothing."""
    wanted, sent = load(seed=1)
    ours.start(dedup="off")
    await ours.kafka.produce(ours.requests, sent)
    await ours.settled(len(sent))
    assert await ours.faults(wanted) == [f"{COUNT // 3} applied twice"]


@pytest.mark.parametrize("fence", ["on", "off"])
async def test_frozen_with_a_batch_in_hand_while_another_takes_over__only_the_fence_prevents_doubles(
    ours: House, fence: str
) -> None:
    """The zombie wakes with records that were handled since. The dedup is off: the fence alone, and then not even that."""
    wanted = frontend.requests(COUNT)
    zombie = ours.start(freeze_at="consume.after_poll:1", fence=fence, dedup="off", records_max="20")
    await zombie.port()
    await ours.kafka.produce(ours.requests, wanted[:120])
    await ours.settled(120)  # the polls that are thrown away after an assignment are over
    zombie.signal(signal.SIGUSR1)
    await ours.kafka.produce(ours.requests, wanted[120:])
    await zombie.frozen()
    await ours.bury()
    ours.start(fence=fence, dedup="off", records_max="20")
    await ours.settled(COUNT)
    assert await ours.faults(wanted) == []
    zombie.signal(signal.SIGCONT)
    if fence == "off":

        async def only_doubles() -> bool:
            faults = await ours.faults(wanted)  # for a moment also what the relay has yet to send
            return len(faults) == 1 and faults[0].endswith("applied twice")

        await eventually(only_doubles)
    else:
        assert await eventually(ours.dropped) >= 20
        assert await ours.faults(wanted) == []


async def test_rebalance_in_mid_batch__nothing_lost_or_doubled(ours: House) -> None:
    """Slow batches, two processes joining and leaving: each hands over with a batch in work. Without dedup it would show."""
    wanted = frontend.requests(COUNT)
    first = ours.start(slow_seconds="0.3", records_max="20", dedup="off")
    await first.port()
    await ours.kafka.produce(ours.requests, wanted[:120])

    async def begun() -> bool:
        return len(await ours.recorded()) > 0

    await eventually(begun)
    second = ours.start(slow_seconds="0.3", records_max="20", dedup="off")
    await second.port()
    await ours.kafka.produce(ours.requests, wanted[120:])
    await asyncio.sleep(0.5)
    first.signal(signal.SIGTERM)
    assert await first.ended() == 0
    await ours.settled(COUNT)
    assert await ours.faults(wanted) == []
    assert second.exit_code is None


async def test_one_of_two_killed_and_one_frozen_under_load__nothing_lost_or_doubled(ours: House) -> None:
    """Three processes; one is killed, one freezes for good with the relay's lock or without: the third does it all."""
    draw = random.Random(7)
    wanted = frontend.requests(COUNT)
    crew = [ours.start(records_max="20", slow_seconds="0.02", dedup="off") for _ in range(3)]
    for one in crew:
        await one.port()
    for start in range(0, COUNT, 40):
        await ours.kafka.produce(ours.requests, wanted[start : start + 40])
        if start == 80:
            crew.pop(draw.randrange(3)).signal(signal.SIGKILL)
        if start == 120:
            crew.pop(draw.randrange(2)).signal(signal.SIGSTOP)
    await ours.settled(COUNT, seconds=27)
    assert await ours.faults(wanted) == []


async def test_asked_to_end_in_mid_batch__finishes_it_first(ours: House) -> None:
    sent = frontend.requests(30, offers=1)
    running = ours.start(slow_seconds="1.5")
    await running.port()
    await ours.kafka.produce(ours.requests, sent)

    async def inside() -> bool:
        """The handler sleeps inside its transaction: its locks on the stored offsets are held."""
        return bool(await ours.fetch("SELECT 1 FROM pg_locks WHERE relation = 'recorded'::regclass AND granted"))

    await eventually(inside)
    running.signal(signal.SIGTERM)
    assert await running.ended() == 0
    assert len(await ours.recorded()) == 30
    (row,) = await ours.fetch("SELECT sum(next_offset)::bigint AS behind FROM stored_offsets")
    assert row["behind"] == 30
