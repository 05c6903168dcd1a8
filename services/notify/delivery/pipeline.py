"""Delivery of one process: claims ahead, makes mails, keeps leases, feeds the lines. Any number of processes may run it."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from jinja2 import TemplateError

from hubkit import points
from hubkit.db import Pool, reading, transaction
from hubkit.errors import is_transient
from services.notify import handlers, limits
from services.notify.delivery.lines import Item, Line, Shelf, outcome_of
from services.notify.delivery.making import Desk, make
from services.notify.delivery.relay import Breaker
from services.notify.delivery.writer import Writer
from services.notify.domain.letters import Letter
from services.notify.domain.messages import State
from services.notify.handlers import Claim, House
from services.notify.senders.smtp import Connection, RelayAddress
from services.notify.store import queue

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Pipeline:
    """Sends what is due to one relay. `copies_are_current`: the readers of contacts and offers have caught up."""

    house: House
    pool: Pool
    address: RelayAddress
    desk: Desk
    writer: Writer
    breaker: Breaker
    process_id: UUID
    connections: int
    copies_are_current: Callable[[], bool]
    _shelf: Shelf = field(default_factory=lambda: asyncio.PriorityQueue(maxsize=2 * limits.CLAIM_ROWS_MAX))
    _sent_at: deque[float] = field(default_factory=lambda: deque(maxlen=limits.CLAIM_ROWS_MAX))
    _progress: asyncio.Event = field(default_factory=asyncio.Event)
    _claimed: int = 0

    async def run(self) -> None:
        """Until cancelled; then mails on the wire may end, and what was claimed is given back."""
        await self.breaker.prepare()
        lines = [self._line() for _ in range(self.connections)]
        loops = [asyncio.create_task(loop) for loop in (self.writer.run(), self._feed(), self._renew())]
        sending = [asyncio.create_task(line.run()) for line in lines]
        try:
            done, _ = await asyncio.wait([*loops, *sending], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await self._end(lines, loops, sending)

    def _line(self) -> Line:
        connection = Connection(self.address)
        return Line(
            connection,
            self.breaker,
            self.writer,
            self._shelf,
            self.clear,
            self._note_sent,
            ahead_max=1 + limits.MARKED_ROWS_MAX // self.connections,
            sending_max=2 * self.connections + limits.GROUP_ROWS_MAX,
        )

    def _note_sent(self) -> None:
        self._sent_at.append(asyncio.get_running_loop().time())
        self._progress.set()

    async def _end(self, lines: Sequence[Line], loops: list[asyncio.Task[None]], sending: list[asyncio.Task[None]]) -> None:
        """No new claims, up to `DRAIN_SECONDS_MAX` for mails on the wire; what remains becomes uncertain by its lease."""
        writing, feeding, _ = loops
        feeding.cancel()
        for line, task in zip(lines, sending, strict=True):
            line.stopping = True
            if line.waiting:
                task.cancel()
        try:
            async with asyncio.timeout(limits.DRAIN_SECONDS_MAX):
                await asyncio.wait([feeding, *sending])
                if not writing.done():
                    await self.clear()
                    await self.writer.flush()
        except TimeoutError:
            log.warning("mails left on the wire", extra={"action": "stop"})
        for task in (*loops, *sending):
            task.cancel()
        await asyncio.gather(*loops, *sending, return_exceptions=True)
        await asyncio.gather(*(line.connection.close() for line in lines))

    async def clear(self) -> None:
        """Give back all that is claimed and lies ready: nothing of it was sent."""
        while not self._shelf.empty():
            await self.writer.settle(outcome_of(self._shelf.get_nowait().letter, State.SCHEDULED))

    async def _feed(self) -> None:
        while True:  # tidy: unbounded a loop of the process, ended by cancelling its task
            self._progress.clear()
            target = self._target()
            room = target - self._shelf.qsize()
            letters = await self._claim(room) if 2 * room >= target else []
            for letter in letters:
                await self._put(letter)
            if not letters:
                await self._pause(full=2 * room < target)

    def _target(self) -> int:
        """How much to have claimed: what goes out in two seconds, since what is claimed cannot be overtaken by an answer."""
        since = asyncio.get_running_loop().time() - limits.AHEAD_SECONDS
        sent = sum(1 for at in self._sent_at if at > since)
        return min(limits.CLAIM_ROWS_MAX, max(2 * self.connections, sent))

    async def _pause(self, *, full: bool) -> None:
        """Until there is room again, or until something was planned here; others' plans are seen by polling."""
        try:
            async with asyncio.timeout(limits.POLL_SECONDS):
                await (self._progress.wait() if full else self.pool.committed.wait())
                await asyncio.sleep(limits.WAKE_SECONDS)
        except TimeoutError:
            return

    async def _claim(self, rows: int) -> list[Letter]:
        kept = (self._claimed + rows) // limits.RESERVED_SHARE - self._claimed // limits.RESERVED_SHARE
        claim = Claim(self.address.name, self.process_id, rows, kept, self.copies_are_current())
        try:
            async with reading(self.pool) as conn:  # a transaction that finds nothing would wake us again by its commit
                if not await queue.is_due(conn, relay=self.address.name, now=await self.house.clock.now(conn)):
                    return []
            async with transaction(self.pool) as tx:
                letters = await handlers.claim_messages(self.house, tx, claim, await self.house.clock.now(tx))
        except Exception as exc:  # tidy: blind-except a database that is away is waited for, anything else ends the pipeline
            if not is_transient(exc):
                raise
            await asyncio.sleep(limits.WRITE_RETRY_SECONDS)
            return []
        self._claimed += len(letters)
        if letters:
            points.reached("notify.after_claim")
        return letters

    async def _put(self, letter: Letter) -> None:
        """Make the mail and lay it on the shelf; a text that cannot be made is put off, since it must not stop the others."""
        try:
            made = make(letter, self.desk)
        except (TemplateError, ValueError) as exc:
            log.error(
                "mail not made",
                exc_info=exc,
                extra={"action": "make", "message_id": letter.message_id, "kind": letter.kind},
            )
            await self.writer.settle(outcome_of(letter, State.SCHEDULED, delay=limits.RENDER_RETRY))
            return
        if made is None:
            await self.writer.settle(outcome_of(letter, State.FAILED, reason="address_unsupported"))
            return
        if made.fell_back:
            self.house.metrics.add("notify_template_fallback_total", language=letter.contact.language)
        await self._shelf.put(Item(letter, made))
        await asyncio.sleep(0)  # lets the lines speak between two mails that are made

    async def _renew(self) -> None:
        while True:  # tidy: unbounded a loop of the process, ended by cancelling its task
            await asyncio.sleep(limits.LEASE_RENEWAL_SECONDS)
            try:
                async with transaction(self.pool) as tx:
                    await queue.renew_leases(tx, process_id=self.process_id, now=await self.house.clock.now(tx))
            except Exception as exc:  # tidy: blind-except five renewals may fail before a lease runs out
                if not is_transient(exc):
                    raise
                log.warning("leases not renewed", extra={"action": "renew", "error": type(exc).__name__})
