"""Open days, derived anew for the resources that were marked (analytics.md §4); days that changed are marked in turn."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from hubkit import points
from hubkit.db import Tx
from services.analytics.domain.days import OpenDay
from services.analytics.domain.opening import History, OfferRevision, ResourceRevision, open_days, session_of
from services.analytics.domain.spans import Span, union
from services.analytics.limits import CALENDAR_DAYS
from services.analytics.store import calendars, marks, states
from services.analytics.wire.offers import offer_revision, resource_revision

Calendar = dict[tuple[str, date], OpenDay]


async def derive(tx: Tx, hub_id: str, resource_ids: Collection[str], *, today: date, where: ZoneInfo) -> int:
    """Derive the open days of these resources within 14 months either side of `today`; how many days changed.

    Their locks are held. What is older than that stays as it is.
    """
    first, last = today - timedelta(days=CALENDAR_DAYS), today + timedelta(days=CALENDAR_DAYS)
    histories = await _histories(tx, hub_id, resource_ids)
    derived: Calendar = {
        (history.resource_id, day): open_day
        for history in histories
        for day, open_day in open_days(history, first=first, last=last, where=where).items()
    }
    stored = await calendars.read_open_days(tx, hub_id, resource_ids, first, last)
    gone = [key for key in stored if key not in derived]
    changed = {key: open_day for key, open_day in derived.items() if stored.get(key) != open_day}
    if gone or changed:
        await calendars.replace_open_days(tx, hub_id, gone, changed)
        await marks.mark_days(tx, hub_id, {day for _, day in (*gone, *changed)})
    await calendars.note_derived(tx, hub_id, [h.resource_id for h in histories if h.revisions[-1].session is None], last)
    points.reached("analytics.after_calendar")
    return len(gone) + len(changed)


async def _histories(tx: Tx, hub_id: str, resource_ids: Collection[str]) -> list[History]:
    """What is known of these resources; one that no state ever showed has no history, its bookings are out of hours."""
    sessions = await states.read_occupying(tx, hub_id, resource_ids)
    needed = {*resource_ids, *sessions}
    revisions = _by_resource([resource_revision(row) for row in await states.read_resources(tx, hub_id, needed)])
    offers = _by_offer([offer_revision(row) for row in await states.read_offers(tx, hub_id, needed)])
    showing = _showing(offers)
    booked = await calendars.read_first_bookings(tx, hub_id, resource_ids)

    def history(resource_id: str) -> History:
        shown_by = [offers[name] for name in showing.get(resource_id, ())]
        return History(resource_id, revisions[resource_id], shown_by, first_booked=booked.get(resource_id))

    taken = _taken(history(name) for name in sessions)
    return [
        replace(history(resource_id), house=union(taken.get(resource_id, ())))
        for resource_id in sorted(resource_ids)
        if resource_id in revisions
    ]


def _taken(sessions: Iterable[History]) -> dict[str, list[Span]]:
    """When units are taken by sessions that take place."""
    taken: dict[str, list[Span]] = {}
    for history in sessions:
        session = session_of(history, to_be_booked=False)
        if session is not None:
            for unit_id in session.occupies:
                taken.setdefault(unit_id, []).append((session.start, session.end))
    return taken


def _by_resource(rows: Iterable[ResourceRevision]) -> dict[str, list[ResourceRevision]]:
    found: dict[str, list[ResourceRevision]] = {}
    for row in rows:
        found.setdefault(row.resource_id, []).append(row)
    return found


def _by_offer(rows: Iterable[OfferRevision]) -> dict[str, list[OfferRevision]]:
    found: dict[str, list[OfferRevision]] = {}
    for row in rows:
        found.setdefault(row.offer_id, []).append(row)
    return found


def _showing(offers: Mapping[str, Sequence[OfferRevision]]) -> dict[str, list[str]]:
    """Resource -> the offers that ever showed it, in order."""
    found: dict[str, dict[str, None]] = {}
    for offer_id, revisions in offers.items():
        for revision in revisions:
            for resource_id in revision.resource_ids:
                found.setdefault(resource_id, {})[offer_id] = None
    return {resource_id: list(names) for resource_id, names in found.items()}
