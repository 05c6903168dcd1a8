"""Calendar periods."""

from datetime import date, timedelta

import pytest

from services.analytics.domain.periods import DAYS_MIN, Period, first_day, name, next_first_day


@pytest.mark.parametrize(
    ("period", "first", "label"),
    [
        (Period.DAY, "2027-05-05", "2027-05-05"),
        (Period.WEEK, "2027-05-03", "2027-W18"),
        (Period.MONTH, "2027-05-01", "2027-05"),
        (Period.QUARTER, "2027-04-01", "2027-Q2"),
        (Period.YEAR, "2027-01-01", "2027"),
    ],
)
def test_first_day_and_name__of_a_wednesday_in_may(period: Period, first: str, label: str) -> None:
    assert first_day(date(2027, 5, 5), period) == date.fromisoformat(first)
    assert name(date.fromisoformat(first), period) == label


@pytest.mark.parametrize("period", Period)
def test_periods_over_five_years__follow_each_other_without_gap(period: Period) -> None:
    first = first_day(date(2026, 1, 1), period)
    while first < date(2031, 1, 1):
        after = next_first_day(first, period)
        assert all(first_day(first + timedelta(days=n), period) == first for n in range((after - first).days))
        assert (after - first).days >= DAYS_MIN[period]
        first = after


def test_week_over_new_year__named_by_iso() -> None:
    assert name(first_day(date(2027, 1, 1), Period.WEEK), Period.WEEK) == "2026-W53"
