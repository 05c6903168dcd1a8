"""Several processes of booking in one consumer group, and the crowd that asks them all at once."""

import asyncio
import json
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from bench.bookings import HUB, Town
from contracts import topics
from contracts.catalog import OfferPublished
from contracts.envelope import Event, Model, encode
from tests.service.booking.hub import catalogue_event, command, named
from tests.support.booked import SERVICE, Booked
from tests.support.kafka import KafkaServer, Raw
from tests.support.processes import Running
from tests.support.waiting import eventually

PARTITIONS: Final = 6
PORTAL: Final = f"urn:hub:{HUB}:portal"
AHEAD: Final = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Told:
    """One event: what caused it, and whom it answers."""

    id: UUID
    type: str
    cause: UUID | None
    data: dict[str, Any]

    @property
    def said(self) -> str:
        """Its type and reason."""
        return f"{self.type} {self.data.get('reason', '')}".strip()


@dataclass(slots=True)
class Crew:
    """What a test sends and what it finds; `first` is 8:00 UTC of a day ahead, since processes have the real clock."""

    booked: Booked
    first: datetime
    sent: int = 0
    asked: set[UUID] = field(default_factory=set)

    @classmethod
    async def built(cls, kafka: KafkaServer, dsn: str) -> "Crew":
        """Topics made; no process yet."""
        for topic in (topics.CATALOG_OFFERS, topics.BOOKING_REQUESTS, topics.BOOKING_EVENTS, topics.dead_letter(SERVICE)):
            await asyncio.to_thread(kafka.topic, topic, partitions=PARTITIONS)
        now = datetime.now(UTC)
        first = (now + AHEAD).replace(hour=8, minute=0, second=0, microsecond=0)
        return cls(Booked(kafka, dsn, Town(1, now)), first)

    async def start(self, count: int, *, crash_at: str = "") -> list[Running]:
        """So many more processes, running on return; the first of them ends at the point, if one is named."""
        started = [self.booked.start(crash_at=crash_at if n == 0 else "") for n in range(count)]
        for process in started:
            await process.port(seconds=60)
        return started

    def hour(self, n: int) -> datetime:
        """The n-th hour of ten of a day."""
        return self.first + timedelta(days=n // 10, hours=n % 10)

    async def publish(self, *offers: OfferPublished) -> None:
        """Publish, and wait until the offers can be booked."""
        records = [encode(catalogue_event(offer)) for offer in offers]
        topic = self.booked.kafka.name(topics.CATALOG_OFFERS.name)
        await self.booked.kafka.produce(topic, [Raw(key=key, headers=list(h), value=value) for key, h, value in records])
        wanted = {offer.offer_id for offer in offers}

        async def there() -> bool:
            return wanted <= {row["offer_id"] for row in await self.booked.fetch("SELECT offer_id FROM offers")}

        await eventually(there, seconds=40, what="the offers")

    def asks(self, body: Model, request: str) -> Event:
        """A command by this hub's portal; noted as one that has to be answered once."""
        event = command(body, request, source=PORTAL, time=self.first - AHEAD)
        self.asked.add(named(request))
        return event

    async def send(self, events: Sequence[Event], *, in_order: bool = False) -> None:
        """All at once, over all partitions whatever their keys are; or in their order, which is that of one partition."""
        records = [
            Raw(key=key, headers=list(headers), value=value, partition=0 if in_order else n % PARTITIONS)
            for n, (key, headers, value) in enumerate(encode(event) for event in events)
        ]
        await self.booked.send(records)
        self.sent += len(records)

    async def settled(self, *, seconds: float = 60) -> list[Told]:
        """Wait until all is decided and told; every event, in the order in which each key had them."""
        await self.booked.settled(self.sent, seconds=seconds)
        found: dict[UUID, Told] = {}
        for record in await self.booked.kafka.read_all(self.booked.kafka.name(topics.BOOKING_EVENTS.name)):
            headers = {name: bytes(value or b"").decode() for name, value in record.headers}
            cause = headers.get("ce_causationid")
            kind = headers["ce_type"].rsplit(".", 2)[-2]
            told = Told(UUID(headers["ce_id"]), kind, UUID(cause) if cause else None, json.loads(record.value or b"{}"))
            found.setdefault(told.id, told)
        return list(found.values())

    async def faults(self, told: Sequence[Told]) -> list[str]:
        """What is lost, doubled, or against an invariant, in words; empty if each request has exactly one answer."""
        answers: dict[UUID, int] = {}
        for one in told:
            if (request := one.data.get("request_id")) is not None:
                answers[UUID(request)] = answers.get(UUID(request), 0) + 1
        versions: dict[str, list[int]] = {}
        for one in told:
            if "version" in one.data and one.type != "BookingUnchanged":
                versions.setdefault(one.data["booking_id"], []).append(one.data["version"])
        found = {
            "not answered": len(self.asked - answers.keys()),
            "answered without being asked": len(answers.keys() - self.asked),
            "answered more than once": sum(number > 1 for number in answers.values()),
            "with versions that are not 1 to n in order": sum(v != list(range(1, len(v) + 1)) for v in versions.values()),
            "busy": sum(one.data.get("reason") == "busy" for one in told),
            "caught by a constraint": int(await self.booked.metric("booking_backstop_total")),
            **await self.booked.violations(),
        }
        return [f"{number} {what}" for what, number in found.items() if number]

    async def deadlocks(self) -> int:
        """As the database counts them, and as the processes met them."""
        [row] = await self.booked.fetch("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(row["deadlocks"]) + int(await self.booked.metric('hubnetz_consumer_retries_total{error="40P01"'))

    def kill(self, process: Running) -> None:
        """Without a word."""
        process.signal(signal.SIGKILL)
