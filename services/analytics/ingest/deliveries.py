"""What became of messages goes in, each event once; the figure of it is `message_quality`. Idempotent by event id."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID
from zoneinfo import ZoneInfo

from contracts import topics
from contracts.envelope import Event
from hubkit.clock import Clock
from hubkit.db import Pool, Tx
from hubkit.telemetry import Metrics
from services.analytics.domain.rows import DeliveryRow, Kept
from services.analytics.limits import LOG_AHEAD_MAX, RETENTION
from services.analytics.store import deliveries, freshness, quarantine
from services.analytics.wire.deliveries import read_delivery
from services.analytics.wire.held import held_delivery


@dataclass(slots=True)
class Plan:
    """What the batch was read as, by the identity of its events."""

    rows: dict[int, DeliveryRow] = field(default_factory=dict)


async def plan_deliveries(where: ZoneInfo, pool: Pool, batch: Sequence[Event], extra: frozenset[str]) -> Plan:
    """Read the batch; nothing is asked of the database."""
    read = {id(event): read_delivery(event, where) for event in batch}
    return Plan({key: row for key, row in read.items() if row is not None})


async def store_deliveries(clock: Clock, metrics: Metrics, tx: Tx, batch: Sequence[Event], plan: Plan) -> Mapping[int, str]:
    """Store what is new; {position: `event_id_reused`} of what came with other content."""
    now = await clock.now(tx)
    good: list[tuple[int, DeliveryRow]] = []
    held: list[Kept] = []
    for position, event in enumerate(batch):
        row = plan.rows.get(id(event))
        if row is None:
            metrics.add("analytics_passed_over_total", type=event.bare_type)
        elif row.occurred_at > now + LOG_AHEAD_MAX:
            held.append(held_delivery(row, "log_ahead"))
        elif row.occurred_at < now - RETENTION:
            held.append(held_delivery(row, "log_too_old"))
        else:
            good.append((position, row))
    if held:
        await quarantine.insert_entries(tx, held)
        for each in held:
            metrics.add("analytics_quarantined_total", reason=each.reason)
    if not good:
        return {}
    new = await deliveries.insert_deliveries(tx, [row for _, row in good])
    metrics.add("analytics_ingest_events_total", len(new))
    await freshness.note_reading(tx, topics.NOTIFY_DELIVERIES.name, max(row.occurred_at for _, row in good))
    return await _reused(tx, good, new)


async def _reused(tx: Tx, rows: Sequence[tuple[int, DeliveryRow]], new: set[UUID]) -> dict[int, str]:
    """Positions whose id stands in the table with other content, copies inside the batch included."""
    if len(new) == len(rows):
        return {}
    standing = await deliveries.read_hashes(tx, [row.event_id for _, row in rows])
    return {position: "event_id_reused" for position, row in rows if standing[row.event_id] != row.content_hash}
