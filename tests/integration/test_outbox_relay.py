"""From a committed row to a message: in order for each key, nothing skipped, nothing that holds up the rest."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from confluent_kafka import Producer

from contracts import topics
from contracts.booking.outcomes import BookingRejected, RejectedFor
from contracts.booking.vocabulary import ActorRole, Reason
from contracts.catalog import OfferWithdrawn
from contracts.envelope import Event, decode
from contracts.topics import Topic
from hubkit import db, outbox
from hubkit.messaging import Bus, Subscription, no_plan
from hubkit.outbox import Relay
from hubkit.telemetry import Metrics
from tests.support import frontend, hostile
from tests.support.consuming import Seen, consuming, prepare
from tests.support.kafka import KafkaServer, Raw
from tests.support.recorder import SERVICE
from tests.support.waiting import eventually

EVENTS = topics.BOOKING_EVENTS
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def answer(key: str, number: int = 0) -> Event:
    """An event about `key`; `number` tells it from others of the same key, in a field that readers pass over."""
    data = BookingRejected(
        offer_id=key[:20],
        actor_role=ActorRole.CITIZEN,
        request_id=uuid.uuid4(),
        reason=Reason.NOT_BOOKABLE,
        reasons=(RejectedFor(code=Reason.NOT_BOOKABLE),),
        retryable=False,
        requested_at=NOW + timedelta(seconds=number),
    )
    return Event(uuid.uuid4(), "urn:hub:test:booking", data.ce_type, NOW, key, data, causation_id=data.request_id)


@dataclass(slots=True)
class Post:
    """A database with an outbox, relays on it, and the topics that it sends to."""

    kafka: KafkaServer
    dsn: str
    pool: db.Pool
    running: list[tuple[Relay, asyncio.Task[None]]] = field(default_factory=list)

    def bus(self) -> Bus:
        return Bus(self.kafka.address, "plaintext-internal", f"{self.kafka.prefix}x", topic_prefix=self.kafka.prefix)

    def relay(self, way: outbox.Way | None = None) -> Relay:
        relay = Relay(self.dsn, SERVICE, way or self.bus(), self.pool.committed, Metrics())
        self.running.append((relay, asyncio.create_task(relay.run())))
        return relay

    async def put(self, *events: Event, topic: Topic = EVENTS) -> None:
        async with db.transaction(self.pool) as tx:
            await outbox.put(tx, topic, events)

    async def rows(self, table: str = "outbox") -> int:
        async with db.reading(self.pool) as conn:
            return int(await conn.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608

    async def empty(self, *, seconds: float = 15) -> None:
        async def there() -> bool:
            return await self.rows() == 0

        await eventually(there, seconds=seconds, what="the empty outbox")

    async def sent(self, topic: Topic = EVENTS) -> list[Event]:
        records = await self.kafka.read_all(self.kafka.name(topic.name))
        return [decode(topic, key=r.key, headers=list(r.headers), value=r.value) for r in records]


@pytest.fixture
async def post(kafka: KafkaServer, service_db: Callable[[str], str]) -> AsyncIterator[Post]:
    dsn = service_db(SERVICE)
    for topic, partitions in ((EVENTS, 3), (topics.CATALOG_OFFERS, 1), (topics.dead_letter(SERVICE), 1)):
        await asyncio.to_thread(kafka.topic, topic, partitions=partitions)
    pool = await db.open_pool(dsn, name="test")
    made = Post(kafka, dsn, pool)
    yield made
    for relay, _ in made.running:
        relay.stop()
    if made.running:
        await asyncio.wait({task for _, task in made.running}, timeout=10)
    await pool.close()


def per_key(events: Sequence[Event]) -> dict[str, list[uuid.UUID]]:
    """Ids by key in log order, the first of each."""
    found: dict[str, list[uuid.UUID]] = {}
    for event in events:
        ids = found.setdefault(event.key, [])
        if event.id not in ids:
            ids.append(event.id)
    return found


async def test_many_transactions_about_the_same_keys__sent_in_the_order_of_their_rows(post: Post) -> None:
    written = [answer(f"key-{number % 7}", number) for number in range(700)]
    post.relay()
    for start in range(0, 700, 50):
        await post.put(*written[start : start + 50])
    await post.empty()
    assert per_key(await post.sent()) == per_key(written)


async def test_rows_of_a_transaction_that_commits_later__are_not_skipped(post: Post) -> None:
    """Its ids are lower than what was sent meanwhile. A mark of what was read would skip them for ever."""
    post.relay()
    early, late = [answer("early", n) for n in range(3)], [answer("late", n) for n in range(3)]
    async with db.transaction(post.pool) as open_one:
        await outbox.put(open_one, EVENTS, early)
        await post.put(*late)

        async def late_sent() -> bool:
            return len(await post.sent()) == 3

        await eventually(late_sent)
    await post.empty()
    assert per_key(await post.sent()) == per_key([*early, *late])


async def test_transaction_undone__nothing_of_it_is_sent(post: Post) -> None:
    post.relay()

    async def fails() -> None:
        async with db.transaction(post.pool) as tx:
            await outbox.put(tx, EVENTS, [answer("undone")])
            raise LookupError

    with pytest.raises(LookupError):
        await fails()
    await post.put(kept := answer("kept"))
    await post.empty()
    assert [event.id for event in await post.sent()] == [kept.id]


async def test_tombstone__sent_as_a_null_value_and_not_kept(post: Post) -> None:
    """Compacted topics are published again from their table: what was sent of them is not kept."""
    key = "urn:hub:test:offer:1"
    post.relay()
    await post.put(Event(uuid.uuid4(), "urn:x", OfferWithdrawn.ce_type, NOW, key, None), topic=topics.CATALOG_OFFERS)
    await post.empty()
    (record,) = await post.kafka.read_all(post.kafka.name(topics.CATALOG_OFFERS.name))
    assert (record.key, record.value) == (key.encode(), None)
    assert await post.rows("sent") == 0


async def test_what_was_sent__comes_again_with_the_same_ids_and_bytes(post: Post) -> None:
    """A one-broker hub may lose its log with its disk. Other bytes under the same id would be `event_id_reused`."""
    post.relay()
    before = datetime.now(UTC)
    await post.put(*(answer("one", n) for n in range(5)))
    await post.put(*(answer("two", n) for n in range(5)))
    await post.empty()
    middle = datetime.now(UTC)
    await post.put(answer("later"))
    await post.empty()
    assert await post.rows("sent") == 11
    async with db.transaction(post.pool) as tx:
        assert await outbox.replay_sent(tx, before, middle) == 10
    await post.empty()
    records = await post.kafka.read_all(post.kafka.name(EVENTS.name))
    twice: dict[bytes, list[object]] = {}
    for record in records:
        twice.setdefault(dict(record.headers)["ce_id"], []).append((record.key, record.headers, record.value))
    assert sorted(len(copies) for copies in twice.values()) == [1] + [2] * 10
    assert all(copy == copies[0] for copies in twice.values() for copy in copies)
    firsts = per_key([event for event in await post.sent() if event.key != "later"])
    assert {key: len(ids) for key, ids in firsts.items()} == {"one": 5, "two": 5}


class Failing:
    """A way to the broker whose first producers cannot send: there is nobody at their address."""

    def __init__(self, bus: Bus, failures: int) -> None:
        self.topic_prefix = bus.topic_prefix
        self._bus = bus
        self._left = failures
        self.made = 0

    def producer(self) -> Producer:
        self.made += 1
        if self._left:
            self._left -= 1
            settings = {"bootstrap.servers": "127.0.0.1:1", "message.timeout.ms": 300, "log_level": 0}
            return Producer({**settings, "enable.idempotence": True})
        return self._bus.producer()


async def test_send_that_fails__producer_built_anew_and_the_order_kept(post: Post) -> None:
    """A poisoned idempotent producer refuses everything after a failed batch."""
    way = Failing(post.bus(), failures=2)
    relay = post.relay(way)
    written = [answer(f"key-{number % 3}", number) for number in range(60)]
    await post.put(*written[:30])
    await post.put(*written[30:])
    await post.empty()
    assert way.made >= 3
    assert per_key(await post.sent()) == per_key(written)
    assert relay.metrics.value("hubnetz_outbox_sent_total") == 60


async def test_topic_that_is_missing_at_first__waited_for_and_the_order_kept(post: Post) -> None:
    missing = replace(EVENTS, name="not.there.yet.v1")
    written = [answer("key", number) for number in range(4)]
    relay = post.relay()
    await post.put(*written[:2], topic=missing)
    await post.put(*written[2:])

    async def failed() -> bool:
        return relay._failures > 0

    await eventually(failed, seconds=20, what="the first failure")
    assert await post.rows() == 4, "what is not sent is not deleted"
    await asyncio.to_thread(post.kafka.create, post.kafka.name(missing.name))
    await post.empty(seconds=25)
    assert per_key(await post.sent()) == per_key(written[2:])


async def test_two_relays_on_one_database__one_leads_and_the_other_takes_over(post: Post) -> None:
    first, second = post.relay(), post.relay()

    async def one_leads() -> bool:
        return first.leading != second.leading

    await eventually(one_leads)
    await post.put(*(answer("key", number) for number in range(20)))
    await post.empty()
    assert len(await post.sent()) == 20, "nothing twice while all is well"
    leader, follower = (first, second) if first.leading else (second, first)
    assert not follower.leading
    leader.stop()

    async def followed() -> bool:
        return follower.leading

    await eventually(followed)
    await post.put(answer("after"))
    await post.empty()


async def test_session_of_the_leader_cut__leads_again_and_loses_nothing(post: Post) -> None:
    relay = post.relay()
    await post.put(*(answer("before", number) for number in range(5)))
    await post.empty()
    admin = await asyncpg.connect(post.dsn)
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1"
    await admin.execute(cut, f"{SERVICE}-relay")
    await admin.close()
    written = [answer("after", number) for number in range(5)]
    await post.put(*written)
    await post.empty()
    assert per_key(await post.sent())["after"] == [event.id for event in written]
    assert relay.leading


async def test_cut_session_told_by_the_driver_in_its_own_way__leads_again(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """asyncpg's error for a statement on a session that the server cut a moment ago is of no family of its other ones."""
    plain = asyncpg.Connection.fetch
    failures = iter([asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")])

    async def fetch(self: asyncpg.Connection, query: str, *args: object) -> list[asyncpg.Record]:
        if "FROM outbox" in query and (error := next(failures, None)):
            raise error
        return await plain(self, query, *args)

    monkeypatch.setattr(asyncpg.Connection, "fetch", fetch)
    relay = post.relay()
    await post.put(answer("key"))
    await post.empty()
    assert relay.leading
    assert next(failures, None) is None, "the error was met"


async def test_event_that_cannot_be_sent__refused_before_a_row_is_written(post: Post) -> None:
    """A relay that cannot send its first row stands still, and all that is behind it."""
    with pytest.raises(ValueError, match="key"):
        await post.put(answer("fits"), answer("k" * 300_000))
    assert await post.rows() == 0


@dataclass(frozen=True, slots=True)
class Awkward:
    """A bad record whose dead letter is hard to send."""

    name: str
    batch: bytes


AWKWARD = [
    Awkward("at the topic's limit", hostile.batch([hostile.Bare(b"k", [], b"x" * (256 * 1024 - 80))])),
    Awkward("small only while packed", hostile.batch([hostile.Bare(b"k", [], bytes(3_000_000))], codec=hostile.ZSTD)),
    Awkward("a key of a megabyte", hostile.batch([hostile.Bare(bytes(1_000_000), [], b"v")], codec=hostile.ZSTD)),
    Awkward("sixty thousand headers", hostile.batch([hostile.Bare(b"k", [(b"", None)] * 60_000, b"v")])),
    Awkward("null key and null value", hostile.batch([hostile.Bare(None, [], None)])),
    Awkward("headers named as ours", hostile.batch([hostile.Bare(b"k", [(b"dl_reason", b"harmless")] * 3, b"v")])),
]


@pytest.mark.parametrize("awkward", AWKWARD, ids=[one.name for one in AWKWARD])
async def test_dead_letter_of_an_awkward_record__does_not_hold_up_the_relay(
    kafka: KafkaServer, service_db: Callable[[str], str], awkward: Awkward
) -> None:
    dsn, seen = service_db(SERVICE), Seen()
    await prepare(kafka, dsn, topics.BOOKING_REQUESTS)
    async with consuming(kafka, dsn, Subscription(topics.BOOKING_REQUESTS, seen.handle, no_plan)) as stand:
        await hostile.send(kafka.address, stand.topic, 0, awkward.batch)
        await stand.reached(1)
        async with sending(kafka, stand.pool, dsn):
            (record,) = await kafka.read(stand.dead_letter_topic, count=1)
        (letter,) = await stand.letters()
        headers = dict(record.headers)
        assert headers["dl_id"] == str(letter["dead_letter_id"]).encode()
        assert headers["dl_reason"] == letter["reason"].encode()
        assert [name for name, _ in record.headers].count("dl_reason") == 1
        if record.value is None and letter["payload"] is not None:
            assert headers["dl_sha256"] == letter["payload_sha256"].hex().encode(), "too large to travel: in its row alone"
        else:
            assert (record.key, record.value) == (letter["key"], letter["payload"])


@asynccontextmanager
async def sending(kafka: KafkaServer, pool: db.Pool, dsn: str) -> AsyncIterator[None]:
    bus = Bus(kafka.address, "plaintext-internal", f"{kafka.prefix}x", topic_prefix=kafka.prefix)
    relay = Relay(dsn, SERVICE, bus, pool.committed, Metrics())
    task = asyncio.create_task(relay.run())
    try:
        yield
    finally:
        relay.stop()
        await asyncio.wait({task}, timeout=10)


async def test_bad_record__travels_as_it_came_with_headers_of_ours(
    kafka: KafkaServer, service_db: Callable[[str], str]
) -> None:
    """Key, value and headers byte for byte: doubled ones, null ones, text in another encoding."""
    dsn, seen = service_db(SERVICE), Seen()
    await prepare(kafka, dsn, topics.BOOKING_REQUESTS)
    mixed: list[tuple[str, bytes | None]] = [("a", b"\xff\xfe"), ("a", None), ("ce_id", b""), ("dl_at", b"fake"), ("ü", b"x")]
    bad = Raw(b"\xfe\xffkey", mixed, b"\x00\xffvalue")
    async with consuming(kafka, dsn, Subscription(topics.BOOKING_REQUESTS, seen.handle, no_plan)) as stand:
        await kafka.produce(stand.topic, [frontend.request(offer="x"), bad])
        await stand.reached(2)
        async with sending(kafka, stand.pool, dsn):
            (record,) = await kafka.read(stand.dead_letter_topic, count=1)
        assert (record.key, record.value) == (bad.key, bad.value)
        theirs = [(name, value) for name, value in record.headers if not name.startswith("dl_")]
        assert theirs == [(name, value) for name, value in mixed if name != "dl_at"]
        ours = {name: value.decode() for name, value in record.headers if name.startswith("dl_")}
        (letter,) = await stand.letters()
        assert ours.pop("dl_at").startswith("20")
        assert ours == {
            "dl_id": str(letter["dead_letter_id"]), "dl_reason": "bad_encoding", "dl_attempts": "1",
            "dl_topic": "booking.requests.v1", "dl_partition": "0", "dl_offset": "1",
        }  # fmt: skip
