"""Due times over every clock change to 2030, expiry, quiet hours, back-off."""

from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify import limits
from services.notify.domain.times import (
    QuietHours,
    ReminderRule,
    back_off,
    next_attempt,
    outside_quiet,
    probe_pause,
    reminder_expiry,
    throttle_pause,
    wall_clock,
)

BERLIN = ZoneInfo("Europe/Berlin")
# Last Sundays of March and October.
SPRING = [date(2026, 3, 29), date(2027, 3, 28), date(2028, 3, 26), date(2029, 3, 25), date(2030, 3, 31)]
AUTUMN = [date(2026, 10, 25), date(2027, 10, 31), date(2028, 10, 29), date(2029, 10, 28), date(2030, 10, 27)]
NAIVE = st.datetimes(datetime(2026, 1, 1), datetime(2031, 1, 1))  # noqa: DTZ001  clocks on the wall
MESSAGE = UUID("00000000-0000-4000-8000-00000000000d")


def berlin(day: date, hour: int, minute: int = 0, *, fold: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), tzinfo=BERLIN).replace(fold=fold)


@pytest.mark.parametrize("day", SPRING + AUTUMN)
def test_a_day_before_in_calendar_days__keeps_the_time_on_the_wall(day: date) -> None:
    """The day of the change has 23 or 25 hours: the appointment on it and the one after it are the cases."""
    for start_day in (day, day + timedelta(days=1)):
        start = berlin(start_day, 10)
        due = ReminderRule("P1D").due(start.astimezone(UTC), BERLIN)

        assert due.astimezone(BERLIN).replace(tzinfo=None) == datetime.combine(start_day - timedelta(days=1), time(10))


@pytest.mark.parametrize(("days", "hours"), [*((day, 23) for day in SPRING), *((day, 25) for day in AUTUMN)])
def test_a_day_before_over_the_change__is_not_24_hours(days: date, hours: int) -> None:
    start = berlin(days + timedelta(days=1), 0, 30).astimezone(UTC)

    assert start - ReminderRule("P1D").due(start, BERLIN) == timedelta(hours=hours)
    assert start - ReminderRule("PT24H").due(start, BERLIN) == timedelta(hours=24), "elapsed time knows no clock"


@pytest.mark.parametrize("day", SPRING)
def test_due_in_the_gap__moves_by_the_gap(day: date) -> None:
    start = berlin(day + timedelta(days=1), 2, 30).astimezone(UTC)

    due = ReminderRule("P1D").due(start, BERLIN)

    assert due.astimezone(BERLIN) == berlin(day, 3, 30)


@pytest.mark.parametrize("day", AUTUMN)
def test_due_in_the_fold__the_first_counts(day: date) -> None:
    start = berlin(day + timedelta(days=1), 2, 30).astimezone(UTC)

    due = ReminderRule("P1D").due(start, BERLIN)

    assert due == berlin(day, 2, 30).astimezone(UTC)
    assert due == berlin(day, 2, 30, fold=1).astimezone(UTC) - timedelta(hours=1)


@pytest.mark.parametrize("before", ["", "P", "P0D", "PT", "PT0H", "P1W", "P1DT2H", "-P1D", "P1.5D", "P999D", "PT9999H", "p1d"])
def test_rule_that_is_none__refused(before: str) -> None:
    with pytest.raises(ValueError, match=r"rule|reminder"):
        ReminderRule(before)


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("P1D", timedelta(hours=2)),
        ("PT4H", timedelta(hours=2)),
        ("PT3H", timedelta(minutes=90)),
        ("PT30M", timedelta(minutes=15)),
    ],
)
def test_expiry_of_a_reminder__two_hours_or_half_its_lead(before: str, expected: timedelta) -> None:
    start = datetime(2026, 6, 10, 12, tzinfo=UTC)

    assert start - reminder_expiry(start, ReminderRule(before).due(start, BERLIN)) == expected


NIGHT = QuietHours(time(22), time(7), BERLIN)
NOON = QuietHours(time(12), time(14), BERLIN)


@pytest.mark.parametrize(
    ("quiet", "instant", "expected"),
    [
        (NIGHT, berlin(date(2026, 6, 10), 21, 59), None),
        (NIGHT, berlin(date(2026, 6, 10), 22), (berlin(date(2026, 6, 10), 22), berlin(date(2026, 6, 11), 7))),
        (NIGHT, berlin(date(2026, 6, 11), 6, 59), (berlin(date(2026, 6, 10), 22), berlin(date(2026, 6, 11), 7))),
        (NIGHT, berlin(date(2026, 6, 11), 7), None),
        (NOON, berlin(date(2026, 6, 10), 11, 59), None),
        (NOON, berlin(date(2026, 6, 10), 12), (berlin(date(2026, 6, 10), 12), berlin(date(2026, 6, 10), 14))),
        (NOON, berlin(date(2026, 6, 10), 14), None),
        # Over the changes: the night of spring has 8 hours, that of autumn 10.
        (NIGHT, berlin(SPRING[0], 1), (berlin(date(2026, 3, 28), 22), berlin(SPRING[0], 7))),
        (NIGHT, berlin(AUTUMN[0], 2, 30, fold=1), (berlin(date(2026, 10, 24), 22), berlin(AUTUMN[0], 7))),
    ],
)
def test_quiet_hours__span_around_an_instant(
    quiet: QuietHours, instant: datetime, expected: tuple[datetime, datetime] | None
) -> None:
    assert quiet.around(instant.astimezone(UTC)) == expected


@given(NAIVE, st.times(), st.times())
def test_quiet_span__holds_its_instant_and_ends_after_it(naive: datetime, start: time, end: time) -> None:
    instant = naive.replace(tzinfo=UTC)
    quiet = QuietHours(start.replace(microsecond=0), end.replace(microsecond=0), BERLIN)

    span = quiet.around(instant)

    if span is not None:
        assert span[1] > instant
        assert span[1] - span[0] <= timedelta(hours=26)
        # In the gap of spring the beginning may not exist: then it is the hour later, after an instant that does.
        assert span[0] <= instant + timedelta(hours=1)


@pytest.mark.parametrize(
    ("due", "expires", "caused", "expected"),
    [
        # Outside: untouched.
        (berlin(date(2026, 6, 10), 12), berlin(date(2026, 6, 10), 20), berlin(date(2026, 6, 1), 9), (10, 12, 0)),
        # Inside: the morning.
        (berlin(date(2026, 6, 10), 23), berlin(date(2026, 6, 11), 9), berlin(date(2026, 6, 1), 9), (11, 7, 0)),
        # The morning is too late: shortly before the night.
        (berlin(date(2026, 6, 11), 5), berlin(date(2026, 6, 11), 6, 30), berlin(date(2026, 6, 1), 9), (10, 21, 45)),
        # And that is before it was booked.
        (berlin(date(2026, 6, 11), 5), berlin(date(2026, 6, 11), 6, 30), berlin(date(2026, 6, 10), 21, 50), None),
    ],
)
def test_due_in_the_quiet_hours__morning_else_evening_else_never(
    due: datetime, expires: datetime, caused: datetime, expected: tuple[int, int, int] | None
) -> None:
    moved = outside_quiet(due, expires_at=expires, caused_at=caused, quiet=NIGHT)

    assert moved == (berlin(date(2026, 6, expected[0]), expected[1], expected[2]) if expected else None)


@given(st.uuids(), st.integers(1, 30))
def test_back_off__is_spread_by_a_fifth_and_the_same_each_time(message_id: UUID, attempts: int) -> None:
    minutes = limits.BACK_OFF_MINUTES[min(attempts, 8) - 1]
    pause = back_off(message_id, attempts)

    assert timedelta(minutes=minutes * 0.8) <= pause <= timedelta(minutes=minutes * 1.2)
    assert pause == back_off(message_id, attempts)


def test_attempts__end_with_the_ninth_or_after_24_hours() -> None:
    first = datetime(2026, 6, 10, 12, tzinfo=UTC)

    for attempts in range(1, 9):
        assert next_attempt(MESSAGE, attempts=attempts, first_attempt_at=first, now=first) is not None
    assert next_attempt(MESSAGE, attempts=9, first_attempt_at=first, now=first) is None
    assert next_attempt(MESSAGE, attempts=2, first_attempt_at=first, now=first + timedelta(hours=23, minutes=59)) is None


def test_pauses_of_a_relay__grow_to_their_bound() -> None:
    assert [probe_pause(n).total_seconds() for n in (0, 1, 2, 3, 4, 500_000)] == [30, 60, 120, 240, 300, 300]
    assert [throttle_pause(n).total_seconds() for n in (0, 1, 2, 500_000)] == [30, 40, 50, 1800]


@given(NAIVE)
def test_wall_clock__shows_what_was_asked_for_unless_that_hour_is_left_out(naive: datetime) -> None:
    shown = wall_clock(naive, BERLIN).astimezone(BERLIN).replace(tzinfo=None)

    assert shown in (naive, naive + timedelta(hours=1))
    assert shown == naive or (naive.month, naive.hour) == (3, 2)
