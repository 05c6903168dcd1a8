"""Under the locks: read, decide in log order, write in bulk; and what happens when a constraint disagrees (booking.md §8)."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hubkit import points
from hubkit.db import Tx
from hubkit.errors import BackstopHit, Replan
from services.booking.domain import codes
from services.booking.domain.claims import Booking, Reasons, Why
from services.booking.domain.codes import BLOCKING
from services.booking.domain.decisions import Desk, decide
from services.booking.domain.occupancy import Profile
from services.booking.domain.offers import Offer, Resource
from services.booking.domain.requests import Asked, Cancelled, Confirmed, Outcome, Rejected, Unchanged
from services.booking.handlers.house import House
from services.booking.handlers.reading import read_occupancy
from services.booking.handlers.telling import Case, Told, tell, tell_of
from services.booking.limits import STATE_READS_MAX
from services.booking.store import bookings as store_bookings
from services.booking.store import requests as store_requests
from services.booking.store import resources as store_resources
from services.booking.store.bookings import NO_OVERLAP, Change
from services.booking.store.requests import Entry
from services.booking.store.resources import Locked
from services.booking.wire import answers
from services.booking.wire.requests import named_actor, named_booking, named_offer

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Locks:
    """The rows that are locked, and the rules that were found to be current under these locks."""

    rows: Mapping[str, Locked]
    offers: Mapping[str, Offer]
    now: datetime


@dataclass(slots=True)
class Run:
    """One pass over some cases: the state as it was found, the desk that the decisions changed, and the outcomes."""

    found: Mapping[UUID, Booking]
    desk: Desk
    outcomes: list[Outcome | None]


async def settle(house: House, tx: Tx, cases: Sequence[Case], locks: Locks) -> None:
    """Decide the cases in log order and write them under a savepoint; one answer each, the outbox last.

    Locks: all resources of the cases, held. If a constraint refuses what was decided, somebody writes without the lock: the
    savepoint is undone, what is taken is read anew and the halves are decided; a single one is stored as refused.
    Errors: `Replan` before anything is written, if a booking holds a resource outside of the locked ones.
    """
    run = await _decide(house, tx, cases, locks)
    points.reached("booking.after_decide")
    try:
        await write(house, tx, cases, run, locks)
    except BackstopHit as hit:
        house.metrics.add("booking_backstop_total")
        log.error("a constraint caught what the lock should have", extra={"action": "settle", "reason": hit.constraint})
        if len(cases) > 1:
            middle = len(cases) // 2
            await settle(house, tx, cases[:middle], locks)
            await settle(house, tx, cases[middle:], await _locked_anew(tx, locks))
        else:
            await write(house, tx, cases, _refused_by(hit, run), locks)


async def _locked_anew(tx: Tx, locks: Locks) -> Locks:
    """The same rows, with the counters that the first half left."""
    return Locks(await store_resources.lock_resources(tx, locks.rows), locks.offers, locks.now)


def _refused_by(hit: BackstopHit, run: Run) -> Run:
    """The one outcome turned into what the constraint says of it. Only claims take something: nothing else can meet one."""
    outcome = run.outcomes[0]
    if not isinstance(outcome, Confirmed):
        raise hit
    code = codes.Reason.CONFLICT if hit.constraint == NO_OVERLAP else codes.Reason.CAPACITY_FULL
    reasons = Reasons((Why(code),), outcome.booking.start, outcome.booking.end)
    return Run(run.found, run.desk, [Rejected(reasons)])


async def _decide(house: House, tx: Tx, cases: Sequence[Case], locks: Locks) -> Run:
    """Read what the cases need and decide them in order; a second reading if a refusal wants to look a week ahead."""
    due = [case.request for case in cases if case.request is not None and not case.reused]
    named = {booking_id for case in cases if (booking_id := named_booking(case.event)) is not None}
    found = {booking.booking_id: booking for booking in await store_bookings.read_bookings(tx, named)} if named else {}
    missing = {part.resource_id for booking in found.values() for part in booking.parts} - locks.rows.keys()
    if missing:
        raise Replan(frozenset(missing))
    asked = [
        (locks.offers[request.offer_id], request.body.wish)
        for request in due
        if isinstance(request.body, Asked) and request.offer_id in locks.offers
    ]
    used = {name: row.used for name, row in locks.rows.items()}
    further: list[tuple[Resource, datetime, datetime]] = []
    for _ in range(STATE_READS_MAX):
        occupancy = await read_occupancy(tx, asked, used=used, now=locks.now, further=further)
        desk = Desk(locks.offers, dict(found), occupancy, house.check_in_key)
        outcomes = [None if case.request is None or case.reused else decide(case.request, desk, locks.now) for case in cases]
        if not desk.unread:
            break
        further = desk.unread
    assert not desk.unread, "the second reading covers what the first run asked for"
    return Run(found, desk, outcomes)


async def write(house: House, tx: Tx, cases: Sequence[Case], run: Run, locks: Locks) -> None:
    """One bulk statement each under a savepoint: freed, bookings, allocations, counters, ledger, and last the outbox.

    Errors: `BackstopHit` with nothing of it written; `Repeat` if another process was faster.
    """
    fresh, changed, resale_after = _collect(run)
    used = _used(run)
    told = [_answer(house, case, outcome, locks) for case, outcome in zip(cases, run.outcomes, strict=True)]
    entries = [
        _entry(case, outcome, answer, locks.now) for case, outcome, answer in zip(cases, run.outcomes, told, strict=True)
    ]
    async with tx.transaction():
        if changed:
            await store_bookings.free_allocations(tx, [change.booking.booking_id for change in changed], resale_after)
        if fresh:
            await store_bookings.insert_bookings(tx, fresh)
        if changed:
            await store_bookings.update_bookings(tx, changed)
        if fresh:
            await store_bookings.insert_allocations(tx, fresh, resale_after)
        if used:
            await store_resources.change_used(tx, used)
        if changed:
            await _lower_tolerated(tx, changed, locks)
        await store_requests.insert_entries(tx, [entry for entry in entries if entry is not None])
        await tell(tx, told)
    points.reached("booking.after_write")
    counted = Counter((answer.kind, answer.reason) for answer in told)
    for (kind, reason), number in counted.items():
        house.metrics.add("booking_outcomes_total", number, type=kind, reason=reason)


def _collect(run: Run) -> tuple[list[Booking], list[Change], dict[UUID, datetime]]:
    """New bookings in their final state, changed ones with the version they were read at, and delays of resale."""
    fresh: dict[UUID, Booking] = {}
    changed: dict[UUID, Change] = {}
    resale_after: dict[UUID, datetime] = {}
    for outcome in run.outcomes:
        if isinstance(outcome, Confirmed | Cancelled):
            booking_id = outcome.booking.booking_id
            if booking_id in run.found:
                changed[booking_id] = Change(run.desk.bookings[booking_id], run.found[booking_id].version)
            else:
                fresh[booking_id] = run.desk.bookings[booking_id]
        if isinstance(outcome, Cancelled) and outcome.resale_after is not None:
            resale_after[outcome.booking.booking_id] = outcome.resale_after
    return list(fresh.values()), list(changed.values()), resale_after


def _used(run: Run) -> dict[str, int]:
    """By how much each session's counter changes; sessions at zero are left out."""
    used: Counter[str] = Counter()
    for outcome in run.outcomes:
        if isinstance(outcome, Confirmed):
            sign = 1
        elif isinstance(outcome, Cancelled) and outcome.from_state in BLOCKING:
            sign = -1
        else:
            continue
        for part in outcome.booking.parts:
            if part.unit_no is None and part.pool_no is None:
                used[part.resource_id] += sign * part.quantity
    return {name: change for name, change in used.items() if change}


async def _lower_tolerated(tx: Tx, changed: Sequence[Change], locks: Locks) -> None:
    """Pools that hold more than their capacity since a cut: freeing lowers what is tolerated to what is left above it."""
    pools = {
        part.pool_no: (part.resource_id, locks.rows[part.resource_id])
        for change in changed
        for part in change.booking.parts
        if part.pool_no is not None and locks.rows[part.resource_id].tolerated
    }
    if not pools:
        return
    profiles: dict[int, Profile] = {number: Profile() for number in pools}
    for number, start, end, quantity in await store_resources.read_ahead(tx, list(pools), locks.now):
        profiles[number].add(start, end, quantity)
    await store_resources.lower_tolerated(
        tx, {name: max(0, profiles[number].highest() - (row.capacity or 0)) for number, (name, row) in pools.items()}
    )


def _answer(house: House, case: Case, outcome: Outcome | None, locks: Locks) -> Told:
    """The one event that answers a case."""
    event, content = case.event, case.payload_hash
    if case.reused:
        return tell_of(house, case, answers.refusal_of_reused(event, content, named_offer(event)), locks.now)
    if outcome is None:
        invalid = codes.Reason.INVALID_REQUEST
        return tell_of(house, case, answers.refusal_of_unreadable(event, content, named_offer(event), invalid), locks.now)
    assert case.request is not None, "only requests are decided"
    return tell_of(house, case, answers.answer_of(outcome, event, content, locks.offers.get(case.request.offer_id)), locks.now)


def _entry(case: Case, outcome: Outcome | None, told: Told, now: datetime) -> Entry | None:
    """The ledger's row; None for a reused id, where the first outcome stands."""
    if case.reused:
        return None
    booking_id, version = named_booking(case.event), None
    if isinstance(outcome, Confirmed | Cancelled | Unchanged):
        booking_id, version = outcome.booking.booking_id, outcome.booking.version
    role, actor_id = named_actor(case.event)
    return Entry(case.event.id, case.payload_hash, case.event.bare_type, role, actor_id, booking_id, version, now, told.outcome)
