"""`AvailabilityChanged`: a hint for those who must not rebuild the rules, made from the ledger by a timer (booking.md §5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from contracts import topics
from contracts.booking import AvailabilityChanged
from contracts.booking.outcomes import DayFree, SessionFree
from contracts.envelope import Event
from hubkit import ids, outbox
from hubkit.db import Pool, ReadConn, reading, transaction
from services.booking.domain.claims import Wish
from services.booking.domain.hours import Span, local_date
from services.booking.domain.offers import Offer
from services.booking.domain.zones import DAY, dates
from services.booking.handlers import questions
from services.booking.handlers.house import House
from services.booking.limits import FREE_WINDOW_DAYS_MAX, HINT_READ_MAX
from services.booking.store import hints as store
from services.booking.store.hints import Told
from services.booking.wire import answers

ANYBODY = Wish(None, None, None, undecided=True)


@dataclass(frozen=True, slots=True)
class Due:
    """An offer of which something may have changed: around the spans that claims took or left; None: everywhere."""

    offer_id: str
    spans: Sequence[Span] | None


async def tell_availability(house: House, pool: Pool) -> int:
    """Compare what is free with what readers were told, at most one event per offer; how many were told.

    Everything once after each change of rules, new dates after each local midnight, else what bookings touched. What was
    decided but not committed when this began is found by the next run: the mark stays in front of it.
    """
    async with reading(pool) as conn:  # ends before the snapshots below begin: who is not open now is seen there
        mark = await house.clock.now(conn) - timedelta(seconds=await store.open_seconds(conn))
    async with reading(pool) as conn:
        due = await _find_due(conn, await house.clock.now(conn), mark)
    number = 0
    for start in range(0, max(1, len(due)), HINT_READ_MAX):
        some = due[start : start + HINT_READ_MAX]
        async with reading(pool) as conn:  # one for each: a long run would meet the limit of a transaction
            known = await store.read_told(conn, [one.offer_id for one in some])
            pictures = await _pictures(house, conn, some, known, await house.clock.now(conn))
        events = [event for picture in pictures if (event := _event(house, known.get(picture.offer_id), picture))]
        async with transaction(pool) as tx:
            if not await store.lease(tx):
                return number
            await store.upsert_told(tx, [told for told in pictures if _is_news(known.get(told.offer_id), told)])
            if start + HINT_READ_MAX >= len(due):
                await store.write_mark(tx, mark)
            await outbox.put(tx, topics.BOOKING_EVENTS, events)
        number += len(events)
    return number


async def _find_due(conn: ReadConn, now: datetime, mark: datetime) -> list[Due]:
    due = {offer_id: Due(offer_id, None) for offer_id in await store.read_stale(conn, now, FREE_WINDOW_DAYS_MAX)}
    since = await store.read_mark(conn) or mark
    touched: dict[str, list[Span]] = {}
    for name, low, high in await store.read_touched(conn, since):
        touched.setdefault(name, []).append((low, high))
    for offer_id, resource_ids in (await store.read_offers_of(conn, touched)).items() if touched else ():
        if offer_id not in due:
            due[offer_id] = Due(offer_id, [span for name in resource_ids for span in touched.get(name, ())])
    return list(due.values())


async def _pictures(
    house: House, conn: ReadConn, due: Sequence[Due], known: Mapping[str, Told], now: datetime
) -> list[Told]:  # fmt: skip
    """What is free of the offers now: all sessions ahead, or each local date within 92 days; offers that are gone left out."""
    offers = await house.shelf.take_current(conn, [one.offer_id for one in due])
    revisions = await store.read_rules_revisions(conn, offers)
    pictures: list[Told] = []
    asked: list[tuple[Offer, Sequence[date]]] = []
    for one in due:
        offer = offers.get(one.offer_id)
        if offer is None:
            continue
        today = local_date(now, offer.where)
        picture = Told(one.offer_id, revisions[one.offer_id], today + FREE_WINDOW_DAYS_MAX * DAY, now, {}, {})
        if offer.session is not None:
            picture = picture._replace(sessions=await _sessions(house, conn, offer, now))
        else:
            picture, days = _part_to_look_at(offer, one, known.get(one.offer_id), picture, today)
            if days:
                asked.append((offer, days))
        pictures.append(picture)
    found = await questions.free_days(conn, asked, ANYBODY, now) if asked else {}
    return [
        picture._replace(
            days={**picture.days, **{day.isoformat(): is_free for day, is_free in found.get(picture.offer_id, {}).items()}}
        )
        for picture in pictures
    ]


def _part_to_look_at(offer: Offer, due: Due, known: Told | None, picture: Told, today: date) -> tuple[Told, Sequence[date]]:
    """The picture with the days that stand, and the days that have to be looked at, in order."""
    if known is None or known.revision != picture.revision:
        return picture, dates(today, picture.until)
    picture = picture._replace(days={day: is_free for day, is_free in known.days.items() if day >= today.isoformat()})
    if due.spans is None:
        return picture, dates(max(today, known.until), picture.until)
    touched: set[date] = set()
    for span in due.spans:
        first, last = questions.days_around(offer, ANYBODY, span)
        touched.update(dates(max(today, first), min(picture.until, last + DAY)))
    return picture, sorted(touched)


async def _sessions(house: House, conn: ReadConn, offer: Offer, now: datetime) -> dict[str, int]:
    assert offer.session is not None, "asked of an offer with sessions"
    low, high = now, now + timedelta(days=10 * 366)
    found = await questions.list_free(house, conn, offer.offer_id, ANYBODY, low, high, None)
    assert found is not None, "the offer is known"
    free = {session.resource_id: session.free if offer.published else 0 for session in found[1].sessions}
    ahead = {r.resource_id: 0 for r in offer.session.resources if r.start is not None and r.start > now}
    return ahead | free


def _is_news(known: Told | None, picture: Told) -> bool:
    """Whether the picture differs from what is stored in more than its instant."""
    return known is None or known._replace(as_of=picture.as_of) != picture


def _event(house: House, known: Told | None, picture: Told) -> Event | None:
    """What differs from what was told; everything where the rules are newer. None if there is nothing to tell."""
    whole = known is None or known.revision != picture.revision
    before = ({}, {}) if known is None or whole else (known.sessions, known.days)
    sessions = [SessionFree(resource_id=n, free=f) for n, f in sorted(picture.sessions.items()) if before[0].get(n) != f]
    days = [
        DayFree(date=date.fromisoformat(day), free=is_free)
        for day, is_free in sorted(picture.days.items())
        if before[1].get(day) != is_free
    ]
    if not sessions and not days:
        return None
    data = AvailabilityChanged(
        offer_id=picture.offer_id, actor_role=answers.SYSTEM, as_of=picture.as_of, sessions=tuple(sessions), days=tuple(days)
    )
    return Event(ids.new(), house.source, data.ce_type, picture.as_of, data.key(), data)
