"""Topics, records and readers for tests against the real broker."""

import asyncio
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from contracts.topics import Topic

Headers = Sequence[tuple[str, bytes | None]]
_ADMIN_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Raw:
    """A record to be produced, byte for byte; nothing about it needs to be valid."""

    key: bytes | None
    headers: Headers
    value: bytes | None
    partition: int | None = None


@dataclass(slots=True)
class KafkaServer:
    """The broker of the run, and a prefix that keeps this test's topics and groups apart from all others."""

    address: str
    prefix: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:10]}.")
    _made: list[str] = field(default_factory=list)

    def name(self, bare: str) -> str:
        """A topic's or a group's name in this test."""
        return f"{self.prefix}{bare}"

    def topic(self, topic: Topic, *, partitions: int | None = None) -> Topic:
        """The catalogue's topic under this test's name, made with its own settings."""
        ours = replace(topic, name=self.name(topic.name), partitions=partitions or topic.partitions)
        self.create(ours.name, partitions=ours.partitions, config=ours.config())
        return ours

    def create(self, name: str, *, partitions: int = 1, config: Mapping[str, str] | None = None) -> None:
        """Make a topic by its full name; on return it can be written to."""
        wanted = NewTopic(name, num_partitions=partitions, replication_factor=1, config=dict(config or {}))
        admin = self._admin()  # kept while the answers are awaited
        for made in admin.create_topics([wanted], operation_timeout=_ADMIN_SECONDS).values():
            made.result(_ADMIN_SECONDS)
        self._made.append(name)

    def delete(self, name: str) -> None:
        """Delete a topic by its full name."""
        admin = self._admin()  # kept while the answers are awaited
        for gone in admin.delete_topics([name], operation_timeout=_ADMIN_SECONDS).values():
            gone.result(_ADMIN_SECONDS)

    def delete_topics(self) -> None:
        """Delete all that was made here and is still there."""
        if self._made:
            admin = self._admin()  # kept while the answers are awaited
            for gone in admin.delete_topics(self._made, operation_timeout=_ADMIN_SECONDS).values():
                gone.exception(_ADMIN_SECONDS)
            self._made.clear()

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.address, "log_level": 3})

    async def produce(self, topic: str, records: Sequence[Raw]) -> list[tuple[int, int]]:
        """Send in order; partition and offset of each, in the same order."""
        producer = AIOKafkaProducer(bootstrap_servers=self.address, enable_idempotence=True, linger_ms=2)
        try:
            await producer.start()
            sent = [
                await producer.send(topic, key=r.key, value=r.value, headers=list(r.headers), partition=r.partition)
                for r in records
            ]
            return [(facts.partition, facts.offset) for facts in await asyncio.gather(*sent)]
        finally:
            await producer.stop()

    async def read(self, topic: str, *, count: int, seconds: float = 15) -> list[ConsumerRecord]:
        """The first `count` records of a topic, partition by partition in log order; fewer by the deadline fails."""
        found: list[ConsumerRecord] = []
        deadline = time.monotonic() + seconds
        consumer = await self._reader(topic)
        try:
            while len(found) < count:
                if time.monotonic() > deadline:
                    raise AssertionError(f"{len(found)} of {count} records in {topic} after {seconds} s")
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    found.extend(batch)
        finally:
            await consumer.stop()
        return sorted(found, key=lambda r: (r.partition, r.offset))

    async def read_all(self, topic: str) -> list[ConsumerRecord]:
        """What is in the topic now, partition by partition in log order; may be empty."""
        found: list[ConsumerRecord] = []
        consumer = await self._reader(topic)
        try:
            ends = await consumer.end_offsets(list(consumer.assignment()))
            while any([await consumer.position(part) < end for part, end in ends.items()]):
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    found.extend(batch)
        finally:
            await consumer.stop()
        return sorted(found, key=lambda r: (r.partition, r.offset))

    async def _reader(self, topic: str) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.address, enable_auto_commit=False, auto_offset_reset="earliest", group_id=None
        )
        await consumer.start()
        parts = await asyncio.to_thread(self.partitions, topic)
        consumer.assign([TopicPartition(topic, part) for part in range(parts)])
        await consumer.seek_to_beginning()
        return consumer

    def partitions(self, topic: str) -> int:
        """How many partitions the topic has."""
        return len(self._admin().list_topics(topic, timeout=_ADMIN_SECONDS).topics[topic].partitions)
