"""What a command asks of booking, and what it is answered: values in, values out."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from services.booking.domain.claims import Actor, Booking, Claimant, Part, Placement, Reasons, Wish
from services.booking.domain.codes import Every, Reason, Role, State


class Command(StrEnum):
    """The commands, by the bare name of their type."""

    REQUEST = "RequestBooking"
    CONFIRM = "ConfirmBooking"
    ACCEPT = "AcceptWaitlistOffer"
    CANCEL = "CancelBooking"
    RESCHEDULE = "RescheduleBooking"
    DECIDE = "DecideApproval"
    CHECK_IN = "CheckIn"


class SeriesRule(NamedTuple):
    """A repeated wish; `skip`: what cannot be booked is left out, otherwise nothing is booked then."""

    every: Every
    interval: int
    times: int
    skip: bool


class SeriesRef(NamedTuple):
    """One occurrence of a series."""

    series_id: UUID
    n: int


class Asked(NamedTuple):
    """A wish for a booking, and the id that the booking would get; a series has ids for its further occurrences too."""

    booking_id: UUID
    claimant: Claimant
    wish: Wish
    hold: bool = False
    hold_for: timedelta | None = None
    join: bool = True
    instant_only: bool = False
    overbook_reason: str | None = None
    series: SeriesRule | None = None
    series_id: UUID | None = None
    occurrence_ids: tuple[UUID, ...] = ()
    add_to: SeriesRef | None = None


class Move(NamedTuple):
    """Where a booking is to go; what is None stays."""

    start: datetime | None
    end: datetime | None
    choices: dict[str, str] | None
    quantity: int | None
    overbook_reason: str | None


class Named(NamedTuple):
    """A command about a booking, or a series from an occurrence on. `gave_up`: a partner returns its place."""

    booking_id: UUID | None
    code: str | None = None
    gave_up: bool = False
    approve: bool = False
    coming: bool = False
    move: Move | None = None
    series_id: UUID | None = None
    from_n: int = 0


class Request(NamedTuple):
    """One command, ready to be decided."""

    command: Command
    offer_id: str
    actor: Actor
    body: Asked | Named
    expected_version: int | None = None
    expires_at: datetime | None = None


class Held(NamedTuple):
    """Kept for a few minutes."""

    booking: Booking
    lasts: timedelta


class ApprovalRequested(NamedTuple):
    """Waits for staff; `competing` others want the same."""

    booking: Booking
    from_state: State | None
    competing: int


class Confirmed(NamedTuple):
    """A claim stands. Until `cancel_until` it can be given up without being late."""

    booking: Booking
    cancel_until: datetime
    from_state: State | None = None


class Joined(NamedTuple):
    """Queued, at a position from 1."""

    booking: Booking
    position: int


class Offered(NamedTuple):
    """A place became free and is kept for the one who waited."""

    booking: Booking
    from_state: State


class OfferLapsed(NamedTuple):
    """The place that was offered goes to the next."""

    booking: Booking
    from_state: State
    reason: Reason | None = None


class Expired(NamedTuple):
    """A hold, a wait or an approval ran out of time, or a closure took its place."""

    booking: Booking
    from_state: State
    reason: Reason | None = None


class Declined(NamedTuple):
    """Staff said no, or the place was taken meanwhile (`reason`)."""

    booking: Booking
    from_state: State
    reason: Reason | None = None


class Moved(NamedTuple):
    """It lies elsewhere now; here is where it was."""

    booking: Booking
    from_state: State
    old_start: datetime
    old_end: datetime
    old_parts: tuple[Part, ...]


class Cancelled(NamedTuple):
    """A claim was given up. `freed`: there was time left to free; newcomers get it from `resale_after` on, if given."""

    booking: Booking
    from_state: State
    by: Role
    late: bool
    freed: bool
    resale_after: datetime | None


class CheckedIn(NamedTuple):
    """The claimant came."""

    booking: Booking
    from_state: State
    at: datetime


class Completed(NamedTuple):
    """The claimant left, or the time is over."""

    booking: Booking
    from_state: State
    at: datetime


class NoShow(NamedTuple):
    """Nobody came; from `freed_from` on it was free for others."""

    booking: Booking
    from_state: State
    freed_from: datetime | None


class Displaced(NamedTuple):
    """A closure took the place; where it would fit now."""

    booking: Booking
    from_state: State
    cause: str
    rebook_by: datetime
    alternatives: tuple[Placement, ...]


class Unchanged(NamedTuple):
    """Nothing was left to do: the booking as it stands."""

    booking: Booking


class Rejected(NamedTuple):
    """A wish that led to no claim."""

    reasons: Reasons
    next_start: datetime | None = None
    add_to: SeriesRef | None = None


class Refused(NamedTuple):
    """Any other command that changed nothing; `booking_id` only of a booking that exists."""

    reasons: Reasons
    booking_id: UUID | None = None


class Result(NamedTuple):
    """What became of one occurrence; `state` None = it led to no claim. A `start` without offset means no instant."""

    n: int
    start: datetime
    state: State | None
    booking_id: UUID | None = None
    reason: Reason | None = None


class Series(NamedTuple):
    """A repeated claim with what became of each occurrence, also of those that were skipped."""

    series_id: UUID
    offer_id: str
    claimant: Claimant
    rule: SeriesRule
    results: tuple[Result, ...]


class SeriesDecided(NamedTuple):
    """The answer to any command on a series. `stored` is false where nothing came of it."""

    series: Series
    reason: Reason | None = None
    stored: bool = True


Change = (
    Held
    | ApprovalRequested
    | Confirmed
    | Joined
    | Offered
    | OfferLapsed
    | Expired
    | Declined
    | Moved
    | Cancelled
    | CheckedIn
    | Completed
    | NoShow
    | Displaced
)
CHANGES = (
    Held, ApprovalRequested, Confirmed, Joined, Offered, OfferLapsed, Expired, Declined, Moved, Cancelled, CheckedIn, Completed,
    NoShow, Displaced,
)  # fmt: skip
Outcome = Change | Unchanged | Rejected | Refused | SeriesDecided


class Told(NamedTuple):
    """A consequence for others, in the order in which it happened: who caused it is in `role`."""

    outcome: Change
    role: Role
