"""Local time and instants: what a clock on the wall says, and when that is (booking.md §10).

Time zone rules come from the pinned package `tzdata`, not from what the host happens to have, so that two hubs and a test
agree. A local time in the gap or fold of a clock change is refused, never guessed.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

from services.booking.domain.codes import Reason

MIDNIGHT = time()
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


@lru_cache(maxsize=256)
def zone(name: str) -> ZoneInfo:
    """The IANA zone of that name; `LookupError` if the pinned data has none."""
    parts = name.split("/")
    if not all(part.replace("_", "").replace("-", "").replace("+", "").isalnum() for part in parts):
        raise LookupError(name)
    file = resources.files("tzdata").joinpath("zoneinfo", *parts)
    if not file.is_file():
        raise LookupError(name)
    with file.open("rb") as data:
        try:
            return ZoneInfo.from_file(data, key=name)
        except ValueError as exc:  # one of the package's own lists
            raise LookupError(name) from exc


def resolve(moment: datetime, where: ZoneInfo) -> datetime | Reason:
    """The instant of `moment`: itself with an offset, else what clocks in `where` mean by it, or why they mean nothing."""
    if moment.tzinfo is not None:
        return moment
    first, second = _offsets(moment, where)
    if first == second:
        return (moment - first).replace(tzinfo=UTC)
    return Reason.NONEXISTENT_LOCAL_TIME if first < second else Reason.AMBIGUOUS_LOCAL_TIME


def opening_edge(local: datetime, where: ZoneInfo) -> datetime:
    """When a door opens: in the gap at the first existing instant, in the fold at the first of the two."""
    first, second = _offsets(local, where)
    if first < second:
        return _first_after_gap(local, where, first, second)
    return (local - first).replace(tzinfo=UTC)


def closing_edge(local: datetime, where: ZoneInfo) -> datetime:
    """When a door closes: in the gap at the first existing instant, in the fold at the second of the two."""
    first, second = _offsets(local, where)
    if first < second:
        return _first_after_gap(local, where, first, second)
    return (local - second).replace(tzinfo=UTC)


def dates(first: date, after: date) -> list[date]:
    """The local dates of `[first, after)`."""
    return [first + n * DAY for n in range((after - first).days)]


@lru_cache(maxsize=16_384)
def midnight(day: date, where: ZoneInfo) -> datetime:
    """The first instant of a local date; some zones change their clocks at midnight."""
    return opening_edge(datetime.combine(day, MIDNIGHT), where)


def _offsets(local: datetime, where: ZoneInfo) -> tuple[timedelta, timedelta]:
    first = local.replace(tzinfo=where, fold=0).utcoffset()
    second = local.replace(tzinfo=where, fold=1).utcoffset()
    assert first is not None, "a ZoneInfo has an offset for every date"
    assert second is not None, "a ZoneInfo has an offset for every date"
    return first, second


def _first_after_gap(local: datetime, where: ZoneInfo, before: timedelta, after: timedelta) -> datetime:
    """The instant at which the clocks jumped over `local`: found by halving, as zoneinfo does not tell its transitions."""
    low = (local - after).replace(tzinfo=UTC)  # still before the jump
    high = (local - before).replace(tzinfo=UTC)  # already behind it
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if middle.astimezone(where).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high
