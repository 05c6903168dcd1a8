"""The subscriptions, and the feeds that they run in."""

from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from contracts import topics
from hubkit.clock import Clock
from hubkit.messaging import Subscription
from hubkit.telemetry import Metrics
from services.analytics.ingest import deliveries, facts, states
from services.analytics.ingest.facts import Places, Readers
from services.analytics.limits import EVENTS_PER_POLL_MAX, GATHER_SECONDS, OFFERS_PER_POLL_MAX


def subscriptions(
    *, readers: Readers, places: Places, where: ZoneInfo, clock: Clock, metrics: Metrics
) -> tuple[Subscription[Any], ...]:
    """Nothing waits for anything: facts come in any order, what they change is marked."""
    return (
        Subscription(
            topic=topics.CATALOG_OFFERS,
            handle=partial(states.store_states, clock, metrics),
            prepare=states.plan_states,
            records_max=OFFERS_PER_POLL_MAX,
        ),
        Subscription(
            topic=topics.BOOKING_EVENTS,
            handle=partial(facts.store_facts, clock, metrics),
            prepare=partial(facts.plan_facts, readers, places),
            remembers=False,  # `events` is its own inbox
            records_max=EVENTS_PER_POLL_MAX,
            gather_seconds=GATHER_SECONDS,
        ),
        Subscription(
            topic=topics.NOTIFY_DELIVERIES,
            handle=partial(deliveries.store_deliveries, clock, metrics),
            prepare=partial(deliveries.plan_deliveries, where),
            remembers=False,  # `deliveries` is its own inbox
            records_max=EVENTS_PER_POLL_MAX,
            gather_seconds=GATHER_SECONDS,
        ),
    )
