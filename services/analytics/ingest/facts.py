"""Booking's events go in, each once (analytics.md §2). Idempotent by event id.

Before the transaction: rows with their local days and pseudonyms. Inside: which of their ids are known, COPY of the others,
marks of the days that changed.
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from uuid import UUID

from contracts import topics
from contracts.envelope import Event
from hubkit import points
from hubkit.clock import Clock
from hubkit.db import Pool, Tx
from hubkit.telemetry import Metrics
from services.analytics.domain.rows import EPOCH_DAY, EventRow, Kept, Problem
from services.analytics.limits import LATE_VERSIONS_POLL_MAX, LOG_AHEAD_MAX, RETENTION, START_AHEAD_MAX
from services.analytics.store import events, freshness, quarantine
from services.analytics.wire.facts import FactReader, Place, ReadFact, instant_of
from services.analytics.wire.held import held_fact
from services.analytics.wire.lean import microseconds

log = logging.getLogger(__name__)

Readers = Callable[[], Awaitable[FactReader]]
"""Gives the reader once all keys that it needs are there; until then it raises a transient error and the batch waits."""
Places = Callable[[Event], Place | None]


@dataclass(slots=True)
class Plan:
    """What was read of the batch, by the identity of its events: the fence may drop some of them before they are handled.

    A `ReadFact` has its row with it.
    """

    rows: dict[int, tuple[EventRow, Problem | None]] = field(default_factory=dict)
    passed_over: Counter[str] = field(default_factory=Counter)


async def plan_facts(readers: Readers, places: Places, pool: Pool, batch: Sequence[Event], extra: frozenset[str]) -> Plan:
    """Read the batch; nothing is asked of the database. Types without a figure are counted and passed over."""
    reader = await readers()
    plan = Plan()
    for event in batch:
        if type(event) is ReadFact:
            continue
        row, problem = reader.read(event, places(event))
        if row is None:
            plan.passed_over[event.bare_type] += 1
        else:
            plan.rows[id(event)] = row, problem
    return plan


async def store_facts(clock: Clock, metrics: Metrics, tx: Tx, batch: Sequence[Event], plan: Plan) -> Mapping[int, str]:
    """Store what is new; {position: `event_id_reused`} of what came with other content."""
    now = await clock.now(tx)
    sorter = _Sorter(
        oldest=microseconds(now - RETENTION),
        latest=microseconds(now + LOG_AHEAD_MAX),
        furthest=microseconds(now + START_AHEAD_MAX),
    )
    for position, event in enumerate(batch):
        if type(event) is ReadFact:
            sorter.sort(position, event.row, event.problem)
        elif (planned := plan.rows.get(id(event))) is not None:
            sorter.sort(position, *planned)
    await _hold(tx, metrics, sorter.held)
    reused: list[Reused] = []
    if sorter.good:
        new, reused = await write_rows(tx, sorter.good, all_versions=len(batch) <= LATE_VERSIONS_POLL_MAX)
        known = len(sorter.good) - new - len(reused)
        metrics.add("hubnetz_consumer_known_total", known, topic=topics.BOOKING_EVENTS.name, by="event_id")
        metrics.add("analytics_ingest_events_total", new)
        last = instant_of(max(row.occurred_at for row in sorter.good))
        await freshness.note_reading(tx, topics.BOOKING_EVENTS.name, last)
        metrics.set("analytics_lag_seconds", (now - last).total_seconds())
    for kind, number in plan.passed_over.items():
        metrics.add("analytics_passed_over_total", number, type=kind)
    return {sorter.positions[each.position]: "event_id_reused" for each in reused}


@dataclass(slots=True)
class _Sorter:
    """Tells the rows that count from those that somebody has to look at; bounds in microseconds."""

    oldest: int
    latest: int
    furthest: int
    good: list[EventRow] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    held: list[Kept] = field(default_factory=list)

    def sort(self, position: int, row: EventRow, problem: Problem | None) -> None:
        problem = problem or self._problem(row)
        if problem is None:
            self.good.append(row)
            self.positions.append(position)
        else:
            self.held.append(held_fact(row, problem))

    def _problem(self, row: EventRow) -> Problem | None:
        if row.occurred_at > self.latest:
            return "log_ahead"
        if row.occurred_at < self.oldest:
            return "log_too_old"
        return "start_too_far" if row.starts_at is not None and row.starts_at > self.furthest else None


async def _hold(tx: Tx, metrics: Metrics, held: Sequence[Kept]) -> None:
    if held:
        await quarantine.insert_entries(tx, held)
        for each in held:
            metrics.add("analytics_quarantined_total", reason=each.reason)
        log.warning("events quarantined", extra={"action": "quarantine", "count": len(held)})


@dataclass(frozen=True, slots=True)
class Reused:
    """The position of a row whose event id is known with other content; the first content stays."""

    position: int
    event_id: UUID
    known_hash: bytes
    content_hash: bytes


async def write_rows(tx: Tx, rows: Sequence[EventRow], *, all_versions: bool) -> tuple[int, list[Reused]]:
    """Into `events`, with all that has to be computed anew; how many were new, and those known with other content.

    `all_versions`: look for other versions of first versions too, which only a replay can bring late. Errors: Repeat if another
    transaction brings one of them at the same time.
    """
    new, reused = tell_apart(rows, await events.read_hashes(tx, [row.event_id for row in rows]))
    points.reached("analytics.after_known")
    for each in reused:
        log.error(
            "event id came again with other content",
            extra={
                "action": "ingest",
                "event_id": each.event_id,
                "known_sha256": each.known_hash.hex(),
                "sha256": each.content_hash.hex(),
            },
        )
    if new:
        await events.insert_events(tx, new)
        points.reached("analytics.after_insert")
        await events.mark_days(tx, _days(new), _to_look_up(new, all_versions=all_versions))
        await events.note_first_bookings(tx, _first_days(new))
    points.reached("analytics.after_marks")
    return len(new), reused


def tell_apart(rows: Iterable[EventRow], known: Mapping[bytes, bytes]) -> tuple[list[EventRow], list[Reused]]:
    """Rows that are new, of copies among them the first, and those whose id stands for other content than theirs."""
    new: list[EventRow] = []
    reused: list[Reused] = []
    standing = dict(known)
    for position, row in enumerate(rows):
        known_hash = standing.get(row.event_id)
        if known_hash is None:
            standing[row.event_id] = row.content_hash
            new.append(row)
        elif known_hash != row.content_hash:
            reused.append(Reused(position, UUID(bytes=row.event_id), known_hash, row.content_hash))
    return new, reused


def _days(rows: Iterable[EventRow]) -> set[tuple[str, date]]:
    numbers: set[tuple[str, int]] = set()
    for row in rows:
        numbers.add((row.hub_id, row.first_day))
        if row.over_midnight:
            numbers.update((row.hub_id, day) for day in range(row.first_day + 1, row.last_day + 1))
    return {(hub_id, _date(number)) for hub_id, number in numbers}


def _to_look_up(rows: Iterable[EventRow], *, all_versions: bool) -> set[bytes]:
    """Bookings whose other versions may lie on other days."""
    return {row.booking_id for row in rows if row.booking_id is not None and (all_versions or (row.version or 0) > 1)}


def _first_days(rows: Iterable[EventRow]) -> dict[tuple[str, str], date]:
    earliest: dict[tuple[str, str], int] = {}
    for row in rows:
        for resource_id in row.resource_ids:
            key = row.hub_id, resource_id
            if row.first_day < earliest.get(key, row.first_day + 1):
                earliest[key] = row.first_day
    return {key: _date(number) for key, number in earliest.items()}


def _date(number: int) -> date:
    return EPOCH_DAY + timedelta(days=number)
