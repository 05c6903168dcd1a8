"""Sub-commands that run beside the service: imports, and sending everything again.

They load no server and no bus: with these, starting would take longer than the work.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from zoneinfo import ZoneInfo

from hubkit import db
from hubkit.clock import DatabaseClock
from hubkit.db import Pool
from hubkit.telemetry import Metrics
from services.catalog.domain.imported import Report
from services.catalog.formats.apart import Killed
from services.catalog.formats.calendar_file import Unreadable
from services.catalog.formats.hub_file import BadHubFile
from services.catalog.handlers import steps
from services.catalog.handlers.house import House, changing
from services.catalog.handlers.imports.calendar import TooManyGone, UnknownSource
from services.catalog.handlers.publishing import Actor
from services.catalog.settings import CatalogSettings
from services.catalog.worker import imports

OPERATOR = Actor("operator", "command")


def house_of(settings: CatalogSettings, metrics: Metrics) -> House:
    """The hub that the settings describe."""
    return House(settings.hub_id, settings.hub_name, ZoneInfo(settings.time_zone), DatabaseClock(), metrics)


@asynccontextmanager
async def _beside(settings: CatalogSettings) -> AsyncIterator[tuple[House, Pool]]:
    """A house for one command; what it publishes is sent by the relay of the running service."""
    pool = await db.open_pool(settings.database_url.get_secret_value(), name="catalog-command", size_max=2)
    try:
        yield house_of(settings, Metrics()), pool
    finally:
        await pool.close()


class ImportRefused(Exception):
    """Nothing of the file was applied; the message says why."""


async def import_hub(settings: CatalogSettings, data: bytes) -> Report:
    """Apply a hub file; ImportRefused."""
    async with _beside(settings) as (house, pool):
        try:
            return await imports.import_hub(house, pool, data, actor=OPERATOR)
        except BadHubFile as exc:
            raise ImportRefused(str(exc)) from exc
        except steps.CannotRepublish as exc:
            raise ImportRefused(f"published offers would lose their valid state: {', '.join(exc.offer_ids)}") from exc


async def import_calendar(settings: CatalogSettings, data: bytes, *, system: str, shift: bool, accept_gone: bool) -> Report:
    """Apply an iCalendar file; ImportRefused."""
    async with _beside(settings) as (house, pool):
        try:
            return await imports.import_calendar(
                house, pool, data, system=system, shift=shift, accept_gone=accept_gone, actor=OPERATOR
            )
        except UnknownSource as exc:
            raise ImportRefused(f"no source is called {system}: name it under import_sources of a hub file") from exc
        except TooManyGone as exc:
            reason = f"{exc.gone} of {exc.known} offers are missing in the file: if that is meant, --accept-gone"
            raise ImportRefused(reason) from exc
        except (Unreadable, Killed) as exc:
            raise ImportRefused(str(exc)) from exc


async def republish(settings: CatalogSettings) -> int:
    """Put every current record into the outbox again, numbers unchanged; number of transactions of at most 500 offers."""
    parts = 0
    after: str | None = ""
    async with _beside(settings) as (house, pool):
        while after is not None:
            async with changing(house, pool) as (tx, now):
                after = await steps.send_states_again(tx, after=after, hub_id=house.hub_id, now=now)
            parts += after is not None
    return parts
