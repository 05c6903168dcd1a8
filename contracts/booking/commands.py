"""Commands on `booking.requests.v1`: what a frontend, staff or a partner hub asks of booking.

The event's id is the request id. Who is asking (`actor`) is stated by those who may write the topic. Rules here need the
command alone; whether the offer allows it is booking's decision.
"""

from datetime import datetime
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from contracts.booking.vocabulary import (
    OCCURRENCES_MAX,
    ActorRole,
    CheckInCode,
    Choices,
    Claimant,
    Decision,
    Direction,
    Every,
    Groups,
    HoldSeconds,
    Intent,
    Needs,
    OccurrenceNo,
    Options,
    Quantities,
    SeriesMode,
)
from contracts.envelope.event import COMMAND_BYTES_MAX, Model, Part, wrong
from contracts.envelope.values import BookedTime, Id, Minutes, Quantity, ReasonCode, Revision, Uuid, Version


class Actor(Part):
    """Who acts: `id` is a person, staff or hub id; a kiosk is a citizen without one."""

    groups: Groups = ()
    id: Id | None = None
    role: Literal[ActorRole.CITIZEN, ActorRole.STAFF, ActorRole.PARTNER]


class Command(Model):
    """What all commands have.

    Commands and their parts have their fields in alphabetical order, and their maps are sorted when they are read: the value
    as written is at the same time what `payload_hash` hashes.
    """

    area: ClassVar[str] = "booking"
    key_field: ClassVar[str] = "offer_id"
    value_bytes_max: ClassVar[int] = COMMAND_BYTES_MAX

    offer_id: Id
    actor: Actor
    expected_version: Version | None = None

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls.__pydantic_fields__ = dict(sorted(cls.__pydantic_fields__.items()))
        cls.model_rebuild(force=True)


class Series(Part):
    """A repeated wish; the wall-clock start is kept."""

    count: Annotated[int, Field(ge=1, le=OCCURRENCES_MAX)]
    every: Every
    interval: Annotated[int, Field(ge=1, le=52)] = 1
    mode: SeriesMode


class AddTo(Part):
    """A skipped occurrence of a series, to be booked after all."""

    n: OccurrenceNo
    series_id: Uuid


class Overbook(Part):
    """Staff book beyond a rule, and say why."""

    reason_code: ReasonCode


class RequestBooking(Command):
    """Book, hold or queue for an offer. Of a session neither `start` nor `end` is given: `choices` names it."""

    claimant: Claimant
    start: BookedTime | None = None
    end: BookedTime | None = None
    duration_minutes: Annotated[Minutes, Field(ge=1)] | None = None
    choices: Choices = Field(default_factory=dict)
    options: Options = ()
    quantity: Quantity = 1
    quantities: Quantities = Field(default_factory=dict)
    needs: Needs = ()
    intent: Intent = Intent.BOOK
    hold_seconds: HoldSeconds | None = None
    join_waitlist: bool = True
    instant_only: bool = False
    series: Series | None = None
    add_to: AddTo | None = None
    overbook: Overbook | None = None
    offer_revision: Revision | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.start is None:
            if self.end is not None or self.duration_minutes is not None:
                raise wrong("/start", "an end or a duration needs a start")
            if self.series is not None:
                raise wrong("/start", "a series needs a start")
        else:
            _check_span(self.start, self.end, self.duration_minutes)
        if self.series is not None and self.add_to is not None:
            raise wrong("/add_to", "either a new series or an addition to one")
        return self


class ConfirmBooking(Command):
    """Turn a hold into a booking."""

    booking_id: Uuid


class AcceptWaitlistOffer(Command):
    """Take the place that the waiting list offers; to decline it, cancel."""

    booking_id: Uuid


class CancelBooking(Command):
    """Give up one booking, or a series from one occurrence on."""

    booking_id: Uuid | None = None
    series_id: Uuid | None = None
    from_n: OccurrenceNo | None = None
    reason_code: ReasonCode | None = None

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.booking_id is None) == (self.series_id is None):
            raise wrong("/booking_id", "either a booking or a series")
        if (self.series_id is None) != (self.from_n is None):
            raise wrong("/from_n", "a series is cancelled from an occurrence on")
        return self


class RescheduleBooking(Command):
    """Move a booking within its offer: to a span, to another session (`choices`), or after check-in only its `end`."""

    booking_id: Uuid
    start: BookedTime | None = None
    end: BookedTime | None = None
    choices: Choices = Field(default_factory=dict)
    quantity: Quantity | None = None
    overbook: Overbook | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.start is not None:
            _check_span(self.start, self.end, None)
        return self


class DecideApproval(Command):
    """Approve or decline what waits for approval."""

    booking_id: Uuid | None = None
    series_id: Uuid | None = None
    decision: Decision
    reason_code: ReasonCode | None = None

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.booking_id is None) == (self.series_id is None):
            raise wrong("/booking_id", "either a booking or a series")
        return self


class CheckIn(Command):
    """Come or go; a kiosk shows the booking's code instead of a login."""

    booking_id: Uuid
    code: CheckInCode | None = None
    direction: Direction


COMMANDS: Final[tuple[type[Command], ...]] = (
    RequestBooking,
    ConfirmBooking,
    AcceptWaitlistOffer,
    CancelBooking,
    RescheduleBooking,
    DecideApproval,
    CheckIn,
)


def _check_span(start: datetime, end: datetime | None, duration_minutes: int | None) -> None:
    if (end is None) == (duration_minutes is None):
        raise wrong("/end", "a start needs either an end or a duration")
    if end is not None:
        if (start.tzinfo is None) != (end.tzinfo is None):
            raise wrong("/end", "start and end are both instants or both local times")
        if end <= start:
            raise wrong("/end", "the end has to be after the start")
