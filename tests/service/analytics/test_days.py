"""Days computed by hand: what SQL stored and what the definitions in Python say are both held against them."""

from collections.abc import Callable
from datetime import timedelta

import asyncpg
import pytest

from contracts.booking import Reason
from hubkit.db import Tx
from services.analytics.domain.words import Kind
from services.analytics.store import marks
from tests.service.analytics.hub import Desk
from tests.service.analytics.log import (
    Claim,
    blackout,
    day,
    local,
    offer_id,
    pool,
    published,
    rejected,
    room,
    session,
    weekly,
)

HOUR = 3600
MONDAY = "2027-05-03"


def claim(name: str, begins: str, ends: str, on: str = MONDAY, **more: object) -> Claim:
    """A booking by the clock in Berlin."""
    return Claim(name, local(on, begins), local(on, ends), **more)  # type: ignore[arg-type]


async def test_a_room_booked_within_its_hours__counts_once(desk: Desk) -> None:
    await desk.publish(published("rooms", room()))
    await desk.book(*claim("b1", "09:00", "11:30").confirmed().completed().events)
    await desk.settle()
    line = await desk.resource(day(MONDAY))
    assert (line.bookable_s, line.booked_s, line.out_of_hours_s, line.held_s) == (10 * HOUR, 9000, 0, 9000)
    assert (line.kind, line.states) == (Kind.UNIT, {"completed": 1})


async def test_an_idle_room__is_a_row_of_zero(desk: Desk) -> None:
    await desk.publish(published("rooms", room(), room("room-2")))
    await desk.book(*claim("b1", "09:00", "10:00").confirmed().events)
    await desk.settle()
    idle = await desk.resource(day(MONDAY), "room-2")
    assert (idle.bookable_s, idle.booked_s, idle.states) == (10 * HOUR, 0, {})
    assert (await desk.resource(day("2027-05-04"), "room-1")).bookable_s == 10 * HOUR


async def test_a_closed_day__bookable_is_zero_and_use_is_out_of_hours(desk: Desk) -> None:
    """Closed on Sundays by the week, and on a Monday by an exception; the caretaker was let in all the same."""
    hours = weekly(1, 2, 3, 4, 5, 6)
    await desk.publish(published("rooms", room(hours=hours, exceptions=[{"date": MONDAY, "hours": []}])))
    await desk.book(*claim("b1", "09:00", "10:00").confirmed().events)
    await desk.settle()
    closed = await desk.resource(day(MONDAY))
    assert (closed.bookable_s, closed.booked_s, closed.out_of_hours_s, closed.held_s) == (0, 0, HOUR, HOUR)
    sunday = await desk.resource(day("2027-05-02"))
    assert (sunday.bookable_s, sunday.states) == (0, {})


async def test_two_overlapping_closures__are_taken_off_once(desk: Desk) -> None:
    """Open 8-18; closed 10-13 and 12-15: five hours are left, of a booking 9-11 one of them."""
    closures = [
        blackout("works", local(MONDAY, "10:00"), local(MONDAY, "13:00")),
        blackout("fire-drill", local(MONDAY, "12:00"), local(MONDAY, "15:00")),
    ]
    await desk.publish(published("rooms", room(blackouts=closures)))
    await desk.book(*claim("b1", "09:00", "11:00").confirmed().events)
    await desk.settle()
    line = await desk.resource(day(MONDAY))
    assert (line.bookable_s, line.booked_s, line.out_of_hours_s) == (5 * HOUR, HOUR, HOUR)


@pytest.mark.parametrize(
    ("on", "hours"),
    [("2027-03-28", 23), ("2027-10-31", 25)],
    ids=["spring, 23 hours", "autumn, 25 hours"],
)
async def test_a_clock_change__the_day_has_its_own_length(desk: Desk, on: str, hours: int) -> None:
    """Open all day. Booked from 1 to 4 on the clock: two hours in spring, four in autumn."""
    await desk.publish(published("rooms", room(hours=[])))
    booked = Claim("b1", local(on, "01:00"), local(on, "04:00"))
    await desk.book(*booked.confirmed(at=desk.clock.instant).events)
    await desk.settle()
    line = await desk.resource(day(on))
    assert (line.bookable_s, line.booked_s) == (hours * HOUR, (hours - 21) * HOUR)


async def test_opening_in_the_gap_and_closing_in_the_fold__edges_as_booking_has_them(desk: Desk) -> None:
    """Opens at 2:30, which does not exist in spring: 3:00. Closes at 2:30, which comes twice in autumn: the second."""
    await desk.publish(
        published(
            "rooms",
            room(hours=weekly(7, opens="02:30", closes="06:00")),
            room("room-2", hours=weekly(7, opens="01:00", closes="02:30")),
        )
    )
    await desk.settle()
    spring = await desk.resource(day("2027-03-28"))
    autumn = await desk.resource(day("2027-10-31"), "room-2")
    assert (spring.bookable_s, autumn.bookable_s) == (3 * HOUR, 9000)


async def test_over_midnight__time_by_day_and_the_count_on_the_first(desk: Desk) -> None:
    await desk.publish(published("rooms", room(hours=[])))
    over = Claim("b1", local(MONDAY, "22:00"), local("2027-05-05", "03:00")).confirmed()
    await desk.book(*over.events)
    await desk.settle()
    first, second, third = [await desk.resource(day(each)) for each in (MONDAY, "2027-05-04", "2027-05-05")]
    assert (first.booked_s, second.booked_s, third.booked_s) == (2 * HOUR, 24 * HOUR, 3 * HOUR)
    assert (first.states, second.states, third.states) == ({"confirmed": 1}, {}, {})
    assert (await desk.offer(day(MONDAY), offer_id("rooms"))).made == 1


async def test_a_pool__quantities_add_up(desk: Desk) -> None:
    """Six laptops for ten hours; two for two hours and three of them at the same time for one."""
    await desk.publish(published("devices", pool("laptops", 6), kind="pool"))
    two = claim("b1", "09:00", "11:00", offer="devices", resources=(("laptops", 2),)).confirmed()
    three = claim("b2", "10:00", "11:00", offer="devices", resources=(("laptops", 3),)).confirmed()
    await desk.book(*two.events, *three.events)
    await desk.settle()
    line = await desk.resource(day(MONDAY), "laptops")
    assert (line.bookable_s, line.booked_s, line.states) == (60 * HOUR, 7 * HOUR, {"confirmed": 2})


async def test_an_overbooked_pool__passes_a_hundred_per_cent(desk: Desk) -> None:
    """One seat from 9 to 10 only, and staff put two people on it."""
    await desk.publish(published("desks", pool("seat", 1, hours=weekly(1, opens="09:00", closes="10:00")), kind="pool"))
    seats = [claim(f"b{n}", "09:00", "10:00", offer="desks", resources=(("seat", 1),)).confirmed() for n in (1, 2)]
    await desk.book(*(event for each in seats for event in each.events))
    await desk.settle()
    line = await desk.resource(day(MONDAY), "seat")
    assert (line.bookable_s, line.booked_s) == (HOUR, 2 * HOUR)


async def test_a_session__length_by_places_and_the_room_for_the_house(desk: Desk) -> None:
    """A course of two hours, seven of ten places taken; it fills its hall, which was booked for an hour beside."""
    course = session("course-1", local(MONDAY, "17:00"), local(MONDAY, "19:00"), 10, occupies=["hall"])
    await desk.publish(published("course", course, kind="session"), published("hall", room("hall")))
    places = claim("b1", "17:00", "19:00", offer="course", resources=(("course-1", 7),)).confirmed()
    other = claim("b2", "09:00", "10:00", offer="hall", resources=(("hall", 1),)).confirmed()
    await desk.book(*places.events, *other.events)
    await desk.settle()
    course_line = await desk.resource(day(MONDAY), "course-1")
    assert (course_line.bookable_s, course_line.booked_s, course_line.kind) == (20 * HOUR, 14 * HOUR, Kind.SESSION)
    hall = await desk.resource(day(MONDAY), "hall")
    assert (hall.bookable_s, hall.booked_s, hall.house_s, hall.out_of_hours_s) == (10 * HOUR, 2 * HOUR, HOUR, HOUR)
    assert hall.states == {"confirmed": 1}


async def test_house_use__is_booked_time_and_no_booking(desk: Desk) -> None:
    await desk.publish(published("rooms", room()))
    cleaning = claim("b1", "08:00", "09:00", person=None).confirmed()
    await desk.book(*cleaning.events)
    await desk.settle()
    line = await desk.resource(day(MONDAY))
    assert (line.booked_s, line.house_s, line.states) == (HOUR, HOUR, {"confirmed": 1})
    assert (await desk.audit(day(MONDAY))).stored[1] == {}


async def test_time_given_back__is_not_booked(desk: Desk) -> None:
    """A no-show freed after a quarter of an hour, one never freed, and a guest who left an hour early."""
    await desk.publish(published("rooms", room(), room("room-2"), room("room-3")))
    freed = claim("b1", "09:00", "11:00").confirmed().no_show(local(MONDAY, "09:15"))
    kept = claim("b2", "09:00", "11:00", resources=(("room-2", 1),)).confirmed().no_show()
    early = claim("b3", "09:00", "11:00", resources=(("room-3", 1),)).confirmed().completed(local(MONDAY, "10:00"))
    await desk.book(*freed.events, *kept.events, *early.events)
    await desk.settle()
    booked = [(await desk.resource(day(MONDAY), f"room-{n}")).booked_s for n in (1, 2, 3)]
    assert booked == [900, 2 * HOUR, HOUR]


async def test_states_that_hold_nothing__take_no_time(desk: Desk) -> None:
    await desk.publish(published("rooms", room()))
    gone = claim("b1", "09:00", "11:00").confirmed().cancelled()
    held = claim("b2", "12:00", "13:00").held()
    await desk.book(*gone.events, *held.events)
    await desk.settle()
    line = await desk.resource(day(MONDAY))
    assert (line.booked_s, line.held_s, line.states) == (0, 0, {"cancelled": 1, "held": 1})
    offer = await desk.offer(day(MONDAY), offer_id("rooms"))
    assert (offer.made, offer.cancelled, offer.states) == (1, 1, {"cancelled": 1, "held": 1})


async def test_a_move__cleans_up_behind_it(desk: Desk) -> None:
    await desk.publish(published("rooms", room()))
    before = claim("b1", "09:00", "11:00").confirmed()
    await desk.book(*before.events)
    await desk.settle()
    after = before.moved(local("2027-05-06", "14:00"), local("2027-05-06", "15:00"), at=local("2027-05-05", "12:00"))
    await desk.book(after.last)
    await desk.settle()
    old, new = await desk.resource(day(MONDAY)), await desk.resource(day("2027-05-06"))
    assert (old.booked_s, old.states) == (0, {})
    assert (new.booked_s, new.states) == (HOUR, {"confirmed": 1})
    assert offer_id("rooms") not in (await desk.audit(day(MONDAY))).stored[1]


async def test_lead_time__from_the_first_confirmation_and_since_the_move(desk: Desk) -> None:
    """Confirmed three days ahead, moved on to two days later, a day before its new start."""
    await desk.publish(published("rooms", room()))
    start = local(MONDAY, "09:00")
    moved = claim("b1", "09:00", "10:00").confirmed(at=start - timedelta(days=3))
    moved = moved.moved(start + timedelta(days=2), start + timedelta(days=2, hours=1), at=start + timedelta(days=1))
    late = Claim("b2", start + timedelta(days=2, hours=4), start + timedelta(days=2, hours=5))
    late = late.confirmed(at=start + timedelta(days=2, hours=4, minutes=10))
    await desk.book(*moved.events, *late.events)
    await desk.settle()
    line = await desk.offer(day("2027-05-05"), offer_id("rooms"))
    assert line.leads == (0, 5 * 86_400)
    assert line.leads_after_move == (0, 86_400)
    assert (line.lead_same_day, line.lead_1_7, line.lead_8_30, line.lead_over_30) == (1, 1, 0, 0)


async def test_refusals__by_reason_on_the_day_of_the_request(desk: Desk) -> None:
    """At half past eleven in the evening of Berlin the day is still that one, whatever UTC says."""
    asked = local(MONDAY, "23:30")
    await desk.book(
        rejected("r1", Reason.CONFLICT, asked),
        rejected("r2", Reason.CONFLICT, asked),
        rejected("r3", Reason.TOO_SOON, asked),
        rejected("r4", Reason.BLACKOUT, local("2027-05-04", "00:30")),
    )
    await desk.settle()
    assert (await desk.offer(day(MONDAY), offer_id("rooms"))).refused == {"conflict": 2, "too_soon": 1}
    assert (await desk.offer(day("2027-05-04"), offer_id("rooms"))).refused == {"blackout": 1}


async def test_a_room_that_nobody_offers__is_out_of_hours(desk: Desk) -> None:
    await desk.book(*claim("b1", "09:00", "11:00", resources=(("cellar", 1),)).confirmed().events)
    await desk.settle()
    line = await desk.resource(day(MONDAY), "cellar")
    assert (line.kind, line.bookable_s, line.booked_s, line.out_of_hours_s) == (None, 0, 0, 2 * HOUR)


async def test_a_booking_at_a_partner_hub__is_not_among_ours(desk: Desk) -> None:
    abroad = claim("b1", "09:00", "11:00", hub="sued", offer="away", resources=()).confirmed()
    await desk.book(*abroad.events)
    await desk.settle()
    assert (await desk.audit(day(MONDAY))).stored == ({}, {})
    assert (await desk.audit(day(MONDAY), hub="sued")).stored[1][offer_id("away", "sued")].made == 1
    assert await desk.value("SELECT side FROM events") == "home"


async def test_a_turn_that_lasts_longer_than_a_decision_may__goes_on(service_db: Callable[[str], str]) -> None:
    """A half-year of many facts would else be cut, marked again and cut again."""
    connection = await asyncpg.connect(service_db("analytics"), server_settings={"transaction_timeout": "300"})
    try:
        async with connection.transaction():
            await marks.settle(Tx(connection))
            await connection.execute("SELECT pg_sleep(0.6)")
            assert await connection.fetchval("SHOW transaction_timeout") == "3min"
        assert await connection.fetchval("SHOW transaction_timeout") == "300ms"
    finally:
        await connection.close()
