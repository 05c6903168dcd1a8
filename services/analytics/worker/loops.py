"""Timed work. Several processes need no lease: each takes the marks that nobody else has in hand."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from zoneinfo import ZoneInfo

from hubkit import clock
from hubkit.app import Loop
from hubkit.clock import Clock
from hubkit.db import Pool, reading, transaction
from hubkit.messaging import Feed
from hubkit.telemetry import Metrics
from services.analytics.domain.zones import local_day
from services.analytics.limits import (
    AUDIT_SECONDS,
    CALENDAR_DAYS,
    CALENDAR_DAYS_AHEAD_MIN,
    DAYS_ONE_BY_ONE_MAX,
    HORIZON_SECONDS,
    MEASURE_SECONDS,
    PERIODS_PER_TURN_MAX,
    PERIODS_SECONDS,
    RECOMPUTE_SECONDS,
    RECOMPUTE_SHARE,
    RECOMPUTE_WORKERS,
    RESOURCES_PER_TURN_MAX,
    TURNS_MAX,
)
from services.analytics.recompute import turns
from services.analytics.recompute.audit import audit_day
from services.analytics.store import freshness, marks, quarantine

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Work:
    """What the loops of one process share."""

    hub_id: str
    where: ZoneInfo
    pool: Pool
    clock: Clock
    metrics: Metrics
    feeds: Sequence[Feed] = ()

    def is_catching_up(self) -> bool:
        """Whether a backlog is being read: the same days would be computed again and again while it fills them."""
        return any(not feed.caught_up.is_set() and not feed.stopped for feed in self.feeds)


def loops(work: Work) -> tuple[Loop, ...]:
    """Calendars before days before periods: each leaves marks for the next."""
    return (
        Loop("calendars", RECOMPUTE_SECONDS, partial(derive_calendars, work)),
        Loop("days", RECOMPUTE_SECONDS, partial(recompute_days, work), share=RECOMPUTE_SHARE),
        Loop("periods", PERIODS_SECONDS, partial(recompute_periods, work)),
        Loop("horizon", HORIZON_SECONDS, partial(extend_calendars, work)),
        Loop("freshness", MEASURE_SECONDS, partial(measure, work)),
        Loop("audit", AUDIT_SECONDS, partial(audit_next, work, Turn())),
    )


async def derive_calendars(work: Work) -> None:
    """Open days of the resources that were marked."""
    await _turns(work, partial(turns.derive_calendars, work.pool, work.clock, work.where), many=RESOURCES_PER_TURN_MAX)


async def recompute_days(work: Work) -> None:
    """Roll-ups of the days that were marked; beside a long turn others take what is left, each on a core of the server's."""
    beside: list[asyncio.Task[None]] = []
    async with asyncio.TaskGroup() as group:

        def long() -> None:
            if len(beside) < RECOMPUTE_WORKERS - 1:
                beside.append(group.create_task(_turns(work, turn, many=DAYS_ONE_BY_ONE_MAX)))

        turn = partial(turns.recompute_days, work.pool, work.where, long)
        await _turns(work, turn, many=DAYS_ONE_BY_ONE_MAX)


async def recompute_periods(work: Work) -> None:
    """Figures of the periods that were marked."""
    await _turns(work, partial(turns.recompute_periods, work.pool), many=PERIODS_PER_TURN_MAX)


async def _turns(work: Work, turn: Callable[[], Awaitable[int]], *, many: int) -> None:
    """Turn after turn while each finds many: few are what came meanwhile, and would be computed again and again under load."""
    for _ in range(TURNS_MAX):
        if work.is_catching_up() or await turn() < many:
            return


async def extend_calendars(work: Work) -> None:
    """Open days reach as far ahead as ever; what lay in the quarantine too long goes."""
    async with transaction(work.pool) as tx:
        today = local_day(await work.clock.now(tx), work.where)
        await marks.mark_short_calendars(tx, today + timedelta(days=CALENDAR_DAYS_AHEAD_MIN))
        await quarantine.sweep(tx)


@dataclass(slots=True)
class Turn:
    """Which day is audited next: so many days before today."""

    days_back: int = 0


async def audit_next(work: Work, turn: Turn) -> None:
    """One day a time, from yesterday back through all that is kept, then again from yesterday."""
    turn.days_back = turn.days_back % CALENDAR_DAYS + 1
    day = local_day(clock.wall(), work.where) - timedelta(days=turn.days_back)
    audited = await audit_day(work.pool, work.hub_id, day, work.where)
    work.metrics.set("analytics_audit_differences", audited.differences)
    if audited.differences:
        log.error("roll-ups are not what their facts say", extra={"action": "audit", "rows": audited.differences, "day": day})


async def measure(work: Work) -> None:
    """How much is still to be computed."""
    async with reading(work.pool) as conn:
        as_of = await freshness.read_as_of(conn, work.hub_id)
    work.metrics.set("analytics_dirty_days", as_of.dirty_days)
