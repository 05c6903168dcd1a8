"""What fails for no reason that passes: found by halving, tried three times, set aside; too many stop the consumer."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import pytest

from contracts import envelope, topics
from contracts.envelope import Event
from hubkit import db, inbox, outbox
from hubkit.messaging import Subscription, consumer, no_plan
from hubkit.messaging.letters import LETTERS_MAX
from tests.support import frontend, hostile
from tests.support.consuming import Seen, consuming, prepare
from tests.support.kafka import KafkaServer, Raw

REQUESTS = topics.BOOKING_REQUESTS


class Picky(Seen):
    """A handler with a bug: it cannot do some requests."""

    def __init__(self, *broken: Raw) -> None:
        super().__init__()
        self.broken = {frontend.event_id(raw) for raw in broken}
        self.failures: dict[UUID, int] = dict.fromkeys(self.broken, 0)

    async def handle(self, tx: db.Tx, batch: Sequence[Event], plan: None) -> Mapping[int, str] | None:
        verdict = await super().handle(tx, batch, plan)
        if hit := [event.id for event in batch if event.id in self.broken]:
            if len(batch) == 1:
                self.failures[hit[0]] += 1
            raise LookupError(f"about {frontend.PERSON}")
        return verdict


async def test_one_bug_among_500__found_by_halving_and_the_others_handled(
    kafka: KafkaServer, service_db: Callable[[str], str]
) -> None:
    dsn, sent = service_db("notify"), frontend.requests(500, offers=1)
    picky = Picky(sent[321])
    await prepare(kafka, dsn, REQUESTS)
    await kafka.produce(kafka.name(REQUESTS.name), sent)
    async with consuming(kafka, dsn, Subscription(REQUESTS, picky.handle, no_plan)) as stand:
        await stand.reached(500)
        assert await stand.recorded() == [frontend.event_id(raw) for raw in sent if raw is not sent[321]]
        (letter,) = await stand.letters()
        assert (letter["reason"], letter["record_offset"], letter["attempts"]) == ("bug", 321, 3)
        assert letter["detail"] == "LookupError", "an error's text may quote a person"
        assert set(picky.failures.values()) == {3}


async def test_more_bugs_than_a_release_may_have__stop_at_the_record_and_lose_nothing(
    kafka: KafkaServer, service_db: Callable[[str], str]
) -> None:
    dsn, sent = service_db("notify"), frontend.requests(70, offers=1)
    await prepare(kafka, dsn, REQUESTS)
    await kafka.produce(kafka.name(REQUESTS.name), sent)
    async with consuming(kafka, dsn, Subscription(REQUESTS, Picky(*sent[10:65]).handle, no_plan)) as stand:
        assert await stand.stopped(seconds=20) == "dead_letters"
        assert await stand.position() == 10 + LETTERS_MAX
        assert len(await stand.letters()) == LETTERS_MAX
        assert stand.metrics.value("hubnetz_consumer_stopped", topic=REQUESTS.name) == 1
        await kafka.produce(stand.topic, [frontend.request(offer="urn:hub:test:offer:0")])
    mended = Seen()
    async with consuming(kafka, dsn, Subscription(REQUESTS, mended.handle, no_plan)) as stand:
        await stand.reached(71)
        assert mended.ids()[:10] == [frontend.event_id(raw) for raw in sent[60:]]


async def test_hostile_records_on_a_topic_of_frontends__do_not_stop(
    kafka: KafkaServer, service_db: Callable[[str], str]
) -> None:
    dsn, seen = service_db("notify"), Seen()
    await prepare(kafka, dsn, REQUESTS)
    bad = [raw for raw, _ in frontend.hostile(3 * LETTERS_MAX, seed=1) if len(raw.value or b"") < 10_000]
    async with consuming(kafka, dsn, Subscription(REQUESTS, seen.handle, no_plan)) as stand:
        good = frontend.request()
        await asyncio.to_thread(hostile.produce, kafka.address, stand.topic, [*bad, good])
        await stand.reached(len(bad) + 1)
        assert not stand.feed.stopped
        assert frontend.event_id(good) in await stand.recorded()


async def test_bad_records_on_a_topic_of_our_own_services__stop(kafka: KafkaServer, service_db: Callable[[str], str]) -> None:
    dsn, seen = service_db("notify"), Seen()
    await prepare(kafka, dsn, topics.CATALOG_OFFERS)
    bad = [Raw(b"urn:hub:test:offer:1", [], b"{}")] * (LETTERS_MAX + 1)
    async with consuming(kafka, dsn, Subscription(topics.CATALOG_OFFERS, seen.handle, no_plan)) as stand:
        await kafka.produce(stand.topic, bad[:LETTERS_MAX])
        await stand.reached(LETTERS_MAX)
        assert not stand.feed.stopped, "so many are allowed"
        await kafka.produce(stand.topic, bad[LETTERS_MAX:])
        assert await stand.stopped() == "dead_letters"
        assert await stand.position() == LETTERS_MAX


async def test_commit_that_fails__counts_its_dead_letters_once(
    kafka: KafkaServer, service_db: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """30 bad records whose commit fails twice are 30, not 90: a broken connection must not stop the consumer."""
    dsn, seen = service_db("notify"), Seen()
    await prepare(kafka, dsn, topics.CATALOG_OFFERS)
    advance, failures = inbox.advance_offsets, iter([True, True, False])

    async def cut(tx: db.Tx, name: str, topic: str, next_offsets: Mapping[int, int]) -> None:
        await advance(tx, name, topic, next_offsets)
        if next(failures, False):
            raise ConnectionResetError("gone")

    monkeypatch.setattr(inbox, "advance_offsets", cut)
    monkeypatch.setattr(consumer, "BACK_OFF_SECONDS", (0.01, 0.02))
    await kafka.produce(kafka.name(topics.CATALOG_OFFERS.name), [Raw(b"k", [], b"{}")] * 30)
    async with consuming(kafka, dsn, Subscription(topics.CATALOG_OFFERS, seen.handle, no_plan)) as stand:
        await stand.reached(30)
        assert not stand.feed.stopped
        assert len(await stand.letters()) == 30
        assert (
            stand.metrics.value("hubnetz_dead_letters_total", topic=topics.CATALOG_OFFERS.name, reason="missing_specversion")
            == 30
        )


async def test_value_that_does_not_fit_its_column__is_a_bug_and_not_tried_for_ever(
    kafka: KafkaServer, service_db: Callable[[str], str]
) -> None:
    """The driver files it under its interface errors, most of which pass by themselves. This one held up the topic."""
    dsn, sent = service_db("notify"), frontend.requests(3, offers=1)
    await prepare(kafka, dsn, REQUESTS)

    async def too_wide(tx: db.Tx, batch: Sequence[Event], plan: None) -> None:
        for event in batch:
            await tx.fetchval("SELECT $1::integer", 2**40 if event.id == frontend.event_id(sent[1]) else 1)

    async with consuming(kafka, dsn, Subscription(REQUESTS, too_wide, no_plan)) as stand:
        await kafka.produce(stand.topic, sent)
        await stand.reached(3)
        assert [(row["reason"], row["record_offset"]) for row in await stand.letters()] == [("bug", 1)]


async def test_bug_in_the_parser__sets_that_record_aside_alone(
    kafka: KafkaServer, service_db: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn, seen, sent = service_db("notify"), Seen(), frontend.requests(3, offers=1)
    await prepare(kafka, dsn, REQUESTS)
    plain = envelope.decode

    def decode(topic: topics.Topic, **raw: object) -> Event:
        if raw["headers"] == tuple(sent[1].headers):
            raise RecursionError("the parser's own fault")
        return plain(topic, **raw)  # type: ignore[arg-type]

    monkeypatch.setattr(consumer, "decode", decode)
    async with consuming(kafka, dsn, Subscription(REQUESTS, seen.handle, no_plan)) as stand:
        await kafka.produce(stand.topic, sent)
        await stand.reached(3)
        assert [(row["reason"], row["detail"]) for row in await stand.letters()] == [("bug", "RecursionError")]
        assert seen.ids() == [frontend.event_id(sent[0]), frontend.event_id(sent[2])]


async def test_dead_letter_that_cannot_be_stored__stops_instead_of_trying_for_ever(
    kafka: KafkaServer, service_db: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn = service_db("notify")
    await prepare(kafka, dsn, REQUESTS)

    async def refuses(*_: object) -> None:
        raise LookupError("no")

    monkeypatch.setattr(outbox, "put_raw", refuses)
    async with consuming(kafka, dsn, Subscription(REQUESTS, Seen().handle, no_plan)) as stand:
        await kafka.produce(stand.topic, [Raw(b"k", [], b"")])
        assert await stand.stopped() == "dead_letter_not_stored"
        assert await stand.position() == 0


async def test_batch_that_fails_outside_of_its_transaction__is_read_again(
    kafka: KafkaServer, service_db: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """FastStream passes over what a handler raises and goes on behind it: that batch would be lost."""
    dsn, seen, sent = service_db("notify"), Seen(), frontend.requests(4, offers=1)
    await prepare(kafka, dsn, REQUESTS)
    plain, failures = consumer.Consumer.process, iter([RuntimeError("own bug")])

    async def process(self: consumer.Consumer[None], records: Sequence[object]) -> None:
        if records and (failure := next(failures, None)):
            raise failure
        await plain(self, records)

    monkeypatch.setattr(consumer.Consumer, "process", process)
    async with consuming(kafka, dsn, Subscription(REQUESTS, seen.handle, no_plan, records_max=2)) as stand:
        await kafka.produce(stand.topic, sent)
        await stand.reached(4)
        assert seen.ids() == [frontend.event_id(raw) for raw in sent]


async def test_events_that_the_handler_refuses__set_aside_and_not_known(
    kafka: KafkaServer, service_db: Callable[[str], str]
) -> None:
    """Known means applied. A later copy is judged again, and by then it may fit."""
    dsn, sent = service_db("notify"), frontend.requests(3, offers=1)
    seen = Seen(verdict={frontend.event_id(sent[1]): "revision_conflict"})
    await prepare(kafka, dsn, REQUESTS)
    async with consuming(kafka, dsn, Subscription(REQUESTS, seen.handle, no_plan)) as stand:
        await kafka.produce(stand.topic, sent)
        await stand.reached(3)
        assert [(row["reason"], row["record_offset"]) for row in await stand.letters()] == [("revision_conflict", 1)]
        assert len(await stand.recorded()) == 2
        seen.verdict = {}
        await kafka.produce(stand.topic, sent)
        await stand.reached(6)
        assert (await stand.recorded())[2:] == [frontend.event_id(sent[1])]
