"""What time alone changes: scheduled offers, ended ones, tombstones, the horizon, large republishings.

Each takes the catalogue's lock or leaves the turn to whoever has it: several processes need no further lease.
"""

import json
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from hubkit import ids
from hubkit.db import Tx
from services.catalog.domain.entities import Place
from services.catalog.domain.rows import EntityWrite, OfferRow
from services.catalog.formats import public_holidays
from services.catalog.handlers import publishing, steps
from services.catalog.handlers.publishing import Actor, Wish
from services.catalog.limits import HORIZON, REPUBLISH_OFFERS_MAX, TOMBSTONE_AFTER
from services.catalog.store import entities, offers
from services.catalog.wire import documents

SYSTEM = Actor("system", "catalog")
_JOBS = UUID("0b6c1f4e-6d0e-5c39-9a51-3f4d8e2b7a10")  # namespace of the ids of jobs that are made once


async def publish_due(tx: Tx, *, hub_id: str, now: datetime) -> int:
    """Publish what was scheduled for `now` or earlier; what the gate stops goes to review, with its errors. Their number."""
    rows = await offers.lock_offers(tx, await offers.due_from(tx, now=now))
    if not rows:
        return 0
    catalogue = await publishing.read_catalogue(tx, hub_id=hub_id)
    built = await publishing.build(tx, [_frozen(each) for each in rows], catalogue, now=now)
    for each in built:
        if each.findings.errors:
            errors = json.dumps([{"pointer": error.pointer, "code": error.code} for error in each.findings.errors])
            await offers.save_status(tx, each.wish.row.offer_id, "in_review", gate_errors=errors)
    passed = [each for each in built if not each.findings.errors]
    await publishing.write(tx, passed, hub_id=hub_id, actor=SYSTEM, now=now)
    return len(rows)


def _frozen(row: OfferRow) -> Wish:
    assert row.frozen is not None, "a scheduled offer was frozen when it was scheduled"
    return Wish(row, documents.OFFERS.parse(row.frozen), "published")


async def withdraw_due(tx: Tx, *, hub_id: str, now: datetime) -> int:
    """Withdraw what was to be shown until `now` or earlier; their number."""
    rows = await offers.lock_offers(tx, await offers.due_until(tx, now=now))
    for row in rows:
        await steps.withdraw(tx, row, reason="publish_until", hub_id=hub_id, actor=SYSTEM, now=now)
    return len(rows)


async def bury_due(tx: Tx, *, hub_id: str, now: datetime) -> int:
    """Send tombstones of what was withdrawn long enough ago; their number."""
    gone = await offers.take_tombstones(tx, withdrawn_before=now - TOMBSTONE_AFTER, now=now)
    await steps.send_tombstones(tx, gone, hub_id=hub_id, now=now)
    return len(gone)


async def extend_horizon(tx: Tx, *, zone: ZoneInfo, now: datetime) -> None:
    """Once a local day: holidays that came within reach, then a job that builds all live offers anew.

    Idempotent by the day: the job's id is made of it.
    """
    today = now.astimezone(zone).date()
    await propose_holidays(tx, zone=zone, now=now)
    job_id = ids.derived(_JOBS, f"horizon/{today.isoformat()}")
    await offers.insert_job(tx, job_id, await offers.live_offers(tx), now=now, by=str(SYSTEM))


async def propose_holidays(tx: Tx, *, zone: ZoneInfo, now: datetime) -> list[str]:
    """Add the public holidays of the horizon that are not known yet; ids of the places they close. Known ones are staff's."""
    places: list[Place] = [documents.PLACES.parse(each.document) for each in await entities.read_entities(tx, "places")]
    first, last = public_holidays.horizon_days(now, HORIZON, zone)
    closures = [each for place in places for each in public_holidays.closures(place, first=first, last=last, zone=zone)]
    known = await entities.read_some_entities(tx, "blackouts", [each.blackout_id for each in closures])
    fresh = [each for each in closures if each.blackout_id not in known]
    writes = [EntityWrite(each.blackout_id, documents.text(documents.BLACKOUTS.write(each))) for each in fresh]
    await entities.save_entities(tx, "blackouts", writes, source="holidays", now=now, by=str(SYSTEM))
    return sorted({each.scope_id for each in fresh if each.scope_id is not None and not each.proposed})


async def work_on_job(tx: Tx, *, hub_id: str, now: datetime) -> int:
    """Build the next part of the oldest job; number of offers looked at, 0 = no job."""
    taken = await offers.take_job(tx, limit=REPUBLISH_OFFERS_MAX)
    if taken is None:
        return 0
    job_id, offer_ids, by = taken
    role, _, actor_id = by.partition("/")
    await steps.republish(tx, offer_ids, hub_id=hub_id, actor=Actor(role, actor_id), now=now, skip_broken=True)
    await offers.advance_job(tx, job_id, by=len(offer_ids))
    return len(offer_ids)
