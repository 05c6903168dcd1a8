"""A claimed message with all that its text needs, and what came of sending it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.notify.domain.messages import Facts, Kind, MessageClass, State
from services.notify.domain.offers import Offer
from services.notify.domain.people import Contact
from services.notify.domain.replies import Effect, Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One claimed row. `contact_revision` is of the copy that it was made with; `told_before`: the person has had a mail that
    said when this booking is, or may have had."""

    message_id: UUID
    claim: int
    kind: Kind
    message_class: MessageClass
    lane: int
    booking_id: UUID
    version: int
    caused_at: datetime
    start: datetime
    end: datetime
    time_zone: str
    facts: Facts
    next_at: datetime
    attempts: int
    first_attempt_at: datetime | None
    mail_date: datetime
    template: str | None
    resent: bool
    contact: Contact
    contact_revision: int
    offer: Offer | None
    check_in_code: str | None
    told_before: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one claim ended. `counted`: it uses up one of the message's attempts; `reply` is what the relay said, if it spoke.

    A message that is scheduled again waits for `delay`, or for its back-off after a counted attempt; `attempts` and
    `first_attempt_at` are what it had before.
    """

    message_id: UUID
    claim: int
    state: State
    effect: Effect | None = None
    reason: str | None = None
    counted: bool = False
    delay: timedelta | None = None
    attempts: int = 0
    first_attempt_at: datetime | None = None
    next_at: datetime | None = None
    reply: Reply | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """A state that the world is told of, as the row has it. `cause_id`: the event that the message is about."""

    message_id: UUID
    kind: Kind
    message_class: MessageClass
    booking_id: UUID | None
    cause_id: UUID
    state: State
    reason: str | None
    due_at: datetime
    attempts: int
    resent: bool
