"""What a command asks of booking, and what it is answered: values in, values out."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.booking.domain.claims import Actor, Booking, Claimant, Reasons, Wish
from services.booking.domain.codes import Role, State


class Command(StrEnum):
    """The commands, by the bare name of their type."""

    REQUEST = "RequestBooking"
    CONFIRM = "ConfirmBooking"
    ACCEPT = "AcceptWaitlistOffer"
    CANCEL = "CancelBooking"
    RESCHEDULE = "RescheduleBooking"
    DECIDE = "DecideApproval"
    CHECK_IN = "CheckIn"


@dataclass(frozen=True, slots=True)
class Asked:
    """A wish for a booking, and the id that the booking would get."""

    booking_id: UUID
    claimant: Claimant
    wish: Wish


@dataclass(frozen=True, slots=True)
class Named:
    """A command about a booking; `booking_id` is None where it names a series. `gave_up`: a partner returns its place."""

    booking_id: UUID | None
    code: str | None = None
    gave_up: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One command, ready to be decided."""

    command: Command
    offer_id: str
    actor: Actor
    body: Asked | Named
    expected_version: int | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A claim stands, in its first version. Until `cancel_until` it can be given up without being late."""

    booking: Booking
    cancel_until: datetime


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A claim was given up. `freed`: there was time left to free; newcomers get it from `resale_after` on, if given."""

    booking: Booking
    from_state: State
    by: Role
    late: bool
    freed: bool
    resale_after: datetime | None


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Nothing was left to do: the booking as it stands."""

    booking: Booking


@dataclass(frozen=True, slots=True)
class Rejected:
    """A wish that led to no claim."""

    reasons: Reasons
    next_start: datetime | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Any other command that changed nothing; `booking_id` only of a booking that exists."""

    reasons: Reasons
    booking_id: UUID | None = None


Outcome = Confirmed | Cancelled | Unchanged | Rejected | Refused
