"""Commands about a booking that stands: who may, then where it stands, then what the command does there (booking.md §6)."""

from datetime import datetime

from services.booking.domain.claims import Actor, Booking, Claimant, Placement, Reasons, Why, Wish, reasons
from services.booking.domain.codes import TAKEN, TERMINAL, Kind, Reason, Role, State
from services.booking.domain.desk import Desk, change, compete, competitors, count, needs_approval, uncompete, uncount
from services.booking.domain.evaluation import evaluate
from services.booking.domain.offers import Offer
from services.booking.domain.promotion import HOUSE_FOR_SESSION, due_of, promote
from services.booking.domain.requests import (
    ApprovalRequested,
    Cancelled,
    CheckedIn,
    Command,
    Completed,
    Confirmed,
    Declined,
    Move,
    Moved,
    Named,
    Outcome,
    Refused,
    Request,
    Unchanged,
)
from services.booking.domain.transitions import EXPECTED, Trigger


def decide_named(request: Request, named: Named, desk: Desk, now: datetime) -> Outcome:
    """Answer one command about a booking, and apply the answer."""
    booking = None if named.booking_id is None else desk.bookings.get(named.booking_id)
    if booking is None or booking.anonymised:
        found = [Why(Reason.GONE)] + ([] if request.actor.permitted else [Why(Reason.NOT_PERMITTED)])
        return Refused(reasons(found), None if booking is None else booking.booking_id)
    if not may_change(request, named, booking):
        return Refused(Reasons((Why(Reason.NOT_PERMITTED),)), booking.booking_id)
    return act(request, named, booking, desk, now)


def act(request: Request, named: Named, booking: Booking, desk: Desk, now: datetime) -> Outcome:
    """What a permitted command does to a booking; what meets another state than it expects changes nothing."""
    command, state = request.command, booking.state
    if _reached(command, named, state):
        return Unchanged(booking)
    if state in TERMINAL:
        return Refused(Reasons((Why(_over(command, booking, now)),)), booking.booking_id)
    expected = EXPECTED.get(command) or frozenset({State.CONFIRMED if named.coming else State.CHECKED_IN})
    if state not in expected:
        return Unchanged(booking)
    found: list[Why] = []
    if request.expected_version is not None and request.expected_version != booking.version:
        found.append(Why(Reason.STALE_VERSION))
    if command is Command.CANCEL:
        return cancel(request, named, booking, desk, now, found)
    if command is Command.RESCHEDULE:
        assert named.move is not None, "a move says where to"
        return _reschedule(request, named.move, booking, desk, now, found)
    if command is Command.CHECK_IN and named.coming:
        return _check_in(booking, desk, now, found)
    if found:
        return Refused(reasons(found), booking.booking_id)
    if command is Command.CHECK_IN:
        return _check_out(booking, desk, now)
    if command is Command.DECIDE:
        return _decide_approval(named, booking, desk, now)
    return _confirm(request, booking, desk, now)


def may_change(request: Request, named: Named, booking: Booking) -> bool:
    """Owner or staff; only staff decide approvals and overbook; a kiosk shows the code. A session's rooms follow it alone."""
    actor = request.actor
    if not actor.permitted:
        return False
    if booking.claimant == HOUSE_FOR_SESSION and request.command is not Command.CANCEL:
        return False
    if actor.role is Role.STAFF:
        return True
    if request.command is Command.CHECK_IN and named.code is not None and named.code == booking.check_in_code:
        return True
    if named.move is not None and named.move.overbook_reason is not None:
        return False
    return request.command is not Command.DECIDE and actor.owns(booking.claimant)


def _reached(command: Command, named: Named, state: State) -> bool:
    """Whether a terminal state is what the command was to bring about."""
    return (
        (command is Command.CANCEL and state is State.CANCELLED)
        or (command is Command.DECIDE and not named.approve and state is State.DECLINED)
        or (command is Command.CHECK_IN and not named.coming and state is State.COMPLETED)
    )


def _over(command: Command, booking: Booking, now: datetime) -> Reason:
    """Why a command comes too late for a booking in a terminal state."""
    if command is Command.CONFIRM and booking.state is State.EXPIRED and _passed(booking.hold_expires_at, now):
        return Reason.HOLD_EXPIRED
    if command is Command.ACCEPT and booking.state is State.EXPIRED and _passed(booking.offer_expires_at, now):
        return Reason.OFFER_EXPIRED
    if booking.state is State.NO_SHOW and command in (Command.CANCEL, Command.CHECK_IN):
        return Reason.DEADLINE_PASSED
    return Reason.GONE


def _passed(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and now >= moment


def cancel(
    request: Request, named: Named, booking: Booking, desk: Desk, now: datetime, found: list[Why]
) -> Outcome:  # fmt: skip
    """Give up the claim. What a citizen gives back may stay taken for newcomers a while (resale delay)."""
    offer, actor = desk.offers.get(booking.offer_id), request.actor
    deadline = booking.start if offer is None or booking.free_to_cancel else booking.start - offer.cancel_ahead
    late = booking.state is State.CONFIRMED and now >= deadline
    owner = actor.role is not Role.STAFF
    refused_late = late and offer is not None and not offer.cancel_late and owner and not named.gave_up
    over = now >= booking.end or (owner and now >= booking.start)
    if refused_late or (over and booking.state is not State.DISPLACED):
        found.append(Why(Reason.DEADLINE_PASSED))
    if found:
        return Refused(reasons(found), booking.booking_id)
    freed = booking.blocking and bool(booking.parts)
    resale_after = _resale_after(offer, actor, now) if freed else None
    given = change(desk, booking, booking._replace(state=State.CANCELLED), Trigger.CANCEL, resale_after=resale_after)
    promote(desk, given, now)
    return Cancelled(desk.bookings[booking.booking_id], booking.state, actor.role, late, freed, resale_after)


def _resale_after(offer: Offer | None, actor: Actor, now: datetime) -> datetime | None:
    if offer is None or not offer.resale_delay or actor.role is not Role.CITIZEN:
        return None
    return now + offer.resale_delay


def _confirm(request: Request, booking: Booking, desk: Desk, now: datetime) -> Outcome:
    """A hold or a waiting list's offer becomes a booking, or a request for approval. What it holds was judged before."""
    offer = desk.offers.get(booking.offer_id)
    trigger = Trigger.CONFIRM if booking.state is State.HELD else Trigger.ACCEPT
    asking = booking.wish.groups if booking.wish is not None else None
    groups = request.actor.groups | (asking or frozenset())
    booking_after = booking._replace(hold_expires_at=None, offer_expires_at=None)
    if offer is not None and offer.approval is not None and not offer.approval.auto_groups & groups:
        competing = not offer.approval.blocks
        until = min(now + offer.approval.within, booking.start)
        after = booking_after._replace(state=State.PENDING_APPROVAL, due_at=until, competing=competing)
        freed = change(desk, booking, after, trigger)
        promote(desk, freed, now)
        after = desk.bookings[booking.booking_id]
        others = competitors(desk, Placement(after.start, after.end, after.parts), after.booking_id) if competing else 0
        return ApprovalRequested(after, booking.state, others)
    return _confirmed(booking, booking_after, trigger, desk)


def _confirmed(before: Booking, after: Booking, trigger: Trigger, desk: Desk) -> Confirmed:
    offer = desk.offers.get(before.offer_id)
    after = after._replace(state=State.CONFIRMED, wish=None, competing=False, due_at=due_of(offer, after))
    change(desk, before, after, trigger)
    ahead = after.start if offer is None else after.start - offer.cancel_ahead
    return Confirmed(desk.bookings[before.booking_id], ahead, before.state)


def _decide_approval(named: Named, booking: Booking, desk: Desk, now: datetime) -> Outcome:
    """Approve or decline. What did not block is looked at again: taken meanwhile means declined."""
    offer = desk.offers.get(booking.offer_id)
    if named.approve:
        after = booking
        answer: Placement | Reasons | None = None
        if booking.competing and booking.wish is not None and offer is not None:
            wish = booking.wish._replace(settled=True, person_id=None, groups=None)
            if offer.session is None:
                wish = wish._replace(start=booking.start, end=booking.end, duration=None)
            answer = evaluate(offer, wish, desk.occupancy, now)
        if isinstance(answer, Reasons):
            return _declined(booking, desk, now, Reason.CONFLICT if answer.first in TAKEN else answer.first)
        if isinstance(answer, Placement):
            after = booking._replace(parts=answer.parts)
        return _confirmed(booking, after, Trigger.APPROVE, desk)
    return _declined(booking, desk, now, None)


def _declined(booking: Booking, desk: Desk, now: datetime, reason: Reason | None) -> Declined:
    freed = change(desk, booking, booking._replace(state=State.DECLINED), Trigger.DECLINE)
    promote(desk, freed, now)
    return Declined(desk.bookings[booking.booking_id], booking.state, reason)


def _check_in(booking: Booking, desk: Desk, now: datetime, found: list[Why]) -> Outcome:
    """The claimant came: from some minutes before the start on, until the place is given free."""
    offer = desk.offers.get(booking.offer_id)
    opens = booking.start if offer is None else booking.start - offer.check_in.opens
    closes = booking.end
    if offer is not None and offer.check_in.release is not None:
        closes = min(closes, booking.start + offer.check_in.release)
    if now < opens:
        found.append(Why(Reason.TOO_SOON))
    elif now >= closes:
        found.append(Why(Reason.DEADLINE_PASSED))
    if found:
        return Refused(reasons(found), booking.booking_id)
    change(desk, booking, booking._replace(state=State.CHECKED_IN, due_at=booking.end), Trigger.CHECK_IN)
    return CheckedIn(desk.bookings[booking.booking_id], booking.state, now)


def _check_out(booking: Booking, desk: Desk, now: datetime) -> Outcome:
    """The claimant left: the rest of the time is free."""
    given_back = now if now < booking.end else None
    after = booking._replace(state=State.COMPLETED, given_back_at=given_back)
    freed = change(desk, booking, after, Trigger.CHECK_OUT)
    promote(desk, freed, now)
    return Completed(desk.bookings[booking.booking_id], booking.state, now)


def _reschedule(
    request: Request, move: Move, booking: Booking, desk: Desk, now: datetime, found: list[Why]
) -> Outcome:  # fmt: skip
    """Move within the offer: the new claim passes ignoring itself, else the old is kept."""
    offer, state = desk.offers.get(booking.offer_id), booking.state
    if offer is None:
        return Refused(reasons([*found, Why(Reason.UNKNOWN_OFFER)]), booking.booking_id)
    detail = _malformed(offer, move, booking)
    if detail:
        return Refused(Reasons((Why(Reason.INVALID_REQUEST),), detail=detail), booking.booking_id)
    owner = request.actor.role is not Role.STAFF
    if owner and state in (State.CONFIRMED, State.PENDING_APPROVAL):
        deadline = booking.start - offer.cancel_ahead
        refused_late = now >= deadline and not offer.cancel_late and not booking.free_to_cancel
        if refused_late or now >= booking.start:
            found.append(Why(Reason.DEADLINE_PASSED))
    if owner and needs_approval(offer, request.actor) and state in (State.CONFIRMED, State.DISPLACED):
        found.append(Why(Reason.APPROVAL_REQUIRED))
    wish = wish_of_move(offer, booking, move, request.actor)
    fewer = state is not State.DISPLACED and _only_fewer(move, booking)  # who was displaced holds nothing
    answer = None if fewer else _judge_without_itself(offer, wish, booking, desk, now)
    if isinstance(answer, Reasons):
        found += answer.items
    if state is State.CHECKED_IN and isinstance(answer, Placement) and answer.end <= now:
        found.append(Why(Reason.TOO_SOON))
    if found:
        return Refused(reasons(found, detail=answer.detail if isinstance(answer, Reasons) else ()), booking.booking_id)
    assert not isinstance(answer, Reasons), "refused above"
    return _moved(request, move, booking, offer, answer, wish, desk, now)


def _judge_without_itself(offer: Offer, wish: Wish, booking: Booking, desk: Desk, now: datetime) -> Placement | Reasons:
    """What the rules say of a booking's new wish if what it holds, left and competes for were not there."""
    occupancy = desk.occupancy
    if booking.blocking:
        occupancy.free(booking.booking_id, booking.parts)
    lifted = occupancy.lift(booking.booking_id)
    uncompete(desk, booking)
    if offer.limits:
        uncount(offer, booking, occupancy)
    answer = evaluate(offer, wish, occupancy, now)
    if booking.blocking:
        occupancy.book(booking.booking_id, booking.start, booking.end, booking.parts)
    for kept in lifted:
        occupancy.take(*kept)
    if booking.competing:
        compete(desk, booking)
    if offer.limits:
        count(offer, booking, occupancy)
    return answer


def _moved(
    request: Request, move: Move, booking: Booking, offer: Offer, answer: Placement | None, wish: Wish, desk: Desk,
    now: datetime,
) -> Outcome:  # fmt: skip
    """Put a judged move into effect; one that leads where the booking is already changes nothing."""
    if answer is None:
        parts = tuple(
            part._replace(quantity=wish.quantity) if part.quantity == booking.quantity else part for part in booking.parts
        )
        answer = Placement(booking.start, booking.end, parts)
    same = (answer.start, answer.end, answer.parts, wish.quantity) == (
        booking.start, booking.end, booking.parts, booking.quantity,
    )  # fmt: skip
    if same and booking.state is not State.DISPLACED:
        return Unchanged(booking)
    state = State.CONFIRMED if booking.state is State.DISPLACED else booking.state
    after = booking._replace(
        state=state, start=answer.start, end=answer.end, parts=answer.parts, quantity=wish.quantity,
        offer_revision=offer.revision, overbook_reason=move.overbook_reason or booking.overbook_reason,
        free_to_cancel=False if booking.state is State.DISPLACED else booking.free_to_cancel,
    )  # fmt: skip
    if state is State.CONFIRMED:
        after = after._replace(due_at=due_of(offer, after))
    elif state is State.CHECKED_IN:
        after = after._replace(due_at=after.end)
    else:
        after = after._replace(due_at=min(booking.due_at or after.start, after.start), wish=wish)
    freed = change(desk, booking, after, Trigger.RESCHEDULE, resale_after=_resale_after(offer, request.actor, now))
    promote(desk, freed, now)
    return Moved(desk.bookings[booking.booking_id], booking.state, booking.start, booking.end, booking.parts)


def _malformed(offer: Offer, move: Move, booking: Booking) -> tuple[str, ...]:
    """After check-in only the end moves; a session is chosen, not timed."""
    if booking.state is State.CHECKED_IN:
        others = (("/start", move.start not in (None, booking.start)), ("/choices", bool(move.choices)))
        found = [pointer for pointer, given in others if given]
        if move.quantity not in (None, booking.quantity):
            found.append("/quantity")
        return tuple(found)
    if offer.session is not None:
        return tuple(p for p, given in (("/start", move.start), ("/end", move.end)) if given is not None)
    return ()


def wish_of_move(offer: Offer, booking: Booking, move: Move, actor: Actor) -> Wish:
    """The wish that a move comes to: what it does not name stays as it is, also under whose contingents it counts.

    Owners move it only as long as the offer is for one of their groups; nobody else is asked for theirs.
    """
    kinds = {part.component_id: part for part in offer.components}
    quantity = move.quantity or booking.quantity
    others = {p.component_id: p.quantity for p in booking.parts if p.quantity != booking.quantity}
    choices = dict(move.choices or {})
    undecided = False
    for part in booking.parts:
        component = kinds.get(part.component_id)
        if component is None or part.component_id in choices:
            continue
        session = component.kind is Kind.SESSION
        elsewhere = move.start is not None or move.end is not None
        if session or (not elsewhere) or len(component.resources) == 1:
            choices[part.component_id] = part.resource_id
            undecided = True
    start, end = move.start or booking.start, move.end
    if end is None:
        end = booking.end if move.start is None else None
    length = booking.end - booking.start if end is None else None
    timed = offer.session is None
    return Wish(
        start=start if timed else None,
        end=end if timed else None,
        duration=length if timed else None,
        quantity=quantity,
        quantities=others or None,
        choices=choices or None,
        options=frozenset(p.component_id for p in booking.parts if p.component_id in kinds and kinds[p.component_id].optional),
        needs=booking.needs,
        groups=booking.groups,
        person_id=booking.claimant.person_id,
        undecided=undecided,
        overbook=move.overbook_reason is not None,
        settled=booking.state is State.CHECKED_IN,
        admitted=not actor.owns(booking.claimant) or bool(actor.groups & (offer.permitted_groups or frozenset())),
    )


def _only_fewer(move: Move, booking: Booking) -> bool:
    """Fewer places at the same time and place need no check."""
    stays = move.start in (None, booking.start) and move.end in (None, booking.end) and not move.choices
    return stays and move.quantity is not None and move.quantity <= booking.quantity and bool(booking.parts)


def owns_series(actor: Actor, claimant: Claimant) -> bool:
    """Whether the actor may act on a series of that claimant."""
    return actor.permitted and (actor.role is Role.STAFF or actor.owns(claimant))
