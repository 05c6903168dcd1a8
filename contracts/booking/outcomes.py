"""Facts on `booking.events.v1` where no single booking is meant, keyed by offer id: refusals, series, closures, capacity."""

from typing import Annotated, ClassVar, Final

from pydantic import Field

from contracts.booking.vocabulary import (
    OCCURRENCES_MAX,
    ActorRole,
    Claimant,
    OccurrenceNo,
    OpenReason,
    SeriesMode,
    Span,
    State,
)
from contracts.envelope.event import PROBLEMS_MAX, Model, Part
from contracts.envelope.values import (
    BookedTime,
    Code,
    Count,
    Day,
    Id,
    Instant,
    Quantity,
    Revision,
    Sha256,
    TimeZone,
    TypeName,
    Uuid,
    WholeInstant,
    at_most,
)

DISPLACED_MAX: Final = 1000
"""Booking ids in one event; a larger closure goes on in further events with `part` 2, 3 ..."""


class Notice(Model):
    """What these facts have in common."""

    area: ClassVar[str] = "booking"
    key_field: ClassVar[str] = "offer_id"

    offer_id: Id
    actor_role: ActorRole
    request_id: Uuid | None = None
    reason: OpenReason | None = None


class RejectedFor(Part):
    """One reason, and the component that it concerns."""

    code: OpenReason
    component_id: Code | None = None


class BookingRejected(Notice):
    """A `RequestBooking` led to no claim. What could be read of the wish comes along; `reason` is the first of `reasons`."""

    reason: OpenReason
    offer_revision: Revision | None = None
    claimant: Claimant | None = None
    start: WholeInstant | None = None
    end: WholeInstant | None = None
    time_zone: TimeZone | None = None
    quantity: Quantity | None = None
    series_id: Uuid | None = None
    occurrence_no: OccurrenceNo | None = None
    reasons: Annotated[tuple[RejectedFor, ...], at_most(100, at_least=1)]
    next_start: WholeInstant | None = None
    retryable: bool
    requested_at: Instant


class RequestRefused(Model):
    """Any other refused command, an invalid request, a reused request id; a booking that it names is untouched.

    Without `request_id` it answers nobody but the sender of this content (`payload_hash`, `ce_causationid`).
    """

    area: ClassVar[str] = "booking"
    key_field: ClassVar[str] = "offer_id"

    offer_id: Id | None = None
    booking_id: Uuid | None = None
    actor_role: ActorRole | None = None
    request_id: Uuid | None = None
    reason: OpenReason
    command: TypeName
    payload_hash: Sha256
    retryable: bool
    detail: Annotated[tuple[Annotated[str, Field(max_length=200)], ...], at_most(PROBLEMS_MAX)] = ()

    def key(self) -> str:
        """The booking's id, else the offer's, else the request's. Empty if none is known: then it is the cause's id."""
        known = (self.booking_id, self.offer_id, self.request_id)
        return next((str(name) for name in known if name is not None), "")


class SeriesResult(Part):
    """What became of one occurrence; a local time that does not exist stands there as it was meant."""

    n: OccurrenceNo
    start: BookedTime
    state: State
    booking_id: Uuid | None = None
    reason: OpenReason | None = None


class SeriesDecided(Notice):
    """Answers any command on a series: one result for each occurrence, also those skipped."""

    series_id: Uuid
    claimant: Claimant
    mode: SeriesMode
    results: Annotated[tuple[SeriesResult, ...], at_most(OCCURRENCES_MAX)] = ()


class ClosureApplied(Notice):
    """A blackout, a cancelled session or offer took effect: the bookings that it displaced."""

    cause: Code
    span: Span
    displaced: Annotated[tuple[Uuid, ...], at_most(DISPLACED_MAX)] = ()
    part: Annotated[Count, Field(ge=1)] = 1


class CapacityChanged(Notice):
    """Places of a session or units of a pool after a cut or an increase; again at each change until nothing is over."""

    resource_id: Id
    capacity: Count
    used: Count
    over_capacity: Count


class SessionUnplaced(Notice):
    """The rooms of a session are taken by the bookings `in_the_way`."""

    resource_id: Id
    in_the_way: Annotated[tuple[Uuid, ...], at_most(DISPLACED_MAX)] = ()


class SessionFree(Part):
    """Free places of a session."""

    resource_id: Id
    free: Count


class DayFree(Part):
    """Whether anything is free on a local date."""

    date: Day
    free: bool


class AvailabilityChanged(Notice):
    """A hint for those who must not rebuild the rules: what changed, as of an instant."""

    as_of: Instant
    sessions: Annotated[tuple[SessionFree, ...], at_most(400)] = ()
    days: Annotated[tuple[DayFree, ...], at_most(400)] = ()


NOTICES: Final[tuple[type[Model], ...]] = (
    BookingRejected,
    RequestRefused,
    SeriesDecided,
    ClosureApplied,
    CapacityChanged,
    SessionUnplaced,
    AvailabilityChanged,
)
