"""The group writer: marks and results of all connections in one transaction each time, as many as came meanwhile.

While one transaction commits, the next group gathers; so a quiet system waits for nothing and a busy one commits seldom.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from hubkit import points
from hubkit.db import Pool, transaction
from hubkit.errors import is_transient
from services.notify import handlers, limits
from services.notify.domain.letters import Outcome
from services.notify.domain.messages import State
from services.notify.handlers import House
from services.notify.store.queue import Mark, Verdict

log = logging.getLogger(__name__)


class Unwritten(Exception):
    """A mark could not be written for a reason that waiting does not mend; the claim runs out by its lease."""


@dataclass(slots=True)
class Writer:
    """Writes for all lines of one process. `run` has to be running while anything is waited for."""

    house: House
    pool: Pool
    _marks: list[tuple[Mark, asyncio.Future[Verdict | None]]] = field(default_factory=list)
    _outcomes: list[Outcome] = field(default_factory=list)
    _work: asyncio.Event = field(default_factory=asyncio.Event)
    _room: asyncio.Event = field(default_factory=asyncio.Event)
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    async def mark(self, mark: Mark) -> Verdict | None:
        """The re-check, committed; `go` means that the message is `sending` now. None: the claim is lost."""
        answer: asyncio.Future[Verdict | None] = asyncio.get_running_loop().create_future()
        self._marks.append((mark, answer))
        self._wake()
        return await answer

    async def settle(self, outcome: Outcome) -> None:
        """Hand over how a claim ended; returns once there is room for it, not once it is written."""
        while len(self._outcomes) >= limits.GROUP_ROWS_MAX:
            self._room.clear()
            await self._room.wait()
        self._outcomes.append(outcome)
        self._wake()

    async def flush(self) -> None:
        """Return when all that was handed over is written."""
        await self._idle.wait()

    def _wake(self) -> None:
        self._idle.clear()
        self._work.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:  # tidy: unbounded a loop of the process, ended by cancelling its task
            if not self._marks and not self._outcomes:
                self._idle.set()
                self._work.clear()
                await self._work.wait()
            marks, self._marks = self._marks, []
            outcomes, self._outcomes = self._outcomes, []
            self._room.set()
            await self._write(marks, outcomes)

    async def _write(self, marks: Sequence[tuple[Mark, asyncio.Future[Verdict | None]]], outcomes: Sequence[Outcome]) -> None:
        """Patiently while the database is away; if it is anything else, row by row, so that one cannot stop the others."""
        try:
            verdicts = await self._patiently([mark for mark, _ in marks], outcomes)
        except Exception as exc:  # tidy: blind-except one row's fault must not stop the process; it is told apart below
            if len(marks) + len(outcomes) == 1:
                log.error("result not written", exc_info=exc, extra={"action": "settle"})
                for _, answer in marks:
                    if not answer.done():
                        answer.set_exception(Unwritten())
                return
            for one in marks:
                await self._write([one], [])
            for outcome in outcomes:
                await self._write([], [outcome])
            return
        for mark, answer in marks:
            if not answer.done():  # its line may have been cancelled
                answer.set_result(verdicts.get(mark.message_id))

    async def _patiently(self, marks: Sequence[Mark], outcomes: Sequence[Outcome]) -> dict[UUID, Verdict]:
        while True:  # tidy: unbounded an outage lasts as long as it lasts; stopping the process cancels the wait
            try:
                return await self._once(marks, outcomes)
            except Exception as exc:  # tidy: blind-except transient ones are waited for, the others passed on
                if not is_transient(exc):
                    raise
                log.warning("results wait", extra={"action": "settle", "error": type(exc).__name__})
            await asyncio.sleep(limits.WRITE_RETRY_SECONDS)

    async def _once(self, marks: Sequence[Mark], outcomes: Sequence[Outcome]) -> dict[UUID, Verdict]:
        verdicts: dict[UUID, Verdict] = {}
        if outcomes:
            points.reached("notify.before_result")
        async with transaction(self.pool) as tx:
            now = await self.house.clock.now(tx)
            if marks:
                verdicts = dict(await handlers.mark_sending(self.house, tx, marks, now))
            if outcomes:
                fates = await handlers.settle_messages(self.house, tx, outcomes, now)
        if outcomes:
            points.reached("notify.after_result")
            for fate in fates:
                if fate.state is State.SENT:
                    late = (now - fate.due_at).total_seconds()
                    self.house.metrics.observe("notify_lateness_seconds", max(0.0, late), kind=fate.kind)
        if marks:
            points.reached("notify.after_mark")
        return verdicts
