"""The definitions of analytics.md §6 for one local day, in plain Python. `store.days` computes the same in SQL for many."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from services.analytics.domain.facts import Booking, Refusal
from services.analytics.domain.spans import Span, Spans, common, seconds, union, without
from services.analytics.domain.words import BOOKED, EXCLUSIVE, Claimant, Kind, State
from services.analytics.domain.zones import day_span, local_day


@dataclass(frozen=True, slots=True)
class OpenDay:
    """When a resource could be booked on a day; a day on which it is closed has no spans, and still counts.

    `house`: times in which sessions of the catalogue occupy it.
    """

    resource_id: str
    kind: Kind
    units: int
    open: Spans
    house: Spans = ()


@dataclass(frozen=True, slots=True)
class ResourceDay:
    """One resource on one day. Lengths are seconds times units; `held_s` is what booking's own table holds, open or not."""

    resource_id: str
    kind: Kind | None
    bookable_s: int
    booked_s: int
    house_s: int
    out_of_hours_s: int
    held_s: int
    states: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class OfferDay:
    """One offer on one day: bookings by the day of their start, refusals by the day of the request; house use is no booking.

    `leads`, `leads_after_move`: seconds, sorted, one per booking made; the four counts are local days between them.
    """

    offer_id: str
    made: int = 0
    cancelled: int = 0
    lead_same_day: int = 0
    lead_1_7: int = 0
    lead_8_30: int = 0
    lead_over_30: int = 0
    leads: tuple[int, ...] = ()
    leads_after_move: tuple[int, ...] = ()
    states: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)


def resource_days(
    day: date, where: ZoneInfo, open_days: Iterable[OpenDay], bookings: Sequence[Booking]
) -> dict[str, ResourceDay]:
    """Every resource of that day's calendar, booked or not, and every other one with a booking that touches the day."""
    calendar = {each.resource_id: each for each in open_days}
    placed = {resource_id for booking in bookings for resource_id, _ in booking.placements}
    found = {}
    for resource_id in sorted(calendar.keys() | placed):
        of_it = [booking for booking in bookings if any(name == resource_id for name, _ in booking.placements)]
        line = _resource_day(day, where, resource_id, calendar.get(resource_id), of_it)
        if resource_id in calendar or line.states or line.held_s:
            found[resource_id] = line
    return found


def _resource_day(
    day: date, where: ZoneInfo, resource_id: str, calendar: OpenDay | None, bookings: Sequence[Booking]
) -> ResourceDay:
    bounds = day_span(day, where)
    open_ = calendar.open if calendar else ()
    exclusive = calendar is not None and calendar.kind in EXCLUSIVE
    taken: list[tuple[Span, int, bool]] = []  # span within the day, quantity, whether for the house
    states: Counter[str] = Counter()
    for booking in bookings:
        quantity = sum(number for name, number in booking.placements if name == resource_id)
        if local_day(booking.start, where) == day:
            states[booking.state] += 1
        span = (max(booking.start, bounds[0]), min(booking.until, bounds[1]))
        if booking.state in BOOKED and span[0] < span[1]:
            taken.append((span, quantity, booking.claimant is Claimant.HOUSE))
    house_use = calendar.house if calendar else ()
    if exclusive:
        inside = seconds(common(union([*(span for span, _, _ in taken), *house_use]), open_))
        house = seconds(common(union([*(span for span, _, for_house in taken if for_house), *house_use]), open_))
        outside = sum(seconds(without((span,), open_)) for span, _, _ in taken) + seconds(without(house_use, open_))
    else:
        inside = sum(seconds(common((span,), open_)) * quantity for span, quantity, _ in taken)
        house = sum(seconds(common((span,), open_)) * quantity for span, quantity, for_house in taken if for_house)
        outside = sum(seconds(without((span,), open_)) * quantity for span, quantity, _ in taken)
    return ResourceDay(
        resource_id=resource_id,
        kind=calendar.kind if calendar else None,
        bookable_s=seconds(open_) * (calendar.units if calendar else 0),
        booked_s=inside,
        house_s=house,
        out_of_hours_s=outside,
        held_s=sum(seconds((span,)) * quantity for span, quantity, _ in taken),
        states=dict(states),
    )


def offer_days(day: date, where: ZoneInfo, bookings: Sequence[Booking], refusals: Iterable[Refusal]) -> dict[str, OfferDay]:
    """Every offer with a booking that starts, or a request that was refused, on that day."""
    starting = [b for b in bookings if local_day(b.start, where) == day and b.claimant is not Claimant.HOUSE]
    refused: dict[str, Counter[str]] = {}
    for refusal in refusals:
        if refusal.day == day:
            refused.setdefault(refusal.offer_id, Counter())[refusal.reason] += 1
    offers = {booking.offer_id for booking in starting} | refused.keys()
    return {
        offer_id: _offer_day(day, offer_id, [b for b in starting if b.offer_id == offer_id], refused.get(offer_id, {}))
        for offer_id in sorted(offers)
    }


def _offer_day(day: date, offer_id: str, bookings: Sequence[Booking], refused: Mapping[str, int]) -> OfferDay:
    made = [booking for booking in bookings if booking.first_confirmed_at is not None]
    ahead = [max(0, (day - booking.first_confirmed_day).days) for booking in made if booking.first_confirmed_day is not None]
    return OfferDay(
        offer_id=offer_id,
        made=len(made),
        cancelled=sum(booking.state is State.CANCELLED for booking in made),
        lead_same_day=sum(days == 0 for days in ahead),
        lead_1_7=sum(1 <= days <= 7 for days in ahead),
        lead_8_30=sum(8 <= days <= 30 for days in ahead),
        lead_over_30=sum(days > 30 for days in ahead),
        leads=tuple(sorted(_lead(booking.start, booking.first_confirmed_at) for booking in made)),
        leads_after_move=tuple(
            sorted(_lead(booking.start, booking.first_confirmed_at, booking.last_moved_at) for booking in made)
        ),
        states=dict(Counter(booking.state.value for booking in bookings)),
        refused=dict(refused),
    )


def _lead(start: datetime, *since: datetime | None) -> int:
    """Whole seconds from the latest of these instants to the start; 0 for what was booked after it, at the desk."""
    latest = max(instant for instant in since if instant is not None)
    return max(0, (start - latest) // timedelta(seconds=1))
