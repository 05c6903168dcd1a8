"""Booking on the days on which clocks change: each to 2030 in Berlin, shifts of half an hour, a zone without any."""

from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.booking.domain.availability import free
from services.booking.domain.claims import Placement, Wish
from services.booking.domain.codes import Every, Reason, State
from services.booking.domain.decisions import Desk, decide
from services.booking.domain.evaluation import evaluate
from services.booking.domain.offers import Offer
from services.booking.domain.requests import (
    Asked,
    Command,
    Confirmed,
    Outcome,
    Refused,
    Rejected,
    Request,
    SeriesDecided,
    SeriesRule,
)
from services.booking.domain.zones import midnight, resolve, zone
from tests.unit.booking.rules import DAY, HOUR, MINUTE, SECOND, STAFF, empty, named, offer, person, unit, wish

BERLIN, LORD_HOWE, KOLKATA = "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata"
HALF = 30 * MINUTE


class Change(NamedTuple):
    """The local times `[low, high)` of a date that do not exist, or exist twice; the shift is their length."""

    where: str
    day: date
    low: time
    high: time

    @property
    def shift(self) -> timedelta:
        return datetime.combine(self.day, self.high) - datetime.combine(self.day, self.low)

    def at(self, clock: time) -> datetime:
        """What a wall shows."""
        return datetime.combine(self.day, clock)


def _sunday(year: int, month: int, *, last: bool) -> date:
    days = [date(year, month, 1) + n * DAY for n in range(31)]
    sundays = [day for day in days if day.month == month and day.weekday() == 6]
    return sundays[-1 if last else 0]


# Directive 2000/84/EC: last Sundays of March and October. Lord Howe: first Sundays of October and April, by half an hour.
SPRINGS = [Change(BERLIN, _sunday(year, 3, last=True), time(2), time(3)) for year in range(2026, 2031)]
AUTUMNS = [Change(BERLIN, _sunday(year, 10, last=True), time(2), time(3)) for year in range(2026, 2031)]
ISLAND_SPRINGS = [Change(LORD_HOWE, _sunday(year, 10, last=False), time(2), time(2, 30)) for year in range(2026, 2031)]
ISLAND_AUTUMNS = [Change(LORD_HOWE, _sunday(year, 4, last=False), time(1, 30), time(2)) for year in range(2026, 2031)]
GAPS, FOLDS = SPRINGS + ISLAND_SPRINGS, AUTUMNS + ISLAND_AUTUMNS
IDS = [f"{change.where}-{change.day}" for change in GAPS + FOLDS]


def ask(of: Offer, what: Wish, now: datetime) -> Outcome:
    """One request on an empty desk."""
    desk = Desk({of.offer_id: of}, {}, empty(of), b"check-in-key-of-tests")
    return decide(Request(Command.REQUEST, "offer", STAFF, Asked(named("b1"), person(), what)), desk, now)


def said(outcome: Outcome) -> list[str]:
    return [why.code.value for why in outcome.reasons.items] if isinstance(outcome, Rejected | Refused) else []


def eve(change: Change) -> datetime:
    """Noon two days before, there."""
    return datetime.combine(change.day - 2 * DAY, time(12), tzinfo=zone(change.where)).astimezone(UTC)


@pytest.mark.parametrize("change", GAPS + FOLDS, ids=IDS)
def test_local_times__of_the_gap_and_of_the_fold_are_refused_to_the_second(change: Change) -> None:
    of = offer(unit(), zone_name=change.where)
    code = ["nonexistent_local_time" if change in GAPS else "ambiguous_local_time"]
    first, last = change.at(change.low), change.at(change.high) - SECOND
    for inside in (first, first + (last - first) // 2, last):
        inside = inside.replace(microsecond=0)
        assert said(ask(of, wish(inside, duration=HOUR), eve(change))) == code
        assert said(ask(of, wish(change.at(time(0, 30)), inside), eve(change))) == code
    for outside in (first - SECOND, last + SECOND):
        assert said(ask(of, wish(outside, duration=HOUR), eve(change))) == []
        assert said(ask(of, wish(change.at(time(0, 30)), outside), eve(change))) == []


@pytest.mark.parametrize("change", GAPS + FOLDS, ids=IDS)
def test_local_span_over_the_change__has_its_elapsed_length(change: Change) -> None:
    of = offer(unit(), zone_name=change.where, max_minutes=24 * 60)
    outcome = ask(of, wish(change.at(time(0)), change.at(time(6))), eve(change))
    assert isinstance(outcome, Confirmed)
    shift = -change.shift if change in GAPS else change.shift
    length = outcome.booking.end - outcome.booking.start
    assert length == 6 * HOUR + shift
    minutes = int(length / MINUTE)
    exact = offer(unit(), zone_name=change.where, min_minutes=minutes, max_minutes=minutes)
    assert said(ask(exact, wish(change.at(time(0)), change.at(time(6))), eve(change))) == []
    short = offer(unit(), zone_name=change.where, min_minutes=minutes + 1, max_minutes=minutes + 1)
    assert said(ask(short, wish(change.at(time(0)), change.at(time(6))), eve(change))) == ["too_short"]
    long = offer(unit(), zone_name=change.where, min_minutes=1, max_minutes=minutes - 1)
    assert said(ask(long, wish(change.at(time(0)), change.at(time(6))), eve(change))) == ["too_long"]


@pytest.mark.parametrize("change", GAPS + FOLDS, ids=IDS)
def test_duration_over_the_change__ends_by_the_clock_that_then_hangs_there(change: Change) -> None:
    of = offer(unit(), zone_name=change.where)
    outcome = ask(of, wish(change.at(time(1)), duration=4 * HOUR), eve(change))
    assert isinstance(outcome, Confirmed)
    shift = change.shift if change in GAPS else -change.shift
    end = outcome.booking.end.astimezone(zone(change.where)).replace(tzinfo=None)
    assert end == change.at(time(5)) + shift


@pytest.mark.parametrize("change", FOLDS, ids=[f"{change.where}-{change.day}" for change in FOLDS])
def test_fold__both_of_its_hours_can_be_booked_by_instant(change: Change) -> None:
    of = offer(unit(), zone_name=change.where)
    desk = Desk({of.offer_id: of}, {}, empty(of), b"check-in-key-of-tests")
    where = zone(change.where)
    moments = [change.at(change.low).replace(tzinfo=where, fold=fold).astimezone(UTC) for fold in (0, 1)]
    assert moments[1] - moments[0] == change.shift
    for n, moment in enumerate(moments):
        asked = Asked(named(f"b{n}"), person(), wish(moment, duration=change.shift))
        assert isinstance(decide(Request(Command.REQUEST, "offer", STAFF, asked), desk, eve(change)), Confirmed)
    assert len({desk.bookings[named(f"b{n}")].start.astimezone(where).replace(tzinfo=None) for n in (0, 1)}) == 1


@pytest.mark.parametrize("change", GAPS + FOLDS, ids=IDS)
def test_day_of_the_change__lists_each_half_hour_that_exists_once_and_each_can_be_booked(change: Change) -> None:
    of = offer(unit(), zone_name=change.where, grid_minutes=30)
    where, now = zone(change.where), eve(change)
    low, high = midnight(change.day, where), midnight(change.day + DAY, where)
    occupancy = empty(of)
    found = free(of, wish(duration=HALF), low, high, occupancy, now)
    shift = -change.shift if change in GAPS else change.shift
    assert list(found.starts) == [low + n * HALF for n in range((DAY + shift) // HALF)]
    assert found.starts[-1] + HALF == high
    assert all(isinstance(evaluate(of, wish(start, duration=HALF), occupancy, now), Placement) for start in found.starts)


def in_series(of: Offer, first: datetime, rule: SeriesRule, now: datetime, length: timedelta = HOUR) -> SeriesDecided:
    """A series on an empty desk."""
    desk = Desk({of.offer_id: of}, {}, empty(of), b"check-in-key-of-tests")
    asked = Asked(
        named("s0"), person(), wish(first, duration=length), series=rule, series_id=named("s"),
        occurrence_ids=tuple(named(f"s{n}") for n in range(1, rule.times)),
    )  # fmt: skip
    outcome = decide(Request(Command.REQUEST, "offer", STAFF, asked), desk, now)
    assert isinstance(outcome, SeriesDecided)
    for result in outcome.series.results:
        if result.booking_id is not None:
            booking = desk.bookings[result.booking_id]
            assert booking.end - booking.start == length
    return outcome


@pytest.mark.parametrize("where", [BERLIN, LORD_HOWE, KOLKATA])
@pytest.mark.parametrize("year", range(2026, 2030))
def test_series_over_both_changes__keeps_the_wall_clock(where: str, year: int) -> None:
    of = offer(unit(), zone_name=where, horizon_days=730)
    first = datetime.combine(date(year, 9, 7), time(10))
    now = datetime(year, 9, 1, tzinfo=UTC)
    for start in (first, resolve(first, zone(where))):
        assert isinstance(start, datetime)
        results = in_series(of, start, SeriesRule(Every.WEEK, 1, 60, False), now).series.results
        assert [result.state for result in results] == [State.CONFIRMED] * 60
        walls = [result.start.astimezone(zone(where)).replace(tzinfo=None) for result in results]
        assert walls == [first + 7 * n * DAY for n in range(60)]
        offsets = {result.start.astimezone(zone(where)).utcoffset() for result in results}
        assert len(offsets) == (1 if where == KOLKATA else 2)


@pytest.mark.parametrize("change", GAPS + FOLDS, ids=IDS)
def test_series_through_the_gap_or_the_fold__misses_that_date_only(change: Change) -> None:
    of = offer(unit(), zone_name=change.where)
    first = change.at(change.low) - 2 * DAY
    now = eve(change) - 5 * DAY
    results = in_series(of, first, SeriesRule(Every.DAY, 1, 5, True), now).series.results
    reason = Reason.NONEXISTENT_LOCAL_TIME if change in GAPS else Reason.AMBIGUOUS_LOCAL_TIME
    assert [result.reason for result in results] == [None, None, reason, None, None]
    assert results[2].start == change.at(change.low)
    whole = in_series(of, first, SeriesRule(Every.DAY, 1, 5, False), now)
    assert (whole.stored, whole.reason) == (False, Reason.SERIES_INCOMPLETE)
    assert [result.reason for result in whole.series.results] == [None, None, reason, None, None]


@given(
    name=st.sampled_from([BERLIN, LORD_HOWE, KOLKATA, "Etc/UTC", "Atlantic/Azores", "Asia/Beirut", "America/New_York"]),
    minute=st.integers(0, 5 * 366 * 24 * 60),
    near=st.sampled_from([None, *GAPS, *FOLDS]),
)
def test_resolve__is_the_only_instant_at_which_a_clock_shows_it_if_there_is_one(
    name: str, minute: int, near: Change | None
) -> None:
    local = datetime.combine(date(2026, 1, 1), time()) + minute * MINUTE
    if near is not None:  # clocks change on two days in a year: look there more often
        name, local = near.where, near.at(time(0)) + minute % 360 * MINUTE
    where = zone(name)
    offsets = [timedelta(minutes=15 * n) for n in range(-56, 61)]
    instants = {(local - by).replace(tzinfo=UTC) for by in offsets}
    shown = [moment for moment in instants if moment.astimezone(where).replace(tzinfo=None) == local]
    expected = shown[0] if len(shown) == 1 else Reason.AMBIGUOUS_LOCAL_TIME if shown else Reason.NONEXISTENT_LOCAL_TIME
    assert resolve(local, where) == expected
