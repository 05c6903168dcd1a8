"""What HTTP asks: the same reading and the same rule as a decision, on a snapshot, without locks or effects."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from hubkit.db import ReadConn
from services.booking.domain.availability import Free, LaterStarts, curable, free
from services.booking.domain.claims import Placement, Reasons, Wish
from services.booking.domain.codes import Queue
from services.booking.domain.evaluation import candidates, evaluate, windows
from services.booking.domain.hours import local_date
from services.booking.domain.occupancy import Occupancy
from services.booking.domain.offers import Offer
from services.booking.domain.zones import DAY, midnight
from services.booking.handlers.house import House
from services.booking.handlers.reading import Wanted, read_occupancy
from services.booking.limits import NEXT_START_WITHIN
from services.booking.store import queue as store_queue
from services.booking.store import resources as store_resources


@dataclass(frozen=True, slots=True)
class Checked:
    """Why not, or with what: the answer of a decision that was made now."""

    as_of: datetime
    answer: Placement | Reasons
    next_start: datetime | None


async def check(house: House, conn: ReadConn, offer_id: str, wish: Wish, ignore: UUID | None) -> Checked | None:
    """What a request with this wish would be answered; None if the offer is unknown. `ignore`: this booking does not count."""
    offer = await house.shelf.take_current(conn, offer_id)
    if offer is None:
        return None
    now = await house.clock.now(conn)
    ahead = list(windows(offer, wish, ahead=NEXT_START_WITHIN))
    occupancy = await _read_state(conn, [(offer, wish)], ahead, ignore, now)
    answer = evaluate(offer, wish, occupancy, now)
    if isinstance(answer, Placement) or not curable(offer, answer) or answer.start is None or answer.end is None:
        return Checked(now, answer, None)
    later = LaterStarts(offer, wish, answer.end - answer.start, occupancy, now)
    return Checked(now, answer, later.after(answer.start))


async def list_free(
    house: House, conn: ReadConn, offer_id: str, wish: Wish, low: datetime, high: datetime, ignore: UUID | None
) -> tuple[datetime, Free] | None:
    """(as of, what is free with a start in `[low, high)`) for a wish without times; None if the offer is unknown.

    Without a duration the shortest that the offer knows is taken.
    """
    offer = await house.shelf.take_current(conn, offer_id)
    if offer is None:
        return None
    now = await house.clock.now(conn)
    if not offer.served:
        return now, Free((), (), (), more=False)
    if offer.session is None:
        length = wish.duration or (offer.shortest if offer.lengths is None else min(offer.lengths))
        wish = wish._replace(duration=length)
        # The first and the last wish of the window, for the limits of who asks; what is taken, over all of it.
        edges = [(offer, wish._replace(start=start)) for start in (low, high)]
        further = list(windows(offer, edges[0][1], ahead=high - low))
    else:
        wish = wish._replace(duration=None)
        edges, further = [(offer, wish)], []
    occupancy = await _read_state(conn, edges, further, ignore, now)
    return now, free(offer, wish, low, high, occupancy, now)


@dataclass(frozen=True, slots=True)
class Day:
    """A local date: the first start (or session) that can be booked then, and how many there are."""

    date: date
    first_start: datetime | None
    count: int


async def list_days(
    house: House, conn: ReadConn, offer_id: str, wish: Wish, first: date, after: date, ignore: UUID | None
) -> tuple[datetime, list[Day]] | None:
    """(as of, each local date of `[first, after)`): free if and only if booking one of its starts would succeed."""
    offer = await house.shelf.take_current(conn, offer_id)
    if offer is None:
        return None
    low, high = midnight(first, offer.where), midnight(after, offer.where)
    found = await list_free(house, conn, offer_id, wish, low, high, ignore)
    assert found is not None, "the offer is known"
    as_of, answer = found
    starts = [*answer.starts, *(session.start for session in answer.sessions if session.bookable)]
    by_day: dict[date, list[datetime]] = {}
    for start in starts:
        by_day.setdefault(local_date(start, offer.where), []).append(start)
    days = [first + n * DAY for n in range((after - first).days)]
    return as_of, [Day(day, min(by_day[day]), len(by_day[day])) if day in by_day else Day(day, None, 0) for day in days]


async def _read_state(
    conn: ReadConn, asked: Sequence[tuple[Offer, Wish]], further: Sequence[Wanted], ignore: UUID | None, now: datetime
) -> Occupancy:  # fmt: skip
    """What is taken as a newcomer finds it, the queues of `strict` sessions included; all wishes are for one offer."""
    offer, wish = asked[0]
    used = await _read_used(conn, offer, wish)
    occupancy = await read_occupancy(conn, asked, used=used, now=now, further=further, ignore=ignore)
    if offer.session is not None and offer.waitlist.mode is Queue.STRICT:
        for entry in await store_queue.read_waiting(conn, used):
            for name in entry.waits_for & used.keys():
                occupancy.sessions[name].queued = True
    return occupancy


async def _read_used(conn: ReadConn, offer: Offer, wish: Wish) -> dict[str, int]:
    named = {resource.resource_id for resource in candidates(offer, wish)}
    return {copy.resource_id: copy.used for copy in await store_resources.read_resources(conn, named)}
