"""The position is the stored offset, whatever Kafka has committed; a log that does not fit it stops the consumer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient

from contracts import topics
from contracts.topics import Topic
from hubkit.messaging import Stalled, Subscription, feed, no_plan
from tests.support import frontend
from tests.support.consuming import Seen, Stand, consuming, prepare
from tests.support.kafka import KafkaServer, Raw
from tests.support.recorder import SERVICE
from tests.support.waiting import eventually

REQUESTS = topics.BOOKING_REQUESTS


def subscribed(seen: Seen, topic: Topic = REQUESTS) -> Subscription[None]:
    return Subscription(topic, seen.handle, no_plan)


async def commit(kafka: KafkaServer, offset: int) -> None:
    """Move what Kafka has committed for the group, as another life of the database or an operator's tool would."""
    group, topic = kafka.name(f"{SERVICE}.{REQUESTS.name}"), kafka.name(REQUESTS.name)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.address, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.commit({TopicPartition(topic, 0): offset})
    finally:
        await consumer.stop()


async def store(dsn: str, offset: int) -> None:
    """Put the stored offset back or forward, as a restored database has it."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("UPDATE stored_offsets SET next_offset = $1", offset)
    finally:
        await connection.close()


@pytest.mark.parametrize("committed", [0, 1, 3, 10], ids=["at the start", "behind", "at it", "ahead"])
async def test_kafka_committed_elsewhere__goes_on_at_the_stored_offset(
    kafka: KafkaServer, service_db: Callable[[str], str], committed: int
) -> None:
    """Ahead is the dangerous one: its records would raise the stored offset, and those between would pass for known."""
    dsn, seen = service_db(SERVICE), Seen()
    await prepare(kafka, dsn, REQUESTS)
    sent = frontend.requests(12, offers=1)
    async with consuming(kafka, dsn, subscribed(Seen())) as stand:
        await kafka.produce(stand.topic, sent[:3])
        await stand.reached(3)
    await kafka.produce(kafka.name(REQUESTS.name), sent[3:])
    await commit(kafka, committed)
    async with consuming(kafka, dsn, subscribed(seen)) as stand:
        await stand.reached(12)
        assert seen.ids() == [frontend.event_id(raw) for raw in sent[3:]]


async def test_database_restored_to_an_earlier_state__reads_again_from_there(
    kafka: KafkaServer, service_db: Callable[[str], str]
) -> None:
    dsn, seen = service_db(SERVICE), Seen()
    await prepare(kafka, dsn, REQUESTS)
    sent = frontend.requests(9, offers=1)
    async with consuming(kafka, dsn, subscribed(Seen())) as stand:
        await kafka.produce(stand.topic, sent)
        await stand.reached(9)
    connection = await asyncpg.connect(dsn)
    await connection.execute("DELETE FROM recorded; DELETE FROM inbox; UPDATE stored_offsets SET next_offset = 4")
    await connection.close()
    async with consuming(kafka, dsn, subscribed(seen)) as stand:
        await stand.reached(9)
        assert seen.ids() == [frontend.event_id(raw) for raw in sent[4:]]


async def test_first_batch_after_an_assignment__is_thrown_away_and_read_again(
    kafka: KafkaServer, service_db: Callable[[str], str]
) -> None:
    """It may have been fetched from what Kafka has committed, before the seek. Here it is made up: it is not believed."""
    dsn, seen = service_db(SERVICE), Seen()
    await prepare(kafka, dsn, REQUESTS)
    sent = frontend.requests(4, offers=1)
    async with consuming(kafka, dsn, subscribed(seen)) as stand:
        await stand.assigned()
        await sought(stand)
        await stand.feed.take([_record(sent[3], offset=3)])
        assert seen.ids() == []
        assert await stand.position() == 0
        await kafka.produce(stand.topic, sent)
        await stand.reached(4)
        assert seen.ids() == [frontend.event_id(raw) for raw in sent]


async def sought(stand: Stand) -> None:
    async def fresh() -> bool:
        return stand.feed._fresh == {0}

    await eventually(fresh, what="the seek after the assignment")


def _record(raw: Raw, *, offset: int) -> ConsumerRecord:
    return ConsumerRecord("t", 0, offset, 0, 0, raw.key, raw.value, None, 0, 0, tuple(raw.headers))


async def test_group_that_never_ran__starts_at_the_beginning_of_the_log(
    kafka: KafkaServer, service_db: Callable[[str], str]
) -> None:
    dsn, seen = service_db(SERVICE), Seen()
    await prepare(kafka, dsn, REQUESTS)
    topic, sent = kafka.name(REQUESTS.name), frontend.requests(6, offers=1)
    await kafka.produce(topic, sent)
    await asyncio.to_thread(trim, kafka, topic, 2)
    async with consuming(kafka, dsn, subscribed(seen)) as stand:
        await stand.reached(6)
        assert seen.ids() == [frontend.event_id(raw) for raw in sent[2:]]


def trim(kafka: KafkaServer, topic: str, before: int) -> None:
    """Have the broker delete the records before an offset, as retention does."""
    admin = AdminClient({"bootstrap.servers": kafka.address})
    for done in admin.delete_records([Place(topic, 0, before)]).values():
        done.result(15)


class _Log:
    """What can happen to a log beside a database that lives on."""

    @staticmethod
    async def trimmed(kafka: KafkaServer, topic: str) -> None:
        await kafka.produce(topic, frontend.requests(5, offers=1))
        await asyncio.to_thread(trim, kafka, topic, 5)

    @staticmethod
    async def made_anew_shorter(kafka: KafkaServer, topic: str) -> None:
        await asyncio.to_thread(make_anew, kafka, topic)
        await kafka.produce(topic, frontend.requests(1, offers=1))

    @staticmethod
    async def made_anew_longer(kafka: KafkaServer, topic: str) -> None:
        await asyncio.to_thread(make_anew, kafka, topic)
        await kafka.produce(topic, frontend.requests(9, offers=1))


def make_anew(kafka: KafkaServer, topic: str) -> None:
    kafka.delete(topic)
    for _ in range(100):
        try:
            kafka.create(topic, config=REQUESTS.config())
        except Exception as exc:
            if "already exists" not in str(exc):
                raise
        else:
            return
    raise AssertionError(f"{topic} could not be made anew")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_Log.trimmed, "log_starts_behind_position"),
        (_Log.made_anew_shorter, "topic_was_made_anew"),
        (_Log.made_anew_longer, "topic_was_made_anew"),
    ],
)
async def test_log_changed_while_we_were_away__stops_and_keeps_the_position(
    kafka: KafkaServer, service_db: Callable[[str], str], change: Callable[[KafkaServer, str], object], reason: str
) -> None:
    dsn, seen = service_db(SERVICE), Seen()
    await prepare(kafka, dsn, REQUESTS)
    async with consuming(kafka, dsn, subscribed(Seen())) as stand:
        await kafka.produce(stand.topic, frontend.requests(3, offers=1))
        await stand.reached(3)
    await change(kafka, kafka.name(REQUESTS.name))  # type: ignore[misc]
    async with consuming(kafka, dsn, subscribed(seen)) as stand:
        assert await stand.stopped() == reason
        assert seen.ids() == []
        assert await stand.position() == 3


async def test_log_shorter_than_the_stored_offset__stops(kafka: KafkaServer, service_db: Callable[[str], str]) -> None:
    """A broker's disk was put back beside a living database: the topic's id is the same, its end is not."""
    dsn, seen = service_db(SERVICE), Seen()
    await prepare(kafka, dsn, REQUESTS)
    async with consuming(kafka, dsn, subscribed(Seen())) as stand:
        await kafka.produce(stand.topic, frontend.requests(3, offers=1))
        await stand.reached(3)
    await store(dsn, 8)
    async with consuming(kafka, dsn, subscribed(seen)) as stand:
        assert await stand.stopped() == "log_ends_before_position"
        await kafka.produce(stand.topic, frontend.requests(2, offers=1))
        await asyncio.sleep(0.3)
        assert seen.ids() == []
        assert await stand.position() == 8


@asynccontextmanager
async def watched(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[asyncio.Task[None]]:
    """The watchdog at a pace for tests."""
    monkeypatch.setattr(feed, "WATCH_SECONDS", 0.1)
    monkeypatch.setattr(feed, "STALL_SECONDS_MAX", 1.0)
    watching = asyncio.create_task(stand.feed.watch())
    try:
        yield watching
    finally:
        watching.cancel()
        await asyncio.wait({watching})


@pytest.mark.parametrize("count", [1, 9], ids=["shorter", "longer"])
async def test_topic_made_anew_under_a_running_consumer__stops(
    kafka: KafkaServer, service_db: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """A longer one is the trap: reading goes on at the old position as if nothing had happened."""
    dsn, seen = service_db(SERVICE), Seen()
    await prepare(kafka, dsn, REQUESTS)
    async with consuming(kafka, dsn, subscribed(seen)) as stand, watched(stand, monkeypatch):
        await kafka.produce(stand.topic, frontend.requests(3, offers=1))
        await stand.reached(3)
        await asyncio.to_thread(make_anew, kafka, stand.topic)
        await kafka.produce(stand.topic, frontend.requests(count, offers=1))
        assert await stand.stopped() in ("topic_was_made_anew", "log_ends_before_position")


async def test_log_trimmed_beyond_a_running_consumer__stops_without_a_further_record(
    kafka: KafkaServer, service_db: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was held up while retention deleted what it had not read. aiokafka goes to the new start and says nothing."""
    dsn, seen = service_db(SERVICE), Seen()
    await prepare(kafka, dsn, REQUESTS)
    async with consuming(kafka, dsn, subscribed(seen)) as stand:
        await kafka.produce(stand.topic, frontend.requests(2, offers=1))
        await stand.reached(2)
        stand.feed._kafka.pause(TopicPartition(stand.topic, 0))
        await asyncio.sleep(0.5)  # the fetch that is on its way ends without what comes now
        await kafka.produce(stand.topic, frontend.requests(4, offers=1))
        await asyncio.to_thread(trim, kafka, stand.topic, 6)
        stand.feed._kafka.resume(TopicPartition(stand.topic, 0))
        assert await stand.stopped() == "log_starts_behind_position"
        assert await stand.position() == 2


async def test_frontend_that_writes_in_transactions__is_read_and_leaves_no_lag(
    kafka: KafkaServer, service_db: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each transaction ends with a marker that no reader sees. It was a lag for ever: the process ended once a minute."""
    dsn, seen = service_db(SERVICE), Seen()
    await prepare(kafka, dsn, REQUESTS, partitions=2)
    producer = AIOKafkaProducer(bootstrap_servers=kafka.address, transactional_id=kafka.name("frontend"))
    await producer.start()
    sent = frontend.requests(2, offers=1)
    try:
        for raw in sent:
            async with producer.transaction():
                await producer.send(kafka.name(REQUESTS.name), raw.value, raw.key, 1, headers=list(raw.headers))
    finally:
        await producer.stop()
    async with consuming(kafka, dsn, subscribed(seen)) as stand, watched(stand, monkeypatch) as watching:
        await stand.reached(4, partition=1)
        assert seen.ids() == [frontend.event_id(raw) for raw in sent]
        await asyncio.sleep(1.5)  # longer than the watchdog's patience
        assert not watching.done()
    # Its end is a marker too: a process that starts there has nothing to read and has caught up all the same.
    async with consuming(kafka, dsn, subscribed(seen)) as stand:
        await asyncio.wait_for(stand.feed.catch_up(), 5)


async def test_position_that_does_not_move_though_records_lie_ready__ends_the_process(
    kafka: KafkaServer, service_db: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiokafka's fetch task can die while everything else looks well: here the partition is paused under us."""
    dsn, seen = service_db(SERVICE), Seen()
    await prepare(kafka, dsn, REQUESTS)
    async with consuming(kafka, dsn, subscribed(seen)) as stand, watched(stand, monkeypatch) as watching:
        await kafka.produce(stand.topic, frontend.requests(2, offers=1))
        await stand.reached(2)
        await asyncio.sleep(1.5)
        assert not watching.done(), "an idle topic is no stall"
        stand.feed._kafka.pause(TopicPartition(stand.topic, 0))
        await kafka.produce(stand.topic, frontend.requests(1, offers=1))
        with pytest.raises(Stalled):
            await asyncio.wait_for(watching, 5)


async def test_polls_that_do_not_end__end_the_process(
    kafka: KafkaServer, service_db: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop that polls is gone and nothing lies ready: no lag would ever tell."""
    dsn, seen = service_db(SERVICE), Seen()
    await prepare(kafka, dsn, REQUESTS)
    async with consuming(kafka, dsn, subscribed(seen)) as stand, watched(stand, monkeypatch) as watching:
        await stand.assigned()
        assert stand.feed.subscriber is not None
        for task in stand.feed.subscriber.tasks:
            task.cancel()
        with pytest.raises(Stalled):
            await asyncio.wait_for(watching, 5)


async def test_position_that_cannot_be_read_for_a_fault_of_ours__ends_the_process(
    kafka: KafkaServer, service_db: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiokafka logs what a listener raises and goes on; without a position every record would be passed over."""
    dsn, seen = service_db(SERVICE), Seen()
    await prepare(kafka, dsn, REQUESTS)
    connection = await asyncpg.connect(dsn)
    await connection.execute("ALTER TABLE stored_offsets RENAME TO elsewhere")
    await connection.close()
    async with consuming(kafka, dsn, subscribed(seen)) as stand, watched(stand, monkeypatch) as watching:
        with pytest.raises(asyncpg.UndefinedTableError):
            await asyncio.wait_for(watching, 5)
