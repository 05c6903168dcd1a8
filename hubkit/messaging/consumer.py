"""One poll, one transaction: what happens between a batch of raw records and its commit (`bus.md` §3).

The steps of a batch, in its one transaction: stored offsets locked, known records dropped, the service's handler, dead
letters, stored offsets advanced. What fails is told apart by family: a transient error repeats the batch for as long as
it lasts; a handler's wish plans it again; anything else halves it until the record stands alone, three tries, dead letter.
"""

import asyncio
import hashlib
import logging
import random
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Generic
from uuid import UUID

from aiokafka import ConsumerRecord

from contracts import topics
from contracts.envelope import BadRecord, Event, decode
from hubkit import clock, ids, inbox, outbox, points
from hubkit.db import Pool, Tx, transaction
from hubkit.errors import ConsumerStopped, Replan, Retry, is_lock_failure, is_transient, sqlstate
from hubkit.inbox import DeadLetter
from hubkit.messaging.subscription import PlanT, Subscription
from hubkit.telemetry import Metrics

log = logging.getLogger(__name__)

TRIES_MAX = 3  # of a record that fails alone, of locks before `busy`, of plans before the batch is halved
LOCK_JITTER_SECONDS = 0.05
BACK_OFF_SECONDS_MAX = 5.0
DEAD_LETTERS_MAX = 50  # within the window; more means a bad release, which must not drain a topic
DEAD_LETTERS_SECONDS = 60.0
DETAIL_CHARACTERS_MAX = 300


@dataclass(frozen=True, slots=True)
class Received:
    """A record as it came, and what it was read as: an event, or the reason why not."""

    partition: int
    offset: int
    key: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    value: bytes | None
    event: Event | None
    reason: str = ""
    detail: str = ""


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
    _letters: deque[float] = field(default_factory=deque)

    @property
    def name(self) -> str:
        """The consumer group and the first part of every key in the inbox: `<service>.<topic>`."""
        return f"{self.service}.{self.subscription.topic.name}"

    async def process(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Returns when every record is committed: handled, known, or in the dead letters.

        Errors: `ConsumerStopped`; then nothing of the part in hand is committed.
        """
        started = time.perf_counter()
        parts = [Part([self._receive(record) for record in records])]
        while parts:
            parts[:1] = await self._settle(parts[0])
        topic = self.subscription.topic.name
        self.metrics.add("hubnetz_consumer_records_total", len(records), topic=topic)
        self.metrics.observe("hubnetz_consumer_batch_records", len(records), topic=topic)
        self.metrics.observe("hubnetz_consumer_batch_seconds", time.perf_counter() - started, topic=topic)

    def _receive(self, record: ConsumerRecord[bytes, bytes]) -> Received:
        headers = tuple(record.headers)
        try:
            event = decode(self.subscription.topic, key=record.key, headers=headers, value=record.value)
        except BadRecord as bad:
            detail = bad.detail[:DETAIL_CHARACTERS_MAX]
            return Received(record.partition, record.offset, record.key, headers, record.value, None, bad.reason, detail)
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
            return self._again(replace(part, repeats=part.repeats + 1, extra=extra), part.repeats)
        except Exception as exc:
            return await self._after_error(part, phase, exc)
        self.retrying = False
        return []

    def _again(self, part: Part, before: int) -> list[Part]:
        if before < TRIES_MAX:
            return [part]
        if len(part.records) > 1:
            return [replace(half, repeats=0) for half in part.halves()]
        return [replace(part, lock_failures=TRIES_MAX)]

    async def _after_error(self, part: Part, phase: _Phase, exc: Exception) -> list[Part]:
        self.metrics.add(
            "hubnetz_consumer_retries_total",
            topic=self.subscription.topic.name,
            error=sqlstate(exc) or type(exc).__name__,
        )
        if self.subscription.busy is not None and phase.handling and is_lock_failure(exc):
            failures = part.lock_failures + 1
            await asyncio.sleep(LOCK_JITTER_SECONDS * failures * (0.5 + random.random()))  # noqa: S311
            tried = replace(part, lock_failures=failures)
            return tried.halves() if len(part.records) > 1 and failures < TRIES_MAX else [tried]
        if is_transient(exc):
            await self._back_off(exc)
            return [part]
        if len(part.records) > 1:
            return part.halves()
        log.error(
            "record failed",
            exc_info=exc,
            extra={"action": "consume", "consumer": self.name, "attempt": part.bugs + 1, "sqlstate": sqlstate(exc)}
            | self._place(part.records[0]),
        )
        if part.bugs + 1 < TRIES_MAX:
            return [replace(part, bugs=part.bugs + 1)]
        detail = f"{type(exc).__name__} {sqlstate(exc)}".strip()
        bug = replace(part.records[0], event=None, reason="bug", detail=detail)
        return [replace(part, records=[bug], bugs=part.bugs + 1)]

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
        await asyncio.sleep(random.uniform(0.1, 1.0))  # noqa: S311

    async def _commit(self, part: Part, phase: _Phase) -> None:
        events = [record.event for record in part.records if record.event is not None]
        busy = part.lock_failures >= TRIES_MAX
        plan = await self.subscription.prepare(self.pool, events, part.extra) if events and not busy else None
        async with transaction(self.pool) as tx:
            fresh = await self._fence(tx, part.records)
            points.reached("consume.after_offsets")
            refused = [(record, record.reason, record.detail) for record in fresh if record.event is None]
            good = [record for record in fresh if record.event is not None]
            if good and self.subscription.remembers:
                good, reused = await self._drop_known(tx, good)
                refused += [(record, "event_id_reused", "") for record in reused]
            if good:
                phase.handling = True
                refused += await self._hand_over(tx, good, plan, busy=busy)
                phase.handling = False
            if refused:
                await self._set_aside(tx, refused, attempts=part.bugs + 1)
            if fresh:
                next_offsets = {record.partition: record.offset + 1 for record in fresh}
                await inbox.advance_offsets(tx, self.name, self.subscription.topic.name, next_offsets)
            points.reached("consume.after_handle")
        points.reached("consume.after_commit")

    async def _hand_over(
        self, tx: Tx, good: Sequence[Received], plan: PlanT | None, *, busy: bool
    ) -> list[tuple[Received, str, str]]:
        events = [record.event for record in good if record.event is not None]
        if busy:
            assert self.subscription.busy is not None, "only a subscription with `busy` counts lock failures"
            await self.subscription.busy(tx, events)
            return []
        # `plan` is None only where PlanT is: `prepare` ran, since there are events.
        verdict = await self.subscription.handle(tx, events, plan)  # type: ignore[arg-type]
        return [(good[position], reason, "") for position, reason in sorted((verdict or {}).items())]

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

    async def _set_aside(self, tx: Tx, refused: Sequence[tuple[Received, str, str]], *, attempts: int) -> None:
        """Rows of `dead_letters`, and the same records for the dead-letter topic; stops a consumer that sheds too many."""
        self._count_letters([reason for _, reason, _ in refused])
        letters = [self._letter(record, reason, detail, attempts) for record, reason, detail in refused]
        await inbox.insert_dead_letters(tx, letters)
        await outbox.put_raw(
            tx,
            [topics.dead_letter(self.service).name] * len(letters),
            [letter.key for letter in letters],
            [_letter_headers(letter) for letter in letters],
            [letter.payload for letter in letters],
        )
        for letter in letters:
            self.metrics.add("hubnetz_dead_letters_total", topic=letter.topic, reason=letter.reason)
            log.warning(
                "record set aside",
                extra={
                    "action": "dead_letter",
                    "dead_letter_id": str(letter.dead_letter_id),
                    "reason": letter.reason,
                    "topic": letter.topic,
                    "partition": letter.partition,
                    "offset": letter.record_offset,
                },
            )

    def _count_letters(self, reasons: Sequence[str]) -> None:
        counted = len(reasons) if self.subscription.topic.own_writers_only else reasons.count("bug")
        now = time.monotonic()
        while self._letters and self._letters[0] < now - DEAD_LETTERS_SECONDS:
            self._letters.popleft()
        if len(self._letters) + counted > DEAD_LETTERS_MAX:
            raise ConsumerStopped("dead_letters")
        self._letters.extend([now] * counted)

    def _letter(self, record: Received, reason: str, detail: str, attempts: int) -> DeadLetter:
        # Contacts are the only personal data on the bus: their value stays in its topic alone, where it can be erased.
        personal = self.subscription.topic.name == topics.PEOPLE_CONTACTS.name
        return DeadLetter(
            dead_letter_id=ids.new(),
            consumer=self.name,
            topic=self.subscription.topic.name,
            partition=record.partition,
            record_offset=record.offset,
            key=record.key,
            headers=outbox.pack_headers(() if personal else record.headers),
            payload=None if personal else record.value,
            payload_sha256=None if record.value is None else hashlib.sha256(record.value).digest(),
            reason=reason,
            detail=detail,
            attempts=attempts,
            state="kept",
            created_at=clock.wall(),
        )

    async def replay(self, dead_letter_id: UUID, *, by: str) -> str | None:
        """Hand a kept letter to the handler again, in one transaction with its mark; None when done.

        Otherwise why not: `not_found`, `not_kept`, or the reason for which it is refused again.
        """
        async with transaction(self.pool) as tx:
            letter = await inbox.lock_dead_letter(tx, dead_letter_id)
        if letter is None or letter.consumer != self.name:
            return "not_found"
        headers = outbox.unpack_headers(letter.headers)
        try:
            event = decode(self.subscription.topic, key=letter.key, headers=headers, value=letter.payload)
        except BadRecord as bad:
            return bad.reason
        extra: frozenset[str] = frozenset()
        for _ in range(TRIES_MAX):
            plan = await self.subscription.prepare(self.pool, [event], extra)
            try:
                return await self._replay_once(letter, event, plan, by)
            except Retry as wish:
                extra |= wish.extra if isinstance(wish, Replan) else frozenset()
        return "busy"

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


def _letter_headers(letter: DeadLetter) -> bytes:
    """The record's own headers but any `dl_*`, then ours: what it was, where it lay, why it was set aside."""
    kept = [(name, value) for name, value in outbox.unpack_headers(letter.headers) if not name.startswith("dl_")]
    ours = {
        "dl_id": str(letter.dead_letter_id),
        "dl_reason": letter.reason,
        "dl_attempts": str(letter.attempts),
        "dl_topic": letter.topic,
        "dl_partition": str(letter.partition),
        "dl_offset": str(letter.record_offset),
        "dl_at": letter.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    if letter.payload is None and letter.payload_sha256 is not None:
        ours["dl_sha256"] = letter.payload_sha256.hex()
    return outbox.pack_headers([*kept, *((name, value.encode()) for name, value in ours.items())])
