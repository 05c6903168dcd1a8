"""What is still free, asked of the same rule as a decision: later starts, all starts of a window, maximal free spans."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from services.booking.domain.claims import Placement, Reasons, Wish
from services.booking.domain.codes import EXCLUSIVE, TAKEN, Kind, Per, Reason, Window
from services.booking.domain.evaluation import evaluate, on_grid, taken_by_others
from services.booking.domain.hours import Span, local_date
from services.booking.domain.occupancy import Occupancy
from services.booking.domain.offers import Component, Offer, Resource, reach
from services.booking.domain.wishes import taken_parts
from services.booking.domain.zones import DAY, MINUTE, midnight
from services.booking.limits import (
    FREE_SPANS_MAX,
    FREE_STARTS_MAX,
    NEXT_START_TRIES_MAX,
    NEXT_START_WITHIN,
    OFF_GRID_TRIES_MAX,
)

SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class FreeSpan:
    """A maximal span in which this resource could be booked; cut to the window that was asked for."""

    component_id: str
    resource_id: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class FreeSession:
    """A session that lies in the window: places left, and whether the asker would get what was asked for."""

    resource_id: str
    start: datetime
    end: datetime
    free: int
    bookable: bool


@dataclass(frozen=True, slots=True)
class Free:
    """The answer for a window. `more`: it went on, but the lists have their bounds."""

    starts: tuple[datetime, ...]
    spans: tuple[FreeSpan, ...]
    sessions: tuple[FreeSession, ...]
    more: bool


def curable(offer: Offer, answer: Reasons) -> bool:
    """Whether the wish could be had at another time; sessions have no other."""
    known = answer.start is not None and answer.end is not None
    return known and offer.session is None and all(why.code in TAKEN for why in answer.items)


class LaterStarts:
    """Later starts for wishes that are alike but for their start, on one state: each edge is tried once, whoever asks.

    On the grid, or where there is none at the edges of spans. `occupancy` must know the claims that the asked weeks need.
    """

    def __init__(self, offer: Offer, wish: Wish, length: timedelta, occupancy: Occupancy, now: datetime) -> None:
        self._offer, self._wish, self._length, self._occupancy, self._now = offer, wish, length, occupancy, now
        known = [window for _, resource in _choices(offer, wish) for window in occupancy.known.get(resource.resource_id, ())]
        low = min((window[0] for window in known), default=now)
        high = max((window[1] for window in known), default=now + NEXT_START_WITHIN)
        self._edges = sorted(set(_edges(offer, wish, low, high, occupancy, now)))
        self._found: dict[datetime, datetime | None] = {}

    def after(self, start: datetime) -> datetime | None:
        """The first start after `start`, at most a week later, at which the rules accept the wish with the same length."""
        last = start + NEXT_START_WITHIN
        first = bisect_right(self._edges, start)
        for edge in self._edges[first : first + NEXT_START_TRIES_MAX]:
            if edge > last:
                return None
            if edge not in self._found:
                self._found[edge] = self._from(edge)
            found = self._found[edge]
            if found is not None:
                return found if found <= last else None
        return None

    def _from(self, edge: datetime) -> datetime | None:
        """The first start from `edge` on that can be had, if it is the edge itself or only the grid lies between."""
        for moment in _on_grid_from(self._offer, edge):
            if not _room_for(self._offer, self._wish, moment, moment + self._length, self._occupancy):
                return None
            answer = evaluate(self._offer, _at(self._wish, moment, self._length), self._occupancy, self._now)
            if isinstance(answer, Placement):
                return moment
            if Reason.OFF_GRID not in {why.code for why in answer.items}:
                return None
        return None


def free(offer: Offer, wish: Wish, low: datetime, high: datetime, occupancy: Occupancy, now: datetime) -> Free:
    """All that is free for `wish` (which has a duration, no start) with a start in `[low, high)`."""
    session = offer.session
    if session is not None:
        sessions = tuple(_sessions(offer, session, wish, low, high, occupancy, now))
        return Free((), (), sessions, more=False)
    assert wish.duration is not None, "the asker says how long"
    starts: list[datetime] = []
    for moment in _starts(offer, wish, low, high, occupancy, now):
        if len(starts) > FREE_STARTS_MAX:
            break
        if isinstance(evaluate(offer, _at(wish, moment, wish.duration), occupancy, now), Placement):
            starts.append(moment)
    spans: list[FreeSpan] = []
    for span in _spans(offer, wish, low, high, occupancy, now):
        if len(spans) > FREE_SPANS_MAX:
            break
        spans.append(span)
    more = len(starts) > FREE_STARTS_MAX or len(spans) > FREE_SPANS_MAX
    return Free(tuple(starts[:FREE_STARTS_MAX]), tuple(spans[:FREE_SPANS_MAX]), (), more)


def is_free_on(offer: Offer, wish: Wish, day: date, occupancy: Occupancy, now: datetime) -> bool:
    """Whether `free` would name a start on that local date; it ends at the first, which most days have early."""
    assert wish.duration is not None, "the asker says how long"
    for moment in _starts(offer, wish, midnight(day, offer.where), midnight(day + DAY, offer.where), occupancy, now):
        if not _room_for(offer, wish, moment, moment + wish.duration, occupancy):
            continue
        if isinstance(evaluate(offer, _at(wish, moment, wish.duration), occupancy, now), Placement):
            return True
    return False


def next_on_grid(moment: datetime, grid: timedelta, where: ZoneInfo) -> datetime:
    """The first instant from `moment` on at which the clock on the wall shows a whole number of grid steps."""
    local = moment.astimezone(where)
    since_midnight = timedelta(hours=local.hour, minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    behind = since_midnight % grid
    if not behind:
        return moment
    until_midnight = DAY - since_midnight
    found = moment + min(grid - behind, until_midnight)
    if found.astimezone(where).utcoffset() == local.utcoffset():
        return found
    # A clock change lies between: minute by minute, twice a year.
    found = moment + (MINUTE - since_midnight % MINUTE) % MINUTE
    while not on_grid(found.astimezone(where), grid):
        found += MINUTE
    return found


def _on_grid_from(offer: Offer, edge: datetime) -> Iterator[datetime]:
    """The first start from `edge` on, and the next few in case a clock change puts its end off the grid."""
    if offer.grid is None:
        yield edge
        return
    moment = edge
    for _ in range(OFF_GRID_TRIES_MAX):
        moment = next_on_grid(moment, offer.grid, offer.where)
        yield moment
        moment += SECOND


def _room_for(offer: Offer, wish: Wish, start: datetime, end: datetime, occupancy: Occupancy) -> bool:
    """Whether each part has a candidate that nobody else holds then: what `evaluate` would find, at a tenth of its cost.

    A busy week has hundreds of edges, and most fail for this alone.
    """
    for part in taken_parts(offer, wish):
        named = wish.choice(part.component_id)
        count = wish.count(part.component_id)
        for resource in part.resources:
            if named is not None and resource.resource_id != named:
                continue
            setup, teardown = part.buffers(resource)
            occupied = (start - setup, end + teardown)
            if taken_by_others(offer, resource, wish, count, occupied, (start, end), occupancy, {}) is None:
                break
        else:
            return False
    return True


def _at(wish: Wish, start: datetime, length: timedelta) -> Wish:
    return wish._replace(start=start, end=start + length, duration=None)


def _edges(offer: Offer, wish: Wish, low: datetime, high: datetime, occupancy: Occupancy, now: datetime) -> Iterator[datetime]:
    """Where something may begin to be free: every left edge of the set of good starts is among them.

    Local midnights are, as limits per day begin anew there.
    """
    yield _earliest(offer, now)
    day = local_date(low, offer.where) + DAY
    while midnight(day, offer.where) < high:
        yield midnight(day, offer.where)
        day += DAY
    yield from (end for _, end in offer.blackouts.spans)
    if offer.opening is not None:
        yield from (start for start, _ in offer.opening.spans(low, high))
    yield from _ends_of_limits(offer, wish, occupancy)
    for part, resource in _choices(offer, wish):
        setup, teardown = part.buffers(resource)
        yield from (taken[1] + setup for taken in occupancy.competing.get(resource.resource_id, ()))
        yield from (end for _, end in resource.blackouts.spans)
        if resource.opening is not None:
            yield from (start for start, _ in resource.opening.spans(low, high))
        if resource.kind in EXCLUSIVE and resource.resource_id in occupancy.units:
            track = occupancy.units[resource.resource_id]
            yield from (end + setup for _, end in track.occupied(low - setup, high + teardown))
        elif resource.kind is Kind.POOL and resource.resource_id in occupancy.pools:
            yield from (at + setup for at, _ in occupancy.pools[resource.resource_id].steps())


def _ends_of_limits(offer: Offer, wish: Wish, occupancy: Occupancy) -> Iterator[datetime]:
    """Where what the asker or their group has at one time ends, elsewhere perhaps."""
    for limit in offer.limits:
        if limit.window is not Window.SAME_TIME:
            continue
        if limit.per is Per.PERSON and wish.person_id is not None:
            yield from (counted.end for counted in occupancy.people.get((wish.person_id, limit.key), ()))
        elif limit.group is not None and limit.group in (wish.groups or ()):
            yield from (counted.end for counted in occupancy.groups.get((limit.group, limit.key), ()))


def _choices(offer: Offer, wish: Wish) -> Iterator[tuple[Component, Resource]]:
    for part in taken_parts(offer, wish):
        named = wish.choice(part.component_id)
        for resource in part.resources:
            if named is None or resource.resource_id == named:
                yield part, resource


def _earliest(offer: Offer, now: datetime) -> datetime:
    """The first start that is not too soon: booked times are whole seconds, the clock's are not."""
    earliest = reach(offer, now)[0]
    return earliest.replace(microsecond=0) + SECOND if earliest.microsecond else earliest


def _starts(offer: Offer, wish: Wish, low: datetime, high: datetime, occupancy: Occupancy, now: datetime) -> Iterator[datetime]:
    """Starts worth trying in `[low, high)`: the whole grid while the offer is open, or without a grid the edges."""
    low, high = max(low, _earliest(offer, now)), min(high, reach(offer, now)[1])
    if low >= high:
        return
    if offer.grid is None:
        yield from sorted({edge for edge in (low, *_edges(offer, wish, low, high, occupancy, now)) if low <= edge < high})
        return
    open_spans: Iterable[Span] = ((low, high),) if offer.opening is None else offer.opening.spans(low, high)
    for start, end in open_spans:
        moment = next_on_grid(start, offer.grid, offer.where)
        while moment < end:
            yield moment
            moment = next_on_grid(moment + MINUTE, offer.grid, offer.where)


def _sessions(
    offer: Offer, session: Component, wish: Wish, low: datetime, high: datetime, occupancy: Occupancy, now: datetime
) -> Iterator[FreeSession]:
    for resource in session.resources:
        start, end = resource.start, resource.end
        if start is None or end is None or not resource.scheduled or not low <= start < high:
            continue
        left = (resource.capacity or 0) - occupancy.sessions[resource.resource_id].taken
        choices = {**(wish.choices or {}), session.component_id: resource.resource_id}
        wanted = wish._replace(duration=None, choices=choices, undecided=True)
        answer = evaluate(offer, wanted, occupancy, now)
        yield FreeSession(resource.resource_id, start, end, max(0, left), isinstance(answer, Placement))


def _spans(offer: Offer, wish: Wish, low: datetime, high: datetime, occupancy: Occupancy, now: datetime) -> Iterator[FreeSpan]:
    """Open hours of offer and resource, less blackouts, less what is occupied grown by our own buffers."""
    low = max(low, _earliest(offer, now))
    for part, resource in _choices(offer, wish):
        count = wish.count(part.component_id)
        needs = wish.needs & part.features
        small = resource.kind in EXCLUSIVE and resource.capacity is not None and count > resource.capacity
        if low >= high or small or not needs <= resource.features:
            continue
        free_spans: list[Span] = [(low, high)]
        for opening in (offer.opening, resource.opening):
            if opening is not None:
                open_spans = list(opening.spans(low, high))
                free_spans = [cut for span in free_spans for cut in _common(span, open_spans)]
        taken = [*offer.blackouts.spans, *resource.blackouts.spans, *_taken(part, resource, count, low, high, occupancy)]
        for start, end in _without(free_spans, sorted(taken)):
            yield FreeSpan(part.component_id, resource.resource_id, start, end)


def _taken(
    part: Component, resource: Resource, count: int, low: datetime, high: datetime, occupancy: Occupancy
) -> Iterator[Span]:
    """The spans that no booked span may touch, because the buffers around it would meet what is occupied."""
    setup, teardown = part.buffers(resource)
    if resource.kind in EXCLUSIVE and resource.resource_id in occupancy.units:
        for start, end in occupancy.units[resource.resource_id].occupied(low - setup, high + teardown):
            yield start - teardown, end + setup
    elif resource.kind is Kind.POOL:
        most = (resource.capacity or 0) - count
        since: datetime | None = low - setup if most < 0 else None
        for at, level in occupancy.pools[resource.resource_id].steps() if resource.resource_id in occupancy.pools else ():
            if since is None and level > most:
                since = at
            elif since is not None and level <= most:
                yield since - teardown, at + setup
                since = None
        if since is not None:
            yield since - teardown, high + teardown


def _common(span: Span, others: list[Span]) -> Iterator[Span]:
    """The parts of `span` that lie in one of the ordered, disjoint others."""
    for start, end in others[max(0, bisect_right(others, span) - 1) :]:
        if start >= span[1]:
            return
        if end > span[0]:
            yield max(start, span[0]), min(end, span[1])


def _without(spans: Iterable[Span], taken: list[Span]) -> Iterator[Span]:
    """What remains of ordered, disjoint spans without the taken ones, ordered by start."""
    for start, end in spans:
        at = start
        for first, last in taken:
            if last <= at:
                continue
            if first >= end:
                break
            if first > at:
                yield at, first
            at = max(at, last)
        if at < end:
            yield at, end
