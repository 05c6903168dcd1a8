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
    NOW,
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

FIRST: Final = local("2027-03-22")
"""A Monday; the clocks change on the Sunday after."""
DAYS: Final = 14
PARTITIONS: Final = 3


@dataclass(frozen=True, slots=True)
class Log:
    """`booking`: events key by key, each in its order; `catalogue`: states offer by offer, each in its order."""

    booking: Sequence[Sequence[Event]]
    catalogue: Sequence[Sequence[Event]]

    @property
    def days(self) -> list[date]:
        """The days that anything can have happened on, and some around them."""
        first = FIRST.date() - timedelta(days=2)
        return [first + timedelta(days=n) for n in range(DAYS + 12)]


def random_log(rng: Random, *, bookings: int = 40, prefix: str = "") -> Log:
    """A whole log; another prefix gives other bookings."""
    keys = [_life(rng, f"{prefix}b{n}") for n in range(bookings)] + [_refusals(rng, f"{prefix}r{n}") for n in range(4)]
    return Log([_with_copies(rng, key) for key in keys], [_rooms(rng), _devices(rng), _course(rng)])


def shuffled(rng: Random, keys: Sequence[Sequence[Event]]) -> list[Event]:
    """One of the orders that Kafka may give to what lies in one partition: each key keeps its own."""
    turns = [n for n, key in enumerate(keys) for _ in key]
    rng.shuffle(turns)
    left = [iter(key) for key in keys]
    return [next(left[n]) for n in turns]


def _instant(rng: Random) -> datetime:
    return FIRST + timedelta(minutes=15 * rng.randrange(DAYS * 96))


def _life(rng: Random, name: str) -> list[Event]:
    start = _instant(rng)
    taken = rng.choice(
        [(("room-1", 1),), (("room-2", 1),), (("laptops", rng.randrange(1, 4)),), (("room-1", 1), ("laptops", 2))]
    )
    length = timedelta(minutes=15 * rng.choice([1, 2, 4, 8, 8, 100]))
    who: dict[str, Any] = rng.choice([{}, {}, {"person": None}, {"partner": True}, {"person": "bernd"}])
    offer = "devices" if taken[0][0] == "laptops" else "rooms"
    claim = Claim(name, start, start + length, resources=taken, offer=offer, **who)
    begun = start - timedelta(hours=rng.randrange(-1, 900))
    if rng.random() < 0.1:
        places = (("course-1", rng.randrange(1, 4)),)
        claim = Claim(name, local("2027-03-25", "17:00"), local("2027-03-25", "19:00"), places, "course")
    if rng.random() < 0.3:
        claim = claim.held(begun)
        if rng.random() < 0.3:
            return list(claim.events)
    claim = claim.confirmed(None if claim.events else begun)
    for _ in range(rng.choice([0, 0, 0, 1, 2])):
        there = _instant(rng)
        claim = claim.moved(there, there + (claim.end - claim.start))
    end = rng.choice(["cancelled", "completed", "early", "no_show", "freed", "open"])
    if end == "cancelled":
        claim = claim.cancelled(late=rng.random() < 0.5)
    elif end == "completed":
        claim = claim.completed()
    elif end == "early":
        claim = claim.completed(claim.start + (claim.end - claim.start) * rng.choice([-1, 0.5]))
    elif end in ("no_show", "freed"):
        claim = claim.no_show(claim.start + timedelta(minutes=5) if end == "freed" else None)
    return list(claim.events)


def _refusals(rng: Random, name: str) -> list[Event]:
    reasons = [Reason.CONFLICT, Reason.TOO_SOON, Reason.BLACKOUT]
    offer = rng.choice(["rooms", "devices"])
    return [rejected(f"{name}-{n}", rng.choice(reasons), _instant(rng), offer=offer) for n in range(5)]


def _with_copies(rng: Random, key: Sequence[Event]) -> list[Event]:
    """Some events come again later, as a producer that retries sends them."""
    events = list(key)
    for event in key:
        if rng.random() < 0.1:
            events.insert(rng.randrange(events.index(event) + 1, len(events) + 1), event)
    return events


def _rooms(rng: Random) -> list[Event]:
    hours = rng.choice([EVERY_DAY, weekly(1, 2, 3, 4, 5), []])
    closed = blackout("works", local("2027-03-24", "10:00"), local("2027-03-24", "13:00"))
    drill = blackout("drill", local("2027-03-24", "12:00"), local("2027-03-27", "15:00"))
    exception = {"date": "2027-03-23", "hours": [{"from": "10:00", "to": "12:00"}]}
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
        at = None if revision == 1 else _near(rng)
        states.append(published("rooms", room(revision=revision, **rules), second, revision=revision, at=at))
    if rng.random() < 0.4:
        states.append(withdrawn("rooms", 5, _near(rng)))
    return states


def _near(rng: Random) -> datetime:
    return FIRST + timedelta(hours=rng.randrange(-48, DAYS * 24))


def _devices(rng: Random) -> list[Event]:
    return [
        published("devices", pool("laptops", 6), kind="pool"),
        published("devices", pool("laptops", rng.randrange(1, 9), revision=2), kind="pool", revision=2, at=_near(rng)),
    ]


def _course(rng: Random) -> list[Event]:
    begins, ends = local("2027-03-25", "17:00"), local("2027-03-25", "19:00")
    first = session("course-1", begins, ends, 10, occupies=["room-2"])
    later = session("course-2", begins + timedelta(days=7), ends + timedelta(days=7), 10, occupies=["room-1"])
    moved = later | {"revision": 2, "status": rng.choice(["scheduled", "cancelled"])}
    return [
        published("course", first, later, kind="session", at=NOW - timedelta(days=200)),
        published("course", first, moved, kind="session", revision=2, at=_near(rng)),
        published("course", moved, kind="session", revision=3, at=local("2027-03-30")),
    ]
