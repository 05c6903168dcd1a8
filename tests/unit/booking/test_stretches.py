"""Not every start of a run is judged: the answer is as if each was, for any kind, limit, approval and clock change."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.booking.domain.availability import free_starts
from services.booking.domain.claims import Placement, Wish
from services.booking.domain.codes import State
from services.booking.domain.evaluation import evaluate, on_grid
from services.booking.domain.occupancy import Counted, Occupancy, Track
from services.booking.domain.offers import Offer
from services.booking.domain.stretches import Stretches
from services.booking.limits import COMPETING_MAX
from tests.unit.booking.rules import DAY, HOUR, MINUTE, at, component, empty, named, offer, pool, unit, wish

NOW = at("03-26 10:00")  # the clocks change on the third day
LOW = at("03-27 00:00")
HIGH = LOW + 3 * DAY
NEEDED = "step_free"


@dataclass(frozen=True)
class World:
    of: Offer
    occupancy: Occupancy
    asked: Wish
    low: datetime = LOW


def _adviser(name: str, **more: Any) -> dict[str, Any]:
    return unit(name, **more) | {"kind": "adviser"}


def _resources(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Components of one kind each; in some bundles both may take the same unit."""
    more = {"setup_minutes": draw(st.sampled_from([0, 0, 10, 45])), "teardown_minutes": draw(st.sampled_from([0, 0, 30]))}
    a = unit("a", **more, features=[NEEDED], capacity=draw(st.sampled_from([None, 1, 4])))
    b, c = unit("b", hours=draw(st.sampled_from([[], _week("06:15", "13:00")]))), unit("c", **more)
    d, e = _adviser("d"), _adviser("e", **more)
    desks = pool("desks", draw(st.integers(1, 3)), **more)
    return draw(
        st.sampled_from(
            [
                [component("main", a)],
                [component("main", a, b, c)],
                [component("main", a, b, choose="named")],
                [component("main", d, e)],
                [component("main", desks)],
                [component("main", a, b), component("other", desks)],
                [component("main", a, b), component("other", d, e)],
                [component("main", a, b), component("other", a, c)],
                [component("main", a, b), component("other", desks, optional=True)],
            ]
        ).map(lambda parts: [*parts, a, b, c, d, e, desks])
    )


def _week(opens: str, closes: str) -> list[dict[str, Any]]:
    return [{"weekday": day, "from": opens, "to": closes} for day in range(1, 8)]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Three days around a clock change with some claims, and limits of who asks."""
    drawn = _resources(draw)
    parts = [one for one in drawn if "component_id" in one]
    limit = {
        "key": "k",
        "per": draw(st.sampled_from(["person", "group"])),
        "unit": draw(st.sampled_from(["bookings", "minutes"])),
        "window": draw(st.sampled_from(["active", "day", "week", "month", "same_time"])),
        "max": draw(st.sampled_from([1, 2, 100])),
    }
    limit |= {"group": "club"} if limit["per"] == "group" else {}
    rules: dict[str, Any] = {
        "grid_minutes": draw(st.sampled_from([15, 30, 45, 90, None])),
        "hours": draw(st.sampled_from([[], _week("00:00", "24:00"), _week("01:20", "11:00")])),
        "max_quantity": 2,
        "limits": draw(st.sampled_from([[], [limit]])),
    }
    if draw(st.booleans()):
        rules |= {"mode": "request", "approval": {"blocks": draw(st.booleans())}}
    of = offer(*(one for one in drawn if "kind" in one and "component_id" not in one), components=parts, **rules)
    occupancy = empty(of)
    for number, (quarter, long) in enumerate(draw(st.lists(st.tuples(st.integers(0, 290), st.integers(1, 40)), max_size=10))):
        start = LOW + quarter * 15 * MINUTE
        name = named(str(number))
        answer = evaluate(of, wish(start, start + long * 15 * MINUTE, undecided=True, settled=True), occupancy, NOW)
        if isinstance(answer, Placement):
            occupancy.book(name, answer.start, answer.end, answer.parts)
        counted = Counted(name, start, start + long * 15 * MINUTE, 1, State.CONFIRMED)
        occupancy.count(named("ann"), "k", counted) if number % 2 else occupancy.count_group("club", "k", counted)
    asked = wish(
        duration=draw(st.sampled_from([15, 60, 90, 200])) * MINUTE,
        quantity=draw(st.integers(1, 2)),
        undecided=draw(st.booleans()),
        needs=draw(st.sampled_from([[], [NEEDED]])),
        groups=draw(st.sampled_from([None, ["club"]])),
        person_id=draw(st.sampled_from([None, named("ann")])),
        options=["other"] if any(one.get("optional") for one in parts) and draw(st.booleans()) else [],
        choices=draw(st.sampled_from([None, None, {"main": "a"}, {"other": "desks"}])),
    )
    return World(of, occupancy, asked)


def _granted(world: World, start: datetime) -> bool:
    assert world.asked.duration is not None
    asked = world.asked._replace(start=start, end=start + world.asked.duration, duration=None)
    return isinstance(evaluate(world.of, asked, world.occupancy, NOW), Placement)


def _limit(window: str, **more: Any) -> dict[str, Any]:
    return {"key": "k", "per": "person", "unit": "bookings", "window": window, "max": 1} | more


def _same_time() -> World:
    occupancy = empty(of := offer(unit("a"), grid_minutes=30, limits=[_limit("same_time")]))
    occupancy.count(named("ann"), "k", Counted(named("x"), LOW + 10 * HOUR, LOW + 12 * HOUR, 1, State.CONFIRMED))
    return World(of, occupancy, wish(duration=HOUR, person_id=named("ann"), undecided=True))


def _same_time_of_a_group() -> World:
    limits = [_limit("same_time", per="group", group="club")]
    occupancy = empty(of := offer(unit("a"), grid_minutes=30, limits=limits))
    occupancy.count_group("club", "k", Counted(named("x"), LOW + 10 * HOUR, LOW + 12 * HOUR, 1, State.CONFIRMED))
    return World(of, occupancy, wish(duration=HOUR, groups=["club"], undecided=True))


def _a_day_used_up() -> World:
    occupancy = empty(of := offer(unit("a"), grid_minutes=30, limits=[_limit("day")]))
    occupancy.count(named("ann"), "k", Counted(named("x"), HIGH + 34 * HOUR, HIGH + 35 * HOUR, 1, State.CONFIRMED))
    return World(of, occupancy, wish(duration=HOUR, person_id=named("ann"), undecided=True), low=HIGH)


def _crowd() -> World:
    of = offer(unit("a"), unit("b"), grid_minutes=30, mode="request", approval={"blocks": False})
    occupancy = empty(of)
    low, high = LOW + 10 * HOUR, LOW + 12 * HOUR
    occupancy.competing["a"] = [(low, high, low, high, named(str(n)), False) for n in range(COMPETING_MAX)]
    return World(of, occupancy, wish(duration=HOUR, undecided=True))


def _one_unit_for_two_parts() -> World:
    a, b, c = unit("a"), unit("b"), unit("c")
    occupancy = empty(of := offer(a, b, c, components=[component("x", a, b), component("y", a, c)], grid_minutes=30))
    for name in ("b", "c"):
        track = occupancy.units[name] = Track()
        low, high = LOW + 10 * HOUR, LOW + 12 * HOUR
        track.add((low, high, low, high, named(name), False))
    return World(of, occupancy, wish(duration=HOUR, undecided=True))


def _ends_off_the_grid_over_a_clock_change() -> World:
    of = offer(unit("a"), grid_minutes=90)
    return World(of, empty(of), wish(duration=90 * MINUTE, undecided=True))


def _check(world: World) -> tuple[list[datetime], list[datetime]]:
    """(starts that were found, those that were judged one by one); without a grid only the found ones are judged."""
    found = list(free_starts(world.of, world.asked, world.low, world.low + 3 * DAY, world.occupancy, NOW))
    every = [world.low + n * 15 * MINUTE for n in range(3 * DAY // (15 * MINUTE))]
    grid = world.of.grid
    on = found if grid is None else [moment for moment in every if on_grid(moment.astimezone(world.of.where), grid)]
    return found, [moment for moment in on if _granted(world, moment)]


SPECIAL = [
    _same_time, _same_time_of_a_group, _a_day_used_up, _crowd, _one_unit_for_two_parts, _ends_off_the_grid_over_a_clock_change,
]  # fmt: skip


@pytest.mark.parametrize("world", SPECIAL)
def test_free_starts_first_and_last_of_a_run_granted__what_lies_between_is_judged(world: Callable[[], World]) -> None:
    found, granted = _check(world())
    assert found == granted
    steps = {later - earlier for earlier, later in pairwise(found)}
    assert len(steps) > 1, "something is missing between the first and the last"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(world=worlds())
def test_free_starts_of_any_offer__all_that_a_decision_would_grant(world: World) -> None:
    found, granted = _check(world)
    assert found == granted
    assert found == sorted(set(found))


def test_stretches_some_in_others__the_one_that_reaches_furthest_holds_a_start() -> None:
    rooms = Stretches(
        [(LOW, LOW + 5 * HOUR, "long"), (LOW + HOUR, LOW + 2 * HOUR, "short"), (LOW + 7 * HOUR, LOW + 7 * HOUR, "x")]
    )
    probes = [-1, 0, 60, 130, 300, 301, 420, 421]
    names = [rooms.at(LOW + timedelta(minutes=minutes)) for minutes in probes]
    assert names == [None, "long", "long", "long", "long", None, "x", None]
