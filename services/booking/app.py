"""Puts booking together: the only place that constructs things."""

from datetime import UTC, datetime

from faststream.kafka import KafkaRouter

from hubkit import db, messaging
from hubkit.app import App
from hubkit.clock import DatabaseClock
from hubkit.health import Health
from hubkit.http import create_app
from hubkit.telemetry import Metrics
from services.booking import http, worker
from services.booking.domain.codes import Role
from services.booking.handlers.house import House
from services.booking.settings import BookingSettings
from services.booking.store import invariants

SERVICE = "booking"
EVERYTHING = datetime(1, 1, 1, tzinfo=UTC)


def build(settings: BookingSettings) -> App:
    """The service as an app; nothing is connected yet."""
    metrics, health = Metrics(), Health()
    pool = db.new_pool(settings.database_url.get_secret_value(), name=SERVICE, size_max=settings.database_pool_max)
    bus = messaging.Bus.of(settings, service=SERVICE)
    house = House(
        hub_id=settings.hub_id,
        check_in_key=settings.check_in_key.get_secret_value().encode(),
        sources={source: frozenset(Role(role) for role in roles) for source, roles in settings.sources.items()},
        clock=DatabaseClock(),
        metrics=metrics,
    )
    router = KafkaRouter()
    feeds = messaging.subscribe(
        router, service=SERVICE, bus=bus, pool=pool, metrics=metrics, subscriptions=worker.subscriptions(house)
    )
    broker = bus.broker()
    broker.include_router(router)
    web = create_app(
        service=SERVICE,
        health=health,
        metrics=metrics,
        pool=pool,
        service_token=settings.service_token,
        consumers=[feed.consumer for feed in feeds],
    )
    web.include_router(http.routes(house, pool, settings.service_token))
    return App(SERVICE, settings, pool, bus, broker, feeds, worker.loops(house, pool), web, health, metrics)


async def verify(dsn: str) -> dict[str, invariants.Violations]:
    """Violations by kind over everything ever booked (`hubnetz verify`), on one snapshot of the running service's database."""
    pool = await db.open_pool(dsn, name=f"{SERVICE}-verify", size_max=1)
    try:
        async with db.reading(pool) as conn:
            return await invariants.find_violations(conn, EVERYTHING)
    finally:
        await pool.close()
