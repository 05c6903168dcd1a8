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
from services.booking.domain.codes import Per
from services.booking.domain.copies import allowance
from services.booking.domain.evaluation import candidates
from services.booking.domain.offers import Offer
from services.booking.domain.requests import Asked
from services.booking.domain.senders import roles_of
from services.booking.handlers.house import House, is_current
from services.booking.handlers.settlement import Locks, settle
from services.booking.handlers.telling import Case, tell, tell_of
from services.booking.store import bookings as store_bookings
from services.booking.store import offers as store_offers
from services.booking.store import requests as store_requests
from services.booking.store import resources as store_resources
from services.booking.wire import answers
from services.booking.wire.requests import named_booking, named_offer, request_of


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
    offer_ids = {event.data.offer_id for event in batch if isinstance(event.data, Command)}
    named = {booking_id for event in batch if (booking_id := named_booking(event)) is not None}
    resource_ids = set(extra)
    offers = house.shelf.at_hand(offer_ids)
    if named or len(offers) < len(offer_ids):  # mostly there is nothing to read
        async with reading(pool) as conn:
            for offer_id, held in (await store_bookings.read_places(conn, named)).values() if named else ():
                offer_ids.add(offer_id)
                resource_ids.update(held)
            offers = await house.shelf.take(conn, offer_ids)
    revisions: set[tuple[str, int]] = set()
    allowances: set[str] = set()
    for case in cases.values():
        request = case.request
        if request is None or not isinstance(request.body, Asked) or request.offer_id not in offers:
            continue
        offer, wish = offers[request.offer_id], request.body.wish
        revisions.update((resource.resource_id, resource.revision) for resource in candidates(offer, wish))
        if offer.limits and wish.person_id is not None:
            allowances |= {allowance(limit.key, wish.person_id) for limit in offer.limits if limit.per is Per.PERSON}
    await store_resources.ensure_allowances(pool, allowances)
    resource_ids.update(name for name, _ in revisions)
    return Plan(cases, offers, frozenset(offer_ids), frozenset(resource_ids | allowances), frozenset(revisions))


def _case(house: House, event: Event) -> Case:
    if not isinstance(event.data, Command):
        return Case(event, payload_hash(event.bare_type, event.value or b""), None)
    roles = roles_of(event.source, house.hub_id, house.sources)
    booking_id = ids.derived(event.id, "booking/0") if isinstance(event.data, RequestBooking) else event.id
    return Case(event, payload_hash(event.bare_type, event.data), request_of(event, booking_id, roles))


async def decide_requests(house: House, tx: Tx, batch: Sequence[Event], plan: Plan) -> None:
    """Steps 4 to 10 of booking.md §8. Known requests are dropped: their outcome stands and its event was sent.

    Errors: `Replan` (rows outside the locked set, or rules that changed since the plan), `Repeat` (another process decided
    one of these meanwhile); both before anything is written.
    """
    cases = await _drop_known(house, tx, [plan.cases[id(event)] for event in batch])
    if not cases:
        return
    started = time.perf_counter()
    rows = await store_resources.lock_resources(tx, plan.resource_ids) if plan.resource_ids else {}
    house.metrics.observe("booking_lock_wait_seconds", time.perf_counter() - started)
    points.reached("booking.after_lock")
    now = await house.clock.now(tx)
    outdated = await _outdated(tx, plan, {name: row.revision for name, row in rows.items()})
    if outdated:
        house.shelf.drop(outdated)
        house.metrics.add("booking_plan_repeats_total")
        raise Replan(frozenset())
    try:
        await settle(house, tx, cases, Locks(rows, plan.offers, now))
    except Replan:
        house.metrics.add("booking_plan_repeats_total")
        raise


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
