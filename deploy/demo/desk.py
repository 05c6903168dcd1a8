"""The staff's part of the day: five scenes in a house of the demo's own, each played through Kafka and held to its rules.

A waiting list moves up, an approval is given, a room is closed and its bookings find another place, a series goes over a
change of clocks, somebody is let in by a code. A scene that does not come out as it must says so and ends the demo with 1.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as wall
from typing import Final, TypeVar
from uuid import UUID, uuid5

import httpx

from contracts.booking import (
    AcceptWaitlistOffer,
    ActorRole,
    CancelBooking,
    CheckIn,
    Command,
    DecideApproval,
    RequestBooking,
    RescheduleBooking,
)
from contracts.booking.commands import Actor, Series
from contracts.booking.events import (
    ApprovalRequested,
    BookingCancelled,
    BookingCheckedIn,
    BookingConfirmed,
    BookingDisplaced,
    BookingFact,
    BookingRescheduled,
    WaitlistJoined,
    WaitlistOffered,
)
from contracts.booking.outcomes import ClosureApplied, SeriesDecided
from contracts.booking.vocabulary import Decision, Direction, Every, PersonClaimant, Reason, SeriesMode, State
from contracts.envelope import Event, Model
from deploy import say
from deploy.demo.frontend import Frontend
from deploy.demo.house import NORTH, SERIES_WEEKS, ZONE, Dates, House
from deploy.failures import Failure
from deploy.hub import Hub

_SCENE_SECONDS: Final = 120.0  # some 0.1 s where nothing is slow
_NEWS_SECONDS: Final = 30.0  # one of the things that a scene waits for
_ASK_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.1
_PEOPLE: Final = 10
_CAUSE: Final = "water_damage"
_STAFF: Final = Actor(role=ActorRole.STAFF, id="demo-desk")
M = TypeVar("M", bound=Model)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Scene:
    """What is told of a scene; `wrong` says what was otherwise than it must be."""

    title: str
    lines: Sequence[str]
    wrong: str | None = None


class Otherwise(Exception):
    """Something in a scene came otherwise than it must."""


@dataclass(frozen=True, slots=True)
class StaffPart:
    """The scenes, and the days that their bookings are for."""

    scenes: Sequence[Scene]
    days: Sequence[date]


async def play(hub: Hub, frontend: Frontend, *, run: UUID) -> StaffPart:
    """All scenes, one after the other, whatever becomes of one; `run` makes their ids. Once for a hub."""
    before = set(frontend.days)
    async with httpx.AsyncClient(timeout=_ASK_SECONDS) as client:
        house = House(hub, client, run, Dates.after(datetime.now(UTC)))
        desk = Desk(frontend, house, run)
        with say.step("a course and two kinds of rooms") as step:
            await frontend.introduce(desk.people, named="Gast")
            await house.furnish()
            step.note("3 offers published")
        scenes = [await played(title, scene) for title, scene in desk.scenes()]
    return StaffPart(scenes, sorted(frontend.days - before))


async def played(title: str, scene: Callable[[], Awaitable[list[str]]], *, seconds: float = _SCENE_SECONDS) -> Scene:
    """One scene; what it is not, it says."""
    with say.step(title) as step:
        try:
            async with asyncio.timeout(seconds):
                shown = Scene(title, await scene())
        except Otherwise as otherwise:
            shown = Scene(title, (), str(otherwise))
        except Failure as failure:
            shown = Scene(title, (), failure.cause)
        except TimeoutError:
            shown = Scene(title, (), f"it did not come to its end within {seconds:g} s")
        step.note("otherwise" if shown.wrong else "as it must be")
    return shown


def tell(scenes: Sequence[Scene]) -> list[str]:
    """The lines about the scenes."""
    lines = ["The staff's part of the day:"]
    for scene in scenes:
        told = [*scene.lines, *([f"OTHERWISE THAN IT MUST BE: {scene.wrong}"] if scene.wrong else [])]
        lines += [f"  {'' if n else scene.title:<14}{line}" for n, line in enumerate(told)]
    return [*lines, ""]


class Desk:
    """The scenes. What they need of the bus they ask of `frontend`, what staff's pages show of `house`."""

    def __init__(self, frontend: Frontend, house: House, run: UUID) -> None:
        self.people = [uuid5(run, f"person/{n}") for n in range(_PEOPLE)]
        self._frontend = frontend
        self._house = house
        self._run = run
        self._asked = 0
        self._told = {offer_id: frontend.follow(offer_id) for offer_id in (house.course, house.rooms, house.hall)}

    def scenes(self) -> list[tuple[str, Callable[[], Awaitable[list[str]]]]]:
        """All of them, in the order in which they are played."""
        return [
            ("waiting list", self.waiting_list),
            ("approval", self.approval),
            ("closure", self.closure),
            ("series", self.series),
            ("check-in", self.check_in),
        ]

    async def waiting_list(self) -> list[str]:
        """A full course: one gives back, the first in the queue takes the place, the second moves up."""
        course, start = self._house.course, self._house.dates.course.replace(tzinfo=ZONE)
        choices = {"platz": (await self._house.sessions())[start]}
        gives_back, stays = [await self._book(BookingConfirmed, who, course, choices=choices) for who in self.people[:2]]
        first, second = [await self._book(WaitlistJoined, who, course, choices=choices) for who in self.people[2:4]]
        must((first.position, second.position) == (1, 2), f"two who wait stand at {first.position} and {second.position}")
        began = time.monotonic()
        gone = await self._ask(_of(CancelBooking, gives_back))
        cancelled = _as(BookingCancelled, gone)
        moved = await self._hear(course, WaitlistOffered, first.booking_id)
        offered = _as(WaitlistOffered, moved)
        milliseconds = (time.monotonic() - began) * 1000
        one_transaction = (moved.causation_id, moved.time) == (gone.causation_id, gone.time)
        must(one_transaction, "the place was not offered in the transaction of the cancellation")
        _as(BookingConfirmed, await self._ask(_of(AcceptWaitlistOffer, offered)))
        next_one = await self._book(WaitlistJoined, self.people[4], course, choices=choices)
        must(next_one.position == 2, f"who joins behind one who waits stands at {next_one.position}")
        waiting = await self._house.ask("booking", f"/v1/bookings/{second.booking_id}")
        must(waiting["state"] == State.WAITLISTED, f"the second in the queue is {waiting['state']}")
        return [
            f"{tail(gives_back)} and {tail(stays)} have the 2 places of a course on {_at(start)};"
            f" {tail(first)} waits at position 1, {tail(second)} at 2",
            f"{tail(cancelled)} cancels: in the same transaction {tail(offered)} is offered the place"
            f" (until {_at(offered.offer_expires_at)}; {milliseconds:.0f} ms), and accepts it",
            f"{tail(second)} moves up to position 1: {tail(next_one)} joins behind and is told position {next_one.position}",
        ]

    async def approval(self) -> list[str]:
        """A hall that is not to be had without staff's word."""
        start = self._house.dates.hall
        asked = await self._book(ApprovalRequested, self.people[5], self._house.hall, start=start, duration_minutes=120)
        listed = (await self._house.ask("booking", "/v1/approvals"))["bookings"]
        shown = next((each for each in listed if each["booking_id"] == str(asked.booking_id)), None)
        must(shown is not None, "it is not in the list of approvals")
        approve = _of(DecideApproval, asked, decision=Decision.APPROVE, actor=_STAFF)
        confirmed = _as(BookingConfirmed, await self._ask(approve))
        left = (await self._house.ask("booking", "/v1/approvals"))["bookings"]
        must(str(asked.booking_id) not in [each["booking_id"] for each in left], "it is still in the list of approvals")
        mail = await self._mail(confirmed, "confirmed")
        return [
            f"{tail(asked)} asks for the hall on {_at(start)}: version {asked.version}, in the list of {len(listed)},"
            f" to be decided by {_at(asked.decide_by)}",
            f"staff approve: confirmed, version {confirmed.version}, {len(left)} left on the list; mail {mail}",
        ]

    async def closure(self) -> list[str]:
        """A room is closed for a day: its bookings are displaced, one finds another place at once."""
        rooms, day = self._house.rooms, self._house.dates.rooms
        booked = []
        for who, at in zip(self.people[6:9], (wall(10), wall(11, 30), wall(14)), strict=True):
            wish = {"start": datetime.combine(day, at), "duration_minutes": 60}
            booked.append(await self._book(BookingConfirmed, who, rooms, **wish))
        must(all(each.placements[0].resource_id == NORTH for each in booked), "the first room is not taken first")
        low, high = (datetime.combine(day, at, ZONE).astimezone(UTC) for at in (wall(9), wall(18)))
        await self._house.close(NORTH, low, high, _CAUSE)
        displaced = [_as(BookingDisplaced, await self._hear(rooms, BookingDisplaced, each.booking_id)) for each in booked]
        found = self._frontend.heard(lambda: next((e for e in self._told[rooms] if _is_closure(e, low)), None))
        closed = _as(ClosureApplied, await self._within(found, "ClosureApplied"))
        must(set(closed.displaced) == {each.booking_id for each in booked}, f"the closure names {len(closed.displaced)}")
        must(all(each.alternatives for each in displaced), "somebody is told no alternative")
        mails = [await self._mail(each, "displaced") for each in displaced]
        to_move = await self._displaced(displaced)
        must(len(to_move) == len(booked), f"the re-booking list has {len(to_move)} of {len(booked)}")
        mover, chosen = displaced[0], displaced[0].alternatives[0]
        choices = {part.component_id: part.resource_id for part in chosen.placements}
        move = _of(RescheduleBooking, mover, start=chosen.start, end=chosen.end, choices=choices)
        moved = _as(BookingRescheduled, await self._ask(move))
        must(moved.state is State.CONFIRMED and moved.placements == chosen.placements, "it did not get its alternative")
        left = await self._displaced(displaced)
        must(str(mover.booking_id) not in left and len(left) == len(booked) - 1, f"{len(left)} are left on the list")
        return [
            f"{NORTH} on {_at(low)} to {_clock(high)}, {closed.cause}: {len(closed.displaced)} bookings displaced,"
            f" {sum(len(each.alternatives) for each in displaced)} alternatives found",
            f"re-booking list, each until {_at(displaced[0].rebook_by)}: "
            + ", ".join(f"{tail(each)} {_clock(each.start)}" for each in displaced),
            f"{tail(moved)} takes the first alternative: {_clock(moved.start)} in {moved.placements[0].resource_id},"
            f" version {moved.version}; {len(left)} left on the list",
            f"{tail(displaced[1])} is told: mail {mails[1]}",
        ]

    async def series(self) -> list[str]:
        """Weekly at one time on the wall, over a change of clocks; a closed day costs its date only."""
        rooms, dates = self._house.rooms, self._house.dates
        rule = Series(count=SERIES_WEEKS, every=Every.WEEK, mode=SeriesMode.SKIP)
        wish = self._wish(self.people[9], rooms, start=dates.series, duration_minutes=90, series=rule)
        decided = _as(SeriesDecided, await self._ask(wish))
        starts = [result.start.astimezone(ZONE) for result in decided.results]
        due = [dates.series + timedelta(weeks=n) for n in range(SERIES_WEEKS)]
        must([each.replace(tzinfo=None) for each in starts] == due, "a date has another time on the wall")
        before, after = starts[0].utcoffset(), starts[-1].utcoffset()
        must(before != after, "the clocks did not change in between")
        for result in decided.results:
            closed = result.start.astimezone(ZONE).date() == dates.closed_week
            wanted = (State.REJECTED, Reason.BLACKOUT) if closed else (State.CONFIRMED, None)
            must((result.state, result.reason) == wanted, f"number {result.n} is {result.state}, {result.reason}")
            if result.booking_id is not None:
                await self._hear(rooms, BookingConfirmed, result.booking_id)
        wall_time = f"{starts[0]:%A}s at {starts[0]:%H:%M}, {SERIES_WEEKS} weeks, mode {decided.mode}"
        lines = [f"{wall_time}; clocks change on {dates.change}"]
        for result, start in zip(decided.results, starts, strict=True):
            became = f"skipped: {result.reason}" if result.booking_id is None else f"{result.state} {tail(result.booking_id)}"
            utc = start.astimezone(UTC)
            lines.append(f"  {start:%a %Y-%m-%d %H:%M} UTC{start.isoformat()[-6:]} = {utc:%H:%M}Z   {became}")
        return lines

    async def check_in(self) -> list[str]:
        """At the door, by the code of the confirmation."""
        course, start = self._house.course, self._house.dates.soon
        session = (await self._house.sessions())[start]
        booked = await self._book(BookingConfirmed, self.people[0], course, choices={"platz": session})
        code = booked.check_in_code
        shown = (await self._house.ask("booking", f"/v1/check-in/{code}"))["bookings"]
        must([each["booking_id"] for each in shown] == [str(booked.booking_id)], f"the code shows {len(shown)} bookings")
        come = _of(CheckIn, booked, code=code, direction=Direction.IN, actor=_STAFF)
        inside = _as(BookingCheckedIn, await self._ask(come))
        must(inside.state is State.CHECKED_IN, f"it is {inside.state}")
        return [
            f"code {code} at the door is {tail(booked)}, who has a place at {_clock(start)}:"
            f" {inside.state}, {(start - inside.at).total_seconds() / 60:.0f} min before the start"
        ]

    async def _book(self, kind: type[M], person_id: UUID, offer_id: str, **wish: object) -> M:
        """What the wish of a person was answered by; another kind than `kind` is wrong."""
        return _as(kind, await self._ask(self._wish(person_id, offer_id, **wish)))

    def _wish(self, person_id: UUID, offer_id: str, **wish: object) -> RequestBooking:
        person = {"kind": "person", "person_id": person_id}
        actor = {"role": ActorRole.CITIZEN, "id": str(person_id)}
        return RequestBooking.model_validate({"offer_id": offer_id, "actor": actor, "claimant": person, **wish})

    async def _ask(self, command: Command) -> Event:
        """The answer to a request with an id of its own."""
        self._asked += 1
        answer = self._frontend.ask(uuid5(self._run, f"request/{self._asked}"), command)
        return await self._within(answer, f"an answer to {type(command).__name__}")

    async def _hear(self, offer_id: str, kind: type[BookingFact], booking_id: UUID) -> Event:
        """What follows for somebody who has not asked."""

        def find() -> Event | None:
            of_kind = (event for event in self._told[offer_id] if isinstance(event.data, kind))
            return next((event for event in of_kind if getattr(event.data, "booking_id", None) == booking_id), None)

        return await self._within(self._frontend.heard(find), f"{kind.__name__} of {tail(booking_id)}")

    async def _within(self, news: Awaitable[T], what: str) -> T:
        """What comes, unless it does not in its time."""
        try:
            return await asyncio.wait_for(news, _NEWS_SECONDS)
        except TimeoutError:
            raise Otherwise(f"{what} did not come within {_NEWS_SECONDS:g} s") from None

    async def _displaced(self, among: Sequence[BookingDisplaced]) -> list[str]:
        """Who of these is on the re-booking list."""
        listed = [each["booking_id"] for each in (await self._house.ask("booking", "/v1/displaced"))["bookings"]]
        return [booking_id for booking_id in listed if booking_id in {str(each.booking_id) for each in among}]

    async def _mail(self, fact: BookingFact, kind: str) -> str:
        """When the person learns of what others did: at once, or where nobody is disturbed when that is over."""
        post, booking_id = self._frontend.post, fact.booking_id
        while kind not in post.told.get(booking_id, ()):
            query = {"role": "operator", "state": "scheduled", "booking_id": str(booking_id)}
            for message in (await self._house.ask("notify", "/v1/messages", **query))["messages"]:
                due = datetime.fromisoformat(message["due_at"])
                if message["kind"] == kind and due > datetime.now(UTC):
                    post.due[booking_id, kind] = due
                    return f"due at {_at(due)}, after the quiet hours"
            await asyncio.sleep(_POLL_SECONDS)
        return "sent"


def must(held: bool, otherwise: str) -> None:
    """Go on only if it is so."""
    if not held:
        raise Otherwise(otherwise)


def tail(of: UUID | BookingFact) -> str:
    """The end of a booking's id, enough to tell a few apart."""
    return f"…{str(of if isinstance(of, UUID) else of.booking_id)[-4:]}"


def _as(kind: type[M], event: Event) -> M:
    """The event's body, which must be of that kind."""
    if not isinstance(event.data, kind):
        reason = getattr(event.data, "reason", None)
        raise Otherwise(f"{kind.__name__} was due, {event.bare_type} came{f' ({reason})' if reason else ''}")
    return event.data


def _of(kind: type[T], fact: BookingFact, **more: object) -> T:
    """A command on a booking; by its person, unless somebody else is named."""
    assert isinstance(fact.claimant, PersonClaimant), "the demo's visitors are people"
    actor = Actor(role=ActorRole.CITIZEN, id=str(fact.claimant.person_id))
    return kind(**{"offer_id": fact.offer_id, "booking_id": fact.booking_id, "actor": actor, **more})


def _is_closure(event: Event, start: datetime) -> bool:
    return isinstance(event.data, ClosureApplied) and event.data.span.start == start


def _at(moment: datetime) -> str:
    """As a person at the desk reads it; without a zone it is the desk's already."""
    return f"{moment.astimezone(ZONE) if moment.tzinfo else moment:%a %d %b %H:%M}"


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(ZONE):%H:%M}"
