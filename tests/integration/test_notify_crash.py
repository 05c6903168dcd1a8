"""Killed at each named point, frozen past its lease, cut off from its database: who gets how many mails."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from tests.support.kafka import KafkaServer
from tests.support.mail_sink import MailSink, mail_sink
from tests.support.notify_crash import counts, killed_at, produce
from tests.support.notify_events import NOW, BookingStory
from tests.support.notify_process import FileClock, notify_process
from tests.support.notify_stand import make_topics, notifying, settings
from tests.support.postgres import PostgresServer
from tests.support.waiting import eventually

ServiceDb = Callable[[str], str]
STORIES = 6
# Where the process dies -> how many of a confirmation may arrive; two only where the relay's answer was lost with it.
# The other points are in tests/chaos.
POINTS = {"notify.on_wire": 1, "notify.before_result": 2}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailSink]:
    with mail_sink(tmp_path_factory.mktemp("sink")) as one:
        yield one


@pytest.fixture
def sink(running: MailSink) -> MailSink:
    """Without a script; what others received is told apart by message."""
    running.script()
    return running


@pytest.fixture
def clock(tmp_path: Path) -> FileClock:
    moved = FileClock(tmp_path / "clock")
    moved.set(NOW + timedelta(hours=1))
    return moved


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.timeout(90)
async def test_killed_at_each_point__everybody_is_told_and_twice_only_where_the_answer_was_lost(
    kafka: KafkaServer, service_db: ServiceDb, sink: MailSink, clock: FileClock, tmp_path: Path, point: str
) -> None:
    await killed_at(point, kafka, service_db("notify"), sink, clock, tmp_path, most=POINTS[point])


@pytest.mark.timeout(90)
async def test_frozen_past_its_lease_with_a_mail_on_the_wire__wakes_up_and_changes_nothing(
    kafka: KafkaServer, service_db: ServiceDb, sink: MailSink, clock: FileClock, tmp_path: Path
) -> None:
    dsn, story = service_db("notify"), BookingStory()
    await make_topics(kafka)
    sink.script({"command": "dot", "action": "slow", "seconds": 5, "times": 1})
    async with notify_process(settings(kafka, dsn, sink.smtp_port), tmp_path, clock=clock) as sleeper:
        await produce(kafka, [story])
        watcher = await asyncpg.connect(dsn)

        async def on_the_wire() -> bool:
            return bool(sink.used() == [1] and await watcher.fetchval("SELECT count(*) FROM messages WHERE state = 'sending'"))

        await eventually(on_the_wire, seconds=30, what="a mail on the wire")
        sleeper.freeze()
        clock.forward(seconds=61)
        async with notifying(kafka, dsn, sink, clock=clock, prepare=False) as stand:
            await stand.reached("uncertain")
            clock.forward(seconds=31)
            (before,) = await stand.reached("sent")
            assert (before["claim"], before["attempts"], before["resent"]) == (2, 2, True)
            sleeper.thaw()
            # The relay's answer has lain in its socket all the while; it is read, and its result finds another claim.

            async def awake() -> bool:
                return bool(await watcher.fetchval("SELECT count(*) FROM attempts WHERE claim = 1 AND effect = 'accepted'"))

            await eventually(awake, what="the late result")
            (after,) = await stand.messages(kind="confirmed")

            assert dict(after) == dict(before)
            assert counts(sink, [after["message_id"]]) == [2]
            assert [fact.bare_type for fact in await stand.facts(count=2)] == ["MessageUncertain", "MessageSent"]
        await watcher.close()


@pytest.mark.timeout(90)
async def test_database_cut_off_while_mails_are_on_the_wire__their_results_are_written_when_it_is_back(
    kafka: KafkaServer, service_db: ServiceDb, postgres_server: PostgresServer, sink: MailSink, clock: FileClock
) -> None:
    dsn, stories = service_db("notify"), [BookingStory() for _ in range(STORIES)]
    await make_topics(kafka)
    sink.script({"command": "dot", "action": "slow", "seconds": 1.0, "times": STORIES})
    async with notifying(kafka, dsn, sink, clock=clock, prepare=False) as stand:
        await produce(kafka, stories)
        await stand.reached("sending")
        admin = await asyncpg.connect(postgres_server.dsn)
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND application_name = 'notify'"
        for _ in range(40):  # the replies come in meanwhile, and whoever wants to write them down is cut off
            await admin.execute(cut, dsn.rpartition("/")[2])
            await asyncio.sleep(0.05)
        await admin.close()
        await stand.reconnect()
        rows = await stand.reached("sent", count=STORIES, kind="confirmed", seconds=25)

        assert counts(sink, [row["message_id"] for row in rows]) == [1] * STORIES
        assert {row["resent"] for row in rows} == {False}
