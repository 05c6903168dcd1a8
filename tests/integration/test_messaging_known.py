"""What is known is dropped: redelivered records, repeated ids, copies; the same id with other content never has an effect."""

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from contracts import topics
from contracts.envelope import Event
from hubkit import db, inbox
from hubkit.messaging import Subscription, no_plan
from tests.support import frontend
from tests.support.consuming import Seen, Stand, consuming, prepare
from tests.support.kafka import KafkaServer

REQUESTS = topics.BOOKING_REQUESTS


def subscribed(seen: Seen, **more: bool) -> Subscription[None]:
    return Subscription(REQUESTS, seen.handle, no_plan, **more)  # type: ignore[arg-type]


def known(stand: Stand, by: str) -> float:
    return stand.metrics.value("hubnetz_consumer_known_total", topic=REQUESTS.name, by=by)


async def test_same_record_sent_twice__applied_once(kafka: KafkaServer, service_db: Callable[[str], str]) -> None:
    dsn, seen = service_db("notify"), Seen()
    await prepare(kafka, dsn, REQUESTS)
    async with consuming(kafka, dsn, subscribed(seen)) as stand:
        once = frontend.request()
        await kafka.produce(stand.topic, [once])
        await stand.reached(1)
        await kafka.produce(stand.topic, [once])
        await stand.reached(2)
        assert await stand.recorded() == [frontend.event_id(once)]
        assert known(stand, "event_id") == 1
        assert await stand.letters() == []


async def test_copies_inside_one_batch__applied_once(kafka: KafkaServer, service_db: Callable[[str], str]) -> None:
    """All three lie in one poll, so no row of the inbox can tell them apart."""
    dsn, seen = service_db("notify"), Seen()
    await prepare(kafka, dsn, REQUESTS)
    once, other = frontend.requests(2)
    await kafka.produce(kafka.name(REQUESTS.name), [once, once, other, once])
    async with consuming(kafka, dsn, subscribed(seen)) as stand:
        await stand.reached(4)
        assert await stand.recorded() == [frontend.event_id(once), frontend.event_id(other)]
        assert len(seen.batches) == 1, "the point of this test is one batch"
        assert known(stand, "event_id") == 2


@pytest.mark.parametrize("apart", [True, False], ids=["in two batches", "in one batch"])
async def test_same_id_with_other_content__set_aside_and_never_applied(
    kafka: KafkaServer, service_db: Callable[[str], str], apart: bool
) -> None:
    dsn, seen = service_db("notify"), Seen()
    await prepare(kafka, dsn, REQUESTS)
    first = frontend.request(minutes=60)
    second = frontend.request(frontend.event_id(first), minutes=90)
    topic = kafka.name(REQUESTS.name)
    await kafka.produce(topic, [first] if apart else [first, second])
    async with consuming(kafka, dsn, subscribed(seen)) as stand:
        if apart:
            await stand.reached(1)
            await kafka.produce(topic, [second])
        await stand.reached(2)
        assert [event.value for batch in seen.batches for event in batch] == [first.value]
        (letter,) = await stand.letters()
        assert (letter["reason"], letter["record_offset"], letter["payload"]) == ("event_id_reused", 1, second.value)
        assert stand.metrics.value("hubnetz_dead_letters_total", topic=REQUESTS.name, reason="event_id_reused") == 1


async def test_same_id_and_value_under_another_type__is_other_content(
    kafka: KafkaServer, service_db: Callable[[str], str]
) -> None:
    dsn, seen = service_db("notify"), Seen()
    await prepare(kafka, dsn, REQUESTS)
    first = frontend.request()
    other = [(n, b"de.hubnetz.booking.CancelBooking.v1" if n == "ce_type" else v) for n, v in first.headers]
    async with consuming(kafka, dsn, subscribed(seen)) as stand:
        await kafka.produce(stand.topic, [first, replace(first, headers=other)])
        await stand.reached(2)
        assert [row["reason"] for row in await stand.letters()] == ["event_id_reused"]


async def test_same_id_of_another_source__is_another_event(kafka: KafkaServer, service_db: Callable[[str], str]) -> None:
    dsn, seen = service_db("notify"), Seen()
    await prepare(kafka, dsn, REQUESTS)
    first = frontend.request()
    other = [(n, b"urn:hub:test:frontend-web" if n == "ce_source" else v) for n, v in first.headers]
    async with consuming(kafka, dsn, subscribed(seen)) as stand:
        await kafka.produce(stand.topic, [first, replace(first, headers=other)])
        await stand.reached(2)
        assert await stand.recorded() == [frontend.event_id(first)] * 2


async def test_handler_that_knows_its_repeats__is_given_them(kafka: KafkaServer, service_db: Callable[[str], str]) -> None:
    """`remembers=False` is for services with a ledger of their own: the fence alone drops, and only redeliveries."""
    dsn, seen = service_db("notify"), Seen()
    await prepare(kafka, dsn, REQUESTS)
    async with consuming(kafka, dsn, subscribed(seen, remembers=False)) as stand:
        once = frontend.request()
        await kafka.produce(stand.topic, [once, once])
        await stand.reached(2)
        assert await stand.recorded() == [frontend.event_id(once)] * 2
        assert await stand.fetch("SELECT * FROM inbox") == []


async def test_record_below_the_stored_offset__dropped_without_the_handler(
    kafka: KafkaServer, service_db: Callable[[str], str]
) -> None:
    """A zombie's batch: it was polled before the partition's new owner moved the stored offset."""
    dsn, seen = service_db("notify"), Seen()
    await prepare(kafka, dsn, REQUESTS)
    async with consuming(kafka, dsn, subscribed(seen, remembers=False)) as stand:
        sent = frontend.requests(4, offers=1)
        await kafka.produce(stand.topic, sent)
        await stand.reached(4)
        late = await kafka.read(stand.topic, count=4)
        await stand.feed.consumer.process(late)
        assert len(await stand.recorded()) == 4
        assert await stand.position() == 4
        assert known(stand, "offset") == 4
        # One of them is new to the database: it alone is handled.
        await stand.fetch("UPDATE stored_offsets SET next_offset = 3")
        await stand.feed.consumer.process(late)
        assert (await stand.recorded())[4:] == [frontend.event_id(sent[3])]


async def test_two_owners_of_one_partition_at_once__second_waits_and_drops(
    kafka: KafkaServer, service_db: Callable[[str], str]
) -> None:
    """The fence: both have the same records; the row lock makes the second see what the first committed."""
    dsn, seen = service_db("notify"), Seen()
    await prepare(kafka, dsn, REQUESTS)
    topic = kafka.name(REQUESTS.name)
    await kafka.produce(topic, frontend.requests(3, offers=1))
    records = await kafka.read(topic, count=3)
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def slow(tx: db.Tx, batch: Sequence[Event], plan: None) -> Mapping[int, str] | None:
        inside.set()
        await go_on.wait()
        return await seen.handle(tx, batch, plan)

    async with consuming(kafka, dsn, Subscription(REQUESTS, slow, no_plan, remembers=False)) as stand:
        await inside.wait()
        second = asyncio.create_task(stand.feed.consumer.process(records))
        await asyncio.sleep(0.1)  # it has to have asked for the lock; if not yet, the test proves less, never fails
        go_on.set()
        await second
        await stand.reached(3)
        assert len(await stand.recorded()) == 3


async def test_handler_fails_after_writing__nothing_of_the_batch_is_left(
    kafka: KafkaServer, service_db: Callable[[str], str]
) -> None:
    """Rows, inbox and offset have one fate: what failed is neither half done nor known."""
    dsn, seen = service_db("notify"), Seen()
    await prepare(kafka, dsn, REQUESTS)
    failures = iter([ConnectionResetError("gone"), None])

    async def fails_once(tx: db.Tx, batch: Sequence[Event], plan: None) -> Mapping[int, str] | None:
        verdict = await seen.handle(tx, batch, plan)
        if (failure := next(failures)) is not None:
            async with db.reading(stand.pool) as conn:
                assert await conn.fetchval("SELECT count(*) FROM inbox") == 0
            raise failure
        return verdict

    async with consuming(kafka, dsn, Subscription(REQUESTS, fails_once, no_plan)) as stand:
        await kafka.produce(stand.topic, [one := frontend.request()])
        await stand.reached(1)
        assert len(seen.batches) == 2
        assert await stand.recorded() == [frontend.event_id(one)]


async def test_same_ids_in_two_open_transactions__second_waits_for_the_first(service_db: Callable[[str], str]) -> None:
    """Two partitions may carry the same event; whoever comes second must not decide before the first is through."""
    pool = await db.open_pool(service_db("notify"), name="test")
    event = Event(uuid.uuid4(), "urn:x", "t", datetime(2026, 11, 24, tzinfo=UTC), "k", None, value=b"v")
    try:
        async with db.transaction(pool) as first:
            assert await inbox.remember(first, "c", [event]) == ([0], [])

            async def second() -> tuple[list[int], list[int]]:
                async with db.transaction(pool) as tx:
                    return await inbox.remember(tx, "c", [event])

            waiting = asyncio.create_task(second())
            done, _ = await asyncio.wait({waiting}, timeout=0.2)
            assert not done
        assert await waiting == ([], [])
    finally:
        await pool.close()
