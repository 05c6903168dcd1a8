"""The copies of the catalogue: a poll per transaction, under the same locks as decisions. Idempotent by revision.

Not yet: what a change does to bookings that stand (closures, capacity cuts with their events) and the rooms that sessions
occupy. New claims obey every change at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from contracts.catalog import OfferPublished, OfferWithdrawn
from contracts.envelope import Event
from hubkit.db import Pool, Tx
from services.booking.domain.codes import Kind
from services.booking.domain.copies import OfferCopy, ResourceCopy, Status
from services.booking.domain.occupancy import Profile
from services.booking.handlers.house import House
from services.booking.store import offers as store_offers
from services.booking.store import resources as store_resources
from services.booking.wire.offers import copies_of, withdrawn_copy

CONFLICT = "revision_conflict"


@dataclass(frozen=True, slots=True)
class Plan:
    """The published states of a poll as copies, by `id()` of the event."""

    copies: Mapping[int, tuple[OfferCopy, list[ResourceCopy]]]


@dataclass(slots=True)
class Shelves:
    """What is known while a poll is folded: newest copy of each offer and resource, and which of them changed."""

    offers: dict[str, OfferCopy]
    resources: dict[str, ResourceCopy]
    known: frozenset[str]
    changed_offers: set[str]
    changed_resources: set[str]


async def plan_offers(house: House, pool: Pool, batch: Sequence[Event], extra: frozenset[str]) -> Plan:
    """Parse outside of the transaction."""
    return Plan({id(event): copies_of(event.data) for event in batch if isinstance(event.data, OfferPublished)})


async def apply_offers(house: House, tx: Tx, batch: Sequence[Event], plan: Plan) -> Mapping[int, str]:
    """Take over what is newer; {position: `revision_conflict`} where a revision is known with other content.

    Locks: all resources that the old and the new states name, so that no decision is between its read and its write.
    """
    offers = {copy.offer_id: copy for copy in await store_offers.lock_offers(tx, {event.key for event in batch})}
    brought = [resource for event in batch for resource in plan.copies.get(id(event), (None, []))[1]]
    names = {resource.resource_id for resource in brought}
    names |= {name for copy in offers.values() for name in copy.resource_ids}
    names |= {name for event in batch if id(event) in plan.copies for name in plan.copies[id(event)][0].resource_ids}
    await store_resources.lock_resources(tx, names)
    resources = {copy.resource_id: copy for copy in await store_resources.read_resources(tx, names)}
    shelves = Shelves(offers, resources, frozenset(resources), set(), set())
    refused = {
        position: CONFLICT for position, event in enumerate(batch) if not _apply(event, plan.copies.get(id(event)), shelves)
    }
    await _write(house, tx, shelves)
    return refused


def _apply(event: Event, copies: tuple[OfferCopy, list[ResourceCopy]] | None, shelves: Shelves) -> bool:
    """Fold one record in; False if it contradicts what is known under the same revision. Then nothing of it is taken."""
    known = shelves.offers.get(event.key)
    if event.data is None:
        if known is not None:
            shelves.offers[event.key] = replace(known, status=Status.REMOVED)
            shelves.changed_offers.add(event.key)
        return True
    if isinstance(event.data, OfferWithdrawn):
        copies = withdrawn_copy(event.data, known), []
    assert copies is not None, "published states were parsed in the plan"
    copy, resources = copies
    if known is not None and copy.revision <= known.revision:
        return copy.revision < known.revision or copy.content_hash == known.content_hash
    newer = []
    for resource in resources:
        current = shelves.resources.get(resource.resource_id)
        if current is None or resource.revision > current.revision:
            newer.append(resource)
        same = current is None or resource.revision != current.revision or resource.content_hash == current.content_hash
        if not same or (current is not None and resource.kind != current.kind):
            return False
    shelves.offers[copy.offer_id] = copy
    shelves.changed_offers.add(copy.offer_id)
    for resource in newer:
        current = shelves.resources.get(resource.resource_id)
        kept = (current.unit_no, current.pool_no, current.used) if current else (None, None, 0)
        shelves.resources[resource.resource_id] = replace(resource, unit_no=kept[0], pool_no=kept[1], used=kept[2])
        shelves.changed_resources.add(resource.resource_id)
    return True


async def _write(house: House, tx: Tx, shelves: Shelves) -> None:
    changed = [shelves.resources[name] for name in sorted(shelves.changed_resources)]
    new = [copy for copy in changed if copy.resource_id not in shelves.known]
    old = [copy for copy in changed if copy.resource_id in shelves.known]
    if new:
        await store_resources.insert_resources(tx, new)
    if old:
        await store_resources.update_resources(tx, old, await _left_above(house, tx, old))
    if shelves.changed_offers:
        await store_offers.upsert_offers(tx, [shelves.offers[offer_id] for offer_id in sorted(shelves.changed_offers)])
    house.shelf.drop(shelves.changed_offers)


async def _left_above(house: House, tx: Tx, resources: Sequence[ResourceCopy]) -> dict[str, int]:
    """What a cut leaves above the new capacity, of sessions by their counter, of pools by the most that lies ahead.

    It is tolerated, since nobody is dropped, and nothing is free until it is gone.
    """
    left = {copy.resource_id: max(0, copy.used - copy.capacity) for copy in resources if copy.capacity is not None}
    pools = {copy.pool_no: copy for copy in resources if copy.kind == Kind.POOL and copy.pool_no is not None}
    if pools:
        profiles = {number: Profile() for number in pools}
        now = await house.clock.now(tx)
        for number, start, end, quantity in await store_resources.read_ahead(tx, list(pools), now):
            profiles[number].add(start, end, quantity)
        for number, copy in pools.items():
            left[copy.resource_id] = max(0, profiles[number].highest() - (copy.capacity or 0))
    return left
