"""Series: one wish at many dates, each judged against a state that contains its predecessors (booking.md §9)."""

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, datetime
from zoneinfo import ZoneInfo

from services.booking.domain.claiming import grant, judge, may_request
from services.booking.domain.claims import Booking, Claimant, ClaimantKind, Placement, Reasons, Why, Wish, reasons
from services.booking.domain.codes import TERMINAL, Every, Reason, Role, State
from services.booking.domain.commands import act, owns_series
from services.booking.domain.desk import Desk, withdraw
from services.booking.domain.offers import Offer
from services.booking.domain.requests import (
    CHANGES,
    Asked,
    Change,
    Command,
    Named,
    Outcome,
    Refused,
    Rejected,
    Request,
    Result,
    Series,
    SeriesDecided,
    SeriesRef,
    SeriesRule,
    Told,
)
from services.booking.domain.wishes import malformed, taken_parts
from services.booking.domain.zones import DAY, resolve

WEEK_DAYS = 7


def starts_of(rule: SeriesRule, first: datetime) -> Iterator[datetime]:
    """The local starts, wall clock kept; `month` keeps the ordinal of the weekday, where there is no fifth it is the last."""
    for n in range(rule.times):
        steps = n * rule.interval
        if rule.every is Every.MONTH:
            day = _same_weekday(first.date(), steps)
        else:
            day = first.date() + steps * (DAY if rule.every is Every.DAY else WEEK_DAYS * DAY)
        yield datetime.combine(day, first.time())


def _same_weekday(first: date, months: int) -> date:
    """The date `months` later with the same ordinal weekday, such as the second Tuesday."""
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    ordinal = (first.day - 1) // WEEK_DAYS
    lead = (first.weekday() - date(year, month + 1, 1).weekday()) % WEEK_DAYS
    day = 1 + lead + ordinal * WEEK_DAYS
    if day > monthrange(year, month + 1)[1]:
        day -= WEEK_DAYS
    return date(year, month + 1, day)


def wishes_of(offer: Offer, wish: Wish, rule: SeriesRule) -> list[tuple[datetime, Wish | None]]:
    """(start as it is told, wish) of each occurrence; no wish where its local start is no instant.

    Elapsed length is kept, or the clock's end where the wish says that by the clock: then each date has its own.
    """
    assert wish.start is not None, "the contract asks a series for its start"
    local = _by_the_clock(wish.start, offer.where)
    by_clock = wish.end is not None and (wish.start.tzinfo is None or wish.end.tzinfo is None)
    length = wish.duration if wish.end is None or by_clock else wish.end - wish.start
    found: list[tuple[datetime, Wish | None]] = []
    for moment in starts_of(rule, local):
        start = resolve(moment, offer.where)
        if isinstance(start, Reason):
            found.append((moment, None))
        else:
            end = moment + (_by_the_clock(wish.end, offer.where) - local) if by_clock and wish.end is not None else None
            found.append((start, wish._replace(start=start, end=end, duration=length)))
    return found


def _by_the_clock(moment: datetime, where: ZoneInfo) -> datetime:
    return moment if moment.tzinfo is None else moment.astimezone(where).replace(tzinfo=None)


def decide_series(request: Request, asked: Asked, desk: Desk, now: datetime) -> Outcome:
    """`skip`: good ones are booked, the others recorded with their reason. Otherwise all, or nothing and every reason."""
    offer, rule = desk.offers.get(request.offer_id), asked.series
    assert rule is not None and asked.series_id is not None, "asked for a series"
    permitted = may_request(request.actor, asked, offer)
    if offer is None or not permitted:
        found = [] if permitted else [Why(Reason.NOT_PERMITTED)]
        return Rejected(reasons(found if offer is not None else [*found, Why(Reason.UNKNOWN_OFFER)]))
    detail = malformed(offer, asked.wish, taken_parts(offer, asked.wish)) if offer.served else ()
    if asked.hold:
        detail = (*detail, "/intent")
    if detail:
        return Refused(Reasons((Why(Reason.INVALID_REQUEST),), detail=detail))
    made: list[Booking] = []
    results: list[Result] = []
    told: list[Told] = []
    ids = (asked.booking_id, *asked.occurrence_ids)
    for n, (start, wish) in enumerate(wishes_of(offer, asked.wish, rule)):
        one = asked._replace(booking_id=ids[n], add_to=SeriesRef(asked.series_id, n))
        result, outcome = _occurrence(request, one, wish, start, offer, desk, now)
        results.append(result)
        if outcome is not None:
            made.append(outcome.booking)
            told.append(Told(outcome, request.actor.role))
    series = Series(asked.series_id, offer.offer_id, asked.claimant, rule, tuple(results))
    if not rule.skip and len(made) < rule.times:
        for booking in made:
            withdraw(desk, booking)
        results = [result._replace(state=None, booking_id=None) for result in results]
        return SeriesDecided(series._replace(results=tuple(results)), Reason.SERIES_INCOMPLETE, stored=False)
    desk.series[series.series_id] = series
    desk.told += told
    return SeriesDecided(series)


def _occurrence(
    request: Request, one: Asked, wish: Wish | None, start: datetime, offer: Offer, desk: Desk, now: datetime
) -> tuple[Result, Change | None]:  # fmt: skip
    """Judge and grant one date of a series."""
    assert one.add_to is not None, "an occurrence has its number"
    n = one.add_to.n
    if wish is None:
        reason = resolve(start, offer.where)
        assert isinstance(reason, Reason), "no instant, so there is a reason"
        return Result(n, start, None, None, reason), None
    one = one._replace(wish=wish)
    answer = judge(request, one, offer, desk, now)
    if not isinstance(answer, Placement):
        return Result(n, start, None, None, answer.first), None
    outcome = grant(request, one, offer, answer, desk, now)
    return Result(n, start, outcome.booking.state, outcome.booking.booking_id), outcome


def _is_forgotten(claimant: Claimant) -> bool:
    """Whether retention has taken out who it was."""
    return claimant.kind is not ClaimantKind.HOUSE and claimant.person_id is None and claimant.hub_id is None


def decide_on_series(request: Request, named: Named, desk: Desk, now: datetime) -> Outcome:
    """Cancel a series from an occurrence on, or decide on its approvals: each by the rules of a single one."""
    series = None if named.series_id is None else desk.series.get(named.series_id)
    if series is None or _is_forgotten(series.claimant):
        found = [Why(Reason.GONE)] + ([] if request.actor.permitted else [Why(Reason.NOT_PERMITTED)])
        return Refused(reasons(found))
    staff_only = request.command is Command.DECIDE and request.actor.role is not Role.STAFF
    if staff_only or not owns_series(request.actor, series.claimant):
        return Refused(Reasons((Why(Reason.NOT_PERMITTED),)))
    results: list[Result] = []
    for result in series.results:
        booking = None if result.booking_id is None else desk.bookings.get(result.booking_id)
        if booking is None:
            booking = next(
                (b for b in desk.bookings.values() if b.series_id == series.series_id and b.occurrence_no == result.n), None
            )
        if booking is None:
            results.append(result)
            continue
        reason = None
        if result.n >= named.from_n and booking.state not in TERMINAL:
            outcome = act(request._replace(expected_version=None), named, booking, desk, now)
            if isinstance(outcome, CHANGES):
                desk.told.append(Told(outcome, request.actor.role))
            elif isinstance(outcome, Refused):
                reason = outcome.reasons.first
        state: State = desk.bookings[booking.booking_id].state
        results.append(Result(result.n, result.start, state, booking.booking_id, reason))
    decided = series._replace(results=tuple(results))
    desk.series[series.series_id] = decided
    return SeriesDecided(decided)
