"""How much a process has on the way: several marks in one commit, and never more rows `sending` than a kill may leave."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from random import Random
from uuid import UUID

import pytest

from bench.mails import CONNECTIONS, DESK, HUB, due_offer, fill
from hubkit import db
from hubkit.clock import DatabaseClock
from hubkit.db import Pool, Tx
from hubkit.telemetry import Metrics
from services.notify import handlers, limits
from services.notify.delivery import pipeline
from services.notify.delivery.relay import Breaker
from services.notify.delivery.writer import Writer
from services.notify.domain.letters import Fate, Outcome
from services.notify.domain.messages import Kind
from services.notify.domain.plan import Rules
from services.notify.domain.replies import Phase, Reply
from services.notify.domain.times import DEFAULT_RULES
from services.notify.handlers import House
from services.notify.senders.smtp import Post, RelayAddress
from services.notify.store import copies
from services.notify.store.queue import Mark, Verdict
from tests.support.waiting import eventually

MAILS = 400
ADDRESS = RelayAddress(name="main", host="127.0.0.1", port=1, security="none", client_name="test")


class Wire:
    """A relay that takes everything at once; who got a mail, over all connections."""

    taken: list[str]

    def __init__(self, _: RelayAddress) -> None:
        self.is_open = True
        self.knows_utf8 = True

    async def open(self) -> Reply | None:
        return None

    async def send(self, post: Post) -> Reply:
        await asyncio.sleep(0.001)
        self.taken.append(post.recipient)
        return Reply(Phase.DATA, 250, "kept")

    async def close(self) -> None:
        return None


@pytest.fixture
async def pool(service_db: Callable[[str], str]) -> AsyncIterator[Pool]:
    pool = await db.open_pool(service_db("notify"), name="test")
    async with db.transaction(pool) as tx:
        await copies.upsert_offers(tx, [copies.OfferUpdate(due_offer(), keeps_texts=False)])
    await fill(pool, Rules(DEFAULT_RULES, None), kind=Kind.REMINDER, mails=MAILS, random=Random(1))
    yield pool
    await pool.close()


@pytest.fixture
async def running(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Writer]:
    """A pipeline at work; its writer."""
    monkeypatch.setattr(Wire, "taken", [], raising=False)
    monkeypatch.setattr(pipeline, "Connection", Wire)
    house, process_id = House(HUB, Rules(DEFAULT_RULES, None), DatabaseClock(), Metrics()), UUID(int=1)
    own = Writer(house, pool)
    at_work = pipeline.Pipeline(
        house=house, pool=pool, address=ADDRESS, desk=DESK, writer=own, breaker=Breaker(house, pool, ADDRESS, process_id),
        process_id=process_id, connections=CONNECTIONS, copies_are_current=lambda: True,
    )  # fmt: skip
    task = asyncio.create_task(at_work.run())
    yield own
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def in_state(pool: Pool, state: str) -> int:
    return int(await pool.raw.fetchval("SELECT count(*) FROM messages WHERE state = $1", state))


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Marks of each commit."""
    found: list[int] = []
    mark = handlers.mark_sending

    async def counted(house: House, tx: Tx, marks: Sequence[Mark], now: object) -> object:
        found.append(len(marks))
        return await mark(house, tx, marks, now)  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr(handlers, "mark_sending", counted)
    return found


async def test_many_due__each_is_sent_once_and_several_are_marked_in_one_commit(
    pool: Pool, sizes: list[int], running: Writer
) -> None:
    async def all_sent() -> bool:
        return await in_state(pool, "sent") == MAILS

    await eventually(all_sent, seconds=20, what="all mails sent")
    assert sorted(Wire.taken) == sorted(set(Wire.taken))
    assert len(Wire.taken) == sum(sizes) == MAILS
    assert len(sizes) < MAILS / 3
    assert running.sending == 0


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """No result is written until it is set."""
    go = asyncio.Event()
    settle = handlers.settle_messages

    async def late(house: House, tx: Tx, outcomes: Sequence[Outcome], now: object) -> list[Fate]:
        await go.wait()
        return await settle(house, tx, outcomes, now)  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr(handlers, "settle_messages", late)
    return go


async def test_results_that_cannot_be_written__no_more_rows_are_sending_than_was_promised(
    pool: Pool, stuck: asyncio.Event, running: Writer
) -> None:
    promised = 2 * CONNECTIONS + limits.GROUP_ROWS_MAX
    seen: list[int] = []

    async def stalled() -> bool:
        """The same for as long as it takes to send a hundred mails."""
        seen.append(len(Wire.taken))
        return len(seen) > 10 and seen[-1] > CONNECTIONS and len(set(seen[-10:])) == 1

    try:
        await eventually(stalled, seconds=20, what="the lines to stand still")
        assert CONNECTIONS < await in_state(pool, "sending") <= promised
    finally:
        stuck.set()

    async def all_sent() -> bool:
        return await in_state(pool, "sent") == MAILS

    await eventually(all_sent, seconds=20, what="all mails sent")
    assert len(Wire.taken) == MAILS


async def test_marks_of_lost_claims__no_verdict_and_nothing_counts_as_sending(pool: Pool, running: Writer) -> None:
    verdicts: list[Verdict | None] = await running.mark([Mark(UUID(int=n), 1, 1, "de/1") for n in range(3)])
    assert verdicts == [None, None, None]
