"""Notify without broker and relay: its consumers fed by hand, its delivery steps taken one by one, on a real database."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

import httpx
from aiokafka import ConsumerRecord
from pydantic import SecretStr

from contracts import topics
from contracts.envelope import Event, decode
from contracts.topics import Topic
from hubkit import db, outbox
from hubkit.clock import FixedClock
from hubkit.health import Health
from hubkit.http import create_app
from hubkit.messaging import Consumer
from hubkit.telemetry import Metrics
from services.notify import handlers, http, worker
from services.notify.delivery.lines import judge
from services.notify.delivery.making import Desk, make
from services.notify.domain.letters import Letter
from services.notify.domain.plan import Rules
from services.notify.domain.replies import Phase, Reply
from services.notify.domain.times import DEFAULT_RULES, QuietHours
from services.notify.handlers import Claim, House
from services.notify.store import queue, relays
from services.notify.store.queue import Mark
from tests.support.kafka import Raw
from tests.support.notify_events import HUB, NOW, raw, topic_of

RELAY: Final = "main"
TOKEN: Final = "0123456789abcdef-test"  # noqa: S105  of an app that lives for one test
OPERATOR: Final = {"Authorization": f"Bearer {TOKEN}", "Hubnetz-Actor": "operator/op-1"}
DESK: Final = Desk(
    hub_id=HUB,
    hub_name="Digitaler Hub Großröhrsdorf",
    sender="hub@example.org",
    mail_domain="hub.example.org",
    is_live=True,
)
ACCEPTED: Final = Reply(Phase.DATA, 250, "2.0.0 queued")
LOST: Final = Reply(Phase.DATA, None)


@dataclass(slots=True)
class Bench:
    """One notify on its database. `now` stands where the test puts it; every process is a number."""

    pool: db.Pool
    clock: FixedClock
    house: House
    consumers: dict[str, Consumer[Any]]
    client: httpx.AsyncClient
    _offsets: dict[str, int] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        """Where the clock stands."""
        return self.clock.instant

    def later(self, **span: float) -> None:
        """Move the clock."""
        self.clock.instant += timedelta(**span)

    async def take(self, *events: Event) -> None:
        """Consume the events, all of one topic in one poll, in the order given."""
        for topic in dict.fromkeys(topic_of(one).name for one in events):
            await self.take_raw(topic, [raw(one) for one in events if topic_of(one).name == topic])

    async def take_raw(self, topic: str, records: Sequence[Raw], *, at: int | None = None) -> None:
        """Consume records as they are, in one poll; `at` is the offset of the first, the next one by default."""
        first = self._offsets.get(topic, 0) if at is None else at
        self._offsets[topic] = max(self._offsets.get(topic, 0), first + len(records))
        await self.consumers[topic].process([_record(topic, first + n, one) for n, one in enumerate(records)])

    async def claim(self, process: int = 1, rows: int = 100, kept: int = 0, *, current: bool = True) -> list[Letter]:
        """Claim what is due, as that process."""
        async with db.transaction(self.pool) as tx:
            claim = Claim(RELAY, UUID(int=process), rows, kept, current)
            return await handlers.claim_messages(self.house, tx, claim, self.now)

    async def mark(self, *letters: Letter) -> list[str | None]:
        """The re-check of claimed letters; verdicts in their order, None where the claim is lost."""
        marks = [Mark(one.message_id, one.claim, one.contact_revision, made_of(one)) for one in letters]
        async with db.transaction(self.pool) as tx:
            verdicts = await handlers.mark_sending(self.house, tx, marks, self.now)
        return [verdicts.get(one.message_id) for one in letters]

    async def settle(self, letter: Letter, reply: Reply) -> None:
        """What the relay said to a letter that was on the wire."""
        async with db.transaction(self.pool) as tx:
            await handlers.settle_messages(self.house, tx, [judge(letter, reply)], self.now)

    async def send(self, letter: Letter, reply: Reply = ACCEPTED) -> str | None:
        """Mark and, if it still holds, hand it to a relay that says `reply`."""
        (verdict,) = await self.mark(letter)
        if verdict == "go":
            await self.settle(letter, reply)
        return verdict

    async def sweep(self) -> None:
        """The timers, once."""
        await worker.sweep(self.house, self.pool)

    async def renew(self, process: int = 1) -> int:
        """Renew the leases of a process."""
        async with db.transaction(self.pool) as tx:
            return await queue.renew_leases(tx, process_id=UUID(int=process), now=self.now)

    async def rows(self, **where: Any) -> list[dict[str, Any]]:
        """Messages in the order of planning, those whose columns have these values."""
        async with db.reading(self.pool) as conn:
            rows = await conn.fetch("SELECT * FROM messages ORDER BY caused_at, kind, due_at")
        found = [dict(row) for row in rows]
        return [row for row in found if all(row[name] == value for name, value in where.items())]

    async def row(self, **where: Any) -> dict[str, Any]:
        """The only message of that kind."""
        (row,) = await self.rows(**where)
        return row

    async def states(self) -> list[tuple[str, str]]:
        """Kind and state of each message."""
        return [(row["kind"], row["state"]) for row in await self.rows()]

    async def execute(self, statement: str, *arguments: Any) -> None:
        """Change the database behind notify's back."""
        async with db.transaction(self.pool) as tx:
            await tx.execute(statement, *arguments)

    async def facts(self) -> list[Event]:
        """What lies in the outbox for notify.deliveries.v1, in order."""
        async with db.reading(self.pool) as conn:
            rows = await conn.fetch("SELECT key, headers, payload FROM outbox WHERE topic = $1 ORDER BY id", DELIVERIES.name)
        return [
            decode(DELIVERIES, key=row["key"], headers=outbox.unpack_headers(row["headers"]), value=row["payload"])
            for row in rows
        ]

    async def told(self) -> list[str]:
        """Bare types of those facts."""
        return [one.bare_type for one in await self.facts()]

    async def letters(self) -> list[str]:
        """Reasons of dead letters, in order."""
        async with db.reading(self.pool) as conn:
            rows = await conn.fetch("SELECT reason FROM dead_letters ORDER BY topic, record_offset")
        return [row["reason"] for row in rows]


DELIVERIES: Final[Topic] = topics.NOTIFY_DELIVERIES


def made_of(letter: Letter) -> str:
    """The template a letter would go out with."""
    made = make(letter, DESK)
    return made.template if made else ""


def _record(topic: str, offset: int, one: Raw) -> ConsumerRecord[bytes, bytes]:
    return ConsumerRecord(
        topic=topic,
        partition=0,
        offset=offset,
        timestamp=0,
        timestamp_type=0,
        key=one.key,
        value=one.value,
        checksum=None,
        serialized_key_size=len(one.key or b""),
        serialized_value_size=len(one.value or b""),
        headers=tuple(one.headers),
    )


@asynccontextmanager
async def bench(dsn: str, *, quiet: QuietHours | None = None, now: datetime | None = None) -> AsyncIterator[Bench]:
    """A notify on the database for the block; the relay's row is there, its breaker closed."""
    pool = await db.open_pool(dsn, name="test", size_max=6)
    clock = FixedClock(now or NOW + timedelta(hours=1))
    metrics = Metrics()
    house = House(HUB, Rules(DEFAULT_RULES, quiet), clock, metrics)
    consumers = {
        one.topic.name: Consumer(service="notify", pool=pool, metrics=metrics, subscription=one)
        for one in worker.subscriptions(house)
    }
    app = create_app(
        service="notify",
        health=Health(),
        metrics=metrics,
        pool=pool,
        service_token=SecretStr(TOKEN),
        consumers=list(consumers.values()),
    )
    app.include_router(http.routes(house, pool, SecretStr(TOKEN), DESK))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://notify", headers=OPERATOR)
    try:
        async with db.transaction(pool) as tx:
            await relays.insert_relay(tx, RELAY)
        async with client:
            yield Bench(pool, clock, house, consumers, client)
    finally:
        await pool.close()


async def side_by_side(*steps: Any) -> list[Any]:
    """Run at the same time, in connections of their own."""
    return list(await asyncio.gather(*steps))


def fact_of(message_id: UUID, name: str) -> UUID:
    """The id under which a fate has to be told."""
    return uuid5(message_id, name)
