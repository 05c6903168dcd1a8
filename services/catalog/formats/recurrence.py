"""Recurrence rules (RFC 5545) to wall-clock starts. Ends and instants are none of the library's business (domain)."""

from datetime import UTC, date, datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

import recurring_ical_events
from icalendar import Calendar, Event, vRecur

from services.catalog.domain.entities import Schedule
from services.catalog.domain.occurrences import ScheduleDates
from services.catalog.domain.wall_time import local_of
from services.catalog.limits import (
    HORIZON,
    PAST_KEPT,
    RULE_CHARACTERS_MAX,
    RULE_COUNT_MAX,
    RULE_FIRST_YEAR,
    RULE_INTERVAL_MAX,
    RULE_VALUES_MAX,
)

_FREQUENCIES = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
_PARTS = frozenset(
    {"FREQ", "UNTIL", "COUNT", "INTERVAL", "BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYMONTH", "BYSETPOS", "WKST"}
)
_TIME_PARTS = frozenset({"BYHOUR", "BYMINUTE", "BYSECOND"})  # several of them make a rule below DAILY
# The library looks for the next match up to the year 9999, day by day: 3.8 s for a rule that has none (2026-11-24). These
# parts can make such a rule; with MONTHLY and YEARLY, for which RFC 5545 means them, the search takes some ms.
_NOT_BELOW_MONTHLY = frozenset({"BYYEARDAY", "BYWEEKNO", "BYSETPOS"})
_MONTH_DAYS = {1: 31, 2: 29, 3: 31, 4: 30, 5: 31, 6: 30, 7: 31, 8: 31, 9: 30, 10: 31, 11: 30, 12: 31}


class BadRule(ValueError):
    """The rule is not taken; `code` says why: bad_rule, rule_too_frequent, rule_too_large."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


def checked_rule(rule: str) -> str:
    """The rule in the library's writing; BadRule if it cannot be read, is below DAILY or out of bounds."""
    if len(rule) > RULE_CHARACTERS_MAX:
        raise BadRule("rule_too_large", f"over {RULE_CHARACTERS_MAX} characters")
    parts = _parsed(rule)
    frequency = str(parts.get("FREQ", [""])[0]).upper()
    if frequency not in _FREQUENCIES or not _TIME_PARTS.isdisjoint(parts):
        raise BadRule("rule_too_frequent" if frequency else "bad_rule", frequency or "no FREQ")
    unknown = set(parts) - _PARTS
    if unknown:
        raise BadRule("bad_rule", ", ".join(sorted(unknown)))
    if any(len(values) > RULE_VALUES_MAX for values in parts.values()):
        raise BadRule("rule_too_large", f"over {RULE_VALUES_MAX} values in one part")
    for name, most in (("COUNT", RULE_COUNT_MAX), ("INTERVAL", RULE_INTERVAL_MAX)):
        value = parts.get(name, [1])[0]
        if not isinstance(value, int) or not 1 <= value <= most:
            raise BadRule("bad_rule", f"{name} outside 1..{most}")
    if frequency in ("DAILY", "WEEKLY") and not _NOT_BELOW_MONTHLY.isdisjoint(parts):
        raise BadRule("bad_rule", f"a part that {frequency} does not take")
    months = [int(each) for each in parts.get("BYMONTH", _MONTH_DAYS)]
    days = [int(each) for each in parts.get("BYMONTHDAY", [1])]
    if not any(1 <= abs(day) <= _MONTH_DAYS.get(month, 0) for month in months for day in days):
        raise BadRule("bad_rule", "no month has such a day")
    return str(parts.to_ical().decode())  # type: ignore[no-untyped-call]


def _parsed(rule: str) -> vRecur:
    try:
        return cast(vRecur, vRecur.from_ical(rule))
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise BadRule("bad_rule", type(exc).__name__) from exc


def dates_of(schedule: Schedule, *, now: datetime) -> ScheduleDates:
    """The starts of a schedule from `PAST_KEPT` ago to the horizon's end; overrides do not move them here.

    The rule is expanded from its beginning (COUNT needs that), but never beyond the horizon: `RULE_FIRST_YEAR` bounds
    the work to some 13,000 days (0.6 s, every day since then).
    """
    zone = ZoneInfo(schedule.time_zone)
    first = local_of(now - PAST_KEPT, zone)
    last = local_of(now + HORIZON, zone)
    if schedule.valid_until is not None:
        last = min(last, datetime.combine(schedule.valid_until, datetime.max.time()))
    starts = {schedule.local_start} if schedule.rrule is None else set(_expanded(schedule, schedule.rrule, first, last, zone))
    starts.update(schedule.rdates)
    starts.difference_update(schedule.exdates)
    return ScheduleDates(schedule, tuple(sorted(each for each in starts if first <= each <= last)))


def _expanded(schedule: Schedule, rule: str, first: datetime, last: datetime, zone: ZoneInfo) -> list[datetime]:
    if schedule.local_start.year < RULE_FIRST_YEAR or schedule.local_start > last:
        return []
    parts = _parsed(rule)
    count = parts.pop("COUNT", [None])[0]
    until = parts.pop("UNTIL", [None])[0]
    end = min(last, _until_local(until, zone)) if until is not None else last
    parts["UNTIL"] = [end]
    event = Event()
    event.add("UID", schedule.schedule_id)
    event.add("DTSTART", schedule.local_start)  # naive: the library then counts on the wall clock, as it should
    event.add("RRULE", parts)
    calendar = Calendar()
    calendar.add_component(event)
    begin = schedule.local_start if count is not None else max(first, schedule.local_start)
    found = recurring_ical_events.of(calendar).between(begin, end + timedelta(seconds=1))
    starts = sorted(cast(datetime, each["DTSTART"].dt) for each in found)
    starts = [each for each in starts if each <= end]
    return starts if count is None else starts[:count]


def _until_local(until: date | datetime, zone: ZoneInfo) -> datetime:
    """UNTIL as the last wall time that counts: an instant for zoned rules, a date includes its whole day."""
    if not isinstance(until, datetime):
        return datetime.combine(until, datetime.max.time())
    return until if until.tzinfo is None else local_of(until.astimezone(UTC), zone)
