"""What a command asks of booking, and what it is answered: values in, values out."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
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


class Asked(NamedTuple):
    """A wish for a booking, and the id that the booking would get."""

    booking_id: UUID
    claimant: Claimant
    wish: Wish


class Named(NamedTuple):
    """A command about a booking; `booking_id` is None where it names a series. `gave_up`: a partner returns its place."""

    booking_id: UUID | None
    code: str | None = None
    gave_up: bool = False


class Request(NamedTuple):
    """One command, ready to be decided."""

    command: Command
    offer_id: str
    actor: Actor
    body: Asked | Named
    expected_version: int | None = None
    expires_at: datetime | None = None


class Confirmed(NamedTuple):
    """A claim stands, in its first version. Until `cancel_until` it can be given up without being late."""

    booking: Booking
    cancel_until: datetime


class Cancelled(NamedTuple):
    """A claim was given up. `freed`: there was time left to free; newcomers get it from `resale_after` on, if given."""

    booking: Booking
    from_state: State
    by: Role
    late: bool
    freed: bool
    resale_after: datetime | None


class Unchanged(NamedTuple):
    """Nothing was left to do: the booking as it stands."""

    booking: Booking


class Rejected(NamedTuple):
    """A wish that led to no claim."""

    reasons: Reasons
    next_start: datetime | None = None


class Refused(NamedTuple):
    """Any other command that changed nothing; `booking_id` only of a booking that exists."""

    reasons: Reasons
    booking_id: UUID | None = None


Outcome = Confirmed | Cancelled | Unchanged | Rejected | Refused
