"""Questions by HTTP: figures and their definitions, totals, the quarantine. Figures are read from roll-ups only.

Figures below level hub have to pass the suppression of small numbers first: other levels are refused here.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import SecretStr

from hubkit.db import Pool, ReadConn, reading, transaction
from hubkit.errors import Repeat
from hubkit.http import Actor, Problem, actor_with
from services.analytics import kpi as registry
from services.analytics.domain import periods
from services.analytics.domain.periods import Period
from services.analytics.ingest.release import release
from services.analytics.kpi import Dimension, Kpi, Rollup
from services.analytics.limits import FIGURE_PERIODS_MAX, FIGURE_ROWS_MAX, QUARANTINE_PAGE_MAX
from services.analytics.store import figures, freshness, quarantine
from services.analytics.store.figures import Row, Window
from services.analytics.store.freshness import AsOf

LEVEL = "hub"
READERS = ("manager", "operator")  # of level hub
DEFINITION_READERS = (*READERS, "analyst")

Read = Callable[[ReadConn, Window, str, int], Awaitable[list[Row]]]
_READ: Mapping[Rollup, Read] = {
    Rollup.RESOURCES: figures.read_resources,
    Rollup.OFFERS: figures.read_offers,
    Rollup.STATES: figures.read_states,
    Rollup.REFUSALS: figures.read_refusals,
    Rollup.LEADS: figures.read_leads,
}


@dataclass(frozen=True, slots=True)
class Definition:
    """A figure of the registry. `by`: how it may be broken down besides time."""

    kpi: str
    version: int
    unit: str
    by: list[str]
    person_based: bool
    name: Mapping[str, str]
    definition: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Definitions:
    """All figures, and the version of their definitions together."""

    version: int
    kpis: list[Definition]


@dataclass(frozen=True, slots=True)
class FigureRow:
    """One figure; without `value` it is undefined, shown as a dash and never as 0. Numerators are seconds or counts."""

    period: str
    first_day: date
    key: Mapping[str, str]
    value: float | None
    numerator: float | None
    denominator: float | None
    status: str
    revision: int | None


@dataclass(frozen=True, slots=True)
class Freshness:
    """As of when: how far the log was read, what is still to be computed, by which definitions and at which level."""

    offsets: Mapping[str, Mapping[str, int]]
    last_event_at: datetime | None
    read_at: datetime | None
    dirty_days: int
    oldest_mark_at: datetime | None
    watermark: int
    kpi_version: int
    level: str
    revision: int | None


@dataclass(frozen=True, slots=True)
class FiguresAnswer:
    """Rows in order of period and key."""

    kpi: str
    version: int
    unit: str
    period: str
    by: str | None
    hub: str
    rows: list[FigureRow]
    as_of: Freshness


@dataclass(frozen=True, slots=True)
class ResourceTotal:
    """What a resource holds on a day: bookings that start then by state, and the seconds that they take."""

    resource_id: str
    bookings: Mapping[str, int]
    booked_seconds: int


@dataclass(frozen=True, slots=True)
class TotalsAnswer:
    """As booking answers the same question; resources without a booking are left out."""

    date: date
    hub: str
    resources: list[ResourceTotal]
    as_of: Freshness


def routes(hub_id: str, pool: Pool, token: SecretStr) -> APIRouter:
    """The routes of analytics; errors are problem details."""
    router = APIRouter(prefix="/v1")
    reader = Depends(actor_with(token, *READERS))

    @router.get("/kpis", dependencies=[Depends(actor_with(token, *DEFINITION_READERS))])
    async def show_kpis() -> Definitions:
        """What each figure means; the same texts stand beside it wherever it is shown."""
        return Definitions(registry.VERSION, [_definition(each) for each in registry.REGISTRY.values()])

    @router.get("/figures", dependencies=[reader], responses={304: {"description": "nothing was computed since"}})
    async def show_figures(
        request: Request,
        response: Response,
        kpi: Annotated[str, Query(pattern="^[a-z0-9_]{1,40}$")],
        period: Period,
        from_: Annotated[date, Query(alias="from")],
        to: Annotated[date, Query(description="the day after the last one")],
        by: Dimension | None = None,
        hub: Annotated[str | None, Query(max_length=32)] = None,
        level: Literal["hub", "funder", "partner", "public"] = "hub",
    ) -> Any:
        """Figures of calendar periods, `[from, to)`. The ETag is the watermark of what was computed."""
        asked = _checked(kpi, period, from_, to, by)
        if hub not in (None, hub_id):
            raise Problem(404, "unknown_hub", "only this hub's figures are here")
        if level != LEVEL:
            raise Problem(403, "level_not_available", "figures are given at level hub only")
        window = Window(hub_id, period, from_, to)
        async with reading(pool) as conn:
            as_of = await freshness.read_as_of(conn, hub_id)
            tag = f'"{as_of.watermark}"'
            if request.headers.get("if-none-match") == tag:
                return Response(status_code=304, headers={"ETag": tag})
            rows = await _READ[asked.rollup](conn, window, by or "", FIGURE_ROWS_MAX + 1)
        if len(rows) > FIGURE_ROWS_MAX:
            raise Problem(400, "too_many_rows", f"more than {FIGURE_ROWS_MAX} rows: ask for longer periods or a shorter span")
        response.headers["ETag"] = tag
        return FiguresAnswer(
            kpi, asked.version, asked.unit, period, by, hub_id, _figure_rows(asked, window, by, rows), _freshness(as_of)
        )

    @router.get("/totals", dependencies=[reader])
    async def show_totals(date: date) -> TotalsAnswer:
        """What this service believes that booking's own table holds."""
        async with reading(pool) as conn:
            as_of = await freshness.read_as_of(conn, hub_id)
            totals = await figures.read_totals(conn, hub_id, date)
        resources = [ResourceTotal(each.resource_id, json.loads(each.bookings), each.booked_seconds) for each in totals]
        return TotalsAnswer(date, hub_id, resources, _freshness(as_of))

    _add_quarantine(router, pool, token)
    return router


def _add_quarantine(router: APIRouter, pool: Pool, token: SecretStr) -> None:
    operator = Depends(actor_with(token, "operator"))

    @router.get("/quarantine", dependencies=[operator])
    async def list_quarantine(
        after: UUID | None = None, limit: Annotated[int, Query(ge=1, le=QUARANTINE_PAGE_MAX)] = 50
    ) -> dict[str, object]:
        """What must not count until somebody has looked at it, oldest first; `next` continues the list."""
        async with reading(pool) as conn:
            entries = await quarantine.read_entries(conn, after=after, limit=limit)
        more = str(entries[-1].quarantine_id) if len(entries) == limit else None
        return {"entries": [_shown(entry) for entry in entries], "next": more}

    @router.post("/quarantine/{quarantine_id}/release")
    async def release_entry(quarantine_id: UUID, actor: Annotated[Actor, operator]) -> dict[str, object]:
        """Let it count; who said so is kept with it."""
        try:
            async with transaction(pool) as tx:
                refused = await release(tx, quarantine_id, str(actor))
        except Repeat:  # the log brings the same event this moment
            refused = "busy"
        if refused is not None:
            raise Problem(404 if refused == "not_found" else 409, refused, "the entry was not released")
        return {"quarantine_id": str(quarantine_id), "state": "released"}


def _shown(entry: quarantine.Entry) -> dict[str, object]:
    return {
        "quarantine_id": str(entry.quarantine_id),
        "kind": entry.kind,
        "subject": entry.subject,
        "reason": entry.reason,
        "occurred_at": entry.occurred_at.isoformat(),
        "created_at": entry.created_at.isoformat(),
    }


def _checked(kpi: str, period: Period, first: date, end: date, by: Dimension | None) -> Kpi:
    """The figure asked for; Problem if there is none, or if the question is none that it answers."""
    asked = registry.REGISTRY.get(kpi)
    if asked is None:
        raise Problem(404, "unknown_kpi", "see /v1/kpis")
    if by is not None and by not in asked.by:
        raise Problem(400, "not_by", f"{kpi} is broken down by {', '.join(asked.by)}")
    if not first < end or any(periods.first_day(day, period) != day for day in (first, end)):
        raise Problem(400, "period_not_calendar", f"`from` and `to` begin a {period}, and `to` comes later")
    if (end - first).days > FIGURE_PERIODS_MAX * periods.DAYS_MIN[period]:
        raise Problem(400, "too_many_periods", f"at most {FIGURE_PERIODS_MAX} periods")
    return asked


def _figure_rows(kpi: Kpi, window: Window, by: Dimension | None, rows: Sequence[Row]) -> list[FigureRow]:
    """Without a dimension every period has its row: a count of nothing is a true zero, a ratio of nothing is undefined."""
    if by is not None:
        return [_figure_row(kpi, window.period, row.first_day, {by.value: row.key}, row.sums) for row in rows]
    found = {row.first_day: row.sums for row in rows}
    nothing: registry.Sums = {kpi.numerator: None} if kpi.rollup is Rollup.LEADS else {}
    listed = []
    first = window.first
    while first < window.end:
        listed.append(_figure_row(kpi, window.period, first, {}, found.get(first, nothing)))
        first = periods.next_first_day(first, window.period)
    return listed


def _figure_row(kpi: Kpi, period: Period, first: date, key: Mapping[str, str], sums: registry.Sums) -> FigureRow:
    figure = registry.figure(kpi, sums)
    return FigureRow(
        periods.name(first, period), first, key, figure.value, figure.numerator, figure.denominator, figure.status.value, None
    )


def _freshness(as_of: AsOf) -> Freshness:
    return Freshness(
        as_of.offsets,
        as_of.last_event_at,
        as_of.read_at,
        as_of.dirty_days,
        as_of.oldest_mark_at,
        as_of.watermark,
        registry.VERSION,
        LEVEL,
        None,
    )


def _definition(kpi: Kpi) -> Definition:
    return Definition(
        kpi.kpi, kpi.version, kpi.unit.value, [each.value for each in kpi.by], kpi.person_based, kpi.name, kpi.definition
    )
