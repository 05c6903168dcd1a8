"""A service with nothing but hubkit: notes each request in a table and answers it, so that a loss or a double can be counted.

Run as `python -m tests.support.recorder`, configured like any service. What a test may switch, by environment:
`RECORDER_CRASH_AT` (`<point>:<n>`: the process ends at the n-th pass), `RECORDER_FREEZE_AT` (at the n-th pass after SIGUSR1 it
stops itself, until somebody continues it), `RECORDER_FENCE=off` and `RECORDER_DEDUP=off` (the test doubles of the negative
control), `RECORDER_SLOW_SECONDS` (each batch takes so long inside its transaction), `RECORDER_RECORDS_MAX` (the largest batch).
"""

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from faststream.kafka import KafkaRouter

from contracts import topics
from contracts.booking.outcomes import BookingRejected, RejectedFor
from contracts.booking.vocabulary import ActorRole, Reason
from contracts.envelope import Event
from hubkit import clock, db, ids, inbox, messaging, outbox, points
from hubkit.app import App, run_service
from hubkit.health import Health
from hubkit.http import create_app
from hubkit.messaging import feed
from hubkit.settings import ServiceSettings
from hubkit.telemetry import Metrics

SERVICE = "notify"  # has a dead-letter topic; the name stands for any
TABLE = """
CREATE TABLE IF NOT EXISTS recorded (event_id uuid NOT NULL, offer_id text NOT NULL, at timestamptz DEFAULT clock_timestamp());
"""
POISON = "offer-that-breaks-the-handler"
EXIT_CODE = 42
TOKEN = "0123456789abcdef-test"  # noqa: S105 - of nobody but the tests
OPERATOR = {"Authorization": f"Bearer {TOKEN}", "Hubnetz-Actor": "operator/op-1"}


async def record(tx: db.Tx, batch: Sequence[Event], plan: None) -> None:
    """One row and one answer per request; an offer named `POISON` is a bug in the handler."""
    if any(event.data is not None and getattr(event.data, "offer_id", "") == POISON for event in batch):
        raise LookupError("poison")
    await tx.executemany("INSERT INTO recorded (event_id, offer_id) VALUES ($1, $2)", [(e.id, e.key) for e in batch])
    await outbox.put(tx, topics.BOOKING_EVENTS, [_answer(event) for event in batch])
    await asyncio.sleep(float(os.environ.get("RECORDER_SLOW_SECONDS", "0")))


def _answer(event: Event) -> Event:
    data = BookingRejected(
        offer_id=event.key,
        actor_role=ActorRole.CITIZEN,
        request_id=event.id,
        reason=Reason.NOT_BOOKABLE,
        reasons=(RejectedFor(code=Reason.NOT_BOOKABLE),),
        retryable=False,
        requested_at=event.time,
    )
    return Event(
        id=ids.derived(event.id, "answer"),
        source="urn:hub:test:booking",
        type=data.ce_type,
        time=clock.wall(),
        key=event.key,
        data=data,
        causation_id=event.id,
    )


def build(settings: ServiceSettings) -> App:
    """The recorder as an app."""
    metrics, health = Metrics(), Health()
    pool = db.new_pool(settings.database_url.get_secret_value(), name=SERVICE)
    bus = messaging.Bus.of(settings, service=SERVICE)
    router = KafkaRouter()
    subscription = messaging.Subscription(
        topic=topics.BOOKING_REQUESTS,
        handle=record,
        prepare=messaging.no_plan,
        remembers=os.environ.get("RECORDER_DEDUP") != "off",
        records_max=int(os.environ.get("RECORDER_RECORDS_MAX", messaging.BATCH_RECORDS_MAX)),
    )
    feeds = messaging.subscribe(router, service=SERVICE, bus=bus, pool=pool, metrics=metrics, subscriptions=(subscription,))
    broker = bus.broker()
    broker.include_router(router)
    http = create_app(
        service=SERVICE,
        health=health,
        metrics=metrics,
        pool=pool,
        service_token=settings.service_token,
        consumers=[feed.consumer for feed in feeds],
    )
    return App(SERVICE, settings, pool, bus, broker, feeds, (), http, health, metrics)


def _at(spec: str, act: Callable[[], object]) -> None:
    point, _, number = spec.partition(":")
    passes: Counter[str] = Counter()

    def hook(reached: points.Point) -> None:
        passes[reached] += 1
        if reached == point and passes[reached] == int(number):
            act()

    points.hook = hook


def _stop_here() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(0.2)  # the signal may reach another thread first: this one must not run on meanwhile


def main() -> int:
    """Until SIGTERM, or until the named point."""
    # The broker's least: tests wait this long for each process that was killed or frozen.
    feed.SESSION_MS, feed.HEARTBEAT_MS = 6_000, 1_000
    if spec := os.environ.get("RECORDER_CRASH_AT"):
        _at(spec, lambda: os._exit(EXIT_CODE))
    if spec := os.environ.get("RECORDER_FREEZE_AT"):
        freeze = partial(_at, spec, _stop_here)
        signal.signal(signal.SIGUSR1, lambda *_: freeze())
    if os.environ.get("RECORDER_FENCE") == "off":

        async def no_fence(tx: db.Tx, consumer: str, topic: str, partitions: Sequence[int]) -> dict[int, int]:
            return dict.fromkeys(partitions, 0)

        inbox.lock_offsets = no_fence  # type: ignore[assignment]
    return run_service(SERVICE, ServiceSettings(), build)


if __name__ == "__main__":
    sys.exit(main())
