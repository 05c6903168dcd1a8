"""Working copies of offers and their schedules: create, change, read. Nothing here is seen by visitors."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from hubkit.db import Tx
from services.catalog.domain import checks, life
from services.catalog.domain.entities import Json, Offer, Problem, Schedule
from services.catalog.domain.merge import merged
from services.catalog.domain.rows import OfferRow, OfferWrite, ScheduleRow
from services.catalog.formats.recurrence import BadRule, checked_rule
from services.catalog.handlers.publishing import Actor
from services.catalog.handlers.steps import Stale
from services.catalog.limits import SCHEDULES_MAX
from services.catalog.store import dates, offers
from services.catalog.wire import documents
from services.catalog.wire.documents import BadDocument, JsonObject


@dataclass(frozen=True, slots=True)
class Saved:
    """The entity stands as wished; `created` and `changed` tell what that took."""

    id: str
    version: int
    created: bool
    changed: bool


@dataclass(frozen=True, slots=True)
class Exists:
    """There is one of this id, with other content."""

    version: int


def read_offer(body: JsonObject, *, hub_id: str) -> Offer:
    """A working copy from outside; BadDocument."""
    offer = documents.OFFERS.read(body)
    problems = list(checks.offer_problems(offer, hub_id=hub_id))
    if problems:
        raise BadDocument(problems)
    return offer


def read_schedule(body: JsonObject) -> Schedule:
    """A schedule from outside, its rule in one writing; BadDocument."""
    schedule = documents.SCHEDULES.read(body)
    problems = list(checks.schedule_problems(schedule))
    if schedule.rrule is not None:
        try:
            schedule = replace(schedule, rrule=checked_rule(schedule.rrule))
        except BadRule as exc:
            problems.append(Problem("/rrule", exc.code))
    if problems:
        raise BadDocument(problems)
    return schedule


async def create_offer(tx: Tx, offer: Offer, *, actor: Actor, now: datetime) -> Saved | Exists:
    """Create a draft under the id its client made; repeating it is harmless."""
    document = documents.text(documents.OFFERS.write(offer))
    for row in await offers.lock_offers(tx, [offer.offer_id]):
        if json.loads(row.document) == json.loads(document):
            return Saved(offer.offer_id, row.version, created=False, changed=False)
        return Exists(row.version)
    await offers.save_offers(tx, [OfferWrite(offer.offer_id, offer.kind, "draft", document)], now=now, by=str(actor))
    return Saved(offer.offer_id, 1, created=True, changed=True)


async def patch_offer(
    tx: Tx, row: OfferRow, changes: Mapping[str, Json], *, expected_version: int, hub_id: str, actor: Actor, now: datetime
) -> Saved | Stale:
    """Apply a JSON Merge Patch (RFC 7396) to the working copy; BadDocument if the result is none. The row is held."""
    if row.version != expected_version:
        return Stale(row.version, row.edited_at, row.edited_by)
    before = documents.OFFERS.parse(row.document)
    patched = merged(documents.OFFERS.write(before), dict(changes))
    assert isinstance(patched, dict), "an object patched by an object"
    after = read_offer(patched, hub_id=hub_id)
    if after.offer_id != before.offer_id:
        raise BadDocument([Problem("/offer_id", "read_only")])
    reviewed_text_changed = checks.simple_texts(after) != checks.simple_texts(before)
    if reviewed_text_changed and after.simple_review == before.simple_review:
        after = replace(after, simple_review=None)  # the review was of other words
    if after == before:
        return Saved(row.offer_id, row.version, created=False, changed=False)
    write = OfferWrite(
        row.offer_id,
        after.kind,
        life.after_edit(row.status),
        documents.text(documents.OFFERS.write(after)),
        row.source,
        row.source_id,
        row.source_hash,
    )
    await offers.save_offers(tx, [write], now=now, by=str(actor))
    return Saved(row.offer_id, row.version + 1, created=False, changed=True)


async def save_schedule(
    tx: Tx, offer_id: str, schedule: Schedule, known: ScheduleRow | None, *, creating: bool, actor: Actor, now: datetime
) -> Saved | Exists:
    """Insert or replace a schedule of a working copy; the offer's row is held. BadDocument if it has too many."""
    document = documents.text(documents.SCHEDULES.write(schedule))
    if known is not None and json.loads(known.document) == json.loads(document):
        return Saved(schedule.schedule_id, known.version, created=False, changed=False)
    if creating and known is not None:
        return Exists(known.version)
    if known is None and len(await dates.read_schedules(tx, [offer_id])) >= SCHEDULES_MAX:
        raise BadDocument([Problem("", "too_many")])
    await dates.save_schedule(tx, schedule.schedule_id, offer_id, document, now=now, by=str(actor))
    version = known.version + 1 if known else 1
    return Saved(schedule.schedule_id, version, created=known is None, changed=True)
