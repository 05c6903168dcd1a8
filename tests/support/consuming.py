"""One consumer with a handler of the test's own, on the real broker and database, inside the test's event loop."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from faststream.kafka import KafkaBroker, KafkaRouter
from pydantic import SecretStr

from contracts import topics
from contracts.envelope import Event
from contracts.topics import Topic
from hubkit import db, messaging
from hubkit.app import App, Loop
from hubkit.health import Health
from hubkit.http import create_app
from hubkit.messaging import Feed, Subscription
from hubkit.settings import ServiceSettings
from hubkit.telemetry import Metrics
from tests.support.kafka import KafkaServer
from tests.support.recorder import OPERATOR, SERVICE, TABLE, TOKEN
from tests.support.waiting import eventually


@dataclass(slots=True)
class Seen:
    """A handler that keeps what it was given once that is committed, as far as it knows; plug in `verdict` and `before`."""

    batches: list[list[Event]] = field(default_factory=list)
    verdict: Mapping[UUID, str] = field(default_factory=dict)

    async def handle(self, tx: db.Tx, batch: Sequence[Event], plan: None) -> Mapping[int, str] | None:
        await tx.executemany(
            "INSERT INTO recorded (event_id, offer_id) VALUES ($1, $2)",
            [(event.id, event.key) for event in batch if event.id not in self.verdict],
        )
        self.batches.append(list(batch))
        return {position: self.verdict[event.id] for position, event in enumerate(batch) if event.id in self.verdict}

    def ids(self) -> list[UUID]:
        """Of all that was handed over, in that order."""
        return [event.id for batch in self.batches for event in batch]


@dataclass(slots=True)
class Stand:
    """What a test looks at: the feed, its metrics and its database. The table `recorded` is there for handlers."""

    kafka: KafkaServer
    dsn: str
    pool: db.Pool
    metrics: Metrics
    feed: Feed
    broker: KafkaBroker

    @property
    def topic(self) -> str:
        """The name on the broker of the topic that is read."""
        return self.kafka.name(self.feed.topic.name)

    @property
    def dead_letter_topic(self) -> str:
        return self.kafka.name(topics.dead_letter(SERVICE).name)

    async def fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """Rows of the service's database."""
        async with db.transaction(self.pool) as tx:
            return list(await tx.fetch(query, *arguments))

    async def recorded(self) -> list[UUID]:
        """Ids in the table `recorded`, oldest first; doubles show twice."""
        return [row["event_id"] for row in await self.fetch("SELECT event_id FROM recorded ORDER BY at, ctid")]

    async def letters(self) -> list[asyncpg.Record]:
        """The dead letters in log order."""
        return await self.fetch("SELECT * FROM dead_letters ORDER BY partition, record_offset")

    async def position(self, partition: int = 0) -> int:
        """The stored offset; 0 before the first."""
        rows = await self.fetch("SELECT next_offset FROM stored_offsets WHERE partition = $1", partition)
        return int(rows[0]["next_offset"]) if rows else 0

    async def assigned(self, partition: int = 0) -> None:
        """Wait until the partition is ours and its position is known."""

        async def there() -> bool:
            return bool(await self.fetch("SELECT 1 FROM stored_offsets WHERE partition = $1", partition))

        await eventually(there, what=f"partition {partition}")

    async def reached(self, offset: int, *, partition: int = 0, seconds: float = 10) -> None:
        """Wait until the stored offset is `offset`; fails if it stands elsewhere when the time is up."""

        async def there() -> bool:
            return await self.position(partition) == offset

        await eventually(there, seconds=seconds, what=f"offset {offset} of partition {partition}")

    async def stopped(self, *, seconds: float = 40) -> str:
        """Wait for the stop with alarm; its reason."""

        async def there() -> str:
            return self.feed.stopped

        return await eventually(there, seconds=seconds, what="the stop with alarm")


async def prepare(kafka: KafkaServer, dsn: str, topic: Topic, *, partitions: int = 1) -> None:
    """The topic, the dead-letter topic of the service, and the table for handlers."""
    for wanted, number in ((topic, partitions), (topics.dead_letter(SERVICE), 1)):
        await asyncio.to_thread(kafka.topic, wanted, partitions=number)
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(TABLE)
    finally:
        await connection.close()


@asynccontextmanager
async def serving(
    kafka: KafkaServer, dsn: str, subscription: Subscription[Any], *, loops: Sequence[Loop] = ()
) -> AsyncIterator[tuple[App, httpx.AsyncClient]]:
    """A whole service in this event loop: consumer, relay, loops, HTTP with an operator's client."""
    settings = ServiceSettings(
        hub_id="test",
        hub_name="Test",
        kafka=kafka.address,
        kafka_security="plaintext-internal",
        topic_prefix=kafka.prefix,
        database_url=SecretStr(dsn),
        http_port=0,
        service_token=SecretStr(TOKEN),
    )
    metrics, health, router = Metrics(), Health(), KafkaRouter()
    pool = db.new_pool(dsn, name=SERVICE)
    bus = messaging.Bus.of(settings, service=SERVICE)
    feeds = messaging.subscribe(router, service=SERVICE, bus=bus, pool=pool, metrics=metrics, subscriptions=(subscription,))
    broker = bus.broker()
    broker.include_router(router)
    http = create_app(
        service=SERVICE,
        health=health,
        metrics=metrics,
        pool=pool,
        service_token=settings.service_token,
        consumers=[feed.consumer for feed in feeds],
    )
    app = App(SERVICE, settings, pool, bus, broker, feeds, loops, http, health, metrics)
    running = asyncio.create_task(app.run())
    try:

        async def started() -> bool:
            assert not running.done(), running.result()
            return app.port != 0

        await eventually(started, seconds=15, what="the start of the app")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{app.port}", headers=OPERATOR, timeout=20) as client:
            yield app, client
    finally:
        app.stop()
        await asyncio.wait({running}, timeout=30)
    assert running.done(), "asked to stop, it did not"
    assert running.result() == 0


@asynccontextmanager
async def consuming(kafka: KafkaServer, dsn: str, subscription: Subscription[Any]) -> AsyncIterator[Stand]:
    """A running consumer; stopped gracefully at the end. Topics exist already (`prepare`)."""
    pool = await db.open_pool(dsn, name="test")
    metrics = Metrics()
    bus = messaging.Bus(kafka.address, "plaintext-internal", f"{kafka.prefix}{SERVICE}", topic_prefix=kafka.prefix)
    router = KafkaRouter()
    (feed,) = messaging.subscribe(router, service=SERVICE, bus=bus, pool=pool, metrics=metrics, subscriptions=(subscription,))
    broker = bus.broker()
    broker.include_router(router)
    acknowledging: asyncio.Task[None] | None = None
    try:
        await broker.start()
        acknowledging = asyncio.create_task(feed.acknowledge_loop())
        yield Stand(kafka, dsn, pool, metrics, feed, broker)
    finally:
        if acknowledging is not None:
            acknowledging.cancel()
            with suppress(asyncio.CancelledError):
                await acknowledging
        await broker.stop()
        await pool.close()
