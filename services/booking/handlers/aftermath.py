"""What a change of the catalogue does to what stands: closures, moved sessions, their rooms, capacity, the queue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from contracts.booking import CapacityChanged, ClosureApplied, SessionUnplaced
from contracts.booking.outcomes import DISPLACED_MAX
from contracts.booking.vocabulary import Span
from contracts.envelope import Event
from hubkit.db import Tx
from services.booking.domain.claims import Booking
from services.booking.domain.closures import OFFER_CANCELLED, Applied, Closure, close, release_rooms, search_windows, take_along
from services.booking.domain.codes import Kind
from services.booking.domain.copies import OfferCopy, ResourceCopy, Status
from services.booking.domain.desk import Desk, Rooms
from services.booking.domain.offers import Resource
from services.booking.domain.promotion import in_the_way, place_session, promote
from services.booking.handlers.house import House
from services.booking.handlers.runs import Locks, Run
from services.booking.handlers.settlement import consequences, open_desk
from services.booking.handlers.subjects import Asking, Subjects, find_subjects, rooms_of
from services.booking.handlers.telling import Told, tell_closure, tell_notice
from services.booking.handlers.writing import write
from services.booking.limits import DISPLACED_SEARCHED_MAX
from services.booking.store import closures as store_closures
from services.booking.store import offers as store_offers
from services.booking.store import queue as store_queue
from services.booking.store import resources as store_resources
from services.booking.wire import answers
from services.booking.wire.offers import blackouts_of, resource_of

EVER = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
ZONE = "Etc/UTC"  # of rules that are looked at for their instants only


@dataclass(slots=True)
class Effects:
    """What one state of the catalogue changes of what stands. `sessions` are those whose rooms are looked at anew."""

    cause: Event
    offer_id: str
    closures: list[Closure] = field(default_factory=list)
    moved: list[Resource] = field(default_factory=list)
    cuts: dict[str, int] = field(default_factory=dict)  # resource -> what is taken of it
    freed: set[str] = field(default_factory=set)
    left_rooms: list[tuple[tuple[str, ...], datetime, datetime]] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    reopened: bool = False  # the offer is published again: its sessions may have given back their rooms

    def any(self) -> bool:
        """Whether there is something to do."""
        return bool(self.closures or self.moved or self.cuts or self.freed or self.left_rooms or self.sessions)


def add_resource(effects: Effects, before: ResourceCopy | None, after: ResourceCopy, taken: int) -> None:
    """The difference between two revisions of a resource; `before` None: it is new."""
    new = resource_of(after, ZONE)
    if new.kind is Kind.SESSION:
        _add_session(effects, None if before is None else resource_of(before, ZONE), new)
    if before is None:
        return
    old_spans, new_spans = blackouts_of(before.rules, of_offer=False), blackouts_of(after.rules, of_offer=False)
    name = after.resource_id
    effects.closures += [Closure(None, name, cause, start, end) for start, end, cause in sorted(new_spans - old_spans)]
    if before.capacity != after.capacity and after.capacity is not None:
        effects.cuts[name] = taken
    if old_spans - new_spans or (after.capacity or 0) > (before.capacity or 0):
        effects.freed.add(name)


def _add_session(effects: Effects, old: Resource | None, new: Resource) -> None:
    assert new.start is not None and new.end is not None, "a session has its time"
    if old is not None and old.start is not None and old.end is not None:
        same_rooms = (old.start, old.end, old.occupies, old.scheduled) == (new.start, new.end, new.occupies, new.scheduled)
        if old.scheduled and not new.scheduled:
            effects.closures.append(Closure(None, new.resource_id, "session_cancelled", *EVER))
        elif (old.start, old.end) != (new.start, new.end):
            effects.moved.append(new)
            effects.freed.add(new.resource_id)
        if old.occupies and old.scheduled and not same_rooms:
            effects.left_rooms.append((old.occupies, old.start, old.end))
        if same_rooms:
            return
    if new.occupies and new.scheduled:
        effects.sessions.append(new.resource_id)


def add_offer(effects: Effects, before: OfferCopy | None, after: OfferCopy) -> None:
    """The difference between two revisions of an offer."""
    if before is None:
        return
    if after.status is Status.CANCELLED and before.status is not Status.CANCELLED:
        effects.closures.append(Closure(after.offer_id, None, OFFER_CANCELLED, *EVER))
    old_spans, new_spans = blackouts_of(before.rules, of_offer=True), blackouts_of(after.rules, of_offer=True)
    effects.closures += [
        Closure(after.offer_id, None, cause, start, end) for start, end, cause in sorted(new_spans - old_spans)
    ]
    effects.reopened = after.status is Status.PUBLISHED and before.status is not Status.PUBLISHED
    if old_spans - new_spans or effects.reopened:
        effects.freed |= set(after.resource_ids)


async def apply_effects(house: House, tx: Tx, effects: Effects, locked: frozenset[str], now: datetime) -> frozenset[str]:
    """Change what stands, under the locks; the rows that turned out to be missing (then nothing was done), or none."""
    closed = {c.resource_id for c in effects.closures if c.resource_id is not None}
    closed |= {session.resource_id for session in effects.moved}
    offer_ids = {c.offer_id for c in effects.closures if c.offer_id is not None and c.resource_id is None}
    hit = await store_closures.read_hit(tx, closed, offer_ids, now) if closed or offer_ids else []
    held: dict[UUID, None] = {}
    for rooms, start, end in effects.left_rooms:
        booking_id = await store_closures.read_rooms_of(tx, effects.offer_id, rooms, start, end)
        if booking_id is not None:
            held[booking_id] = None
    touched = closed | effects.freed | effects.cuts.keys()
    naming = set(await store_offers.read_naming(tx, touched)) if touched else set()
    house.shelf.drop(naming | {effects.offer_id})
    asking = Asking(booking_ids={*hit, *held}, resource_ids=touched, offer_ids=naming | {effects.offer_id}, always_queue=True)
    found = await find_subjects(house, tx, asking, now)
    sessions = [*effects.sessions, *(await _roomless(tx, effects, found, now) if effects.reopened else ())]
    wanted = await rooms_of(house, tx, [(name, effects.offer_id) for name in sessions], found)
    missing = found.needed - locked
    if missing:
        return frozenset(missing)
    rows = await store_resources.lock_resources(tx, found.needed | touched)
    locks = Locks(rows, found.offers, now)
    desk = await open_desk(house, tx, found, locks, further=_further(found, hit))
    applied, unplaced = _change(desk, effects, held, wanted, now)
    waited = [rooms.session.resource_id for rooms in found.unplaced]
    run = Run(found.bookings, desk, consequences(desk), found.series, waited)
    more = [*_closed(house, effects, applied, found.bookings, now), *_cut(house, effects, rows, now)]
    more += [_unplaced(house, effects, desk, rooms, now) for rooms in unplaced]
    if unplaced:
        await store_queue.mark_placed(tx, [rooms.session.resource_id for rooms in unplaced], unplaced=True)
    await write(house, tx, run, locks, more, effects.cause)
    return frozenset()


async def _roomless(tx: Tx, effects: Effects, found: Subjects, now: datetime) -> list[str]:
    """Sessions of the offer that are to come and want rooms, but hold none since it was cancelled."""
    offer = found.offers.get(effects.offer_id)
    names: list[str] = []
    for session in () if offer is None or offer.session is None else offer.session.resources:
        if not session.occupies or not session.scheduled or session.resource_id in effects.sessions:
            continue
        if session.start is None or session.end is None or session.end <= now:
            continue
        if await store_closures.read_rooms_of(tx, effects.offer_id, session.occupies, session.start, session.end) is None:
            names.append(session.resource_id)
    return names


def _further(found: Subjects, hit: Sequence[UUID]) -> list[tuple[Resource, datetime, datetime]]:
    """What is to be known to find alternatives for the first of those that are displaced."""
    further = list(found.further)
    for booking_id in hit[:DISPLACED_SEARCHED_MAX]:
        booking = found.bookings.get(booking_id)
        offer = None if booking is None else found.offers.get(booking.offer_id)
        if booking is not None and offer is not None and offer.served:
            further += search_windows(offer, booking)
    return further


def _change(
    desk: Desk, effects: Effects, held: Mapping[UUID, None], wanted: Sequence[Rooms], now: datetime
) -> tuple[list[Applied], list[Rooms]]:  # fmt: skip
    """Closures first, then what moves, then rooms, then the queue: what a closure frees beside its span is of use."""
    applied = close(desk, effects.closures, now)
    for session in effects.moved:
        applied += take_along(desk, session, now)
    freed = set(effects.freed)
    for booking_id in held:
        booking = desk.bookings.get(booking_id)
        if booking is not None:
            freed |= release_rooms(desk, booking)
    desk.unplaced = [rooms for rooms in desk.unplaced if rooms.booking_id not in {w.booking_id for w in wanted}]
    unplaced: list[Rooms] = []
    for rooms in wanted:
        desk.unplaced.append(rooms)
        assert rooms.session.end is not None, "a session has its time"
        if not place_session(desk, rooms, now) and rooms.session.end > now:
            unplaced.append(rooms)
    promote(desk, freed | desk.freed, now)
    return applied, [rooms for rooms in unplaced if rooms in desk.unplaced]


def _closed(
    house: House, effects: Effects, applied: Sequence[Applied], bookings: Mapping[UUID, Booking], now: datetime
) -> list[Told]:  # fmt: skip
    """`ClosureApplied` in parts of a thousand bookings, numbered through for each offer and resource."""
    told: list[Told] = []
    parts: dict[tuple[str, str], int] = {}
    for one in applied:
        closure, name = one.closure, one.closure.resource_id or ""
        start, end = closure.start, closure.end
        if (start, end) == EVER:
            spans = [(b.start, b.end) for i in one.displaced if (b := bookings.get(i)) is not None] or [(now, now)]
            start, end = min(span[0] for span in spans), max(span[1] for span in spans)
        start, end = start.replace(microsecond=0), end.replace(microsecond=0)
        for first in range(0, max(1, len(one.displaced)), DISPLACED_MAX):
            part = parts[one.offer_id, name] = parts.get((one.offer_id, name), 0) + 1
            fact = ClosureApplied(
                offer_id=one.offer_id, actor_role=answers.SYSTEM, cause=closure.cause, span=Span(start=start, end=end),
                displaced=one.displaced[first : first + DISPLACED_MAX], part=part,
            )  # fmt: skip
            told.append(tell_closure(house, fact, name, effects.cause, now, part=part))
    return told


def _cut(house: House, effects: Effects, rows: Mapping[str, store_resources.Locked], now: datetime) -> list[Told]:
    """`CapacityChanged` of each session or pool with another capacity."""
    told: list[Told] = []
    for name, taken in effects.cuts.items():
        capacity = rows[name].capacity or 0
        fact = CapacityChanged(
            offer_id=effects.offer_id, actor_role=answers.SYSTEM, resource_id=name, capacity=capacity, used=taken,
            over_capacity=max(0, taken - capacity),
        )  # fmt: skip
        told.append(tell_notice(house, fact, effects.cause.id, effects.cause, now, part=None))
    return told


def _unplaced(house: House, effects: Effects, desk: Desk, rooms: Rooms, now: datetime) -> Told:
    fact = SessionUnplaced(
        offer_id=effects.offer_id, actor_role=answers.SYSTEM, resource_id=rooms.session.resource_id,
        in_the_way=tuple(in_the_way(desk, rooms)[:DISPLACED_MAX]),
    )  # fmt: skip
    return tell_notice(house, fact, effects.cause.id, effects.cause, now, part=None)
