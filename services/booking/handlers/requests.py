"""Commands of `booking.requests.v1`: planned without locks, decided under them, each exactly once. Idempotent by request id."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contracts import topics
from contracts.booking import RequestBooking, payload_hash
from contracts.booking.commands import Command
from contracts.envelope import Event
from hubkit import ids, points
from hubkit.db import Pool, Tx, reading
from hubkit.errors import Replan
from services.booking.domain.copies import ALLOWANCE
from services.booking.domain.offers import Offer
from services.booking.domain.senders import roles_of
from services.booking.handlers.house import House, is_current
from services.booking.handlers.runs import Locks
from services.booking.handlers.settlement import settle
from services.booking.handlers.subjects import Asking, find_subjects, subjects_at_hand
from services.booking.handlers.telling import Case, tell, tell_of
from services.booking.store import offers as store_offers
from services.booking.store import requests as store_requests
from services.booking.store import resources as store_resources
from services.booking.wire import answers
from services.booking.wire.requests import named_offer, occurrences_of, request_of


@dataclass(frozen=True, slots=True)
class Plan:
    """What was worked out before the transaction. `cases` by `id()` of the event: the fence may drop some of them.

    `revisions` are those of the resources' rules in `offers`: good only if the locked rows say the same.
    """

    cases: Mapping[int, Case]
    offers: Mapping[str, Offer]
    wanted_offers: frozenset[str]
    resource_ids: frozenset[str]
    revisions: frozenset[tuple[str, int]]


async def plan_requests(house: House, pool: Pool, batch: Sequence[Event], extra: frozenset[str]) -> Plan:
    """Parse, and find by unlocked reads which rows matter; missing allowances are inserted and committed."""
    cases = {id(event): _case(house, event) for event in batch}
    asked = [case.request for case in cases.values() if case.request is not None]
    return await plan_rows(house, pool, Asking(asked, resource_ids=extra), cases)


async def plan_rows(house: House, pool: Pool, asking: Asking, cases: Mapping[int, Case]) -> Plan:
    """The rows that a run of decisions will lock, and the rules that it will go by."""
    found = subjects_at_hand(house, asking)  # mostly there is nothing to read
    if found is None:
        async with reading(pool) as conn:
            found = await find_subjects(house, conn, asking, await house.clock.now(conn))
    await store_resources.ensure_allowances(pool, {name for name in found.needed if name.startswith(ALLOWANCE)})
    wanted = {request.offer_id for request in asking.requests} | found.offers.keys()
    return Plan(cases, found.offers, frozenset(wanted), frozenset(found.needed), frozenset(found.rules))


def _case(house: House, event: Event) -> Case:
    if not isinstance(event.data, Command):
        return Case(event, payload_hash(event.bare_type, event.value or b""), None)
    roles = roles_of(event.source, house.hub_id, house.sources)
    booking_ids = [ids.derived(event.id, f"booking/{n}") for n in range(occurrences_of(event))]
    series_id = ids.derived(event.id, "series") if len(booking_ids) > 1 or _is_series(event) else None
    request = request_of(event, booking_ids, roles, series_id=series_id)
    return Case(event, payload_hash(event.bare_type, event.data), request)


def _is_series(event: Event) -> bool:
    return isinstance(event.data, RequestBooking) and event.data.series is not None


async def decide_requests(house: House, tx: Tx, batch: Sequence[Event], plan: Plan) -> None:
    """Steps 4 to 10 of booking.md §8. Known requests are dropped: their outcome stands and its event was sent.

    Errors: `Replan` (rows outside the locked set, or rules that changed since the plan), `Repeat` (another process decided
    one of these meanwhile); both before anything is written.
    """
    cases = await _drop_known(house, tx, [plan.cases[id(event)] for event in batch])
    if not cases:
        return
    started = time.perf_counter()
    locks = await lock(house, tx, plan)
    house.metrics.observe("booking_lock_wait_seconds", time.perf_counter() - started)
    points.reached("booking.after_lock")
    try:
        await settle(house, tx, cases, locks)
    except Replan:
        house.metrics.add("booking_plan_repeats_total")
        raise


async def lock(house: House, tx: Tx, plan: Plan) -> Locks:
    """Lock the planned rows, read the clock, and see that the rules are still those of the plan; else `Replan`."""
    rows = await store_resources.lock_resources(tx, plan.resource_ids) if plan.resource_ids else {}
    now = await house.clock.now(tx)
    outdated = await _outdated(tx, plan, {name: row.revision for name, row in rows.items()})
    if outdated:
        house.shelf.drop(outdated)
        house.metrics.add("booking_plan_repeats_total")
        raise Replan(frozenset())
    return Locks(rows, plan.offers, now)


async def _drop_known(house: House, tx: Tx, cases: Sequence[Case]) -> list[Case]:
    """The cases that are new, and those whose id is known with other content, in log order; copies count once."""
    known = await store_requests.read_hashes(tx, {case.event.id for case in cases})
    due: list[Case] = []
    for case in cases:
        first = known.get(case.event.id)
        if first is None:
            known[case.event.id] = case.payload_hash
            due.append(case)
        elif first != case.payload_hash:
            due.append(case._replace(reused=True))
    if len(due) < len(cases):
        topic = topics.BOOKING_REQUESTS.name
        house.metrics.add("hubnetz_consumer_known_total", len(cases) - len(due), topic=topic, by="request_id")
    return due


async def _outdated(tx: Tx, plan: Plan, locked: Mapping[str, int]) -> list[str]:
    """Offers whose rules in memory are not those that stand under the locks: they changed, came or went since the plan."""
    if not plan.wanted_offers:
        return []
    revisions = await store_offers.read_revisions(tx, plan.wanted_offers)
    outdated = [
        offer_id
        for offer_id in plan.wanted_offers
        if (offer_id in plan.offers) != (offer_id in revisions)
        or (offer_id in plan.offers and not is_current(plan.offers[offer_id], revisions))
    ]
    changed = {name for name, revision in plan.revisions if locked.get(name) != revision}
    if changed:
        outdated += [
            offer.offer_id
            for offer in plan.offers.values()
            if any(resource.resource_id in changed for part in offer.components for resource in part.resources)
        ]
    return outdated


async def answer_busy(house: House, tx: Tx, batch: Sequence[Event]) -> None:
    """Locks were not had in three attempts: say so, store nothing; the same id is decided anew when it comes again."""
    now = await house.clock.now(tx)
    cases = await _drop_known(house, tx, [_case(house, event) for event in batch])
    told = []
    for case in cases:
        say = answers.refusal_of_reused if case.reused else answers.busy_of
        told.append(tell_of(house, case, say(case.event, case.payload_hash, named_offer(case.event)), now))
    await tell(tx, told)
    house.metrics.add("booking_busy_total", len(told))
