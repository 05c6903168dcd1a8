"""Facts on `booking.events.v1` about one booking: its key is the booking id, its version orders its states.

A reader that keeps state leaves it alone at a version that it has reached. An answer carries the `request_id` it answers;
what follows from it for others carries only the header `ce_causationid`.
"""

from typing import Annotated, ClassVar, Final

from pydantic import Field

from contracts.booking.vocabulary import (
    ActorRole,
    CheckInCode,
    Choices,
    Claimant,
    HoldSeconds,
    Needs,
    OccurrenceNo,
    OpenReason,
    Options,
    PartnerCancelCause,
    PartnerPhase,
    Placements,
    State,
)
from contracts.envelope.event import Model, Part
from contracts.envelope.values import (
    BookedTime,
    Code,
    Count,
    HubId,
    Id,
    Instant,
    Minutes,
    Quantity,
    ReasonCode,
    Revision,
    TimeZone,
    Uuid,
    Version,
    WholeInstant,
    at_most,
)


class BookingFact(Model):
    """What every fact about one booking states: the whole claim after the change."""

    area: ClassVar[str] = "booking"
    key_field: ClassVar[str] = "booking_id"

    booking_id: Uuid
    version: Version
    state: State
    from_state: State | None = None
    offer_id: Id
    offer_revision: Revision
    claimant: Claimant
    start: WholeInstant
    end: WholeInstant
    time_zone: TimeZone
    quantity: Quantity
    placements: Placements = ()
    series_id: Uuid | None = None
    occurrence_no: OccurrenceNo | None = None
    actor_role: ActorRole
    request_id: Uuid | None = None
    reason: OpenReason | None = None


class BookingHeld(BookingFact):
    """Kept for a few minutes, to be confirmed; `hold_seconds` counts from the event's time, for clocks that differ."""

    hold_expires_at: Instant
    hold_seconds: HoldSeconds


class ApprovalRequested(BookingFact):
    """Waits for staff until `decide_by`; `competing` other requests want the same."""

    decide_by: Instant
    competing: Count


class BookingConfirmed(BookingFact):
    """Booked."""

    check_in_code: CheckInCode
    cancel_until: Instant
    overbook_reason: ReasonCode | None = None


class WaitlistJoined(BookingFact):
    """Queued at `position`, from 1."""

    position: Annotated[Count, Field(ge=1)]
    promote_until: Instant


class WaitlistOffered(BookingFact):
    """A place became free and is kept until `offer_expires_at`."""

    offer_expires_at: Instant


class WaitlistOfferExpired(BookingFact):
    """The place that was offered went to the next."""


class BookingExpired(BookingFact):
    """Hold, approval or waiting ran out of time."""


class BookingDeclined(BookingFact):
    """Staff or the partner hub said no."""


class BookingUnchanged(BookingFact):
    """Answers a command that found nothing left to do: the current state."""


class OldPlace(Part):
    """Where a moved booking was."""

    start: WholeInstant
    end: WholeInstant
    placements: Placements = ()


class BookingRescheduled(BookingFact):
    """Moved; start, end and placements are the new ones."""

    old: OldPlace


class BookingCancelled(BookingFact):
    """Given up; what was freed returns to newcomers at `resale_after`, if that is given."""

    by: ActorRole
    late: bool
    freed: bool
    resale_after: Instant | None = None


class BookingCheckedIn(BookingFact):
    """The claimant came."""

    at: Instant


class BookingCompleted(BookingFact):
    """The claimant left, or the time is over."""

    at: Instant


class BookingNoShow(BookingFact):
    """Nobody came; from `freed_from` on the resource was free for others."""

    freed_from: Instant | None = None


class Alternative(Part):
    """Another span at which the displaced booking would fit now."""

    start: WholeInstant
    end: WholeInstant
    placements: Placements = ()


class BookingDisplaced(BookingFact):
    """A closure took the place; to be moved by `rebook_by`."""

    cause: Code
    rebook_by: Instant
    alternatives: Annotated[tuple[Alternative, ...], at_most(3)] = ()


class Wish(Part):
    """What is asked of a partner hub."""

    start: BookedTime | None = None
    end: BookedTime | None = None
    duration_minutes: Minutes | None = None
    quantity: Quantity
    choices: Choices = Field(default_factory=dict)
    options: Options = ()
    needs: Needs = ()
    hold_seconds: HoldSeconds | None = None


class BookingAwaitingPartner(BookingFact):
    """A partner hub has to answer by `answer_by`; until then nothing is booked."""

    hub_id: HubId
    phase: PartnerPhase
    answer_by: Instant
    wish: Wish


class PartnerCancelDue(BookingFact):
    """The partner hub is to be told that its place is not needed."""

    hub_id: HubId
    cause: PartnerCancelCause


FACTS: Final[tuple[type[BookingFact], ...]] = (
    BookingHeld,
    ApprovalRequested,
    BookingConfirmed,
    WaitlistJoined,
    WaitlistOffered,
    WaitlistOfferExpired,
    BookingExpired,
    BookingDeclined,
    BookingUnchanged,
    BookingRescheduled,
    BookingCancelled,
    BookingCheckedIn,
    BookingCompleted,
    BookingNoShow,
    BookingDisplaced,
    BookingAwaitingPartner,
    PartnerCancelDue,
)
