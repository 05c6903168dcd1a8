"""A booking as far as people are told of it, and an event about it as it is read for planning."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class BookingState(StrEnum):
    """States of a booking; booking is their owner."""

    HELD = "held"
    PENDING_APPROVAL = "pending_approval"
    OFFERED = "offered"
    CONFIRMED = "confirmed"
    CHECKED_IN = "checked_in"
    WAITLISTED = "waitlisted"
    DISPLACED = "displaced"
    AWAITING_PARTNER = "awaiting_partner"
    COMPLETED = "completed"
    NO_SHOW = "no_show"
    CANCELLED = "cancelled"
    DECLINED = "declined"
    EXPIRED = "expired"
    REJECTED = "rejected"


class ActorRole(StrEnum):
    """Who caused an event."""

    CITIZEN = "citizen"
    STAFF = "staff"
    PARTNER = "partner"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """The copy that is kept. `person_id` is None where nobody of this hub's people booked (a partner's citizen, the house).

    `told_version`, `told_at`: version and time of the last event that people are told of; SEQUENCE and DTSTAMP of the
    calendar entry.
    """

    booking_id: UUID
    version: int
    state: BookingState
    offer_id: str
    person_id: UUID | None
    start: datetime
    end: datetime
    time_zone: str
    was_confirmed: bool
    check_in_code: str | None
    told_version: int
    told_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingEvent:
    """A fact about one booking; what only some types carry is None or empty elsewhere."""

    type: str
    event_id: UUID
    at: datetime
    booking_id: UUID
    version: int
    state: BookingState
    from_state: BookingState | None
    offer_id: str
    person_id: UUID | None
    start: datetime
    end: datetime
    time_zone: str
    is_of_series: bool
    actor_role: ActorRole
    answers_request: bool
    check_in_code: str | None = None
    old_start: datetime | None = None
    old_end: datetime | None = None
    rebook_by: datetime | None = None
    alternatives: tuple[tuple[datetime, datetime], ...] = ()
