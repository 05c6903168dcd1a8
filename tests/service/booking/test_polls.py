"""One log of everything that can be asked, in polls of 1, 7 and 500, one clock: the same rows and events, in their order."""

import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts.booking import (
    AcceptWaitlistOffer,
    CancelBooking,
    CheckIn,
    ConfirmBooking,
    DecideApproval,
    RescheduleBooking,
)
from contracts.catalog import OfferPublished
from contracts.envelope import Event
from hubkit import ids
from tests.service.booking.hub import (
    NOW,
    Hub,
    at,
    booked,
    citizen,
    command,
    made,
    named,
    offer_id,
    one,
    published,
    room,
    staff,
    wish,
)

LIMITS = [
    {"key": "k", "per": "person", "unit": "bookings", "window": "active", "max": 6},
    {"key": "t", "per": "person", "unit": "bookings", "window": "same_time", "max": 2},
]
NAMES = ("hall", "hall", "hall", "desk", "desk", "talk", "talk", "talk", "advice", "stage", "lab", "now", "now")
PARTS = 3  # the catalogue changes between two parts of the log
LENGTH = 160
ROWS = {
    "bookings": "SELECT to_jsonb(b) - 'queue_no' FROM bookings AS b ORDER BY booking_id",
    "queue": "SELECT booking_id FROM bookings WHERE queue_no IS NOT NULL ORDER BY queue_no",
    "allocations": "SELECT to_jsonb(a) FROM allocations AS a ORDER BY booking_id, superseded, resource_id, occupied, quantity",
    "resources": "SELECT resource_id, used, tolerated FROM resources WHERE kind <> 'allowance' ORDER BY resource_id",
    "series": "SELECT to_jsonb(s) FROM series AS s ORDER BY series_id",
    "ledger": "SELECT to_jsonb(r) FROM requests AS r ORDER BY request_id",
    "events": "SELECT topic, key, headers, payload FROM outbox WHERE topic = 'booking.events.v1' ORDER BY id",
}


def offers(part: int) -> Iterator[OfferPublished]:
    """The catalogue: a room closed for a morning in the second part, fewer desks and an earlier talk in the third."""
    revision = part + 1
    shut = [{"blackout_id": "x", "start": at(9).isoformat(), "end": at(13).isoformat(), "cause": "water"}] if part == 1 else []
    desks = {"resource_id": "desks", "kind": "pool", "revision": revision, "capacity": 3 if part < 2 else 2}
    hour = 17 if part < 2 else 16
    talk = {
        "resource_id": "course", "kind": "session", "revision": revision, "capacity": 3,
        "start": f"2027-03-03T{hour}:00:00Z", "end": f"2027-03-03T{hour + 2}:00:00Z",
    }  # fmt: skip
    hall = room("room-1", revision=revision, setup_minutes=10, blackouts=shut)
    advisers = [{"resource_id": name, "kind": "adviser", "revision": 1} for name in ("x", "y")]
    fit: dict[str, Any] = {"waitlist": {"mode": "fit"}}
    delay: dict[str, Any] = {"resale_delay_minutes": 60}
    yield published("hall", revision=revision, **fit, **delay, **one("unit", hall, room("room-2")))
    yield published("desk", revision=revision, max_quantity=2, limits=LIMITS, **fit, **delay, **one("pool", desks))
    strict: dict[str, Any] = {"waitlist": {"mode": "strict", "max_entries": 4}}
    yield published("talk", revision=revision, max_quantity=2, limits=LIMITS, **strict, **delay, **one("session", talk))
    yield published("advice", revision=revision, durations=[30, 60], **one("adviser", *advisers))
    parts = [
        {"component_id": "stage", "kind": "unit", "resource_ids": ["stage"]},
        {"component_id": "seats", "kind": "pool", "resource_ids": ["desks"]},
        {"component_id": "light", "kind": "unit", "resource_ids": ["light"], "optional": True},
    ]
    yield published(
        "stage", revision=revision, approval={"blocks": False}, components=parts, mode="request",
        resources=[room("stage"), room("light"), desks],
    )  # fmt: skip
    yield published("lab", revision=revision, mode="request", **fit, **one("unit", room("lab")))
    rules: dict[str, Any] = {"check_in": {"required": True}, "cancel": {"until_minutes": 30, "after": "refuse"}}
    yield published("now", revision=revision, **rules, **fit, **one("unit", room("cell-1"), room("cell-2")))


class Log:
    """Draws commands of ten people; many are about what was asked before."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.asked: list[tuple[str, str, str]] = []
        self.series: list[tuple[str, str, str]] = []
        self.events: list[Event] = []

    def whole(self) -> list[Event]:
        """All of it, some of it twice."""
        for n in range(LENGTH):
            kind = self.draw.random()
            if self.events and kind < 0.04:
                self.events.append(self.draw.choice(self.events[-20:]))  # a copy: the first one stands
            elif self.asked and kind < 0.5:
                self._about(f"n{n}")
            elif self.series and kind < 0.56:
                self._about_a_series(f"n{n}")
            else:
                self._wish(f"n{n}")
        return self.events

    def _wish(self, request: str) -> None:
        draw = self.draw
        offer, person = draw.choice(NAMES), f"p{draw.randrange(10)}"
        more: dict[str, Any] = {}
        if draw.random() < 0.15:
            more["intent"] = "hold"
        if offer in ("desk", "talk"):
            more["quantity"] = draw.choice((1, 1, 2))
        if offer == "stage" and draw.random() < 0.5:
            more["options"] = ["light"]
        if offer != "talk" and draw.random() < 0.1:
            more |= {"series": {"every": "day", "count": 3, "mode": draw.choice(["skip", "all_or_nothing"])}}
            more.pop("intent", None)
            self.series.append((offer, request, person))
        if offer in ("desk", "talk") and draw.random() < 0.1:
            more |= {"actor": staff(), "overbook": {"reason_code": "crowd"}}
        start = None if offer == "talk" else at(draw.randrange(9, 12))
        if offer == "now":
            start = NOW + timedelta(minutes=draw.choice((5, 15)))
        self.events.append(command(wish(offer, start, person=person, **more), request))
        self.asked.append((offer, request, person))

    def _about(self, request: str) -> None:
        draw = self.draw
        offer, before, owner = draw.choice(self.asked[-30:])
        fields: dict[str, Any] = {
            "offer_id": offer_id(offer), "booking_id": booked(before), "actor": draw.choice([citizen(owner), staff()])
        }  # fmt: skip
        usual: list[type[Any]] = [CancelBooking, CancelBooking, RescheduleBooking, ConfirmBooking, AcceptWaitlistOffer]
        special: dict[str, type[Any]] = {"stage": DecideApproval, "lab": DecideApproval, "now": CheckIn}
        model: type[Any] = draw.choice(usual if offer not in special or draw.random() < 0.5 else [special[offer]])
        if model is RescheduleBooking and offer == "talk":
            fields["quantity"] = 1
        elif model is RescheduleBooking:
            hour = draw.randrange(18, 26) / 2
            fields |= {"start": at(hour), "end": at(hour + 1)} if draw.random() < 0.7 else {"quantity": 1}
        elif model is DecideApproval:
            fields |= {"decision": draw.choice(["approve", "approve", "decline"]), "actor": staff()}
        elif model is CheckIn:
            fields["direction"] = draw.choice(["in", "in", "out"])
        self.events.append(command(made(model, **fields), request))

    def _about_a_series(self, request: str) -> None:
        draw = self.draw
        offer, before, owner = draw.choice(self.series)
        series_id: UUID = ids.derived(named(before), "series")
        if draw.random() < 0.5:
            fields = {"offer_id": offer_id(offer), "series_id": series_id, "from_n": 1, "actor": citizen(owner)}
            self.events.append(command(made(CancelBooking, **fields), request))
            return
        n = draw.randrange(3)
        first = next(event.data.start for event in self.events if event.id == named(before))  # type: ignore[union-attr]
        start = first + timedelta(days=n)
        self.events.append(command(wish(offer, start, person=owner, add_to={"series_id": series_id, "n": n}), request))


async def in_polls_of(hub: Hub, size: int, log: list[Event]) -> dict[str, list[Any]]:
    """Everything that the log leaves."""
    third = len(log) // PARTS
    for part in range(PARTS):
        await hub.publish(*offers(part))
        events = log[part * third : (part + 1) * third]
        for first in range(0, len(events), size):
            await hub.ask(*events[first : first + size])
    assert await hub.violations() == {}
    assert await hub.dead_letters() == []
    assert hub.house.metrics.value("booking_backstop_total") == 0
    rows = {name: [tuple(row) for row in await hub.fetch(query)] for name, query in ROWS.items()}
    # What lies above a capacity is told once for each poll that changed it.
    rows["events"] = [row for row in rows["events"] if b"CapacityChanged" not in row[2]]
    return rows


@pytest.mark.parametrize("seed", [1, 2])
async def test_one_log__in_polls_of_1_7_and_500__the_same_rows_and_events(service_db: Callable[[str], str], seed: int) -> None:
    log = Log(seed).whole()
    seen: dict[int, dict[str, list[Any]]] = {}
    for size in (1, 7, 500):
        hub = await Hub.open(service_db("booking"))
        seen[size] = await in_polls_of(hub, size, log)
        kinds = {answer.type for answer in await hub.answers()}
        await hub.close()
    for name in ROWS:
        for size in (7, 500):
            assert seen[size][name] == seen[1][name], f"{name} in polls of {size}"
    assert len(kinds) >= 14, " ".join(sorted(kinds))


async def test_hold_confirmed_alone_in_its_poll__is_told_how_many_compete(hub: Hub) -> None:
    await hub.publish(published("hall", mode="request", approval={"blocks": False}, **one("unit", room())))
    wishes = [command(wish("hall", at(9), person=name), name) for name in ("ann", "bob")]
    await hub.ask(*wishes, command(wish("hall", at(9), person="cem", intent="hold"), "cem"))
    confirm = made(ConfirmBooking, offer_id=offer_id("hall"), booking_id=booked("cem"), actor=citizen("cem"))
    [answer] = await hub.ask(command(confirm, "confirm"))
    assert (answer.type, answer.data["competing"]) == ("ApprovalRequested", 2)


async def test_approved_where_it_is__holds_its_place_once_without_a_trace_of_a_move(hub: Hub) -> None:
    await hub.publish(published("hall", mode="request", approval={"blocks": False}, **one("unit", room())))
    await hub.ask(command(wish("hall", at(9)), "ann"))
    approve = made(DecideApproval, offer_id=offer_id("hall"), booking_id=booked("ann"), actor=staff(), decision="approve")
    await hub.ask(command(approve, "approve"))
    rows = await hub.fetch("SELECT blocking, competing, superseded FROM allocations")
    assert [tuple(row) for row in rows] == [(True, False, False)]
