"""Hints of what became free or full: nobody is forgotten, however much happens at once and however late it is committed."""

import asyncio
from datetime import timedelta
from typing import Any

from hubkit import db
from services.booking.handlers import hints
from services.booking.limits import HINT_OFFERS_MAX
from tests.service.booking.hub import NOW, Hub, at, command, offer_id, one, published, room, wish

HOURS = [{"weekday": day, "from": "10:00", "to": "11:00"} for day in range(1, 8)]


def hall(name: str, **more: Any) -> Any:
    """An offer with one start a day."""
    fields = {"grid_minutes": 60, "durations": [60], "horizon_days": 100, "hours": HOURS, **one("unit", room(name))}
    return published(name, **fields | more)


async def told(hub: Hub) -> list[str]:
    """Ids of the offers of which something was told now."""
    before = len(await hub.answers())
    await hints.tell_availability(hub.house, hub.pool)
    return [answer.key for answer in (await hub.answers())[before:]]


async def test_more_offers_touched_at_once_than_one_reading_takes__each_told(hub: Hub) -> None:
    names = [f"hall-{number}" for number in range(HINT_OFFERS_MAX + 7)]
    await hub.publish(*(hall(name) for name in names))
    assert len(await told(hub)) == HINT_OFFERS_MAX, "what is told whole is told in several runs"
    assert len(await told(hub)) == 7
    await hub.ask(*(command(wish(name, at(9), person=f"of-{name}"), f"r-{name}") for name in names))
    assert sorted(await told(hub)) == sorted(map(offer_id, names))
    assert await told(hub) == []


async def test_decision_committed_after_a_run_began__told_by_a_later_one(hub: Hub) -> None:
    """Its instant lies before the run that did not see it: only what no transaction may still bring is passed over."""
    await hub.publish(hall("hall"))
    await told(hub)
    release = asyncio.Event()

    async def decide_slowly() -> None:
        async with db.transaction(hub.pool) as tx:
            await tx.fetchval("SELECT clock_timestamp()")
            await release.wait()

    slow = asyncio.create_task(decide_slowly())
    await asyncio.sleep(0.05)
    await hub.ask(command(wish("hall", at(9)), "r1"))
    hub.clock.instant = NOW + timedelta(milliseconds=1)
    assert await told(hub) == [offer_id("hall")]
    [mark] = [row["read_until"] for row in await hub.fetch("SELECT read_until FROM hint_marks")]
    assert mark < NOW, "in front of what the open transaction may have decided"
    release.set()
    await slow
    await told(hub)
    [mark] = [row["read_until"] for row in await hub.fetch("SELECT read_until FROM hint_marks")]
    assert mark == hub.clock.instant
