"""One topic's records on their way into one consumer: FastStream's subscriber, and where in the log we are.

The position is the stored offset in the database, never what Kafka has committed. So each assignment seeks there, and the
first batch of a partition after it is thrown away and sought again: it may have been fetched before the seek (measured).
Offsets that do not fit our own log (topic made anew, log trimmed beyond us) stop the feed with an alarm.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from aiokafka import ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faststream.kafka import KafkaRouter
from faststream.kafka.message import KafkaMessage
from faststream.kafka.subscriber.usecase import BatchSubscriber
from faststream.message import StreamMessage
from faststream.middlewares import AckPolicy

from contracts.topics import Topic
from hubkit import inbox, points
from hubkit.db import transaction
from hubkit.errors import DATABASE_ERRORS, ConsumerStopped, is_transient
from hubkit.messaging.bus import Bus
from hubkit.messaging.consumer import Consumer
from hubkit.messaging.reader import Reader
from hubkit.telemetry import Metrics

log = logging.getLogger(__name__)

POLL_MS = 20  # how long a poll waits where nothing lies ready; records that are there are taken at once
FETCH_WAIT_MS = 100  # the broker answers as soon as there is one byte; this is only how long an idle fetch stays open
SESSION_MS = 10_000
HEARTBEAT_MS = 2_000
REBALANCE_MS = 45_000
REVOKE_SECONDS_MAX = 40.0  # below REBALANCE_MS: a batch longer than that loses its partition, and the fence its effect
POLL_INTERVAL_MS_MAX = 3_600_000  # transient errors are waited for inside a batch; the watchdog is ours
ACKNOWLEDGE_SECONDS = 1.0  # Kafka's own offsets are for lag figures only
STALL_SECONDS_MAX = 60.0
WATCH_SECONDS = 5.0
ANSWER_SECONDS_MAX = 10.0
RETRY_SECONDS = 1.0
CATCH_UP_SECONDS = 0.05
BACKLOG_RECORDS_MIN = 500  # a poll with fewer has met the end of the log, or nearly: a fetch of a partition brings more

Batch = Sequence[ConsumerRecord[bytes, bytes]]


class Stalled(Exception):
    """No poll has ended, or no position moved though records lie ready, for a minute: the process must be started anew."""


@dataclass(slots=True)
class Feed:
    """Runs one `Consumer` on the bus. `stopped` tells the alarm's reason; `caught_up` is set once the log was read."""

    bus: Bus
    consumer: Consumer[Any]
    gates: Sequence[asyncio.Event]
    caught_up: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: str = ""
    waiting: bool = False  # for the topics of `gates`
    patient: bool = False  # for a server that is away, outside of a batch
    unanswered: bool = False  # the watchdog asked the broker for the topic in vain
    subscriber: BatchSubscriber | None = None
    _positions: dict[int, int] = field(default_factory=dict)
    _fresh: set[int] = field(default_factory=set)
    _running: asyncio.Lock = field(default_factory=asyncio.Lock)
    _acknowledged: dict[int, int] = field(default_factory=dict)
    _moved_at: float = field(default_factory=time.monotonic)
    _alive_at: float = field(default_factory=time.monotonic)
    _topic_id: str | None = None
    _broken: Exception | None = None

    @property
    def topic(self) -> Topic:
        """The topic read."""
        return self.consumer.subscription.topic

    @property
    def metrics(self) -> Metrics:
        """The app's metrics."""
        return self.consumer.metrics

    def attach(self, router: KafkaRouter) -> None:
        """Register with the router; nothing is connected yet."""
        subscriber = router.subscriber(
            self.bus.topic_prefix + self.topic.name,
            group_id=self.bus.topic_prefix + self.consumer.name,
            batch=True,
            max_records=self.consumer.subscription.records_max,
            batch_timeout_ms=POLL_MS,
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=FETCH_WAIT_MS,
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            rebalance_timeout_ms=REBALANCE_MS,
            max_poll_interval_ms=POLL_INTERVAL_MS_MAX,
            listener=_Listener(self),
            parser=_parse,
            decoder=_decode,
        )
        assert isinstance(subscriber, BatchSubscriber), "batch=True makes a batch subscriber"
        subscriber(self.take)
        self.subscriber = subscriber

    @property
    def _kafka(self) -> Reader:
        assert self.subscriber is not None and self.subscriber.consumer is not None, "started before it is used"
        assert isinstance(self.subscriber.consumer, Reader), "our broker makes its consumers of that class"
        return self.subscriber.consumer

    def _partition(self, partition: int) -> TopicPartition:
        return TopicPartition(self.bus.topic_prefix + self.topic.name, partition)

    async def take(self, records: Batch) -> None:
        """One poll. Raises nothing: what could not be committed is either waited for inside, or has stopped the feed."""
        if self.stopped:
            return
        points.reached("consume.after_poll")
        self.waiting = True
        for gate in self.gates:
            await gate.wait()
        self.waiting = False
        async with self._running:
            try:
                due = await self._due(records)
                if due:
                    await self.consumer.process(due)
            except ConsumerStopped as stop:
                self._stop(stop.reason)
                return
            except Exception as exc:
                # FastStream would pass over it and go on behind this batch, which would then be lost.
                log.error("batch failed", exc_info=exc, extra={"action": "consume", "consumer": self.consumer.name})
                self._seek_again({record.partition for record in records})
                await asyncio.sleep(RETRY_SECONDS)
                return
            for record in due:
                # A partition that was taken from us meanwhile stays forgotten: nobody would ever move its position again.
                if record.offset >= self._positions.get(record.partition, record.offset + 1):
                    self._positions[record.partition] = record.offset + 1
            if due:
                self._moved_at = time.monotonic()
        if due and len(records) < BACKLOG_RECORDS_MIN:
            await asyncio.sleep(self.consumer.subscription.gather_seconds)

    def _seek_again(self, partitions: Set[int]) -> None:
        for partition in partitions & self._positions.keys():
            with contextlib.suppress(IllegalStateError):  # taken from us meanwhile
                self._kafka.seek(self._partition(partition), self._positions[partition])

    async def _due(self, records: Batch) -> Batch:
        """The records that follow our positions; what was fetched before a seek, or is no longer ours, is left out."""
        first: dict[int, int] = {}
        for record in records:
            first.setdefault(record.partition, record.offset)
        due = set()
        for partition, offset in first.items():
            position = self._positions.get(partition)
            if position is None:
                continue
            if partition in self._fresh:
                self._fresh.discard(partition)
                self._seek_again({partition})
                continue
            if offset != position:
                # Behind it is a hole that compaction or a transaction's marker left; `Reader` sees to it that it is no loss.
                await self._check_bounds({partition: position})
                if offset < position:
                    self._seek_again({partition})
                    continue
            due.add(partition)
        return [record for record in records if record.partition in due]

    async def _check_bounds(self, positions: Mapping[int, int]) -> None:
        """Raises `ConsumerStopped` if our position lies outside the log."""
        partitions = [self._partition(partition) for partition in positions]
        starts = await self._patiently(lambda: self._kafka.beginning_offsets(partitions))
        ends = await self._patiently(lambda: self._kafka.end_offsets(partitions))
        for partition, position in positions.items():
            if position > ends[self._partition(partition)]:
                raise ConsumerStopped("log_ends_before_position")
            if position < starts[self._partition(partition)]:
                raise ConsumerStopped("log_starts_behind_position")

    async def _patiently(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        """Ask broker or database until it answers: an outage is waited for, it ends nothing."""
        while True:  # tidy: unbounded an outage lasts as long as it lasts; stopping the feed cancels the wait
            try:
                answer = await ask()
            except (KafkaError, *DATABASE_ERRORS) as exc:
                if isinstance(exc, asyncpg.PostgresError) and not is_transient(exc):
                    raise
                self.patient = True
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self.patient = False
                return answer

    async def assigned(self, partitions: Sequence[int]) -> None:
        """Find the stored position of each partition and seek there. Runs before the first record of them is taken."""
        try:
            positions = await self._patiently(lambda: self._stored_positions(partitions))
            await self._check_bounds(positions)
        except ConsumerStopped as stop:
            self._stop(stop.reason)
            return
        except Exception as exc:
            self._broken = exc  # aiokafka would log it and go on; without positions nothing would ever be taken again
            return
        for partition, position in positions.items():
            self._positions[partition] = position
            self._fresh.add(partition)
            self._kafka.seek(self._partition(partition), position)
        self._moved_at = time.monotonic()

    async def _stored_positions(self, partitions: Sequence[int]) -> dict[int, int]:
        topic_id = self._topic_id = await self.bus.topic_id(self.topic)
        starts = await self._kafka.beginning_offsets([self._partition(p) for p in partitions])
        begin = {partition: starts[self._partition(partition)] for partition in partitions}
        async with transaction(self.consumer.pool) as tx:
            await inbox.ensure_offsets(tx, self.consumer.name, self.topic.name, begin, topic_id)
            stored = await inbox.read_offsets(tx, self.consumer.name, self.topic.name)
        for partition in partitions:
            if stored[partition][1] not in (None, topic_id):
                raise ConsumerStopped("topic_was_made_anew")
        return {partition: stored[partition][0] for partition in partitions}

    async def revoked(self, partitions: Sequence[int]) -> None:
        """Wait until the batch in hand is done, then forget the partitions; late records of them are left out."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REVOKE_SECONDS_MAX), self._running:
                await self._acknowledge()
        for partition in partitions:
            self._positions.pop(partition, None)
            self._fresh.discard(partition)
            self._acknowledged.pop(partition, None)

    def _stop(self, reason: str) -> None:
        self.stopped = reason
        self.metrics.set("hubnetz_consumer_stopped", 1, topic=self.topic.name)
        log.error(
            "consumer stopped, an operator must act",
            extra={"action": "stop", "consumer": self.consumer.name, "topic": self.topic.name, "reason": reason},
        )

    async def _acknowledge(self) -> None:
        """Tell Kafka how far we are; errors are passed over, since nothing depends on it."""
        due = {p: offset for p, offset in self._positions.items() if self._acknowledged.get(p) != offset}
        if not due:
            return
        with contextlib.suppress(KafkaError):
            await self._kafka.commit({self._partition(partition): offset for partition, offset in due.items()})
            self._acknowledged |= due
            points.reached("consume.after_acknowledge")

    async def acknowledge_loop(self) -> None:
        """Acknowledge once a second, until cancelled."""
        while True:  # tidy: unbounded a loop of the process, ended by cancelling its task
            await asyncio.sleep(ACKNOWLEDGE_SECONDS)
            if not self.stopped:
                async with self._running:
                    await self._pass_over()
                await self._acknowledge()

    async def _pass_over(self) -> None:
        """Store the position behind offsets that no reader ever sees: markers of transactions, the compacted end of a log.

        Without it such an end would count as a lag for ever, and no other process would know that we have caught up.
        """
        # In one step with the question whether a batch was handed over that has not been processed.
        ahead = {} if self._kafka.handed_over else self._differing()
        if not ahead:
            return
        try:
            await self._check_bounds({partition: self._positions[partition] for partition in ahead})
            async with transaction(self.consumer.pool) as tx:
                stored = await inbox.lock_offsets(tx, self.consumer.name, self.topic.name, ahead)
                ours = {p: to for p, to in ahead.items() if self._positions.get(p) == stored.get(p) and to > stored[p]}
                await inbox.advance_offsets(tx, self.consumer.name, self.topic.name, ours)
        except ConsumerStopped as stop:
            self._stop(stop.reason)
        except DATABASE_ERRORS as exc:
            log.warning("position not stored", extra={"action": "consume", "error": type(exc).__name__})
        else:
            self._positions |= ours

    def _differing(self) -> dict[int, int]:
        """Where Kafka's client goes on reading, of partitions where that is not our position."""
        reached = {partition: self._kafka.consumed_to(self._partition(partition)) for partition in self._positions}
        return {p: to for p, to in reached.items() if to is not None and to != self._positions[p]}

    async def catch_up(self) -> None:
        """Set `caught_up` once the stored offsets of all partitions, whoever reads them, reach the log's present end."""
        name = self.bus.topic_prefix + self.topic.name
        # The broker's word for how many there are: of one that is not there aiokafka would ask for ever.
        there = self._kafka.partitions_for_topic(name) or range(self.topic.partitions)
        partitions = [TopicPartition(name, partition) for partition in there]
        ends = await self._patiently(lambda: self._kafka.end_offsets(partitions))
        while not self.caught_up.is_set():
            stored = await self._patiently(self._read_offsets)
            if all(stored.get(tp.partition, (0, None))[0] >= ends[tp] for tp in partitions):
                self.caught_up.set()
                return
            await asyncio.sleep(CATCH_UP_SECONDS)

    async def _read_offsets(self) -> dict[int, tuple[int, str | None]]:
        async with transaction(self.consumer.pool) as tx:
            return await inbox.read_offsets(tx, self.consumer.name, self.topic.name)

    async def watch(self) -> None:
        """Raise `Stalled` if no poll completes, or if records lie ready and the position does not move: tasks die unseen.

        A retry, a stop with alarm, waiting for another topic and a broker that is away are signs of life.
        """
        while True:  # tidy: unbounded a loop of the process, ended by cancelling its task
            await asyncio.sleep(WATCH_SECONDS)
            if self._broken is not None:
                raise self._broken
            lags = await self._lags()
            self.unanswered = lags is None
            now = time.monotonic()
            if lags is None or self.stopped or self.waiting or self.patient or self.consumer.retrying:
                self._moved_at = self._alive_at = now
            elif not lags:
                self._moved_at = now
            if self._kafka.handed_over:
                self._alive_at = now  # then it is the position that has to move
            moved_at = max(self._moved_at, self.consumer.committed_at)
            polled_at = max(self._alive_at, self._kafka.polled_at)
            self.metrics.set("hubnetz_consumer_position_age_seconds", now - moved_at, topic=self.topic.name)
            if now - min(moved_at, polled_at) > STALL_SECONDS_MAX:
                raise Stalled(self.consumer.name)

    async def _lags(self) -> bool | None:
        """Whether records lie behind our positions; None while the broker does not say."""
        partitions = [self._partition(partition) for partition in self._positions or (0,)]
        try:
            ends = await asyncio.wait_for(self._kafka.end_offsets(partitions), ANSWER_SECONDS_MAX)
            # A topic that is made anew and filled while we read goes on at our position as if nothing had happened.
            topic_id = await self.bus.topic_id(self.topic)
        except (KafkaError, TimeoutError, OSError):
            return None
        if self._topic_id not in (None, topic_id) and not self.stopped:
            self._stop("topic_was_made_anew")
        return any(ends[tp] > self._positions.get(tp.partition, ends[tp]) for tp in partitions)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Passes the group's assignments on to the feed."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Before the others get them."""
        await self._feed.revoked([tp.partition for tp in revoked])

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Before we read them."""
        if assigned:
            await self._feed.assigned(sorted(tp.partition for tp in assigned))


async def _parse(message: tuple[ConsumerRecord[bytes, bytes], ...]) -> StreamMessage[Any]:
    """Touches no header: one that is not UTF-8 would fail the whole batch in FastStream's own parser."""
    return KafkaMessage(body=b"", raw_message=message, consumer=_NO_CONSUMER, message_id="batch", correlation_id="batch")


async def _decode(message: StreamMessage[Any]) -> list[ConsumerRecord[bytes, bytes]]:
    return list(message.raw_message)


class _NoConsumer:
    """FastStream's message wants something to acknowledge with; we acknowledge ourselves."""

    async def commit(self) -> None:
        """Nothing: offsets are acknowledged by the feed."""

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Nothing: positions are the feed's."""


_NO_CONSUMER = _NoConsumer()
