"""What became of the messages to people: facts on `notify.deliveries.v1`, without addresses, names or texts.

Event ids are `uuid5(message_id, "<state>/<attempts>")`: what is told again after a rewind has the id it had before.
"""

from enum import StrEnum
from typing import Annotated, ClassVar, Final

from pydantic import Field

from contracts.envelope.event import Model
from contracts.envelope.values import Count, Instant, OpenEnum, Uuid


class MessageKind(StrEnum):
    """What a message says."""

    CONFIRMED = "confirmed"
    CHANGED = "changed"
    CANCELLED = "cancelled"
    DISPLACED = "displaced"
    REMINDER = "reminder"
    OTHER = "other"
    """Only readers have it: a kind that is newer than they are."""


class MessageClass(StrEnum):
    """How urgent and how binding a message is: answers a person's own act, tells of somebody else's, reminds."""

    ANSWER = "answer"
    NOTICE = "notice"
    REMINDER = "reminder"
    OTHER = "other"
    """Only readers have it: a class that is newer than they are."""


class Channel(StrEnum):
    """How a message travels."""

    MAIL = "mail"
    OTHER = "other"
    """Only readers have it: a channel that is newer than they are."""


class FailureReason(StrEnum):
    """Why a message was not delivered: refused for good, tried too often, past its expiry, returned, no way to write to it."""

    PERMANENT = "permanent"
    ATTEMPTS = "attempts"
    MISSED = "missed"
    BOUNCED = "bounced"
    ADDRESS_UNSUPPORTED = "address_unsupported"
    RESOLVED = "resolved"
    """An operator found out that it did not arrive."""
    UNKNOWN = "unknown"
    """Only readers have it: a reason that is newer than they are."""


class SuppressionReason(StrEnum):
    """Why a message was kept back on purpose."""

    NO_CONTACT = "no_contact"
    ERASED = "erased"
    UNKNOWN = "unknown"
    """Only readers have it: a reason that is newer than they are."""


class MessageFate(Model):
    """What all these facts state; `due_at` is when the message was to go out, `at` when it came to this."""

    area: ClassVar[str] = "notify"
    key_field: ClassVar[str] = "message_id"

    message_id: Uuid
    kind: Annotated[MessageKind, OpenEnum(MessageKind.OTHER)]
    message_class: Annotated[MessageClass, OpenEnum(MessageClass.OTHER), Field(alias="class")]
    channel: Annotated[Channel, OpenEnum(Channel.OTHER)]
    booking_id: Uuid | None = None
    due_at: Instant
    at: Instant
    attempts: Count
    resent: bool = False

    def key(self) -> str:
        """The booking that the message is about, so that its facts keep their order; else the message."""
        return str(self.booking_id or self.message_id)


class MessageSent(MessageFate):
    """The relay has taken it. After `MessageUncertain` with the same id this settles it."""


class MessageFailed(MessageFate):
    """It will not arrive."""

    reason: Annotated[FailureReason, OpenEnum(FailureReason.UNKNOWN)]


class MessageUncertain(MessageFate):
    """The relay's answer was lost: it may have arrived or not. It is sent once more where its class says so, never silently."""


class MessageSuppressed(MessageFate):
    """Kept back on purpose; nothing was sent."""

    reason: Annotated[SuppressionReason, OpenEnum(SuppressionReason.UNKNOWN)]


FATES: Final[tuple[type[MessageFate], ...]] = (MessageSent, MessageFailed, MessageUncertain, MessageSuppressed)
