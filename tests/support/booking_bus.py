"""Booking inside a test's event loop on the real broker and database: a frontend's bytes in, events read back out.

Time stands where the test puts it; locks are given up after a fraction of a second instead of three.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from pydantic import SecretStr

from contracts import topics
from contracts.catalog import OfferPublished
from contracts.envelope import Event, encode
from hubkit import db
from hubkit.app import App
from services.booking import app as booking
from services.booking.settings import BookingSettings
from tests.service.booking.hub import HUB, NOW, Answer, catalogue_event
from tests.support.clock import FixedClock
from tests.support.kafka import Headers, KafkaServer
from tests.support.processes import TOKEN
from tests.support.waiting import eventually

LOCK_MS: Final = 300  # how long the service waits for a row, and so what `busy` costs
_SECONDS: Final = 20.0
_PARTITIONS: Final = 3


@dataclass(slots=True)
class BookingBus:
    """One service, the frontend that writes to it, and whoever reads what it says."""

    kafka: KafkaServer
    dsn: str
    clock: FixedClock
    app: App
    producer: AIOKafkaProducer
    heard: dict[UUID, list[Answer]] = field(default_factory=dict)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def publish(self, offers: Sequence[OfferPublished]) -> None:
        """Publish offers as the catalogue does, and wait until booking has them."""
        topic = self.kafka.name(topics.CATALOG_OFFERS.name)
        for key, headers, value in (encode(catalogue_event(offer)) for offer in offers):
            await self.producer.send(topic, key=key, value=value, headers=list(headers))
        wanted = {(offer.offer_id, offer.revision) for offer in offers}

        async def there() -> bool:
            rows = await self.fetch("SELECT offer_id, revision FROM offers")
            return wanted <= {(row["offer_id"], row["revision"]) for row in rows}

        await eventually(there, seconds=_SECONDS, what="the offers")

    async def send(self, event: Event) -> None:
        """Produce a command as a frontend does."""
        await self.send_raw(*encode(event))

    async def send_raw(self, key: bytes, headers: Headers, value: bytes | None) -> None:
        """Produce a record byte for byte."""
        topic = self.kafka.name(topics.BOOKING_REQUESTS.name)
        await self.producer.send_and_wait(topic, key=key, value=value, headers=list(headers))

    async def answer(self, request_id: UUID, *, number: int = 1) -> Answer:
        """The `number`-th event that answers this request, once it is on the wire."""

        def found() -> bool:
            return len(self.answers(request_id)) >= number

        async with self.news:
            try:
                await asyncio.wait_for(self.news.wait_for(found), _SECONDS)
            except TimeoutError:
                raise AssertionError(f"no answer {number} to {request_id}: {self.heard.get(request_id)}") from None
        return self.answers(request_id)[number - 1]

    def answers(self, request_id: UUID) -> list[Answer]:
        """What answered the request so far; consequences for others, which it caused too, left out."""
        caused = self.heard.get(request_id, [])
        return [a for a in caused if a.data.get("request_id") == str(request_id) or a.type == "RequestRefused"]

    async def fetch(self, query: str, *arguments: Any) -> list[Any]:
        """Rows of the service's database."""
        async with db.reading(self.app.pool) as conn:
            return list(await conn.fetch(query, *arguments))

    def lock_failures(self) -> float:
        """How often a poll was repeated because a row was not had in time."""
        labels = {"topic": topics.BOOKING_REQUESTS.name, "error": "55P03"}
        return self.app.metrics.value("hubnetz_consumer_retries_total", **labels)

    @asynccontextmanager
    async def locked(self, resource_id: str) -> AsyncIterator[None]:
        """Somebody else has the row for as long as the block lasts."""
        connection = await asyncpg.connect(self.dsn)
        try:
            async with connection.transaction():
                await connection.fetch("SELECT 1 FROM resources WHERE resource_id = $1 FOR UPDATE", resource_id)
                yield
        finally:
            await connection.close()

    async def listen(self) -> None:
        """Read `booking.events.v1` for as long as it is not cancelled."""
        topic = self.kafka.name(topics.BOOKING_EVENTS.name)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.kafka.address, enable_auto_commit=False, auto_offset_reset="earliest", group_id=None
        )
        await consumer.start()
        try:
            consumer.assign([TopicPartition(topic, part) for part in range(_PARTITIONS)])
            while True:
                batches = await consumer.getmany(timeout_ms=200)
                async with self.news:
                    for record in (record for batch in batches.values() for record in batch):
                        self._keep(_answer(record.key, record.headers, record.value))
                    self.news.notify_all()
        finally:
            await consumer.stop()

    def _keep(self, answer: Answer) -> None:
        """By its cause; what is on the wire twice is the same event."""
        if answer.causation_id is not None:
            known = self.heard.setdefault(answer.causation_id, [])
            if answer.id not in {one.id for one in known}:
                known.append(answer)


def _answer(key: bytes, headers: Headers, value: bytes) -> Answer:
    told = {name: (content or b"").decode() for name, content in headers}
    cause = told.get("ce_causationid")
    kind = told["ce_type"].split(".")[-2]
    return Answer(UUID(told["ce_id"]), kind, key.decode(), UUID(cause) if cause else None, json.loads(value))


@asynccontextmanager
async def running(kafka: KafkaServer, dsn: str) -> AsyncIterator[BookingBus]:
    """The service for the block, started once its topics are there."""
    for topic in (topics.CATALOG_OFFERS, topics.BOOKING_REQUESTS, topics.BOOKING_EVENTS, topics.dead_letter(booking.SERVICE)):
        await asyncio.to_thread(kafka.topic, topic, partitions=_PARTITIONS)
    settings = BookingSettings(
        hub_id=HUB, hub_name="Test", kafka=kafka.address, kafka_security="plaintext-internal", topic_prefix=kafka.prefix,
        database_url=SecretStr(dsn), http_port=0, service_token=SecretStr(TOKEN),
        check_in_key=SecretStr("check-in-key-of-tests"),
    )  # fmt: skip
    clock = FixedClock(NOW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(booking, "DatabaseClock", lambda: clock)
        patch.setattr(db, "LOCK_MS_MAX", LOCK_MS)
        app = booking.build(settings)
        service = asyncio.create_task(app.run())
        producer = AIOKafkaProducer(bootstrap_servers=kafka.address, enable_idempotence=True)
        await producer.start()
        bus = BookingBus(kafka, dsn, clock, app, producer)
        listener = asyncio.create_task(bus.listen())
        try:

            async def started() -> bool:
                assert not service.done(), service.result()
                return app.port != 0

            await eventually(started, seconds=_SECONDS, what="the start of booking")
            yield bus
        finally:
            app.stop()
            listener.cancel()
            with suppress(asyncio.CancelledError):
                await listener
            await producer.stop()
            await asyncio.wait({service}, timeout=30)
    assert service.done(), "asked to stop, it did not"
    assert service.result() == 0
