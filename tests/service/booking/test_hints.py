"""Hints of what became free or full: nobody is forgotten, however much happens at once and however late it is committed."""

import asyncio
from datetime import date, timedelta
from typing import Any

import pytest

from hubkit import db
from services.booking.handlers import hints, questions
from services.booking.limits import HINT_OFFERS_MAX
from tests.service.booking.hub import NOW, Hub, at, command, offer_id, one, published, room, wish

HOURS = [{"weekday": day, "from": "10:00", "to": "11:00"} for day in range(1, 8)]
LATE = [
    {"weekday": 2, "from": "23:00", "to": "24:00"},  # 2 March 2027 is a Tuesday
    {"weekday": 3, "from": "00:00", "to": "01:00"},
]


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


async def days_told(hub: Hub) -> dict[str, bool]:
    """Local dates of the one event that is told now, and whether they are free."""
    before = len(await hub.answers())
    await hints.tell_availability(hub.house, hub.pool)
    [answer] = (await hub.answers())[before:]
    return {day["date"]: day.get("free", False) for day in answer.data["days"]}


async def test_two_distant_days_in_one_run__those_two_and_no_other(hub: Hub) -> None:
    await hub.publish(hall("hall"))
    await told(hub)
    await hub.ask(command(wish("hall", at(9)), "r1"), command(wish("hall", at(8, day=60), person="bob"), "r2"))
    read: list[tuple[date, ...]] = []
    plain = questions.free_days

    async def spied(conn: Any, asked: Any, *more: Any) -> Any:
        read.extend(tuple(days) for _, days in asked)
        return await plain(conn, asked, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(questions, "free_days", spied)
        assert await days_told(hub) == {"2027-03-02": False, "2027-05-01": False}
    assert read == [(date(2027, 3, 2), date(2027, 5, 1))], "what lies between was not touched"


async def test_claim_whose_tear_down_passes_midnight__the_next_day_is_told(hub: Hub) -> None:
    """Both days have one start: at 23:00, and at 00:00 of the next, which the tear-down of the first takes away."""
    await hub.publish(hall("hall", hours=LATE, **one("unit", room("hall", teardown_minutes=30))))
    await told(hub)
    await hub.ask(command(wish("hall", at(22)), "r1"))
    assert await days_told(hub) == {"2027-03-02": False, "2027-03-03": False}


async def test_start_whose_tear_down_would_meet_a_claim_of_the_next_day__its_day_is_told(hub: Hub) -> None:
    await hub.publish(hall("hall", hours=LATE, **one("unit", room("hall", teardown_minutes=30))))
    await told(hub)
    await hub.ask(command(wish("hall", at(23)), "r1"))
    assert await days_told(hub) == {"2027-03-02": False, "2027-03-03": False}


async def test_nothing_but_the_instant_differs__the_picture_is_not_written_again(hub: Hub) -> None:
    await hub.publish(hall("hall", hours=[{"weekday": day, "from": "10:00", "to": "12:00"} for day in range(1, 8)]))
    await told(hub)
    [before] = await hub.fetch("SELECT xmin::text, as_of FROM hints")
    await hub.ask(command(wish("hall", at(9)), "r1"))
    hub.clock.instant = NOW + timedelta(seconds=1)
    assert await told(hub) == [], "11:00 is free still"
    assert await hub.fetch("SELECT xmin::text, as_of FROM hints") == [before]
