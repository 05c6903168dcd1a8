"""What happens by itself: time runs out, and what is freed goes to the sessions and people who wait for it."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from services.booking.domain.claims import Booking, Claimant, ClaimantKind, Part, Placement, Reasons
from services.booking.domain.codes import TAKEN, Queue, Role, State
from services.booking.domain.desk import Desk, Rooms, change, check_in_code, enter
from services.booking.domain.evaluation import evaluate
from services.booking.domain.offers import Offer
from services.booking.domain.requests import (
    Cancelled,
    Change,
    Completed,
    Confirmed,
    Expired,
    NoShow,
    Offered,
    OfferLapsed,
    Told,
)
from services.booking.domain.transitions import Trigger

SESSION_PURPOSE = "session"
HOUSE_FOR_SESSION = Claimant(ClaimantKind.HOUSE, purpose=SESSION_PURPOSE)


def due_of(offer: Offer | None, booking: Booking) -> datetime:
    """When time alone ends a confirmed booking: at its end, or where one has to appear when it is given free."""
    if offer is None or not offer.check_in.required or offer.check_in.release is None:
        return booking.end
    if booking.claimant.kind is ClaimantKind.HOUSE:
        return booking.end
    return min(booking.end, booking.start + offer.check_in.release)


def lapse_due(desk: Desk, now: datetime) -> None:
    """Let everything end whose time is past, oldest first, and pass on what that frees."""
    late = [b for b in desk.bookings.values() if b.due_at is not None and b.due_at <= now]
    for booking in sorted(late, key=lambda b: (b.due_at, b.booking_id)):
        lapse(desk, booking, now)


def lapse(desk: Desk, booking: Booking, now: datetime) -> None:
    """One booking whose time is past; a confirmed one whose rules changed meanwhile may only get another time."""
    state, offer = booking.state, desk.offers.get(booking.offer_id)
    told: Change
    if state is State.CONFIRMED:
        required = offer is not None and offer.check_in.required and booking.claimant.kind is not ClaimantKind.HOUSE
        due = due_of(offer, booking)
        if due > now:
            desk.bookings[booking.booking_id] = booking._replace(due_at=due)
            return
        if required:
            freed_from = due if due < booking.end else None
            after = booking._replace(state=State.NO_SHOW, given_back_at=freed_from)
            freed = change(desk, booking, after, Trigger.TIME)
            told = NoShow(desk.bookings[booking.booking_id], state, freed_from)
        else:
            freed = change(desk, booking, booking._replace(state=State.COMPLETED), Trigger.TIME)
            told = Completed(desk.bookings[booking.booking_id], state, booking.end)
    elif state is State.CHECKED_IN:
        freed = change(desk, booking, booking._replace(state=State.COMPLETED), Trigger.TIME)
        told = Completed(desk.bookings[booking.booking_id], state, booking.end)
    elif state in (State.DISPLACED, State.AWAITING_PARTNER):
        freed = change(desk, booking, booking._replace(state=State.CANCELLED), Trigger.TIME)
        told = Cancelled(desk.bookings[booking.booking_id], state, Role.SYSTEM, False, False, None)
    else:
        freed = change(desk, booking, booking._replace(state=State.EXPIRED), Trigger.TIME)
        after = desk.bookings[booking.booking_id]
        told = OfferLapsed(after, state) if state is State.OFFERED else Expired(after, state)
    desk.told.append(Told(told, Role.SYSTEM))
    promote(desk, freed, now)


def promote(desk: Desk, freed: Collection[str], now: datetime) -> None:
    """Give what was freed to those who wait: first sessions that lack their rooms, then the queue by its order.

    `strict` stops at the first that does not fit, for sessions; waits for intervals are always `fit`. Entries that are out of
    time, over a limit, or of an offer that takes no claims are passed over.
    """
    if not freed:
        return
    names = frozenset(freed)
    for rooms in list(desk.unplaced):
        if any(room.resource_id in names for room in rooms.rooms):
            place_session(desk, rooms, now)
    blocked: set[str] = set()
    for entry in list(desk.waiting):
        if not entry.waits_for & names or entry.waits_for & blocked:
            continue
        booking, offer = desk.bookings.get(entry.booking_id), desk.offers.get(entry.offer_id)
        if booking is None or booking.state is not State.WAITLISTED or booking.wish is None or offer is None:
            continue
        assert booking.due_at is not None, "an entry has its end"
        if now >= booking.due_at or not offer.published:
            continue
        answer = evaluate(offer, booking.wish._replace(settled=True, queued=True), desk.occupancy, now)
        if isinstance(answer, Placement):
            _offer(desk, booking, offer, answer, now)
        elif offer.waitlist.mode is Queue.STRICT and offer.session is not None and lacks_room(answer):
            blocked |= {r.resource_id for r in offer.session.resources} & entry.waits_for


def lacks_room(answer: Reasons) -> bool:
    """Whether only others are in the way."""
    return all(why.code in TAKEN for why in answer.items)


def _offer(desk: Desk, booking: Booking, offer: Offer, placement: Placement, now: datetime) -> None:
    assert booking.due_at is not None, "an entry has its end"
    until = min(now + offer.waitlist.offer_lasts, booking.due_at)
    after = booking._replace(
        state=State.OFFERED, parts=placement.parts, due_at=until, offer_expires_at=until, waits_for=frozenset()
    )
    change(desk, booking, after, Trigger.FREED)
    desk.told.append(Told(Offered(desk.bookings[booking.booking_id], booking.state), Role.SYSTEM))


def in_the_way(desk: Desk, rooms: Rooms) -> list[UUID]:
    """The bookings that hold a room of a session at its time; empty if it can move in."""
    found: dict[UUID, None] = {}
    for part in room_parts(rooms):
        track = desk.occupancy.units.get(part.resource_id)
        if track is not None:
            found.update(dict.fromkeys(track.met(part.occupied_start, part.occupied_end)))
    return list(found)


def room_parts(rooms: Rooms) -> tuple[Part, ...]:
    """What a session takes of its rooms: its own time with each room's buffers."""
    session = rooms.session
    assert session.start is not None and session.end is not None, "a session has its time"
    return tuple(
        Part(
            "rooms", room.resource_id, room.unit_no, None, 1, session.start - room.setup, session.end + room.teardown
        )
        for room in rooms.rooms
    )  # fmt: skip


def place_session(desk: Desk, rooms: Rooms, now: datetime) -> bool:
    """Let a session occupy its rooms, all or none; it stays among the unplaced otherwise."""
    session, offer = rooms.session, desk.offers.get(rooms.offer_id)
    assert session.start is not None and session.end is not None, "a session has its time"
    if session.end <= now or offer is None or offer.cancelled or in_the_way(desk, rooms):
        return False
    booking = Booking(
        booking_id=rooms.booking_id, offer_id=rooms.offer_id, offer_revision=offer.revision,
        claimant=HOUSE_FOR_SESSION, state=State.CONFIRMED, version=1,
        start=session.start, end=session.end, time_zone=offer.where.key, quantity=1, needs=frozenset(),
        check_in_code=check_in_code(desk.check_in_key, rooms.booking_id), parts=room_parts(rooms), due_at=session.end,
    )  # fmt: skip
    enter(desk, booking, Trigger.FREED)
    desk.unplaced.remove(rooms)
    desk.told.append(Told(Confirmed(booking, booking.start), Role.SYSTEM))
    return True
