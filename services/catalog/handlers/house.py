"""What every handler may lean on: whose catalogue this is, its clock, its zone, its metrics."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from hubkit.clock import Clock
from hubkit.db import Pool, Tx, transaction
from hubkit.telemetry import Metrics
from services.catalog.store import entities


@dataclass(frozen=True, slots=True)
class House:
    """One hub."""

    hub_id: str
    hub_name: str
    zone: ZoneInfo
    clock: Clock
    metrics: Metrics


@asynccontextmanager
async def changing(house: House, pool: Pool) -> AsyncIterator[tuple[Tx, datetime]]:
    """A transaction that holds the catalogue's lock, and its time, read after the lock was had."""
    async with transaction(pool) as tx:
        await entities.lock_catalogue(tx)
        yield tx, await house.clock.now(tx)


@asynccontextmanager
async def changing_if_free(house: House, pool: Pool) -> AsyncIterator[tuple[Tx, datetime] | None]:
    """The same for timed work, which leaves the turn to whoever has the lock."""
    async with transaction(pool) as tx:
        yield (tx, await house.clock.now(tx)) if await entities.try_lock_catalogue(tx) else None
