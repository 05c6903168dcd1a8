"""Wall time to instants (RFC 5545 3.3.5): local time is the truth, UTC is derived for each date anew."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Oddity = Literal["gap", "fold"]


@dataclass(frozen=True, slots=True)
class Resolved:
    """An instant in UTC, and whether the wall time it stands for was missing or came twice."""

    instant: datetime
    oddity: Oddity | None


@dataclass(frozen=True, slots=True)
class Choices:
    """The two instants that a refused wall time could mean, the earlier one first."""

    oddity: Oddity
    first: datetime
    second: datetime


def oddity_of(local: datetime, zone: ZoneInfo) -> Oddity | None:
    """Whether the naive wall time `local` is skipped (gap) or repeated (fold) in `zone`."""
    assert local.tzinfo is None, "wall time carries no offset"
    first = local.replace(tzinfo=zone, fold=0).utcoffset()
    second = local.replace(tzinfo=zone, fold=1).utcoffset()
    assert first is not None
    assert second is not None
    if first == second:
        return None
    return "gap" if first < second else "fold"


def resolve_generated(local: datetime, zone: ZoneInfo) -> Resolved:
    """A start made by a rule: in the gap it moves by the offset before it, in the fold the first one counts.

    Both are what fold=0 means: before a gap and in the first pass of a fold the old offset is in force.
    """
    return Resolved(local.replace(tzinfo=zone, fold=0).astimezone(UTC), oddity_of(local, zone))


def resolve_stated(local: datetime, zone: ZoneInfo) -> datetime | Choices:
    """A start typed by a person: never guessed, a missing or repeated wall time is answered with both readings."""
    oddity = oddity_of(local, zone)
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if oddity is None:
        return first
    return Choices(oddity, min(first, second), max(first, second))


def end_of(start: datetime, duration_minutes: int) -> datetime:
    """The end in elapsed time; on the wall clock a date over a clock change would grow or shrink."""
    assert start.tzinfo is not None, "an instant, not wall time"
    return start.astimezone(UTC) + timedelta(minutes=duration_minutes)


def local_of(instant: datetime, zone: ZoneInfo) -> datetime:
    """The naive wall time of an instant."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def day_span(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """A whole local day as instants, half-open: 23, 24 or 25 hours; a midnight in a gap is the first that exists."""
    start, end = (
        datetime(each.year, each.month, each.day, tzinfo=zone).astimezone(UTC) for each in (day, day + timedelta(days=1))
    )
    return start, end
