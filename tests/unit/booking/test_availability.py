"""Free starts and spans say free if and only if a decision would; later starts are the first there are."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from services.booking.domain.availability import LaterStarts, curable, free, next_on_grid
from services.booking.domain.claims import Placement, Reasons, Wish
from services.booking.domain.evaluation import evaluate, on_grid
from services.booking.domain.occupancy import Occupancy
from services.booking.domain.offers import Offer
from services.booking.domain.zones import zone
from services.booking.limits import FREE_STARTS_MAX, NEXT_START_WITHIN
from tests.unit.booking.rules import (
    BERLIN,
    DAY,
    HOUR,
    MINUTE,
    NOW,
    SECOND,
    at,
    component,
    empty,
    named,
    offer,
    pool,
    session,
    taken,
    unit,
    wish,
)

WEEK = [{"weekday": day, "from": "09:00", "to": "12:00"} for day in range(1, 6)]


@pytest.mark.parametrize(
    ("moment", "grid", "expected"),
    [
        ("03-02 10:00", 15, "03-02 10:00"),
        ("03-02 10:00:01", 15, "03-02 10:15"),
        ("03-02 10:01", 15, "03-02 10:15"),
        ("03-02 10:31", 90, "03-02 12:00"),
        ("03-02 23:01", 90, "03-03 00:00"),  # the grid begins anew at midnight
        ("03-02 23:01", 420, "03-03 00:00"),
        ("03-28 01:10", 60, "03-28 03:00"),
        ("03-28 01:31", 90, "03-28 03:00"),
        ("10-31 01:59", 60, "10-31 01:59+1m"),
        ("10-31 03:01", 60, "10-31 04:00"),
    ],
)
def test_next_on_grid(moment: str, grid: int, expected: str) -> None:
    instant = at(expected.removesuffix("+1m")) + (MINUTE if expected.endswith("+1m") else timedelta())
    assert next_on_grid(at(moment), grid * MINUTE, BERLIN) == instant


@settings(deadline=None)
@given(
    minutes=st.integers(0, 3000),
    seconds=st.integers(0, 59),
    grid=st.sampled_from([1, 5, 7, 15, 30, 45, 60, 90, 1440]),
    day=st.sampled_from(["2027-03-27 12:00", "2027-10-30 12:00", "2027-04-03 12:00", "2027-10-02 12:00", "2027-06-01 12:00"]),
    where=st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe"]),
)
def test_next_on_grid_is_the_first_minute_on_the_grid(minutes: int, seconds: int, grid: int, day: str, where: str) -> None:
    moment = at(day) + minutes * MINUTE + seconds * SECOND
    found = next_on_grid(moment, grid * MINUTE, zone(where))
    first = moment if not seconds else moment + (60 - seconds) * SECOND
    while not on_grid(first.astimezone(zone(where)), grid * MINUTE):
        first += MINUTE
    assert found == first


def next_start(of: Offer, what: Wish, start: datetime, end: datetime, occupancy: Occupancy) -> datetime | None:
    return LaterStarts(of, what, end - start, occupancy, NOW).after(start)


def refusal(of: Offer, what: Wish, occupancy: Occupancy) -> Reasons:
    answer = evaluate(of, what, occupancy, NOW)
    assert isinstance(answer, Reasons)
    return answer


REPAIR = {"blackout_id": "x", "start": "2027-03-02T10:30:00Z", "end": "2027-03-02T13:20:00Z", "cause": "repair"}
TUESDAY = {"weekday": 2, "from": "09:00", "to": "11:00"}
FRIDAY = {"weekday": 5, "from": "14:00", "to": "16:00"}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({}, "03-02 11:05"),  # at the edge of what is taken
        ({"grid_minutes": 20}, "03-02 11:20"),
        ({"hours": WEEK}, "03-03 09:00"),
        ({"hours": [TUESDAY, FRIDAY]}, "03-05 14:00"),
        ({"hours": [TUESDAY]}, "03-09 09:00"),
        ({"hours": [TUESDAY], "exceptions": [{"date": "2027-03-09", "hours": []}]}, None),
        ({"blackouts": [REPAIR]}, "03-02 14:20"),
        ({"horizon_days": 1, "hours": [TUESDAY]}, None),
    ],
)
def test_next_start__first_later_start_that_the_rules_accept(rules: dict[str, Any], expected: str | None) -> None:
    of = offer(unit(), **rules)
    occupancy = taken(offer(unit()), (wish(at("03-02 10:00"), at("03-02 11:05")), "a"))
    asked = wish(at("03-02 10:00"))
    found = next_start(of, asked, at("03-02 10:00"), at("03-02 11:00"), occupancy)
    assert found == (None if expected is None else at(expected))


@pytest.mark.parametrize(("second", "expected"), [("03-02 13:00", "03-02 11:30"), ("03-02 12:59:59", "03-02 14:29:59")])
def test_next_start__needs_room_for_both_buffers(second: str, expected: str) -> None:
    of = offer(unit(setup_minutes=10, teardown_minutes=20))
    first = at("03-02 10:00")
    occupancy = taken(of, (wish(first), "a"), (wish(at(second)), "b"))
    assert next_start(of, wish(first), first, first + HOUR, occupancy) == at(expected)


@pytest.mark.parametrize(("days", "found"), [(7, True), (8, False)])
def test_next_start__within_a_week(days: int, found: bool) -> None:
    start = at("03-02 10:00")
    opens = [{"date": str((start + days * DAY).date()), "hours": [{"from": "10:00", "to": "11:00"}]}]
    of = offer(unit(), hours=[{"weekday": 7, "from": "00:00", "to": "00:30"}], exceptions=opens)
    assert (next_start(of, wish(start), start, start + HOUR, empty(of)) is not None) is found


def test_next_start__another_day_where_a_limit_per_day_is_used_up() -> None:
    limit = {"key": "k", "per": "person", "unit": "bookings", "window": "day", "max": 1}
    of = offer(unit(), limits=[limit])
    start = at("03-02 23:00")
    occupancy = taken(of, (wish(start, start + 4 * HOUR), "a"))
    asked = wish(start, person_id=named("ann"))
    assert next_start(of, asked, start, start + HOUR, occupancy) == at("03-03 03:00")


def test_curable__only_what_others_cause_and_no_sessions() -> None:
    of = offer(unit(), max_minutes=30)
    assert not curable(of, refusal(of, wish(at("03-02 10:00")), empty(of)))
    full = offer(session(capacity=1))
    assert not curable(full, refusal(full, wish(), taken(full, (wish(), "a"))))


def test_free__sessions_with_their_places() -> None:
    of = offer(
        session("one"), session("two", "2027-03-11T17:00:00Z", "2027-03-11T19:00:00Z"), session("off", status="cancelled")
    )
    occupancy = taken(of, (wish(), "a"), (wish(), "b"), (wish(), "c"))
    answer = free(of, wish(), NOW, NOW + 30 * DAY, occupancy, NOW)
    assert [(s.resource_id, s.free, s.bookable) for s in answer.sessions] == [("one", 0, False), ("two", 1, True)]
    assert not free(of, wish(), NOW, at("03-10 18:00"), occupancy, NOW).sessions
    assert [s.bookable for s in free(of, wish(quantity=2), NOW, NOW + 30 * DAY, occupancy, NOW).sessions] == [False, False]


def test_free__of_a_component_to_be_named__a_start_is_free_if_any_of_its_resources_is() -> None:
    of = offer(unit("a"), unit("b"), choose="named", grid_minutes=60, hours=WEEK)
    occupancy = taken(of, (wish(at("03-02 10:00"), choices={"main": "a"}), "x"))
    answer = free(of, wish(duration=HOUR, undecided=True), at("03-02 00:00"), at("03-03 00:00"), occupancy, NOW)
    assert list(answer.starts) == [at("03-02 09:00"), at("03-02 10:00"), at("03-02 11:00")]
    one = free(of, wish(duration=HOUR, choices={"main": "a"}), at("03-02 00:00"), at("03-03 00:00"), occupancy, NOW)
    assert list(one.starts) == [at("03-02 09:00"), at("03-02 11:00")]


def test_free__from_the_next_whole_second_on() -> None:
    of = offer(unit(), lead={"value": 10, "unit": "minutes"})
    answer = free(of, wish(duration=HOUR), NOW, NOW + DAY, empty(of), NOW + timedelta(milliseconds=300))
    assert answer.starts[0] == answer.spans[0].start == NOW + 10 * MINUTE + SECOND


def test_free__bounded() -> None:
    of = offer(unit(), grid_minutes=1)
    answer = free(of, wish(duration=MINUTE), NOW, NOW + 90 * DAY, empty(of), NOW)
    assert len(answer.starts) == FREE_STARTS_MAX
    assert answer.more


@dataclass(frozen=True)
class World:
    of: Offer
    occupancy: Occupancy
    asked: Wish


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Offers over two weeks around a clock change, with some claims."""
    week = [
        {"weekday": day, "from": f"{first:02}:00", "to": f"{first + long:02}:30"}
        for day in draw(st.sets(st.integers(1, 7), max_size=6))
        for first in [draw(st.integers(0, 20))]
        for long in [draw(st.integers(0, 3))]
    ]
    buffers = {"setup_minutes": draw(st.integers(0, 40)), "teardown_minutes": draw(st.integers(0, 40))}
    blackout = draw(st.integers(0, 300))
    hit = {
        "blackout_id": "x",
        "start": f"{NOW + blackout * HOUR:%Y-%m-%dT%H:%M:%SZ}",
        "end": f"{NOW + (blackout + 5) * HOUR:%Y-%m-%dT%H:%M:%SZ}",
        "cause": "repair",
    }
    kind = draw(st.sampled_from(["unit", "units", "pool", "bundle"]))
    rules: dict[str, Any] = {
        "hours": week,
        "grid_minutes": draw(st.sampled_from([None, 30, 60, 90])),
        "lead": {"value": draw(st.integers(0, 3)), "unit": draw(st.sampled_from(["minutes", "days", "working_days"]))},
        "horizon_days": draw(st.integers(1, 12)),
        "max_quantity": 3,
        "blackouts": [hit] if draw(st.booleans()) else [],
    }
    first = unit("a", **buffers, blackouts=[hit] if draw(st.booleans()) else [])
    if kind == "bundle":
        desks = pool("desks", 2, **buffers)
        of = offer(first, desks, components=[component("room", first), component("desks", desks)], **rules)
    elif kind == "pool":
        of = offer(pool("desks", 3, **buffers), **rules)
    else:
        of = offer(first, *([unit("b", teardown_minutes=15)] if kind == "units" else []), **rules)
    occupancy = empty(of)
    for number, (start, long) in enumerate(draw(st.lists(st.tuples(st.integers(0, 600), st.integers(1, 12)), max_size=12))):
        claim = wish(NOW + start * HOUR / 2, NOW + (start + long) * HOUR / 2, quantity=draw(st.integers(1, 2)))
        answer = evaluate(of, claim, occupancy, NOW)
        if isinstance(answer, Placement):
            occupancy.book(named(str(number)), answer.start, answer.end, answer.parts)
    asked = wish(duration=draw(st.sampled_from([30, 60, 90, 150])) * MINUTE, quantity=draw(st.integers(1, 3)))
    return World(of, occupancy, asked)


def fits(world: World, start: datetime) -> bool:
    length = world.asked.duration
    assert length is not None
    asked = world.asked._replace(start=start, end=start + length, duration=None)
    return isinstance(evaluate(world.of, asked, world.occupancy, NOW), Placement)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(world=worlds(), day=st.integers(0, 12))
def test_free_starts_are_those_a_decision_would_grant(world: World, day: int) -> None:
    low, high = NOW + day * DAY, NOW + (day + 1) * DAY
    answer = free(world.of, world.asked, low, high, world.occupancy, NOW)
    grid = world.of.grid
    every = [low + n * 30 * MINUTE for n in range(48)]
    assert all(fits(world, start) for start in answer.starts)
    if grid is not None:
        assert set(answer.starts) == {start for start in every if fits(world, start)}
    else:  # any second may be one: then the list holds the edges, and each good probe lies behind one of them
        for start in every:
            if fits(world, start):
                edges = [edge for edge in answer.starts if edge <= start]
                assert edges
                assert all(fits(world, edges[-1] + n * MINUTE) for n in range((start - edges[-1]) // MINUTE))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(world=worlds(), minute=st.integers(0, 12 * 1440))
def test_free_spans_hold_exactly_the_bookable_spans(world: World, minute: int) -> None:
    """Without grid and bundle a span can be booked if and only if one resource's free span contains it."""
    if world.of.grid is not None or len(world.of.components) > 1:
        return
    assert world.asked.duration is not None
    start = NOW + minute * MINUTE
    end = start + world.asked.duration
    answer = free(world.of, world.asked, NOW, NOW + 40 * DAY, world.occupancy, NOW)
    contained = any(span.start <= start and end <= span.end for span in answer.spans)
    too_far = (start.astimezone(BERLIN).date() - NOW.astimezone(BERLIN).date()).days > world.of.horizon_days
    assert fits(world, start) is (contained and not too_far)


def test_next_start_of_one_off_the_grid__the_next_grid_point() -> None:
    """10:00 in Berlin is no multiple of 90 minutes from midnight; 10:30 is, and no edge lies between."""
    of = offer(unit("a"), grid_minutes=90, horizon_days=1)
    asked = wish(duration=90 * MINUTE)
    assert next_start(of, asked, NOW, NOW + 90 * MINUTE, empty(of)) == NOW + 30 * MINUTE


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(world=worlds(), half_hours=st.integers(0, 400))
def test_next_start_is_the_first_of_all_later_ones(world: World, half_hours: int) -> None:
    length = world.asked.duration
    assert length is not None
    start = NOW + half_hours * 30 * MINUTE
    assume(not fits(world, start))
    found = next_start(world.of, world.asked, start, start + length, world.occupancy)
    assert found is None or (fits(world, found) and start < found <= start + NEXT_START_WITHIN)
    step = 30 * MINUTE
    probes = [start + n * step for n in range(1, int(NEXT_START_WITHIN / step) + 1)]
    first = next((probe for probe in probes if fits(world, probe)), None)
    if world.of.grid is not None:
        assert found == first
    elif first is not None:
        assert found is not None
        assert found <= first
