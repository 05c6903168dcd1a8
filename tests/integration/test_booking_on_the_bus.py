"""Booking on the real broker and database: stampede, repeats, rubbish, kills; every request counted afterwards."""

import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import get_args
from uuid import UUID

import pytest

from bench.frontend import Wanted
from contracts import topics
from hubkit import points
from tests.support import frontend, hostile
from tests.support.booked import EXIT_CODE, SERVICE, Booked, raw
from tests.support.kafka import KafkaServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(120, func_only=True)  # processes of their own, which the broker takes its time to give up

POINTS = [point for point in get_args(points.Point) if point.startswith("booking.")]


@pytest.fixture
async def ours(kafka: KafkaServer, service_db: Callable[[str], str]) -> AsyncIterator[Booked]:
    built = await Booked.built(kafka, service_db(SERVICE))
    yield built
    await built.stop()


async def test_a_hundred_ask_for_one_slot__one_winner_ninety_nine_conflicts(ours: Booked) -> None:
    process = ours.start()
    await process.port()
    (first,) = ours.town.spread(1)
    rivals = [replace(wanted, value=first.value, key=first.key) for wanted in ours.town.spread(100)]
    await ours.send([raw(wanted) for wanted in rivals])
    await ours.settled(100)
    assert await ours.faults(rivals) == []
    told = Counter(answers[0][1] for answers in (await ours.answers()).values())
    assert told == {"BookingConfirmed": 1, "BookingRejected": 99}
    reasons = await ours.fetch("SELECT outcome -> 'data' ->> 'reason' AS reason, count(*) AS n FROM requests GROUP BY 1")
    assert {row["reason"]: row["n"] for row in reasons} == {None: 1, "conflict": 99}
    assert await ours.metric("booking_backstop_total") == 0


async def test_sent_twice_and_again_with_other_content__one_event_id_and_a_refusal(ours: Booked) -> None:
    process = ours.start()
    await process.port()
    first, other = ours.town.spread(2)
    reused = replace(first, value=other.value)
    await ours.send([raw(first), raw(first), raw(reused)])
    await ours.settled(3)
    told = (await ours.answers())[UUID(first.request_id.decode())]
    assert sorted(kind for _, kind in set(told)) == ["BookingConfirmed", "RequestRefused"]
    assert len(await ours.fetch("SELECT 1 FROM bookings")) == 1
    answer = await process.http("GET", f"/v1/requests/{first.request_id.decode()}")
    assert answer.json()["type"] == "de.hubnetz.booking.BookingConfirmed.v1"


def load(ours: Booked, count: int, seed: int) -> tuple[list[Wanted], list[Wanted]]:
    """(requests, what is sent): some for one session, some for rooms, some for a taken slot; every third comes again."""
    draw = random.Random(seed)
    spread = ours.town.spread(count // 2)
    rivals = [replace(wanted, value=spread[0].value, key=spread[0].key) for wanted in ours.town.spread(count // 4)]
    wanted = [*spread, *rivals, *ours.town.hot(count - len(spread) - len(rivals))]
    draw.shuffle(wanted)
    sent = list(wanted)
    for again in wanted[::3]:
        sent.insert(draw.randrange(len(sent) + 1), again)
    return wanted, sent


@pytest.mark.parametrize("point", POINTS)
async def test_killed_at_a_point_of_the_decision__nothing_lost_or_doubled(ours: Booked, point: str) -> None:
    wanted, sent = load(ours, 120, seed=len(point))
    killed = ours.start(crash_at=f"{point}:2")
    await killed.port()
    await ours.send([raw(request) for request in sent[:40]])
    await eventually(lambda: ours.fetch("SELECT 1 FROM requests"), what="the first pass")
    await ours.send([raw(request) for request in sent[40:]])
    assert await killed.ended() == EXIT_CODE, f"{point} was never passed twice"
    ours.start()
    await ours.settled(len(sent))
    assert await ours.faults(wanted) == []
    assert await ours.metric("hubnetz_consumer_known_total") > 0, "no repeat was ever dropped: this would show nothing"


async def test_three_processes_one_killed_one_joining_in_mid_load__nothing_lost_or_doubled(ours: Booked) -> None:
    wanted, sent = load(ours, 600, seed=11)
    first, second = ours.start(), ours.start()
    await first.port()
    await second.port()
    for start in range(0, len(sent), 100):
        await ours.send([raw(request) for request in sent[start : start + 100]])
        if start == 200:
            first.signal(signal.SIGKILL)
            ours.start()
    await ours.settled(len(sent))
    assert await ours.faults(wanted) == []
    assert await ours.metric("booking_backstop_total") == 0


async def test_rubbish_among_good_requests__good_ones_answered_and_rubbish_set_aside(ours: Booked) -> None:
    """A thousand of each. What has a readable envelope is answered `invalid_request`; the rest lies in the dead letters."""
    process = ours.start()
    await process.port()
    good = ours.town.spread(1000)
    rubbish = frontend.hostile(1000, seed=3)
    invalid = [frontend.request(minutes=0) for _ in range(50)]  # read, understood and answered
    mixed = [raw(wanted) for wanted in good] + [record for record, _ in rubbish] + invalid
    random.Random(3).shuffle(mixed)
    hostile.produce(ours.kafka.address, ours.kafka.name(topics.BOOKING_REQUESTS.name), mixed)
    await ours.settled(len(mixed), seconds=60)
    answers = await ours.answers()
    told = Counter(kind for wanted in good for _, kind in answers[UUID(wanted.request_id.decode())])
    assert told == {"BookingConfirmed": len(good)}
    refused = Counter(kind for record in invalid for _, kind in answers[frontend.event_id(record)])
    assert refused == {"RequestRefused": len(invalid)}
    rows = await ours.fetch("SELECT reason, count(*) AS n FROM dead_letters GROUP BY reason")
    assert {row["reason"]: row["n"] for row in rows} == Counter(reason for _, reason in rubbish)
    letters = await ours.kafka.read_all(ours.kafka.name(topics.dead_letter(SERVICE).name))
    assert len(letters) == len(rubbish)
    assert frontend.PERSON not in process.log.read_text()
    assert set((await ours.violations()).values()) == {0}
    assert process.exit_code is None
