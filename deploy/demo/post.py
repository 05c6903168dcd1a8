"""What people are to be told and what became of it, from the facts on the bus. Pure.

A confirmation that had not left when its booking was cancelled is not sent any more: only each booking's last word has to
arrive, so mails are counted by what they are about and not by their number.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from contracts.booking.events import BookingFact
from contracts.booking.vocabulary import ActorRole, State
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
    due: dict[tuple[UUID, str], datetime] = field(default_factory=dict)  # (booking, kind) -> when the quiet hours are over

    def take(self, bare_type: str, body: Model) -> None:
        """Note what a booking's event means for its person, or what became of a message."""
        if isinstance(body, BookingFact):
            if body.series_id is not None and body.request_id is None and body.actor_role is not ActorRole.SYSTEM:
                return  # a command on a whole series: its dates are not told one by one
            kind = WORDS.get(bare_type) if body.from_state is not State.HELD or bare_type == "BookingConfirmed" else None
            if kind and body.claimant.kind == "person":
                self.words.setdefault(body.booking_id, []).append((body.version, kind))
        elif isinstance(body, MessageFate):
            self.fates[body.message_id] = body
            if isinstance(body, MessageSent) and body.booking_id is not None:
                self.told.setdefault(body.booking_id, set()).add(body.kind)

    def missing(self) -> list[UUID]:
        """Bookings whose last word has not left, those apart that wait for the morning."""
        last = {booking_id: max(words)[1] for booking_id, words in self.words.items()}
        untold = [booking_id for booking_id, kind in last.items() if kind not in self.told.get(booking_id, ())]
        return [booking_id for booking_id in untold if (booking_id, last[booking_id]) not in self.due]

    def waits(self, booking_id: UUID, kind: str) -> datetime | None:
        """When that will be told, if it is the last word and nobody is disturbed before."""
        words = self.words.get(booking_id)
        is_last = words is not None and max(words)[1] == kind and kind not in self.told.get(booking_id, ())
        return self.due.get((booking_id, kind)) if is_last else None

    def waiting(self) -> list[datetime]:
        """When those will be told whose last word waits for the morning."""
        return sorted(due for booking_id, kind in self.due if (due := self.waits(booking_id, kind)))

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
