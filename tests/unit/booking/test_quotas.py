"""A person's limits in all their windows."""

from datetime import datetime
from typing import Any

import pytest

from services.booking.domain.claims import Reasons
from services.booking.domain.codes import State
from services.booking.domain.evaluation import evaluate
from services.booking.domain.occupancy import Counted
from services.booking.domain.quotas import FOREVER, reading_window
from tests.unit.booking.rules import HOUR, MINUTE, NOW, SECOND, at, codes, empty, named, offer, unit, wish

ANN = named("ann")


def limited(window: str, most: int, *, measure: str = "bookings", **more: Any) -> dict[str, Any]:
    return {"limits": [{"key": "rooms", "per": "person", "unit": measure, "window": window, "max": most}]} | more


def refused(
    rules: dict[str, Any],
    held: list[tuple[str, str]],
    start: str,
    end: str,
    *,
    state: State = State.CONFIRMED,
    now: datetime = NOW,
    quantity: int = 1,
) -> bool:
    of = offer(unit(), max_quantity=10, max_minutes=3000, **rules)
    occupancy = empty(of)
    for number, (first, last) in enumerate(held):
        occupancy.count(ANN, "rooms", Counted(named(f"b{number}"), at(first), at(last), 2, state))
    answer = evaluate(of, wish(at(start), at(end), person_id=ANN, quantity=quantity), occupancy, now)
    if isinstance(answer, Reasons):
        assert codes(answer) == ["person_limit"]
    return isinstance(answer, Reasons)


TODAY = [("03-01 12:00", "03-01 13:00")]


@pytest.mark.parametrize(("most", "expected"), [(0, True), (1, True), (2, False)])
def test_active__counts_what_blocks_and_is_not_over(most: int, expected: bool) -> None:
    assert refused(limited("active", most), TODAY, "03-09 10:00", "03-09 11:00") is expected


@pytest.mark.parametrize(("now", "expected"), [("03-01 12:59:59", True), ("03-01 13:00", False)])
def test_active__over_once_its_end_is_reached(now: str, expected: bool) -> None:
    assert refused(limited("active", 1), TODAY, "03-09 10:00", "03-09 11:00", now=at(now)) is expected


@pytest.mark.parametrize(
    ("window", "held", "start", "expected"),
    [
        ("day", "03-02 08:00", "03-02 23:59:59", True),
        ("day", "03-02 08:00", "03-03 00:00", False),
        ("day", "03-02 08:00", "03-01 23:59:59", False),
        ("week", "03-08 08:00", "03-14 23:59:59", True),  # Monday to Sunday
        ("week", "03-08 08:00", "03-15 00:00", False),
        ("week", "03-08 08:00", "03-07 23:59:59", False),
        ("month", "03-02 08:00", "03-31 23:59:59", True),
        ("month", "03-02 08:00", "04-01 00:00", False),
        ("month", "04-30 08:00", "03-31 10:00", False),
        # local dates, not dates in UTC: 00:30 in Berlin is still the day before in UTC
        ("day", "03-03 00:30", "03-03 20:00", True),
        ("day", "03-03 00:30", "03-02 20:00", False),
        # days of 23 and 25 hours
        ("day", "03-28 00:30", "03-28 23:30", True),
        ("day", "10-31 00:30", "10-31 23:30", True),
        ("day", "10-31 00:30", "11-01 00:00", False),
    ],
)
def test_day_week_month__by_the_local_date_of_the_start(window: str, held: str, start: str, expected: bool) -> None:
    first, second = at(held), at(start)
    of = offer(unit(), **limited(window, 1))
    occupancy = empty(of)
    occupancy.count(ANN, "rooms", Counted(named("b"), first, first + HOUR, 1, State.CONFIRMED))
    answer = evaluate(of, wish(second, person_id=ANN), occupancy, NOW)
    assert isinstance(answer, Reasons) is expected


@pytest.mark.parametrize(
    ("state", "day", "active"),
    [
        (State.HELD, True, True),
        (State.PENDING_APPROVAL, True, True),
        (State.OFFERED, True, True),
        (State.CONFIRMED, True, True),
        (State.CHECKED_IN, True, True),
        (State.COMPLETED, True, False),
        (State.NO_SHOW, True, False),
        (State.WAITLISTED, False, False),
        (State.DISPLACED, False, False),
        (State.CANCELLED, False, False),
        (State.DECLINED, False, False),
        (State.EXPIRED, False, False),
    ],
)
def test_which_states_count(state: State, day: bool, active: bool) -> None:
    held = [("03-02 12:00", "03-02 13:00")]
    assert refused(limited("day", 1), held, "03-02 14:00", "03-02 15:00", state=state) is day
    assert refused(limited("active", 1), held, "03-09 14:00", "03-09 15:00", state=state) is active


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("03-02 09:00", "03-02 10:00", False),
        ("03-02 09:00", "03-02 10:00:01", True),
        ("03-02 10:59:59", "03-02 12:00", True),
        ("03-02 11:00", "03-02 12:00", False),
    ],
)
def test_same_time__what_overlaps(start: str, end: str, expected: bool) -> None:
    assert refused(limited("same_time", 1), [("03-02 10:00", "03-02 11:00")], start, end) is expected


def test_same_time__the_most_at_any_instant__not_all_that_meet_the_span() -> None:
    one_after_the_other = [("03-02 10:00", "03-02 11:00"), ("03-02 11:00", "03-02 12:00")]
    assert not refused(limited("same_time", 2), one_after_the_other, "03-02 09:00", "03-02 13:00")
    at_once = [("03-02 10:00", "03-02 11:00"), ("03-02 10:59:59", "03-02 12:00")]
    assert refused(limited("same_time", 2), at_once, "03-02 09:00", "03-02 13:00")


@pytest.mark.parametrize(
    ("measure", "most", "quantity", "end", "expected"),
    [
        ("places", 5, 3, "03-02 15:00", False),  # two are held
        ("places", 4, 3, "03-02 15:00", True),
        ("minutes", 120, 1, "03-02 15:00", False),
        ("minutes", 119, 1, "03-02 15:00", True),
        ("minutes", 120, 1, "03-02 15:00:01", True),  # a minute begun counts whole
    ],
)
def test_measures(measure: str, most: int, quantity: int, end: str, expected: bool) -> None:
    held = [("03-02 12:00", "03-02 13:00")]
    assert refused(limited("day", most, measure=measure), held, "03-02 14:00", end, quantity=quantity) is expected


def test_nobody_asks__no_limit() -> None:
    of = offer(unit(), **limited("active", 0))
    assert codes(evaluate(of, wish(at("03-02 10:00")), empty(of), NOW)) == []


def test_several_limits__each_must_hold_and_only_its_own_key_counts() -> None:
    limits = [
        {"key": "rooms", "per": "person", "unit": "bookings", "window": "day", "max": 9},
        {"key": "desks", "per": "person", "unit": "bookings", "window": "day", "max": 1},
    ]
    of = offer(unit(), limits=limits)
    occupancy = empty(of)
    occupancy.count(ANN, "rooms", Counted(named("b"), at("03-02 12:00"), at("03-02 13:00"), 1, State.CONFIRMED))
    asked = wish(at("03-02 14:00"), person_id=ANN)
    assert codes(evaluate(of, asked, occupancy, NOW)) == []
    occupancy.count(ANN, "desks", Counted(named("c"), at("03-02 12:00"), at("03-02 13:00"), 1, State.CONFIRMED))
    assert codes(evaluate(of, asked, occupancy, NOW)) == ["person_limit"]
    occupancy.uncount(ANN, "desks", named("c"))
    assert codes(evaluate(of, asked, occupancy, NOW)) == []


@pytest.mark.parametrize(
    ("window", "low", "high"),
    [
        ("same_time", NOW, at("03-17 11:00")),  # a week further, where a later start may be looked for
        ("day", NOW, at("03-18 00:00")),
        ("week", NOW, at("03-22 00:00")),
        ("month", at("03-01 00:00"), at("04-01 00:00")),
        ("active", NOW, FOREVER),
    ],
)
def test_reading_window__covers_what_the_limits_look_at(window: str, low: datetime, high: datetime) -> None:
    of = offer(unit(), **limited(window, 1))
    start = at("03-10 10:00")
    assert reading_window(of, [(start, start + HOUR)], NOW) == (low, high)
    assert reading_window(of, [(start, start + HOUR), (start + MINUTE, start + SECOND + HOUR)], NOW)[1] >= high
