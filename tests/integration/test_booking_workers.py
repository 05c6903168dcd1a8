"""Four processes of booking share one group, one database and the resources of many offers: a crowd asks them all at once."""

import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from contracts.booking import CancelBooking, ConfirmBooking, RescheduleBooking
from contracts.catalog import OfferPublished
from contracts.envelope import Event
from tests.service.booking.hub import booked, cancel, citizen, made, named, offer_id, one, published, room, wish
from tests.support.booked import EXIT_CODE
from tests.support.booking_crew import PARTITIONS, Crew
from tests.support.kafka import KafkaServer

pytestmark = pytest.mark.timeout(180, func_only=True)  # processes of their own; a killed one is given up after some seconds

WORKERS = 4


@pytest.fixture
async def crew(kafka: KafkaServer, service_db: Callable[[str], str]) -> AsyncIterator[Crew]:
    built = await Crew.built(kafka, service_db("booking"))
    yield built
    await built.booked.stop()


def pool(name: str, capacity: int) -> dict[str, Any]:
    return {"resource_id": name, "kind": "pool", "revision": 1, "capacity": capacity}


def course(crew: Crew, capacity: int, name: str = "course") -> dict[str, Any]:
    span = {"start": crew.hour(12), "end": crew.hour(14)}
    return {"resource_id": name, "kind": "session", "revision": 1, "capacity": capacity, **span}


ROOMS = [room(f"room-{n}") for n in range(6)]
NAMES = [r["resource_id"] for r in ROOMS]


OFFERS = (
    *(f"one-{n}" for n in range(6)), *(f"any-{n}" for n in range(4)), "up", "down", "late", "desks-0", "desks-1", "course-0",
    "course-1",
)  # fmt: skip


def bundle(name: str, rooms: list[str], **more: Any) -> OfferPublished:
    """Several rooms at once, in this order, and a desk."""
    parts = [{"component_id": f"c{n}", "kind": "unit", "resource_ids": [r]} for n, r in enumerate(rooms)]
    parts.append({"component_id": "desk", "kind": "pool", "resource_ids": ["desks"]})
    by_name = {r["resource_id"]: r for r in ROOMS}
    return published(name, components=parts, resources=[*(by_name[r] for r in rooms), pool("desks", 3)], **more)


def shared_offers(crew: Crew) -> dict[str, OfferPublished]:
    """Seventeen offers on eight resources: single rooms, any of some, bundles in both orders, desks, a course twice."""
    fit: dict[str, Any] = {"waitlist": {"mode": "fit"}}
    offers = [published(f"one-{n}", **one("unit", r)) for n, r in enumerate(ROOMS)]
    offers += [published(f"any-{n}", **one("unit", *ROOMS[n : n + 3]), **fit) for n in range(4)]
    offers += [bundle("up", NAMES[:4]), bundle("down", NAMES[3::-1]), bundle("late", NAMES[:2:-1], resale_delay_minutes=5)]
    offers += [published(f"desks-{n}", **one("pool", pool("desks", 3)), **fit) for n in range(2)]
    offers += [published(f"course-{n}", **one("session", course(crew, 20)), waitlist={"mode": "strict"}) for n in range(2)]
    by_id = {offer_id(name): name for name in OFFERS}
    return {by_id[offer.offer_id]: offer for offer in offers}


def load(crew: Crew, offers: dict[str, OfferPublished], count: int, seed: int) -> list[Event]:
    """Wishes of forty people for some hours, and what they do with them afterwards: half of it about each other's places."""
    draw = random.Random(seed)
    events: list[Event] = []
    made_so_far: list[tuple[str, str, str]] = []
    for n in range(count):
        if made_so_far and draw.random() < 0.4:
            offer, request, person = draw.choice(made_so_far)
            fields = {"offer_id": offer_id(offer), "actor": citizen(person), "booking_id": booked(request)}
            model: type[Any] = draw.choice([CancelBooking, CancelBooking, ConfirmBooking, RescheduleBooking])
            if model is RescheduleBooking and not offer.startswith("course"):
                hour = crew.hour(draw.randrange(13))  # nobody wishes for the last three: some moves surely find room
                fields |= {"start": hour, "end": hour + (crew.hour(1) - crew.hour(0))}
            events.append(crew.asks(made(model, **fields), f"n{n}"))
            continue
        offer, person = draw.choice(list(offers)), f"p{draw.randrange(40)}"
        hold: dict[str, Any] = {"intent": "hold"} if draw.random() < 0.2 else {}
        start = None if offer.startswith("course") else crew.hour(draw.randrange(10))
        events.append(crew.asks(wish(offer, start, person=person, **hold), f"n{n}"))
        made_so_far.append((offer, f"n{n}", person))
    return events


async def test_four_workers_one_killed_in_mid_batch_two_joining__nothing_lost_doubled_or_overlapping(crew: Crew) -> None:
    """One ends between decision and write of its first poll, with its rows locked; one is killed; two come in their place."""
    offers = shared_offers(crew)
    doomed, victim, *_ = await crew.start(WORKERS, crash_at="booking.after_decide:1")
    await crew.publish(*offers.values())
    events = load(crew, offers, 900, seed=5)
    for first in range(0, 900, 100):
        await crew.send(events[first : first + 100])
        if first == 300:
            crew.kill(victim)
            for _ in range(2):  # they join while the others work; a dead one is given up after some seconds
                crew.booked.start()
    told = await crew.settled()
    assert await crew.faults(told) == []
    assert victim.exit_code == -signal.SIGKILL
    assert doomed.exit_code == EXIT_CODE, "it never had a poll"
    kinds = Counter(one.type for one in told)
    assert {"BookingConfirmed", "BookingHeld", "BookingCancelled", "BookingRescheduled", "WaitlistOffered"} <= kinds.keys()


async def test_two_hundred_bundles_in_opposite_orders__ten_winners_and_no_deadlock(crew: Crew) -> None:
    await crew.start(WORKERS)
    orders = {"up": NAMES, "down": NAMES[::-1], "mixed": NAMES[::2] + NAMES[1::2]}
    await crew.publish(*(bundle(name, rooms) for name, rooms in orders.items()))
    names = list(orders)
    wishes = [crew.asks(wish(names[n % 3], crew.hour(n % 10), person=f"p{n}"), f"b{n}") for n in range(200)]
    for first in range(0, len(wishes), PARTITIONS):  # one for each partition: many small polls, which meet at the rows
        await crew.send(wishes[first : first + PARTITIONS])
    told = await crew.settled()
    assert await crew.faults(told) == []
    assert Counter(one.said for one in told if one.type.startswith("Booking")) == {
        "BookingConfirmed": 10, "BookingRejected conflict": 190,
    }  # fmt: skip
    assert await crew.deadlocks() == 0


async def test_a_hundred_clients_of_a_hundred_offers_want_one_room__one_winner_ninety_nine_conflicts(crew: Crew) -> None:
    await crew.start(WORKERS)
    await crew.publish(*(published(f"door-{n}", **one("unit", room())) for n in range(100)))
    await crew.send([crew.asks(wish(f"door-{n}", crew.hour(3), person=f"p{n}"), f"c{n}") for n in range(100)])
    told = await crew.settled()
    assert await crew.faults(told) == []
    answers = Counter(one.said for one in told if one.data.get("request_id"))
    assert answers == {"BookingConfirmed": 1, "BookingRejected conflict": 99}


async def test_five_hundred_wait_and_a_hundred_give_up_at_once__the_first_hundred_are_offered_once_each(crew: Crew) -> None:
    await crew.start(WORKERS)
    modes = ("strict", "fit")
    queues = {mode: {"mode": mode, "max_entries": 500} for mode in modes}
    await crew.publish(*(published(m, **one("session", course(crew, 100, m)), waitlist=queues[m]) for m in modes))
    wanted = [crew.asks(wish(mode, None, person=f"p{n}"), f"{mode}{n}") for n in range(601) for mode in modes]
    await crew.send(wanted, in_order=True)
    told = await crew.settled()
    joined = {one.data["booking_id"]: one.data["position"] for one in told if one.type == "WaitlistJoined"}
    assert joined == {str(booked(f"{mode}{n}")): n - 99 for n in range(100, 600) for mode in modes}
    refused = [[reason["code"] for reason in one.data["reasons"]] for one in told if one.type == "BookingRejected"]
    assert refused == [["capacity_full", "waitlist_full"]] * 2

    given_up = [(mode, n) for n in range(100) for mode in modes]
    await crew.send([crew.asks(cancel(m, booked(f"{m}{n}"), person=f"p{n}"), f"gone {m}{n}") for m, n in given_up])
    told = await crew.settled()
    assert await crew.faults(told) == []
    offered = [one for one in told if one.type == "WaitlistOffered"]
    assert sorted(one.data["booking_id"] for one in offered) == sorted(
        str(booked(f"{mode}{n}")) for n in range(100, 200) for mode in modes
    )
    assert Counter(one.cause for one in offered) == {named(f"gone {m}{n}"): 1 for m, n in given_up}  # each passed its place on
