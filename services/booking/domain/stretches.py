"""Where the parts of a wish find room: worked out once for a window, then asked for each start."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import accumulate

from services.booking.domain.claims import Wish
from services.booking.domain.codes import EXCLUSIVE, Kind
from services.booking.domain.hours import Span
from services.booking.domain.occupancy import Occupancy
from services.booking.domain.offers import Component, Offer, Resource
from services.booking.domain.wishes import resources_of, taken_parts


class Stretches:
    """From when to when a start leaves room on one of a part's resources, the last instant included."""

    __slots__ = ("_firsts", "_furthest")

    def __init__(self, found: Iterable[tuple[datetime, datetime, str]]) -> None:
        """(first start, last start, resource) of each free span."""
        ordered = sorted(found)
        self._firsts = [first for first, _, _ in ordered]
        # Up to each place the stretch that reaches furthest: if it does not hold a start, none before it does.
        self._furthest = list(accumulate(((last, name) for _, last, name in ordered), max))

    def at(self, start: datetime) -> str | None:
        """A resource that has room from `start` on."""
        position = bisect_right(self._firsts, start) - 1
        if position < 0 or self._furthest[position][0] < start:
            return None
        return self._furthest[position][1]


def choices(offer: Offer, wish: Wish) -> Iterator[tuple[Component, Resource]]:
    """Each part with each resource that may serve it."""
    for part in taken_parts(offer, wish):
        for resource in resources_of(part, wish):
            yield part, resource


def free_spans(
    offer: Offer, wish: Wish, part: Component, resource: Resource, low: datetime, high: datetime, occupancy: Occupancy
) -> Iterator[Span]:
    """The maximal spans of `[low, high)` in which the resource could serve the part, in their order.

    Open hours of offer and resource, less blackouts, less what is occupied grown by our own buffers.
    """
    count = wish.count(part.component_id)
    small = resource.kind in EXCLUSIVE and resource.capacity is not None and count > resource.capacity
    if low >= high or small or not wish.needs & part.features <= resource.features:
        return
    spans: list[Span] = [(low, high)]
    for opening in (offer.opening, resource.opening):
        if opening is not None:
            open_spans = list(opening.spans(low, high))
            spans = [cut for span in spans for cut in _common(span, open_spans)]
    taken = [*offer.blackouts.spans, *resource.blackouts.spans, *_taken(part, resource, count, low, high, occupancy)]
    yield from _without(spans, sorted(taken))


def _taken(
    part: Component, resource: Resource, count: int, low: datetime, high: datetime, occupancy: Occupancy
) -> Iterator[Span]:
    """The spans that no booked span may touch, because the buffers around it would meet what is occupied."""
    setup, teardown = part.buffers(resource)
    if resource.kind in EXCLUSIVE and resource.resource_id in occupancy.units:
        occupied = occupancy.units[resource.resource_id].occupied(low - setup, high + teardown)
        yield from ((start - teardown, end + setup) for start, end in occupied) if setup or teardown else occupied
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
    """What remains of ordered, disjoint spans without the taken ones, both ordered by start."""
    position = 0
    for start, end in spans:
        at = start
        while position < len(taken) and taken[position][0] < end:
            first, last = taken[position]
            if first > at:
                yield at, first
            at = max(at, last)
            if at > end:  # it may reach into the next span
                break
            position += 1
        if at < end:
            yield at, end
