"""Forgetting: people first, what is left of them later. Idempotent: what is forgotten is not found again."""

from hubkit.db import Pool, transaction
from services.booking.handlers.house import House
from services.booking.limits import FORGET_MAX, FORGET_RUNS_MAX
from services.booking.store import retention


async def forget(house: House, pool: Pool) -> int:
    """Everything whose time is over, in transactions of at most `FORGET_MAX` rows; how many bookings lost their person."""
    total = 0
    for _ in range(FORGET_RUNS_MAX):
        async with transaction(pool) as tx:
            now = await house.clock.now(tx)
            forgotten = await retention.forget_people(tx, now)
            await retention.forget_series(tx, now)
            most = max(forgotten, await retention.delete_refusals(tx, now), await retention.delete_forgotten(tx, now))
        total += forgotten
        if most < FORGET_MAX:
            break
    return total
