"""Answers and facts: from the domain's outcomes to the events that tell of them (booking.md §5)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts import booking as contract
from contracts.booking import (
    ActorRole,
    BookingCancelled,
    BookingConfirmed,
    BookingFact,
    BookingRejected,
    BookingUnchanged,
    Reason,
    RequestBooking,
    RequestRefused,
    SeriesDecided,
    State,
)
from contracts.booking.commands import Command
from contracts.booking.events import Alternative, OldPlace
from contracts.booking.outcomes import RejectedFor, SeriesResult
from contracts.booking.vocabulary import Claimant as ContractClaimant
from contracts.booking.vocabulary import HouseClaimant, PartnerClaimant, PersonClaimant, Placement, SeriesMode
from contracts.envelope import Event
from services.booking.domain import codes, requests
from services.booking.domain.claims import Booking, Claimant, ClaimantKind, Part, Reasons, Why
from services.booking.domain.offers import Offer
from services.booking.domain.requests import Cancelled, Change, Confirmed, Outcome, Refused, Rejected, Unchanged
from services.booking.limits import DETAIL_MAX

Answer = BookingFact | BookingRejected | RequestRefused | SeriesDecided
# What raises a version; the others leave everything as it is.
CHANGES = tuple(fact for fact in contract.FACTS if fact is not BookingUnchanged)

SYSTEM = ActorRole.SYSTEM

_REASONS: Mapping[codes.Reason, Reason] = {reason: Reason(reason) for reason in codes.Reason}
_STATES: Mapping[codes.State, State] = {state: State(state) for state in codes.State}
_ROLES: Mapping[codes.Role, ActorRole] = {role: ActorRole(role) for role in codes.Role}


def answer_of(outcome: Outcome, event: Event, payload_hash: str, offer: Offer | None) -> Answer:
    """The one event that answers a decided command. `offer` is the one that the command named, if it is known."""
    command = event.data
    assert isinstance(command, Command), "an invalid body is answered by `refusal_of_unreadable`"
    if isinstance(outcome, Confirmed):
        claimant = command.claimant if isinstance(command, RequestBooking) else None
        return _confirmed(outcome, _common(outcome.booking, command.actor.role, event.id, claimant))
    if isinstance(outcome, Rejected):
        return _rejected(outcome, command, event, offer)
    if isinstance(outcome, Refused):
        return _refused(outcome, command, event, payload_hash)
    if isinstance(outcome, Unchanged):
        return BookingUnchanged(**_common(outcome.booking, command.actor.role, event.id))
    if isinstance(outcome, requests.SeriesDecided):
        return _series(outcome, command, event)
    return _fact(outcome, _common(outcome.booking, command.actor.role, event.id))


def fact_of(outcome: Change, role: codes.Role) -> BookingFact:
    """What followed for a booking from something else than a command about it: it answers nobody."""
    common = _common(outcome.booking, _ROLES[role], None)
    return _confirmed(outcome, common) if isinstance(outcome, Confirmed) else _fact(outcome, common)


def _confirmed(outcome: Confirmed, common: dict[str, Any]) -> BookingConfirmed:
    assert outcome.booking.check_in_code is not None, "a booking has a code"
    if outcome.from_state is not None:
        common["from_state"] = _STATES[outcome.from_state]
    return BookingConfirmed(
        **common,
        check_in_code=outcome.booking.check_in_code,
        cancel_until=outcome.cancel_until,
        overbook_reason=outcome.booking.overbook_reason,
    )


def _fact(outcome: Change, common: dict[str, Any]) -> BookingFact:
    """Every other change; `from_state` is left out where there was no booking before."""
    from_state = getattr(outcome, "from_state", None)
    if from_state is not None:
        common["from_state"] = _STATES[from_state]
    reason = getattr(outcome, "reason", None)
    if reason is not None:
        common["reason"] = _REASONS[reason]
    booking = outcome.booking
    due_at = booking.due_at or booking.end  # null only in terminal states
    match outcome:
        case requests.Held():
            return contract.BookingHeld(**common, hold_expires_at=due_at, hold_seconds=int(outcome.lasts.total_seconds()))
        case requests.ApprovalRequested():
            return contract.ApprovalRequested(**common, decide_by=due_at, competing=outcome.competing)
        case requests.Joined():
            return contract.WaitlistJoined(**common, position=outcome.position, promote_until=due_at)
        case requests.Offered():
            return contract.WaitlistOffered(**common, offer_expires_at=due_at)
        case requests.OfferLapsed():
            return contract.WaitlistOfferExpired(**common)
        case requests.Expired():
            return contract.BookingExpired(**common)
        case requests.Declined():
            return contract.BookingDeclined(**common)
        case requests.Moved():
            old = OldPlace(start=outcome.old_start, end=outcome.old_end, placements=_placements(outcome.old_parts))
            return contract.BookingRescheduled(**common, old=old)
        case Cancelled():
            return BookingCancelled(
                **common, by=_ROLES[outcome.by], late=outcome.late, freed=outcome.freed, resale_after=outcome.resale_after
            )
        case requests.CheckedIn():
            return contract.BookingCheckedIn(**common, at=outcome.at)
        case requests.Completed():
            return contract.BookingCompleted(**common, at=outcome.at)
        case requests.NoShow():
            return contract.BookingNoShow(**common, freed_from=outcome.freed_from)
        case requests.Displaced():
            return contract.BookingDisplaced(
                **common, cause=outcome.cause, rebook_by=outcome.rebook_by,
                alternatives=tuple(
                    Alternative(start=a.start, end=a.end, placements=_placements(a.parts)) for a in outcome.alternatives
                ),
            )  # fmt: skip
    raise AssertionError(f"{type(outcome).__name__} has no event")


def _series(outcome: requests.SeriesDecided, command: Command, event: Event) -> SeriesDecided:
    series = outcome.series
    return SeriesDecided(
        offer_id=series.offer_id,
        actor_role=command.actor.role,
        request_id=event.id,
        reason=None if outcome.reason is None else _REASONS[outcome.reason],
        series_id=series.series_id,
        claimant=contract_claimant(series.claimant),
        mode=SeriesMode.SKIP if series.rule.skip else SeriesMode.ALL_OR_NOTHING,
        results=tuple(
            SeriesResult(
                n=result.n,
                start=result.start,
                state=State.REJECTED if result.state is None else _STATES[result.state],
                booking_id=result.booking_id,
                reason=None if result.reason is None else _REASONS[result.reason],
            )
            for result in series.results
        ),
    )


def _common(
    booking: Booking, role: ActorRole, request_id: UUID | None, claimant: ContractClaimant | None = None
) -> dict[str, Any]:  # fmt: skip
    """The common body of booking.md §5; checked by the model that it goes into. `claimant` as it came, where it is at hand."""
    return {
        "booking_id": booking.booking_id,
        "version": booking.version,
        "state": _STATES[booking.state],
        "offer_id": booking.offer_id,
        "offer_revision": booking.offer_revision,
        "claimant": claimant or contract_claimant(booking.claimant),
        "start": booking.start,
        "end": booking.end,
        "time_zone": booking.time_zone,
        "quantity": booking.quantity,
        "placements": _placements(booking.parts),
        "series_id": booking.series_id,
        "occurrence_no": booking.occurrence_no,
        "actor_role": role,
        "request_id": request_id,
    }


def _placements(parts: tuple[Part, ...]) -> tuple[Placement, ...]:
    return tuple(
        Placement(component_id=part.component_id, resource_id=part.resource_id, quantity=part.quantity) for part in parts
    )


def key_of(answer: Answer) -> str | None:
    """The Kafka key: the booking's id, else the offer's; None if neither is known."""
    if isinstance(answer, BookingRejected | SeriesDecided):
        return answer.offer_id
    if isinstance(answer, RequestRefused) and answer.booking_id is None:
        return answer.offer_id
    return str(answer.booking_id)


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
        series_id=None if outcome.add_to is None else outcome.add_to.series_id,
        occurrence_no=None if outcome.add_to is None else outcome.add_to.n,
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
