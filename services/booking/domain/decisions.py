"""Deciding requests one after the other on one state: what a poll does between its locks and its writes.

Each decision is applied to the desk at once, so the next request finds what the last one left. Nothing here waits, reads
or writes: the same requests on the same state at the same time give the same outcomes.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.booking.domain.availability import LaterStarts, curable
from services.booking.domain.claims import Actor, Booking, Claimant, ClaimantKind, Placement, Reasons, Why, Wish, reasons
from services.booking.domain.codes import BLOCKING, TERMINAL, Per, Reason, Role, State
from services.booking.domain.evaluation import evaluate, windows
from services.booking.domain.occupancy import Counted, Occupancy
from services.booking.domain.offers import Offer, Resource
from services.booking.domain.requests import (
    Asked,
    Cancelled,
    Command,
    Confirmed,
    Named,
    Outcome,
    Refused,
    Rejected,
    Request,
    Unchanged,
)
from services.booking.limits import NEXT_START_WITHIN

# Crockford's base32 has no I, L, O, U: codes are read aloud and typed. Two characters for each ten bits.
_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [first + second for first in _DIGITS for second in _DIGITS]


@dataclass(slots=True)
class Desk:
    """The state that a run of decisions works on.

    `bookings` are those named by a request, and those made here. `unread` collects what the look for later starts would
    need to know: (resource, from, to); the run is then repeated with it read. `later`: looks that were begun; in a stampede
    many ask for the same and find the same, as long as nothing changes in between.
    """

    offers: Mapping[str, Offer]
    bookings: dict[UUID, Booking]
    occupancy: Occupancy
    check_in_key: bytes
    unread: list[tuple[Resource, datetime, datetime]] = field(default_factory=list)
    later: dict[object, LaterStarts] = field(default_factory=dict)


def decide(request: Request, desk: Desk, now: datetime) -> Outcome:
    """Answer one request at `now` and apply the answer to the desk."""
    if request.expires_at is not None and request.expires_at <= now:
        expired = Reasons((Why(Reason.REQUEST_EXPIRED),))
        return Rejected(expired) if isinstance(request.body, Asked) else Refused(expired)
    if isinstance(request.body, Asked):
        return _request(request, request.body, desk, now)
    return _named(request, request.body, desk, now)


def check_in_code(key: bytes, booking_id: UUID) -> str:
    """Eight characters that prove the booking at the door: the first 40 bits of HMAC-SHA256 of its id (booking.md §4)."""
    digest = hmac.digest(key, str(booking_id).encode(), "sha256")
    bits = int.from_bytes(digest[:5], "big")
    return _PAIRS[bits >> 30] + _PAIRS[bits >> 20 & 1023] + _PAIRS[bits >> 10 & 1023] + _PAIRS[bits & 1023]


def _request(request: Request, asked: Asked, desk: Desk, now: datetime) -> Outcome:
    offer = desk.offers.get(request.offer_id)
    permitted = _may_request(request.actor, asked.claimant, offer)
    if offer is None:
        found = [Why(Reason.UNKNOWN_OFFER)] + ([] if permitted else [Why(Reason.NOT_PERMITTED)])
        return Rejected(reasons(found))
    if not permitted:
        # Nobody learns of another person's limits by asking in their name.
        answer = evaluate(offer, asked.wish._replace(person_id=None), desk.occupancy, now)
        return _not_permitted(answer)
    answer = evaluate(offer, asked.wish, desk.occupancy, now)
    if isinstance(answer, Reasons):
        if answer.first is Reason.INVALID_REQUEST:
            return Refused(answer)
        return Rejected(answer, _next_start(offer, asked.wish, answer, desk, now))
    booking = Booking(
        booking_id=asked.booking_id,
        offer_id=offer.offer_id,
        offer_revision=offer.revision,
        claimant=asked.claimant,
        state=State.CONFIRMED,
        version=1,
        start=answer.start,
        end=answer.end,
        time_zone=offer.where.key,
        quantity=asked.wish.quantity,
        needs=asked.wish.needs,
        check_in_code=check_in_code(desk.check_in_key, asked.booking_id),
        parts=answer.parts,
    )
    desk.bookings[booking.booking_id] = booking
    desk.occupancy.book(booking.booking_id, booking.start, booking.end, booking.parts)
    if offer.limits:
        _count(offer, booking, desk.occupancy)
    return Confirmed(booking, booking.start - offer.cancel_ahead)


def _may_request(actor: Actor, claimant: Claimant, offer: Offer | None) -> bool:
    """Citizens for themselves, staff for anybody but partners, partners for their own guests where the offer is shared."""
    if not actor.permitted:
        return False
    if actor.role is Role.STAFF:
        return claimant.kind is not ClaimantKind.PARTNER
    if actor.role is Role.PARTNER and offer is not None and not offer.federated:
        return False
    return actor.owns(claimant)


def _not_permitted(answer: Placement | Reasons) -> Outcome:
    if isinstance(answer, Placement):
        return Rejected(Reasons((Why(Reason.NOT_PERMITTED),), answer.start, answer.end))
    if answer.first is Reason.INVALID_REQUEST:
        return Refused(answer)
    return Rejected(reasons([*answer.items, Why(Reason.NOT_PERMITTED)], start=answer.start, end=answer.end))


def _next_start(offer: Offer, wish: Wish, answer: Reasons, desk: Desk, now: datetime) -> datetime | None:
    """A later start, where only others stand in the way; None also while the claims of that week are still unread."""
    if not curable(offer, answer):
        return None
    wanted = list(windows(offer, wish, ahead=NEXT_START_WITHIN))
    if not all(desk.occupancy.knows(resource.resource_id, low, high) for resource, low, high in wanted):
        desk.unread += wanted
        return None
    assert answer.start is not None, "curable() looks at it"
    assert answer.end is not None, "curable() looks at it"
    length = answer.end - answer.start
    choices = frozenset((wish.choices or {}).items()), frozenset((wish.quantities or {}).items())
    person = wish.person_id if offer.limits else None
    alike = (offer, length, wish.quantity, choices, wish.options, wish.needs, person, desk.occupancy.changes)
    later = desk.later.get(alike)
    if later is None:
        later = desk.later[alike] = LaterStarts(offer, wish, length, desk.occupancy, now)
    return later.after(answer.start)


def _count(offer: Offer, booking: Booking, occupancy: Occupancy) -> None:
    """Note a new claim under its person's limits, for those who ask later in this run."""
    person_id = booking.claimant.person_id
    if person_id is None:
        return
    for key in {limit.key for limit in offer.limits if limit.per is Per.PERSON}:
        counted = Counted(booking.booking_id, booking.start, booking.end, booking.quantity, booking.state)
        occupancy.count(person_id, key, counted)


def _named(request: Request, named: Named, desk: Desk, now: datetime) -> Outcome:
    """A command about a booking: who may, then where it stands, then what this command does there (booking.md §6)."""
    booking = None if named.booking_id is None else desk.bookings.get(named.booking_id)
    if booking is None:
        found = [Why(Reason.GONE)] + ([] if request.actor.permitted else [Why(Reason.NOT_PERMITTED)])
        return Refused(reasons(found))
    if not _may_change(request, named, booking):
        return Refused(Reasons((Why(Reason.NOT_PERMITTED),)), booking.booking_id)
    if booking.state is State.CANCELLED and request.command is Command.CANCEL:
        return Unchanged(booking)
    if booking.state in TERMINAL:
        late = booking.state is State.NO_SHOW and request.command in (Command.CANCEL, Command.CHECK_IN)
        return Refused(Reasons((Why(Reason.DEADLINE_PASSED if late else Reason.GONE),)), booking.booking_id)
    if request.command is Command.CANCEL:
        return _cancel(request, named, booking, desk, now)
    if request.command in (Command.CONFIRM, Command.ACCEPT, Command.DECIDE):
        # Nothing is held, offered or waits for approval here: the booking is further than these commands could bring it.
        return Unchanged(booking)
    return Refused(Reasons((Why(Reason.NOT_BOOKABLE),)), booking.booking_id)  # served.py: not moved, not checked in yet


def _may_change(request: Request, named: Named, booking: Booking) -> bool:
    actor = request.actor
    if not actor.permitted:
        return False
    if actor.role is Role.STAFF:
        return True
    if request.command is Command.CHECK_IN and named.code is not None and named.code == booking.check_in_code:
        return True
    return request.command is not Command.DECIDE and actor.owns(booking.claimant)


def _cancel(request: Request, named: Named, booking: Booking, desk: Desk, now: datetime) -> Outcome:
    if booking.state is State.CHECKED_IN:
        return Unchanged(booking)
    offer = desk.offers.get(booking.offer_id)
    ahead = None if offer is None else offer.cancel_ahead
    late = booking.state is State.CONFIRMED and now >= (booking.start if ahead is None else booking.start - ahead)
    found: list[Why] = []
    owner = request.actor.role is not Role.STAFF
    refused_late = late and offer is not None and not offer.cancel_late and owner and not named.gave_up
    if refused_late or now >= booking.end or (owner and now >= booking.start):
        found.append(Why(Reason.DEADLINE_PASSED))
    if request.expected_version is not None and request.expected_version != booking.version:
        found.append(Why(Reason.STALE_VERSION))
    if found:
        return Refused(reasons(found), booking.booking_id)
    return _free(request.actor, booking, offer, desk, now, late=late)


def _free(actor: Actor, booking: Booking, offer: Offer | None, desk: Desk, now: datetime, *, late: bool) -> Cancelled:
    """Give up the claim. What a citizen gives back may stay taken for newcomers a while (resale delay)."""
    freed = booking.state in BLOCKING and bool(booking.parts)
    resale_after = None
    if freed and offer is not None and offer.resale_delay and actor.role is Role.CITIZEN:
        resale_after = now + offer.resale_delay
    cancelled = booking._replace(state=State.CANCELLED, version=booking.version + 1)
    desk.bookings[booking.booking_id] = cancelled
    if freed:
        desk.occupancy.free(booking.booking_id, booking.parts, kept=resale_after is not None)
    person_id = booking.claimant.person_id
    if person_id is not None and offer is not None:
        for key in {limit.key for limit in offer.limits}:
            desk.occupancy.uncount(person_id, key, booking.booking_id)
    return Cancelled(cancelled, booking.state, actor.role, late, freed, resale_after)
