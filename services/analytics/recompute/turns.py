"""A worker's turn: take marks, compute what they name wholly anew, commit (analytics.md §5).

Marks set meanwhile remain; a crash leaves the marks of its turn. Any number of workers, each thing is computed by one at a
time.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import date
from itertools import groupby
from zoneinfo import ZoneInfo

from hubkit import points
from hubkit.clock import Clock
from hubkit.db import Pool, Tx, transaction
from services.analytics import calendar
from services.analytics.domain import periods
from services.analytics.domain.zones import day_span, local_day
from services.analytics.limits import DAYS_ONE_BY_ONE_MAX, DAYS_PER_TURN_MAX, PERIODS_PER_TURN_MAX, RESOURCES_PER_TURN_MAX
from services.analytics.store import days as store_days
from services.analytics.store import marks
from services.analytics.store import periods as store_periods

DayOfHub = tuple[str, date]


def _alone() -> None:
    """Nobody else is told of a long turn."""


async def recompute_days(pool: Pool, where: ZoneInfo, long: Callable[[], None] = _alone) -> int:
    """Take up to `DAYS_PER_TURN_MAX` marks and compute their days; how many days, 0 if there was nothing to do.

    `long` is called, once its marks are taken, by a turn that will last.
    """
    async with transaction(pool) as tx:
        if not await marks.hold_off_swap(tx):
            return 0
        dirty = await marks.take_days(tx, DAYS_PER_TURN_MAX)
        if len(dirty) > DAYS_ONE_BY_ONE_MAX:
            long()
        if dirty:
            await compute_days(tx, dirty, where)
            for hub_id, of_hub in groupby(dirty, key=lambda each: each[0]):
                changed = [day for _, day in of_hub]
                await marks.mark_periods(tx, hub_id, _periods_of(changed))
                await store_days.raise_watermark(tx, hub_id, len(changed))
        points.reached("analytics.after_recompute")
    return len(dirty)


async def compute_days(tx: Tx, dirty: Sequence[DayOfHub], where: ZoneInfo) -> None:
    """Compute these days, in order of hub and day, where the search path leads to."""
    await marks.settle(tx)
    if len(dirty) > DAYS_ONE_BY_ONE_MAX:
        await marks.read_in_bulk(tx)
    await marks.lock(tx, "day", [f"{hub_id}/{day}" for hub_id, day in dirty])
    for hub_id, of_hub in groupby(dirty, key=lambda each: each[0]):
        wanted = [day for _, day in of_hub]
        await store_days.delete_days(tx, hub_id, wanted)
        points.reached("analytics.after_delete")
        await store_days.insert_days(tx, hub_id, wanted, [day_span(day, where) for day in wanted])


def _periods_of(changed: Sequence[date]) -> set[tuple[periods.Period, date]]:
    return {(period, periods.first_day(day, period)) for day in changed for period in periods.LONG}


async def derive_calendars(pool: Pool, clock: Clock, where: ZoneInfo) -> int:
    """Take up to `RESOURCES_PER_TURN_MAX` marks and derive their open days; how many resources."""
    async with transaction(pool) as tx:
        if not await marks.hold_off_swap(tx):
            return 0
        dirty = await marks.take_resources(tx, RESOURCES_PER_TURN_MAX)
        if dirty:
            today = local_day(await clock.now(tx), where)
            await derive(tx, dirty, today, where)
    return len(dirty)


async def derive(tx: Tx, dirty: Sequence[tuple[str, str]], today: date, where: ZoneInfo) -> None:
    """Derive these resources, in order of hub and name, where the search path leads to."""
    await marks.settle(tx)
    await marks.lock(tx, "resource", [f"{hub_id}/{resource_id}" for hub_id, resource_id in dirty])
    for hub_id, of_hub in groupby(dirty, key=lambda each: each[0]):
        await calendar.derive(tx, hub_id, [resource_id for _, resource_id in of_hub], today=today, where=where)


async def recompute_periods(pool: Pool) -> int:
    """Take up to `PERIODS_PER_TURN_MAX` marks and compute their periods; how many periods."""
    async with transaction(pool) as tx:
        if not await marks.hold_off_swap(tx):
            return 0
        dirty = await marks.take_periods(tx, PERIODS_PER_TURN_MAX)
        if dirty:
            await compute_periods(tx, dirty)
            for hub_id, of_hub in groupby(dirty, key=lambda each: each[0]):
                await store_days.raise_watermark(tx, hub_id, len(list(of_hub)))
    return len(dirty)


async def compute_periods(tx: Tx, dirty: Sequence[tuple[str, periods.Period, date]]) -> None:
    """Compute these periods where the search path leads to."""
    await marks.settle(tx)
    await marks.lock(tx, "period", [f"{hub_id}/{period}/{first}" for hub_id, period, first in dirty])
    for hub_id, period, first in dirty:
        await store_periods.replace_figures(tx, hub_id, period, first, periods.next_first_day(first, period))


async def mark_days(pool: Pool, hub_id: str, days: Collection[date]) -> None:
    """Mark these days to be computed."""
    async with transaction(pool) as tx:
        await marks.mark_days(tx, hub_id, days)
