"""One line: a connection and the mails that go over it, one after the other.

While a mail is on the wire the next one is marked `sending`, so that the wire never waits for the database; a kill leaves at
most two mails of each line and one group of unwritten results uncertain.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hubkit import points
from services.notify import limits
from services.notify.delivery.making import Made
from services.notify.delivery.relay import Breaker
from services.notify.delivery.writer import Unwritten, Writer
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
    """Takes items from the shelf until it is told to stop. `clear` gives back what lies on the shelf."""

    connection: Connection
    breaker: Breaker
    writer: Writer
    shelf: Shelf
    clear: Callable[[], Awaitable[None]]
    sent: Callable[[], None]
    stopping: bool = False
    waiting: bool = False

    async def run(self) -> None:
        """Until `stopping`: the mail on the wire is finished, and what was only marked goes back, certainly not sent."""
        ready: Item | None = None
        while not self.stopping:
            if ready is None:
                ready = await self._next()
            elif not self.connection.is_open and (failure := await self.connection.open()):
                await self._stand_back(ready, failure)
                ready = None
            if ready is not None:
                ready = await self._send_and_mark(ready)
        if ready is not None:
            await self._give_back(ready)
        await self.connection.close()

    async def _next(self) -> Item | None:
        """The next item, marked, with an open connection for it; None if there is nothing to send for now."""
        self.waiting = True
        try:
            async with asyncio.timeout(limits.CONNECTION_IDLE_SECONDS):
                item = await self.shelf.get()
        except TimeoutError:
            await self.connection.close()
            return None
        finally:
            self.waiting = False
        if not self.connection.is_open and (failure := await self.connection.open()):
            await self._stand_back(item, failure)
            return None
        return await self._mark(item)

    async def _send_and_mark(self, ready: Item) -> Item | None:
        """Send one item while the next is marked; that next one, if there is one and the relay may have it."""
        following = asyncio.create_task(self._mark_following()) if not self.shelf.empty() else None
        try:
            stops = await self._send(ready)
            marked = await following if following else None
        except BaseException:
            if following:
                following.cancel()
            raise
        if stops and marked is not None:
            await self._give_back(marked)
            return None
        return marked

    async def _mark_following(self) -> Item | None:
        """Another item, marked while one is on the wire; None if the shelf has none that still holds."""
        while not self.shelf.empty() and not self.stopping:
            if item := await self._mark(self.shelf.get_nowait()):
                return item
        return None

    async def _mark(self, item: Item) -> Item | None:
        letter = item.letter
        mark = Mark(letter.message_id, letter.claim, letter.contact_revision, item.made.template)
        try:
            verdict = await self.writer.mark(mark)
        except Unwritten:
            return None
        return item if verdict == "go" else None

    async def _send(self, item: Item) -> bool:
        """Send it and hand over what came of it; True if the relay should be left alone for now."""
        post = item.made.post
        if post.needs_utf8 and not self.connection.knows_utf8:
            await self.writer.settle(outcome_of(item.letter, State.FAILED, reason="address_unsupported"))
            return False
        points.reached("notify.on_wire")
        reply = await self.connection.send(post)
        self.sent()
        # Before the row is free again: it must not be claimed once more for a relay that is down.
        stops = await self.breaker.note(reply)
        await self.writer.settle(judge(item.letter, replace(reply, text=masked(reply.text, recipient=post.recipient))))
        if stops:
            await self.clear()
        return stops

    async def _stand_back(self, item: Item, failure: Reply) -> None:
        """There is no connection: nothing was sent, certainly. The relay is left alone first, then the rows are free again."""
        await self.breaker.note(failure)
        await self._give_back(item)
        await self.clear()

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
