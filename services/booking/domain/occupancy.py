"""What is taken, in memory: read once under the locks, then changed by each decision so that the next one sees it.

Three shapes, as three things guard them: a track of spans per unit, a step function of places per pool, a counter per
session. Besides, what persons already have under their limits.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import NamedTuple
from uuid import UUID

from services.booking.domain.claims import Part
from services.booking.domain.codes import EXCLUSIVE, Kind, Reason, State
from services.booking.domain.hours import Span

# occupied start, occupied end, booked start, booked end, booking id, kept from newcomers only
Taken = tuple[datetime, datetime, datetime, datetime, UUID, bool]


class Track:
    """The spans taken on one unit, ordered by the start of what they occupy."""

    __slots__ = ("_longest", "_taken")

    def __init__(self) -> None:
        self._taken: list[Taken] = []
        self._longest = timedelta()

    @classmethod
    def of(cls, taken: list[Taken]) -> "Track":
        """All spans at once, in any order: a month of them one by one costs ten times as much."""
        track = cls()
        track._taken = sorted(taken)
        track._longest = max((one[1] - one[0] for one in taken), default=timedelta())
        return track

    def add(self, taken: Taken) -> None:
        """Note a span; two may overlap, since what is kept from newcomers may have been given to others."""
        insort(self._taken, taken)
        self._longest = max(self._longest, taken[1] - taken[0])

    def remove(self, booking_id: UUID) -> None:
        """Forget the span of one booking; what it left before may still be kept from newcomers."""
        self._taken = [taken for taken in self._taken if taken[4] != booking_id or taken[5]]

    def discard(self, taken: Taken) -> None:
        """Forget one span."""
        self._taken.remove(taken)

    def clash(self, low: datetime, high: datetime, start: datetime, end: datetime, *, queued: bool = False) -> Reason | None:
        """Why a claim that occupies `[low, high)` and books `[start, end)` does not fit; None if it does."""
        found: Reason | None = None
        for taken in self._near(low, high):
            if queued and taken[5]:
                continue
            if taken[2] < end and taken[3] > start:
                return Reason.CONFLICT
            found = Reason.BUFFER
        return found

    def occupied(self, low: datetime, high: datetime) -> Iterator[Span]:
        """The occupied spans that meet `[low, high)`, in the order of their starts."""
        first, after = bisect_left(self._taken, (low - self._longest,)), bisect_left(self._taken, (high,))
        return (taken[:2] for taken in self._taken[first:after] if taken[1] > low)

    def shorten(self, low: datetime, high: datetime, start: datetime, end: datetime) -> Span | None:
        """The part of `[low, high)` around the booked `[start, end)` that meets nobody; None if even that meets somebody."""
        for taken in self._near(low, high):
            if taken[0] < end and taken[1] > start:
                return None
            if taken[1] <= start:
                low = max(low, taken[1])
            else:
                high = min(high, taken[0])
        return low, high

    def met(self, low: datetime, high: datetime) -> list[UUID]:
        """The bookings whose claims meet `[low, high)`, without what is only kept from newcomers."""
        return [taken[4] for taken in self._near(low, high) if not taken[5]]

    def booked(self, low: datetime, high: datetime) -> timedelta:
        """How much of `[low, high)` is booked, buffers apart."""
        found = timedelta()
        for taken in self._near(low, high):
            if not taken[5] and taken[3] > low and taken[2] < high:
                found += min(taken[3], high) - max(taken[2], low)
        return found

    def _near(self, low: datetime, high: datetime) -> Iterator[Taken]:
        taken = self._taken
        earliest = low - self._longest
        position = bisect_left(taken, (high,)) - 1
        while position >= 0 and taken[position][0] >= earliest:
            if taken[position][1] > low:
                yield taken[position]
            position -= 1


class Profile:
    """How much of one pool is taken over time: a step function, so that the maximum in a span is one look."""

    __slots__ = ("_levels", "_times")

    def __init__(self) -> None:
        self._times: list[datetime] = []
        self._levels: list[int] = []

    @classmethod
    def of(cls, times: list[datetime], changes: list[int]) -> "Profile":
        """From instants in their order and by how much the level rises at each."""
        profile = cls()
        profile._times, profile._levels = times, list(accumulate(changes))
        return profile

    def add(self, start: datetime, end: datetime, quantity: int) -> None:
        """Raise the level in `[start, end)`; a negative quantity lowers it."""
        first, last = self._cut(start), self._cut(end)
        for position in range(first, last):
            self._levels[position] += quantity

    def peak(self, start: datetime, end: datetime) -> int:
        """The maximum taken at any instant of `[start, end)`: never a sum over it, never the level at probes."""
        first = max(0, bisect_right(self._times, start) - 1)
        return max(self._levels[first : bisect_left(self._times, end)], default=0)

    def peak_without(self, other: "Profile", start: datetime, end: datetime) -> int:
        """The maximum of the difference in `[start, end)`; the other is part of this one."""
        edges = {start, *(at for at in (*self._times, *other._times) if start < at < end)}
        return max(self._level(at) - other._level(at) for at in edges)

    def _level(self, at: datetime) -> int:
        position = bisect_right(self._times, at) - 1
        return self._levels[position] if position >= 0 else 0

    def highest(self) -> int:
        """The maximum taken at any instant at all."""
        return max(self._levels, default=0)

    def steps(self) -> Iterator[tuple[datetime, int]]:
        """(from when, how much) in order; before the first step nothing is taken."""
        return zip(self._times, self._levels, strict=True)

    def _cut(self, at: datetime) -> int:
        times = self._times
        position = bisect_left(times, at)
        if position == len(times) or times[position] != at:
            times.insert(position, at)
            self._levels.insert(position, self._levels[position - 1] if position else 0)
        return position


@dataclass(slots=True)
class Places:
    """The counter of a session: what stands in its row, and places freed but kept from newcomers for a while.

    `queued`: others wait and are first (`strict`), so that newcomers find it full.
    """

    used: int
    kept: int = 0
    queued: bool = False

    @property
    def taken(self) -> int:
        """What a newcomer finds taken."""
        return self.used + self.kept


class Counted(NamedTuple):
    """One booking of a person as their limits see it."""

    booking_id: UUID
    start: datetime
    end: datetime
    quantity: int
    state: State


class Occupancy:
    """Everything that decisions on one set of resources look at besides the rules.

    `pools` is what newcomers find, `kept` the part of it that only they find; `left` is what is kept of units and pools by the
    booking that left it. `people` and `groups` are what counts under
    limits, `holds` the open holds of a person or partner hub, `competing` what waits for approval without blocking.
    `known` tells from when to when the claims on a unit or pool were read: outside, nothing may be concluded.
    `changes` rises with every change: what was worked out before may then be wrong.
    """

    __slots__ = ("changes", "competing", "groups", "holds", "kept", "known", "left", "people", "pools", "sessions", "units")

    def __init__(self) -> None:
        self.units: dict[str, Track] = {}
        self.pools: dict[str, Profile] = {}
        self.sessions: dict[str, Places] = {}
        self.kept: dict[str, Profile] = {}
        self.left: dict[UUID, list[tuple[str, Kind, Taken, int]]] = {}
        self.people: dict[tuple[UUID, str], list[Counted]] = {}
        self.groups: dict[tuple[str, str], list[Counted]] = {}
        self.holds: dict[str, set[UUID]] = {}
        self.competing: dict[str, list[Taken]] = {}
        self.known: dict[str, list[Span]] = {}
        self.changes = 0

    def take(self, resource_id: str, kind: Kind, taken: Taken, quantity: int) -> None:
        """Note a claim on a unit or pool as it was read."""
        if taken[5]:
            self.left.setdefault(taken[4], []).append((resource_id, kind, taken, quantity))
        if kind in EXCLUSIVE:
            track = self.units.get(resource_id)
            if track is None:
                track = self.units[resource_id] = Track()
            track.add(taken)
        else:
            self._add(self.pools, resource_id, taken[0], taken[1], quantity)
            if taken[5]:
                self._add(self.kept, resource_id, taken[0], taken[1], quantity)

    @staticmethod
    def _add(profiles: "dict[str, Profile]", name: str, low: datetime, high: datetime, quantity: int) -> None:
        profile = profiles.get(name)
        if profile is None:
            profile = profiles[name] = Profile()
        profile.add(low, high, quantity)

    def book(self, booking_id: UUID, start: datetime, end: datetime, parts: Collection[Part]) -> None:
        """Apply a decision: every part is taken from now on."""
        self.changes += 1
        for part in parts:
            if part.unit_no is not None:
                taken = (part.occupied_start, part.occupied_end, start, end, booking_id, False)
                self.take(part.resource_id, Kind.UNIT, taken, 1)
            elif part.pool_no is not None:
                self._add(self.pools, part.resource_id, part.occupied_start, part.occupied_end, part.quantity)
            else:
                self.sessions[part.resource_id].used += part.quantity

    def free(self, booking_id: UUID, parts: Collection[Part]) -> None:
        """Apply a decision: every part is free."""
        self.changes += 1
        for part in parts:
            if part.unit_no is None and part.pool_no is None:
                self.sessions[part.resource_id].used -= part.quantity
            elif part.unit_no is not None and part.resource_id in self.units:
                self.units[part.resource_id].remove(booking_id)
            elif part.pool_no is not None and part.resource_id in self.pools:
                self.pools[part.resource_id].add(part.occupied_start, part.occupied_end, -part.quantity)

    def keep(self, booking_id: UUID, start: datetime, end: datetime, parts: Collection[Part]) -> None:
        """Keep what was freed from newcomers."""
        for part in parts:
            if part.unit_no is None and part.pool_no is None:
                self.sessions[part.resource_id].kept += part.quantity
            else:
                kind = Kind.POOL if part.unit_no is None else Kind.UNIT
                taken = (part.occupied_start, part.occupied_end, start, end, booking_id, True)
                self.take(part.resource_id, kind, taken, part.quantity)

    def competitors(self, parts: Collection[Part]) -> set[UUID]:
        """Who waits, without blocking, for approval of something that meets one of the parts."""
        return {
            taken[4]
            for part in parts
            for taken in self.competing.get(part.resource_id, ())
            if taken[0] < part.occupied_end and taken[1] > part.occupied_start
        }

    def lift(self, booking_id: UUID) -> list[tuple[str, Kind, Taken, int]]:
        """Take away what is kept of the units and pools that a booking left: to itself it is free. `take` puts it back."""
        lifted = self.left.pop(booking_id, [])
        for name, kind, taken, quantity in lifted:
            if kind in EXCLUSIVE:
                self.units[name].discard(taken)
            else:
                self.pools[name].add(taken[0], taken[1], -quantity)
                self.kept[name].add(taken[0], taken[1], -quantity)
        return lifted

    def peak(self, resource_id: str, low: datetime, high: datetime, *, queued: bool) -> int:
        """The most that is taken of a pool in a span, as a newcomer finds it, or one who waits already."""
        pool = self.pools.get(resource_id)
        if pool is None:
            return 0
        kept = self.kept.get(resource_id) if queued else None
        return pool.peak(low, high) if kept is None else pool.peak_without(kept, low, high)

    def count(self, person_id: UUID, key: str, counted: Counted) -> None:
        """Note that a booking counts under a person's limit."""
        self.people.setdefault((person_id, key), []).append(counted)

    def uncount(self, person_id: UUID, key: str, booking_id: UUID) -> None:
        """Forget a booking under a person's limit."""
        held = self.people.get((person_id, key), [])
        self.people[person_id, key] = [counted for counted in held if counted.booking_id != booking_id]

    def count_group(self, group: str, key: str, counted: Counted) -> None:
        """Note that a booking counts under a group's contingent."""
        self.groups.setdefault((group, key), []).append(counted)

    def uncount_group(self, group: str, key: str, booking_id: UUID) -> None:
        """Forget a booking under a group's contingent."""
        held = self.groups.get((group, key), [])
        self.groups[group, key] = [counted for counted in held if counted.booking_id != booking_id]

    def knows(self, resource_id: str, low: datetime, high: datetime) -> bool:
        """Whether all claims that meet `[low, high)` of this unit or pool were read."""
        return any(start <= low and high <= end for start, end in self.known.get(resource_id, ()))
