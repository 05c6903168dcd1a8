"""Local days and clock faces as instants (booking.md §10), by the pinned zone data and not by what the host has."""

from bisect import bisect_left
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

from services.analytics.domain.spans import Span
from services.analytics.limits import INSTANTS_CACHED_MAX

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """The IANA zone of that name; `LookupError` if the pinned data has none."""
    parts = name.split("/")
    if any(not part.replace("-", "").replace("+", "").replace("_", "").isalnum() for part in parts):
        raise LookupError(name)
    path = resources.files("tzdata").joinpath("zoneinfo", *parts)
    if not path.is_file():
        raise LookupError(name)
    with path.open("rb") as file:
        try:
            return ZoneInfo.from_file(file, key=name)
        except ValueError as exc:  # a list that lies among the zones
            raise LookupError(name) from exc


@lru_cache(maxsize=INSTANTS_CACHED_MAX)
def local_day(instant: datetime, where: ZoneInfo) -> date:
    """The date on the wall at an instant."""
    return instant.astimezone(where).date()


@lru_cache(maxsize=INSTANTS_CACHED_MAX)
def day_span(day: date, where: ZoneInfo) -> Span:
    """A whole local day, 23 to 25 hours."""
    return opening_edge(day, 0, where), opening_edge(day + DAY, 0, where)


def days_between(first: date, last: date) -> list[date]:
    """All dates from `first` to `last`, both included."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def opening_edge(day: date, minutes: int, where: ZoneInfo) -> datetime:
    """When a door opens, `minutes` of clock face into the day: in the gap the first instant there is, in the fold the first."""
    return _edge(day, minutes, where, fold=0)


def closing_edge(day: date, minutes: int, where: ZoneInfo) -> datetime:
    """When a door closes: in the gap the first instant there is, in the fold the second."""
    return _edge(day, minutes, where, fold=1)


@lru_cache(maxsize=INSTANTS_CACHED_MAX)  # a hub's rooms open and close at the same hours
def _edge(day: date, minutes: int, where: ZoneInfo, *, fold: int) -> datetime:
    local = datetime.combine(day, time()) + timedelta(minutes=minutes)
    early = local.replace(tzinfo=where, fold=0).astimezone(UTC)
    late = local.replace(tzinfo=where, fold=1).astimezone(UTC)
    if late < early:  # a gap: read with the offset after it, the clock face lies before it
        return _jump(late, early, where)
    return late if fold else early


def _jump(before: datetime, behind: datetime, where: ZoneInfo) -> datetime:
    """The first instant in `(before, behind]` with another offset than `before`; zoneinfo does not tell its transitions."""
    offset = before.astimezone(where).utcoffset()
    steps = range((behind - before) // SECOND + 1)
    return (
        before + bisect_left(steps, True, key=lambda n: (before + n * SECOND).astimezone(where).utcoffset() != offset) * SECOND
    )
