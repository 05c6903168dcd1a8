"""The writes of a run: one bulk statement each under a savepoint, the outbox last (booking.md §8, step 10)."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from contracts.booking import CapacityChanged
from contracts.envelope import Event
from hubkit import ids, points
from hubkit.db import Tx
from hubkit.errors import BackstopHit
from services.booking.domain import codes
from services.booking.domain.claims import Booking
from services.booking.domain.desk import Left
from services.booking.domain.occupancy import Profile
from services.booking.domain.requests import CHANGES, Unchanged
from services.booking.handlers.house import House
from services.booking.handlers.runs import Locks, Run, Said
from services.booking.handlers.telling import Case, Told, tell, tell_fact, tell_notice, tell_of
from services.booking.store import bookings as store_bookings
from services.booking.store import queue as store_queue
from services.booking.store import requests as store_requests
from services.booking.store import resources as store_resources
from services.booking.store.bookings import Change
from services.booking.store.requests import Entry
from services.booking.wire import answers
from services.booking.wire.requests import named_actor, named_booking, named_offer

log = logging.getLogger(__name__)

NO_COMMAND = ""  # the ledger's command of a change that followed from something else


@dataclass(slots=True)
class Rows:
    """What a run comes to: new bookings, changed ones, and what becomes of their allocations."""

    fresh: list[Booking] = field(default_factory=list)
    changed: list[Change] = field(default_factory=list)
    freed: list[UUID] = field(default_factory=list)
    superseded: list[UUID] = field(default_factory=list)
    replaced: list[UUID] = field(default_factory=list)
    placed: list[Booking] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    resale_after: dict[UUID, datetime] = field(default_factory=dict)
    left_at: dict[UUID, datetime] = field(default_factory=dict)


async def write(house: House, tx: Tx, run: Run, locks: Locks, more: Sequence[Told] = (), cause: Event | None = None) -> None:
    """One bulk statement each under a savepoint: freed, bookings, allocations, counters, ledger, and last the outbox.

    `more` are facts about the offers themselves, told after the others; `cause` is what led to facts without a case.
    Errors: `BackstopHit` with nothing of it written, counted and logged: somebody writes without the lock; `Repeat` if
    another process was faster.
    """
    rows = _rows(run)
    used = _used(rows)
    told, entries = _tell(house, run, locks, cause)
    series = [one for series_id, one in run.desk.series.items() if run.series.get(series_id) is not one]
    try:
        async with tx.transaction():
            if rows.freed:
                await store_bookings.free_allocations(tx, rows.freed, rows.resale_after)
            if rows.superseded:
                await store_bookings.supersede_allocations(tx, rows.superseded, rows.left_at)
            if rows.replaced:
                await store_bookings.drop_allocations(tx, rows.replaced)
            if rows.fresh:
                await store_bookings.insert_bookings(tx, rows.fresh)
            if rows.changed:
                await store_bookings.update_bookings(tx, rows.changed)
            if rows.placed or rows.left:
                await store_bookings.insert_allocations(tx, rows.placed, rows.left, rows.resale_after)
            told += await _count(house, tx, run, rows, used, locks, cause)
            if series:
                await store_queue.upsert_series(tx, series, locks.now)
            await store_requests.insert_entries(tx, entries)
            await tell(tx, [*told, *more])
    except BackstopHit as hit:
        house.metrics.add("booking_backstop_total")
        log.error("a constraint caught what the lock should have", extra={"action": "write", "reason": hit.constraint})
        raise
    points.reached("booking.after_write")
    counted = Counter((answer.kind, answer.reason) for answer in told)
    for (kind, reason), number in counted.items():
        house.metrics.add("booking_outcomes_total", number, type=kind, reason=reason)


def _rows(run: Run) -> Rows:
    """The difference between what was found and what the desk holds now."""
    rows = Rows(resale_after=run.desk.resale_after)
    for booking_id, after in run.desk.bookings.items():
        before = run.found.get(booking_id)
        if before is after:
            continue
        if before is None:
            rows.fresh.append(after)
            if after.parts:
                rows.placed.append(after)
            continue
        rows.changed.append(Change(before, after))
        same_place = (before.start, before.end, before.parts) == (after.start, after.end, after.parts)
        if same_place and (before.blocking, before.competing) == (after.blocking, after.competing):
            continue
        if same_place and not after.blocking and not after.competing:
            rows.freed.append(booking_id)
            continue
        if before.parts:
            (rows.replaced if same_place else rows.superseded).append(booking_id)
        if after.parts:
            rows.placed.append(after)
    found_at = {booking_id: (b.start, b.end, b.parts) for booking_id, b in run.found.items()} if run.desk.left else {}
    for left in run.desk.left:
        if found_at.get(left.booking_id) != (left.start, left.end, left.parts):
            rows.left.append(left)
        elif left.resale_after is not None:
            rows.left_at[left.booking_id] = left.resale_after
    return rows


def _used(rows: Rows) -> dict[str, int]:
    """By how much each session's counter changes; sessions at zero are left out."""
    used: Counter[str] = Counter()
    for sign, bookings in ((1, rows.fresh), (-1, [c.before for c in rows.changed]), (1, [c.after for c in rows.changed])):
        for booking in bookings:
            if not booking.blocking:
                continue
            for part in booking.parts:
                if part.unit_no is None and part.pool_no is None:
                    used[part.resource_id] += sign * part.quantity
    return {name: change for name, change in used.items() if change}


async def _count(
    house: House, tx: Tx, run: Run, rows: Rows, used: Mapping[str, int], locks: Locks, cause: Event | None
) -> list[Told]:  # fmt: skip
    """Counters of sessions, what is tolerated above capacity, and the facts about what lies above it."""
    overbooked = [b for b in (*rows.fresh, *(c.after for c in rows.changed)) if b.overbook_reason is not None and b.blocking]
    if overbooked:
        await store_resources.raise_tolerated(tx, _tolerated(run, overbooked, used, locks))
    if used:
        await store_resources.change_used(tx, used)
    placed = {rooms.session.resource_id for rooms in run.desk.unplaced}
    gone = [name for name in run.placed_before if name not in placed]
    if gone:
        await store_queue.mark_placed(tx, gone, unplaced=False)
    over: dict[str, tuple[int, Booking]] = {}
    for change in rows.changed:
        for part in change.before.parts:
            row = locks.rows.get(part.resource_id)
            if row is not None and row.capacity is not None and row.used > row.capacity and part.resource_id in used:
                over.setdefault(part.resource_id, (row.used + used[part.resource_id], change.after))
    over |= await _lower_tolerated(tx, rows, locks)
    commands = {
        said.outcome.booking.booking_id: said.case.event
        for said in run.said
        if said.case is not None and isinstance(said.outcome, CHANGES)
    }
    return [
        _capacity_of(house, name, locks, taken, booking, commands.get(booking.booking_id, cause))
        for name, (taken, booking) in over.items()
    ]


def _tolerated(run: Run, overbooked: Sequence[Booking], used: Mapping[str, int], locks: Locks) -> dict[str, int]:
    """What staff knowingly put above capacity: of sessions by the counter, of pools by the peak in the booked spans."""
    above: dict[str, int] = {}
    for booking in overbooked:
        for part in booking.parts:
            row = locks.rows[part.resource_id]
            if part.unit_no is not None:
                continue
            if part.pool_no is None:
                most = row.used + used.get(part.resource_id, 0)
            else:
                occupancy = run.desk.occupancy
                most = occupancy.peak(part.resource_id, part.occupied_start, part.occupied_end, queued=True)
            above[part.resource_id] = max(above.get(part.resource_id, 0), most - (row.capacity or 0))
    return above


async def _lower_tolerated(tx: Tx, rows: Rows, locks: Locks) -> dict[str, tuple[int, Booking]]:
    """Pools that hold more than their capacity since a cut: freeing lowers what is tolerated to what is left above it."""
    pools = {
        part.pool_no: (part.resource_id, locks.rows[part.resource_id], change.after)
        for change in rows.changed
        if change.before.blocking
        for part in change.before.parts
        if part.pool_no is not None and locks.rows[part.resource_id].tolerated
    }
    if not pools:
        return {}
    profiles: dict[int, Profile] = {number: Profile() for number in pools}
    for number, start, end, quantity in await store_resources.read_ahead(tx, list(pools), locks.now):
        profiles[number].add(start, end, quantity)
    most = {number: profile.highest() for number, profile in profiles.items()}
    await store_resources.lower_tolerated(
        tx, {name: max(0, most[number] - (row.capacity or 0)) for number, (name, row, _) in pools.items()}
    )
    return {name: (most[number], booking) for number, (name, _, booking) in pools.items()}


def _capacity_of(house: House, name: str, locks: Locks, taken: int, booking: Booking, cause: Event | None) -> Told:
    capacity = locks.rows[name].capacity or 0
    fact = CapacityChanged(
        offer_id=booking.offer_id, actor_role=answers.SYSTEM, resource_id=name, capacity=capacity, used=taken,
        over_capacity=max(0, taken - capacity),
    )  # fmt: skip
    cause_id = ids.derived(booking.booking_id, str(booking.version)) if cause is None else cause.id
    return tell_notice(house, fact, cause_id, cause, locks.now, part=None)


def _tell(house: House, run: Run, locks: Locks, cause: Event | None) -> tuple[list[Told], list[Entry]]:
    """The events in their order, and the ledger's rows; none for a reused id, where the first outcome stands."""
    told: list[Told] = []
    entries: list[Entry] = []
    for said in run.said:
        if said.is_answer:
            assert said.case is not None, "an answer has its case"
            event = _answer(house, said.case, said, locks)
            if not said.case.reused:
                entries.append(_entry(said.case, said, event, run, locks.now))
        else:
            assert isinstance(said.outcome, CHANGES), "what follows is a change"
            fact = answers.fact_of(said.outcome, said.role)
            event = tell_fact(house, fact, cause if said.case is None else said.case.event, locks.now)
            entries.append(_entry_of_fact(said.outcome.booking, said.role, event, locks.now))
        told.append(event)
    return told, entries


def _answer(house: House, case: Case, said: Said, locks: Locks) -> Told:
    """The one event that answers a case."""
    event, content = case.event, case.payload_hash
    if case.reused:
        return tell_of(house, case, answers.refusal_of_reused(event, content, named_offer(event)), locks.now)
    if said.outcome is None:
        invalid = codes.Reason.INVALID_REQUEST
        return tell_of(house, case, answers.refusal_of_unreadable(event, content, named_offer(event), invalid), locks.now)
    assert case.request is not None, "only requests are decided"
    offer = locks.offers.get(case.request.offer_id)
    return tell_of(house, case, answers.answer_of(said.outcome, event, content, offer), locks.now)


def _entry(case: Case, said: Said, told: Told, run: Run, now: datetime) -> Entry:
    """The ledger's row of a request; of a command on a forgotten booking without the actor, who would be tied to it anew."""
    booking_id, version = named_booking(case.event), None
    if isinstance(said.outcome, (*CHANGES, Unchanged)):
        booking_id, version = said.outcome.booking.booking_id, said.outcome.booking.version
    role, actor_id = named_actor(case.event)
    known = None if booking_id is None else run.found.get(booking_id)
    if known is not None and known.anonymised:
        actor_id = None
    return Entry(case.event.id, case.payload_hash, case.event.bare_type, role, actor_id, booking_id, version, now, told.outcome)


def _entry_of_fact(booking: Booking, role: codes.Role, told: Told, now: datetime) -> Entry:
    """The ledger's row of a change without a command."""
    request_id = ids.derived(booking.booking_id, str(booking.version))
    return Entry(request_id, "", NO_COMMAND, role, None, booking.booking_id, booking.version, now, told.outcome)
