"""Under the locks: read, decide in log order, write in bulk; and what happens when a constraint disagrees (booking.md §8)."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from hubkit import points
from hubkit.db import Tx
from hubkit.errors import BackstopHit, Replan
from services.booking.domain import codes
from services.booking.domain.claims import Reasons, Why
from services.booking.domain.codes import Role
from services.booking.domain.decisions import Desk, decide
from services.booking.domain.offers import Resource
from services.booking.domain.promotion import lapse_due
from services.booking.domain.requests import CHANGES, Moved, Refused, Rejected
from services.booking.handlers import writing
from services.booking.handlers.house import House
from services.booking.handlers.reading import read_occupancy
from services.booking.handlers.runs import Locks, Run, Said
from services.booking.handlers.subjects import Asking, Subjects, find_subjects
from services.booking.handlers.telling import Case
from services.booking.limits import STATE_READS_MAX
from services.booking.store import occupancy as store_occupancy
from services.booking.store import queue as store_queue
from services.booking.store import resources as store_resources
from services.booking.store.bookings import NO_OVERLAP


async def settle(
    house: House, tx: Tx, cases: Sequence[Case], locks: Locks, due: Collection[UUID] = ()
) -> None:  # fmt: skip
    """Decide the cases in log order and write them under a savepoint; one answer each, the outbox last.

    `due` are bookings whose time is past, beside those on the locked rows. Locks: all resources of the cases, held. If a
    constraint refuses what was decided, somebody writes without the lock: the savepoint is undone, what is taken is read anew
    and the halves are decided; a single one that still fails is stored as refused.
    Errors: `Replan` before anything is written, if something outside of the locked rows is needed.
    """
    run = await _decide(house, tx, cases, locks, due)
    points.reached("booking.after_decide")
    try:
        await writing.write(house, tx, run, locks)
    except BackstopHit:
        anew = await _locked_anew(tx, locks)
        if len(cases) > 1:
            middle = len(cases) // 2
            await settle(house, tx, cases[:middle], anew, due)
            await settle(house, tx, cases[middle:], await _locked_anew(tx, locks))
        else:
            await _settle_once_more(house, tx, cases, anew, due)


async def _settle_once_more(house: House, tx: Tx, cases: Sequence[Case], locks: Locks, due: Collection[UUID]) -> None:
    """What the other one wrote is seen by now: mostly the rules find the right answer themselves."""
    run = await _decide(house, tx, cases, locks, due)
    try:
        await writing.write(house, tx, run, locks)
    except BackstopHit as hit:
        await writing.write(house, tx, _refused_by(hit, run), locks)


async def _locked_anew(tx: Tx, locks: Locks) -> Locks:
    """The same rows, with the counters that stand now."""
    return Locks(await store_resources.lock_resources(tx, locks.rows), locks.offers, locks.now)


def _refused_by(hit: BackstopHit, run: Run) -> Run:
    """The one wish or move turned into what the constraint says of it; nothing else is expected to meet one twice."""
    answers = [said for said in run.said if said.is_answer]
    outcome = answers[0].outcome if len(answers) == 1 else None
    if not isinstance(outcome, CHANGES):
        raise hit
    booking = outcome.booking
    why = (Why(codes.Reason.CONFLICT if hit.constraint == NO_OVERLAP else codes.Reason.CAPACITY_FULL),)
    refused: Rejected | Refused
    if isinstance(outcome, Moved):
        refused = Refused(Reasons(why), booking.booking_id)
    elif booking.version == 1 and booking.booking_id not in run.found:
        refused = Rejected(Reasons(why, booking.start, booking.end))
    else:
        raise hit
    run.desk.bookings = dict(run.found)
    run.desk.left.clear()
    return Run(run.found, run.desk, [answers[0]._replace(outcome=refused)], run.series)


async def _decide(house: House, tx: Tx, cases: Sequence[Case], locks: Locks, due: Collection[UUID]) -> Run:
    """Read what the cases need and decide them in order; a second reading if a refusal wants to look a week ahead."""
    asked = [case.request for case in cases if case.request is not None and not case.reused]
    found = await find_subjects(house, tx, Asking(asked, due), locks.now)
    require(found, locks)
    numbers = await store_queue.draw_queue_numbers(tx, found.joiners) if found.joiners else []
    further = list(found.further)
    for _ in range(STATE_READS_MAX):
        desk = await open_desk(house, tx, found, locks, further=further, numbers=numbers)
        lapse_due(desk, locks.now)
        said = _consequences(desk, None)
        for case in cases:
            outcome = None if case.request is None or case.reused else decide(case.request, desk, locks.now)
            role = Role.SYSTEM if case.request is None else case.request.actor.role
            said.append(Said(case, outcome, role, is_answer=True))
            said += _consequences(desk, case)
        if not desk.unread:
            break
        further += desk.unread
    assert not desk.unread, "the second reading covers what the first run asked for"
    return Run(found.bookings, desk, said, found.series, [rooms.session.resource_id for rooms in found.unplaced])


def _consequences(desk: Desk, case: Case | None) -> list[Said]:
    return [Said(case, told.outcome, told.role, is_answer=False) for told in desk.take_told()] if desk.told else []


def consequences(desk: Desk) -> list[Said]:
    """What followed on a desk without a command."""
    return _consequences(desk, None)


def require(found: Subjects, locks: Locks) -> None:
    """Errors: `Replan` with the rows that are not locked, or if an offer came up that the plan did not know."""
    missing = found.needed - locks.rows.keys()
    if missing:
        raise Replan(frozenset(missing))
    if found.offers.keys() - locks.offers.keys():
        raise Replan(frozenset(found.needed))


async def open_desk(
    house: House, tx: Tx, found: Subjects, locks: Locks, *,
    further: Sequence[tuple[Resource, datetime, datetime]] = (), numbers: Sequence[int] = (),
) -> Desk:  # fmt: skip
    """Read what is taken, and lay out what the decisions work on."""
    used = {name: row.used for name, row in locks.rows.items()}
    occupancy = await read_occupancy(tx, found.pairs, used=used, now=locks.now, further=further)
    if found.persons or found.hubs:
        for who, booking_id in await store_occupancy.read_holds(tx, found.persons, found.hubs, locks.now):
            occupancy.holds.setdefault(who, set()).add(booking_id)
    for entry in found.waiting:
        for name in entry.waits_for:
            if name in occupancy.sessions:
                occupancy.sessions[name].queued = True
    return Desk(
        locks.offers, dict(found.bookings), occupancy, house.check_in_key, waiting=list(found.waiting),
        queue_numbers=iter(numbers), series=dict(found.series), unplaced=list(found.unplaced),
    )  # fmt: skip
