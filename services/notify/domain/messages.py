"""A message: what it is about, its kind and class, its key, and the states it can be in."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

# Drawn once. A message's id is derived from its key below it, so a replay meets its own rows.
_NAMESPACE: Final = UUID("2e33bda8-8de5-458f-9efa-b55b845340ec")


class Kind(StrEnum):
    """What a message says."""

    CONFIRMED = "confirmed"
    CHANGED = "changed"
    CANCELLED = "cancelled"
    DISPLACED = "displaced"
    REMINDER = "reminder"


class MessageClass(StrEnum):
    """Answer to a person's own act, notice of somebody else's, reminder."""

    ANSWER = "answer"
    NOTICE = "notice"
    REMINDER = "reminder"


class State(StrEnum):
    """Where a message stands; from `SENT` on nothing follows, except that an operator or a late reply settles `UNCERTAIN`."""

    SCHEDULED = "scheduled"
    CLAIMED = "claimed"
    SENDING = "sending"
    UNCERTAIN = "uncertain"
    SENT = "sent"
    FAILED = "failed"
    MISSED = "missed"
    SKIPPED = "skipped"
    SUPERSEDED = "superseded"
    SUPPRESSED = "suppressed"


@dataclass(frozen=True, slots=True)
class ClassRules:
    """What holds for all messages of a class. Lanes are served in order, 1 first.

    `is_dropped`: where the quiet hours last longer than it is of use, it is not sent; others go at once then.
    """

    lane: int
    is_quiet: bool
    is_dropped: bool
    resent_once: bool


CLASSES: Final = {
    MessageClass.ANSWER: ClassRules(lane=1, is_quiet=False, is_dropped=False, resent_once=True),
    MessageClass.NOTICE: ClassRules(lane=2, is_quiet=True, is_dropped=False, resent_once=True),
    MessageClass.REMINDER: ClassRules(lane=3, is_quiet=True, is_dropped=True, resent_once=False),
}
QUIET_CLASSES: Final = tuple(sorted(name for name, rules in CLASSES.items() if rules.is_quiet))
DROPPED_CLASSES: Final = tuple(sorted(name for name, rules in CLASSES.items() if rules.is_dropped))
RESENT_CLASSES: Final = tuple(sorted(name for name, rules in CLASSES.items() if rules.resent_once))
# Somebody waits there for the person: a reminder of these kinds of offer is sent once more too.
AWAITED_OFFER_KINDS: Final = ("advice", "health")

TOO_LATE: Final = "too_late"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message to one person, as planned. `slot` is made of ids and ISO instants, never of formatted text.

    `booking_states`, `start`, `end` are what it speaks of: it goes out only while the booking is like that. `facts` are the
    instants that the text needs beside them.
    """

    kind: Kind
    message_class: MessageClass
    person_id: UUID
    booking_id: UUID
    booking_states: tuple[str, ...]
    offer_id: str
    version: int
    caused_at: datetime
    cause_id: UUID
    start: datetime
    end: datetime
    time_zone: str
    slot: str
    rule: str | None
    due_at: datetime
    expires_at: datetime
    state: State = State.SCHEDULED
    reason: str | None = None
    facts: "Facts"

    @property
    def dedupe_key(self) -> str:
        """One row per key, for ever."""
        return f"{self.kind}:{self.booking_id}:{self.slot}:{self.person_id}:mail"

    @property
    def message_id(self) -> UUID:
        """Derived from the key."""
        return uuid5(_NAMESPACE, self.dedupe_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Times that only this message's text needs; nothing here is about a person."""

    old_start: datetime | None = None
    old_end: datetime | None = None
    rebook_by: datetime | None = None
    alternatives: tuple[tuple[datetime, datetime], ...] = ()
    was_confirmed: bool = False
    """The person has a calendar entry of this booking, which a cancellation has to take back."""


def resend_key(dedupe_key: str, number: int) -> str:
    """The key of an operator's further sending: the slot is marked, so it is a message of its own with the same checks."""
    head, person, channel = dedupe_key.rsplit(":", 2)
    return f"{head.partition('/resend/')[0]}/resend/{number}:{person}:{channel}"


def id_of(dedupe_key: str) -> UUID:
    """The message id that belongs to a key."""
    return uuid5(_NAMESPACE, dedupe_key)


def fact_id(message_id: UUID, state: State, attempts: int) -> UUID:
    """The event id under which a fate is told: a rewind repeats ids, not facts."""
    return uuid5(message_id, f"{state}/{attempts}")
