"""Events and messages for the rules of notify, with everything that a test does not care about filled in."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from services.notify.domain.bookings import ActorRole, Booking, BookingEvent, BookingState
from services.notify.domain.messages import Message
from services.notify.domain.plan import Planned, Rules, plan
from services.notify.domain.times import DEFAULT_RULES, QuietHours

BOOKING = UUID("00000000-0000-4000-8000-0000000000b1")
PERSON = UUID("00000000-0000-4000-8000-0000000000c1")
OFFER = "urn:hub:testhub:offer:00000000-0000-4000-8000-00000000000a"
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
START = datetime(2026, 3, 10, 13, 0, tzinfo=UTC)
STATES = {
    "BookingHeld": BookingState.HELD,
    "ApprovalRequested": BookingState.PENDING_APPROVAL,
    "BookingConfirmed": BookingState.CONFIRMED,
    "WaitlistJoined": BookingState.WAITLISTED,
    "WaitlistOffered": BookingState.OFFERED,
    "WaitlistOfferExpired": BookingState.EXPIRED,
    "BookingExpired": BookingState.EXPIRED,
    "BookingDeclined": BookingState.DECLINED,
    "BookingUnchanged": BookingState.CONFIRMED,
    "BookingRescheduled": BookingState.CONFIRMED,
    "BookingCancelled": BookingState.CANCELLED,
    "BookingCheckedIn": BookingState.CHECKED_IN,
    "BookingCompleted": BookingState.COMPLETED,
    "BookingNoShow": BookingState.NO_SHOW,
    "BookingDisplaced": BookingState.DISPLACED,
    "BookingAwaitingPartner": BookingState.AWAITING_PARTNER,
    "PartnerCancelDue": BookingState.CANCELLED,
}


def rules(quiet: QuietHours | None = None) -> Rules:
    """One reminder a day before; no quiet hours."""
    return Rules(DEFAULT_RULES, quiet)


def event(kind: str, version: int = 1, **fields: Any) -> BookingEvent:
    """A citizen's own act on one booking; the next version comes a minute later."""
    given: dict[str, Any] = {
        "type": kind,
        "event_id": UUID(int=version, version=4),
        "at": NOW + timedelta(minutes=version - 1),
        "booking_id": BOOKING,
        "version": version,
        "state": STATES[kind],
        "from_state": None,
        "offer_id": OFFER,
        "person_id": PERSON,
        "start": START,
        "end": START + timedelta(minutes=90),
        "time_zone": "Europe/Berlin",
        "is_of_series": False,
        "actor_role": ActorRole.CITIZEN,
        "answers_request": True,
    }
    return BookingEvent(**(given | fields))


def planned(*events: BookingEvent, known: Booking | None = None, quiet: QuietHours | None = None) -> Planned:
    """What the events lead to, one batch."""
    return plan({known.booking_id: known} if known else {}, events, rules(quiet))


def messages(*events: BookingEvent, **more: Any) -> list[Message]:
    """The messages planned, in their order."""
    return list(planned(*events, **more).messages.values())
