"""The state of one poll on which decisions work, and what every change of it has in common.

A change is applied at once: occupancy, limits and the queue follow it, so that the next decision finds it.
"""

import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.booking.domain.availability import LaterStarts
from services.booking.domain.claims import Actor, Booking, ClaimantKind, Part, Placement
from services.booking.domain.codes import BLOCKING, TERMINAL, USED_UP, Per, State
from services.booking.domain.occupancy import Counted, Occupancy
from services.booking.domain.offers import Offer, Resource
from services.booking.domain.requests import Series, Told
from services.booking.domain.transitions import Trigger, allowed

# Crockford's base32 has no I, L, O, U: codes are read aloud and typed. Two characters for each ten bits.
_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [first + second for first in _DIGITS for second in _DIGITS]


class Waiting(NamedTuple):
    """One entry of a queue, as much of it as its neighbours need to know."""

    queue_no: int
    booking_id: UUID
    offer_id: str
    person_id: UUID | None
    start: datetime
    end: datetime
    waits_for: frozenset[str]


class Left(NamedTuple):
    """Where a booking was before it was moved; kept from newcomers until `resale_after`, if given."""

    booking_id: UUID
    start: datetime
    end: datetime
    parts: tuple[Part, ...]
    resale_after: datetime | None


class Rooms(NamedTuple):
    """A session whose rooms are still taken by others, and the id of the booking that would occupy them."""

    booking_id: UUID
    offer_id: str
    session: Resource
    rooms: tuple[Resource, ...]


@dataclass(slots=True)
class Desk:
    """The state that a run of decisions works on.

    `bookings` are those that a command, a timer or the queue may change, and those made here. `waiting` are all entries of the
    queues concerned, in their order; only the first of them are among `bookings`. `told` collects consequences. `unread`
    collects what the look for later starts would need to know: (resource, from, to); the run is then repeated with it read.
    `freed` collects what changes of the catalogue let go of, for the queue once all of them are made.
    `later`: looks that were begun; in a stampede many find the same, as long as nothing changes in between.
    """

    offers: Mapping[str, Offer]
    bookings: dict[UUID, Booking]
    occupancy: Occupancy
    check_in_key: bytes
    unread: list[tuple[Resource, datetime, datetime]] = field(default_factory=list)
    later: dict[object, LaterStarts] = field(default_factory=dict)
    waiting: list[Waiting] = field(default_factory=list)
    queue_numbers: Iterator[int] = field(default_factory=lambda: iter(()))
    series: dict[UUID, Series] = field(default_factory=dict)
    unplaced: list[Rooms] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    freed: set[str] = field(default_factory=set)
    resale_after: dict[UUID, datetime] = field(default_factory=dict)

    def take_told(self) -> list[Told]:
        """What followed since the last call."""
        told, self.told = self.told, []
        return told


def check_in_code(key: bytes, booking_id: UUID) -> str:
    """Eight characters that prove the booking at the door: the first 40 bits of HMAC-SHA256 of its id (booking.md §4)."""
    digest = hmac.digest(key, str(booking_id).encode(), "sha256")
    bits = int.from_bytes(digest[:5], "big")
    return _PAIRS[bits >> 30] + _PAIRS[bits >> 20 & 1023] + _PAIRS[bits >> 10 & 1023] + _PAIRS[bits & 1023]


def enter(desk: Desk, booking: Booking, trigger: Trigger) -> None:
    """A new booking stands."""
    assert allowed(trigger, None, booking.state), f"{trigger} makes no {booking.state}"
    desk.bookings[booking.booking_id] = booking
    if booking.blocking:
        desk.occupancy.book(booking.booking_id, booking.start, booking.end, booking.parts)
    elif booking.competing:
        compete(desk, booking)
    offer = desk.offers.get(booking.offer_id)
    if offer is not None and offer.limits:
        count(offer, booking, desk.occupancy)
    if booking.state is State.HELD:
        desk.occupancy.holds.setdefault(holder(booking), set()).add(booking.booking_id)


def withdraw(desk: Desk, booking: Booking) -> None:
    """Take back what `enter` did: a booking of a series that does not come about."""
    del desk.bookings[booking.booking_id]
    if booking.blocking:
        desk.occupancy.free(booking.booking_id, booking.parts)
    uncompete(desk, booking)
    offer = desk.offers.get(booking.offer_id)
    if offer is not None and offer.limits:
        uncount(offer, booking, desk.occupancy)


def change(
    desk: Desk, before: Booking, after: Booking, trigger: Trigger, *, resale_after: datetime | None = None
) -> frozenset[str]:
    """Put a booking's next version in place; the resources that it lets go of, for `promote`.

    `after` comes with the version of `before`. What a move leaves behind goes to `left`.
    """
    assert allowed(trigger, before.state, after.state), f"{trigger} does not bring {before.state} to {after.state}"
    after = after._replace(version=before.version + 1)
    if after.state is not State.PENDING_APPROVAL:
        after = after._replace(competing=False)
    if after.state in TERMINAL:
        after = after._replace(due_at=None, wish=None, waits_for=frozenset())
    desk.bookings[before.booking_id] = after
    stays = before.blocking and after.blocking and before.parts == after.parts
    moved = before.parts != after.parts or (before.start, before.end) != (after.start, after.end)
    freed: frozenset[str] = frozenset()
    occupancy = desk.occupancy
    if before.blocking and (not stays or moved):
        occupancy.free(before.booking_id, before.parts)
        freed = frozenset(part.resource_id for part in before.parts)
    if before.state is State.WAITLISTED and after.state in TERMINAL:
        freed |= before.waits_for  # whoever stood behind, in a queue that stops at the first who does not fit
    if before.competing:
        uncompete(desk, before)
    if after.blocking and (not stays or moved):
        occupancy.book(after.booking_id, after.start, after.end, after.parts)
    elif after.competing:
        compete(desk, after)
    if before.parts and moved and after.parts:
        _leave(desk, before, after, resale_after if freed else None)
    elif freed and resale_after is not None:
        occupancy.keep(before.booking_id, before.start, before.end, before.parts)
        desk.resale_after[before.booking_id] = resale_after
    _follow(desk, before, after)
    return freed


def _follow(desk: Desk, before: Booking, after: Booking) -> None:
    """Limits, open holds and the queue after a change."""
    offer = desk.offers.get(before.offer_id)
    if offer is not None and offer.limits:
        uncount(offer, before, desk.occupancy)
        count(offer, after, desk.occupancy)
    if before.state is State.HELD:
        desk.occupancy.holds.get(holder(before), set()).discard(before.booking_id)
    if before.state is State.WAITLISTED:
        leave_queue(desk, before)
        if after.state is State.WAITLISTED:
            join_queue(desk, after)


def _leave(desk: Desk, before: Booking, after: Booking, resale_after: datetime | None) -> None:
    """Note where a booking was; from newcomers is kept what it gave up of that, not what it still has."""
    whole = Left(before.booking_id, before.start, before.end, before.parts, resale_after)
    if resale_after is None:
        desk.left.append(whole)
        return
    given_up = _given_up(before, after, resale_after)
    if given_up != [whole]:
        desk.left.append(whole._replace(resale_after=None))
    desk.left += given_up
    for left in given_up:
        desk.occupancy.keep(left.booking_id, left.start, left.end, left.parts)


def _given_up(before: Booking, after: Booking, resale_after: datetime) -> list[Left]:
    """What of the old place the new one does not hold: units that were left, places of sessions, of pools at each instant."""
    whole: list[Part] = []
    found: list[Left] = []
    for part in before.parts:
        still = next((p for p in after.parts if (p.component_id, p.resource_id) == (part.component_id, part.resource_id)), None)
        if still is None or still.occupied_end <= part.occupied_start or still.occupied_start >= part.occupied_end:
            whole.append(part)
            continue
        low, high = max(part.occupied_start, still.occupied_start), min(part.occupied_end, still.occupied_end)
        if part.unit_no is not None:
            if (low, high) != (part.occupied_start, part.occupied_end):
                whole.append(part)
            continue
        fewer = part.quantity - still.quantity
        for start, end, quantity in (
            (part.occupied_start, low, part.quantity), (low, high, fewer), (high, part.occupied_end, part.quantity),
        ):  # fmt: skip
            if start < end and quantity > 0:
                piece = part._replace(quantity=quantity, occupied_start=start, occupied_end=end)
                found.append(Left(before.booking_id, start, end, (piece,), resale_after))
    return ([Left(before.booking_id, before.start, before.end, tuple(whole), resale_after)] if whole else []) + found


def join_queue(desk: Desk, booking: Booking) -> None:
    """Note a waiting entry behind the others."""
    assert booking.queue_no is not None, "an entry has its rank"
    person_id = booking.claimant.person_id
    entry = Waiting(
        booking.queue_no, booking.booking_id, booking.offer_id, person_id, booking.start, booking.end, booking.waits_for
    )
    desk.waiting.append(entry)
    desk.waiting.sort()
    _mark_queues(desk, booking.waits_for)


def leave_queue(desk: Desk, booking: Booking) -> None:
    """Forget a waiting entry."""
    desk.waiting = [entry for entry in desk.waiting if entry.booking_id != booking.booking_id]
    _mark_queues(desk, booking.waits_for)


def _mark_queues(desk: Desk, names: frozenset[str]) -> None:
    for name in names:
        places = desk.occupancy.sessions.get(name)
        if places is not None:
            places.queued = any(name in entry.waits_for for entry in desk.waiting)


def holder(booking: Booking) -> str:
    """Whose open holds are counted together: the person's, the partner hub's, the house's."""
    claimant = booking.claimant
    return str(claimant.hub_id if claimant.kind is ClaimantKind.PARTNER else claimant.person_id or claimant.kind)


def needs_approval(offer: Offer, actor: Actor) -> bool:
    """Whether staff decide on what the actor asks for."""
    return offer.approval is not None and not offer.approval.auto_groups & actor.groups


def compete(desk: Desk, booking: Booking) -> None:
    """Note what waits for approval without blocking."""
    for part in booking.parts:
        taken = (part.occupied_start, part.occupied_end, booking.start, booking.end, booking.booking_id, False)
        desk.occupancy.competing.setdefault(part.resource_id, []).append(taken)


def uncompete(desk: Desk, booking: Booking) -> None:
    """Forget what waited for approval without blocking."""
    for part in booking.parts if booking.competing else ():
        held = desk.occupancy.competing.get(part.resource_id, [])
        desk.occupancy.competing[part.resource_id] = [taken for taken in held if taken[4] != booking.booking_id]


def competitors(desk: Desk, placement: Placement, but: UUID) -> int:
    """How many others wait for approval of something that meets this placement."""
    return len(desk.occupancy.competitors(placement.parts) - {but})


def count(offer: Offer, booking: Booking, occupancy: Occupancy) -> None:
    """Note a claim under its person's limits and its groups' contingents, for those who ask later in this run."""
    if booking.state not in BLOCKING and booking.state not in USED_UP:
        return
    counted = Counted(booking.booking_id, booking.start, booking.end, booking.quantity, booking.state)
    person_id = booking.claimant.person_id
    if person_id is not None:
        for key in {limit.key for limit in offer.limits if limit.per is Per.PERSON}:
            occupancy.count(person_id, key, counted)
    for group, key in _contingents(offer, booking.groups):
        occupancy.count_group(group, key, counted)


def uncount(offer: Offer, booking: Booking, occupancy: Occupancy) -> None:
    """Forget a claim under all limits."""
    person_id = booking.claimant.person_id
    if person_id is not None:
        for key in {limit.key for limit in offer.limits}:
            occupancy.uncount(person_id, key, booking.booking_id)
    for group, key in _contingents(offer, booking.groups):
        occupancy.uncount_group(group, key, booking.booking_id)


def _contingents(offer: Offer, groups: frozenset[str]) -> Sequence[tuple[str, str]]:
    if not groups:
        return ()
    found = {
        (limit.group, limit.key)
        for limit in offer.limits
        if limit.per is Per.GROUP and limit.group is not None and limit.group in groups
    }
    return sorted(found)
