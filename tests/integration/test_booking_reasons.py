"""Every reason code of booking.md §7 from a frontend's bytes to an event read back, each edge just allowed and just refused.

A code is a row of `booking_edges`; one that has none fails here. Then wishes with everything wrong at once: as one obstacle
after the other is taken away, what is told is always the next one in the stated order.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from contracts.booking import CancelBooking
from contracts.booking.vocabulary import Reason
from contracts.envelope import Event, encode
from services.booking.domain import codes
from tests.service.booking.hub import NOW, Answer, at, citizen, one, published, room
from tests.support.booking_bus import BookingBus, running
from tests.support.booking_edges import ROWS, Row, Try, about, asks, two_rooms
from tests.support.kafka import KafkaServer
from tests.support.postgres import PostgresServer
from tests.support.servers import Servers
from tests.support.waiting import eventually

on_the_bus = pytest.mark.asyncio(loop_scope="module")
# Nothing else is looked at after the first; and nobody reads what is taken in a span that is longer than any booking.
UNREAD = {"request_expired": {"request_expired"}, "too_long": {"too_long", "too_far_ahead", "approval_required"}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bus(test_servers: Servers) -> AsyncIterator[BookingBus]:
    """One service for all rows, with the offers of all of them."""
    kafka, postgres = KafkaServer(test_servers.kafka), PostgresServer(test_servers.postgres)
    try:
        async with running(kafka, postgres.clone("booking")) as started:
            await started.publish([offer for row in ROWS for offer in row.offers])
            yield started
    finally:
        kafka.delete_topics()
        postgres.drop_clones()


def said(answer: Answer) -> str:
    """Type and reasons, in their order."""
    listed = [reason["code"] for reason in answer.data.get("reasons", [])]
    told = listed or [answer.data["reason"]] if "reason" in answer.data else []
    return " ".join([answer.type, *told])


async def attempt(bus: BookingBus, one_try: Try, number: int) -> Answer | None:
    """Send it at its time; what it is answered, if anything."""
    bus.clock.instant = one_try.at
    key, headers, value = encode(one_try.event)
    assert value is not None
    async with AsyncExitStack() as stack:
        if one_try.locked_for:
            before = bus.lock_failures()
            await stack.enter_async_context(bus.locked(one_try.locked))
        await bus.send_raw(key, headers, one_try.value(value))
        if one_try.locked_for:

            async def failed() -> bool:
                return bus.lock_failures() >= before + one_try.locked_for

            await eventually(failed, what=f"{one_try.locked_for} attempts without the lock")
    return await bus.answer(one_try.event.id, number=number) if one_try.says else None


@on_the_bus
@pytest.mark.parametrize("row", ROWS, ids=[f"{row.code}: {row.edge}" for row in ROWS])
async def test_reason__just_allowed_and_just_refused(bus: BookingBus, row: Row) -> None:
    expected: Counter[UUID] = Counter()
    for one_try in row.tries:
        expected[one_try.event.id] += bool(one_try.says)
        answer = await attempt(bus, one_try, expected[one_try.event.id])
        if answer is None:
            continue
        assert said(answer) == one_try.says
        assert answer.data.get("retryable", False) is (answer.data.get("reason") == "busy")
    assert {request_id: len(bus.answers(request_id)) for request_id in expected} == expected  # none more than once


def test_table__has_each_code_in_the_stated_order_with_both_sides_of_its_edge() -> None:
    told = [Reason(code) for code in dict.fromkeys(row.code for row in ROWS)]
    assert told == [reason for reason in Reason if reason is not Reason.UNKNOWN]
    assert [reason.value for reason in told] == [reason.value for reason in codes.Reason]
    for row in ROWS:
        refused = [one_try for one_try in row.tries[row.given :] if row.code in one_try.says.split()]
        assert refused, f"{row.code}: {row.edge} refuses nothing"
        assert len(refused) < len(row.tries) - row.given, f"{row.code}: {row.edge} allows nothing"


async def climb(bus: BookingBus, steps: list[tuple[str, Event]], *, all_told: bool) -> None:
    """Send each: step n has the obstacles of all steps from n on, the last one has none."""
    names = [code for code, _ in steps]
    for n, (code, event) in enumerate(steps):
        await bus.send(event)
        answer = await bus.answer(event.id)
        if n == len(steps) - 1:
            assert "reason" not in answer.data
            return
        assert answer.data["reason"] == code
        if all_told:
            told = UNREAD.get(code, set(names))
            assert [reason["code"] for reason in answer.data["reasons"]] == [name for name in names[n:-1] if name in told]


@on_the_bus
async def test_everything_wrong__told_in_the_stated_order(bus: BookingBus) -> None:
    bus.clock.instant = NOW
    limit = {"key": "ladder", "per": "person", "unit": "bookings", "window": "same_time"}
    rules: dict[str, Any] = {
        "mode": "request", "permitted_groups": ["club"], "min_minutes": 60, "grid_minutes": 30,
        "lead": {"value": 2880, "unit": "minutes"}, "hours": [{"weekday": 5, "from": "08:00", "to": "18:00"}],
        "blackouts": [{"blackout_id": "b", "start": at(0), "end": at(0, day=2), "cause": "water"}],
        "limits": [limit | {"max": 1}], **one("unit", room("ladder")),
    }  # fmt: skip
    freely = {"max_minutes": 60 * 24 * 7, "limits": [limit | {"max": 9}], **one("unit", room("ladder"))}
    await bus.publish([
        published("ended", revision=2, bookable_until=NOW, **rules), published("ladder", revision=2, **rules),
        published("freely", **freely),
    ])  # fmt: skip
    taken = asks("freely", "taken", at(-3), at(0, day=4), person="ann")
    await bus.send(taken)
    assert said(await bus.answer(taken.id)) == "BookingConfirmed"

    member, stranger = citizen("ann", "club"), citizen("ann")
    worst: dict[str, Any] = {"person": "ann", "actor": stranger, "offer_revision": 1, "needs": ["loop"], "instant_only": True}
    open_to_all = worst | {"offer_revision": 2, "actor": member}
    without_needs = open_to_all | {"needs": []}
    of_bob = without_needs | {"person": "bob", "actor": citizen("bob", "club")}
    short, friday = (at(9, day=0) + timedelta(minutes=5), at(9.5)), (at(10, day=3), at(11, day=3))
    later = (at(10, day=10), at(11, day=10))
    steps = [
        ("request_expired", asks("ended", "0", *short, expiry_time=NOW, **worst)),
        ("not_bookable", asks("ended", "1", *short, **worst)),
        ("revision_outdated", asks("ladder", "2", *short, **worst)),
        ("not_permitted", asks("ladder", "3", *short, **worst | {"offer_revision": 2})),
        ("too_short", asks("ladder", "4", *short, **open_to_all)),
        ("off_grid", asks("ladder", "5", short[0], short[0] + timedelta(hours=1), **open_to_all)),
        ("too_soon", asks("ladder", "6", at(9), at(10), **open_to_all)),
        ("blackout", asks("ladder", "7", at(10, day=1), at(11, day=1), **open_to_all)),
        ("outside_opening_hours", asks("ladder", "8", at(10, day=2), at(11, day=2), **open_to_all)),
        ("needs_unmet", asks("ladder", "9", *friday, **open_to_all)),
        ("person_limit", asks("ladder", "10", *friday, **without_needs)),
        ("conflict", asks("ladder", "11", *friday, **of_bob)),
        ("approval_required", asks("ladder", "12", *later, **of_bob)),
        ("", asks("ladder", "13", *later, **of_bob | {"instant_only": False})),
    ]
    await climb(bus, steps, all_told=True)


@on_the_bus
async def test_too_long_too_far_too_much_too_near__told_in_the_stated_order(bus: BookingBus) -> None:
    bus.clock.instant = NOW
    quota = {"key": "far", "per": "group", "group": "club", "unit": "bookings", "window": "active"}
    near = one("unit", room("far", setup_minutes=10))
    rules: dict[str, Any] = {"mode": "request", "max_minutes": 60, "horizon_days": 10, "limits": [quota | {"max": 2}], **near}
    await bus.publish([published("far", **rules), published("near", limits=[quota | {"max": 9}], **near)])
    five = timedelta(minutes=5)
    member = citizen("ann", "club")
    for n, day in enumerate((3, 18)):
        before = asks("near", str(n), at(10, day=day) + five, at(11, day=day), person="ann", actor=member)
        await bus.send(before)
        assert said(await bus.answer(before.id)) == "BookingConfirmed"
    asked: dict[str, Any] = {"instant_only": True, "person": "bob", "actor": citizen("bob", "club")}
    stranger = asked | {"actor": citizen("bob")}
    steps = [
        ("too_long", asks("far", "0", at(8, day=18), at(10, day=18), **asked)),
        ("too_far_ahead", asks("far", "1", at(9, day=18), at(10, day=18), **asked)),
        ("group_quota", asks("far", "2", at(9, day=3), at(10, day=3), **asked)),
        ("buffer", asks("far", "3", at(9, day=3), at(10, day=3), **stranger)),
        ("approval_required", asks("far", "4", at(7, day=3), at(8, day=3), **stranger)),
        ("", asks("far", "5", at(7, day=3), at(8, day=3), **stranger | {"instant_only": False})),
    ]
    await climb(bus, steps, all_told=True)


@on_the_bus
async def test_command_with_everything_wrong__the_first_obstacle_is_told(bus: BookingBus) -> None:
    bus.clock.instant = NOW
    await bus.publish([two_rooms("wrong", cancel={"until_minutes": 60, "after": "refuse"})])
    for n in range(2):
        event = asks("wrong", str(n), at(9 + 3 * n), person="ann")
        await bus.send(event)
        assert said(await bus.answer(event.id)) == "BookingConfirmed"
    bus.clock.instant = at(8)  # too late for the first
    late: dict[str, Any] = {"expected_version": 7}
    steps = [
        ("request_expired", about(CancelBooking, "wrong", "0", "c0", by=citizen("bob"), expiry_time=at(8), **late)),
        ("not_permitted", about(CancelBooking, "wrong", "0", "c1", by=citizen("bob"), **late)),
        ("deadline_passed", about(CancelBooking, "wrong", "0", "c2", by=citizen("ann"), **late)),
        ("stale_version", about(CancelBooking, "wrong", "1", "c3", by=citizen("ann"), **late)),
        ("", about(CancelBooking, "wrong", "1", "c4", by=citizen("ann"), expected_version=1)),
    ]
    await climb(bus, steps, all_told=False)
