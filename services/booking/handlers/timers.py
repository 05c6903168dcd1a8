"""Time as an input of the same decision: each run changes what is overdue, under the same locks (booking.md §9)."""

import asyncio
import logging

from hubkit import ids
from hubkit.db import Pool, reading, transaction
from hubkit.errors import Retry, is_lock_failure
from services.booking.handlers.house import House
from services.booking.handlers.requests import lock, plan_rows
from services.booking.handlers.settlement import settle
from services.booking.handlers.subjects import Asking
from services.booking.limits import TIMER_TRIES_MAX
from services.booking.store import queue as store_queue

log = logging.getLogger(__name__)


async def pass_time(house: House, pool: Pool) -> int:
    """Let everything end whose time is past, oldest first, at most 500; how many were due. One process at a time.

    Idempotent by (booking id, version): what a poll or another process changed meanwhile is no longer due when it is read
    under the locks. Locks that are not had are left to the next run.
    """
    async with reading(pool) as conn:
        due = await store_queue.read_due(conn, await house.clock.now(conn))
    extra: frozenset[str] = frozenset()
    for attempt in range(TIMER_TRIES_MAX):
        if not due:
            break
        plan = await plan_rows(house, pool, Asking(booking_ids=due, resource_ids=extra), {})
        try:
            async with transaction(pool) as tx:
                if not await store_queue.lease_timer(tx):
                    return 0
                await settle(house, tx, [], await lock(house, tx, plan), due)
            return len(due)
        except Retry as retry:
            extra |= getattr(retry, "extra", frozenset())
        except Exception as exc:  # tidy: blind-except only a lock that was not had is passed over, the rest is raised
            if not is_lock_failure(exc):
                raise
            log.warning("timer met a lock", extra={"action": "pass_time", "attempt": attempt})
            await asyncio.sleep(ids.between(0.0, 0.05 * (attempt + 1)))
            due = due[: max(1, len(due) // 2)]
    return 0
