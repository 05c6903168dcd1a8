"""Puts notify together: the only place that constructs things."""

import ssl

from faststream.kafka import KafkaRouter

from contracts import topics
from hubkit import db, ids, messaging
from hubkit.app import App
from hubkit.clock import Clock, DatabaseClock
from hubkit.health import Health
from hubkit.http import create_app
from hubkit.telemetry import Metrics
from services.notify import http, worker
from services.notify.delivery.making import Desk
from services.notify.delivery.pipeline import Pipeline
from services.notify.delivery.relay import Breaker
from services.notify.delivery.writer import Writer
from services.notify.domain.plan import Rules
from services.notify.domain.times import DEFAULT_RULES
from services.notify.handlers import House
from services.notify.senders.smtp import RelayAddress
from services.notify.settings import NotifySettings

SERVICE = "notify"


def build(settings: NotifySettings, clock: Clock | None = None) -> App:
    """The service as an app; nothing is connected yet. `clock`: another than the database's, for tests."""
    metrics, health = Metrics(), Health()
    pool = db.new_pool(settings.database_url.get_secret_value(), name=SERVICE, size_max=settings.database_pool_max)
    bus = messaging.Bus.of(settings, service=SERVICE)
    house = House(settings.hub_id, Rules(DEFAULT_RULES, settings.quiet()), clock or DatabaseClock(), metrics)
    router = KafkaRouter()
    feeds = messaging.subscribe(
        router, service=SERVICE, bus=bus, pool=pool, metrics=metrics, subscriptions=worker.subscriptions(house)
    )
    broker = bus.broker()
    broker.include_router(router)
    copies = worker.Copies([feed for feed in feeds if feed.topic is not topics.BOOKING_EVENTS], broker)
    address, process_id = relay_of(settings), ids.new()
    breaker = Breaker(house, pool, address, process_id)
    pipeline = Pipeline(
        house=house,
        pool=pool,
        address=address,
        desk=desk_of(settings),
        writer=Writer(house, pool),
        breaker=breaker,
        process_id=process_id,
        connections=settings.smtp_connections,
        copies_are_current=copies.are_current,
    )
    web = create_app(
        service=SERVICE,
        health=health,
        metrics=metrics,
        pool=pool,
        service_token=settings.service_token,
        consumers=[feed.consumer for feed in feeds],
    )
    web.include_router(http.routes(house, pool, settings.service_token, desk_of(settings)))
    return App(
        SERVICE, settings, pool, bus, broker, feeds, worker.loops(house, pool, pipeline, breaker, copies), web, health, metrics
    )


def desk_of(settings: NotifySettings) -> Desk:
    """Who writes the mails."""
    return Desk(
        hub_id=settings.hub_id,
        hub_name=settings.hub_name,
        sender=settings.mail_sender,
        mail_domain=settings.mail_domain,
        is_live=settings.delivery == "live",
    )


def relay_of(settings: NotifySettings) -> RelayAddress:
    """The relay that all mail goes to; certificates are checked, against the CA file if there is one."""
    cafile = str(settings.smtp_ca_file) if settings.smtp_ca_file else None
    return RelayAddress(
        name="main",
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        client_name=settings.mail_domain,
        user=settings.smtp_user,
        password=settings.smtp_password.get_secret_value() if settings.smtp_password else None,
        tls=None if settings.smtp_security == "none" else ssl.create_default_context(cafile=cafile),
    )
