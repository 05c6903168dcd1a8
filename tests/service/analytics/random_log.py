"""A log of a few weeks at random: bookings that move and end, closures, sessions, refusals, duplicates. Same seed, same log."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Any, Final

from contracts.booking import Reason
from contracts.envelope import Event
from tests.service.analytics.log import (
    EVERY_DAY,
    Claim,
    blackout,
    local,
    pool,
    published,
    rejected,
    room,
    session,
    weekly,
    withdrawn,
)

FIRST: Final = date(2027, 3, 22)
"""A Monday; the clocks change on the Sunday after."""
DAYS: Final = 14
PARTITIONS: Final = 3


@dataclass(frozen=True, slots=True)
class Log:
    """`booking`: events key by key, each in its order; `catalogue`: states offer by offer, each in its order."""

    first: date
    booking: Sequence[Sequence[Event]]
    catalogue: Sequence[Sequence[Event]]

    @property
    def days(self) -> list[date]:
        """The days that anything can have happened on, and some around them."""
        return [self.first + timedelta(days=n) for n in range(-2, DAYS + 10)]


def random_log(rng: Random, *, bookings: int = 40, prefix: str = "", first: date = FIRST) -> Log:
    """A whole log of the two weeks from the Monday `first`; another prefix gives other bookings."""
    makes = _Makes(rng, first)
    keys = [makes.life(f"{prefix}b{n}") for n in range(bookings)] + [makes.refusals(f"{prefix}r{n}") for n in range(4)]
    return Log(first, [_with_copies(rng, key) for key in keys], [makes.rooms(), makes.devices(), makes.course()])


def shuffled(rng: Random, keys: Sequence[Sequence[Event]]) -> list[Event]:
    """One of the orders that Kafka may give to what lies in one partition: each key keeps its own."""
    turns = [n for n, key in enumerate(keys) for _ in key]
    rng.shuffle(turns)
    left = [iter(key) for key in keys]
    return [next(left[n]) for n in turns]


def _with_copies(rng: Random, key: Sequence[Event]) -> list[Event]:
    """Some events come again later, as a producer that retries sends them."""
    events = list(key)
    for event in key:
        if rng.random() < 0.1:
            events.insert(rng.randrange(events.index(event) + 1, len(events) + 1), event)
    return events


@dataclass(frozen=True, slots=True)
class _Makes:
    """What a log is made of."""

    rng: Random
    first: date

    def _instant(self) -> datetime:
        return self._on(0) + timedelta(minutes=15 * self.rng.randrange(DAYS * 96))

    def _on(self, day: int, clock: str = "00:00") -> datetime:
        return local((self.first + timedelta(days=day)).isoformat(), clock)

    def life(self, name: str) -> list[Event]:
        start = self._instant()
        taken = self.rng.choice(
            [(("room-1", 1),), (("room-2", 1),), (("laptops", self.rng.randrange(1, 4)),), (("room-1", 1), ("laptops", 2))]
        )
        length = timedelta(minutes=15 * self.rng.choice([1, 2, 4, 8, 8, 100]))
        who: dict[str, Any] = self.rng.choice([{}, {}, {"person": None}, {"partner": True}, {"person": "bernd"}])
        offer = "devices" if taken[0][0] == "laptops" else "rooms"
        claim = Claim(name, start, start + length, resources=taken, offer=offer, **who)
        begun = start - timedelta(hours=self.rng.randrange(-1, 900))
        if self.rng.random() < 0.1:
            places = (("course-1", self.rng.randrange(1, 4)),)
            claim = Claim(name, self._on(3, "17:00"), self._on(3, "19:00"), places, "course")
        if self.rng.random() < 0.3:
            claim = claim.held(begun)
            if self.rng.random() < 0.3:
                return list(claim.events)
        claim = claim.confirmed(None if claim.events else begun)
        for _ in range(self.rng.choice([0, 0, 0, 1, 2])):
            there = self._instant()
            claim = claim.moved(there, there + (claim.end - claim.start))
        end = self.rng.choice(["cancelled", "completed", "early", "no_show", "freed", "open"])
        if end == "cancelled":
            claim = claim.cancelled(late=self.rng.random() < 0.5)
        elif end == "completed":
            claim = claim.completed()
        elif end == "early":
            claim = claim.completed(claim.start + (claim.end - claim.start) * self.rng.choice([-1, 0.5]))
        elif end in ("no_show", "freed"):
            claim = claim.no_show(claim.start + timedelta(minutes=5) if end == "freed" else None)
        return list(claim.events)

    def refusals(self, name: str) -> list[Event]:
        reasons = [Reason.CONFLICT, Reason.TOO_SOON, Reason.BLACKOUT]
        offer = self.rng.choice(["rooms", "devices"])
        return [rejected(f"{name}-{n}", self.rng.choice(reasons), self._instant(), offer=offer) for n in range(5)]

    def rooms(self) -> list[Event]:
        hours = self.rng.choice([EVERY_DAY, weekly(1, 2, 3, 4, 5), []])
        closed = blackout("works", self._on(2, "10:00"), self._on(2, "13:00"))
        drill = blackout("drill", self._on(2, "12:00"), self._on(5, "15:00"))
        exception = {"date": (self.first + timedelta(days=1)).isoformat(), "hours": [{"from": "10:00", "to": "12:00"}]}
        second = room("room-2")
        ruled: list[dict[str, Any]] = [
            {"hours": hours},
            {"hours": hours, "blackouts": [closed, drill]},
            {"hours": hours, "blackouts": [closed], "exceptions": [exception]},
            {},
        ]
        states = []
        for revision, rules in enumerate(ruled, 1):
            if revision == 4:
                second = room("room-2", revision=2, hours=weekly(2, 6))
            at = self._on(-150) if revision == 1 else self._near()
            states.append(published("rooms", room(revision=revision, **rules), second, revision=revision, at=at))
        if self.rng.random() < 0.4:
            states.append(withdrawn("rooms", 5, self._near()))
        return states

    def _near(self) -> datetime:
        return self._on(0) + timedelta(hours=self.rng.randrange(-48, DAYS * 24))

    def devices(self) -> list[Event]:
        return [
            published("devices", pool("laptops", 6), kind="pool", at=self._on(-120)),
            published(
                "devices", pool("laptops", self.rng.randrange(1, 9), revision=2), kind="pool", revision=2, at=self._near()
            ),
        ]

    def course(self) -> list[Event]:
        begins, ends = self._on(3, "17:00"), self._on(3, "19:00")
        first = session("course-1", begins, ends, 10, occupies=["room-2"])
        later = session("course-2", begins + timedelta(days=7), ends + timedelta(days=7), 10, occupies=["room-1"])
        moved = later | {"revision": 2, "status": self.rng.choice(["scheduled", "cancelled"])}
        return [
            published("course", first, later, kind="session", at=self._on(-100)),
            published("course", first, moved, kind="session", revision=2, at=self._near()),
            published("course", moved, kind="session", revision=3, at=self._on(8)),
        ]
