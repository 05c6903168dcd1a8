"""One process sends for a database. Frozen, it is replaced; woken, it does no harm."""

import asyncio
import signal
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime

import asyncpg
import pytest

from contracts import topics
from contracts.catalog import OfferWithdrawn
from contracts.envelope import Event
from hubkit import db, outbox
from tests.support.kafka import KafkaServer
from tests.support.processes import House
from tests.support.recorder import SERVICE
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(60, func_only=True)
OFFERS = topics.CATALOG_OFFERS
KEY = "urn:hub:test:offer:1"


@pytest.fixture
async def ours(kafka: KafkaServer, service_db: Callable[[str], str]) -> AsyncIterator[House]:
    built = await House.built(kafka, service_db(SERVICE), partitions=1)
    await asyncio.to_thread(kafka.topic, OFFERS, partitions=1)
    yield built
    await built.stop()


def states(number: int) -> list[Event]:
    """Events about one key; their ids tell them apart."""
    now = datetime(2026, 11, 24, tzinfo=UTC)
    return [Event(uuid.uuid4(), "urn:hub:test:catalog", OfferWithdrawn.ce_type, now, KEY, None) for _ in range(number)]


async def put(ours: House, events: Sequence[Event]) -> None:
    pool = await db.open_pool(ours.dsn, name="test")
    try:
        async with db.transaction(pool) as tx:
            await outbox.put(tx, OFFERS, events)
    finally:
        await pool.close()


async def on_wire(ours: House) -> list[uuid.UUID]:
    records = await ours.kafka.read_all(ours.kafka.name(OFFERS.name))
    return [uuid.UUID(dict(record.headers)["ce_id"].decode()) for record in records]


@pytest.mark.parametrize("point", ["relay.after_select", "relay.after_send"])
async def test_leader_frozen_with_rows_in_hand__replaced_and_harmless_when_it_wakes(ours: House, point: str) -> None:
    """On a compacted topic an old state sent behind its successor would stay for ever: the last of a key counts."""
    leader = ours.start(freeze_at=f"{point}:1")
    await leader.port()
    follower = ours.start()
    await follower.port()
    leader.signal(signal.SIGUSR1)
    old, new = states(3), states(2)
    await put(ours, old)
    await leader.frozen()
    await put(ours, new)
    await ours.settled(0, seconds=20)
    assert list(dict.fromkeys(await on_wire(ours))) == [event.id for event in [*old, *new]]
    before = await on_wire(ours)

    leader.signal(signal.SIGCONT)

    async def noticed() -> bool:
        return any(line["text"] == "relay interrupted" for line in leader.lines())

    await eventually(noticed, seconds=15)
    later = states(1)
    await put(ours, later)
    await ours.settled(0)
    assert await on_wire(ours) == [*before, later[0].id]
    assert leader.exit_code is None


async def test_sessions_of_a_service__end_however_their_client_freezes(service_db: Callable[[str], str]) -> None:
    """Idle in a transaction, waiting for a lock, waiting for the rest of a request: each has a limit in the server."""
    pool = await db.open_pool(service_db(SERVICE), name="test")
    try:
        async with db.reading(pool) as conn:
            rows = await conn.fetch("SELECT name, setting::int AS limit FROM pg_settings WHERE name LIKE '%\\_timeout'")
    finally:
        await pool.close()
    limits = {row["name"]: row["limit"] for row in rows}
    for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"):
        assert 0 < limits[name] <= 30_000, name


async def test_client_that_stops_in_the_middle_of_a_request__is_cut_by_the_limit_on_its_transaction(
    service_db: Callable[[str], str],
) -> None:
    """Seen with a frozen leader: a session between two parts of a request counts as active, not as idle."""
    dsn = service_db(SERVICE)
    settings = db.session_settings("frozen") | {"idle_session_timeout": "200", "transaction_timeout": "700"}
    frozen, other = await asyncpg.connect(dsn, server_settings=settings), await asyncpg.connect(dsn)
    try:
        await frozen.execute("SELECT pg_advisory_lock(1)")
        # What asyncpg sends to prepare a statement: parse and flush, and for now nothing that would end the request.
        transport: asyncio.Transport = frozen._transport  # type: ignore[attr-defined]
        query = b"\x00SELECT 1\x00\x00\x00"
        transport.write(b"P" + (len(query) + 4).to_bytes(4, "big") + query + b"H" + (4).to_bytes(4, "big"))

        async def free() -> bool:
            return bool(await other.fetchval("SELECT pg_try_advisory_lock(1)"))

        assert not await free()
        await asyncio.sleep(0.4)
        assert not await free(), "the limit on idling would do: this test would show nothing"
        await eventually(free, seconds=5, what="the lock of the frozen session")
    finally:
        frozen.terminate()
        await other.close()
