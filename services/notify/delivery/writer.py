"""The group writer: marks and results of all connections, many rows in one transaction.

Nobody waits for a result, so results gather for a moment; a line wants its marks soon, so these gather for a shorter one, in
which those of other lines come.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from hubkit import points
from hubkit.db import Pool, transaction
from hubkit.errors import is_transient
from services.notify import handlers, limits
from services.notify.domain.letters import Fate, Outcome
from services.notify.domain.messages import State
from services.notify.handlers import House
from services.notify.store.queue import Mark, Verdict

log = logging.getLogger(__name__)

ItemT = TypeVar("ItemT")
Answer = asyncio.Future[Verdict | None]


@dataclass(slots=True)
class Group(Generic[ItemT]):
    """Items that wait to be written together: up to `GROUP_ROWS_MAX`, or what came within `seconds` of the first.

    `write` commits them or raises; what waiting does not mend is found by writing one by one and handed to `refuse`.
    """

    seconds: float
    write: Callable[[Sequence[ItemT]], Awaitable[None]]
    refuse: Callable[[ItemT], None]
    _items: list[ItemT] = field(default_factory=list)
    _since: float = 0.0  # the first of them was added
    _some: asyncio.Event = field(default_factory=asyncio.Event)
    _enough: asyncio.Event = field(default_factory=asyncio.Event)
    _room: asyncio.Event = field(default_factory=asyncio.Event)
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    async def add(self, item: ItemT) -> None:
        """Returns once there is room for it, not once it is written."""
        while len(self._items) >= limits.GROUP_ROWS_MAX:
            self._room.clear()
            await self._room.wait()
        if not self._items:
            self._since = asyncio.get_running_loop().time()
        self._items.append(item)
        self._idle.clear()
        self._some.set()
        if len(self._items) >= limits.GROUP_ROWS_MAX:
            self._enough.set()

    async def flush(self) -> None:
        """Return when all that was added is written."""
        self._enough.set()
        await self._idle.wait()

    async def run(self) -> None:
        """Until cancelled."""
        while True:  # tidy: unbounded a loop of the process, ended by cancelling its task
            if not self._items:
                self._idle.set()
                self._some.clear()
                await self._some.wait()
            await self._gather()
            items, self._items = self._items, []
            self._enough.clear()
            self._room.set()
            await self._write(items)

    async def _gather(self) -> None:
        """Also behind a write: what came meanwhile is few where the database is quick, and a commit is dear."""
        try:
            async with asyncio.timeout_at(self._since + self.seconds):
                await self._enough.wait()
        except TimeoutError:
            return

    async def _write(self, items: Sequence[ItemT]) -> None:
        """Patiently while the database is away; if it is anything else, row by row, so that one cannot stop the others."""
        try:
            await self._patiently(items)
        except Exception as exc:  # tidy: blind-except one row's fault must not stop the process; it is told apart below
            if len(items) == 1:
                log.error("result not written", exc_info=exc, extra={"action": "settle"})
                self.refuse(items[0])
                return
            for item in items:
                await self._write([item])

    async def _patiently(self, items: Sequence[ItemT]) -> None:
        while True:  # tidy: unbounded an outage lasts as long as it lasts; stopping the process cancels the wait
            try:
                return await self.write(items)
            except Exception as exc:  # tidy: blind-except transient ones are waited for, the others passed on
                if not is_transient(exc):
                    raise
                log.warning("results wait", extra={"action": "settle", "error": type(exc).__name__})
            await asyncio.sleep(limits.WRITE_RETRY_SECONDS)


class Writer:
    """Writes for all lines of one process. `run` has to be running while anything is waited for."""

    def __init__(self, house: House, pool: Pool) -> None:
        self._house = house
        self._pool = pool
        self._marks = Group(limits.GATHER_MARKS_SECONDS, self._write_marks, _refuse_mark)
        self._outcomes = Group(limits.GATHER_RESULTS_SECONDS, self._write_outcomes, self._refuse_outcome)
        self._asked = 0
        self._sending: set[tuple[UUID, int]] = set()
        self._fewer = asyncio.Event()

    @property
    def sending(self) -> int:
        """How many rows of this process are `sending`, or asked to be: a kill now leaves no more than these uncertain."""
        return self._asked + len(self._sending)

    async def fewer(self, rows: int) -> None:
        """Return once there are fewer than that."""
        while self.sending >= rows:
            self._fewer.clear()
            await self._fewer.wait()

    async def mark(self, marks: Sequence[Mark]) -> list[Verdict | None]:
        """The re-checks, committed; `go` means that the message is `sending` now.

        None: the claim is lost, or cannot be written for a reason that waiting does not mend; then it runs out by its lease.
        """
        loop = asyncio.get_running_loop()
        answers: list[Answer] = [loop.create_future() for _ in marks]
        self._asked += len(marks)
        try:
            for mark, answer in zip(marks, answers, strict=True):
                await self._marks.add((mark, answer))
            verdicts = [await answer for answer in answers]
        finally:
            self._asked -= len(marks)
            self._fewer.set()
        self._sending.update((m.message_id, m.claim) for m, verdict in zip(marks, verdicts, strict=True) if verdict == "go")
        return verdicts

    async def settle(self, outcome: Outcome) -> None:
        """Hand over how a claim ended; written within a moment."""
        await self._outcomes.add(outcome)

    async def flush(self) -> None:
        """Return when all results are written."""
        await self._outcomes.flush()

    async def run(self) -> None:
        """Until cancelled, or until a part of it fails."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._marks.run())
            tasks.create_task(self._outcomes.run())

    async def _write_marks(self, marks: Sequence[tuple[Mark, Answer]]) -> None:
        async with transaction(self._pool) as tx:
            now = await self._house.clock.now(tx)
            verdicts = await handlers.mark_sending(self._house, tx, [mark for mark, _ in marks], now)
        points.reached("notify.after_mark")
        for mark, answer in marks:
            if not answer.done():  # its line may have been cancelled
                answer.set_result(verdicts.get(mark.message_id))

    async def _write_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        points.reached("notify.before_result")
        async with transaction(self._pool) as tx:
            now = await self._house.clock.now(tx)
            fates = await handlers.settle_messages(self._house, tx, outcomes, now)
        self._forget(outcomes)
        points.reached("notify.after_result")
        for fate in fates:
            if fate.state is State.SENT:
                self._house.metrics.observe("notify_lateness_seconds", _late(fate, now), kind=fate.kind)

    def _refuse_outcome(self, outcome: Outcome) -> None:
        """Nothing more can be done: by its lease the message becomes what nobody knows better, uncertain."""
        self._forget([outcome])

    def _forget(self, outcomes: Sequence[Outcome]) -> None:
        self._sending.difference_update((outcome.message_id, outcome.claim) for outcome in outcomes)
        self._fewer.set()


def _late(fate: Fate, now: datetime) -> float:
    return max(0.0, (now - fate.due_at).total_seconds())


def _refuse_mark(item: tuple[Mark, Answer]) -> None:
    if not item[1].done():
        item[1].set_result(None)
