"""Puts analytics together: the only place that constructs things."""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from zoneinfo import ZoneInfo

from faststream.kafka import KafkaRouter

from hubkit import clock, db, messaging
from hubkit.app import App
from hubkit.clock import DatabaseClock
from hubkit.db import Pool
from hubkit.health import Health
from hubkit.http import create_app
from hubkit.telemetry import Metrics
from services.analytics import http
from services.analytics.clients import asking
from services.analytics.domain.pseudonyms import years_needed
from services.analytics.domain.zones import days_between, local_day, zone
from services.analytics.limits import DAYS_NAMED_MAX, KEY_BYTES_MIN
from services.analytics.recompute import turns
from services.analytics.recompute.rebuild import Rebuilt, rebuild
from services.analytics.settings import AnalyticsSettings, ReconcileSettings
from services.analytics.wire.keys import read_keys, write_key
from services.analytics.worker import loops, routes
from services.analytics.worker.keys import Readers
from services.analytics.worker.placing import Places, PlacingConsumer
from services.analytics.worker.reconcile import Disagreement, reconcile

SERVICE = "analytics"


class DaysRefused(Exception):
    """A command was given days that it cannot work on."""


def build(settings: AnalyticsSettings) -> App:
    """The service as an app; nothing is connected yet."""
    metrics, health, database_clock, places = Metrics(), Health(), DatabaseClock(), Places()
    pool = db.new_pool(settings.database_url.get_secret_value(), name=SERVICE, size_max=settings.database_pool_max)
    bus = messaging.Bus.of(settings, service=SERVICE)
    where = zone(settings.time_zone)
    readers = Readers(settings.hub_id, where, settings.analytics_keys)
    router = KafkaRouter()
    feeds = messaging.subscribe(
        router,
        service=SERVICE,
        bus=bus,
        pool=pool,
        metrics=metrics,
        subscriptions=routes.subscriptions(readers=readers, places=places, where=where, clock=database_clock, metrics=metrics),
    )
    for feed in feeds:
        feed.consumer = PlacingConsumer.of(feed.consumer, places, readers)
    broker = bus.broker()
    broker.include_router(router)
    health.checks["keys"] = readers.check
    web = create_app(
        service=SERVICE,
        health=health,
        metrics=metrics,
        pool=pool,
        service_token=settings.service_token,
        consumers=[feed.consumer for feed in feeds],
    )
    web.include_router(http.routes(settings.hub_id, pool, settings.service_token))
    work = loops.Work(settings.hub_id, where, pool, database_clock, metrics, feeds)
    return App(SERVICE, settings, pool, bus, broker, feeds, loops.loops(work), web, health, metrics)


@asynccontextmanager
async def _beside(settings: AnalyticsSettings, connections: int) -> AsyncIterator[tuple[Pool, ZoneInfo]]:
    """Connections for one command beside the running service."""
    pool = await db.open_pool(settings.database_url.get_secret_value(), name=f"{SERVICE}-command", size_max=connections)
    try:
        yield pool, zone(settings.time_zone)
    finally:
        await pool.close()


async def mark_days(settings: AnalyticsSettings, days: Sequence[date]) -> None:
    """Have the running service compute these days of this hub anew."""
    async with _beside(settings, 1) as (pool, _):
        await turns.mark_days(pool, settings.hub_id, days)


async def rebuild_all(settings: AnalyticsSettings, *, accept: bool) -> Rebuilt:
    """All roll-ups from events and the catalogue's history, compared and swapped; harmless beside the running service."""
    async with _beside(settings, 3) as (pool, where):
        return await rebuild(pool, DatabaseClock(), where, accept=accept)


async def compare_with_booking(settings: ReconcileSettings, days: Sequence[date]) -> list[Disagreement]:
    """Every difference between booking's totals and ours; OSError if one of them does not answer."""
    async with (
        asking(settings.booking_url, settings.booking_token.get_secret_value()) as booking,
        asking(settings.analytics_url, settings.service_token.get_secret_value()) as analytics,
    ):
        return await reconcile(booking, analytics, days)


def make_keys(settings: AnalyticsSettings) -> list[int]:
    """Make the keys that are missing for the years that facts may be of; the years, none if all are there."""
    today = local_day(clock.wall(), zone(settings.time_zone))
    known = read_keys(settings.analytics_keys)
    missing = [year for year in years_needed(today) if year not in known]
    for year in missing:
        # tidy: random a secret is drawn once, by an operator's command; no rule depends on it
        write_key(settings.analytics_keys, year, secrets.token_bytes(KEY_BYTES_MIN))
    return missing


def days_named(settings: AnalyticsSettings, first: date | None, last: date | None) -> list[date]:
    """From `first` to `last`, both included; without them today.

    Errors: DaysRefused if there is none between them, or more than `DAYS_NAMED_MAX`.
    """
    today = local_day(clock.wall(), zone(settings.time_zone))
    first, last = first or today, last or first or today
    if not 0 <= (last - first).days < DAYS_NAMED_MAX:
        raise DaysRefused(f"from {first} to {last} are not 1 to {DAYS_NAMED_MAX} days")
    return days_between(first, last)
