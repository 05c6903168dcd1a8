"""One log in polls of any size gives the same rows; claims in opposite orders do not meet in a deadlock."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from contracts.booking import AcceptWaitlistOffer, CancelBooking, ConfirmBooking, RescheduleBooking
from contracts.envelope import Event
from tests.service.booking.hub import Hub, at, booked, citizen, command, made, offer_id, one, published, room, staff, wish

SESSION = {
    "resource_id": "course", "kind": "session", "revision": 1, "capacity": 3,
    "start": "2027-03-10T17:00:00Z", "end": "2027-03-10T19:00:00Z",
}  # fmt: skip
POOL = {"resource_id": "desks", "kind": "pool", "revision": 1, "capacity": 2}
LIMIT = [{"key": "k", "per": "person", "unit": "bookings", "window": "active", "max": 4}]


def log_of(seed: int, length: int) -> list[Event]:
    """Commands of ten people on three offers, many of them about the same."""
    draw = random.Random(seed)
    made_so_far: list[tuple[str, str, str]] = []
    events: list[Event] = []
    for n in range(length):
        person = f"p{draw.randrange(10)}"
        if made_so_far and draw.random() < 0.45:
            offer, request, owner = draw.choice(made_so_far)
            fields: dict[str, Any] = {
                "offer_id": offer_id(offer), "booking_id": booked(request),
                "actor": draw.choice([citizen(owner), staff()]),
            }  # fmt: skip
            model: type[Any] = draw.choice(
                [CancelBooking, CancelBooking, ConfirmBooking, AcceptWaitlistOffer, RescheduleBooking]
            )
            if model is RescheduleBooking and offer != "talk":
                hour = draw.randrange(9, 14)
                fields |= {"start": at(hour), "end": at(hour + 1)}
            events.append(command(made(model, **fields), f"n{n}"))
            continue
        offer = draw.choice(["hall", "desk", "talk"])
        more: dict[str, Any] = {"intent": "hold"} if draw.random() < 0.2 else {}
        start = None if offer == "talk" else at(draw.randrange(9, 14))
        events.append(command(wish(offer, start, person=person, **more), f"n{n}"))
        made_so_far.append((offer, f"n{n}", person))
    return events


OFFERS = (
    published("hall", resale_delay_minutes=60, waitlist={"mode": "fit"}, **one("unit", room(setup_minutes=10), room("room-2"))),
    published("desk", waitlist={"mode": "fit"}, limits=LIMIT, **one("pool", POOL)),
    published("talk", waitlist={"mode": "strict"}, limits=LIMIT, **one("session", SESSION)),
)


@pytest.mark.parametrize("seed", [7, 8])
async def test_polls_of_1_7_and_500__same_rows_and_same_answers(service_db: Callable[[str], str], seed: int) -> None:
    seen = []
    for size in (1, 7, 500):
        hub = await Hub.open(service_db("booking"))
        await hub.publish(*OFFERS)
        events = log_of(seed, 90)
        for first in range(0, len(events), size):
            await hub.ask(*events[first : first + size])
        assert await hub.violations() == {}
        assert hub.house.metrics.value("booking_backstop_total") == 0
        bookings = await hub.fetch(
            "SELECT booking_id, state, version, start, quantity, next_due_at FROM bookings ORDER BY booking_id"
        )
        held = await hub.fetch(
            "SELECT booking_id, resource_id, occupied, blocking, superseded, resale_after FROM allocations"
            " ORDER BY booking_id, resource_id, occupied, superseded"
        )
        ledger = await hub.fetch("SELECT request_id, version, outcome FROM requests ORDER BY request_id")
        answers = [(a.id, a.type) for a in await hub.answers()]
        seen.append(([tuple(r) for r in bookings], [tuple(r) for r in held], [tuple(r) for r in ledger], answers))
        await hub.close()
    assert len({kind for _, kind in seen[0][3]}) >= 8, "the log should lead to all sorts of answers"
    for name, one_by_one, by_seven, at_once in zip(("bookings", "allocations", "ledger", "events"), *seen, strict=True):
        assert one_by_one == by_seven, name
        assert one_by_one == at_once, name


async def test_bundles_in_opposite_orders__200_at_once_and_no_deadlock(service_db: Callable[[str], str]) -> None:
    dsn = service_db("booking")
    hubs = [await Hub.open(dsn) for _ in range(4)]
    rooms = [room(f"room-{n}") for n in range(4)]
    names = [r["resource_id"] for r in rooms]
    for name, order in (("up", names), ("down", names[::-1])):
        parts = [{"component_id": f"c{n}", "kind": "unit", "resource_ids": [r]} for n, r in enumerate(order)]
        await hubs[0].publish(published(name, components=parts, resources=rooms))
    work = [
        hub.consumers["booking.requests.v1"].process(
            hub.records(2 * part + turn, [
                command(wish("up" if (n + part) % 2 else "down", at(n % 10), person=f"p{part}{turn}{n}"), f"b{part}{turn}{n}")
                for n in range(25)
            ])
        )
        for part, hub in enumerate(hubs)
        for turn in range(2)
    ]  # fmt: skip
    await asyncio.gather(*work)
    answers = await hubs[0].answers()
    assert len(answers) == 200
    assert len([a for a in answers if a.type == "BookingConfirmed"]) == 10
    assert {a.data["reason"] for a in answers if a.type == "BookingRejected"} == {"conflict"}
    assert sum(hub.house.metrics.value("booking_busy_total") for hub in hubs) == 0
    assert await hubs[0].violations() == {}
    for hub in hubs:
        await hub.close()
