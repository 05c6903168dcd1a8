"""Opening hours: weekly intervals and dated exceptions in local time, asked in instants.

Intervals that touch are one, also over midnight. Built once per set of rules; the instants of a date are worked out when
it is first asked for and kept.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from services.booking.domain.zones import DAY, MIDNIGHT, closing_edge, opening_edge
from services.booking.limits import CACHED_DAYS_MAX, LONGEST_BOOKING

Span = tuple[datetime, datetime]
LocalSpan = tuple[int, int]  # minutes since local midnight, the end up to 1440

ALL_DAY: tuple[LocalSpan, ...] = ((0, 1440),)


class Opening:
    """When one offer or one resource is open, in one zone."""

    __slots__ = ("_days", "_exceptions", "_weekly", "_zone")

    def __init__(
        self,
        weekly: Sequence[Sequence[LocalSpan]] | None,
        exceptions: Mapping[date, Sequence[LocalSpan]],
        where: ZoneInfo,
    ) -> None:
        """`weekly` has seven entries, Monday first; None = open every day, unless an exception says otherwise."""
        assert weekly is None or len(weekly) == 7, "a week has seven days"
        self._weekly = [_merged(day) for day in weekly] if weekly is not None else [ALL_DAY] * 7
        self._exceptions = {day: _merged(spans) for day, spans in exceptions.items()}
        self._zone = where
        self._days: dict[date, tuple[Span, ...]] = {}

    def opens_on(self, day: date) -> bool:
        """Whether the local date has an open interval: what makes it a working day."""
        return bool(self._local(day))

    def on(self, day: date) -> tuple[Span, ...]:
        """The open instants of a local date, in order, not merged with its neighbours."""
        known = self._days.get(day)
        if known is None:
            if len(self._days) >= CACHED_DAYS_MAX:
                self._days.clear()
            known = self._days[day] = tuple(self._instants(day))
        return known

    def covers(self, start: datetime, end: datetime, day: date) -> bool:
        """Whether `[start, end)` lies in one merged open interval; `day` is the local date of `start`."""
        if end - start > LONGEST_BOOKING:  # refused anyway, and each day would be walked over
            return False
        reached = self._reach(start, day)
        while reached is not None and reached < end:
            day += DAY
            reached = self._reach(reached, day)
        return reached is not None

    def spans(self, low: datetime, high: datetime) -> Iterator[Span]:
        """The merged open intervals that touch `[low, high)`, cut to it, in order."""
        day = low.astimezone(self._zone).date() - DAY
        last = high.astimezone(self._zone).date()
        pending: Span | None = None
        while day <= last:
            for start, end in self.on(day):
                if pending is not None and start <= pending[1]:
                    pending = (pending[0], max(pending[1], end))
                    continue
                if pending is not None:
                    yield from _cut(pending, low, high)
                pending = (start, end)
            day += DAY
        if pending is not None:
            yield from _cut(pending, low, high)

    def _local(self, day: date) -> tuple[LocalSpan, ...]:
        exception = self._exceptions.get(day)
        return self._weekly[day.weekday()] if exception is None else exception

    def _instants(self, day: date) -> Iterator[Span]:
        base = datetime.combine(day, MIDNIGHT)
        previous: Span | None = None
        for first, last in self._local(day):
            start = opening_edge(base + timedelta(minutes=first), self._zone)
            end = closing_edge(base + timedelta(minutes=last), self._zone)
            if start >= end:  # wholly inside the gap of a clock change
                continue
            if previous is not None and start <= previous[1]:  # the gap swallowed what lay between
                previous = (previous[0], max(previous[1], end))
                continue
            if previous is not None:
                yield previous
            previous = (start, end)
        if previous is not None:
            yield previous

    def _reach(self, moment: datetime, day: date) -> datetime | None:
        """Until when it stays open from `moment` on, as far as the date `day` and the eve reach; None if closed."""
        for start, end in self.on(day):
            if start <= moment < end:
                return end
        # In a fold at midnight the eve's closing lies behind the start of the day.
        for start, end in self.on(day - DAY):
            if start <= moment < end:
                return end
        return None


class Blackouts:
    """Spans in which nothing may be booked: sorted once, since each wish asks."""

    __slots__ = ("_ends", "_starts", "spans")

    def __init__(self, spans: Sequence[Span]) -> None:
        merged: list[Span] = []
        for start, end in sorted(spans):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end))
            else:
                merged.append((start, end))
        self.spans = tuple(merged)
        self._starts = [start for start, _ in merged]
        self._ends = [end for _, end in merged]

    def touch(self, start: datetime, end: datetime) -> bool:
        """Whether `[start, end)` meets one of them; touching edges do not."""
        return bisect_right(self._ends, start) < len(self._starts) and self._starts[bisect_right(self._ends, start)] < end


def local_date(moment: datetime, where: ZoneInfo) -> date:
    """The date that a calendar on the wall shows at `moment`."""
    return moment.astimezone(where).date()


def _merged(spans: Sequence[LocalSpan]) -> tuple[LocalSpan, ...]:
    result: list[LocalSpan] = []
    for first, last in sorted(spans):
        if result and first <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], last))
        else:
            result.append((first, last))
    return tuple(result)


def _cut(span: Span, low: datetime, high: datetime) -> Iterator[Span]:
    start, end = max(span[0], low), min(span[1], high)
    if start < end:
        yield start, end
