"""A hub file applied: first what offers lean on, in one transaction, then the offers in batches."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from hubkit.db import Tx
from services.catalog.domain import life
from services.catalog.domain.entities import Offer
from services.catalog.domain.imported import ImportSource, Note, Outcome, Report
from services.catalog.domain.rows import EntityKind, EntityWrite, OfferRow, OfferWrite
from services.catalog.formats.hub_reading import Hub, OfferRecord
from services.catalog.handlers import steps, timers
from services.catalog.handlers.entities import Entity, Touched, document_of, id_of, publish_again, touch
from services.catalog.handlers.publishing import Actor
from services.catalog.store import dates, entities, offers
from services.catalog.wire import documents

SOURCE = "hub-file"


async def apply_entities(tx: Tx, hub: Hub, report: Report, *, hub_id: str, actor: Actor, now: datetime) -> None:
    """Contacts, places, resources, closures, sources; live offers that show what changed go out again.

    Idempotent by the fingerprint of each entry. The catalogue's lock is held.
    """
    touched = Touched()
    groups: list[tuple[EntityKind, Sequence[Entity]]] = [
        ("contacts", hub.contacts),
        ("terms", hub.terms),
        ("places", hub.places),
        ("resources", hub.resources),
        ("blackouts", hub.blackouts),
    ]
    for kind, group in groups:
        await _apply(tx, kind, group, touched, report, actor=actor, now=now)
    await _apply_sources(tx, hub.sources, report, actor=actor, now=now)
    for zone in {each.offer.time_zone for each in hub.offers}:
        touched.place_ids.update(await timers.propose_holidays(tx, zone=ZoneInfo(zone), now=now))
    again = await publish_again(tx, touched, hub_id=hub_id, actor=actor, now=now)
    report.published += len(again.offer_ids)


async def _apply(
    tx: Tx, kind: EntityKind, group: Iterable[Entity], touched: Touched, report: Report, *, actor: Actor, now: datetime
) -> None:
    by_id = {id_of(each): each for each in group}
    known = await entities.read_some_entities(tx, kind, list(by_id))
    writes = []
    for entity_id, entity in by_id.items():
        body = document_of(entity)
        fingerprint = documents.fingerprint(body)
        row = known.get(entity_id)
        if row is not None and row.source_hash == fingerprint:
            report.add(f"{kind}.{entity_id}", "unchanged")
            continue
        writes.append(EntityWrite(entity_id, documents.text(body), fingerprint))
        touch(touched, entity, row)
        report.add(f"{kind}.{entity_id}", "updated" if row else "created")
    await entities.save_entities(tx, kind, writes, source=SOURCE, now=now, by=str(actor))


async def _apply_sources(tx: Tx, sources: Iterable[ImportSource], report: Report, *, actor: Actor, now: datetime) -> None:
    by_id = {each.system: documents.SOURCES.write(each) for each in sources}
    known = await entities.read_some_entities(tx, "import_sources", list(by_id))
    writes = []
    for system, body in by_id.items():
        fingerprint = documents.fingerprint(body)
        outcome: Outcome = "created" if system not in known else "updated"
        if system in known and known[system].source_hash == fingerprint:
            outcome = "unchanged"
        else:
            writes.append(EntityWrite(system, documents.text(body), fingerprint))
        report.add(f"import_sources.{system}", outcome)
    await entities.save_entities(tx, "import_sources", writes, source=SOURCE, now=now, by=str(actor))


async def apply_offers(
    tx: Tx, records: Sequence[OfferRecord], report: Report, *, hub_id: str, actor: Actor, now: datetime
) -> None:
    """One batch of offers: working copies that differ are saved, those to be published go through the gate.

    Idempotent by the fingerprint of each entry; one that the gate stopped before is tried again. The catalogue's lock is held.
    """
    rows = {each.offer_id: each for each in await offers.lock_offers(tx, [record.offer.offer_id for record in records])}
    writes: list[OfferWrite] = []
    schedules: list[tuple[str, str, int, str]] = []
    outcomes: dict[str, Outcome] = {}
    for record in records:
        offer_id, row = record.offer.offer_id, rows.get(record.offer.offer_id)
        write = _write_of(record, row)
        if row is not None and row.source_hash == write.source_hash:
            outcomes[offer_id] = "unchanged"
            continue
        outcomes[offer_id] = "updated" if row else "created"
        writes.append(write)
        schedules += schedule_rows(record.offer)
    await offers.save_offers(tx, writes, now=now, by=str(actor))
    await dates.replace_schedules(tx, [each.offer_id for each in writes], schedules, now=now, by=str(actor))
    wanted = [each.offer.offer_id for each in records if each.publish]
    stopped = await publish_saved(tx, wanted, outcomes, report, hub_id=hub_id, actor=actor, now=now)
    for record in records:
        offer_id = record.offer.offer_id
        report.add(f"offers.{record.slug}", outcomes[offer_id], stopped.get(offer_id, ()))


def _write_of(record: OfferRecord, row: OfferRow | None) -> OfferWrite:
    body = documents.OFFERS.write(record.offer)
    fingerprint = documents.fingerprint([body, record.publish])
    body.pop("schedules", None)
    status = life.after_edit(row.status) if row else "draft"
    offer_id, kind = record.offer.offer_id, record.offer.kind
    return OfferWrite(offer_id, kind, status, documents.text(body), SOURCE, record.slug, fingerprint)


def schedule_rows(offer: Offer) -> list[tuple[str, str, int, str]]:
    """The offer's schedules as they are stored: schedule id, offer id, position, document."""
    return [
        (each.schedule_id, offer.offer_id, n, documents.text(documents.SCHEDULES.write(each)))
        for n, each in enumerate(offer.schedules)
    ]


async def publish_saved(
    tx: Tx, wanted: Sequence[str], outcomes: dict[str, Outcome], report: Report, *, hub_id: str, actor: Actor, now: datetime
) -> dict[str, list[Note]]:
    """Publish what changed or was never published; notes of those that the gate stopped, by offer id."""
    rows = await offers.lock_offers(tx, wanted)
    due = [each for each in rows if outcomes[each.offer_id] != "unchanged" or (each.status == "draft" and each.revision == 0)]
    due = [each for each in due if isinstance(life.after("publish", each.status), str)]
    done = await steps.publish(tx, due, hub_id=hub_id, actor=actor, now=now)
    stopped: dict[str, list[Note]] = {}
    for offer_id, outcome in done.items():
        if isinstance(outcome, steps.Closed):
            stopped[offer_id] = [Note(each.pointer, "gate", each.code) for each in outcome.findings.errors]
        else:
            report.published += outcome.sent
    return stopped


def report_text(report: Report) -> tuple[str, str]:
    """Counts and rows as JSON."""
    rows = [[row.position, row.outcome, row.field, row.code, row.value] for row in report.rows]
    counts = {**report.records, "published": report.published, "shift_weeks": report.shift_weeks}
    return json.dumps(counts), json.dumps(rows, ensure_ascii=False)
