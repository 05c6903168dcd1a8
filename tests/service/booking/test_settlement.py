"""What happens when a constraint disagrees, another process was faster, or locks are not had (booking.md §8)."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import asyncpg
import pytest

from hubkit import db
from services.booking.domain.occupancy import Occupancy, Places
from services.booking.handlers import settlement, writing
from services.booking.handlers.house import House
from services.booking.handlers.reading import read_occupancy
from services.booking.handlers.subjects import Asking, Subjects, find_subjects
from tests.service.booking.hub import Hub, at, booked, cancel, command, named, offer_id, one, published, room, wish

SESSION = {
    "resource_id": "course", "kind": "session", "revision": 1, "capacity": 2,
    "start": "2027-03-10T17:00:00Z", "end": "2027-03-10T19:00:00Z",
}  # fmt: skip


class Blind:
    """A reading that sees nothing the first `times` times: what deciding without the lock would amount to."""

    def __init__(self, times: int) -> None:
        self.left = times

    async def __call__(self, conn: Any, asked: Any, *, used: Any, **more: Any) -> Occupancy:
        """As `read_occupancy`."""
        if not self.left:
            return await read_occupancy(conn, asked, used=used, **more)
        self.left -= 1
        occupancy = await read_occupancy(conn, [], used=used, now=more["now"])
        occupancy.sessions = {name: Places(0) for name in used}
        for offer, _ in asked:
            for part in offer.components:
                for resource in part.resources:
                    occupancy.known[resource.resource_id] = [(at(-9000), at(9000))]
        return occupancy


@pytest.mark.parametrize("kind", ["unit", "session"])
async def test_backstop__the_halves_are_decided_anew_and_nothing_is_sold_twice(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    resource = room() if kind == "unit" else SESSION | {"capacity": 1}
    await hub.publish(published("it", **one(kind, resource)))
    start = None if kind == "session" else at(9)
    await hub.ask(command(wish("it", start, person="first"), "first"))
    monkeypatch.setattr(settlement, "read_occupancy", Blind(1))
    others = [] if kind == "session" else [command(wish("it", at(10 + n), person=f"p{n}"), f"r{n}") for n in range(6)]
    answers = await hub.ask(*others[:3], command(wish("it", start, person="late"), "late"), *others[3:])
    assert [answer.causation_id for answer in answers] == [
        *(named(f"r{n}") for n in range(len(others) // 2)), named("late"), *(named(f"r{n}") for n in range(3, len(others))),
    ]  # fmt: skip
    refused = [answer.data["reason"] for answer in answers if answer.type == "BookingRejected"]
    assert refused == ["conflict" if kind == "unit" else "capacity_full"]
    assert hub.house.metrics.value("booking_backstop_total") == 1
    assert await hub.violations() == {}


@pytest.mark.parametrize("kind", ["unit", "session"])
async def test_backstop__a_single_one_that_still_fails_is_stored_as_refused(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    resource = room() if kind == "unit" else SESSION | {"capacity": 1}
    await hub.publish(published("it", **one(kind, resource)))
    start = None if kind == "session" else at(9)
    await hub.ask(command(wish("it", start, person="first"), "first"))
    monkeypatch.setattr(settlement, "read_occupancy", Blind(99))
    answers = await hub.ask(*(command(wish("it", start, person=f"p{n}"), f"r{n}") for n in range(3)))
    code = "conflict" if kind == "unit" else "capacity_full"
    assert [(answer.type, answer.data["reason"]) for answer in answers] == [("BookingRejected", code)] * 3
    assert await hub.ask(command(wish("it", start, person="p0"), "r0")) == []
    assert hub.house.metrics.value("booking_backstop_total") >= 3
    assert await hub.violations() == {}


async def test_another_process_decided_this_id__planned_again_and_dropped(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two copies in two partitions: both find the id unknown, one is faster, the other runs into the ledger's key."""
    await hub.publish(published("hall", **one("unit", room(), room("room-2"))))
    twin = command(wish("hall", at(9)), "r1")
    real, raced = writing.write, False

    async def late(*arguments: Any) -> None:
        nonlocal raced
        if not raced:
            raced = True
            other = await Hub.open(hub.dsn)
            # only the ledger's row: the faster process locked other rows, or none
            async with db.transaction(other.pool) as tx:
                await tx.execute(
                    "INSERT INTO requests (request_id, payload_hash, command, decided_at, outcome)"
                    " VALUES ($1, $2, 'RequestBooking', now(), '{}')",
                    named("r1"),
                    arguments[2].said[0].case.payload_hash,
                )
            await other.close()
        await real(*arguments)

    monkeypatch.setattr(writing, "write", late)
    assert await hub.ask(twin) == []
    assert raced
    assert await hub.fetch("SELECT FROM bookings") == []


async def test_locks_not_had__busy_is_answered_and_not_stored(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    await hub.publish(published("hall", **one("unit", room())))
    await hub.publish(published("other", **one("unit", room("free"))))
    await hub.ask(command(wish("hall", at(9)), "r1"))
    blocker = await asyncpg.connect(hub.dsn)
    async with blocker.transaction():
        await blocker.execute("SELECT FROM resources WHERE resource_id = 'room-1' FOR UPDATE")
        async with hub.pool.raw.acquire() as connection:
            await connection.execute("SET lock_timeout = 50")
        answers = await hub.ask(
            command(wish("hall", at(12)), "r2"),
            command(wish("other", at(9)), "r3"),
            command(cancel("hall", booked("r1")), "c1"),
        )
    await blocker.close()
    assert [(answer.type, answer.data.get("reason"), answer.data.get("retryable")) for answer in answers] == [
        ("BookingRejected", "busy", True), ("BookingConfirmed", None, None), ("RequestRefused", "busy", True),
    ]  # fmt: skip
    assert hub.house.metrics.value("booking_busy_total") == 2
    stored = {row["request_id"] for row in await hub.fetch("SELECT request_id FROM requests")}
    assert stored == {named("r1"), named("r3")}
    again = await hub.ask(command(wish("hall", at(12)), "r2"), command(cancel("hall", booked("r1")), "c1"))
    assert [answer.type for answer in again] == ["BookingConfirmed", "BookingCancelled"]
    assert await hub.violations() == {}


async def test_busy__known_and_reused_ids_are_told_apart_there_too(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    await hub.publish(published("hall", **one("unit", room())))
    known = command(wish("hall", at(9)), "r1")
    await hub.ask(known)

    async def no_lock(*_: Any) -> None:
        raise asyncpg.LockNotAvailableError("lock timeout")

    monkeypatch.setattr("services.booking.store.resources.lock_resources", no_lock)
    answers = await hub.ask(known, command(wish("hall", at(12)), "r1"), command(wish("hall", at(12)), "r2"))
    assert [answer.data["reason"] for answer in answers] == ["request_id_reused", "busy"]


async def test_plan__a_booking_that_holds_more_than_was_planned_is_planned_again(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hub.publish(published("hall", **one("unit", room())))
    await hub.ask(command(wish("hall", at(9)), "r1"))

    async def nothing(house: House, conn: Any, asking: Asking, now: datetime) -> Subjects:
        if asking.resource_ids:
            return await find_subjects(house, conn, asking, now)
        return Subjects(offers=await house.shelf.take(conn, {offer_id("hall")}))

    monkeypatch.setattr("services.booking.handlers.requests.find_subjects", nothing)
    [answer] = await hub.ask(command(cancel("hall", booked("r1")), "c1"))
    assert answer.type == "BookingCancelled"
    assert hub.house.metrics.value("booking_plan_repeats_total") == 1


async def test_four_processes__on_one_unit_and_one_session__one_winner_each(service_db: Callable[[str], str]) -> None:
    dsn = service_db("booking")
    hubs = [await Hub.open(dsn) for _ in range(4)]
    await hubs[0].publish(published("hall", **one("unit", room())), published("course", **one("session", SESSION)))
    work = [
        hub.consumers["booking.requests.v1"].process(hub.records(part, [
            command(wish("hall", at(9), person=f"p{part}{n}"), f"h{part}{n}") if n % 2 else
            command(wish("course", None, person=f"p{part}{n}"), f"s{part}{n}")
            for n in range(10)
        ]))
        for part, hub in enumerate(hubs)
    ]  # fmt: skip
    await asyncio.gather(*work)
    answers = await hubs[0].answers()
    assert len(answers) == 40
    confirmed = [answer for answer in answers if answer.type == "BookingConfirmed"]
    assert len([a for a in confirmed if a.data["placements"][0]["resource_id"] == "room-1"]) == 1
    assert len([a for a in confirmed if a.data["placements"][0]["resource_id"] == "course"]) == 2
    assert sum(hub.house.metrics.value("booking_backstop_total") for hub in hubs) == 0
    assert await hubs[0].violations() == {}
    for hub in hubs:
        await hub.close()
