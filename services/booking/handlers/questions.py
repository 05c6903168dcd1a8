"""What HTTP asks: the same reading and the same rule as a decision, on a snapshot, without locks or effects."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import repeat
from uuid import UUID

from hubkit.db import ReadConn
from services.booking.domain.availability import Free, LaterStarts, counts_who_gets_it, curable, free, free_starts, is_free_on
from services.booking.domain.claims import Placement, Reasons, Wish
from services.booking.domain.codes import Queue
from services.booking.domain.evaluation import candidates, evaluate, windows
from services.booking.domain.hours import Span, local_date
from services.booking.domain.occupancy import Occupancy, Profile, Taken, Track
from services.booking.domain.offers import Offer
from services.booking.domain.zones import DAY, dates, midnight
from services.booking.handlers.house import House
from services.booking.handlers.reading import Asked, Wanted, read_occupancy
from services.booking.limits import DAYS_AT_A_TIME, NEXT_START_WITHIN, PAUSE_SECONDS
from services.booking.store import occupancy as store
from services.booking.store import queue as store_queue
from services.booking.store import resources as store_resources
from services.booking.store.occupancy import Window

NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Checked:
    """Why not, or with what: the answer of a decision that was made now."""

    as_of: datetime
    answer: Placement | Reasons
    next_start: datetime | None


async def check(house: House, conn: ReadConn, offer_id: str, wish: Wish, ignore: UUID | None) -> Checked | None:
    """What a request with this wish would be answered; None if the offer is unknown. `ignore`: this booking does not count."""
    offer = (await house.shelf.take_current(conn, [offer_id])).get(offer_id)
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
    offer = (await house.shelf.take_current(conn, [offer_id])).get(offer_id)
    if offer is None:
        return None
    now = await house.clock.now(conn)
    return now, await _free_of(conn, offer, wish, low, high, ignore, now)


async def _free_of(
    conn: ReadConn, offer: Offer, wish: Wish, low: datetime, high: datetime, ignore: UUID | None, now: datetime
) -> Free:  # fmt: skip
    if not offer.served:
        return Free((), (), (), more=False)
    if offer.session is not None:
        wish = wish._replace(duration=None)
        occupancy = await _read_state(conn, [(offer, wish)], [], ignore, now)
    else:
        wish = _with_length(offer, wish)
        occupancy = await _read_window(conn, offer, wish, low, high, ignore, now)
    return free(offer, wish, low, high, occupancy, now)


async def _starts_of(
    conn: ReadConn, offer: Offer, wish: Wish, low: datetime, high: datetime, ignore: UUID | None, now: datetime
) -> list[datetime]:  # fmt: skip
    """The starts alone, however many, or those of sessions that can be booked."""
    if offer.served and offer.session is None:
        wish = _with_length(offer, wish)
        occupancy = await _read_window(conn, offer, wish, low, high, ignore, now)
        return list(free_starts(offer, wish, low, high, occupancy, now))
    found = await _free_of(conn, offer, wish, low, high, ignore, now)
    return [session.start for session in found.sessions if session.bookable]


async def _read_window(
    conn: ReadConn, offer: Offer, wish: Wish, low: datetime, high: datetime, ignore: UUID | None, now: datetime
) -> Occupancy:  # fmt: skip
    """What is taken in all of a window as a newcomer finds it, of an offer without sessions; nothing tells by whom.

    Without what is booked inside of what is occupied, unless it could be of weight: it only settles which adviser is chosen.
    """
    edges, further = _of_window(offer, wish, low, high)
    others = offer.limits or (offer.approval is not None and not offer.approval.blocks)
    occupancy = await read_occupancy(conn, edges if others else (), used={}, now=now, ignore=ignore)
    hulls: dict[str, Wanted] = {}
    for resource, first, last in further:
        known = hulls.get(resource.resource_id, (resource, first, last))
        hulls[resource.resource_id] = (resource, min(first, known[1]), max(last, known[2]))
    wanted = [Window(name, one.unit_no, one.pool_no, first, last) for name, (one, first, last) in hulls.items()]
    units = [window for window in wanted if window.unit_no is not None]
    pools = [window for window in wanted if window.pool_no is not None]
    tracks: dict[str, list[Taken]] = {}
    exact = counts_who_gets_it(offer, wish)
    found = await store.read_tracks(conn, units, now, ignore, booked=exact) if units else ()
    for n, kept, lows, highs, starts, ends in found:
        spans = zip(lows, highs, starts or lows, ends or highs, repeat(NOBODY), repeat(kept), strict=False)
        tracks.setdefault(units[n].resource_id, []).extend(spans)
    occupancy.units = {name: Track.of(taken) for name, taken in tracks.items()}
    steps = await store.read_steps(conn, pools, now, ignore) if pools else ()
    occupancy.pools = {pools[n].resource_id: Profile.of(times, changes) for n, times, changes in steps}
    occupancy.known = {window.resource_id: [(window.low, window.high)] for window in wanted}
    return occupancy


def _with_length(offer: Offer, wish: Wish) -> Wish:
    return wish._replace(duration=wish.duration or (offer.shortest if offer.lengths is None else min(offer.lengths)))


def _of_window(offer: Offer, wish: Wish, low: datetime, high: datetime) -> tuple[list[Asked], list[Wanted]]:
    """The first and the last wish of the window, for the limits of who asks; and what is taken, over all of it."""
    edges = [(offer, wish._replace(start=start)) for start in (low, high)]
    return edges, list(windows(offer, edges[0][1], ahead=high - low))


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
    offer = (await house.shelf.take_current(conn, [offer_id])).get(offer_id)
    if offer is None:
        return None
    as_of = await house.clock.now(conn)
    low, high = midnight(first, offer.where), midnight(after, offer.where)
    starts = await _starts_of(conn, offer, wish, low, high, ignore, as_of)
    by_day: dict[date, list[datetime]] = {}
    for start in starts:
        by_day.setdefault(local_date(start, offer.where), []).append(start)
    return as_of, [
        Day(day, min(by_day[day]), len(by_day[day])) if day in by_day else Day(day, None, 0) for day in dates(first, after)
    ]


def days_around(offer: Offer, wish: Wish, occupied: Span) -> tuple[date, date]:
    """(first, last) local date of the starts at which `wish` would meet the span that a claim occupies, or begin behind it."""
    length = _with_length(offer, wish).duration or timedelta()
    buffers = [part.buffers(resource) for part in offer.components for resource in part.resources]
    setup = max((setup for setup, _ in buffers), default=timedelta())
    teardown = max((teardown for _, teardown in buffers), default=timedelta())
    return local_date(occupied[0] - length - teardown, offer.where), local_date(occupied[1] + setup, offer.where)


async def free_days(
    conn: ReadConn, asked: Sequence[tuple[Offer, Sequence[date]]], wish: Wish, now: datetime
) -> dict[str, dict[date, bool]]:  # fmt: skip
    """Of offers without sessions, by id: each of the local dates and whether anything is free then. One reading for all.

    With pauses: each answer of the process would wait for a step of this at every question to the database.
    """
    edges: list[Asked] = []
    further: list[Wanted] = []
    for offer, days in asked:
        for first, after in _without_gaps(days):
            low, high = midnight(first, offer.where), midnight(after, offer.where)
            of_offer = _of_window(offer, _with_length(offer, wish), low, high)
            edges += of_offer[0]
            further += of_offer[1]
    occupancy = await read_occupancy(conn, edges, used={}, now=now, further=further)
    found: dict[str, dict[date, bool]] = {}
    looked_at = 0
    for offer, days in asked:
        plain = _with_length(offer, wish)
        answers = found[offer.offer_id] = {}
        for day in days:
            if looked_at % DAYS_AT_A_TIME == 0:
                await asyncio.sleep(PAUSE_SECONDS)
            looked_at += 1
            answers[day] = offer.served and is_free_on(offer, plain, day, occupancy, now)
    return found


def _without_gaps(days: Sequence[date]) -> Iterator[tuple[date, date]]:
    """Ordered dates as stretches `[first, after)` without a gap."""
    first = last = days[0]
    for day in days[1:]:
        if day != last + DAY:
            yield first, last + DAY
            first = day
        last = day
    yield first, last + DAY


async def _read_state(
    conn: ReadConn, asked: Sequence[Asked], further: Sequence[Wanted], ignore: UUID | None, now: datetime
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
