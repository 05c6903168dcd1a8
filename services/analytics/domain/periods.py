"""Calendar periods."""

from datetime import date, timedelta
from enum import StrEnum


class Period(StrEnum):
    """A calendar period: spans that are none are refused, since overlapping ranges could be subtracted."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


LONG = (Period.WEEK, Period.MONTH, Period.QUARTER, Period.YEAR)
"""Periods of more than a day."""


def first_day(day: date, period: Period) -> date:
    """The first day of the period that `day` lies in; weeks begin on Monday."""
    if period is Period.DAY:
        return day
    if period is Period.WEEK:
        return day - timedelta(days=day.weekday())
    if period is Period.MONTH:
        return day.replace(day=1)
    if period is Period.QUARTER:
        return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
    return day.replace(month=1, day=1)


def next_first_day(first: date, period: Period) -> date:
    """The first day of the period after the one that begins on `first`."""
    days = {Period.DAY: 1, Period.WEEK: 7, Period.MONTH: 31, Period.QUARTER: 92, Period.YEAR: 366}[period]
    return first_day(first + timedelta(days=days), period)


def name(first: date, period: Period) -> str:
    """`2027-04-05`, `2027-W14`, `2027-04`, `2027-Q2`, `2027`."""
    if period is Period.DAY:
        return first.isoformat()
    if period is Period.WEEK:
        year, week, _ = first.isocalendar()
        return f"{year}-W{week:02}"
    if period is Period.MONTH:
        return f"{first:%Y-%m}"
    if period is Period.QUARTER:
        return f"{first.year}-Q{(first.month + 2) // 3}"
    return f"{first.year}"


DAYS_MIN = {Period.DAY: 1, Period.WEEK: 7, Period.MONTH: 28, Period.QUARTER: 90, Period.YEAR: 365}
"""The shortest of each kind."""
