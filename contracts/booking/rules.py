"""The `booking` block of an offer: its rules as data. What they mean is decided by booking alone."""

from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from contracts.booking.vocabulary import COMPONENTS_MAX, GROUPS_MAX, HOLD_SECONDS_MAX
from contracts.envelope.event import Part, wrong
from contracts.envelope.values import (
    INT32_MAX,
    Code,
    Day,
    Id,
    Instant,
    Minutes,
    OpenEnum,
    Quantity,
    Revision,
    TimeOfDay,
    WholeInstant,
    at_most,
)

SESSIONS_MAX: Final = 400
RESOURCES_MAX: Final = SESSIONS_MAX + 50 * COMPONENTS_MAX
HOURS_MAX: Final = 70
"""Ten intervals for each day of a week."""
EXCEPTIONS_MAX: Final = 400
BLACKOUTS_MAX: Final = 400
LIMITS_MAX: Final = 10
BY_KIND: Final = "by_kind"
"""Default of `release_after_minutes`: 15 minutes, of a session never."""


class BookingMode(StrEnum):
    """Whether and how an offer is booked here; `request` needs approval."""

    NONE = "none"
    EXTERNAL = "external"
    INSTANT = "instant"
    REQUEST = "request"
    UNKNOWN = "unknown"


class ResourceKind(StrEnum):
    """How a resource is scarce."""

    UNIT = "unit"
    POOL = "pool"
    SESSION = "session"
    ADVISER = "adviser"
    UNKNOWN = "unknown"


OpenMode = Annotated[BookingMode, OpenEnum(BookingMode.UNKNOWN)]
OpenKind = Annotated[ResourceKind, OpenEnum(ResourceKind.UNKNOWN)]


class Choose(StrEnum):
    """Who picks the resource of a component."""

    ANY = "any"
    NAMED = "named"
    EITHER = "either"


class SessionStatus(StrEnum):
    """Whether a session takes place."""

    SCHEDULED = "scheduled"
    CANCELLED = "cancelled"


class Component(Part):
    """One thing that a booking takes; several make a bundle."""

    component_id: Code
    kind: OpenKind
    resource_ids: Annotated[tuple[Id, ...], at_most(SESSIONS_MAX)] = ()
    choose: Choose = Choose.ANY
    optional: bool = False
    setup_minutes: Minutes | None = None
    teardown_minutes: Minutes | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.kind is not ResourceKind.SESSION and len(self.resource_ids) > 50:
            raise wrong("/resource_ids", "at most 50 resources, sessions 400")
        return self


class OpenHours(Part):
    """Local times of one day, `from` before `to`."""

    from_: TimeOfDay = Field(alias="from")
    to: TimeOfDay

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.from_ >= self.to:
            raise wrong("/to", "closing has to be after opening; after midnight is the next day's interval")
        return self


class WeeklyHours(OpenHours):
    """An interval of each week; 1 is Monday."""

    weekday: Annotated[int, Field(ge=1, le=7)]


class DayHours(Part):
    """Hours of one date instead of the week's; none = closed that day."""

    date: Day
    hours: Annotated[tuple[OpenHours, ...], at_most(10)] = ()


class Blackout(Part):
    """Closed, whatever the hours say."""

    blackout_id: Id
    start: WholeInstant
    end: WholeInstant
    cause: Code

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.end <= self.start:
            raise wrong("/end", "the end has to be after the start")
        return self


Hours = Annotated[tuple[WeeklyHours, ...], at_most(HOURS_MAX)]
Exceptions = Annotated[tuple[DayHours, ...], at_most(EXCEPTIONS_MAX)]
Blackouts = Annotated[tuple[Blackout, ...], at_most(BLACKOUTS_MAX)]
Features = Annotated[tuple[Code, ...], at_most(50)]


class Resource(Part):
    """A scarce thing; shared between offers, the highest `revision` wins. Without hours it is always open."""

    resource_id: Id
    kind: OpenKind
    revision: Revision
    capacity: Annotated[int, Field(ge=0, le=100_000)] | None = None
    hours: Hours = ()
    exceptions: Exceptions = ()
    blackouts: Blackouts = ()
    setup_minutes: Minutes = 0
    teardown_minutes: Minutes = 0
    features: Features = ()
    start: WholeInstant | None = None
    end: WholeInstant | None = None
    status: SessionStatus = SessionStatus.SCHEDULED
    occupies: Annotated[tuple[Id, ...], at_most(50)] = ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.kind in (ResourceKind.POOL, ResourceKind.SESSION) and self.capacity is None:
            raise wrong("/capacity", "pools and sessions have a capacity")
        if self.kind is ResourceKind.SESSION:
            if self.start is None or self.end is None:
                raise wrong("/start", "a session has start and end")
            if self.end <= self.start:
                raise wrong("/end", "the end has to be after the start")
        return self


class LeadUnit(StrEnum):
    """Days count local dates; a working day has an open interval."""

    MINUTES = "minutes"
    DAYS = "days"
    WORKING_DAYS = "working_days"


class Lead(Part):
    """How long before the start a booking has to be made."""

    value: Annotated[int, Field(ge=0, le=366 * 24 * 60)] = 0
    unit: LeadUnit = LeadUnit.MINUTES


class LimitPer(StrEnum):
    """Whose claims are counted together."""

    PERSON = "person"
    GROUP = "group"


class LimitUnit(StrEnum):
    """What is counted."""

    BOOKINGS = "bookings"
    PLACES = "places"
    MINUTES = "minutes"


class LimitWindow(StrEnum):
    """Over which claims it is counted."""

    ACTIVE = "active"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    SAME_TIME = "same_time"


class Limit(Part):
    """How much one person or group may take; offers with the same `key` count together."""

    key: Code
    per: LimitPer
    group: Code | None = None
    unit: LimitUnit
    window: LimitWindow
    max: Annotated[int, Field(ge=0, le=INT32_MAX)]

    @model_validator(mode="after")
    def _group_named(self) -> Self:
        if self.per is LimitPer.GROUP and self.group is None:
            raise wrong("/group", "a limit per group names the group")
        return self


class Approval(Part):
    """How staff decide; requests that do not block compete for the same span."""

    blocks: bool = True
    decide_within_minutes: Annotated[Minutes, Field(ge=1)] = 2880
    auto_groups: Annotated[tuple[Code, ...], at_most(GROUPS_MAX)] = ()


class WaitlistMode(StrEnum):
    """Who is next: the first in the queue, or the first that fits."""

    OFF = "off"
    STRICT = "strict"
    FIT = "fit"


class Waitlist(Part):
    """The queue for what is full; promotion ends `promote_until_minutes` before the start."""

    mode: WaitlistMode = WaitlistMode.OFF
    offer_minutes: Annotated[Minutes, Field(ge=1)] = 1440
    promote_until_minutes: Minutes = 120
    max_entries: Annotated[int, Field(ge=0, le=500)] = 50


class AfterDeadline(StrEnum):
    """What a late cancellation is."""

    LATE = "late"
    REFUSE = "refuse"


class Cancel(Part):
    """Deadline before the start."""

    until_minutes: Minutes = 0
    after: AfterDeadline = AfterDeadline.LATE


class CheckInRules(Part):
    """Whether one has to appear.

    `release_after_minutes` is the one field whose null is not absence: absent means by kind, null never freed early.
    """

    required: bool = False
    opens_minutes: Minutes = 15
    release_after_minutes: Minutes | Literal["by_kind"] | None = BY_KIND


class BookingRules(Part):
    """All of it. Every default is part of the contract: it is left out when written and never changes within a major."""

    mode: OpenMode = BookingMode.NONE
    components: Annotated[tuple[Component, ...], at_most(COMPONENTS_MAX)] = ()
    resources: Annotated[tuple[Resource, ...], at_most(RESOURCES_MAX)] = ()
    hours: Hours = ()
    exceptions: Exceptions = ()
    blackouts: Blackouts = ()
    bookable_from: Instant | None = None
    bookable_until: Instant | None = None
    lead: Lead = Lead()
    horizon_days: Annotated[int, Field(ge=1, le=730)] = 90
    grid_minutes: Annotated[int, Field(ge=1, le=1440)] | None = None
    min_minutes: Annotated[Minutes, Field(ge=1)] = 1
    max_minutes: Annotated[Minutes, Field(ge=1)] = 1440
    durations: Annotated[tuple[Annotated[Minutes, Field(ge=1)], ...], at_most(50, at_least=1)] | None = None
    max_quantity: Quantity = 1
    permitted_groups: Annotated[tuple[Code, ...], at_most(GROUPS_MAX)] | None = None
    limits: Annotated[tuple[Limit, ...], at_most(LIMITS_MAX)] = ()
    approval: Approval = Approval()
    waitlist: Waitlist = Waitlist()
    cancel: Cancel = Cancel()
    check_in: CheckInRules = CheckInRules()
    hold_minutes: Annotated[int, Field(ge=1, le=HOLD_SECONDS_MAX // 60)] = 10
    resale_delay_minutes: Annotated[int, Field(ge=0, le=10_080)] = 0
    rebook_days: Annotated[int, Field(ge=1, le=90)] = 14
    retention_days: Annotated[int, Field(ge=1, le=3650)] = 90

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.mode in (BookingMode.INSTANT, BookingMode.REQUEST) and not self.components:
            raise wrong("/components", "what is booked here has at least one component")
        if self.max_minutes < self.min_minutes:
            raise wrong("/max_minutes", "the longest booking is not shorter than the shortest")
        if len({component.component_id for component in self.components}) != len(self.components):
            raise wrong("/components", "component ids differ")
        return self
