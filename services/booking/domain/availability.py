"""What is still free, asked of the same rule as a decision: later starts, all starts of a window, maximal free spans."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from services.booking.domain.claims import Placement, Reasons, Wish
from services.booking.domain.codes import EXCLUSIVE, TAKEN, Kind, Per, Reason, Window
from services.booking.domain.evaluation import evaluate, on_grid, taken_by_others
from services.booking.domain.hours import Span, local_date
from services.booking.domain.occupancy import Occupancy
from services.booking.domain.offers import Component, Offer, reach
from services.booking.domain.stretches import Stretches, choices, free_spans
from services.booking.domain.wishes import resources_of, taken_parts
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
        known = [window for _, resource in choices(offer, wish) for window in occupancy.known.get(resource.resource_id, ())]
        low = min((window[0] for window in known), default=now)
        high = max((window[1] for window in known), default=now + NEXT_START_WITHIN)
        self._edges = sorted(set(_edges(offer, wish, low, high, occupancy, now)))
        self._found: dict[datetime, datetime | None] = {}

    def after(self, start: datetime) -> datetime | None:
        """The first start after `start`, at most a week later, at which the rules accept the wish with the same length.

        After a start that they accept too: the first behind the next edge, so that one who is offered several can choose.
        """
        last = start + NEXT_START_WITHIN
        first = bisect_right(self._edges, start)
        edges = self._edges[first : first + NEXT_START_TRIES_MAX]
        if not self._is_on_grid(start):  # then the grid's next point may lie in front of all edges
            edges.insert(0, start + SECOND)
        for edge in edges:
            if edge > last:
                return None
            if edge not in self._found:
                self._found[edge] = self._from(edge)
            found = self._found[edge]
            if found is not None:
                return found if found <= last else None
        return None

    def _is_on_grid(self, start: datetime) -> bool:
        grid, where = self._offer.grid, self._offer.where
        return grid is None or all(on_grid(at.astimezone(where), grid) for at in (start, start + self._length))

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
    starts = list(islice(free_starts(offer, wish, low, high, occupancy, now), FREE_STARTS_MAX + 1))
    spans = list(islice(_spans(offer, wish, low, high, occupancy, now), FREE_SPANS_MAX + 1))
    more = len(starts) > FREE_STARTS_MAX or len(spans) > FREE_SPANS_MAX
    return Free(tuple(starts[:FREE_STARTS_MAX]), tuple(spans[:FREE_SPANS_MAX]), (), more)


def free_starts(
    offer: Offer, wish: Wish, low: datetime, high: datetime, occupancy: Occupancy, now: datetime
) -> Iterator[datetime]:
    """The starts in `[low, high)` that a decision would grant, in order; without a grid the edges among them.

    Of the starts of a date with room for every part the first and the last are judged, and where both are granted so are
    those between: all else that is judged is the same for them (`_is_alike`). Elsewhere each start is judged.
    """
    assert wish.duration is not None, "the asker says how long"
    length = wish.duration
    rooms = {
        part.component_id: Stretches(
            (start, end - length, resource.resource_id)
            for resource in resources_of(part, wish)
            for start, end in free_spans(offer, wish, part, resource, low, high + length, occupancy)
        )
        for part in taken_parts(offer, wish)
    }
    apart = not counts_who_gets_it(offer, wish)

    def granted(start: datetime, names: Mapping[str, str]) -> bool:
        asked = _at(wish, start, length)
        if wish.undecided and apart:  # what can be had by its name can be had without
            answer = evaluate(offer, asked._replace(choices={**(wish.choices or {}), **names}), occupancy, now)
            if isinstance(answer, Placement):
                return True
        return isinstance(evaluate(offer, asked, occupancy, now), Placement)

    alike = apart and not _counts_by_the_minute(offer, wish)
    for day in _by_day(offer, rooms, _starts(offer, wish, low, high, occupancy, now)):
        if alike and _is_alike(offer, day, length) and granted(*day[0]) and granted(*day[-1]):
            yield from (start for start, _ in day)
        else:
            yield from (start for start, names in day if granted(start, names))


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
        count = wish.count(part.component_id)
        for resource in resources_of(part, wish):
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
    for part, resource in choices(offer, wish):
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
        yield from _grid_of(offer.grid, offer.where, start, end)


def _grid_of(grid: timedelta, where: ZoneInfo, start: datetime, end: datetime) -> Iterator[datetime]:
    """All of the grid in `[start, end)`."""
    moment = next_on_grid(start, grid, where)
    while moment < end:
        tomorrow = midnight(local_date(moment, where) + DAY, where)
        if tomorrow.astimezone(where).utcoffset() != moment.astimezone(where).utcoffset():
            yield moment
            moment = next_on_grid(moment + MINUTE, grid, where)
            continue
        while moment < tomorrow and moment < end:
            yield moment
            moment += grid
        moment = next_on_grid(tomorrow, grid, where)


StartsOfDay = list[tuple[datetime, dict[str, str]]]


def _by_day(offer: Offer, rooms: Mapping[str, Stretches], starts: Iterable[datetime]) -> Iterator[StartsOfDay]:
    """Of each local date the starts with room for every part, each with a resource for each."""
    found: StartsOfDay = []
    day: date | None = None
    for start in starts:
        named: dict[str, str] = {}
        for component_id, stretches in rooms.items():
            name = stretches.at(start)
            if name is None:
                break
            named[component_id] = name
        if len(named) < len(rooms):
            continue
        on = local_date(start, offer.where)
        if found and on != day:
            yield found
            found = []
        day = on
        found.append((start, named))
    if found:
        yield found


def _is_alike(offer: Offer, day: StartsOfDay, length: timedelta) -> bool:
    """Whether no clock change lies between: all of the starts and ends are on the grid, or all are off it."""
    first, last = day[0][0].astimezone(offer.where), (day[-1][0] + length).astimezone(offer.where)
    return first.utcoffset() == last.utcoffset()


def counts_who_gets_it(offer: Offer, wish: Wish) -> bool:
    """Whether it is of weight which resource a part is given: another part could need it, or others compete for it."""
    named = [resource.resource_id for _, resource in choices(offer, wish)]
    return len(named) > len(set(named)) or (offer.approval is not None and not offer.approval.blocks)


def _counts_by_the_minute(offer: Offer, wish: Wish) -> bool:
    """Whether the asker has a limit that may be kept at one start of a day and passed at the next."""
    return any(
        limit.window is Window.SAME_TIME
        and (wish.person_id is not None if limit.per is Per.PERSON else limit.group in (wish.groups or ()))
        for limit in offer.limits
    )


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
    """The free spans of each resource in turn."""
    low = max(low, _earliest(offer, now))
    for part, resource in choices(offer, wish):
        for start, end in free_spans(offer, wish, part, resource, low, high, occupancy):
            yield FreeSpan(part.component_id, resource.resource_id, start, end)
