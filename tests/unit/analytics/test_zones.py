"""Local days and clock faces as instants."""

from datetime import UTC, date, datetime, timedelta

import pytest

from services.analytics.domain.zones import closing_edge, day_span, local_day, opening_edge, zone

BERLIN = zone("Europe/Berlin")
CHANGES = [  # last Sundays of March and October
    (date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2027, 3, 28), 23), (date(2027, 10, 31), 25),
    (date(2028, 3, 26), 23), (date(2028, 10, 29), 25), (date(2029, 3, 25), 23), (date(2029, 10, 28), 25),
    (date(2030, 3, 31), 23), (date(2030, 10, 27), 25),
]  # fmt: skip


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(("day", "hours"), CHANGES)
def test_day_span_at_every_clock_change_to_2030__has_23_or_25_hours(day: date, hours: int) -> None:
    start, end = day_span(day, BERLIN)
    assert (end - start) / timedelta(hours=1) == hours


def test_day_span_of_an_ordinary_day__from_midnight_to_midnight() -> None:
    assert day_span(date(2027, 6, 1), BERLIN) == (utc("2027-05-31T22:00"), utc("2027-06-01T22:00"))


def test_edges_in_the_gap__first_instant_that_exists() -> None:
    assert opening_edge(date(2027, 3, 28), 150, BERLIN) == utc("2027-03-28T01:00")
    assert closing_edge(date(2027, 3, 28), 150, BERLIN) == utc("2027-03-28T01:00")


def test_edges_in_the_fold__opening_is_the_first_closing_the_second() -> None:
    assert opening_edge(date(2027, 10, 31), 150, BERLIN) == utc("2027-10-31T00:30")
    assert closing_edge(date(2027, 10, 31), 150, BERLIN) == utc("2027-10-31T01:30")


def test_midnight_that_does_not_exist__day_begins_at_the_first_instant() -> None:
    """Beirut puts its clocks forward at midnight: the day begins at one."""
    start, end = day_span(date(2027, 3, 28), zone("Asia/Beirut"))
    assert start == utc("2027-03-27T22:00")
    assert end - start == timedelta(hours=23)


@pytest.mark.parametrize(
    ("instant", "day"),
    [("2027-05-31T21:59:59", "2027-05-31"), ("2027-05-31T22:00:00", "2027-06-01"), ("2027-12-31T23:00:00", "2028-01-01")],
)
def test_local_day_a_second_either_side_of_midnight__is_the_walls(instant: str, day: str) -> None:
    assert local_day(utc(instant), BERLIN).isoformat() == day


@pytest.mark.parametrize("name", ["Europe/Atlantis", "../etc/passwd", "", "tzdata.zi", "Europe"])
def test_zone_that_does_not_exist__lookup_error(name: str) -> None:
    with pytest.raises(LookupError):
        zone(name)
