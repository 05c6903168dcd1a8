"""Records of a source applied: identity is (source, source id), texts are the source's, everything else is staff's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from hubkit import ids
from hubkit.db import Tx
from services.catalog.domain import life
from services.catalog.domain.entities import Json
from services.catalog.domain.imported import (
    ImportSource,
    Note,
    Outcome,
    Parsed,
    Record,
    Report,
    is_over,
    schedules_of,
    shifted,
    weeks_to_present,
    working_copy,
)
from services.catalog.domain.occurrences import offer_uuid
from services.catalog.domain.rows import OfferRow, OfferWrite
from services.catalog.formats.hub_reading import offer_id_of
from services.catalog.handlers import steps
from services.catalog.handlers.imports.hub import publish_saved, schedule_rows
from services.catalog.handlers.publishing import Actor
from services.catalog.limits import IMPORT_GONE_SHARE_MAX
from services.catalog.store import dates, entities, imports, offers
from services.catalog.wire import documents


@dataclass(frozen=True, slots=True)
class Plan:
    """A source as it stands before its records are applied."""

    source: ImportSource
    shift_weeks: int
    known: Mapping[str, str]  # source id -> offer id
    gone: tuple[str, ...]  # offer ids whose record is not in the file any more


class UnknownSource(Exception):
    """No source of this name was configured."""


class TooManyGone(Exception):
    """So many offers would vanish that the file is more likely broken: nothing was changed."""

    def __init__(self, gone: int, known: int) -> None:
        super().__init__(f"{gone} of {known}")
        self.gone = gone
        self.known = known


async def plan(tx: Tx, system: str, parsed: Parsed, *, shift: bool, accept_gone: bool, now: datetime) -> Plan:
    """Read the source, settle the shift, find what vanished; UnknownSource, TooManyGone. The catalogue's lock is held.

    A shift is drawn once and kept, so that the same file next week is still the same; anew when all its dates have passed.
    """
    row = (await entities.read_some_entities(tx, "import_sources", [system])).get(system)
    if row is None:
        raise UnknownSource(system)
    source = documents.SOURCES.parse(row.document)
    weeks = await imports.read_shift(tx, system)
    if shift and all(is_over(shifted(each, weeks), now=now) for each in parsed.records if _is_single(each)):
        weeks = weeks_to_present(parsed.records, now=now)
        await imports.save_shift(tx, system, weeks)
    rows = await offers.lock_offers_of_source(tx, system)
    known = {each.source_id: each.offer_id for each in rows if each.source_id is not None}
    gone = tuple(offer_id for source_id, offer_id in known.items() if source_id not in parsed.source_ids)
    if gone and len(gone) > len(known) * IMPORT_GONE_SHARE_MAX and not accept_gone:
        raise TooManyGone(len(gone), len(known))
    return Plan(source, weeks, known, gone)


def _is_single(record: Record) -> bool:
    return record.schedule is not None and record.schedule.rrule is None


async def apply_records(
    tx: Tx, records: Sequence[Record], planned: Plan, report: Report, *, hub_id: str, actor: Actor, now: datetime
) -> None:
    """One batch. New records whose dates are all over are left out; trusted sources publish through the gate.

    Idempotent by the fingerprint of record, shift and source. The catalogue's lock is held.
    """
    system = planned.source.system
    offer_ids = {
        each.source_id: planned.known.get(each.source_id) or offer_id_of(hub_id, f"{system}/{each.source_id}", ids.derived)
        for each in records
    }
    rows = {each.offer_id: each for each in await offers.lock_offers(tx, list(offer_ids.values()))}
    writes: list[OfferWrite] = []
    schedules: list[tuple[str, str, int, str]] = []
    outcomes: dict[str, Outcome] = {}
    applied: list[tuple[Record, str]] = []
    for original in records:
        record, offer_id = shifted(original, planned.shift_weeks), offer_ids[original.source_id]
        row = rows.get(offer_id)
        if row is None and is_over(record, now=now):
            report.add(record.position, "skipped", [Note("DTSTART", "past"), *_lasting(record)])
            continue
        applied.append((record, offer_id))
        fingerprint = _fingerprint(record, planned)
        if row is not None and row.source_hash == fingerprint:
            outcomes[offer_id] = "unchanged"
            continue
        outcomes[offer_id] = "updated" if row else "created"
        write, rows_of_dates = _write_of(record, row, planned.source, fingerprint, offer_id=offer_id, now=now)
        writes.append(write)
        schedules += rows_of_dates
    await offers.save_offers(tx, writes, now=now, by=str(actor))
    await dates.replace_schedules(tx, [each.offer_id for each in writes], schedules, now=now, by=str(actor))
    stopped: dict[str, list[Note]] = {}
    if planned.source.trusted:
        wanted = [offer_id for record, offer_id in applied if not record.hold_back and not is_over(record, now=now)]
        stopped = await publish_saved(tx, wanted, outcomes, report, hub_id=hub_id, actor=actor, now=now)
    for record, offer_id in applied:
        notes = [*record.notes, *stopped.get(offer_id, ())]
        if not planned.source.trusted:
            notes.append(Note("", "not_trusted"))
        elif record.hold_back:
            notes.append(Note("", "held_back"))
        report.add(record.position, outcomes[offer_id], notes)


def _lasting(record: Record) -> list[Note]:
    return [each for each in record.notes if each.code != "shifted"]


def _fingerprint(record: Record, planned: Plan) -> bytes:
    schedule: Json = documents.SCHEDULES.write(record.schedule) if record.schedule else None
    return documents.fingerprint(
        [
            record.title,
            record.description,
            list(record.keywords),
            record.is_free,
            schedule,
            list(record.hold_back),
            documents.SOURCES.write(planned.source),
        ]
    )


def _write_of(
    record: Record, row: OfferRow | None, source: ImportSource, fingerprint: bytes, *, offer_id: str, now: datetime
) -> tuple[OfferWrite, list[tuple[str, str, int, str]]]:
    existing = documents.OFFERS.parse(row.document) if row else None
    offer = working_copy(record, existing, source, offer_id=offer_id, now=now)
    schedule_id = str(ids.derived(offer_uuid(offer_id), "schedule/imported"))
    rows_of_dates = schedule_rows(replace(offer, schedules=schedules_of(record, source, schedule_id=schedule_id)))
    status = life.after_edit(row.status) if row else "draft"
    document = documents.text(documents.OFFERS.write(offer))
    write = OfferWrite(offer_id, offer.kind, status, document, source.system, record.source_id, fingerprint)
    return write, rows_of_dates


async def withdraw_gone(tx: Tx, planned: Plan, report: Report, *, hub_id: str, actor: Actor, now: datetime) -> None:
    """What vanished from a whole file leaves the bus; drafts of it stay for staff to see. The catalogue's lock is held."""
    for row in await offers.lock_offers(tx, planned.gone):
        if row.status in life.LIVE:
            await steps.withdraw(tx, row, reason="source", hub_id=hub_id, actor=actor, now=now)
            report.published += 1
            report.add(row.offer_id, "withdrawn", [Note("UID", "gone")])
