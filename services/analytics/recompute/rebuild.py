"""All roll-ups from `events` and the catalogue's history into a shadow, compared with the live ones, swapped (analytics.md §9).

Events go on being taken in. Live days change meanwhile, so those that differ are computed once more while recomputations are
held off. What differs then is either marked to be computed still, or unexplained: that is swapped only if it is accepted.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from hubkit.clock import Clock
from hubkit.db import Pool, Tx, transaction
from services.analytics.domain import periods
from services.analytics.domain.periods import Period
from services.analytics.domain.zones import local_day
from services.analytics.limits import CALENDAR_DAYS, DAYS_PER_CHUNK, RECOMPUTE_WORKERS, RESOURCES_PER_TURN_MAX
from services.analytics.recompute import turns
from services.analytics.store import days as store_days
from services.analytics.store import marks, shadow, states
from services.analytics.store.shadow import Difference

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild found; `days` were computed."""

    days: int
    differences: Sequence[Difference]
    swapped: bool

    @property
    def unexplained(self) -> list[Difference]:
        """Differences on days that nothing is marked to be computed for."""
        return [difference for difference in self.differences if not difference.marked]


async def rebuild(pool: Pool, clock: Clock, where: ZoneInfo, *, accept: bool) -> Rebuilt:
    """Rebuild, compare, and swap unless unexplained differences remain and are not accepted."""
    async with transaction(pool) as tx:
        today = local_day(await clock.now(tx), where)
        await marks.settle(tx)
        await shadow.make_schema(tx)
        resources = await states.read_resource_ids(tx)

    async def derive(tx: Tx, chunk: Sequence[tuple[str, str]]) -> None:
        await turns.derive(tx, chunk, today, where)

    async def compute(tx: Tx, chunk: Sequence[turns.DayOfHub]) -> None:
        await turns.compute_days(tx, chunk, where)

    await _side_by_side(pool, _chunks(resources, RESOURCES_PER_TURN_MAX), derive)
    async with transaction(pool) as tx:
        await shadow.analyze(tx)
        days = await shadow.read_days(tx, today - timedelta(days=CALENDAR_DAYS))
    await _side_by_side(pool, _chunks(days, DAYS_PER_CHUNK), compute)
    return await _finish(pool, where, today, days, accept=accept)


async def _side_by_side(pool: Pool, chunks: Iterable[Sequence[T]], work: Callable[[Tx, Sequence[T]], Awaitable[None]]) -> None:
    """A few connections at once, each chunk in a transaction of its own that looks into the shadow."""
    waiting = iter(chunks)

    async def worker() -> None:
        for chunk in waiting:
            async with transaction(pool) as tx:
                await shadow.look_into_shadow(tx)
                await work(tx, chunk)

    await asyncio.gather(*(worker() for _ in range(RECOMPUTE_WORKERS)))


def _chunks(items: Sequence[T], size: int) -> list[Sequence[T]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


async def _finish(pool: Pool, where: ZoneInfo, today: date, days: Sequence[turns.DayOfHub], *, accept: bool) -> Rebuilt:
    """The part that recomputations are held off from."""
    since = today - timedelta(days=CALENDAR_DAYS)
    async with transaction(pool) as tx:
        await marks.settle(tx)
        await marks.hold_off_recomputation(tx)
        await shadow.look_into_shadow(tx)
        if resources := await shadow.read_differing_resources(tx, since):
            await turns.derive(tx, resources, today, where)
        differing = await shadow.read_differing_days(tx, since)
        if differing:  # they changed meanwhile, or are wrong
            await turns.compute_days(tx, differing, where)
            differing = await shadow.read_differing_days(tx, since)
        differences = await shadow.read_differences(tx, differing) if differing else []
        result = Rebuilt(len(days), differences, swapped=False)
        if result.unexplained and not accept:
            await shadow.drop_schema(tx)
            return result
        await shadow.copy_older(tx, since)
        await turns.compute_periods(tx, _periods(days))
        await shadow.swap(tx)
        for hub_id in sorted({hub_id for hub_id, _ in days}):
            await store_days.raise_watermark(tx, hub_id, len(days))
    return Rebuilt(len(days), differences, swapped=True)


def _periods(days: Sequence[turns.DayOfHub]) -> list[tuple[str, Period, date]]:
    found = {(hub_id, period, periods.first_day(day, period)) for hub_id, day in days for period in periods.LONG}
    return sorted(found)
