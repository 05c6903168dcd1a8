"""What lay in the quarantine counts after all: an operator has looked at it."""

from uuid import UUID

from hubkit.db import Tx
from services.analytics.ingest.facts import write_rows
from services.analytics.store import deliveries, quarantine, states
from services.analytics.wire import held

# A span that goes backwards or on for years, a zone that does not exist: nothing can be computed of them.
NEVER = frozenset({"span_not_forward", "span_too_long", "unknown_zone"})


async def release(tx: Tx, quarantine_id: UUID, by: str) -> str | None:
    """Store a kept entry as if nothing had been wrong with it; None when done, else `not_found`, `not_kept`, `not_usable`.

    A state of the catalogue takes the place of what stands under its revision. Errors: Repeat, as `write_rows`.
    """
    entry = await quarantine.lock_entry(tx, quarantine_id)
    if entry is None:
        return "not_found"
    if entry.state != "kept":
        return "not_kept"
    if entry.reason in NEVER:
        return "not_usable"
    if entry.kind == "fact":
        await write_rows(tx, [held.fact_of(entry.content)], all_versions=True)
    elif entry.kind == "delivery":
        await deliveries.insert_deliveries(tx, [held.delivery_of(entry.content)])
    else:
        offer, resources = held.offer_of(entry.content)
        await states.replace_state(tx, offer, resources)
        await states.mark_resources(tx, offer)
    await quarantine.release_entry(tx, quarantine_id, by)
    return None
