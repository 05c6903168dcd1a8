"""States of the catalogue go in, every revision once (analytics.md §4). Idempotent by offer and revision.

Same revision with other content is nobody's to guess: it is quarantined, the first content stays. Open days are derived by a
worker, from marks: an offer with 400 sessions would hold the batch's transaction too long.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from contracts import topics
from contracts.envelope import Event
from hubkit import points
from hubkit.clock import Clock
from hubkit.db import Pool, Tx
from hubkit.telemetry import Metrics
from services.analytics.domain.rows import Kept, OfferRow, ResourceRow
from services.analytics.domain.zones import zone
from services.analytics.limits import LOG_AHEAD_MAX
from services.analytics.store import freshness, quarantine, states
from services.analytics.wire.held import held_offer
from services.analytics.wire.offers import read_state

log = logging.getLogger(__name__)

State = tuple[OfferRow, list[ResourceRow]]


@dataclass(slots=True)
class Plan:
    """What the batch was read as, by the identity of its events; tombstones say nothing new and are left out."""

    states: dict[int, State] = field(default_factory=dict)


async def plan_states(pool: Pool, batch: Sequence[Event], extra: frozenset[str]) -> Plan:
    """Read the batch; nothing is asked of the database."""
    read = {id(event): read_state(event) for event in batch}
    return Plan({key: state for key, state in read.items() if state is not None})


async def store_states(clock: Clock, metrics: Metrics, tx: Tx, batch: Sequence[Event], plan: Plan) -> None:
    """Keep what is new and mark what has to be derived anew."""
    latest = await clock.now(tx) + LOG_AHEAD_MAX
    held: list[Kept] = []
    for event in batch:
        state = plan.states.get(id(event))
        if state is None:
            metrics.add("analytics_passed_over_total", type="tombstone")
        elif not all(_is_zone(row.time_zone) for row in state[1]):
            held.append(held_offer(*state, "unknown_zone"))
        elif event.time > latest:
            held.append(held_offer(*state, "log_ahead"))
        elif not await write_state(tx, *state):
            held.append(held_offer(*state, "revision_conflict"))
    if held:
        await quarantine.insert_entries(tx, held)
        for each in held:
            metrics.add("analytics_quarantined_total", reason=each.reason)
        log.warning("states quarantined", extra={"action": "quarantine", "count": len(held)})
    await freshness.note_reading(tx, topics.CATALOG_OFFERS.name, min(latest, max(event.time for event in batch)))
    points.reached("analytics.after_marks")


async def write_state(tx: Tx, offer: OfferRow, resources: list[ResourceRow]) -> bool:
    """Keep one state; false if it, or a resource in it, was known with other content."""
    if await states.insert_offer(tx, offer) != offer.content_hash:
        return False
    conflicts = await states.insert_resources(tx, resources) if resources else []
    await states.mark_resources(tx, offer)
    return not conflicts


def _is_zone(name: str) -> bool:
    try:
        zone(name)
    except LookupError:
        return False
    return True
