"""What a person or group may still take: limits counted over the bookings there already are (booking.md §3, §7)."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from services.booking.domain.claims import Wish
from services.booking.domain.codes import BLOCKING, USED_UP, Measure, Per, Reason, Window
from services.booking.domain.hours import Span, local_date
from services.booking.domain.occupancy import Counted, Occupancy, Profile
from services.booking.domain.offers import Limit, Offer
from services.booking.domain.zones import DAY, MINUTE, midnight
from services.booking.limits import NEXT_START_WITHIN

FOREVER = datetime(9999, 1, 1, tzinfo=UTC)


def broken(
    offer: Offer, wish: Wish, start: datetime, end: datetime, occupancy: Occupancy, now: datetime
) -> list[Reason]:  # fmt: skip
    """The limits of the offer that this claim would pass: the person's, and the contingents of the groups they ask for."""
    found: list[Reason] = []
    for limit in offer.limits:
        if limit.per is Per.PERSON:
            if wish.person_id is None:
                continue
            held = occupancy.people.get((wish.person_id, limit.key), ())
        else:
            if wish.groups is None or limit.group is None or limit.group not in wish.groups:
                continue
            held = occupancy.groups.get((limit.group, limit.key), ())
        mine = weight(limit.measure, wish.quantity, start, end)
        if mine + taken(limit, held, start, end, offer.where, now) > limit.most:
            found.append(Reason.PERSON_LIMIT if limit.per is Per.PERSON else Reason.GROUP_QUOTA)
    return found


def passes(offer: Offer, wish: Wish, start: datetime, end: datetime, occupancy: Occupancy, now: datetime) -> bool:
    """Whether every limit of the offer is kept with this claim."""
    return not broken(offer, wish, start, end, occupancy, now)


def keys_of_groups(offer: Offer, groups: frozenset[str] | None) -> list[tuple[str, str]]:
    """(group, key) of each contingent of the offer under which somebody of these groups counts."""
    if not groups or not offer.limits:
        return []
    return [
        (limit.group, limit.key)
        for limit in offer.limits
        if limit.per is Per.GROUP and limit.group is not None and limit.group in groups
    ]


def weight(measure: Measure, quantity: int, start: datetime, end: datetime) -> int:
    """What one booking adds; begun minutes count whole."""
    if measure is Measure.BOOKINGS:
        return 1
    return quantity if measure is Measure.PLACES else -((start - end) // MINUTE)


def taken(limit: Limit, held: Iterable[Counted], start: datetime, end: datetime, where: ZoneInfo, now: datetime) -> int:
    """What the person has under `limit` as a claim of `[start, end)` sees it.

    `active`: blocking and not over yet. `same_time`: the most that they have at any one instant of the span. The others:
    by local date of the start, also what was used up.
    """
    if limit.window is Window.SAME_TIME:
        profile = Profile()
        for counted in held:
            if counted.state in BLOCKING:
                added = weight(limit.measure, counted.quantity, counted.start, counted.end)
                profile.add(counted.start, counted.end, added)
        return profile.peak(start, end)
    if limit.window is Window.ACTIVE:
        return sum(
            weight(limit.measure, counted.quantity, counted.start, counted.end)
            for counted in held
            if counted.state in BLOCKING and counted.end > now
        )
    low, high = around(limit.window, local_date(start, where), where)
    return sum(
        weight(limit.measure, counted.quantity, counted.start, counted.end)
        for counted in held
        if low <= counted.start < high and (counted.state in BLOCKING or counted.state in USED_UP)
    )


def around(window: Window, day: date, where: ZoneInfo) -> tuple[datetime, datetime]:
    """The instants of the local day, week (from Monday) or month that contains the date."""
    if window is Window.WEEK:
        first = day - day.weekday() * DAY
        after = first + 7 * DAY
    elif window is Window.MONTH:
        first = day.replace(day=1)
        after = (first + 31 * DAY).replace(day=1)
    else:
        first, after = day, day + DAY
    return midnight(first, where), midnight(after, where)


def reading_window(offer: Offer, spans: Sequence[Span], now: datetime) -> Span:
    """From when to when a person's bookings must be known to judge the offer's limits for claims of these spans.

    Also for later starts within `NEXT_START_WITHIN`.
    """
    first = min(start for start, _ in spans)
    last = max(end for _, end in spans) + NEXT_START_WITHIN
    low, high = min(first, now), last
    for limit in offer.limits:
        if limit.window in (Window.DAY, Window.WEEK, Window.MONTH):
            low = min(low, around(limit.window, local_date(first, offer.where), offer.where)[0])
            high = max(high, around(limit.window, local_date(last, offer.where), offer.where)[1])
        elif limit.window is Window.ACTIVE:
            high = FOREVER
    return low, high
