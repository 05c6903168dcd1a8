"""Timed work. Each turn takes the catalogue's lock or leaves it to another process, so several of them need no lease."""

import time
from functools import partial

from hubkit.app import Loop
from hubkit.db import Pool, reading
from services.catalog.handlers import timers
from services.catalog.handlers.house import House, changing_if_free
from services.catalog.limits import HORIZON_CHECK_SECONDS, JOB_SECONDS, MEASURE_SECONDS, TIMED_CHANGES_SECONDS
from services.catalog.store import offers


def loops(house: House, pool: Pool) -> tuple[Loop, ...]:
    """Changes that are due, the horizon, large republishings, figures."""
    return (
        Loop("timed_changes", TIMED_CHANGES_SECONDS, partial(change_what_is_due, house, pool)),
        Loop("horizon", HORIZON_CHECK_SECONDS, partial(extend_horizon, house, pool)),
        Loop("jobs", JOB_SECONDS, partial(work_on_jobs, house, pool)),
        Loop("offers", MEASURE_SECONDS, partial(measure, house, pool)),
    )


async def change_what_is_due(house: House, pool: Pool) -> None:
    """Publish, withdraw and bury what the clock says."""
    async with changing_if_free(house, pool) as turn:
        if turn is not None:
            tx, now = turn
            await timers.publish_due(tx, hub_id=house.hub_id, now=now)
            await timers.withdraw_due(tx, hub_id=house.hub_id, now=now)
            await timers.bury_due(tx, hub_id=house.hub_id, now=now)


async def extend_horizon(house: House, pool: Pool) -> None:
    """Once a local day, new dates and holidays come within reach."""
    async with changing_if_free(house, pool) as turn:
        if turn is not None:
            tx, now = turn
            await timers.extend_horizon(tx, zone=house.zone, now=now)


async def work_on_jobs(house: House, pool: Pool) -> None:
    """The next part of the oldest large republishing."""
    async with changing_if_free(house, pool) as turn:
        if turn is not None:
            tx, now = turn
            started = time.perf_counter()
            if await timers.work_on_job(tx, hub_id=house.hub_id, now=now):
                house.metrics.observe("catalog_publish_seconds", time.perf_counter() - started)


async def measure(house: House, pool: Pool) -> None:
    """How many offers there are, by state and visibility."""
    async with reading(pool) as conn:
        counted = await offers.count_offers(conn)
    for status, visibility, number in counted:
        house.metrics.set("catalog_offers", number, status=status, visibility=visibility)
