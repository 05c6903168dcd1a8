"""Enums and parts that commands, events and offers share."""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field

from contracts.envelope.event import Part
from contracts.envelope.values import Code, HubId, Id, MapForm, OpenEnum, Quantity, Uuid, WholeInstant, at_most

CHECK_IN_CODE_PATTERN: Final = "^[0-9A-HJKMNP-TV-Z]{8}$"
COMPONENTS_MAX: Final = 8
NEEDS_MAX: Final = 20
GROUPS_MAX: Final = 50
OCCURRENCES_MAX: Final = 60
HOLD_SECONDS_MAX: Final = 30 * 60


class State(StrEnum):
    """States of a booking; `rejected` exists only as an answer."""

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


class Reason(StrEnum):
    """Why a request was refused, in the order in which the rules are checked. Codes are stable."""

    INVALID_REQUEST = "invalid_request"
    REQUEST_EXPIRED = "request_expired"
    REQUEST_ID_REUSED = "request_id_reused"
    UNKNOWN_OFFER = "unknown_offer"
    NOT_BOOKABLE = "not_bookable"
    REVISION_OUTDATED = "revision_outdated"
    NOT_PERMITTED = "not_permitted"
    HOLD_EXPIRED = "hold_expired"
    OFFER_EXPIRED = "offer_expired"
    DEADLINE_PASSED = "deadline_passed"
    GONE = "gone"
    STALE_VERSION = "stale_version"
    NONEXISTENT_LOCAL_TIME = "nonexistent_local_time"
    AMBIGUOUS_LOCAL_TIME = "ambiguous_local_time"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    OFF_GRID = "off_grid"
    TOO_SOON = "too_soon"
    TOO_FAR_AHEAD = "too_far_ahead"
    BLACKOUT = "blackout"
    OUTSIDE_OPENING_HOURS = "outside_opening_hours"
    NEEDS_UNMET = "needs_unmet"
    SAME_UNIT_TWICE = "same_unit_twice"
    PERSON_LIMIT = "person_limit"
    GROUP_QUOTA = "group_quota"
    PARTNER_LIMIT = "partner_limit"
    CONFLICT = "conflict"
    BUFFER = "buffer"
    CAPACITY_FULL = "capacity_full"
    WAITLIST_FULL = "waitlist_full"
    APPROVAL_REQUIRED = "approval_required"
    SERIES_INCOMPLETE = "series_incomplete"
    BUSY = "busy"
    UNKNOWN = "unknown"
    """Only readers have it: a code that is newer than they are."""


OpenReason = Annotated[Reason, OpenEnum(Reason.UNKNOWN)]


class ActorRole(StrEnum):
    """Who acts; `system` only in events."""

    CITIZEN = "citizen"
    STAFF = "staff"
    PARTNER = "partner"
    SYSTEM = "system"


class Intent(StrEnum):
    """Book at once, or hold for a few minutes."""

    BOOK = "book"
    HOLD = "hold"


class SeriesMode(StrEnum):
    """What becomes of a series if one occurrence cannot be booked."""

    ALL_OR_NOTHING = "all_or_nothing"
    SKIP = "skip"


class Every(StrEnum):
    """Step of a series; `month` is the same ordinal weekday of each month."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Decision(StrEnum):
    """Staff's answer where approval is needed."""

    APPROVE = "approve"
    DECLINE = "decline"


class Direction(StrEnum):
    """Coming or going."""

    IN = "in"
    OUT = "out"


class PartnerPhase(StrEnum):
    """How far the talk with a partner hub is."""

    HOLDING = "holding"
    CONFIRMING = "confirming"
    UNCLEAR = "unclear"


class PartnerCancelCause(StrEnum):
    """Why the partner hub has to be told of a cancellation."""

    CANCELLED = "cancelled"
    GAVE_UP = "gave_up"
    LATE_ANSWER = "late_answer"


class PersonClaimant(Part):
    """A person, by the random id that stands for them."""

    kind: Literal["person"]
    person_id: Uuid


class PartnerClaimant(Part):
    """Somebody at a partner hub, who is not told apart here."""

    booking_ref: Uuid
    hub_id: HubId
    kind: Literal["partner"]


class HouseClaimant(Part):
    """The house itself: a session that occupies a room, staff use."""

    kind: Literal["house"]
    purpose: Code


Claimant = Annotated[PersonClaimant | PartnerClaimant | HouseClaimant, Field(discriminator="kind")]

Choices = Annotated[dict[Code, Id], MapForm(COMPONENTS_MAX, is_sorted=True)]
"""Component id to the id of the resource that is wanted there."""
Quantities = Annotated[dict[Code, Quantity], MapForm(COMPONENTS_MAX, is_sorted=True)]
Options = Annotated[tuple[Code, ...], at_most(COMPONENTS_MAX)]
Needs = Annotated[tuple[Code, ...], at_most(NEEDS_MAX)]
Groups = Annotated[tuple[Code, ...], at_most(GROUPS_MAX)]
HoldSeconds = Annotated[int, Field(ge=1, le=HOLD_SECONDS_MAX)]
CheckInCode = Annotated[str, Field(pattern=CHECK_IN_CODE_PATTERN)]
OccurrenceNo = Annotated[int, Field(ge=0, lt=OCCURRENCES_MAX)]


class Placement(Part):
    """One component on one resource."""

    component_id: Code
    resource_id: Id
    quantity: Quantity


Placements = Annotated[tuple[Placement, ...], at_most(500 * COMPONENTS_MAX)]


class Span(Part):
    """Half-open `[start, end)`."""

    start: WholeInstant
    end: WholeInstant
