"""What people are to be told and what became of it, from the facts on the bus. Pure.

A confirmation that had not left when its booking was cancelled is not sent any more: only each booking's last word has to
arrive, so mails are counted by what they are about and not by their number.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from contracts.booking.events import BookingFact
from contracts.booking.vocabulary import State
from contracts.envelope import Model
from contracts.notify import MessageFate, MessageSent

WORDS: Final[Mapping[str, str]] = {
    "BookingConfirmed": "confirmed",
    "BookingRescheduled": "changed",
    "BookingCancelled": "cancelled",
    "BookingDisplaced": "displaced",
}
"""What people are told of, and the kind of message that tells it."""


@dataclass(slots=True)
class Post:
    """Bookings and messages by their ids."""

    words: dict[UUID, list[tuple[int, str]]] = field(default_factory=dict)  # booking -> (version, kind of message)
    fates: dict[UUID, MessageFate] = field(default_factory=dict)  # message -> the last that was told of it
    told: dict[UUID, set[str]] = field(default_factory=dict)  # booking -> kinds that were sent

    def take(self, bare_type: str, body: Model) -> None:
        """Note what a booking's event means for its person, or what became of a message."""
        if isinstance(body, BookingFact):
            kind = WORDS.get(bare_type) if body.from_state is not State.HELD or bare_type == "BookingConfirmed" else None
            if kind and body.claimant.kind == "person":
                self.words.setdefault(body.booking_id, []).append((body.version, kind))
        elif isinstance(body, MessageFate):
            self.fates[body.message_id] = body
            if isinstance(body, MessageSent) and body.booking_id is not None:
                self.told.setdefault(body.booking_id, set()).add(body.kind)

    def missing(self) -> list[UUID]:
        """Bookings whose last word has not left."""
        return [booking_id for booking_id, words in self.words.items() if max(words)[1] not in self.told.get(booking_id, ())]

    def overtaken(self) -> int:
        """Words that were not sent because a later one of the same booking was."""
        known = [(self.told.get(booking_id, set()), {kind for _, kind in words}) for booking_id, words in self.words.items()]
        return sum(len(kinds - told) for told, kinds in known if told)

    def sent(self) -> int:
        """Messages that the relay has taken."""
        return sum(isinstance(fate, MessageSent) for fate in self.fates.values())

    def others(self) -> Counter[str]:
        """Messages that were not sent, by what became of them."""
        return Counter(type(fate).__name__ for fate in self.fates.values() if not isinstance(fate, MessageSent))
