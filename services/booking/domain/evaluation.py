"""The one rule function: whether a wish can be had, with what, or every reason why not.

Decision, availability, why-not and later promotion, re-check and alternatives ask it alike: two functions drift apart.
Nothing here knows a request, a version or a database.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice, permutations

from services.booking.domain import quotas
from services.booking.domain.claims import Part, Placement, Reasons, Why, Wish, reasons
from services.booking.domain.codes import EXCLUSIVE, Kind, Queue, Reason
from services.booking.domain.hours import local_date
from services.booking.domain.occupancy import Occupancy
from services.booking.domain.offers import Component, Offer, Resource, reach
from services.booking.domain.wishes import malformed, resources_of, taken_parts
from services.booking.domain.zones import DAY, MINUTE, midnight, resolve
from services.booking.limits import COMPETING_MAX, LONGEST_BOOKING, ORDERS_MAX


def evaluate(offer: Offer, wish: Wish, occupancy: Occupancy, now: datetime) -> Placement | Reasons:
    """What the wish would be given at `now`, or all reasons against it in the order of booking.md §7.

    `occupancy` must know the claims in `windows(offer, wish)`. Of several sessions the first that fits is taken.
    """
    if not offer.served:
        return Reasons((Why(Reason.NOT_BOOKABLE),))
    parts = taken_parts(offer, wish)
    detail = malformed(offer, wish, parts)
    if detail:
        return Reasons((Why(Reason.INVALID_REQUEST),), detail=detail)
    found = _of_the_offer(offer, wish, parts, now)
    if any(why.code is Reason.UNKNOWN_OFFER for why in found):
        return reasons(found)
    session = offer.session
    if session is None:
        span = span_of(offer, wish)
        if isinstance(span[0], Reason) or isinstance(span[1], Reason):
            found += [Why(moment) for moment in span if isinstance(moment, Reason)]
            return reasons(found)
        return _place(offer, wish, parts, None, (span[0], span[1]), occupancy, now, found)
    return _place_in_a_session(offer, wish, parts, session, occupancy, now, found)


def span_of(offer: Offer, wish: Wish) -> tuple[datetime | Reason, datetime | Reason]:
    """The booked instants that a wish without session names, or why a local time means none. A length is elapsed time."""
    assert wish.start is not None, "checked by malformed()"
    start = resolve(wish.start, offer.where)
    if wish.end is not None:
        return start, resolve(wish.end, offer.where)
    assert wish.duration is not None, "checked by malformed()"
    return start, start if isinstance(start, Reason) else start + wish.duration


def spans(offer: Offer, wish: Wish) -> list[tuple[datetime, datetime]]:
    """Every span that the wish could book; more than one only where a session is still to be picked.

    Empty if it can book none: nobody reads what is taken in a hundred years because somebody asked for them.
    """
    if not offer.served or malformed(offer, wish, taken_parts(offer, wish)):
        return []
    session = offer.session
    if session is None:
        start, end = span_of(offer, wish)
        if isinstance(start, Reason) or isinstance(end, Reason) or not timedelta() < end - start <= _longest(offer, wish):
            return []
        return [(start, end)]
    return [
        (candidate.start, candidate.end)
        for candidate in resources_of(session, wish)
        if candidate.start is not None and candidate.end is not None
    ]


def _longest(offer: Offer, wish: Wish) -> timedelta:
    """How long a claim may be that is looked at at all; staff may pass the offer's own bound."""
    return LONGEST_BOOKING if wish.overbook or wish.settled else offer.longest


def windows(offer: Offer, wish: Wish, *, ahead: timedelta = timedelta()) -> Iterator[tuple[Resource, datetime, datetime]]:
    """Each unit or pool that the wish could get, and from when to when its claims must be known; sessions need none.

    `ahead` is how much later a start is looked for.
    """
    booked = spans(offer, wish)
    if not booked:
        return
    for part in taken_parts(offer, wish):
        if part.kind is Kind.SESSION:
            continue
        for resource in resources_of(part, wish):
            setup, teardown = part.buffers(resource)
            for start, end in booked:
                low, high = start - setup, end + teardown + ahead
                if part.kind is Kind.ADVISER and len(part.resources) > 1:  # the least booked of that day is chosen
                    low = min(low, midnight(local_date(start, offer.where), offer.where))
                    high = max(high, midnight(local_date(start + ahead, offer.where) + DAY, offer.where))
                yield resource, low, high


def candidates(offer: Offer, wish: Wish) -> Iterator[Resource]:
    """Every resource that the wish could get: their rows are what a decision locks."""
    for part in taken_parts(offer, wish):
        yield from resources_of(part, wish)


def _of_the_offer(offer: Offer, wish: Wish, parts: Sequence[Component], now: datetime) -> list[Why]:
    """What can be said before any span is looked at."""
    found: list[Why] = []
    for part in parts:
        if not resources_of(part, wish):
            code = Reason.UNKNOWN_OFFER if wish.choice(part.component_id) is not None else Reason.NOT_BOOKABLE
            found.append(Why(code, part.component_id))
        if wish.count(part.component_id) > offer.quantity_most and not wish.overbook:
            found.append(Why(Reason.PERSON_LIMIT, part.component_id))
    if (
        not offer.published
        or (offer.bookable_from is not None and now < offer.bookable_from)
        or (offer.bookable_until is not None and now >= offer.bookable_until)
    ) and not wish.settled:
        found.append(Why(Reason.NOT_BOOKABLE))
    if wish.offer_revision is not None and wish.offer_revision != offer.revision:
        found.append(Why(Reason.REVISION_OUTDATED))
    strangers = offer.permitted_groups is not None and wish.groups is not None and not offer.permitted_groups & wish.groups
    if strangers and not wish.admitted:
        found.append(Why(Reason.NOT_PERMITTED))
    if wish.needs and not wish.needs <= frozenset().union(*(part.features for part in parts)):
        found.append(Why(Reason.NEEDS_UNMET))
    return found


def _place_in_a_session(
    offer: Offer, wish: Wish, parts: Sequence[Component], session: Component, occupancy: Occupancy, now: datetime,
    found: list[Why],
) -> Placement | Reasons:  # fmt: skip
    """Try the sessions in list order, each with its own span; the reasons are those of all that were tried."""
    refused: list[Reasons] = []
    for candidate in resources_of(session, wish):
        if not candidate.scheduled or candidate.start is None or candidate.end is None:
            refused.append(reasons([*found, Why(Reason.NOT_BOOKABLE, session.component_id)]))
            continue
        span = (candidate.start, candidate.end)
        answer = _place(offer, wish, parts, candidate, span, occupancy, now, list(found))
        if isinstance(answer, Placement):
            return answer
        refused.append(answer)
    if not refused:
        return reasons(found)
    only = refused[0] if len(refused) == 1 else None
    return reasons(
        [why for answer in refused for why in answer.items],
        start=only.start if only else None,
        end=only.end if only else None,
    )


def _place(
    offer: Offer, wish: Wish, parts: Sequence[Component], session: Resource | None, span: tuple[datetime, datetime],
    occupancy: Occupancy, now: datetime, found: list[Why],
) -> Placement | Reasons:  # fmt: skip
    """Judge one span; `found` are the reasons already known, and it becomes the list of all."""
    start, end = span
    local = start.astimezone(offer.where)
    _judge_time(offer, wish, local, (start, end), now, found, fixed=session is not None)
    if start >= end:
        return reasons(found, start=start, end=end)
    _judge_names(parts, wish, found)
    placed: dict[str, Part] = {}
    lacking: list[Why] | None = None
    for order in _orders(parts, wish):
        placed, lacks = _give(offer, wish, order, session, span, local, occupancy)
        lacking = lacks if lacking is None or not lacks else lacking
        if not lacking:
            break
    found += lacking or ()
    if offer.limits and not wish.overbook:
        found += [Why(code) for code in quotas.broken(offer, wish, start, end, occupancy, now)]
    if not found and offer.approval is not None and not offer.approval.blocks and _is_crowded(offer, wish, placed, occupancy):
        found.append(Why(Reason.CAPACITY_FULL))
    if found:
        return reasons(found, start=start, end=end)
    return Placement(start, end, tuple(placed[part.component_id] for part in parts))


def _give(
    offer: Offer, wish: Wish, order: Sequence[Component], session: Resource | None, span: tuple[datetime, datetime],
    local: datetime, occupancy: Occupancy,
) -> tuple[dict[str, Part], list[Why]]:  # fmt: skip
    """Let each part choose in that order, the next from what is left; what was had, and why the rest was not."""
    placed: dict[str, Part] = {}
    lacks: list[Why] = []
    for part in order:
        among = (session,) if session is not None and part.kind is Kind.SESSION else resources_of(part, wish)
        if part.kind is Kind.ADVISER and len(among) > 1:
            among = _least_booked_first(offer, among, span[0], occupancy)
        given = _pick(offer, part, among, wish, span, local, occupancy, placed)
        if isinstance(given, Part):
            placed[part.component_id] = given
        else:
            lacks += [Why(code, part.component_id) for code in given]
    return placed, lacks


def _is_crowded(offer: Offer, wish: Wish, placed: dict[str, Part], occupancy: Occupancy) -> bool:
    """Whether as many as may compete for the span do so already, and the wish would be one more of them."""
    assert offer.approval is not None, "asked only of offers with approval"
    if wish.settled or wish.overbook or offer.approval.auto_groups & (wish.groups or frozenset()):
        return False
    return len(occupancy.competitors(placed.values())) >= COMPETING_MAX


def _judge_time(
    offer: Offer, wish: Wish, local: datetime, span: tuple[datetime, datetime], now: datetime, found: list[Why], *,
    fixed: bool,
) -> None:  # fmt: skip
    """Length, grid, lead, horizon, blackouts and hours of the offer; of a session's fixed span staff answer for the rest."""
    start, end = span
    judged = not wish.settled and not wish.overbook
    if not fixed:
        length = end - start
        if length <= timedelta() or (judged and length < offer.shortest):
            found.append(Why(Reason.TOO_SHORT))
        own = judged and (length > offer.longest or (offer.lengths is not None and length not in offer.lengths))
        if own or length > LONGEST_BOOKING:  # nobody's: beyond it what is taken is not read
            found.append(Why(Reason.TOO_LONG))
        on = offer.grid is None or (on_grid(local, offer.grid) and on_grid(end.astimezone(offer.where), offer.grid))
        if judged and not on:
            found.append(Why(Reason.OFF_GRID))
    if judged:
        earliest, too_far = reach(offer, now)
        if start < earliest:
            found.append(Why(Reason.TOO_SOON))
        if start >= too_far:
            found.append(Why(Reason.TOO_FAR_AHEAD))
    elif wish.overbook and start < now:
        found.append(Why(Reason.TOO_SOON))
    if offer.blackouts.touch(start, end):
        found.append(Why(Reason.BLACKOUT))
    if not fixed and not wish.overbook and offer.opening is not None and not offer.opening.covers(start, end, local.date()):
        found.append(Why(Reason.OUTSIDE_OPENING_HOURS))


def on_grid(local: datetime, grid: timedelta) -> bool:
    """Whether the clock on the wall shows a whole number of grid steps since midnight."""
    if local.second or local.microsecond:
        return False
    return (local.hour * 60 + local.minute) % (grid // MINUTE) == 0


def _judge_names(parts: Sequence[Component], wish: Wish, found: list[Why]) -> None:
    """One unit can serve one component only."""
    if not wish.choices or len(wish.choices) < 2:
        return
    named: set[str] = set()
    for part in parts:
        choice = wish.choice(part.component_id)
        if choice is None or part.kind not in EXCLUSIVE:
            continue
        if choice in named:
            found.append(Why(Reason.SAME_UNIT_TWICE, part.component_id))
        named.add(choice)


def _least_booked_first(offer: Offer, among: Sequence[Resource], start: datetime, occupancy: Occupancy) -> Sequence[Resource]:
    """Advisers by what they have booked that local day, then in list order."""
    day = local_date(start, offer.where)
    low, high = midnight(day, offer.where), midnight(day + DAY, offer.where)
    tracks = occupancy.units
    return sorted(among, key=lambda r: tracks[r.resource_id].booked(low, high) if r.resource_id in tracks else timedelta())


def _pick(
    offer: Offer, part: Component, among: Sequence[Resource], wish: Wish, booked: tuple[datetime, datetime], local: datetime,
    occupancy: Occupancy, placed: dict[str, Part],
) -> Part | list[Reason]:  # fmt: skip
    """The first of the candidates that can be had, else why none can.

    Where some only lack a free span, the reason is about these: the one candidate's own, or that all of several are taken.
    """
    needs = wish.needs & part.features
    count = wish.count(part.component_id)
    faults: list[Reason] = []
    taken: list[Reason] = []
    for resource in among:
        fault = _fault(part, resource, needs, count, booked, local, overbook=wish.overbook)
        if fault:
            faults += fault
            continue
        low, high = _occupied_span(part, resource, booked)
        reason = taken_by_others(offer, resource, wish, count, (low, high), booked, occupancy, placed)
        if reason is Reason.BUFFER and wish.overbook and resource.resource_id in occupancy.units:
            shorter = occupancy.units[resource.resource_id].shorten(low, high, *booked)
            reason, (low, high) = (reason, (low, high)) if shorter is None else (None, shorter)
        if reason is None:
            return Part(part.component_id, resource.resource_id, resource.unit_no, resource.pool_no, count, low, high)
        taken.append(reason)
    if taken:
        return [taken[0] if len(taken) == 1 else Reason.CAPACITY_FULL]
    for resource in among:
        occupied = _occupied_span(part, resource, booked)
        reason = taken_by_others(offer, resource, wish, count, occupied, booked, occupancy, placed)
        if reason is None:
            return faults
        taken.append(reason)
    return faults + ([taken[0] if len(taken) == 1 else Reason.CAPACITY_FULL] if taken else [])


def _occupied_span(part: Component, resource: Resource, booked: tuple[datetime, datetime]) -> tuple[datetime, datetime]:
    """The booked span with its buffers."""
    setup, teardown = part.buffers(resource)
    return booked[0] - setup, booked[1] + teardown


def _fault(
    part: Component, resource: Resource, needs: frozenset[str], count: int, booked: tuple[datetime, datetime],
    local: datetime, *, overbook: bool,
) -> list[Reason]:  # fmt: skip
    """What rules this resource out whoever else is there."""
    fault: list[Reason] = []
    if resource.blackouts.touch(*booked):
        fault.append(Reason.BLACKOUT)
    hours = None if overbook or part.kind is Kind.SESSION else resource.opening
    if hours is not None and not hours.covers(*booked, local.date()):
        fault.append(Reason.OUTSIDE_OPENING_HOURS)
    if needs and not needs <= resource.features:
        fault.append(Reason.NEEDS_UNMET)
    if part.kind in EXCLUSIVE and resource.capacity is not None and count > resource.capacity:
        fault.append(Reason.CAPACITY_FULL)
    return fault


def taken_by_others(
    offer: Offer, resource: Resource, wish: Wish, count: int, occupied: tuple[datetime, datetime],
    booked: tuple[datetime, datetime], occupancy: Occupancy, placed: dict[str, Part],
) -> Reason | None:  # fmt: skip
    """Why others, or the other components of this wish, leave no room; None if there is room."""
    name = resource.resource_id
    mine = [part for part in placed.values() if part.resource_id == name] if placed else ()
    if resource.kind in EXCLUSIVE:
        if mine:
            return Reason.CONFLICT
        track = occupancy.units.get(name)
        return None if track is None else track.clash(*occupied, *booked, queued=wish.queued)
    if wish.overbook:
        return None
    wanted = count + sum(part.quantity for part in mine)
    if resource.kind is Kind.POOL:
        taken = occupancy.peak(name, *occupied, queued=wish.queued)
    else:
        places = occupancy.sessions[name]
        if places.queued and not wish.queued and offer.waitlist.mode is Queue.STRICT:
            return Reason.CAPACITY_FULL
        taken = places.used if wish.queued else places.taken
    return Reason.CAPACITY_FULL if taken + wanted > (resource.capacity or 0) else None


def _orders(parts: Sequence[Component], wish: Wish) -> Iterator[Sequence[Component]]:
    """Who has fewer candidates chooses first, lest a part that could have any takes the only one of another.

    Where parts share units, then any other order: if all can be had, some order of choosing finds it.
    """
    first = parts if len(parts) == 1 else sorted(parts, key=lambda part: len(resources_of(part, wish)))
    yield first
    units = [resource.resource_id for part in parts if part.kind in EXCLUSIVE for resource in resources_of(part, wish)]
    if len(first) > 1 and len(set(units)) < len(units):
        yield from islice(permutations(first), 1, ORDERS_MAX)
