"""What runs by itself: the subscriptions, and the standing check of what must never be."""

from functools import partial
from typing import Any

from contracts import topics
from hubkit import clock
from hubkit.app import Loop
from hubkit.db import Pool, reading
from hubkit.messaging import Subscription
from hubkit.telemetry import Metrics
from services.booking.domain.zones import DAY
from services.booking.handlers import hints, offers, requests, retention, timers
from services.booking.handlers.house import House
from services.booking.limits import (
    DUE_MAX,
    FORGET_SECONDS,
    HINT_SECONDS,
    HINT_SHARE,
    INVARIANT_SECONDS,
    REQUESTS_PER_POLL_MAX,
    TIMER_RUNS_MAX,
    TIMER_SECONDS,
)
from services.booking.store import invariants


def subscriptions(house: House) -> tuple[Subscription[Any], ...]:
    """Requests are consumed only once the copy of the catalogue has caught up."""
    return (
        Subscription(
            topic=topics.CATALOG_OFFERS,
            handle=partial(offers.apply_offers, house),
            prepare=partial(offers.plan_offers, house),
        ),
        Subscription(
            topic=topics.BOOKING_REQUESTS,
            handle=partial(requests.decide_requests, house),
            prepare=partial(requests.plan_requests, house),
            busy=partial(requests.answer_busy, house),
            remembers=False,  # the ledger knows what was decided
            records_max=REQUESTS_PER_POLL_MAX,
            after=(topics.CATALOG_OFFERS,),
        ),
    )


def loops(house: House, pool: Pool) -> tuple[Loop, ...]:
    """Timed work. What writes holds a lease in the database; invariants are counted by each process for itself."""
    return (
        Loop("timer", TIMER_SECONDS, partial(pass_time, house, pool)),
        Loop("hints", HINT_SECONDS, partial(tell_availability, house, pool), share=HINT_SHARE),
        Loop("forget", FORGET_SECONDS, partial(forget, house, pool)),
        Loop("invariants", INVARIANT_SECONDS, partial(check_invariants, pool, house.metrics)),
    )


async def pass_time(house: House, pool: Pool) -> None:
    """Run after run while there is more due than one takes."""
    for _ in range(TIMER_RUNS_MAX):
        if await timers.pass_time(house, pool) < DUE_MAX:
            return


async def tell_availability(house: House, pool: Pool) -> None:
    """Hints of what became free or full."""
    await hints.tell_availability(house, pool)


async def forget(house: House, pool: Pool) -> None:
    """Each hour; rows that another process has in hand are passed over."""
    await retention.forget(house, pool)


async def check_invariants(pool: Pool, metrics: Metrics) -> None:
    """Count violations among what is not over since yesterday, and say when that was."""
    async with reading(pool) as conn:
        found = await invariants.count_violations(conn, clock.wall() - DAY)
    for kind, number in found.items():
        metrics.set("booking_invariant_violations", number, kind=kind)
    metrics.set("booking_invariant_checked_at_seconds", clock.wall().timestamp())
