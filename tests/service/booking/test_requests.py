"""Commands through the whole decision: rows, ledger, answers, and what a repeat does."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid5

import pytest

from contracts import topics
from contracts.booking import ConfirmBooking, RescheduleBooking, payload_hash
from contracts.envelope import Event, encode
from hubkit import points
from services.booking.domain.codes import Role
from tests.service.booking.hub import (
    NOW,
    Answer,
    Hub,
    at,
    booked,
    cancel,
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

SESSION = {
    "resource_id": "course",
    "kind": "session",
    "revision": 1,
    "capacity": 3,
    "start": "2027-03-10T17:00:00Z",
    "end": "2027-03-10T19:00:00Z",
}
POOL = {"resource_id": "desks", "kind": "pool", "revision": 1, "capacity": 2}


def outcomes(answers: list[Answer]) -> list[str]:
    return [f"{answer.type} {answer.data.get('reason', '')}".strip() for answer in answers]


async def test_request_booking__rows_ledger_and_answer_agree(hub: Hub) -> None:
    await hub.publish(published("hall", **one("unit", room(setup_minutes=10)), cancel={"until_minutes": 60}))
    [answer] = await hub.ask(command(wish("hall", at(9), needs=()), "r1"))
    assert answer.type == "BookingConfirmed"
    assert answer.key == str(booked("r1"))
    assert answer.causation_id == named("r1")
    assert answer.id == uuid5(booked("r1"), "1/BookingConfirmed")
    assert answer.data["request_id"] == str(named("r1"))
    assert answer.data["cancel_until"] == "2027-03-02T08:00:00Z"
    [booking] = await hub.fetch("SELECT * FROM bookings")
    assert (booking["booking_id"], booking["state"], booking["version"]) == (booked("r1"), "confirmed", 1)
    assert (booking["start"], booking["end"], booking["person_id"]) == (at(9), at(10), named("ann"))
    assert booking["check_in_code"] == answer.data["check_in_code"]
    [allocation] = await hub.fetch("SELECT *, lower(occupied) AS low, upper(occupied) AS high FROM allocations")
    assert (allocation["low"], allocation["high"], allocation["blocking"]) == (at(9) - timedelta(minutes=10), at(10), True)
    [entry] = await hub.fetch("SELECT * FROM requests")
    assert (entry["request_id"], entry["booking_id"], entry["version"]) == (named("r1"), booked("r1"), 1)
    assert (entry["command"], entry["actor_role"], entry["actor_id"]) == ("RequestBooking", "citizen", str(named("ann")))
    assert entry["decided_at"] == NOW
    outcome = json.loads(entry["outcome"])
    assert outcome == {"type": "de.hubnetz.booking.BookingConfirmed.v1", "time": "2027-03-01T09:00:00Z", "data": answer.data}
    assert await hub.violations() == {}


@pytest.mark.parametrize("kind", ["unit", "pool", "session"])
async def test_kinds__sold_to_the_last_place_and_no_further(hub: Hub, kind: str) -> None:
    resource = {"unit": room(), "pool": POOL, "session": SESSION}[kind]
    places = {"unit": 1, "pool": 2, "session": 3}[kind]
    await hub.publish(published("it", **one(kind, resource)))
    start = None if kind == "session" else at(9)
    answers = await hub.ask(*(command(wish("it", start, person=f"p{n}"), f"r{n}") for n in range(6)))
    refused = "BookingRejected conflict" if kind == "unit" else "BookingRejected capacity_full"
    assert outcomes(answers) == ["BookingConfirmed"] * places + [refused] * (6 - places)
    again = await hub.ask(command(wish("it", start, person="late"), "late"))
    assert outcomes(again) == [refused]
    [used] = await hub.fetch("SELECT used FROM resources")
    assert used["used"] == (3 if kind == "session" else 0)
    assert await hub.violations() == {}


@pytest.mark.parametrize("kind", ["unit", "pool", "session"])
@pytest.mark.parametrize("polls", [1, 2])
async def test_cancel__frees_at_once_in_the_same_poll_or_the_next(hub: Hub, kind: str, polls: int) -> None:
    resource = {"unit": room(), "pool": POOL | {"capacity": 1}, "session": SESSION | {"capacity": 1}}[kind]
    await hub.publish(published("it", **one(kind, resource)))
    start = None if kind == "session" else at(9)
    first = [command(wish("it", start), "r1"), command(wish("it", start, person="bob"), "r2")]
    rest = [
        command(cancel("it", booked("r1")), "c1"),
        command(wish("it", start, person="cem"), "r3"),
        command(cancel("it", booked("r1")), "c2"),
    ]
    answers = await hub.ask(*first, *rest) if polls == 1 else [*await hub.ask(*first), *await hub.ask(*rest)]
    assert [answer.type for answer in answers] == [
        "BookingConfirmed", "BookingRejected", "BookingCancelled", "BookingConfirmed", "BookingUnchanged",
    ]  # fmt: skip
    gone = answers[2]
    assert (gone.id, gone.key) == (uuid5(booked("r1"), "2/BookingCancelled"), str(booked("r1")))
    assert (gone.data["version"], gone.data["from_state"], gone.data["by"], gone.data["freed"]) == (
        2,
        "confirmed",
        "citizen",
        True,
    )
    assert answers[4].data["version"] == 2
    states = await hub.fetch("SELECT state, version FROM bookings ORDER BY version, state")
    assert [(row["state"], row["version"]) for row in states] == [("confirmed", 1), ("cancelled", 2)]
    blocking = await hub.fetch("SELECT booking_id FROM allocations WHERE blocking")
    assert [row["booking_id"] for row in blocking] == [booked("r3")]
    assert await hub.violations() == {}


async def test_repeat__of_a_known_request__no_second_booking_and_no_second_event(hub: Hub) -> None:
    await hub.publish(published("hall", **one("unit", room())))
    first = command(wish("hall", at(9)), "r1")
    await hub.ask(first)
    assert await hub.ask(first) == []
    assert await hub.ask(first, first) == []
    refused = command(wish("hall", at(9), person="bob"), "r2")
    assert outcomes(await hub.ask(refused, refused)) == ["BookingRejected conflict"]
    assert outcomes(await hub.ask(command(cancel("hall", booked("r1")), "c1"))) == ["BookingCancelled"]
    assert await hub.ask(refused) == []  # a refusal is final for its id, also once the obstacle is gone
    assert hub.house.metrics.value("hubnetz_consumer_known_total", topic="booking.requests.v1", by="request_id") == 5


@pytest.mark.parametrize("same_poll", [True, False])
async def test_known_id_with_other_content__told_so_and_the_first_outcome_stands(hub: Hub, same_poll: bool) -> None:
    await hub.publish(published("hall", **one("unit", room())))
    first, other = command(wish("hall", at(9)), "r1"), command(wish("hall", at(15)), "r1")
    answers = await hub.ask(first, other) if same_poll else [*await hub.ask(first), *await hub.ask(other)]
    assert outcomes(answers) == ["BookingConfirmed", "RequestRefused request_id_reused"]
    reused = answers[1]
    assert other.data is not None
    content = payload_hash("RequestBooking", other.data)  # type: ignore[arg-type]
    assert "request_id" not in reused.data
    assert (reused.data["payload_hash"], reused.key, reused.causation_id) == (content, offer_id("hall"), named("r1"))
    assert reused.id == uuid5(named("r1"), f"{content}/RequestRefused/request_id_reused")
    [entry] = await hub.fetch("SELECT payload_hash FROM requests")
    assert entry["payload_hash"] != content
    assert len(await hub.fetch("SELECT FROM bookings")) == 1


def under_id(request: str, headers: list[tuple[str, bytes]]) -> list[tuple[str, bytes | None]]:
    return [(name, str(named(request)).encode() if name == "ce_id" else value) for name, value in headers]


async def test_invalid_body__answered_stored_and_not_dead_lettered(hub: Hub) -> None:
    await hub.publish(published("hall", **one("unit", room())))
    good = encode(command(wish("hall", at(9)), "r1"))
    body = json.loads(good[2] or b"")
    body["quantity"] = 0
    broken = (
        good[0],
        [(name, str(named("r2")).encode() if name == "ce_id" else value) for name, value in good[1]],
        json.dumps(body).encode(),
    )
    lost = (
        b"elsewhere",
        [(name, str(named("r3")).encode() if name == "ce_id" else value) for name, value in good[1]],
        b'{"offer_id": 7}',
    )
    await hub.take_raw(topics.BOOKING_REQUESTS, [broken, good, lost, broken])
    first, second, third = await hub.answers()
    assert outcomes([first, second, third]) == [
        "RequestRefused invalid_request",
        "BookingConfirmed",
        "RequestRefused invalid_request",
    ]
    assert (first.key, first.data["detail"], first.data["request_id"]) == (offer_id("hall"), ["/quantity"], str(named("r2")))
    assert first.data["payload_hash"] == payload_hash("RequestBooking", broken[2])
    assert third.key == str(named("r3"))  # not even the offer could be read
    assert await hub.dead_letters() == []
    assert {row["request_id"] for row in await hub.fetch("SELECT request_id FROM requests")} == {
        named(f"r{n}") for n in (1, 2, 3)
    }


async def test_request__that_the_offer_cannot_read__refused_with_pointers(hub: Hub) -> None:
    await hub.publish(published("course", **one("session", SESSION)))
    [answer] = await hub.ask(command(wish("course", at(9)), "r1"))
    assert outcomes([answer]) == ["RequestRefused invalid_request"]
    assert answer.data["detail"] == ["/start", "/end"]


async def test_expired__by_the_clock_under_the_locks(hub: Hub) -> None:
    await hub.publish(published("hall", **one("unit", room())))
    late = command(wish("hall", at(9)), "r1", expiry_time=NOW)
    in_time = command(wish("hall", at(9)), "r2", expiry_time=NOW + timedelta(seconds=1))
    assert outcomes(await hub.ask(late, in_time)) == ["BookingRejected request_expired", "BookingConfirmed"]
    assert outcomes(await hub.ask(command(cancel("hall", booked("r2")), "c1", expiry_time=NOW))) == [
        "RequestRefused request_expired"
    ]


@pytest.mark.parametrize(
    ("source", "role", "expected"),
    [
        ("urn:hub:nord:portal", "citizen", "BookingConfirmed"),
        ("urn:hub:nord:portal", "staff", "BookingConfirmed"),
        ("urn:hub:nord:frontend-web", "citizen", "BookingConfirmed"),
        ("urn:hub:nord:frontend-web", "staff", "BookingRejected not_permitted"),
        ("urn:hub:sued:portal", "citizen", "BookingRejected not_permitted"),
        ("urn:hub:nord:federation", "citizen", "BookingRejected not_permitted"),
    ],
)
async def test_source__may_state_only_its_roles(hub: Hub, source: str, role: str, expected: str) -> None:
    await hub.publish(published("hall", **one("unit", room())))
    actor = citizen("ann") if role == "citizen" else staff()
    assert outcomes(await hub.ask(command(wish("hall", at(9), actor=actor), "r1", source=source))) == [expected]


async def test_source__roles_by_setting(service_db: Callable[[str], str]) -> None:
    hub = await Hub.open(service_db("booking"), sources={"urn:hub:nord:frontend-desk": frozenset({Role.STAFF})})
    await hub.publish(published("hall", **one("unit", room())))
    answers = await hub.ask(command(wish("hall", at(9), actor=staff()), "r1", source="urn:hub:nord:frontend-desk"))
    assert outcomes(answers) == ["BookingConfirmed"]
    assert answers[0].data["actor_role"] == "staff"
    await hub.close()


async def test_unknown_offers_and_other_peoples_bookings__refused(hub: Hub) -> None:
    await hub.publish(published("hall", **one("unit", room())))
    answers = await hub.ask(
        command(wish("nowhere", at(9)), "r1"),
        command(wish("hall", at(9)), "r2"),
        command(cancel("hall", booked("r2"), person="bob"), "c1"),
        command(cancel("hall", named("nothing")), "c2"),
        command(cancel("nowhere", booked("r2")), "c3"),  # a wrong key costs order, never correctness
    )
    assert outcomes(answers) == [
        "BookingRejected unknown_offer", "BookingConfirmed", "RequestRefused not_permitted", "RequestRefused gone",
        "BookingCancelled",
    ]  # fmt: skip
    assert answers[2].key == str(booked("r2"))
    assert answers[3].key == offer_id("hall")


async def test_hold_confirm_and_move__each_answered(hub: Hub) -> None:
    await hub.publish(published("hall", **one("unit", room())))
    await hub.ask(command(wish("hall", at(9)), "r1"))
    fields: dict[str, Any] = {"offer_id": offer_id("hall"), "actor": citizen("ann"), "booking_id": booked("r1")}
    answers = await hub.ask(
        command(wish("hall", at(12), intent="hold"), "r2"),
        command(made(ConfirmBooking, **fields), "r3"),
        command(made(RescheduleBooking, start=at(15), end=at(16), **fields), "r4"),
    )
    assert outcomes(answers) == ["BookingHeld", "BookingUnchanged", "BookingRescheduled"]
    moved = await hub.fetch("SELECT start FROM bookings WHERE version > 1")
    assert [row["start"] for row in moved] == [at(15)]


async def test_limits__count_over_offers_with_the_same_key_and_over_polls(hub: Hub) -> None:
    limit = [{"key": "rooms", "per": "person", "unit": "bookings", "window": "day", "max": 2}]
    for name in ("a", "b"):
        await hub.publish(published(name, **one("unit", room(name)), limits=limit))
    assert outcomes(await hub.ask(command(wish("a", at(9)), "r1"))) == ["BookingConfirmed"]
    answers = await hub.ask(
        command(wish("b", at(9)), "r2"),
        command(wish("a", at(12)), "r3"),
        command(wish("a", at(12, day=1)), "r4"),
        command(wish("a", at(12), person="bob"), "r5"),
        command(cancel("a", booked("r1")), "c1"),
        command(wish("b", at(15)), "r6"),
    )
    assert outcomes(answers) == [
        "BookingConfirmed", "BookingRejected person_limit", "BookingConfirmed", "BookingConfirmed", "BookingCancelled",
        "BookingConfirmed",
    ]  # fmt: skip
    rows = await hub.fetch("SELECT resource_id FROM resources WHERE kind = 'allowance' ORDER BY resource_id")
    assert {row["resource_id"] for row in rows} == {f"allowance/rooms/{named(name)}" for name in ("ann", "bob")}


async def test_resale_delay__kept_from_newcomers_until_then_in_every_kind(hub: Hub) -> None:
    for name, kind, resource in (
        ("u", "unit", room()),
        ("p", "pool", POOL | {"capacity": 1}),
        ("s", "session", SESSION | {"capacity": 1}),
    ):
        await hub.publish(published(name, **one(kind, resource), resale_delay_minutes=30))
        start = None if kind == "session" else at(9)
        answers = await hub.ask(command(wish(name, start), f"{name}1"), command(cancel(name, booked(f"{name}1")), f"{name}c"))
        assert answers[1].data["resale_after"] == "2027-03-01T09:30:00Z"
        for seconds, number in ((-1, 2), (0, 3)):
            hub.clock.instant = NOW + timedelta(minutes=30, seconds=seconds)
            [answer] = await hub.ask(command(wish(name, start, person="bob"), f"{name}{number}"))
            assert (answer.type == "BookingConfirmed") is (seconds == 0), name
        hub.clock.instant = NOW
    assert await hub.violations() == {}


async def test_rejected__with_the_next_start_read_a_week_ahead(hub: Hub) -> None:
    hours = [{"weekday": day, "from": "10:00", "to": "12:00"} for day in range(1, 8)]
    await hub.publish(published("hall", **one("unit", room()), hours=hours, grid_minutes=60))
    full = [
        command(wish("hall", at(hour, day=day), person=f"p{day}{hour}"), f"f{day}-{hour}")
        for day in range(3)
        for hour in (9, 10)
    ]
    assert set(outcomes(await hub.ask(*full))) == {"BookingConfirmed"}
    [answer] = await hub.ask(command(wish("hall", at(9)), "r1"))
    assert answer.data["next_start"] == "2027-03-05T09:00:00Z"


async def test_trace__travels_from_the_request_to_its_answer(hub: Hub) -> None:
    await hub.publish(published("hall", **one("unit", room())))
    key, headers, value = encode(command(wish("hall", at(9)), "r1"))
    parent = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await hub.take_raw(topics.BOOKING_REQUESTS, [(key, [*headers, ("traceparent", parent), ("tracestate", b"a=1")], value)])
    [row] = await hub.fetch("SELECT headers FROM outbox WHERE topic = 'booking.events.v1'")
    assert b"0af7651916cd43dd8448eb211c80319c" in row["headers"]
    assert b"a=1" in row["headers"]


async def test_crash_points__are_passed_in_their_order(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    await hub.publish(published("hall", **one("unit", room())))
    passed: list[str] = []
    monkeypatch.setattr(points, "hook", passed.append)
    await hub.ask(command(wish("hall", at(9)), "r1"))
    assert [point for point in passed if point.startswith("booking.")] == [
        "booking.after_lock", "booking.after_decide", "booking.after_write",
    ]  # fmt: skip


def mixed_log() -> list[Event]:
    """Sixty wishes and cancellations of seven people that get into each other's way, and one repeat."""
    log = []
    for n in range(60):
        person = f"p{n % 7}"
        if n % 5 == 4:
            log.append(command(cancel("hall", booked(f"r{n - 3}"), person=f"p{(n - 3) % 7}"), f"r{n}"))
        elif n % 3 == 0:
            log.append(command(wish("hall", at(8 + (n * 7 % 9) / 2), person=person), f"r{n}"))
        elif n % 3 == 1:
            log.append(command(wish("desks", at(8 + n % 4), person=person, quantity=1 + n % 2), f"r{n}"))
        else:
            log.append(command(wish("course", None, person=person), f"r{n}"))
    log.insert(30, log[3])
    return log


async def test_one_log__in_polls_of_1_7_and_500__the_same_rows(service_db: Callable[[str], str]) -> None:
    rows: dict[int, list[list[tuple[Any, ...]]]] = {}
    log = mixed_log()
    for size in (1, 7, 500):
        hub = await Hub.open(service_db("booking"))
        await hub.publish(published("hall", **one("unit", room(), room("room-2")), grid_minutes=30))
        await hub.publish(published("desks", **one("pool", POOL), max_quantity=2))
        await hub.publish(published("course", **one("session", SESSION)))
        for first in range(0, len(log), size):
            await hub.ask(*log[first : first + size])
        assert len(await hub.answers()) == 60
        assert await hub.violations() == {}
        queries = (
            "SELECT * FROM requests ORDER BY request_id",
            "SELECT * FROM bookings ORDER BY booking_id",
            "SELECT * FROM allocations ORDER BY booking_id, component_id",
            "SELECT resource_id, used, tolerated FROM resources ORDER BY resource_id",
            "SELECT topic, key, headers, payload FROM outbox ORDER BY id",
        )
        rows[size] = [[tuple(row) for row in await hub.fetch(query)] for query in queries]
        await hub.close()
    assert len(rows[1][0]) == 60
    assert rows[1] == rows[7] == rows[500]
