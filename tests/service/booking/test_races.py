"""Every pair of commands, timers and offer updates that can meet, raced on two connections: the end is that of one order.

Each pair is played in scenes that differ in nothing but their names: one after the other, in both orders, and at once, in the
ways of `tests.support.races.Duel`. What stands and what was said afterwards is compared word for word.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import combinations
from typing import Any

import pytest

from contracts import topics
from contracts.booking import (
    AcceptWaitlistOffer,
    CancelBooking,
    CheckIn,
    ConfirmBooking,
    DecideApproval,
    RescheduleBooking,
)
from contracts.catalog import OfferPublished
from contracts.envelope import Event, Model
from services.booking.handlers import timers
from tests.service.booking.hub import (
    NOW,
    Hub,
    at,
    catalogue_event,
    citizen,
    command,
    made,
    offer_id,
    one,
    published,
    room,
    staff,
    wish,
)
from tests.support.races import SESSION, WAYS, Duel, Move, Scene, Way, differences, end_of, set_up

pytestmark = pytest.mark.timeout(300, func_only=True)  # some dozen pairs each, hundreds of scenes if all races are wanted

MINUTE = timedelta(minutes=1)
SOON, DUE = NOW + 5 * MINUTE, NOW + 25 * MINUTE  # before and after the deadlines of all scenes


def asks(scene: Scene, offer: str, who: str, start: Any = None, end: Any = None, **more: Any) -> Event:
    person = scene.name(who)
    return command(wish(scene.name(offer), start, end, person=person, **more), person)


def about(model: type[Model], scene: Scene, offer: str, who: str, *, request: str, by: Any = None, **more: Any) -> Event:
    fields = {"offer_id": offer_id(scene.name(offer)), "actor": by or citizen(scene.name(who)), "booking_id": scene.booked(who)}
    return command(made(model, **fields | more), scene.name(request))


def gives_up(scene: Scene, offer: str, who: str, request: str = "gives up") -> Event:
    return about(CancelBooking, scene, offer, who, request=request)


# One room that an instant offer, one with approval and a series share: 9:10 ann (dia waits), 11 hal's hold (bob, cem wait),
# 13 offered to fay (gus waits), 15 ivo's request (jan waits), 17 kim, displaced, and lea's two weeks.
def hall(scene: Scene, revision: int, *spans: tuple[Any, Any], status: str = "published") -> OfferPublished:
    closed = [{"blackout_id": f"b{n}", "start": low, "end": high, "cause": "water"} for n, (low, high) in enumerate(spans)]
    rules: dict[str, Any] = {
        "hold_minutes": 25, "check_in": {"required": True},
        "waitlist": {"mode": "fit", "offer_minutes": 25, "promote_until_minutes": 0},
        **one("unit", room(scene.name("room"), revision=revision, blackouts=closed)),
    }  # fmt: skip
    return published(scene.name("hall"), revision=revision, status=status, **rules)


def asked(scene: Scene, revision: int = 1) -> OfferPublished:
    rules: dict[str, Any] = {
        "mode": "request", "approval": {"decide_within_minutes": 25},
        "waitlist": {"mode": "fit", "offer_minutes": 25, "promote_until_minutes": 0},
        **one("unit", room(scene.name("room"))),
    }  # fmt: skip
    return published(scene.name("asked"), revision=revision, **rules)


HOUR = 60 * MINUTE
TEN_PAST, ELEVEN, ONE, THREE, FIVE = (NOW + n * MINUTE for n in (10, 120, 240, 360, 480))
TWELVE, WATER = NOW + 180 * MINUTE, (FIVE, FIVE + HOUR)


async def fill_room(hub: Hub, scenes: Sequence[Scene]) -> None:
    await hub.publish(*(offer for s in scenes for offer in (hall(s, 1), asked(s))))
    events = []
    for s in scenes:
        events += [asks(s, "hall", who, TEN_PAST) for who in ("ann", "dia")]
        events += [
            asks(s, "hall", "hal", ELEVEN, intent="hold"),
            asks(s, "hall", "bob", ELEVEN),
            asks(s, "hall", "cem", ELEVEN),
        ]
        events += [asks(s, "hall", who, ONE) for who in ("eve", "fay", "gus")] + [gives_up(s, "hall", "eve", "makes room")]
        events += [asks(s, "asked", who, THREE) for who in ("ivo", "jan")]
        weekly = {"every": "week", "count": 2, "mode": "skip"}
        events += [asks(s, "hall", "kim", FIVE), asks(s, "hall", "lea", at(9, day=3), series=weekly)]
    await hub.ask(*events)
    await hub.publish(*(hall(s, 2, WATER) for s in scenes))


def series_given_up(scene: Scene) -> Event:
    scene.name("lea")
    series = next(id_ for id_, word in scene.words.items() if word == "series lea")
    fields = {"offer_id": offer_id(scene.name("hall")), "actor": citizen(scene.name("lea")), "series_id": series, "from_n": 0}
    return command(made(CancelBooking, **fields), scene.name("series given up"))


def decided(decision: str, who: str, offer: str = "asked") -> Callable[[Scene], Event]:
    return lambda s: about(DecideApproval, s, offer, who, request=f"{decision} {who}", by=staff(), decision=decision)


def moved(who: str, start: Any, by: Any = None) -> Callable[[Scene], Event]:
    return lambda s: about(RescheduleBooking, s, "hall", who, request=f"{who} moves", start=start, end=start + HOUR, by=by)


TIMER = Move("time passes")
ROOM = (
    Move("newcomer", lambda s: asks(s, "hall", "new", TWELVE)),
    Move("newcomer at the same hour", lambda s: asks(s, "asked", "rival", TWELVE)),
    Move("newcomer queues", lambda s: asks(s, "hall", "late", TEN_PAST)),
    Move("ann gives up", lambda s: gives_up(s, "hall", "ann")),
    Move("ann moves", moved("ann", TWELVE)),
    Move("ann comes", lambda s: about(CheckIn, s, "hall", "ann", request="comes", direction="in")),
    Move("dia leaves the queue", lambda s: gives_up(s, "hall", "dia", "leaves")),
    Move("hal confirms", lambda s: about(ConfirmBooking, s, "hall", "hal", request="confirms")),
    Move("hal lets go", lambda s: gives_up(s, "hall", "hal", "lets go")),
    Move("fay accepts", lambda s: about(AcceptWaitlistOffer, s, "hall", "fay", request="accepts")),
    Move("fay declines", lambda s: gives_up(s, "hall", "fay", "declines")),
    Move("ivo approved", decided("approve", "ivo")),
    Move("ivo declined", decided("decline", "ivo")),
    Move("kim moves", moved("kim", TWELVE)),
    Move("kim gives up", lambda s: gives_up(s, "hall", "kim", "kim gives up")),
    Move("lea gives up the series", series_given_up),
    Move("room closed", offer=lambda s: hall(s, 3, WATER, (NOW, THREE + HOUR))),
    Move("room opened", offer=lambda s: hall(s, 4)),
    Move("offer cancelled", offer=lambda s: hall(s, 5, WATER, status="cancelled")),
)


# A course of three places, strict: ann and bea, one offered to cem, then dia wants two, then gus one.
def talk(scene: Scene, revision: int, *, capacity: int = 3, hour: int = 17, status: str = "scheduled") -> OfferPublished:
    course = {
        "resource_id": scene.name(SESSION), "kind": "session", "revision": revision, "capacity": capacity, "status": status,
        "start": at(hour), "end": at(hour + 2), "occupies": [scene.name("room")],
    }  # fmt: skip
    rules: dict[str, Any] = {"max_quantity": 2, "waitlist": {"mode": "strict", "offer_minutes": 25}}
    return published(scene.name("talk"), revision=revision, **one("session", course), **rules)


def free_room(scene: Scene) -> OfferPublished:
    return published(scene.name("free"), **one("unit", room(scene.name("room"))))


async def fill_course(hub: Hub, scenes: Sequence[Scene]) -> None:
    await hub.publish(*(offer for s in scenes for offer in (free_room(s), talk(s, 1))))
    events = []
    for s in scenes:
        events += [asks(s, "talk", who) for who in ("ann", "bea", "fay", "cem")]
        events += [asks(s, "talk", "dia", quantity=2), asks(s, "talk", "gus"), gives_up(s, "talk", "fay", "makes room")]
    await hub.ask(*events)


COURSE = (
    Move("ann gives up", lambda s: gives_up(s, "talk", "ann", "ann gives up")),
    Move("bea gives up", lambda s: gives_up(s, "talk", "bea", "bea gives up")),
    Move("cem accepts", lambda s: about(AcceptWaitlistOffer, s, "talk", "cem", request="accepts")),
    Move("cem declines", lambda s: gives_up(s, "talk", "cem", "declines")),
    Move("dia leaves the queue", lambda s: gives_up(s, "talk", "dia", "leaves")),
    Move("newcomer queues", lambda s: asks(s, "talk", "new")),
    Move("newcomer will not wait", lambda s: asks(s, "talk", "hasty", join_waitlist=False)),
    Move("staff overbook", lambda s: asks(s, "talk", "vip", actor=staff(), overbook={"reason_code": "vip"})),
    Move("room wanted", lambda s: asks(s, "free", "moe", at(13))),
    Move("places cut", offer=lambda s: talk(s, 2, capacity=1)),
    Move("places added", offer=lambda s: talk(s, 3, capacity=5)),
    Move("moved in time", offer=lambda s: talk(s, 4, hour=12)),
    Move("called off", offer=lambda s: talk(s, 5, status="cancelled")),
)


# Two ask for one hour and compete; a third may have the room at once by another offer.
def contest(scene: Scene, revision: int = 1, status: str = "published") -> OfferPublished:
    rules: dict[str, Any] = {"mode": "request", "approval": {"blocks": False, "decide_within_minutes": 25}}
    return published(scene.name("contest"), revision=revision, status=status, **rules, **one("unit", room(scene.name("room"))))


async def fill_contest(hub: Hub, scenes: Sequence[Scene]) -> None:
    await hub.publish(*(offer for s in scenes for offer in (contest(s), free_room(s))))
    await hub.ask(*(asks(s, "contest", who, at(9)) for s in scenes for who in ("ivo", "jan")))


CONTEST = (
    Move("ivo approved", decided("approve", "ivo", "contest")),
    Move("jan approved", decided("approve", "jan", "contest")),
    Move("jan declined", decided("decline", "jan", "contest")),
    Move("jan gives up", lambda s: gives_up(s, "contest", "jan")),
    Move("third asks", lambda s: asks(s, "contest", "kai", at(9.5))),
    Move("taken at once", lambda s: asks(s, "free", "new", at(9))),
    Move("offer cancelled", offer=lambda s: contest(s, 2, status="cancelled")),
)


# Two rooms, each with its own offer, and one that has both; a person may have one of all that, bob has it, ann waits for it.
ONE_EACH: dict[str, Any] = {"key": "one", "per": "person", "unit": "bookings", "window": "active", "max": 1}


def side(scene: Scene, name: str, revision: int = 1, closed: Sequence[str] = ()) -> OfferPublished:
    water = [{"blackout_id": "b", "start": at(8), "end": at(20), "cause": "water"}]
    rooms = [
        room(scene.name(f"{n}-room"), revision=revision, blackouts=water if n in closed else [])
        for n in (("left", "right") if name == "both" else (name,))
    ]
    limits = [ONE_EACH | {"key": scene.name("one")}]
    return published(
        scene.name(name), revision=revision, limits=limits, waitlist={"mode": "fit"}, **one("unit", *rooms, choose="either")
    )


async def fill_sides(hub: Hub, scenes: Sequence[Scene]) -> None:
    await hub.publish(*(side(s, name) for s in scenes for name in ("left", "right", "both")))
    events = []
    for s in scenes:
        events += [asks(s, "both", "bob", at(9), choices={"main": s.name("left-room")}), asks(s, "right", "eve", at(9))]
        events += [asks(s, "both", "ann", at(9)), asks(s, "left", "fay", at(11), intent="hold")]
    await hub.ask(*events)


def to_the_right(scene: Scene) -> Event:
    where = {"start": at(11), "end": at(12), "choices": {"main": scene.name("right-room")}}
    return about(RescheduleBooking, scene, "both", "bob", request="bob moves", **where)


def of_cem(offer: str, hour: int) -> Callable[[Scene], Event]:
    return lambda s: command(wish(s.name(offer), at(hour), person=s.name("cem")), s.name(f"cem {offer} {hour}"))


SIDES = (
    Move("bob moves to the right", to_the_right),
    Move("bob gives up", lambda s: gives_up(s, "both", "bob", "bob gives up")),
    Move("eve gives up", lambda s: gives_up(s, "right", "eve", "eve gives up")),
    Move("ann leaves the queue", lambda s: gives_up(s, "both", "ann", "leaves")),
    Move("fay confirms", lambda s: about(ConfirmBooking, s, "left", "fay", request="confirms")),
    Move("cem wants the left", of_cem("left", 13)),
    Move("cem wants the right", of_cem("right", 11)),
    Move("dan wants either", lambda s: asks(s, "both", "dan", at(11))),
    Move("left closed", offer=lambda s: side(s, "left", 2, ("left",))),
    Move("both closed", offer=lambda s: side(s, "both", 3, ("left", "right"))),
)


@dataclass(frozen=True)
class Stage:
    """How scenes of one kind are made, and what can happen in them."""

    offers: tuple[str, ...]
    fill: Callable[[Hub, Sequence[Scene]], Awaitable[None]]
    moves: tuple[Move, ...]


STAGES = {
    "room": Stage(("hall", "asked"), fill_room, ROOM),
    "course": Stage(("talk", "free"), fill_course, COURSE),
    "contest": Stage(("contest", "free"), fill_contest, CONTEST),
    "sides": Stage(("left", "right", "both"), fill_sides, SIDES),
}


Race = tuple[Way, bool]  # and whether the second of the pair comes first
TOGETHER = 10  # pairs whose scenes are made at once: 320 wishes, less than a poll may have
ALL: Sequence[Race] = [(way, turned) for turned in (False, True) for way in WAYS]


def races_of(n: int) -> Sequence[Race]:
    """Each pair in one of the four ways, turn about; `HUBNETZ_TEST_RACES=all` takes all four, some minutes."""
    return ALL if os.environ.get("HUBNETZ_TEST_RACES") == "all" else [ALL[n % len(ALL)]]


@dataclass
class Arena:
    """Two processes of booking on one database; `duel` is the fight that goes on."""

    hubs: tuple[Hub, Hub]
    duel: Duel | None = None
    filled: dict[str, Scene] = field(default_factory=dict)

    def turn(self, who: int, move: Move, scene: Scene) -> Callable[[], Awaitable[object]]:
        """What the worker does when it comes to it. Each has a partition of its own, as two members of a group have."""
        hub = self.hubs[who]
        if move.command is not None:
            return partial(hub.take, topics.BOOKING_REQUESTS, [move.command(scene)], partition=who)
        if move.offer is not None:
            return partial(hub.take, topics.CATALOG_OFFERS, [catalogue_event(move.offer(scene))], partition=who)
        return partial(timers.pass_time, hub.house, hub.pool)

    async def fill(self, stage: Stage, prefixes: Sequence[str]) -> None:
        """Make scenes, all of them in the same polls: that is most of the work."""
        scenes = [Scene(prefix, stage.offers) for prefix in prefixes]
        self.set_time(NOW)
        await stage.fill(self.hubs[0], scenes)
        await self.hubs[0].pool.raw.execute("DELETE FROM outbox")
        self.filled |= {scene.prefix: scene for scene in scenes}

    async def play(
        self, stage: Stage, prefix: str, moves: tuple[Move, Move], way: Way | None, *, late: bool
    ) -> dict[str, list[str]]:  # fmt: skip
        """In a scene of its own, one after the other or at once; what came of it."""
        if prefix not in self.filled:
            await self.fill(stage, [prefix])
        scene = self.filled.pop(prefix)
        self.set_time(DUE if late else SOON)
        first, second = (self.turn(who, move, scene) for who, move in enumerate(moves))
        if way is None:
            await first()
            await second()
        else:
            self.duel = Duel(self.hubs[0], way)
            await self.duel.fight(first, second)
            self.duel = None
        return await end_of(self.hubs[0], scene)

    async def compare(
        self, stage: Stage, label: str, pair: tuple[Move, Move], races: Sequence[Race], *, late: bool
    ) -> list[str]:
        """Where a race of this pair ends as neither order does; empty if nowhere. The other order is played if it is needed."""
        ends: dict[bool, dict[str, list[str]]] = {}
        wrong: list[str] = []
        for n, (way, turned) in enumerate(races):
            moves = pair[::-1] if turned else pair
            if turned not in ends:
                ends[turned] = await self.play(stage, f"{label}{n}a", moves, None, late=late)
            end = await self.play(stage, f"{label}{n}b", moves, way, late=late)
            if differences(end, ends[turned]) and (not turned) not in ends:
                ends[not turned] = await self.play(stage, f"{label}{n}c", moves[::-1], None, late=late)
            found = differences(end, *ends.values())
            wrong += [f"{moves[0].name} | {moves[1].name}, {way}: {line}" for line in found]
        return wrong

    def set_time(self, instant: Any) -> None:
        for hub in self.hubs:
            hub.clock.instant = instant


@pytest.fixture
async def arena(service_db: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Arena]:
    dsn = service_db("booking")
    opened = Arena((await Hub.open(dsn), await Hub.open(dsn)))
    set_up(monkeypatch, lambda: opened.duel)
    yield opened
    assert sum(hub.house.metrics.value("booking_backstop_total") for hub in opened.hubs) == 0
    assert await opened.hubs[0].violations() == {}
    for hub in opened.hubs:
        await hub.close()


PARTS = [
    ("room", 0, 4),
    ("room", 1, 4),
    ("room", 2, 4),
    ("room", 3, 4),
    ("course", 0, 2),
    ("course", 1, 2),
    ("contest", 0, 1),
    ("sides", 0, 1),
]


@pytest.mark.parametrize(("kind", "part", "parts"), PARTS)
async def test_pair_at_once__ends_as_one_after_the_other(arena: Arena, kind: str, part: int, parts: int) -> None:
    stage, wrong = STAGES[kind], []
    mine = [(n, pair) for n, pair in enumerate(combinations(stage.moves, 2)) if n % parts == part]
    for first in range(0, len(mine), TOGETHER):
        some = mine[first : first + TOGETHER]
        await arena.fill(stage, [f"{kind}{n}x0{play}" for n, _ in some for play in "ab"])
        for n, pair in some:
            wrong += await arena.compare(stage, f"{kind}{n}x", pair, races_of(n // parts), late=False)
    assert wrong == [], "\n".join(wrong)


@pytest.mark.parametrize("kind", STAGES)
async def test_timer_against_each__ends_as_one_after_the_other(arena: Arena, kind: str) -> None:
    """At the instant at which everything is due, which each command sees too; and the timer against another one."""
    wrong: list[str] = []
    for n, move in enumerate((*STAGES[kind].moves, TIMER)):
        wrong += await arena.compare(STAGES[kind], f"{kind}{n}x", (TIMER, move), races_of(n), late=True)
    assert wrong == [], "\n".join(wrong)
