"""When a resource could have been booked, derived from all revisions of it and of the offers that show it (analytics.md §4).

Weekly hours, capacity and kind of a day are those in force at its end, so that today's change never rewrites last year. Dated
items (closures, exceptions, sessions) count for their date whenever they were entered, newest version each: one that disappears
before it is over is gone, one that disappears later stays, since the catalogue tidies up.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from services.analytics.domain.days import OpenDay
from services.analytics.domain.spans import Span, Spans, common, union, without
from services.analytics.domain.words import EXCLUSIVE, Kind
from services.analytics.domain.zones import DAY, SECOND, closing_edge, day_span, days_between, local_day, opening_edge

K = TypeVar("K")
V = TypeVar("V")

LocalSpan = tuple[int, int]  # minutes of clock face since local midnight, the end up to 1440
ALL_DAY: tuple[LocalSpan, ...] = ((0, 1440),)


@dataclass(frozen=True, slots=True)
class Session:
    """A date with places; `occupies`: the units that it takes for the house."""

    start: datetime
    end: datetime
    scheduled: bool
    occupies: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ResourceRevision:
    """A resource as one revision has it, first seen `at`. `weekly` by weekday, Monday is 1; empty = open all day, every day."""

    resource_id: str
    revision: int
    at: datetime
    kind: Kind
    where: ZoneInfo
    units: int = 1
    weekly: Mapping[int, Sequence[LocalSpan]] = field(default_factory=dict)
    exceptions: Mapping[date, Sequence[LocalSpan]] = field(default_factory=dict)
    blackouts: Mapping[str, Span] = field(default_factory=dict)
    session: Session | None = None


@dataclass(frozen=True, slots=True)
class OfferRevision:
    """An offer as one revision has it, first seen `at`. `bookable_ids`: resources that one of its components names.

    `live`: published or suspended; `bookable`: whether its bookings are made here at all.
    """

    offer_id: str
    revision: int
    at: datetime
    live: bool
    bookable: bool
    resource_ids: frozenset[str] = frozenset()
    bookable_ids: frozenset[str] = frozenset()
    blackouts: Mapping[str, Span] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class History:
    """What is known of one resource: its revisions and, offer by offer, theirs; all in order of revision, none empty."""

    resource_id: str
    revisions: Sequence[ResourceRevision]
    offers: Sequence[Sequence[OfferRevision]]
    house: Spans = ()
    first_booked: date | None = None


def standing(revisions: Iterable[tuple[datetime, Mapping[K, V]]], end_of: Callable[[K, V], datetime]) -> dict[K, V]:
    """The dated items that count, newest version each; `revisions` in their order, each with the instant it was first seen."""
    items: dict[K, V] = {}
    for at, present in revisions:
        for key in [key for key in items if key not in present and at < end_of(key, items[key])]:
            del items[key]
        items.update(present)
    return items


def session_of(history: History, *, to_be_booked: bool) -> Session | None:
    """The session as it takes, or took, place; None if it was called off, or if nobody could book it and that was asked."""
    newest = history.revisions[-1].session
    if newest is None or not newest.scheduled:
        return None
    for offer in history.offers:
        holds = False
        for state in offer:
            among = state.bookable_ids if to_be_booked else state.resource_ids
            if state.live and (state.bookable or not to_be_booked) and history.resource_id in among:
                holds = True
            elif state.at < newest.end:
                holds = False
        if holds:
            return newest
    return None


def open_days(history: History, *, first: date, last: date, where: ZoneInfo) -> dict[date, OpenDay]:
    """Day by day from `first` to `last`, days of the hub's zone `where`; days on which it does not count are left out."""
    if history.revisions[-1].session is not None:
        return _session_days(history, first, last, where)
    spells = _spells(history)
    if not spells:
        return {}
    blackouts = union(standing(((r.at, r.blackouts) for r in history.revisions), lambda _, span: span[1]).values())
    zone = history.revisions[-1].where
    exceptions = standing(((r.at, r.exceptions) for r in history.revisions), lambda day, _: opening_edge(day + DAY, 0, zone))
    found = {}
    for day in days_between(max(first, _counts_from(history, spells, where)), last):
        bounds = day_span(day, where)
        booked_already = history.first_booked is not None and history.first_booked <= day and bounds[1] <= spells[0][0]
        if not booked_already and not any(start < bounds[1] and bounds[0] < end for start, end in spells):
            continue
        state = _in_force(history.revisions, bounds[1])
        hours = _hours(state, exceptions, bounds)
        exclusive = state.kind in EXCLUSIVE
        found[day] = OpenDay(
            resource_id=history.resource_id,
            kind=state.kind,
            units=1 if exclusive else state.units,
            open=without(hours, blackouts),
            house=common(history.house, (bounds,)) if exclusive else (),
        )
    return found


def _session_days(history: History, first: date, last: date, where: ZoneInfo) -> dict[date, OpenDay]:
    session = session_of(history, to_be_booked=True)
    if session is None:
        return {}
    own = standing(((r.at, r.blackouts) for r in history.revisions), lambda _, span: span[1]).values()
    offers = [standing(((o.at, o.blackouts) for o in offer), lambda _, span: span[1]).values() for offer in history.offers]
    closed = union([*own, *(span for spans in offers for span in spans)])
    open_ = without(((session.start, session.end),), closed)
    days = days_between(max(first, local_day(session.start, where)), min(last, local_day(session.end - SECOND, where)))
    newest = history.revisions[-1]
    return {
        day: OpenDay(history.resource_id, newest.kind, newest.units, common(open_, (day_span(day, where),))) for day in days
    }


def _spells(history: History) -> list[Span]:
    """When some offer let people book it, one span per revision in force, the last one open-ended; sorted."""
    spells = []
    for offer in history.offers:
        for place, state in enumerate(offer):
            end = min((later.at for later in offer[place + 1 :]), default=datetime.max.replace(tzinfo=state.at.tzinfo))
            if state.live and state.bookable and history.resource_id in state.bookable_ids and state.at < end:
                spells.append((state.at, end))
    return sorted(spells)


def _counts_from(history: History, spells: Sequence[Span], where: ZoneInfo) -> date:
    """The day of its first revision, or of its first booking if that is earlier."""
    appeared = local_day(spells[0][0], where)
    return appeared if history.first_booked is None else min(appeared, history.first_booked)


def _in_force(revisions: Sequence[ResourceRevision], moment: datetime) -> ResourceRevision:
    """The highest revision seen before `moment`, else the first one."""
    return max((r for r in revisions if r.at < moment), key=lambda r: r.revision, default=revisions[0])


def _hours(state: ResourceRevision, exceptions: Mapping[date, Sequence[LocalSpan]], bounds: Span) -> Spans:
    """Open by the week or by the exception of the date, within a day of the hub; a zone of its own may shift the dates."""
    dates = days_between(local_day(bounds[0], state.where) - DAY, local_day(bounds[1] - SECOND, state.where))
    spans = []
    for day in dates:
        for opens, closes in _clock_faces(state, exceptions, day):
            start, end = opening_edge(day, opens, state.where), closing_edge(day, closes, state.where)
            spans.append((max(start, bounds[0]), min(end, bounds[1])))
    return union(spans)


def _clock_faces(state: ResourceRevision, exceptions: Mapping[date, Sequence[LocalSpan]], day: date) -> Sequence[LocalSpan]:
    exception = exceptions.get(day)
    if exception is not None:
        return exception
    return state.weekly.get(day.isoweekday(), ()) if state.weekly else ALL_DAY
