"""The one way in from the bus: a batch subscriber per topic whose every poll is one transaction (`bus.md` §3).

`Subscription` says what a service wants of a topic, `Consumer` takes a batch through its transaction, `Feed` is the
subscriber on the broker with its position, `Bus` knows the broker. A service calls `subscribe` in its `worker.routes`.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from faststream.kafka import KafkaRouter

from contracts.topics import Topic
from hubkit.db import Pool
from hubkit.messaging.bus import Bus
from hubkit.messaging.consumer import Consumer
from hubkit.messaging.feed import Feed, Stalled
from hubkit.messaging.subscription import BATCH_RECORDS_MAX, Subscription, no_plan
from hubkit.telemetry import Metrics

__all__ = ["BATCH_RECORDS_MAX", "Bus", "Consumer", "Feed", "Stalled", "Subscription", "no_plan", "subscribe"]


def subscribe(
    router: KafkaRouter,
    *,
    service: str,
    bus: Bus,
    pool: Pool,
    metrics: Metrics,
    subscriptions: tuple[Subscription[Any], ...],
) -> list[Feed]:
    """One feed per subscription, in groups of their own: four in one group stall each other's start for 7 s (measured)."""
    gates: Mapping[Topic, asyncio.Event] = {s.topic: asyncio.Event() for s in subscriptions}
    feeds = []
    for subscription in subscriptions:
        feed = Feed(
            bus=bus,
            consumer=Consumer(
                service=service,
                pool=pool,
                metrics=metrics,
                subscription=subscription,
                read_again=partial(bus.read_one, subscription.topic),
            ),
            gates=[gates[topic] for topic in subscription.after],
            caught_up=gates[subscription.topic],
        )
        feed.attach(router)
        feeds.append(feed)
    return feeds
