"""Answers: from the domain's outcomes to the events that tell of them (booking.md §5)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.booking import (
    ActorRole,
    BookingCancelled,
    BookingConfirmed,
    BookingRejected,
    BookingUnchanged,
    Reason,
    RequestBooking,
    RequestRefused,
    State,
)
from contracts.booking.commands import Command
from contracts.booking.outcomes import RejectedFor
from contracts.booking.vocabulary import Claimant as ContractClaimant
from contracts.booking.vocabulary import HouseClaimant, PartnerClaimant, PersonClaimant, Placement
from contracts.envelope import Event
from services.booking.domain import codes
from services.booking.domain.claims import Booking, Claimant, ClaimantKind, Reasons, Why
from services.booking.domain.offers import Offer
from services.booking.domain.requests import Cancelled, Confirmed, Outcome, Refused, Rejected, Unchanged
from services.booking.limits import DETAIL_MAX

Answer = BookingConfirmed | BookingCancelled | BookingUnchanged | BookingRejected | RequestRefused
CHANGES = (BookingConfirmed, BookingCancelled)  # what raises a version; the others leave everything as it is

_REASONS: Mapping[codes.Reason, Reason] = {reason: Reason(reason) for reason in codes.Reason}
_STATES: Mapping[codes.State, State] = {state: State(state) for state in codes.State}
_ROLES: Mapping[codes.Role, ActorRole] = {role: ActorRole(role) for role in codes.Role}


def answer_of(outcome: Outcome, event: Event, payload_hash: str, offer: Offer | None) -> Answer:
    """The one event that answers a decided command. `offer` is the one that the command named, if it is known."""
    command = event.data
    assert isinstance(command, Command), "an invalid body is answered by `refusal_of_unreadable`"
    if isinstance(outcome, Confirmed):
        assert outcome.booking.check_in_code is not None, "a new booking has a code"
        return BookingConfirmed(
            **_common(outcome.booking, command, event.id),
            check_in_code=outcome.booking.check_in_code,
            cancel_until=outcome.cancel_until,
        )
    if isinstance(outcome, Rejected):
        return _rejected(outcome, command, event, offer)
    if isinstance(outcome, Refused):
        return _refused(outcome, command, event, payload_hash)
    return _changed(outcome, command, event)


def _changed(outcome: Cancelled | Unchanged, command: Command, event: Event) -> BookingCancelled | BookingUnchanged:
    if isinstance(outcome, Unchanged):
        return BookingUnchanged(**_common(outcome.booking, command, event.id))
    return BookingCancelled(
        **_common(outcome.booking, command, event.id),
        from_state=_STATES[outcome.from_state],
        by=_ROLES[outcome.by],
        late=outcome.late,
        freed=outcome.freed,
        resale_after=outcome.resale_after,
    )


def _common(booking: Booking, command: Command, request_id: UUID) -> dict[str, Any]:
    """The common body of booking.md §5; checked by the model that it goes into."""
    return {
        "booking_id": booking.booking_id,
        "version": booking.version,
        "state": _STATES[booking.state],
        "offer_id": booking.offer_id,
        "offer_revision": booking.offer_revision,
        "claimant": command.claimant if isinstance(command, RequestBooking) else contract_claimant(booking.claimant),
        "start": booking.start,
        "end": booking.end,
        "time_zone": booking.time_zone,
        "quantity": booking.quantity,
        "placements": tuple(
            Placement(component_id=part.component_id, resource_id=part.resource_id, quantity=part.quantity)
            for part in booking.parts
        ),
        "actor_role": command.actor.role,
        "request_id": request_id,
    }


def key_of(answer: Answer) -> str | None:
    """The Kafka key: the booking's id, else the offer's; None if neither is known."""
    if isinstance(answer, BookingConfirmed | BookingCancelled | BookingUnchanged):
        return str(answer.booking_id)
    if isinstance(answer, RequestRefused) and answer.booking_id is not None:
        return str(answer.booking_id)
    return answer.offer_id


def contract_claimant(claimant: Claimant) -> ContractClaimant:
    """Who a booking is for, as it travels."""
    if claimant.kind is ClaimantKind.PERSON:
        return PersonClaimant.model_validate({"kind": "person", "person_id": claimant.person_id})
    if claimant.kind is ClaimantKind.PARTNER:
        return PartnerClaimant.model_validate(
            {"kind": "partner", "hub_id": claimant.hub_id, "booking_ref": claimant.booking_ref}
        )
    return HouseClaimant.model_validate({"kind": "house", "purpose": claimant.purpose})


def _rejected(outcome: Rejected, command: Command, event: Event, offer: Offer | None) -> BookingRejected:
    assert isinstance(command, RequestBooking), "only a wish is rejected"
    answer = outcome.reasons
    return BookingRejected(
        offer_id=command.offer_id,
        actor_role=command.actor.role,
        request_id=event.id,
        reason=_REASONS[answer.first],
        offer_revision=None if offer is None else offer.revision,
        claimant=command.claimant,
        start=_read_of(answer.start, command.start),
        end=_read_of(answer.end, command.end),
        time_zone=None if offer is None else offer.where.key,
        quantity=command.quantity,
        reasons=tuple(RejectedFor(code=_REASONS[why.code], component_id=why.component_id) for why in answer.items),
        next_start=outcome.next_start,
        retryable=answer.first is codes.Reason.BUSY,
        requested_at=event.time,
    )


def _read_of(resolved: datetime | None, asked: datetime | None) -> datetime | None:
    """The instant as decided, else as asked where that is one: a local time that means nothing is not repeated."""
    if resolved is not None:
        return resolved
    return asked if asked is not None and asked.tzinfo is not None else None


def _refused(outcome: Refused, command: Command, event: Event, payload_hash: str) -> RequestRefused:
    return RequestRefused(
        offer_id=command.offer_id,
        booking_id=outcome.booking_id,
        actor_role=command.actor.role,
        request_id=event.id,
        reason=_REASONS[outcome.reasons.first],
        command=event.bare_type,
        payload_hash=payload_hash,
        retryable=outcome.reasons.first is codes.Reason.BUSY,
        detail=outcome.reasons.detail[:DETAIL_MAX],
    )


def refusal_of_reused(event: Event, payload_hash: str, offer_id: str | None) -> RequestRefused:
    """The id is known with other content. Without `request_id`, lest the first sender takes it for the answer."""
    role = event.data.actor.role if isinstance(event.data, Command) else None
    return RequestRefused(
        offer_id=offer_id,
        actor_role=role,
        reason=Reason.REQUEST_ID_REUSED,
        command=event.bare_type,
        payload_hash=payload_hash,
        retryable=False,
    )


def refusal_of_unreadable(event: Event, payload_hash: str, offer_id: str | None, reason: codes.Reason) -> RequestRefused:
    """The body does not fit its model (`invalid_request`; `detail` names where), or not even that was settled (`busy`)."""
    return RequestRefused(
        offer_id=offer_id,
        request_id=event.id,
        reason=_REASONS[reason],
        command=event.bare_type,
        payload_hash=payload_hash,
        retryable=reason is codes.Reason.BUSY,
        detail=tuple(event.problems)[:DETAIL_MAX],
    )


def busy_of(event: Event, payload_hash: str, offer_id: str | None) -> Answer:
    """Locks were not had: nothing was decided, the same id may come again."""
    if event.data is None:
        return refusal_of_unreadable(event, payload_hash, offer_id, codes.Reason.BUSY)
    busy = Reasons((Why(codes.Reason.BUSY),))
    outcome = Rejected(busy) if isinstance(event.data, RequestBooking) else Refused(busy)
    return answer_of(outcome, event, payload_hash, None)
