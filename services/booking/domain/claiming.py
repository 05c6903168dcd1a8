"""Wishes: a claim, a place in the queue, or every reason why not."""

from datetime import datetime, timedelta

from services.booking.domain.availability import LaterStarts, curable
from services.booking.domain.claims import Actor, Booking, Claimant, ClaimantKind, Placement, Reasons, Why, Wish, reasons
from services.booking.domain.codes import TAKEN, Queue, Reason, Role, State
from services.booking.domain.desk import Desk, check_in_code, competitors, enter, join_queue, needs_approval
from services.booking.domain.evaluation import candidates, evaluate, windows
from services.booking.domain.offers import Offer
from services.booking.domain.promotion import due_of
from services.booking.domain.quotas import keys_of_groups
from services.booking.domain.requests import (
    ApprovalRequested,
    Asked,
    Change,
    Confirmed,
    Held,
    Joined,
    Outcome,
    Refused,
    Rejected,
    Request,
    SeriesRef,
)
from services.booking.domain.transitions import Trigger
from services.booking.limits import (
    HOLD_OF_PARTNER_MAX,
    HOLDS_OF_PARTNER_MAX,
    HOLDS_OF_PERSON_MAX,
    NEXT_START_WITHIN,
)


def decide_request(request: Request, asked: Asked, desk: Desk, now: datetime) -> Outcome:
    """One wish: claim, place in the queue, or every reason why not."""
    offer = desk.offers.get(request.offer_id)
    permitted = may_request(request.actor, asked, offer)
    if offer is None:
        found = [Why(Reason.UNKNOWN_OFFER)] + ([] if permitted else [Why(Reason.NOT_PERMITTED)])
        return Rejected(reasons(found), add_to=asked.add_to)
    if not permitted:
        # Nobody learns of another person's limits by asking in their name.
        answer = evaluate(offer, asked.wish._replace(person_id=None), desk.occupancy, now)
        return _not_permitted(answer, asked)
    if asked.add_to is not None and (wrong := _not_of_the_series(asked, asked.add_to, offer, desk)):
        return Rejected(Reasons((Why(wrong),)), add_to=asked.add_to)
    answer = judge(request, asked, offer, desk, now)
    if isinstance(answer, Placement):
        return grant(request, asked, offer, answer, desk, now)
    if answer.first is Reason.INVALID_REQUEST:
        return Refused(answer)
    joined = _join(asked, offer, answer, desk, now)
    if isinstance(joined, Joined):
        return joined
    next_start = _next_start(offer, asked.wish, answer, desk, now) if joined is answer else None
    return Rejected(joined, next_start, asked.add_to)


def judge(request: Request, asked: Asked, offer: Offer, desk: Desk, now: datetime) -> Placement | Reasons:
    """What the rules say of the wish, and of what is asked beside it: approval, open holds, competitors."""
    answer = evaluate(offer, asked.wish, desk.occupancy, now)
    found: list[Why] = []
    approval = needs_approval(offer, request.actor)
    if approval and asked.instant_only:
        found.append(Why(Reason.APPROVAL_REQUIRED))
    if asked.hold:
        found += [Why(code) for code in _open_holds(asked.claimant, desk)]
    if not found:
        return answer
    if isinstance(answer, Placement):
        return reasons(found, start=answer.start, end=answer.end)
    return reasons([*answer.items, *found], start=answer.start, end=answer.end, detail=answer.detail)


def grant(request: Request, asked: Asked, offer: Offer, placement: Placement, desk: Desk, now: datetime) -> Change:
    """The claim stands: held, waiting for approval, or confirmed."""
    wish = asked.wish
    booking = Booking(
        booking_id=asked.booking_id,
        offer_id=offer.offer_id,
        offer_revision=offer.revision,
        claimant=asked.claimant,
        state=State.CONFIRMED,
        version=1,
        start=placement.start,
        end=placement.end,
        time_zone=offer.where.key,
        quantity=wish.quantity,
        needs=wish.needs,
        check_in_code=check_in_code(desk.check_in_key, asked.booking_id),
        parts=placement.parts,
        overbook_reason=asked.overbook_reason,
    )
    if offer.limits and wish.groups:
        groups = frozenset(group for group, _ in keys_of_groups(offer, wish.groups))
        booking = booking._replace(groups=groups)
    if asked.add_to is not None:
        booking = booking._replace(series_id=asked.add_to.series_id, occurrence_no=asked.add_to.n)
    elif asked.series_id is not None:
        booking = booking._replace(series_id=asked.series_id)
    if asked.hold:
        lasts = _hold_of(asked, offer)
        until = now + lasts
        booking = booking._replace(state=State.HELD, due_at=until, hold_expires_at=until, wish=wish)
        enter(desk, booking, Trigger.REQUEST)
        return Held(booking, lasts)
    if offer.approval is not None and needs_approval(offer, request.actor):
        competing = 0 if offer.approval.blocks else competitors(desk, placement, asked.booking_id)
        until = min(now + offer.approval.within, booking.start)
        booking = booking._replace(state=State.PENDING_APPROVAL, due_at=until, competing=not offer.approval.blocks, wish=wish)
        enter(desk, booking, Trigger.REQUEST)
        return ApprovalRequested(booking, None, competing)
    booking = booking._replace(due_at=due_of(offer, booking))
    enter(desk, booking, Trigger.REQUEST)
    return Confirmed(booking, booking.start - offer.cancel_ahead)


def _hold_of(asked: Asked, offer: Offer) -> timedelta:
    """As long as wished, at most as the offer says; partner hubs need longer and may have it."""
    if asked.claimant.kind is ClaimantKind.PARTNER:
        return min(asked.hold_for or offer.hold, HOLD_OF_PARTNER_MAX)
    return min(asked.hold_for or offer.hold, offer.hold)


def _open_holds(claimant: Claimant, desk: Desk) -> list[Reason]:
    if claimant.kind is ClaimantKind.PARTNER:
        held = desk.occupancy.holds.get(str(claimant.hub_id), ())
        return [Reason.PARTNER_LIMIT] if len(held) >= HOLDS_OF_PARTNER_MAX else []
    if claimant.kind is ClaimantKind.PERSON:
        held = desk.occupancy.holds.get(str(claimant.person_id), ())
        return [Reason.PERSON_LIMIT] if len(held) >= HOLDS_OF_PERSON_MAX else []
    return []


def _join(asked: Asked, offer: Offer, answer: Reasons, desk: Desk, now: datetime) -> Joined | Reasons:
    """A place in the queue where only others are in the way; else the reasons, with those of the queue added.

    None for partners, the house, holds and series. One entry per person and span.
    """
    queue = offer.waitlist
    waits = asked.join and not asked.hold and asked.series is None and asked.add_to is None and not asked.wish.overbook
    if queue.mode is Queue.OFF or not waits or asked.claimant.kind is not ClaimantKind.PERSON:
        return answer
    if answer.start is None or answer.end is None or not all(why.code in TAKEN for why in answer.items):
        return answer
    until = answer.start - queue.ahead
    if now >= until:
        return answer
    waits_for = frozenset(resource.resource_id for resource in candidates(offer, asked.wish))
    before = [
        entry
        for entry in desk.waiting
        if entry.offer_id == offer.offer_id
        and entry.waits_for & waits_for
        and entry.start < answer.end
        and entry.end > answer.start
    ]
    me = (asked.claimant.person_id, answer.start, answer.end)
    if any((entry.person_id, entry.start, entry.end) == me for entry in before):
        return reasons([*answer.items, Why(Reason.PERSON_LIMIT)], start=answer.start, end=answer.end)
    if len(before) >= queue.entries_max:
        return reasons([*answer.items, Why(Reason.WAITLIST_FULL)], start=answer.start, end=answer.end)
    wish = asked.wish if offer.session is not None else asked.wish._replace(start=answer.start, end=answer.end, duration=None)
    booking = Booking(
        booking_id=asked.booking_id, offer_id=offer.offer_id, offer_revision=offer.revision, claimant=asked.claimant,
        state=State.WAITLISTED, version=1, start=answer.start, end=answer.end, time_zone=offer.where.key,
        quantity=wish.quantity, needs=wish.needs, check_in_code=check_in_code(desk.check_in_key, asked.booking_id), parts=(),
        groups=frozenset(group for group, _ in keys_of_groups(offer, wish.groups)), due_at=until, wish=wish,
        queue_no=next(desk.queue_numbers), waits_for=waits_for,
    )  # fmt: skip
    enter(desk, booking, Trigger.REQUEST)
    join_queue(desk, booking)
    return Joined(booking, len(before) + 1)


def may_request(actor: Actor, asked: Asked, offer: Offer | None) -> bool:
    """Citizens for themselves, staff for anybody but partners, partners for their own guests where the offer is shared."""
    claimant = asked.claimant
    if not actor.permitted:
        return False
    if asked.overbook_reason is not None and actor.role is not Role.STAFF:
        return False
    if actor.role is Role.STAFF:
        return claimant.kind is not ClaimantKind.PARTNER
    if actor.role is Role.PARTNER and offer is not None and not offer.federated:
        return False
    return actor.owns(claimant)


def _not_of_the_series(asked: Asked, add_to: SeriesRef, offer: Offer, desk: Desk) -> Reason | None:
    """Why this wish is no skipped occurrence of the series; None if it is one: same offer, claimant and start."""
    series = desk.series.get(add_to.series_id)
    if series is None or series.claimant != asked.claimant or series.offer_id != offer.offer_id:
        return Reason.GONE
    result = next((result for result in series.results if result.n == add_to.n), None)
    if result is None or result.state is not None:
        return Reason.GONE
    if any((b.series_id, b.occurrence_no) == (add_to.series_id, add_to.n) for b in desk.bookings.values()):
        return Reason.GONE  # it was added before
    start = asked.wish.start
    if start is not None and start.tzinfo is None and start != result.start:
        start = start.replace(tzinfo=offer.where)
    return None if start == result.start else Reason.GONE


def _not_permitted(answer: Placement | Reasons, asked: Asked) -> Outcome:
    if isinstance(answer, Placement):
        return Rejected(Reasons((Why(Reason.NOT_PERMITTED),), answer.start, answer.end), add_to=asked.add_to)
    if answer.first is Reason.INVALID_REQUEST:
        return Refused(answer)
    found = reasons([*answer.items, Why(Reason.NOT_PERMITTED)], start=answer.start, end=answer.end)
    return Rejected(found, add_to=asked.add_to)


def _next_start(offer: Offer, wish: Wish, answer: Reasons, desk: Desk, now: datetime) -> datetime | None:
    """A later start, where only others stand in the way; None also while the claims of that week are still unread."""
    if not curable(offer, answer):
        return None
    wanted = list(windows(offer, wish, ahead=NEXT_START_WITHIN))
    if not all(desk.occupancy.knows(resource.resource_id, low, high) for resource, low, high in wanted):
        desk.unread += wanted
        return None
    assert answer.start is not None, "curable() looks at it"
    assert answer.end is not None, "curable() looks at it"
    length = answer.end - answer.start
    choices = frozenset((wish.choices or {}).items()), frozenset((wish.quantities or {}).items())
    person = wish.person_id if offer.limits else None
    alike = (
        offer, length, wish.quantity, choices, wish.options, wish.needs, person, wish.overbook, desk.occupancy.changes,
    )  # fmt: skip
    later = desk.later.get(alike)
    if later is None:
        later = desk.later[alike] = LaterStarts(offer, wish, length, desk.occupancy, now)
    return later.after(answer.start)
