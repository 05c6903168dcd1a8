"""The bare measures beside ours: what the libraries do alone with the same data on the same servers, in the same run."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from contracts import topics
from contracts.envelope import BadRecord, decode
from contracts.topics import Topic

BATCH: Final = 500
UNITS: Final = 200
POLL_MS: Final = 500
QUIET_SECONDS_MAX: Final = 10.0  # without a record: then what is missing is missing

_SCHEMA: Final = """
CREATE SCHEMA bare;
CREATE TABLE bare.allocations (
    booking_id uuid NOT NULL, unit_no bigint NOT NULL, occupied tstzrange NOT NULL, blocking boolean NOT NULL,
    CONSTRAINT no_overlap EXCLUDE USING gist (int8range(unit_no, unit_no, '[]') WITH &&, occupied WITH &&) WHERE (blocking)
);
"""
_INSERT: Final = """
INSERT INTO bare.allocations (booking_id, unit_no, occupied, blocking)
SELECT booking_id, unit_no, tstzrange(low, high), true
FROM unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::timestamptz[]) AS a (booking_id, unit_no, low, high)
"""


async def insert_rate(dsn: str, rows: int, first: datetime) -> float:
    """Rows per second: one INSERT of 500 spans and one commit at a time, under the same exclusion constraint, no lock."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(_SCHEMA)
        batches = [_spans(first, start) for start in range(0, rows, BATCH)]
        started = time.perf_counter()
        for batch in batches:
            await connection.execute(_INSERT, *batch)
        return rows / (time.perf_counter() - started)
    finally:
        await connection.execute("DROP SCHEMA IF EXISTS bare CASCADE")
        await connection.close()


def _spans(first: datetime, start: int) -> tuple[list[UUID], list[int], list[datetime], list[datetime]]:
    numbers = range(start, start + BATCH)
    lows = [first + timedelta(minutes=30 * (number // UNITS)) for number in numbers]
    return [uuid4() for _ in numbers], [n % UNITS for n in numbers], lows, [low + timedelta(minutes=30) for low in lows]


@dataclass(frozen=True, slots=True)
class Reading:
    """Records per second of one pass over a topic, from its start to where it ended when we began."""

    records: int
    seconds: float

    @property
    def per_second(self) -> float:
        """The rate."""
        return self.records / self.seconds


async def read_rate(kafka: str, topic: Topic, *, parsed: bool) -> Reading:
    """One pass of aiokafka over the topic; `parsed`: each record is read by the contract too, as a service reads it."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        started = last = time.perf_counter()
        seen = 0
        while seen < sum(ends.values()) and time.perf_counter() - last < QUIET_SECONDS_MAX:
            polled = await consumer.getmany(timeout_ms=POLL_MS, max_records=BATCH)
            last = time.perf_counter() if polled else last
            for records in polled.values():
                seen += len(records)
                if parsed:
                    _parse(topic, records)
        return Reading(seen, time.perf_counter() - started)
    finally:
        await consumer.stop()


def _parse(topic: Topic, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
    for record in records:
        try:
            decode(topic, key=record.key, headers=record.headers, value=record.value)
        except BadRecord:
            continue


def read_rates(kafka: str) -> tuple[Reading, Reading]:
    """(bare, parsed) of the requests' topic, one after the other."""
    bare = asyncio.run(read_rate(kafka, topics.BOOKING_REQUESTS, parsed=False))
    return bare, asyncio.run(read_rate(kafka, topics.BOOKING_REQUESTS, parsed=True))
