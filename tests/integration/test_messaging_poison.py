"""Records that Kafka's client dies of: they are set aside, and those around them are handled."""

import asyncio
import time
from collections.abc import Callable, Sequence

import pytest
from aiokafka import ConsumerRecord

from contracts import topics
from hubkit.messaging import Subscription, no_plan
from hubkit.messaging.screening import FETCHED_BYTES_MAX
from tests.support import frontend, hostile
from tests.support.consuming import Seen, consuming, prepare
from tests.support.kafka import KafkaServer, Raw
from tests.support.waiting import eventually


def bare(raw: Raw) -> hostile.Bare:
    return hostile.Bare(raw.key, [(name.encode(), value) for name, value in raw.headers], raw.value)


@pytest.mark.parametrize("codec", [hostile.NONE, hostile.GZIP, hostile.SNAPPY, hostile.LZ4, hostile.ZSTD])
async def test_header_name_that_is_no_utf8__set_aside_and_its_neighbours_handled(
    kafka: KafkaServer, service_db: Callable[[str], str], codec: int
) -> None:
    dsn, seen = service_db("notify"), Seen()
    await prepare(kafka, dsn, topics.BOOKING_REQUESTS)
    async with consuming(kafka, dsn, Subscription(topics.BOOKING_REQUESTS, seen.handle, no_plan)) as stand:
        good = frontend.requests(6)
        await kafka.produce(stand.topic, good[:2])
        poison = bare(frontend.request())
        poison = hostile.Bare(poison.key, [*poison.headers, (b"na\xffme", b"v")], poison.value)
        batch = hostile.batch([bare(good[2]), poison, bare(good[3])], codec=codec)
        await hostile.send(kafka.address, stand.topic, 0, batch)
        await kafka.produce(stand.topic, good[4:])
        await stand.reached(7)
        assert await stand.recorded() == [frontend.event_id(raw) for raw in good]
        (letter,) = await stand.letters()
        assert (letter["reason"], letter["record_offset"], letter["payload"]) == ("bad_encoding", 3, poison.value)


async def test_packed_batch_that_unpacks_to_far_more__kept_packed_and_its_neighbours_handled(
    kafka: KafkaServer, service_db: Callable[[str], str]
) -> None:
    """200 MB in 6 KB of zstd, 30 MB of gzip and of lz4: unpacked, each would end a container of 256 MB for ever."""
    dsn, seen = service_db("notify"), Seen()
    await prepare(kafka, dsn, topics.BOOKING_REQUESTS)
    async with consuming(kafka, dsn, Subscription(topics.BOOKING_REQUESTS, seen.handle, no_plan)) as stand:
        good = frontend.requests(2)
        await kafka.produce(stand.topic, good[:1])
        bombs = [
            hostile.batch([bare(frontend.request()), hostile.Bare(b"k", [], bytes(size))], codec=codec)
            for codec, size in ((hostile.ZSTD, 200_000_000), (hostile.GZIP, 30_000_000), (hostile.LZ4, 30_000_000))
        ]
        for bomb in bombs:
            await hostile.send(kafka.address, stand.topic, 0, bomb)
        await kafka.produce(stand.topic, good[1:])
        await stand.reached(8)
        assert await stand.recorded() == [frontend.event_id(raw) for raw in good]
        letters = await stand.letters()
        assert [(row["reason"], row["record_offset"], row["key"]) for row in letters] == [
            ("too_large", 2, None), ("too_large", 4, None), ("too_large", 6, None),
        ]  # fmt: skip
        # As the broker gave it; only offset, leader epoch and what they are part of were filled in by it.
        assert [row["payload"][61:] for row in letters] == [bomb[61:] for bomb in bombs]
        assert all("2 records" in row["detail"] for row in letters)


async def test_record_stamped_years_ago__kept_as_long_as_any_other(kafka: KafkaServer) -> None:
    """By its own stamp it would be deleted before it is read, and the reader would stop in front of the gap."""
    topic = await asyncio.to_thread(kafka.topic, topics.BOOKING_REQUESTS, partitions=1)
    await hostile.send(kafka.address, topic.name, 0, hostile.batch([bare(frontend.request())], codec=hostile.ZSTD))
    (record,) = await kafka.read(topic.name, count=1)
    assert abs(record.timestamp / 1000 - time.time()) < 60


async def test_many_batches_that_unpack_to_the_limit__read_some_at_a_time(
    kafka: KafkaServer, service_db: Callable[[str], str]
) -> None:
    """Each is allowed. All of them together in one fetch would be 120 MB."""
    dsn, seen = service_db("notify"), Seen()
    await prepare(kafka, dsn, topics.BOOKING_REQUESTS)
    batch = hostile.batch([hostile.Bare(b"k", [], bytes(4_000_000))], codec=hostile.ZSTD)
    topic = kafka.name(topics.BOOKING_REQUESTS.name)
    for _ in range(30):
        await hostile.send(kafka.address, topic, 0, batch)
    sizes: list[int] = []
    async with consuming(kafka, dsn, Subscription(topics.BOOKING_REQUESTS, seen.handle, no_plan)) as stand:
        plain = stand.feed.consumer.process

        async def process(records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
            sizes.append(sum(len(record.value or b"") for record in records))
            await plain(records)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(stand.feed.consumer), "process", lambda _, records: process(records))
            await stand.reached(30, seconds=20)
        assert [row["reason"] for row in await stand.letters()] == ["too_large"] * 30
    assert max(sizes) <= FETCHED_BYTES_MAX


async def test_more_odd_records_in_one_batch_than_a_poll_takes__all_set_aside_in_order(
    kafka: KafkaServer, service_db: Callable[[str], str]
) -> None:
    dsn, seen = service_db("notify"), Seen()
    await prepare(kafka, dsn, topics.BOOKING_REQUESTS)
    odd = [hostile.Bare(b"k%d" % number, [(b"\xff", None)], None) for number in range(1_200)]
    async with consuming(kafka, dsn, Subscription(topics.BOOKING_REQUESTS, seen.handle, no_plan)) as stand:
        await hostile.send(kafka.address, stand.topic, 0, hostile.batch(odd, codec=hostile.ZSTD))
        await kafka.produce(stand.topic, [good := frontend.request()])
        await stand.reached(1_201)
        letters = await stand.letters()
        assert [row["key"] for row in letters] == [record.key for record in odd]
        assert {row["reason"] for row in letters} == {"bad_encoding"}
        assert await stand.recorded() == [frontend.event_id(good)]


async def test_restart_in_the_middle_of_an_odd_batch__goes_on_there(
    kafka: KafkaServer, service_db: Callable[[str], str]
) -> None:
    """The stored offset may point into a batch: what lies before it in there was handled by the process before."""
    dsn, seen = service_db("notify"), Seen()
    await prepare(kafka, dsn, topics.BOOKING_REQUESTS)
    subscription = Subscription(topics.BOOKING_REQUESTS, seen.handle, no_plan, records_max=2)
    good = frontend.requests(5)
    poison = hostile.Bare(b"k", [(b"\xff", None)], None)
    batch = hostile.batch([bare(good[0]), bare(good[1]), poison, *map(bare, good[2:])])
    async with consuming(kafka, dsn, subscription) as stand:
        await hostile.send(kafka.address, stand.topic, 0, batch)
        await eventually(stand.letters)  # from here on the process may end anywhere behind the odd one
    async with consuming(kafka, dsn, subscription) as stand:
        await stand.reached(6)
        assert await stand.recorded() == [frontend.event_id(raw) for raw in good]
        assert len(await stand.letters()) == 1


async def test_odd_records_in_two_partitions__each_found(kafka: KafkaServer, service_db: Callable[[str], str]) -> None:
    dsn, seen = service_db("notify"), Seen()
    await prepare(kafka, dsn, topics.BOOKING_REQUESTS, partitions=2)
    async with consuming(kafka, dsn, Subscription(topics.BOOKING_REQUESTS, seen.handle, no_plan)) as stand:
        for partition in (0, 1):
            batch = hostile.batch([bare(frontend.request()), hostile.Bare(b"k", [(b"\xc3", b"")], b"v")])
            await hostile.send(kafka.address, stand.topic, partition, batch)
        await stand.reached(2, partition=0)
        await stand.reached(2, partition=1)
        assert [(row["partition"], row["record_offset"]) for row in await stand.letters()] == [(0, 1), (1, 1)]
        assert len(await stand.recorded()) == 2
