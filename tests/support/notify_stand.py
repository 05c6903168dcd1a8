"""Notify inside the test's event loop, on the real broker and database, beside a real sink, with a clock that can be moved."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import httpx

from contracts import topics
from contracts.envelope import Event, decode
from hubkit.app import App
from hubkit.db import ReadConn, Tx
from services.notify.app import build
from services.notify.settings import NotifySettings
from tests.support.kafka import KafkaServer
from tests.support.mail_sink import MailSink
from tests.support.notify_events import HUB, raw, topic_of
from tests.support.waiting import eventually

TOKEN: Final = "0123456789abcdef-test"  # noqa: S105  of a service that lives for one test
OPERATOR: Final = {"Authorization": f"Bearer {TOKEN}", "Hubnetz-Actor": "operator/op-1"}
_TOPICS: Final = (topics.BOOKING_EVENTS, topics.PEOPLE_CONTACTS, topics.CATALOG_OFFERS, topics.NOTIFY_DELIVERIES)


@dataclass(slots=True)
class MovableClock:
    """The database's clock, moved by as much as a test says; it goes on by itself."""

    offset: timedelta = timedelta()

    async def now(self, conn: Tx | ReadConn) -> datetime:
        """As `DatabaseClock`, elsewhere in time."""
        instant = await conn.fetchval("SELECT clock_timestamp()")
        assert isinstance(instant, datetime)
        return instant.astimezone(UTC) + self.offset

    def set(self, instant: datetime) -> None:
        """Stand at `instant` from now on."""
        self.offset = instant - datetime.now(UTC)

    def forward(self, **span: float) -> None:
        """Go forward, `hours=1`."""
        self.offset += timedelta(**span)


@dataclass(slots=True)
class Stand:
    """What a test looks at."""

    kafka: KafkaServer
    sink: MailSink
    dsn: str
    clock: MovableClock
    app: App
    _connection: asyncpg.Connection = field(repr=False)

    async def fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """Rows of notify's database."""
        return list(await self._connection.fetch(query, *arguments))

    async def send(self, *events: Event) -> None:
        """Produce the events, in their order, and wait until they are committed here."""
        for one in events:
            await self.kafka.produce(self.kafka.name(topic_of(one).name), [raw(one)])
        await self.settled()

    async def settled(self) -> None:
        """Until everything in the topics that notify reads is committed."""

        async def there() -> bool:
            rows = await self.fetch("SELECT topic, sum(next_offset)::bigint AS n FROM stored_offsets GROUP BY topic")
            stored = {row["topic"]: row["n"] for row in rows}
            for topic in _TOPICS[:3]:
                records = await self.kafka.read_all(self.kafka.name(topic.name))
                if stored.get(topic.name, 0) < len(records):
                    return False
            return True

        await eventually(there, seconds=20, what="all records consumed")

    async def messages(self, **where: Any) -> list[asyncpg.Record]:
        """Message rows in the order of planning, those whose columns have these values."""
        rows = await self.fetch("SELECT * FROM messages ORDER BY caused_at, kind, due_at")
        return [row for row in rows if all(row[name] == value for name, value in where.items())]

    async def states(self) -> dict[str, str]:
        """Kind -> state; for tests with one message of each kind."""
        return {row["kind"]: row["state"] for row in await self.messages()}

    async def reached(self, state: str, *, count: int = 1, seconds: float = 15, **where: Any) -> list[asyncpg.Record]:
        """Wait until `count` messages are in a state."""

        async def there() -> list[asyncpg.Record]:
            rows = await self.messages(state=state, **where)
            return rows if len(rows) >= count else []

        try:
            return await eventually(there, seconds=seconds, what=f"{count} messages {state}")
        except AssertionError as late:
            seen = [(row["kind"], row["state"], row["reason"], row["attempts"]) for row in await self.messages()]
            raise AssertionError(f"{late}; there are {seen[:20]}") from late

    async def facts(self, *, count: int = 0) -> list[Event]:
        """What was told on notify.deliveries.v1; waits for `count` of them."""
        topic = self.kafka.name(topics.NOTIFY_DELIVERIES.name)
        records = await self.kafka.read(topic, count=count) if count else await self.kafka.read_all(topic)
        return [decode(topics.NOTIFY_DELIVERIES, key=r.key, headers=r.headers, value=r.value) for r in records]

    async def probed(self) -> None:
        """Wait until the breaker is closed."""

        async def there() -> bool:
            return [row["state"] for row in await self.fetch("SELECT state FROM relays")] == ["closed"]

        await eventually(there, what="a closed breaker")

    def http(self) -> httpx.AsyncClient:
        """A client of the service's HTTP, as an operator."""
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.app.port}", headers=OPERATOR)


def settings(kafka: KafkaServer, dsn: str, smtp_port: int, **more: Any) -> NotifySettings:
    """Of a notify for tests; no quiet hours unless told otherwise."""
    given: dict[str, Any] = {
        "hub_id": HUB,
        "hub_name": "Digitaler Hub Großröhrsdorf",
        "kafka": kafka.address,
        "kafka_security": "plaintext-internal",
        "topic_prefix": kafka.prefix,
        "database_url": dsn,
        "http_port": 0,
        "service_token": TOKEN,
        "smtp_host": "127.0.0.1",
        "smtp_port": smtp_port,
        "smtp_security": "none",
        "mail_sender": "hub@example.org",
        "mail_domain": "hub.example.org",
        "delivery": "live",
        "quiet_hours": "",
    }
    return NotifySettings(**(given | more))


async def make_topics(kafka: KafkaServer) -> None:
    """The topics that notify reads and writes, of one partition each so that a test's order is the log's."""
    for topic in (*_TOPICS, topics.dead_letter("notify")):
        await asyncio.to_thread(kafka.topic, topic, partitions=1)


@asynccontextmanager
async def notifying(
    kafka: KafkaServer,
    dsn: str,
    sink: MailSink,
    *,
    clock: MovableClock | None = None,
    prepare: bool = True,
    change: Callable[[App], None] | None = None,
    **more: Any,
) -> AsyncIterator[Stand]:
    """A running notify, stopped gracefully at the end. `change` may replace parts of the app before it runs."""
    if prepare:
        await make_topics(kafka)
    clock = clock or MovableClock()
    app = build(settings(kafka, dsn, sink.smtp_port, **more), clock)
    if change is not None:
        change(app)
    connection = await asyncpg.connect(dsn)
    running = asyncio.create_task(app.run())
    try:

        async def ready() -> bool:
            if running.done():
                raise AssertionError(f"notify ended with {running.result()}")
            return app.port != 0 and not await app.health.ready()

        await eventually(ready, seconds=20, what="notify")
        yield Stand(kafka, sink, dsn, clock, app, connection)
    finally:
        app.stop()
        await running
        await connection.close()


def message_ids(mails: Sequence[dict[str, Any]]) -> list[UUID]:
    """The messages that mails carry, by Message-ID."""
    return [UUID(mail["message_id"].partition("@")[0]) for mail in mails]
