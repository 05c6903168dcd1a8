"""One line: a connection and the mails that go over it, one after the other.

While mails are on the wire the next ones are marked `sending`, several in one transaction, so that the wire never waits for the
database. All lines of a process together have at most `2 x connections + GROUP_ROWS_MAX` rows in that state, from the wish to
mark them until their result is written: a kill leaves no more than these uncertain.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hubkit import points
from services.notify import limits
from services.notify.delivery.making import Made
from services.notify.delivery.relay import Breaker
from services.notify.delivery.writer import Writer
from services.notify.domain.letters import Letter, Outcome
from services.notify.domain.messages import State
from services.notify.domain.replies import Effect, Reply, classify, masked
from services.notify.senders.smtp import Connection
from services.notify.store.queue import Mark


@dataclass(frozen=True, slots=True)
class Item:
    """A claimed message and its mail."""

    letter: Letter
    made: Made

    def __lt__(self, other: "Item") -> bool:
        """The order of sending: lane, due, id."""
        return self._order() < other._order()

    def _order(self) -> tuple[int, datetime, bytes]:
        return (self.letter.lane, self.letter.next_at, self.letter.message_id.bytes)


Shelf = asyncio.PriorityQueue[Item]


@dataclass(slots=True)
class Line:
    """Takes items from the shelf until it is told to stop. `clear` gives back what lies on the shelf.

    `ahead_max`: so many mails may lie marked here; `sending_max`: so many rows of all lines may be `sending`.
    """

    connection: Connection
    breaker: Breaker
    writer: Writer
    shelf: Shelf
    clear: Callable[[], Awaitable[None]]
    sent: Callable[[], None]
    ahead_max: int
    sending_max: int
    stopping: bool = False
    waiting: bool = False
    _ready: deque[Item] = field(default_factory=deque)
    _marking: "asyncio.Task[None] | None" = None
    _sent_at: deque[float] = field(default_factory=lambda: deque(maxlen=limits.GROUP_ROWS_MAX))

    async def run(self) -> None:
        """Until `stopping`: the mail on the wire is finished, and what was only marked goes back, certainly not sent."""
        try:
            while not self.stopping:
                if not self._ready:
                    await self._refill()
                elif not self.connection.is_open and (failure := await self.connection.open()):
                    await self._stand_back(failure)
                else:
                    item = self._ready.popleft()
                    self._mark_ahead()
                    if await self._send(item):
                        await self._give_back_marked()
            await self._give_back_marked()
        finally:
            if self._marking is not None:
                self._marking.cancel()
        await self.connection.close()

    async def _refill(self) -> None:
        """Until something is marked, with an open connection for it; nothing if there is nothing to send for now."""
        if self._marking is not None:
            marking, self._marking = self._marking, None
            await marking
            return
        self.waiting = True
        try:
            async with asyncio.timeout(limits.CONNECTION_IDLE_SECONDS):
                item = await self.shelf.get()
        except TimeoutError:
            await self.connection.close()
            return
        finally:
            self.waiting = False
        if not self.connection.is_open and (failure := await self.connection.open()):
            await self._stand_back(failure, item)
            return
        await self.writer.fewer(self.sending_max)
        await self._mark(item)

    def _mark_ahead(self) -> None:
        """Have more marked while mails are on the wire, as many as go out in a moment: a mark cannot be overtaken any more."""
        if self._marking is not None and self._marking.done():
            self._marking.result()
            self._marking = None
        if self._marking is None and 2 * len(self._ready) <= self._ahead() and not self.shelf.empty():
            self._marking = asyncio.create_task(self._mark())

    def _ahead(self) -> int:
        since = asyncio.get_running_loop().time() - limits.MARKED_SECONDS
        return max(1, min(self.ahead_max, sum(at > since for at in self._sent_at)))

    async def _mark(self, *items: Item) -> None:
        """Mark these and what else there is, up to what may lie here; those that still hold are ready then."""
        room = self.sending_max - self.writer.sending - len(items)
        more = min(room, self._ahead() - len(self._ready), self.shelf.qsize())
        marked = [*items, *(self.shelf.get_nowait() for _ in range(more))]
        marks = [
            Mark(one.letter.message_id, one.letter.claim, one.letter.contact_revision, one.made.template) for one in marked
        ]
        verdicts = await self.writer.mark(marks)
        self._ready.extend(item for item, verdict in zip(marked, verdicts, strict=True) if verdict == "go")

    async def _send(self, item: Item) -> bool:
        """Send it and hand over what came of it; True if the relay should be left alone for now."""
        post = item.made.post
        if post.needs_utf8 and not self.connection.knows_utf8:
            await self.writer.settle(outcome_of(item.letter, State.FAILED, reason="address_unsupported"))
            return False
        points.reached("notify.on_wire")
        reply = await self.connection.send(post)
        self._sent_at.append(asyncio.get_running_loop().time())
        self.sent()
        # Before the row is free again: it must not be claimed once more for a relay that is down.
        stops = await self.breaker.note(reply)
        await self.writer.settle(judge(item.letter, replace(reply, text=masked(reply.text, recipient=post.recipient))))
        if stops:
            await self.clear()
        return stops

    async def _stand_back(self, failure: Reply, *items: Item) -> None:
        """There is no connection: nothing was sent, certainly. The relay is left alone first, then the rows are free again."""
        await self.breaker.note(failure)
        for item in items:
            await self._give_back(item)
        await self._give_back_marked()
        await self.clear()

    async def _give_back_marked(self) -> None:
        """What is marked or about to be; nothing of it was on the wire."""
        if self._marking is not None:
            marking, self._marking = self._marking, None
            await marking
        while self._ready:
            await self._give_back(self._ready.popleft())

    async def _give_back(self, item: Item) -> None:
        await self.writer.settle(outcome_of(item.letter, State.SCHEDULED))


def judge(letter: Letter, reply: Reply) -> Outcome:
    """What a reply means for the message."""
    effect = classify(reply)
    if effect is Effect.ACCEPTED:
        return outcome_of(letter, State.SENT, effect=effect, reply=reply, counted=True)
    if effect is Effect.UNKNOWN:
        return outcome_of(letter, State.UNCERTAIN, effect=effect, reply=reply, counted=True, reason="no_reply")
    if effect is Effect.PERMANENT:
        return outcome_of(letter, State.FAILED, effect=effect, reply=reply, counted=True, reason="permanent")
    return outcome_of(letter, State.SCHEDULED, effect=effect, reply=reply, counted=effect is Effect.TEMPORARY)


def outcome_of(
    letter: Letter,
    state: State,
    *,
    effect: Effect | None = None,
    reply: Reply | None = None,
    counted: bool = False,
    reason: str | None = None,
    delay: timedelta | None = None,
) -> Outcome:
    """The outcome of a letter's claim."""
    return Outcome(
        message_id=letter.message_id,
        claim=letter.claim,
        state=state,
        effect=effect,
        reason=reason,
        counted=counted,
        delay=delay,
        attempts=letter.attempts,
        first_attempt_at=letter.first_attempt_at,
        reply=reply,
    )
