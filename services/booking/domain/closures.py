"""What a change of the catalogue does to bookings that stand: closures displace, moved sessions take along (booking.md §9)."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from services.booking.domain.availability import LaterStarts
from services.booking.domain.claims import Actor, Booking, Part, Placement, Wish
from services.booking.domain.codes import Kind, Reason, Role, State
from services.booking.domain.commands import wish_of_move
from services.booking.domain.desk import Desk, change
from services.booking.domain.evaluation import evaluate, windows
from services.booking.domain.offers import Offer, Resource
from services.booking.domain.promotion import HOUSE_FOR_SESSION, due_of
from services.booking.domain.requests import (
    Cancelled,
    Displaced,
    Expired,
    Move,
    Moved,
    OfferLapsed,
    Told,
)
from services.booking.domain.transitions import TABLE, Trigger
from services.booking.limits import ALTERNATIVES_MAX, DISPLACED_SEARCHED_MAX, NEXT_START_WITHIN

OFFER_CANCELLED = "offer_cancelled"
NOBODY = Actor(Role.SYSTEM, None, frozenset(), True)
STAY = Move(None, None, None, None, None)


class Closure(NamedTuple):
    """A span in which a resource (or with `resource_id` None a whole offer) is not to be had, and why."""

    offer_id: str | None
    resource_id: str | None
    cause: str
    start: datetime
    end: datetime


class Applied(NamedTuple):
    """A closure's effect on the bookings of one offer; `displaced` in the order of their starts."""

    closure: Closure
    offer_id: str
    displaced: tuple[UUID, ...]


def close(desk: Desk, closures: list[Closure], now: datetime) -> list[Applied]:
    """Displace what was confirmed or waits for approval, let holds, offers and entries expire; who is checked in stays.

    What they held beside the closed span, or with it, is in `desk.freed`.
    """
    applied: list[Applied] = []
    searched = 0
    closed = [closure for closure in closures if closure.resource_id is not None]
    for closure in closures:
        hit: dict[str, list[UUID]] = {}
        for booking in sorted(desk.bookings.values(), key=lambda b: (b.start, b.booking_id)):
            if (Trigger.CLOSURE, booking.state) not in TABLE or not _is_hit(booking, closure, closed, now):
                continue
            if booking.claimant == HOUSE_FOR_SESSION and booking.state is State.CONFIRMED and closure.resource_id is None:
                if closure.cause == OFFER_CANCELLED:
                    desk.freed |= release_rooms(desk, booking)
                continue  # else the rooms of a session follow their session
            if State.DISPLACED in TABLE[Trigger.CLOSURE, booking.state]:
                searched += 1
                _displace(desk, booking, closure, now, search=searched <= DISPLACED_SEARCHED_MAX)
                hit.setdefault(booking.offer_id, []).append(booking.booking_id)
            else:
                _expire(desk, booking)
                hit.setdefault(booking.offer_id, [])
        applied += [Applied(closure, offer_id, tuple(displaced)) for offer_id, displaced in hit.items()]
    return applied


def _is_hit(booking: Booking, closure: Closure, closed: list[Closure], now: datetime) -> bool:
    """An entry that waits for one of several is hit once all of them are closed."""
    if booking.end <= now or not _meets(booking, closure):
        return False
    if closure.offer_id is not None and booking.offer_id != closure.offer_id:
        return False
    if closure.resource_id is None:
        return True
    if booking.parts:
        return any(part.resource_id == closure.resource_id for part in booking.parts)
    return closure.resource_id in booking.waits_for and booking.waits_for <= {
        other.resource_id for other in closed if _meets(booking, other)
    }


def _meets(booking: Booking, closure: Closure) -> bool:
    return booking.start < closure.end and booking.end > closure.start


def _expire(desk: Desk, booking: Booking) -> None:
    desk.freed |= change(desk, booking, booking._replace(state=State.EXPIRED), Trigger.CLOSURE)
    lapsed = OfferLapsed if booking.state is State.OFFERED else Expired
    desk.told.append(Told(lapsed(desk.bookings[booking.booking_id], booking.state, Reason.BLACKOUT), Role.SYSTEM))


def _displace(desk: Desk, booking: Booking, closure: Closure, now: datetime, *, search: bool) -> None:
    offer = desk.offers.get(booking.offer_id)
    rebook_by = now + (offer.rebook if offer is not None else timedelta(days=14))
    after = booking._replace(state=State.DISPLACED, due_at=rebook_by, competing=False, wish=None)
    desk.freed |= change(desk, booking, after, Trigger.CLOSURE)
    after = desk.bookings[booking.booking_id]
    found = tuple(alternatives(desk, offer, after, now)) if search and offer is not None else ()
    desk.told.append(Told(Displaced(after, booking.state, closure.cause, rebook_by, found), Role.SYSTEM))


def _wish_elsewhere(offer: Offer, booking: Booking) -> Wish:
    """The same again, wherever: any resource, nobody's limits."""
    wish = wish_of_move(offer, booking, STAY, NOBODY)
    return wish._replace(choices=None, person_id=None, groups=None, undecided=True)


def alternatives(desk: Desk, offer: Offer, booking: Booking, now: datetime) -> Iterator[Placement]:
    """Up to three spans at which the booking would fit now: its own time elsewhere, then later starts within a week."""
    if not offer.published or not offer.served:
        return
    wish = _wish_elsewhere(offer, booking)
    found = 0
    if offer.session is not None:
        for resource in sorted(offer.session.resources, key=lambda r: r.start or booking.start):
            answer = evaluate(
                offer, wish._replace(choices={offer.session.component_id: resource.resource_id}), desk.occupancy, now
            )
            if isinstance(answer, Placement) and found < ALTERNATIVES_MAX:
                found += 1
                yield answer
        return
    length = booking.end - booking.start
    later = LaterStarts(offer, wish, length, desk.occupancy, now)
    start: datetime | None = booking.start
    while start is not None and found < ALTERNATIVES_MAX:
        answer = evaluate(offer, wish._replace(start=start, end=start + length, duration=None), desk.occupancy, now)
        if isinstance(answer, Placement):
            found += 1
            yield answer
        if start > booking.start + NEXT_START_WITHIN:
            return
        start = later.after(start)


def search_windows(offer: Offer, booking: Booking) -> list[tuple[Resource, datetime, datetime]]:
    """What has to be read to find alternatives for a booking."""
    return list(windows(offer, _wish_elsewhere(offer, booking), ahead=2 * NEXT_START_WITHIN))


def take_along(desk: Desk, session: Resource, now: datetime) -> list[Applied]:
    """A session lies at another time: its bookings go with it, free to cancel; what cannot is displaced."""
    assert session.start is not None and session.end is not None, "a session has its time"
    displaced: dict[str, list[UUID]] = {}
    for booking in sorted(desk.bookings.values(), key=lambda b: (b.start, b.booking_id)):
        holds = any(part.resource_id == session.resource_id for part in booking.parts)
        waits = not booking.parts and session.resource_id in booking.waits_for
        if not (holds or waits) or (Trigger.MOVED, booking.state) not in TABLE:
            continue
        if (booking.start, booking.end) == (session.start, session.end):
            continue
        offer = desk.offers.get(booking.offer_id)
        if len(booking.parts) > 1 and offer is not None:
            answer = _bundle_elsewhere(desk, offer, booking, now)
            if answer is None:
                closure = Closure(offer.offer_id, session.resource_id, "session_moved", booking.start, booking.end)
                follows = TABLE.get((Trigger.CLOSURE, booking.state), frozenset())
                if State.DISPLACED in follows:
                    _displace(desk, booking, closure, now, search=True)
                    displaced.setdefault(offer.offer_id, []).append(booking.booking_id)
                elif State.EXPIRED in follows:
                    _expire(desk, booking)
                continue
            parts = answer.parts
        else:
            setup = timedelta() if not booking.parts else booking.start - booking.parts[0].occupied_start
            teardown = timedelta() if not booking.parts else booking.parts[0].occupied_end - booking.end
            parts = tuple(
                part._replace(occupied_start=session.start - setup, occupied_end=session.end + teardown)
                for part in booking.parts
            )
        _take_one(desk, booking, offer, session.start, session.end, parts)
    span = (session.start, session.end)
    return [
        Applied(Closure(offer_id, session.resource_id, "session_moved", *span), offer_id, tuple(ids))
        for offer_id, ids in displaced.items()
    ]


def _take_one(
    desk: Desk, booking: Booking, offer: Offer | None, start: datetime, end: datetime, parts: tuple[Part, ...]
) -> None:  # fmt: skip
    after = booking._replace(start=start, end=end, parts=parts, free_to_cancel=True)
    due = booking.due_at
    if booking.state is State.CONFIRMED:
        due = due_of(offer, after)
    elif booking.state is State.CHECKED_IN:
        due = end
    elif booking.state is State.WAITLISTED and offer is not None:
        due = start - offer.waitlist.ahead
    elif due is not None:
        due = min(due, start)
    desk.freed |= change(desk, booking, after._replace(due_at=due), Trigger.MOVED)
    moved = Moved(desk.bookings[booking.booking_id], booking.state, booking.start, booking.end, booking.parts)
    desk.told.append(Told(moved, Role.SYSTEM))


def _bundle_elsewhere(desk: Desk, offer: Offer, booking: Booking, now: datetime) -> Placement | None:
    """Where the other parts of a bundle can go at the session's new time; its own claims do not count."""
    wish = wish_of_move(offer, booking, STAY, NOBODY)._replace(person_id=None, groups=None, settled=True, undecided=True)
    choices = {p.component_id: p.resource_id for p in booking.parts if _kind(offer, p) is Kind.SESSION}
    if booking.blocking:
        desk.occupancy.free(booking.booking_id, booking.parts)
    answer = evaluate(offer, wish._replace(choices=choices), desk.occupancy, now)
    if booking.blocking:
        desk.occupancy.book(booking.booking_id, booking.start, booking.end, booking.parts)
    return answer if isinstance(answer, Placement) else None


def _kind(offer: Offer, part: Part) -> Kind:
    return next((c.kind for c in offer.components if c.component_id == part.component_id), Kind.UNKNOWN)


def release_rooms(desk: Desk, booking: Booking) -> frozenset[str]:
    """A session needs its rooms no more: the house's booking is cancelled; what it frees."""
    freed = change(desk, booking, booking._replace(state=State.CANCELLED), Trigger.CANCEL)
    cancelled = Cancelled(desk.bookings[booking.booking_id], booking.state, Role.SYSTEM, False, True, None)
    desk.told.append(Told(cancelled, Role.SYSTEM))
    return freed
