"""The copies of the catalogue: a poll per transaction, under the same locks as decisions. Idempotent by revision.

New claims obey every change at once; what a change does to what stands is in `aftermath`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from contracts.catalog import OfferPublished, OfferWithdrawn
from contracts.envelope import Event
from hubkit.db import Pool, Tx
from hubkit.errors import Replan
from services.booking.domain.codes import Kind
from services.booking.domain.copies import ALLOWANCE, OfferCopy, ResourceCopy, Status
from services.booking.domain.occupancy import Profile
from services.booking.handlers.aftermath import Effects, add_offer, add_resource, apply_effects
from services.booking.handlers.house import House
from services.booking.store import offers as store_offers
from services.booking.store import resources as store_resources
from services.booking.wire.offers import copies_of, withdrawn_copy

CONFLICT = "revision_conflict"


@dataclass(frozen=True, slots=True)
class Plan:
    """The published states of a poll as copies, by `id()` of the event; `extra` are rows that turned out to be needed."""

    copies: Mapping[int, tuple[OfferCopy, list[ResourceCopy]]]
    extra: frozenset[str] = frozenset()


@dataclass(slots=True)
class Shelves:
    """What is known while a poll is folded: newest copy of each offer and resource, and which of them changed."""

    offers: dict[str, OfferCopy]
    resources: dict[str, ResourceCopy]
    known: frozenset[str]
    changed_offers: set[str]
    changed_resources: set[str]
    causes: dict[str, Event] = field(default_factory=dict)  # of each changed offer and resource the last event


async def plan_offers(house: House, pool: Pool, batch: Sequence[Event], extra: frozenset[str]) -> Plan:
    """Parse outside of the transaction; missing allowances are inserted and committed."""
    await store_resources.ensure_allowances(pool, {name for name in extra if name.startswith(ALLOWANCE)})
    return Plan({id(event): copies_of(event.data) for event in batch if isinstance(event.data, OfferPublished)}, extra)


async def apply_offers(house: House, tx: Tx, batch: Sequence[Event], plan: Plan) -> Mapping[int, str]:
    """Take over what is newer; {position: `revision_conflict`} where a revision is known with other content.

    Locks: all resources that the old and the new states name, so that no decision is between its read and its write.
    """
    offers = {copy.offer_id: copy for copy in await store_offers.lock_offers(tx, {event.key for event in batch})}
    brought = [resource for event in batch for resource in plan.copies.get(id(event), (None, []))[1]]
    names = {resource.resource_id for resource in brought}
    names |= {name for copy in offers.values() for name in copy.resource_ids}
    names |= {name for event in batch if id(event) in plan.copies for name in plan.copies[id(event)][0].resource_ids}
    locked = frozenset(await store_resources.lock_resources(tx, names | plan.extra))
    resources = {copy.resource_id: copy for copy in await store_resources.read_resources(tx, names)}
    shelves = Shelves(offers, resources, frozenset(resources), set(), set())
    known = dict(offers), dict(resources)
    refused = {
        position: CONFLICT for position, event in enumerate(batch) if not _apply(event, plan.copies.get(id(event)), shelves)
    }
    taken = await _write(house, tx, shelves)
    now = await house.clock.now(tx)
    missing: set[str] = set()
    for effects in _effects(shelves, *known, taken):
        missing |= await apply_effects(house, tx, effects, locked | shelves.resources.keys(), now)
    if missing:
        raise Replan(frozenset(missing))
    return refused


def _effects(
    shelves: Shelves, offers: Mapping[str, OfferCopy], resources: Mapping[str, ResourceCopy], taken: Mapping[str, int]
) -> Iterator[Effects]:  # fmt: skip
    """What each state of this poll changes of what stands, by the event that had the last word on an offer or resource."""
    by_cause: dict[int, Effects] = {}
    for name in sorted(shelves.changed_resources):
        cause = shelves.causes[name]
        effects = by_cause.setdefault(id(cause), Effects(cause, cause.key))
        add_resource(effects, resources.get(name), shelves.resources[name], taken.get(name, 0))
    for offer_id in sorted(shelves.changed_offers):
        cause = shelves.causes[offer_id]
        effects = by_cause.setdefault(id(cause), Effects(cause, cause.key))
        add_offer(effects, offers.get(offer_id), shelves.offers[offer_id])
    return (effects for effects in by_cause.values() if effects.any())


def _apply(event: Event, copies: tuple[OfferCopy, list[ResourceCopy]] | None, shelves: Shelves) -> bool:
    """Fold one record in; False if it contradicts what is known under the same revision. Then nothing of it is taken."""
    known = shelves.offers.get(event.key)
    if event.data is None:
        if known is not None:
            shelves.offers[event.key] = replace(known, status=Status.REMOVED)
            shelves.changed_offers.add(event.key)
            shelves.causes[event.key] = event
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
    shelves.causes[copy.offer_id] = event
    for resource in newer:
        current = shelves.resources.get(resource.resource_id)
        kept = (current.unit_no, current.pool_no, current.used) if current else (None, None, 0)
        shelves.resources[resource.resource_id] = replace(resource, unit_no=kept[0], pool_no=kept[1], used=kept[2])
        shelves.changed_resources.add(resource.resource_id)
        shelves.causes[resource.resource_id] = event
    return True


async def _write(house: House, tx: Tx, shelves: Shelves) -> dict[str, int]:
    """Put the newer copies in place; what is taken of each session and pool that was known."""
    changed = [shelves.resources[name] for name in sorted(shelves.changed_resources)]
    new = [copy for copy in changed if copy.resource_id not in shelves.known]
    old = [copy for copy in changed if copy.resource_id in shelves.known]
    taken: dict[str, int] = {}
    if new:
        await store_resources.insert_resources(tx, new)
    if old:
        taken = await _taken(house, tx, old)
        above = {copy.resource_id: max(0, taken.get(copy.resource_id, 0) - (copy.capacity or 0)) for copy in old}
        await store_resources.update_resources(tx, old, above)
    if shelves.changed_offers:
        await store_offers.upsert_offers(tx, [shelves.offers[offer_id] for offer_id in sorted(shelves.changed_offers)])
    house.shelf.drop(shelves.changed_offers)
    return taken


async def _taken(house: House, tx: Tx, resources: Sequence[ResourceCopy]) -> dict[str, int]:
    """What is taken of sessions by their counter, of pools the most that lies ahead.

    What a cut leaves above the new capacity is tolerated, since nobody is dropped, and nothing is free until it is gone.
    """
    taken = {copy.resource_id: copy.used for copy in resources if copy.kind == Kind.SESSION}
    pools = {copy.pool_no: copy for copy in resources if copy.kind == Kind.POOL and copy.pool_no is not None}
    if pools:
        profiles = {number: Profile() for number in pools}
        now = await house.clock.now(tx)
        for number, start, end, quantity in await store_resources.read_ahead(tx, list(pools), now):
            profiles[number].add(start, end, quantity)
        taken |= {copy.resource_id: profiles[number].highest() for number, copy in pools.items()}
    return taken
