"""One poll, one transaction: what happens between a batch of raw records and its commit (`bus.md` §3).

The steps of a batch, in its one transaction: stored offsets locked, known records dropped, the service's handler, dead
letters, stored offsets advanced. What fails is told apart by family: a transient error repeats the batch for as long as
it lasts; a handler's wish plans it again; anything else halves it until the record stands alone, three tries, dead letter.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic
from uuid import UUID

from aiokafka import ConsumerRecord

from contracts import topics
from contracts.envelope import BadRecord, Event, decode
from hubkit import ids, inbox, outbox, points
from hubkit.db import Pool, Tx, transaction
from hubkit.errors import ConsumerStopped, Replan, Retry, is_lock_failure, is_transient, sqlstate
from hubkit.inbox import DeadLetter
from hubkit.messaging import letters
from hubkit.messaging.letters import Received
from hubkit.messaging.screening import ODD_NAME, Unreadable
from hubkit.messaging.subscription import PlanT, Subscription
from hubkit.telemetry import Metrics

log = logging.getLogger(__name__)

TRIES_MAX = 3  # of a record that fails alone, of locks before `busy`, of plans before the batch is halved
LOCK_JITTER_SECONDS = 0.05
BACK_OFF_SECONDS = (0.1, 1.0)
DETAIL_CHARACTERS_MAX = 300
_BEFORE_ENCODING = ("too_large", "duplicate_header")  # of several reasons the first counts, in the order of `bus.md` §3

Raw = tuple[bytes | None, Sequence[tuple[str, bytes | None]], bytes | None]  # key, headers, value


@dataclass(frozen=True, slots=True)
class Part:
    """A batch or a piece of one, and what was tried with it."""

    records: Sequence[Received]
    lock_failures: int = 0
    repeats: int = 0
    bugs: int = 0
    extra: frozenset[str] = frozenset()

    def halves(self) -> "list[Part]":
        """The same records in two pieces, in log order."""
        middle = len(self.records) // 2
        return [replace(self, records=self.records[:middle]), replace(self, records=self.records[middle:])]


@dataclass(slots=True)
class _Phase:
    handling: bool = False


@dataclass(slots=True)
class Consumer(Generic[PlanT]):
    """Takes batches of one topic for one service, each exactly once in effect. Idempotent by stored offset and event id."""

    service: str
    pool: Pool
    metrics: Metrics
    subscription: Subscription[PlanT]
    retrying: bool = False  # a sign of life for the watchdog while a transient error lasts
    read_again: Callable[[int, int], Awaitable[Raw | None]] | None = None  # one record of the topic, by partition and offset
    committed_at: float = field(default_factory=time.monotonic)
    _allowance: letters.Allowance = field(init=False)

    def __post_init__(self) -> None:
        self._allowance = letters.Allowance(counts_all=self.subscription.topic.own_writers_only)

    @property
    def name(self) -> str:
        """The consumer group and the first part of every key in the inbox: `<service>.<topic>`."""
        return f"{self.service}.{self.subscription.topic.name}"

    async def process(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Returns when every record is committed: handled, known, or in the dead letters.

        Errors: `ConsumerStopped`; then nothing of the part in hand is committed.
        """
        started = time.perf_counter()
        await self._go_through(records)
        topic = self.subscription.topic.name
        self.metrics.add("hubnetz_consumer_records_total", len(records), topic=topic)
        self.metrics.observe("hubnetz_consumer_batch_records", len(records), topic=topic)
        self.metrics.observe("hubnetz_consumer_batch_seconds", time.perf_counter() - started, topic=topic)

    async def _go_through(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """The records of one poll in one transaction, or in more if it must be."""
        await self._finish(Part([self._receive(record) for record in records]))

    async def _finish(self, part: Part) -> None:
        """Whatever it takes, in log order."""
        parts = [part]
        while parts:
            parts[:1] = await self._settle(parts[0])

    def _receive(self, record: ConsumerRecord[bytes, bytes]) -> Received:
        headers = tuple(record.headers)
        raw = Received(record.partition, record.offset, record.key, headers, record.value, None)
        try:
            event = decode(self.subscription.topic, key=record.key, headers=headers, value=record.value)
        except BadRecord as bad:
            if not isinstance(record, Unreadable) or (bad.reason in _BEFORE_ENCODING and record.reason != "too_large"):
                return raw.refused(bad.reason, bad.detail[:DETAIL_CHARACTERS_MAX])
        except Exception as exc:
            # The parser's own bug. Outside of the halving it would hold up the whole topic.
            log.error("record could not be read", exc_info=exc, extra={"action": "consume"} | self._place(raw))
            return raw.refused("bug", type(exc).__name__)
        if isinstance(record, Unreadable):
            return raw.refused(record.reason, record.detail)
        return Received(record.partition, record.offset, record.key, headers, record.value, event)

    async def _settle(self, part: Part) -> list[Part]:
        """Try the part once; what is still to be done, in log order: nothing, itself once more, or its halves."""
        phase = _Phase()
        try:
            await self._commit(part, phase)
        except ConsumerStopped:
            raise
        except Retry as wish:
            extra = part.extra | wish.extra if isinstance(wish, Replan) else part.extra
            return await self._again(replace(part, repeats=part.repeats + 1, extra=extra), part.repeats)
        except Exception as exc:
            return await self._after_error(part, phase, exc)
        self.retrying = False
        return []

    async def _again(self, part: Part, before: int) -> list[Part]:
        if before < TRIES_MAX:
            return [part]
        if len(part.records) > 1:
            return [replace(half, repeats=0) for half in part.halves()]
        if self.subscription.busy is None:  # nobody can be told to come again: what changed so often will come to rest
            await asyncio.sleep(ids.between(*BACK_OFF_SECONDS))
            return [replace(part, repeats=0)]
        return [replace(part, lock_failures=TRIES_MAX)]

    async def _after_error(self, part: Part, phase: _Phase, exc: Exception) -> list[Part]:
        self.metrics.add(
            "hubnetz_consumer_retries_total",
            topic=self.subscription.topic.name,
            error=sqlstate(exc) or type(exc).__name__,
        )
        if self.subscription.busy is not None and phase.handling and is_lock_failure(exc):
            failures = part.lock_failures + 1
            await asyncio.sleep(LOCK_JITTER_SECONDS * failures * ids.between(0.5, 1.5))
            tried = replace(part, lock_failures=failures)
            return tried.halves() if len(part.records) > 1 and failures < TRIES_MAX else [tried]
        if is_transient(exc):
            await self._back_off(exc)
            return [part]
        if len(part.records) > 1:
            return part.halves()
        if part.bugs >= TRIES_MAX:
            # Not even its dead letter can be stored. Trying on would be a loop, going on a loss.
            raise ConsumerStopped("dead_letter_not_stored") from exc
        log.error(
            "record failed",
            exc_info=exc,
            extra={"action": "consume", "consumer": self.name, "attempt": part.bugs + 1, "sqlstate": sqlstate(exc)}
            | self._place(part.records[0]),
        )
        if part.bugs + 1 < TRIES_MAX:
            return [replace(part, bugs=part.bugs + 1)]
        detail = f"{type(exc).__name__} {sqlstate(exc)}".strip()
        return [replace(part, records=[part.records[0].refused("bug", detail)], bugs=TRIES_MAX)]

    def _place(self, record: Received) -> dict[str, object]:
        return {"topic": self.subscription.topic.name, "partition": record.partition, "offset": record.offset}

    async def _back_off(self, exc: Exception) -> None:
        if not self.retrying:
            log.warning(
                "consumer waits",
                extra={
                    "action": "consume",
                    "consumer": self.name,
                    "error": type(exc).__name__,
                    "sqlstate": sqlstate(exc),
                },
            )
        self.retrying = True
        await asyncio.sleep(ids.between(*BACK_OFF_SECONDS))

    async def _commit(self, part: Part, phase: _Phase) -> None:
        events = [record.event for record in part.records if record.event is not None]
        busy = part.lock_failures >= TRIES_MAX
        plan = await self.subscription.prepare(self.pool, events, part.extra) if events and not busy else None
        async with transaction(self.pool) as tx:
            fresh = await self._fence(tx, part.records)
            points.reached("consume.after_offsets")
            refused = [record for record in fresh if record.event is None]
            good = [record for record in fresh if record.event is not None]
            if good and self.subscription.remembers:
                good, reused = await self._drop_known(tx, good)
                refused += [record.refused("event_id_reused") for record in reused]
            if good:
                phase.handling = True
                refused += await self._hand_over(tx, good, plan, busy=busy)
                phase.handling = False
            counted = self._allowance.check(refused)
            set_aside = await self._set_aside(tx, refused, attempts=max(1, part.bugs))
            if fresh:
                next_offsets = {record.partition: record.offset + 1 for record in fresh}
                await inbox.advance_offsets(tx, self.name, self.subscription.topic.name, next_offsets)
            points.reached("consume.after_handle")
        points.reached("consume.after_commit")
        self.committed_at = time.monotonic()
        self._allowance.use(counted)
        self._tell(set_aside)

    async def _hand_over(self, tx: Tx, good: Sequence[Received], plan: PlanT | None, *, busy: bool) -> list[Received]:
        """Those that the handler refused."""
        events = [record.event for record in good if record.event is not None]
        if busy:
            assert self.subscription.busy is not None, "only a subscription with `busy` counts lock failures"
            await self.subscription.busy(tx, events)
            return []
        # `plan` is None only where PlanT is: `prepare` ran, since there are events.
        verdict = await self.subscription.handle(tx, events, plan)  # type: ignore[arg-type]
        if not verdict:
            return []
        if self.subscription.remembers:
            # Known means applied: else a replay, or a copy that fits by then, would be dropped.
            await inbox.forget(tx, self.name, [events[position] for position in verdict])
        return [good[position].refused(reason) for position, reason in sorted(verdict.items())]

    async def _fence(self, tx: Tx, records: Sequence[Received]) -> list[Received]:
        """Lock the stored offsets and drop what lies below them: redeliveries, zombies, late owners."""
        topic = self.subscription.topic.name
        first: dict[int, int] = {}
        for record in records:
            first.setdefault(record.partition, record.offset)
        stored = await inbox.lock_offsets(tx, self.name, topic, first)
        if len(stored) < len(first):
            await inbox.ensure_offsets(tx, self.name, topic, {p: o for p, o in first.items() if p not in stored}, None)
            stored = await inbox.lock_offsets(tx, self.name, topic, first)
        fresh = [record for record in records if record.offset >= stored[record.partition]]
        if len(fresh) < len(records):
            self.metrics.add("hubnetz_consumer_known_total", len(records) - len(fresh), topic=topic, by="offset")
        return fresh

    async def _drop_known(self, tx: Tx, records: Sequence[Received]) -> tuple[list[Received], list[Received]]:
        events = [record.event for record in records if record.event is not None]
        new, reused = await inbox.remember(tx, self.name, events)
        known = len(records) - len(new) - len(reused)
        if known:
            self.metrics.add("hubnetz_consumer_known_total", known, topic=self.subscription.topic.name, by="event_id")
        return [records[position] for position in new], [records[position] for position in reused]

    async def _set_aside(self, tx: Tx, refused: Sequence[Received], *, attempts: int) -> list[DeadLetter]:
        """Rows of `dead_letters`, and the same records for the dead-letter topic."""
        if not refused:
            return []
        rows = [letters.letter(self.name, self.subscription.topic.name, record, attempts) for record in refused]
        await inbox.insert_dead_letters(tx, rows)
        messages = [letters.message(row) for row in rows]
        await outbox.put_raw(
            tx,
            [topics.dead_letter(self.service).name] * len(rows),
            [key for key, _, _ in messages],
            [headers for _, headers, _ in messages],
            [value for _, _, value in messages],
        )
        return rows

    def _tell(self, rows: Sequence[DeadLetter]) -> None:
        for row in rows:
            self.metrics.add("hubnetz_dead_letters_total", topic=row.topic, reason=row.reason)
            log.warning(
                "record set aside",
                extra={
                    "action": "dead_letter",
                    "dead_letter_id": str(row.dead_letter_id),
                    "reason": row.reason,
                    "topic": row.topic,
                    "partition": row.partition,
                    "offset": row.record_offset,
                },
            )

    async def replay(self, dead_letter_id: UUID, *, by: str) -> str | None:
        """Hand a kept letter to the handler again, in one transaction with its mark; None when done.

        Otherwise why not: `not_found`, `not_kept`, or the reason for which it is refused again.
        """
        async with transaction(self.pool) as tx:
            letter = await inbox.lock_dead_letter(tx, dead_letter_id)
        if letter is None or letter.consumer != self.name:
            return "not_found"
        if letter.detail == ODD_NAME:
            return letter.reason  # what is kept of it would pass
        raw = await self._raw(letter)
        if raw is None:
            return "gone"
        key, headers, value = raw
        try:
            event = decode(self.subscription.topic, key=key, headers=headers, value=value)
        except BadRecord as bad:
            return bad.reason
        extra: frozenset[str] = frozenset()
        for _ in range(TRIES_MAX):
            plan = await self.subscription.prepare(self.pool, [event], extra)
            try:
                return await self._replay_once(letter, event, plan, by)
            except Retry as wish:
                extra |= wish.extra if isinstance(wish, Replan) else frozenset()
            except Exception as exc:
                if is_transient(exc):
                    return "busy"
                log.error("replay failed", exc_info=exc, extra={"action": "replay", "dead_letter_id": str(dead_letter_id)})
                return "bug"
        return "busy"

    async def _raw(self, letter: DeadLetter) -> Raw | None:
        """The record as it came; a personal one is read in its topic, and may be gone from there."""
        if not letters.is_personal(letter.topic):
            return letter.key, outbox.unpack_headers(letter.headers), letter.payload
        raw = await self.read_again(letter.partition, letter.record_offset) if self.read_again else None
        if raw is None or (None if raw[2] is None else hashlib.sha256(raw[2]).digest()) != letter.payload_sha256:
            return None
        return raw

    async def _replay_once(self, letter: DeadLetter, event: Event, plan: PlanT, by: str) -> str | None:
        try:
            async with transaction(self.pool) as tx:
                locked = await inbox.lock_dead_letter(tx, letter.dead_letter_id)
                if locked is None or locked.state != "kept":
                    return "not_kept"
                new, reused = ([0], []) if not self.subscription.remembers else await inbox.remember(tx, self.name, [event])
                if reused:
                    return "event_id_reused"
                verdict = await self.subscription.handle(tx, [event], plan) if new else None
                if verdict:
                    raise _RefusedAgain(verdict[0])
                await inbox.end_dead_letter(tx, letter.dead_letter_id, "replayed", by)
        except _RefusedAgain as refused:
            return refused.reason
        return None


class _RefusedAgain(Exception):
    """Undoes the transaction of a replay that the handler refused."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
