"""The same controls where nobody books anew: a promotion, a move, the rooms of a session, a closure, a cut of places.

Two workers read what is taken, meet at a barrier, and only then write. With lock and constraint on they cannot meet; without
the lock the constraint has to catch them, or what it cannot see has to happen; without both it must.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from contracts import topics
from contracts.booking import RescheduleBooking
from services.booking.handlers import aftermath, settlement, writing
from services.booking.store import resources
from tests.integration.test_booking_negative_control import Meeting, read_without_lock
from tests.service.booking.hub import (
    NOW,
    Hub,
    at,
    booked,
    cancel,
    catalogue_event,
    citizen,
    command,
    made,
    offer_id,
    one,
    published,
    room,
    wish,
)
from tests.service.booking.test_settlement import Blind

LATER = NOW + timedelta(minutes=30)
Turn = Callable[[Hub, int], Awaitable[None]]


def course(**more: Any) -> dict[str, Any]:
    span = {"start": at(17), "end": at(19)}
    return {"resource_id": "course", "kind": "session", "revision": 1, "capacity": 2, **span} | more


def asks(offer: str, who: str, hour: float | None) -> Turn:
    body = wish(offer, None if hour is None else at(hour), person=who, join_waitlist=False)
    return lambda hub, part: hub.take(topics.BOOKING_REQUESTS, [command(body, who)], partition=part)


def tells(offer: Any) -> Turn:
    return lambda hub, part: hub.take(topics.CATALOG_OFFERS, [catalogue_event(offer)], partition=part)


async def promotion(hub: Hub) -> tuple[Turn, Turn]:
    """Bob waits for an hour that was kept from newcomers until now; dan's cancellation looks at the queue of that room."""
    await hub.publish(published("hall", resale_delay_minutes=30, waitlist={"mode": "fit"}, **one("unit", room())))
    await hub.ask(command(wish("hall", at(9)), "ann"), command(wish("hall", at(13), person="dan"), "dan"))
    await hub.ask(command(cancel("hall", booked("ann")), "gone"), command(wish("hall", at(9), person="bob"), "bob"))
    given_up = command(cancel("hall", booked("dan"), person="dan"), "given up")
    return lambda one, part: one.take(topics.BOOKING_REQUESTS, [given_up], partition=part), asks("hall", "cem", 9)


async def move(hub: Hub) -> tuple[Turn, Turn]:
    await hub.publish(published("hall", **one("unit", room())))
    await hub.ask(command(wish("hall", at(9)), "ann"))
    fields = {"offer_id": offer_id("hall"), "actor": citizen("ann"), "booking_id": booked("ann")}
    moved = command(made(RescheduleBooking, **fields, start=at(11), end=at(12)), "moved")
    return lambda one, part: one.take(topics.BOOKING_REQUESTS, [moved], partition=part), asks("hall", "cem", 11)


async def rooms_of_a_session(hub: Hub) -> tuple[Turn, Turn]:
    await hub.publish(published("hall", **one("unit", room())))
    return tells(published("talk", **one("session", course(occupies=["room-1"])))), asks("hall", "cem", 17)


async def cut(hub: Hub) -> tuple[Turn, Turn]:
    await hub.publish(published("talk", **one("session", course())))
    await hub.ask(command(wish("talk", None), "ann"))
    return tells(published("talk", revision=2, **one("session", course(revision=2, capacity=1)))), asks("talk", "cem", None)


async def closure(hub: Hub) -> tuple[Turn, Turn]:
    await hub.publish(published("hall", **one("unit", room())))
    closed = room(revision=2, blackouts=[{"blackout_id": "b", "start": at(8), "end": at(12), "cause": "water"}])
    return tells(published("hall", revision=2, **one("unit", closed))), asks("hall", "cem", 9)


@dataclass(frozen=True)
class Path:
    """How the scene is set and who acts; what is found with both guards off, and whether a constraint sees it."""

    set_scene: Callable[[Hub], Awaitable[tuple[Turn, Turn]]]
    found: dict[str, int]


PATHS = {
    "promotion": Path(promotion, {"overlap": 1}),
    "move": Path(move, {"overlap": 1}),
    "rooms of a session": Path(rooms_of_a_session, {"overlap": 1}),
    "cut": Path(cut, {"oversold_session": 1}),
}


@pytest.fixture
async def workers(service_db: Callable[[str], str]) -> AsyncIterator[tuple[Hub, Hub]]:
    dsn = service_db("booking")
    hubs = await Hub.open(dsn), await Hub.open(dsn)
    yield hubs
    for hub in hubs:
        await hub.close()


async def both_at_once(
    workers: tuple[Hub, Hub], patch: pytest.MonkeyPatch, turns: tuple[Turn, Turn]
) -> tuple[int, float, dict[str, int]]:
    """How many met between read and write, how often a constraint caught them, and what the invariants find afterwards."""
    meeting = Meeting(writing.write, parties=2)
    patch.setattr(writing, "write", meeting)
    patch.setattr(aftermath, "write", meeting)
    for hub in workers:
        hub.clock.instant = LATER
    await asyncio.gather(*(partial(turn, hub, 1 + n)() for n, (turn, hub) in enumerate(zip(turns, workers, strict=True))))
    caught = sum(hub.house.metrics.value("booking_backstop_total") for hub in workers)
    return meeting.met, caught, await workers[0].violations()


def repeated_as_bugs(workers: tuple[Hub, Hub]) -> float:
    """Polls that a constraint's objection ended as a fault of ours would."""
    labels = {"topic": topics.BOOKING_REQUESTS.name, "error": "BackstopHit"}
    return sum(hub.house.metrics.value("hubnetz_consumer_retries_total", **labels) for hub in workers)


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
async def test_both_on__they_never_meet(workers: tuple[Hub, Hub], monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    turns = await path.set_scene(workers[0])
    assert await both_at_once(workers, monkeypatch, turns) == (0, 0, {})


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
async def test_lock_off__the_constraint_catches_one_and_it_is_decided_again(
    workers: tuple[Hub, Hub], monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    turns = await path.set_scene(workers[0])
    monkeypatch.setattr(resources, "lock_resources", read_without_lock)
    met, caught, found = await both_at_once(workers, monkeypatch, turns)
    assert (met, found) == (2, {})
    assert caught > 0
    assert repeated_as_bugs(workers) == 0
    assert await workers[0].dead_letters() == []


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
async def test_both_off__the_invariants_find_it(workers: tuple[Hub, Hub], monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    turns = await path.set_scene(workers[0])
    monkeypatch.setattr(resources, "lock_resources", read_without_lock)
    await workers[0].pool.raw.execute("ALTER TABLE allocations DROP CONSTRAINT no_overlap")
    await workers[0].pool.raw.execute("ALTER TABLE resources DROP CONSTRAINT no_oversell")
    assert await both_at_once(workers, monkeypatch, turns) == (2, 0, path.found)


async def standing_in_the_closure(hub: Hub) -> int:
    """Claims within the closed hours, which no constraint can see: displaced or refused they have to be."""
    span = at(8), at(12)
    return len(await hub.fetch("SELECT 1 FROM allocations WHERE blocking AND booked && tstzrange($1, $2)", *span))


@pytest.mark.parametrize("lock", [True, False])
async def test_closure__only_the_lock_keeps_a_claim_out_of_it(
    workers: tuple[Hub, Hub], monkeypatch: pytest.MonkeyPatch, lock: bool
) -> None:
    turns = await closure(workers[0])
    if not lock:
        monkeypatch.setattr(resources, "lock_resources", read_without_lock)
    met, *_ = await both_at_once(workers, monkeypatch, turns)
    assert (met, await standing_in_the_closure(workers[0])) == ((0, 0) if lock else (2, 1))


async def test_move_that_the_constraint_refuses_twice__stored_as_refused(
    workers: tuple[Hub, Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, _ = workers
    turn, _ = await move(hub)
    await hub.ask(command(wish("hall", at(11), person="cem"), "cem"))
    monkeypatch.setattr(settlement, "read_occupancy", Blind(99))
    await turn(hub, 1)
    last = (await hub.answers())[-1]
    assert (last.type, last.data["reason"], last.data["booking_id"]) == ("RequestRefused", "conflict", str(booked("ann")))
    assert (hub.house.metrics.value("booking_backstop_total"), repeated_as_bugs(workers)) == (2, 0)
    [row] = await hub.fetch("SELECT start, version FROM bookings WHERE booking_id = $1", booked("ann"))
    assert (row["start"], row["version"], await hub.violations()) == (at(9), 1, {})
