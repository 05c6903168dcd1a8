"""Analytics as it runs, without a broker: records go to hubkit's consumers, the workers take turns until nothing is marked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from aiokafka import ConsumerRecord

from contracts import topics
from contracts.envelope import Event, encode
from contracts.topics import Topic
from hubkit import db
from hubkit.messaging import Consumer
from hubkit.telemetry import Metrics
from services.analytics.domain.days import OfferDay, ResourceDay
from services.analytics.domain.pseudonyms import Pseudonyms
from services.analytics.domain.zones import zone
from services.analytics.recompute import turns
from services.analytics.recompute.audit import Audited, audit_day
from services.analytics.wire.facts import FactReader
from services.analytics.worker import routes
from services.analytics.worker.placing import Places, PlacingConsumer
from tests.service.analytics.log import HUB, NOW
from tests.support.clock import FixedClock

WHERE = zone("Europe/Berlin")
KEYS = {year: bytes([year % 256]) * 32 for year in range(2025, 2031)}

PRODUCED_MS = 1_811_840_400_000  # when Kafka got the record of offset 0

Raw = tuple[bytes | None, Sequence[tuple[str, bytes | None]], bytes | None]


@dataclass(slots=True)
class Desk:
    """One process of analytics on its own database; `clock` stands where a test puts it."""

    pool: db.Pool
    metrics: Metrics
    clock: FixedClock
    consumers: Mapping[str, Consumer[Any]]
    _offsets: dict[tuple[str, int], int] = field(default_factory=dict)

    @classmethod
    async def open(cls, dsn: str, *, now: datetime = NOW) -> "Desk":
        """Connect; close with `close`."""
        pool = await db.open_pool(dsn, name="analytics")
        metrics, clock, places = Metrics(), FixedClock(now), Places()
        reader = FactReader(HUB, WHERE, Pseudonyms(KEYS))

        async def readers() -> FactReader:
            return reader

        subscriptions = routes.subscriptions(readers=readers, places=places, where=WHERE, clock=clock, metrics=metrics)
        consumers = {
            each.topic.name: PlacingConsumer.of(Consumer("analytics", pool, metrics, each), places, readers)
            for each in subscriptions
        }
        return cls(pool, metrics, clock, consumers)

    async def close(self) -> None:
        """Give the connections back."""
        await self.pool.close()

    async def book(self, *events: Event, partition: int = 0) -> None:
        """Booking's events, one poll."""
        await self.take(topics.BOOKING_EVENTS, events, partition=partition)

    async def publish(self, *events: Event) -> None:
        """States of the catalogue, one poll."""
        await self.take(topics.CATALOG_OFFERS, events)

    async def take(self, topic: Topic, events: Sequence[Event], *, partition: int = 0) -> None:
        """Hand events over as one poll, offsets running."""
        await self.take_raw(topic, [encode(event) for event in events], partition=partition)

    async def take_raw(self, topic: Topic, records: Sequence[Raw], *, partition: int = 0) -> None:
        """Hand records over byte for byte as one poll."""
        first = self._offsets.get((topic.name, partition), 0)
        self._offsets[topic.name, partition] = first + len(records)
        await self.hand(topic, records, first=first, partition=partition)

    async def hand(self, topic: Topic, records: Sequence[Raw], *, first: int, partition: int = 0) -> None:
        """Hand records over with the offsets from `first` on, as a broker would that delivers again."""
        await self.consumers[topic.name].process([record(topic, partition, first + n, *each) for n, each in enumerate(records)])

    async def settle(self) -> None:
        """Let the workers take turns until nothing is marked."""
        while await turns.derive_calendars(self.pool, self.clock, WHERE):
            pass
        while await turns.recompute_days(self.pool, WHERE):
            pass
        while await turns.recompute_periods(self.pool):
            pass

    async def audit(self, day: date, hub: str = HUB) -> Audited:
        """One day by the definitions in Python, and as it is stored."""
        return await audit_day(self.pool, hub, day, WHERE)

    async def resource(self, day: date, name: str = "room-1") -> ResourceDay:
        """The line of one resource, which is the same in SQL and in Python."""
        audited = await self.audit(day)
        assert audited.stored[0].get(name) == audited.expected[0].get(name)
        return audited.stored[0][name]

    async def offer(self, day: date, offer_id: str) -> OfferDay:
        """The line of one offer, which is the same in SQL and in Python."""
        audited = await self.audit(day)
        assert audited.stored[1].get(offer_id) == audited.expected[1].get(offer_id)
        return audited.stored[1][offer_id]

    async def fetch(self, query: str, *arguments: object) -> list[Any]:
        """Rows, for looking at state."""
        async with db.reading(self.pool) as conn:
            return list(await conn.fetch(query, *arguments))

    async def value(self, query: str, *arguments: object) -> Any:
        """One value, for looking at state."""
        return (await self.fetch(query, *arguments))[0][0]


def record(
    topic: Topic,
    partition: int,
    offset: int,
    key: bytes | None,
    headers: Sequence[tuple[str, bytes | None]],
    value: bytes | None,
) -> ConsumerRecord[bytes, bytes]:
    """A record as Kafka's client gives it."""
    return ConsumerRecord(
        topic=topic.name,
        partition=partition,
        offset=offset,
        timestamp=PRODUCED_MS + offset,
        timestamp_type=0,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=tuple(headers),
    )
