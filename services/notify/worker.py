"""What runs by itself: the subscriptions, delivery, and the timers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from faststream.kafka import KafkaBroker

from contracts import topics
from hubkit.app import Loop
from hubkit.db import Pool, reading, transaction
from hubkit.messaging import Feed, Subscription, no_plan
from services.notify import handlers, limits
from services.notify.delivery.pipeline import Pipeline
from services.notify.delivery.relay import Breaker
from services.notify.handlers import House
from services.notify.store import lists, timers


def subscriptions(house: House) -> tuple[Subscription[Any], ...]:
    """Bookings are consumed only once the copies of contacts and offers have caught up."""
    return (
        Subscription(topic=topics.CATALOG_OFFERS, handle=handlers.take_offers, prepare=no_plan),
        Subscription(topic=topics.PEOPLE_CONTACTS, handle=partial(handlers.take_contacts, house), prepare=no_plan),
        Subscription(
            topic=topics.BOOKING_EVENTS,
            handle=partial(handlers.take_bookings, house),
            prepare=no_plan,
            after=(topics.CATALOG_OFFERS, topics.PEOPLE_CONTACTS),
            gather_seconds=limits.GATHER_BOOKINGS_SECONDS,
        ),
    )


@dataclass(slots=True)
class Copies:
    """Whether the copies of contacts and offers are as new as their logs: only then does waiting for one count."""

    feeds: Sequence[Feed]
    broker: KafkaBroker
    broker_answers: bool = False

    def are_current(self) -> bool:
        """As of the last look at the broker, some seconds ago at most."""
        return self.broker_answers and all(
            feed.caught_up.is_set() and not feed.stopped and not feed.consumer.retrying for feed in self.feeds
        )

    async def look(self) -> None:
        """Ask the broker; a timed loop calls this."""
        self.broker_answers = await self.broker.ping(timeout=limits.MEASURE_SECONDS)


def loops(house: House, pool: Pool, pipeline: Pipeline, breaker: Breaker, copies: Copies) -> tuple[Loop, ...]:
    """Any number of processes may run them: rows and the relay are taken under locks."""
    return (
        Loop("delivery", limits.WRITE_RETRY_SECONDS, pipeline.run),
        Loop("sweep_messages", limits.SWEEP_SECONDS, partial(sweep, house, pool)),
        Loop("probe_relay", limits.SWEEP_SECONDS, breaker.probe),
        Loop("measure", limits.MEASURE_SECONDS, partial(measure, house, pool, breaker)),
        Loop("copies", limits.MEASURE_SECONDS, copies.look),
        Loop("tidy_up", limits.TIDY_SECONDS, partial(tidy_up, house, pool)),
    )


async def sweep(house: House, pool: Pool) -> None:
    """What time alone changes, as of now."""
    async with transaction(pool) as tx:
        await handlers.sweep_messages(house, tx, await house.clock.now(tx))


async def measure(house: House, pool: Pool, breaker: Breaker) -> None:
    """Show how the queue and the relay stand."""
    async with reading(pool) as conn:
        figures = await lists.read_figures(conn, now=await house.clock.now(conn))
    house.metrics.set("notify_uncertain", figures.uncertain)
    house.metrics.set("notify_oldest_due_seconds", figures.oldest_due_seconds)
    await breaker.measure()


async def tidy_up(house: House, pool: Pool) -> None:
    """Delete what is older than it is kept."""
    async with transaction(pool) as tx:
        await timers.delete_old(tx, now=await house.clock.now(tx))
