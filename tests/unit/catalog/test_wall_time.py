"""Every clock change to 2030: in the gap, in the fold and across."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.catalog.domain.wall_time import (
    Choices,
    day_span,
    end_of,
    local_of,
    oddity_of,
    resolve_generated,
    resolve_stated,
)
from tests.unit.catalog.build import BERLIN, last_sundays, wall

ZONE = ZoneInfo(BERLIN)
FORWARD = [forward for forward, _ in last_sundays()]
BACK = [back for _, back in last_sundays()]


def at(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute))


def utc(day: date, hour: int, minute: int = 0) -> datetime:
    return at(day, hour, minute).replace(tzinfo=UTC)


@pytest.mark.parametrize("day", FORWARD)
@pytest.mark.parametrize("minute", [0, 30, 59])
def test_generated_start_in_the_gap__moves_by_the_offset_before_it(day: date, minute: int) -> None:
    resolved = resolve_generated(at(day, 2, minute), ZONE)
    assert resolved.instant == utc(day, 1, minute), "02:mm with the winter offset of one hour"
    assert resolved.oddity == "gap"
    assert local_of(resolved.instant, ZONE) == at(day, 3, minute)


@pytest.mark.parametrize("day", BACK)
@pytest.mark.parametrize("minute", [0, 30, 59])
def test_generated_start_in_the_fold__is_the_first_one(day: date, minute: int) -> None:
    resolved = resolve_generated(at(day, 2, minute), ZONE)
    assert resolved.instant == utc(day, 0, minute), "02:mm in summer time"
    assert resolved.oddity == "fold"


@pytest.mark.parametrize("day", FORWARD + BACK)
@pytest.mark.parametrize(("hour", "minute"), [(1, 59), (3, 0), (0, 0), (23, 59)])
def test_generated_start_beside_a_change__is_an_ordinary_time(day: date, hour: int, minute: int) -> None:
    resolved = resolve_generated(at(day, hour, minute), ZONE)
    assert resolved.oddity is None
    assert local_of(resolved.instant, ZONE) == at(day, hour, minute)


@pytest.mark.parametrize("day", FORWARD)
def test_stated_start_in_the_gap__is_refused_with_both_readings(day: date) -> None:
    assert resolve_stated(at(day, 2, 30), ZONE) == Choices("gap", utc(day, 0, 30), utc(day, 1, 30))


@pytest.mark.parametrize("day", BACK)
def test_stated_start_in_the_fold__is_refused_with_both_readings(day: date) -> None:
    assert resolve_stated(at(day, 2, 30), ZONE) == Choices("fold", utc(day, 0, 30), utc(day, 1, 30))


def test_stated_start_on_an_ordinary_day__is_that_instant() -> None:
    assert resolve_stated(wall("2027-06-01T18:00"), ZONE) == datetime(2027, 6, 1, 16, 0, tzinfo=UTC)


@pytest.mark.parametrize("change", FORWARD + BACK)
def test_weekly_start_across_a_change__keeps_its_local_time(change: date) -> None:
    before, after = at(change - timedelta(days=3), 18), at(change + timedelta(days=4), 18)
    first, second = (resolve_generated(local, ZONE).instant for local in (before, after))
    assert [local_of(each, ZONE).time() for each in (first, second)] == [time(18), time(18)]
    assert second - first == timedelta(days=7) + timedelta(hours=-1 if change in FORWARD else 1)


@pytest.mark.parametrize(("day", "closing"), [*((day, time(5)) for day in FORWARD), *((day, time(3)) for day in BACK)])
def test_end_over_a_change__counts_elapsed_minutes(day: date, closing: time) -> None:
    start = resolve_generated(at(day, 1), ZONE).instant
    assert end_of(start, 180) == start + timedelta(hours=3)
    assert local_of(end_of(start, 180), ZONE).time() == closing


@pytest.mark.parametrize("day", FORWARD)
def test_end_of_a_start_in_the_gap__is_never_of_length_zero(day: date) -> None:
    start = resolve_generated(at(day, 2, 30), ZONE).instant
    assert end_of(start, 30) - start == timedelta(minutes=30)


@pytest.mark.parametrize(
    ("day", "hours"), [*((day, 23) for day in FORWARD), *((day, 25) for day in BACK), (date(2027, 5, 1), 24)]
)
def test_day_span__is_as_long_as_the_day(day: date, hours: int) -> None:
    start, end = day_span(day, ZONE)
    assert end - start == timedelta(hours=hours)
    assert local_of(start, ZONE) == at(day, 0)


def test_oddity__belongs_to_the_zone() -> None:
    assert oddity_of(wall("2027-03-14T02:30"), ZoneInfo("America/New_York")) == "gap"
    assert oddity_of(wall("2027-03-14T02:30"), ZONE) is None
