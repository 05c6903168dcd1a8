"""Puts the catalogue together: the only place that constructs things."""

from hubkit import db, messaging
from hubkit.app import App
from hubkit.health import Health
from hubkit.http import create_app
from hubkit.telemetry import Metrics
from services.catalog import http
from services.catalog.settings import CatalogSettings
from services.catalog.worker import loops
from services.catalog.worker.commands import house_of

SERVICE = "catalog"


def build(settings: CatalogSettings) -> App:
    """The service as an app; nothing is connected yet."""
    metrics, health = Metrics(), Health()
    pool = db.new_pool(settings.database_url.get_secret_value(), name=SERVICE, size_max=settings.database_pool_max)
    bus = messaging.Bus.of(settings, service=SERVICE)
    house = house_of(settings, metrics)
    web = create_app(
        service=SERVICE, health=health, metrics=metrics, pool=pool, service_token=settings.service_token, consumers=[]
    )
    web.include_router(http.routes(house, pool, settings.service_token))
    return App(SERVICE, settings, pool, bus, bus.broker(), [], loops.loops(house, pool), web, health, metrics)
