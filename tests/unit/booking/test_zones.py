"""Local times and instants, held against every clock change to 2030."""

from datetime import UTC, date, datetime, timedelta

import pytest

from services.booking.domain.codes import Reason
from services.booking.domain.zones import closing_edge, midnight, opening_edge, resolve, zone
from tests.unit.booking.rules import BERLIN, SECOND

# Directive 2000/84/EC: last Sundays of March and October, 01:00 UTC.
SPRING = [date(2026, 3, 29), date(2027, 3, 28), date(2028, 3, 26), date(2029, 3, 25), date(2030, 3, 31)]
AUTUMN = [date(2026, 10, 25), date(2027, 10, 31), date(2028, 10, 29), date(2029, 10, 28), date(2030, 10, 27)]


def local(day: date, clock: str) -> datetime:
    return datetime.fromisoformat(f"{day}T{clock}")


@pytest.mark.parametrize("day", SPRING)
@pytest.mark.parametrize(
    ("clock", "outcome"),
    [("01:59:59", "00:59:59"), ("02:00:00", None), ("02:30:00", None), ("02:59:59", None), ("03:00:00", "01:00:00")],
)
def test_resolve_around_the_spring_gap(day: date, clock: str, outcome: str | None) -> None:
    expected = Reason.NONEXISTENT_LOCAL_TIME if outcome is None else local(day, outcome).replace(tzinfo=UTC)
    assert resolve(local(day, clock), BERLIN) == expected


@pytest.mark.parametrize("day", AUTUMN)
@pytest.mark.parametrize(
    ("clock", "outcome"),
    [("01:59:59", "-1 23:59:59"), ("02:00:00", None), ("02:30:00", None), ("02:59:59", None), ("03:00:00", "02:00:00")],
)
def test_resolve_around_the_autumn_fold(day: date, clock: str, outcome: str | None) -> None:
    if outcome is None:
        assert resolve(local(day, clock), BERLIN) == Reason.AMBIGUOUS_LOCAL_TIME
        return
    on = day - timedelta(days=1) if outcome.startswith("-1 ") else day
    assert resolve(local(day, clock), BERLIN) == local(on, outcome[-8:]).replace(tzinfo=UTC)


def test_resolve_with_an_offset__stays_itself_even_inside_the_gap() -> None:
    instant = datetime(2027, 3, 28, 1, 30, tzinfo=UTC)
    assert resolve(instant, BERLIN) is instant


@pytest.mark.parametrize("day", SPRING)
def test_edges_in_the_gap__move_to_the_first_existing_instant(day: date) -> None:
    first = local(day, "01:00:00").replace(tzinfo=UTC)
    for clock in ("02:00:00", "02:00:01", "02:30:00", "02:59:59"):
        assert opening_edge(local(day, clock), BERLIN) == first
        assert closing_edge(local(day, clock), BERLIN) == first
    assert opening_edge(local(day, "01:59:59"), BERLIN) == first - SECOND
    assert opening_edge(local(day, "03:00:00"), BERLIN) == first


@pytest.mark.parametrize("day", AUTUMN)
def test_edges_in_the_fold__open_at_the_first_and_close_at_the_second(day: date) -> None:
    assert opening_edge(local(day, "02:30:00"), BERLIN) == local(day, "00:30:00").replace(tzinfo=UTC)
    assert closing_edge(local(day, "02:30:00"), BERLIN) == local(day, "01:30:00").replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "day", "hours"),
    [
        ("Europe/Berlin", date(2027, 3, 28), 23),
        ("Europe/Berlin", date(2027, 10, 31), 25),
        ("Europe/Berlin", date(2027, 6, 1), 24),
        ("Asia/Kolkata", date(2027, 3, 28), 24),
        ("Australia/Lord_Howe", date(2027, 4, 4), 24.5),
        ("Australia/Lord_Howe", date(2027, 10, 3), 23.5),
        ("Asia/Beirut", date(2027, 3, 28), 23),  # midnight itself lies in the gap
        ("Asia/Beirut", date(2027, 10, 30), 25),  # at its end the clock goes back before midnight was reached
        ("Atlantic/Azores", date(2027, 10, 31), 25),  # midnight comes twice
    ],
)
def test_days_have_as_many_hours_as_the_clock_makes_them(name: str, day: date, hours: float) -> None:
    where = zone(name)
    assert midnight(day + timedelta(days=1), where) - midnight(day, where) == timedelta(hours=hours)
    assert midnight(day, where).astimezone(where).date() == day
    assert (midnight(day, where) - SECOND).astimezone(where).date() == day - timedelta(days=1)


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "Europe", "../etc/passwd", "Europe/../Berlin", "leapseconds", "zone.tab"])
def test_zone_of_an_unknown_name__lookup_error(name: str) -> None:
    with pytest.raises(LookupError):
        zone(name)


def test_zone__comes_from_the_pinned_package_and_knows_its_name() -> None:
    assert zone("America/Argentina/Buenos_Aires").key == "America/Argentina/Buenos_Aires"
    assert zone("Etc/GMT+1").key == "Etc/GMT+1"
