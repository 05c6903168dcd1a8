"""Imports from beginning to end: read apart, apply in batches, keep the report."""

import logging
from dataclasses import dataclass
from datetime import datetime

from hubkit import ids
from hubkit.db import Pool
from services.catalog.domain.imported import Note, Report
from services.catalog.formats.apart import read_calendar_apart
from services.catalog.formats.hub_file import read_hub_file
from services.catalog.handlers.house import House, changing
from services.catalog.handlers.imports import calendar, hub
from services.catalog.handlers.publishing import Actor
from services.catalog.limits import IMPORT_BATCH
from services.catalog.store import imports

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Run:
    """One import while it runs."""

    system: str
    format_name: str
    actor: Actor
    report: Report


async def import_hub(house: House, pool: Pool, data: bytes, *, actor: Actor) -> Report:
    """Apply a hub file; BadHubFile before anything was changed. Repeating it is harmless, also after a crash in between."""
    parsed = read_hub_file(data, hub_id=house.hub_id, derive=ids.derived)
    run = _Run(hub.SOURCE, "hub-file", actor, Report())
    async with changing(house, pool) as (tx, now):
        started_at = now
        await hub.apply_entities(tx, parsed, run.report, hub_id=house.hub_id, actor=actor, now=now)
    for first in range(0, len(parsed.offers), IMPORT_BATCH):
        part = parsed.offers[first : first + IMPORT_BATCH]
        async with changing(house, pool) as (tx, now):
            await hub.apply_offers(tx, part, run.report, hub_id=house.hub_id, actor=actor, now=now)
    await _keep(house, pool, run, started_at)
    return run.report


async def import_calendar(
    house: House, pool: Pool, data: bytes, *, system: str, shift: bool, accept_gone: bool, actor: Actor
) -> Report:
    """Apply an iCalendar file of a configured source.

    Errors, before anything was changed: Unreadable, Killed, UnknownSource, TooManyGone.
    """
    parsed = await read_calendar_apart(data, str(house.zone))
    run = _Run(system, "icalendar", actor, Report())
    async with changing(house, pool) as (tx, now):
        started_at = now
        planned = await calendar.plan(tx, system, parsed, shift=shift, accept_gone=accept_gone, now=now)
        run.report.shift_weeks = planned.shift_weeks
    for first in range(0, len(parsed.records), IMPORT_BATCH):
        part = parsed.records[first : first + IMPORT_BATCH]
        async with changing(house, pool) as (tx, now):
            await calendar.apply_records(tx, part, planned, run.report, hub_id=house.hub_id, actor=actor, now=now)
    async with changing(house, pool) as (tx, now):
        await calendar.withdraw_gone(tx, planned, run.report, hub_id=house.hub_id, actor=actor, now=now)
    for failure in parsed.failures:
        run.report.add(failure.position, failure.outcome, [Note(failure.note.field, failure.note.code, failure.note.value)])
    await _keep(house, pool, run, started_at)
    return run.report


async def _keep(house: House, pool: Pool, run: _Run, started_at: datetime) -> None:
    counts, rows = hub.report_text(run.report)
    async with changing(house, pool) as (tx, now):
        await imports.insert_import(
            tx,
            ids.new(),
            system=run.system,
            format_name=run.format_name,
            started_at=started_at,
            finished_at=now,
            by=str(run.actor),
            counts=counts,
            report=rows,
        )
    for outcome, number in run.report.records.items():
        house.metrics.add("catalog_import_records_total", number, source=run.system, outcome=outcome)
    log.info("import done", extra={"action": "import", "count": sum(run.report.records.values()), "kind": run.format_name})
