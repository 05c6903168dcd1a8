"""What the handlers of one process share: who we are, the clock, metrics, and offers made ready."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from hubkit.clock import Clock
from hubkit.db import ReadConn, Tx
from hubkit.telemetry import Metrics
from services.booking.domain.codes import Role
from services.booking.domain.copies import Status
from services.booking.domain.offers import Offer
from services.booking.limits import OFFERS_CACHED_MAX
from services.booking.store import offers as store_offers
from services.booking.store import resources as store_resources
from services.booking.wire import offers as wire_offers


@dataclass(slots=True)
class Shelf:
    """Offers made ready, by id: parsing one takes longer than deciding on it.

    What lies here may be outdated; whoever decides compares revisions under the locks, and lets go of what differs.
    """

    _offers: dict[str, Offer] = field(default_factory=dict)

    def at_hand(self, offer_ids: Collection[str]) -> dict[str, Offer]:
        """Those of the offers that lie here."""
        return {offer_id: self._offers[offer_id] for offer_id in offer_ids if offer_id in self._offers}

    async def take(self, conn: ReadConn | Tx, offer_ids: Collection[str]) -> dict[str, Offer]:
        """The offers by id, those that do not lie here read; unknown ids are left out."""
        found = self.at_hand(offer_ids)
        missing = [offer_id for offer_id in offer_ids if offer_id not in found]
        if missing:
            fresh = await _read(conn, missing)
            if len(self._offers) + len(fresh) > OFFERS_CACHED_MAX:
                self._offers.clear()
            self._offers |= fresh
            found |= fresh
        return found

    async def take_current(self, conn: ReadConn | Tx, offer_ids: Collection[str]) -> dict[str, Offer]:
        """The offers as the database has them now, read again if they changed; for questions, which take no locks."""
        known = self.at_hand(offer_ids)
        if known:
            held = {offer.offer_id: [r for part in offer.components for r in part.resources] for offer in known.values()}
            revisions = await store_offers.read_revisions(conn, known)
            current = await store_resources.read_revisions(conn, {r.resource_id for rs in held.values() for r in rs})
            self.drop(
                name
                for name, offer in known.items()
                if not is_current(offer, revisions) or any(current.get(r.resource_id) != r.revision for r in held[name])
            )
        return await self.take(conn, offer_ids)

    def drop(self, offer_ids: Iterable[str]) -> None:
        """Let go of offers that are outdated."""
        for offer_id in offer_ids:
            self._offers.pop(offer_id, None)


async def _read(conn: ReadConn | Tx, offer_ids: Collection[str]) -> dict[str, Offer]:
    copies = await store_offers.read_offers(conn, offer_ids)
    named = {resource_id for copy in copies for resource_id in copy.resource_ids}
    resources = {copy.resource_id: copy for copy in await store_resources.read_resources(conn, named)} if named else {}
    return {copy.offer_id: wire_offers.offer_of(copy, resources) for copy in copies}


def is_current(offer: Offer, revisions: Mapping[str, tuple[int, Status]]) -> bool:
    """Whether the offer's own rules are those of the database; its resources have revisions of their own."""
    known = revisions.get(offer.offer_id)
    return known is not None and known[0] == offer.revision and offer.published == (known[1] is Status.PUBLISHED)


@dataclass(frozen=True, slots=True)
class House:
    """What every handler gets besides its transaction. `sources` widens the default of who may speak for whom."""

    hub_id: str
    check_in_key: bytes
    sources: Mapping[str, frozenset[Role]]
    clock: Clock
    metrics: Metrics
    shelf: Shelf = field(default_factory=Shelf)

    @property
    def source(self) -> str:
        """The `ce_source` of what we say."""
        return f"urn:hub:{self.hub_id}:booking"
