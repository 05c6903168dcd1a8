"""What a run of decisions works on: found without locks for the plan, and found again under them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from hubkit import ids
from hubkit.db import ReadConn, Tx
from services.booking.domain.claims import Booking, Claimant, ClaimantKind, Wish
from services.booking.domain.codes import Per, Queue, State
from services.booking.domain.commands import wish_of_move
from services.booking.domain.copies import allowance
from services.booking.domain.desk import Rooms, Waiting
from services.booking.domain.evaluation import candidates
from services.booking.domain.offers import Offer, Resource
from services.booking.domain.quotas import keys_of_groups
from services.booking.domain.requests import Asked, Request, Series
from services.booking.domain.series import wishes_of
from services.booking.handlers.house import House
from services.booking.handlers.reading import Wanted
from services.booking.limits import QUEUE_READ_MAX
from services.booking.store import bookings as store_bookings
from services.booking.store import queue as store_queue
from services.booking.store import resources as store_resources
from services.booking.wire.offers import resource_of, uuid_of

Pair = tuple[Offer, Wish]
HOLDS = "/hold"  # no limit key begins with a slash


@dataclass(slots=True)
class Subjects:
    """Bookings that may change, the queue, series, sessions without rooms. `pairs` are the wishes that may be judged.

    `needed` are the rows that have to be locked for all of that, `rules` the resources' revisions that wishes are judged by:
    good only if the locked rows say the same. `further` is what has to be known beside the wishes' own spans.
    """

    offers: dict[str, Offer] = field(default_factory=dict)
    bookings: dict[UUID, Booking] = field(default_factory=dict)
    waiting: list[Waiting] = field(default_factory=list)
    series: dict[UUID, Series] = field(default_factory=dict)
    unplaced: list[Rooms] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    further: list[Wanted] = field(default_factory=list)
    needed: set[str] = field(default_factory=set)
    persons: set[UUID] = field(default_factory=set)
    hubs: set[str] = field(default_factory=set)
    joiners: int = 0
    rules: set[tuple[str, int]] = field(default_factory=set)
    plain: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Asking:
    """What to look for: commands, and bookings by id whose time is past or which a change of the catalogue hits."""

    requests: Sequence[Request] = ()
    booking_ids: Collection[UUID] = ()
    resource_ids: Collection[str] = ()
    offer_ids: Collection[str] = ()
    always_queue: bool = False


def subjects_at_hand(house: House, asking: Asking) -> Subjects | None:
    """For a plan: what plain wishes need, as far as memory knows it; None if something has to be read.

    What else turns up under the locks (a stale claim that holds other rows too) is planned again.
    """
    wanted = {request.offer_id for request in asking.requests}
    offers = house.shelf.at_hand(wanted)
    named = asking.booking_ids or asking.resource_ids or asking.offer_ids or asking.always_queue
    if named or len(offers) < len(wanted):
        return None
    if not all(isinstance(request.body, Asked) and request.body.add_to is None for request in asking.requests):
        return None
    found = Subjects(offers=offers)
    for request in asking.requests:
        _add_wish(request, found)
    return None if found.joiners else found


async def find_subjects(house: House, conn: ReadConn | Tx, asking: Asking, now: datetime) -> Subjects:
    """Everything that the decisions may look at or change, from what is committed (or locked) now."""
    found = Subjects(needed=set(asking.resource_ids))
    found.offers = await house.shelf.take(conn, {*asking.offer_ids, *(request.offer_id for request in asking.requests)})
    for request in asking.requests:
        _add_wish(request, found)
    await _find_bookings(conn, asking, found, now)
    if found.bookings or found.series:
        await _take_offers(house, conn, found)
        for request in asking.requests:
            _add_move(request, found)
    if found.bookings or found.joiners or asking.always_queue:
        await _find_queue(house, conn, asking, found)
        await _find_unplaced(house, conn, found)
    return found


async def _find_bookings(conn: ReadConn | Tx, asking: Asking, found: Subjects, now: datetime) -> None:
    """Those that are named, those of a named series, and those whose time is past on the resources concerned."""
    series_ids: set[UUID] = set()
    named = set(asking.booking_ids)
    for request in asking.requests:
        body = request.body
        if isinstance(body, Asked):
            if body.add_to is not None:
                series_ids.add(body.add_to.series_id)
        elif body.booking_id is not None:
            named.add(body.booking_id)
        elif body.series_id is not None:
            series_ids.add(body.series_id)
    if series_ids:
        found.series = await store_queue.read_series(conn, series_ids)
        named |= set(await store_queue.read_series_bookings(conn, series_ids))
    if named:
        _add_bookings(found, await store_bookings.read_bookings(conn, named))
    late = set(await store_queue.read_due_on(conn, found.needed, now)) - found.bookings.keys() if found.needed else set()
    if late:
        _add_bookings(found, await store_bookings.read_bookings(conn, late))


def _add_bookings(found: Subjects, bookings: Sequence[Booking]) -> None:
    for booking in bookings:
        found.bookings[booking.booking_id] = booking
        found.needed |= booking.waits_for  # when it leaves a queue, others may move up
        if booking.blocking or booking.competing:
            found.needed |= {part.resource_id for part in booking.parts}


async def _take_offers(house: House, conn: ReadConn | Tx, found: Subjects) -> None:
    wanted = {booking.offer_id for booking in found.bookings.values()} | {one.offer_id for one in found.series.values()}
    missing = wanted - found.offers.keys()
    if missing:
        found.offers |= await house.shelf.take(conn, missing)
    for booking in found.bookings.values():
        offer = found.offers.get(booking.offer_id)
        if offer is None or booking.wish is None:
            continue
        competes = offer.approval is not None and not offer.approval.blocks and booking.state in (State.HELD, State.OFFERED)
        if booking.competing or competes:  # looked at again, or joins those who compete
            wish = booking.wish._replace(settled=True, person_id=None, groups=None)
            if offer.session is None:
                wish = wish._replace(start=booking.start, end=booking.end, duration=None)
            _add_pair(found, offer, wish)


def _add_wish(request: Request, found: Subjects) -> None:
    """What a wish may be given, of a series at each of its dates, and the rows of the limits that it counts under."""
    body, offer = request.body, found.offers.get(request.offer_id)
    if not isinstance(body, Asked) or offer is None:
        return
    if body.series is None:
        _add_pair(found, offer, body.wish)
    else:
        for _, wish in wishes_of(offer, body.wish, body.series):
            if wish is not None:
                _add_pair(found, offer, wish)
    if body.hold:
        _add_holder(found, body.claimant)
    found.joiners += offer.waitlist.mode is not Queue.OFF


def _add_move(request: Request, found: Subjects) -> None:
    body = request.body
    if isinstance(body, Asked) or body.move is None or body.booking_id is None:
        return
    booking = found.bookings.get(body.booking_id)
    offer = None if booking is None else found.offers.get(booking.offer_id)
    if booking is not None and offer is not None:
        _add_pair(found, offer, wish_of_move(offer, booking, body.move, request.actor))


def _add_pair(found: Subjects, offer: Offer, wish: Wish) -> None:
    found.pairs.append((offer, wish))
    # Most wishes for an offer have the same candidates: those are listed once.
    if wish.choices or wish.options or offer.offer_id not in found.plain:
        found.needed.update(resource.resource_id for resource in candidates(offer, wish))
        found.rules.update((resource.resource_id, resource.revision) for resource in candidates(offer, wish))
        if not wish.choices and not wish.options:
            found.plain.add(offer.offer_id)
    if offer.limits:
        if wish.person_id is not None:
            found.needed |= {allowance(limit.key, wish.person_id) for limit in offer.limits if limit.per is Per.PERSON}
        found.needed |= {allowance(key, group) for group, key in keys_of_groups(offer, wish.groups)}


def _add_holder(found: Subjects, claimant: Claimant) -> None:
    if claimant.kind is ClaimantKind.PARTNER and claimant.hub_id is not None:
        found.hubs.add(claimant.hub_id)
        found.needed.add(allowance(HOLDS, claimant.hub_id))
    elif claimant.person_id is not None:
        found.persons.add(claimant.person_id)
        found.needed.add(allowance(HOLDS, claimant.person_id))


async def _find_queue(house: House, conn: ReadConn | Tx, asking: Asking, found: Subjects) -> None:
    """The entries that wait for one of the rows, and the first of them whole: one for each place freed, and some more."""
    found.waiting = await store_queue.read_waiting(conn, found.needed)
    if not found.waiting:
        return
    freed = sum(max(booking.quantity, sum(part.quantity for part in booking.parts)) for booking in found.bookings.values())
    number = QUEUE_READ_MAX + freed + len(asking.requests)
    if asking.always_queue:  # the catalogue may have raised a capacity by any number
        number = len(found.waiting)
    heads = [entry.booking_id for entry in found.waiting[:number] if entry.booking_id not in found.bookings]
    _add_bookings(found, await store_bookings.read_bookings(conn, heads))
    await _take_offers_of_heads(house, conn, found)


async def _take_offers_of_heads(house: House, conn: ReadConn | Tx, found: Subjects) -> None:
    missing = {booking.offer_id for booking in found.bookings.values()} - found.offers.keys()
    if missing:
        found.offers |= await house.shelf.take(conn, missing)
    for entry in found.waiting:
        booking, offer = found.bookings.get(entry.booking_id), found.offers.get(entry.offer_id)
        if booking is not None and booking.wish is not None and offer is not None:
            _add_pair(found, offer, booking.wish._replace(settled=True, queued=True))


async def _find_unplaced(house: House, conn: ReadConn | Tx, found: Subjects) -> None:
    """Sessions that lack rooms among the rows: their rows and those of their rooms are needed too."""
    rows = await store_queue.read_unplaced(conn, found.needed)
    if rows:
        found.unplaced += await rooms_of(house, conn, [(name, offer_id) for name, _, offer_id in rows], found)


async def rooms_of(
    house: House, conn: ReadConn | Tx, sessions: Sequence[tuple[str, str]], found: Subjects
) -> list[Rooms]:  # fmt: skip
    """(session, its offer) -> the session with its rooms; rooms that are unknown or no units are left out."""
    missing = {offer_id for _, offer_id in sessions} - found.offers.keys()
    if missing:
        found.offers |= await house.shelf.take(conn, missing)
    made: list[Rooms] = []
    for name, offer_id in sessions:
        offer = found.offers.get(offer_id)
        session = None if offer is None or offer.session is None else offer.session.find(name)
        if offer is None or session is None:
            continue
        copies = {copy.resource_id: copy for copy in await store_resources.read_resources(conn, session.occupies)}
        units: list[Resource] = [
            resource_of(copies[room], offer.where.key)
            for room in session.occupies
            if room in copies and copies[room].unit_no is not None
        ]
        booking_id = ids.derived(uuid_of(offer_id), f"session/{name}/{session.revision}")
        if await store_bookings.read_bookings(conn, [booking_id]):  # it had rooms, and gave them back when its offer ended
            booking_id = ids.derived(uuid_of(offer_id), f"session/{name}/{session.revision}/{offer.revision}")
        rooms = Rooms(booking_id, offer_id, session, tuple(units))
        found.needed |= {name, *(unit.resource_id for unit in units)}
        if session.start is not None and session.end is not None:
            found.further += [(unit, session.start - unit.setup, session.end + unit.teardown) for unit in units]
        made.append(rooms)
    return made
