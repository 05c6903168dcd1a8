"""The domain of booking as the model drives it: a desk per poll, laid out anew from plain bookings, as from rows."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from services.booking.domain.availability import Free, free
from services.booking.domain.claims import Actor, Booking, Claimant, ClaimantKind, Placement, Reasons, Wish
from services.booking.domain.closures import Closure, close, release_rooms, take_along
from services.booking.domain.codes import TERMINAL, Role, State
from services.booking.domain.decisions import Desk, decide
from services.booking.domain.desk import Left, Rooms, Waiting, compete, count, holder
from services.booking.domain.evaluation import evaluate
from services.booking.domain.occupancy import Occupancy, Places
from services.booking.domain.offers import Offer, Resource
from services.booking.domain.promotion import lapse_due, place_session, promote
from services.booking.domain.requests import Command, Named, Outcome, Request, Series
from tests.unit.booking.naive_house import Naive
from tests.unit.booking.naive_rules import LIMITS, PARTNER, QUOTAS, Ask, Terms, Thing, groups_of
from tests.unit.booking.rules import DAY, MINUTE, NOW, STAFF, citizen, named, offer, person

KEY = b"a key of at least sixteen bytes"
EVER = (NOW - 100 * DAY, NOW + 100 * DAY)
HOURS = [{"weekday": day, "from": "08:00", "to": "20:00"} for day in range(1, 8)]


def instant(minute: int) -> datetime:
    """When that is."""
    return NOW + minute * MINUTE


def minute(moment: datetime) -> int:
    """The other way."""
    return (moment - NOW) // MINUTE


def actor_of(who: str) -> Actor:
    """A citizen by name, staff, or a partner hub."""
    if who == PARTNER:
        return Actor(Role.PARTNER, PARTNER, frozenset(), True)
    return STAFF if who == "staff" else citizen(who, *groups_of(who))


def claimant_of(who: str, number: int) -> Claimant:
    """A person by name, or a partner hub's guest by a number."""
    if who == PARTNER:
        return Claimant(ClaimantKind.PARTNER, hub_id=PARTNER, booking_ref=named(f"guest {number}"))
    return person(who)


def wish_of(offer: str, ask: Ask) -> Wish:
    """A wish of the model as booking reads it."""
    start, end = (None, None) if offer == "course" else (instant(ask.start), instant(ask.end))
    return Wish(
        start, end, None, ask.quantity, choices=dict(ask.choice) or None, options=ask.options, needs=ask.needs,
        groups=ask.groups, person_id=None if ask.who is None else named(ask.who), overbook=ask.overbook,
    )  # fmt: skip


@dataclass(slots=True)
class Ours:
    """What stands between two polls, and the desk of the one that runs."""

    offers: dict[str, Offer]
    now: int = 0
    bookings: dict[UUID, Booking] = field(default_factory=dict)
    kept: list[Left] = field(default_factory=list)
    series: dict[UUID, Series] = field(default_factory=dict)
    numbers: int = 0
    roomless: UUID | None = None
    desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        self.desk = self._lay_out()

    def decide(self, request: Request) -> Outcome:
        """One request more in this poll."""
        return decide(request, self.desk, instant(self.now))

    def command(self, command: Command, who: str, body: Named) -> Outcome:
        """A command about a booking; that it names another offer costs order only."""
        return self.decide(Request(command, "room", actor_of(who), body))

    def look(self, offer_id: str, wish: Wish) -> Placement | Reasons:
        """What `check` says."""
        return evaluate(self.offers[offer_id], wish, self.desk.occupancy, instant(self.now))

    def free(self, offer_id: str, wish: Wish, low: int, high: int) -> Free:
        """What `free` and `days` say."""
        return free(self.offers[offer_id], wish, instant(low), instant(high), self.desk.occupancy, instant(self.now))

    def poll(self, now: int) -> None:
        """What the last poll did is stored; the next one begins with what time has ended."""
        self._store()
        self.now = now
        self.desk = self._lay_out()
        lapse_due(self.desk, instant(now))

    def catalogue(
        self, offers: Mapping[str, Offer], closures: Iterable[Closure] = (), moved: Resource | None = None,
        freed: Iterable[str] = (), furnish: UUID | None = None,
    ) -> None:  # fmt: skip
        """The catalogue brought other rules: a poll of its own, in the order of `handlers.aftermath`."""
        self._store()
        self.offers = dict(offers)
        self.desk = self._lay_out()
        now = instant(self.now)
        close(self.desk, list(closures), now)
        if moved is not None:
            take_along(self.desk, moved, now)
        if furnish is not None:
            freed = {*freed, *self._furnish(furnish, now)}
        promote(self.desk, self.desk.freed | set(freed), now)
        self.poll(self.now)

    def _furnish(self, booking_id: UUID, now: datetime) -> set[str]:
        """The rooms of the course are let go and looked for anew; what was let go."""
        freed: set[str] = set()
        for booking in list(self.desk.bookings.values()):
            if booking.claimant.kind is ClaimantKind.HOUSE and booking.state not in TERMINAL:
                freed |= release_rooms(self.desk, booking)
        self.desk.unplaced = list(self._rooms(booking_id))
        for rooms in list(self.desk.unplaced):
            place_session(self.desk, rooms, now)
        return freed

    def _rooms(self, booking_id: UUID | None) -> Iterator[Rooms]:
        course = self.offers["course"].session
        assert course is not None
        session = course.resources[0]
        if booking_id is not None and session.occupies:
            every = {r.resource_id: r for of in self.offers.values() for part in of.components for r in part.resources}
            yield Rooms(booking_id, "course", session, tuple(every[name] for name in session.occupies))

    def _store(self) -> None:
        desk = self.desk
        self.roomless = next((rooms.booking_id for rooms in desk.unplaced), None)
        for booking_id, until in desk.resale_after.items():
            booking = desk.bookings[booking_id]
            self.kept.append(Left(booking_id, booking.start, booking.end, booking.parts, until))
        self.kept += [left for left in desk.left if left.resale_after is not None]
        self.bookings = dict(desk.bookings)
        self.series = dict(desk.series)
        self.numbers = next(desk.queue_numbers)

    def _lay_out(self) -> Desk:
        occupancy = Occupancy()
        for of in self.offers.values():
            for part in of.components:
                for resource in part.resources:
                    occupancy.sessions[resource.resource_id] = Places(0)
                    occupancy.known[resource.resource_id] = [EVER]
        waiting: list[Waiting] = []
        desk = Desk(
            self.offers, dict(self.bookings), occupancy, KEY, series=dict(self.series),
            queue_numbers=iter(range(self.numbers, self.numbers + 10_000)), waiting=waiting,
            unplaced=list(self._rooms(self.roomless)),
        )  # fmt: skip
        for booking in self.bookings.values():
            if booking.blocking:
                occupancy.book(booking.booking_id, booking.start, booking.end, booking.parts)
            elif booking.competing:
                compete(desk, booking)
            count(self.offers[booking.offer_id], booking, occupancy)
            if booking.state is State.HELD:
                occupancy.holds.setdefault(holder(booking), set()).add(booking.booking_id)
            if booking.state is State.WAITLISTED:
                assert booking.queue_no is not None
                waiting.append(
                    Waiting(
                        booking.queue_no, booking.booking_id, booking.offer_id, booking.claimant.person_id, booking.start,
                        booking.end, booking.waits_for,
                    )
                )  # fmt: skip
                for name in booking.waits_for:
                    occupancy.sessions[name].queued = True
        waiting.sort()
        for left in self.kept:
            if left.resale_after is not None and left.resale_after > instant(self.now):
                occupancy.keep(left.booking_id, left.start, left.end, left.parts)
        return desk


def offers_of(town: Naive) -> dict[str, Offer]:
    """The offers that the model describes, as the catalogue would publish them."""
    return {name: offer_of(terms, town.things) for name, terms in town.offers.items()}


def offer_of(terms: Terms, things: Mapping[str, Thing]) -> Offer:
    """One of them."""
    names = [name for role in terms.roles for name in role.things]
    approval = None if terms.approval is None else {
        "blocks": terms.approval == "blocks", "decide_within_minutes": terms.within,
    }  # fmt: skip
    rules: dict[str, Any] = {
        "grid_minutes": terms.grid, "lead": {"value": terms.lead, "unit": "minutes"}, "horizon_days": terms.horizon,
        "min_minutes": terms.shortest, "max_minutes": terms.longest, "durations": terms.lengths and list(terms.lengths),
        "max_quantity": terms.most, "resale_delay_minutes": terms.resale,
        "limits": [
            {"key": key, "per": "person", "unit": LIMITS[key][0], "window": LIMITS[key][1], "max": LIMITS[key][2]}
            for key in terms.limits
        ]
        + [
            {"key": key, "per": "group", "group": group, "unit": unit, "window": window, "max": most}
            for key, (group, unit, window, most) in QUOTAS.items()
            if key in terms.quotas
        ],
        "permitted_groups": terms.permitted and [terms.permitted],
        "waitlist": {
            "mode": terms.queue, "offer_minutes": terms.offer_lasts, "promote_until_minutes": terms.ahead,
            "max_entries": terms.entries,
        },
        "cancel": {"until_minutes": terms.cancel_ahead, "after": "late" if terms.cancel_late else "refuse"},
        "check_in": {"required": terms.required, "opens_minutes": 15, "release_after_minutes": terms.release},
    }  # fmt: skip
    if terms.hours:
        rules["hours"] = HOURS
    if approval is not None:
        rules |= {"mode": "request", "approval": approval}
    components = [
        {
            "component_id": role.name, "kind": things[role.things[0]].kind, "resource_ids": list(role.things),
            "choose": "either", "optional": role.optional,
        }
        for role in terms.roles
    ]  # fmt: skip
    content = json.dumps(
        [rules, components, [_resource(things[name]) for name in dict.fromkeys(names)], terms.status, terms.shared]
    )
    return _offer(terms.name, content)


@lru_cache(maxsize=20_000)
def _offer(name: str, content: str) -> Offer:
    rules, components, resources, status, shared = json.loads(content)
    mode = "federated" if shared else "none"
    return replace(offer(*resources, components=components, status=status, partner_mode=mode, **rules), offer_id=name)


def _resource(thing: Thing) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resource_id": thing.name, "kind": thing.kind, "revision": 1, "setup_minutes": thing.before,
        "teardown_minutes": thing.after, "features": sorted(thing.features),
        "blackouts": [
            {"blackout_id": f"x{n}", "start": _text(start), "end": _text(end), "cause": "water"}
            for n, (start, end) in enumerate(thing.closed)
        ],
    }  # fmt: skip
    if thing.capacity is not None:
        made["capacity"] = thing.capacity
    if thing.kind == "session":
        made |= {"start": _text(thing.start), "end": _text(thing.end), "occupies": list(thing.rooms)}
    return made


def _text(at: int) -> str:
    return instant(at).isoformat()
