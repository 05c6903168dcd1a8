"""The SQL of the way in, statement by statement."""

import re
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

import hubkit
from contracts.envelope import Event
from hubkit import db, ids, inbox, outbox
from hubkit.inbox import DeadLetter
from tests.support.recorder import SERVICE

CONSUMER = "notify.booking.requests.v1"
TOPIC = "booking.requests.v1"
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


@pytest.fixture
async def pool(service_db: Callable[[str], str]) -> AsyncIterator[db.Pool]:
    opened = await db.open_pool(service_db(SERVICE), name="test")
    yield opened
    await opened.close()


def event(source: str = "urn:a", value: bytes = b"{}", event_id: uuid.UUID | None = None, ce_type: str = "t") -> Event:
    return Event(event_id or uuid.uuid4(), source, ce_type, NOW, "k", None, value=value)


ONE = uuid.UUID("00000000-0000-4000-8000-000000000001")


@pytest.mark.parametrize(
    ("before", "batch", "new", "reused"),
    [
        ([], [], [], []),
        ([], [event(event_id=ONE)], [0], []),
        ([event(event_id=ONE)], [event(event_id=ONE)], [], []),
        ([event(event_id=ONE)], [event(event_id=ONE, value=b"other")], [], [0]),
        ([event(event_id=ONE)], [event(event_id=ONE, ce_type="u")], [], [0]),
        ([event(event_id=ONE)], [event("urn:b", event_id=ONE)], [0], []),
        ([], [event(event_id=ONE), event(event_id=ONE)], [0], []),
        ([], [event(event_id=ONE), event(), event(event_id=ONE, value=b"x")], [0, 1], [2]),
        ([], [event(event_id=ONE), event(event_id=ONE, value=b"x"), event(event_id=ONE)], [0], [1]),
        # The first of the batch has another content than what is known; the second is a repeat of what is known.
        ([event(event_id=ONE)], [event(event_id=ONE, value=b"x"), event(event_id=ONE)], [], [0]),
    ],
)
async def test_remember__tells_new_ones_from_repeats_and_from_reused_ids(
    pool: db.Pool, before: list[Event], batch: list[Event], new: list[int], reused: list[int]
) -> None:
    async with db.transaction(pool) as tx:
        await inbox.remember(tx, CONSUMER, before)
    async with db.transaction(pool) as tx:
        assert await inbox.remember(tx, CONSUMER, batch) == (new, reused)


async def test_tombstones_under_one_id__are_the_same_content(pool: db.Pool) -> None:
    gone = replace(event(event_id=ONE), value=None)
    async with db.transaction(pool) as tx:
        assert await inbox.remember(tx, CONSUMER, [gone]) == ([0], [])
        assert await inbox.remember(tx, CONSUMER, [gone]) == ([], [])
        assert await inbox.remember(tx, CONSUMER, [replace(gone, value=b"{}")]) == ([], [0])


async def test_forgotten_event__is_new_again(pool: db.Pool) -> None:
    kept, undone = event(), event()
    async with db.transaction(pool) as tx:
        await inbox.remember(tx, CONSUMER, [kept, undone])
        await inbox.forget(tx, CONSUMER, [undone])
        assert await inbox.remember(tx, CONSUMER, [kept, undone]) == ([1], [])


async def test_consumers__know_nothing_of_each_others_events(pool: db.Pool) -> None:
    same = event()
    async with db.transaction(pool) as tx:
        assert await inbox.remember(tx, "one", [same]) == ([0], [])
        assert await inbox.remember(tx, "two", [same]) == ([0], [])
        await inbox.forget(tx, "one", [same])
        assert await inbox.remember(tx, "two", [same]) == ([], [])


async def test_stored_offsets__first_position_stays_and_only_their_own_rows_move(pool: db.Pool) -> None:
    async with db.transaction(pool) as tx:
        await inbox.ensure_offsets(tx, CONSUMER, TOPIC, {0: 5, 1: 0}, "id-1")
        await inbox.ensure_offsets(tx, CONSUMER, TOPIC, {0: 9, 2: 7}, "id-2")
        await inbox.ensure_offsets(tx, "other", TOPIC, {0: 1}, "id-1")
        assert await inbox.read_offsets(tx, CONSUMER, TOPIC) == {0: (5, "id-1"), 1: (0, "id-1"), 2: (7, "id-2")}
        assert await inbox.lock_offsets(tx, CONSUMER, TOPIC, [2, 0, 4]) == {0: 5, 2: 7}
        await inbox.advance_offsets(tx, CONSUMER, TOPIC, {0: 6, 4: 100})
        assert await inbox.read_offsets(tx, CONSUMER, TOPIC) == {0: (6, "id-1"), 1: (0, "id-1"), 2: (7, "id-2")}
        await inbox.set_offsets(tx, CONSUMER, TOPIC, {0: 2, 3: 3}, "id-3")
        assert await inbox.read_offsets(tx, CONSUMER, TOPIC) == {
            0: (2, "id-3"), 1: (0, "id-1"), 2: (7, "id-2"), 3: (3, "id-3"),
        }  # fmt: skip
        assert await inbox.read_offsets(tx, "other", TOPIC) == {0: (1, "id-1")}


def letter(number: int, *, reason: str = "bug", created_at: datetime | None = None) -> DeadLetter:
    return DeadLetter(
        dead_letter_id=ids.new(),
        consumer=CONSUMER,
        topic=TOPIC,
        partition=0,
        record_offset=number,
        key=None,
        headers=outbox.pack_headers([("h", None)]),
        payload=None,
        payload_sha256=None,
        reason=reason,
        detail="",
        attempts=1,
        state="kept",
        created_at=created_at or NOW + timedelta(seconds=number),
    )


async def test_dead_letters__read_in_pages_by_age_and_filter(pool: db.Pool) -> None:
    letters = [letter(number, reason="schema" if number % 2 else "bug") for number in range(6)]
    async with db.transaction(pool) as tx:
        await inbox.insert_dead_letters(tx, letters[::-1])
        await inbox.end_dead_letter(tx, letters[0].dead_letter_id, "dropped", "operator/1")
    async with db.reading(pool) as conn:
        every = await inbox.read_dead_letters(conn, state=None, reason=None, after=None, limit=10)
        assert [one.record_offset for one in every] == [0, 1, 2, 3, 4, 5]
        kept = await inbox.read_dead_letters(conn, state="kept", reason="bug", after=None, limit=1)
        assert [one.record_offset for one in kept] == [2]
        rest = await inbox.read_dead_letters(conn, state="kept", reason="bug", after=kept[0].dead_letter_id, limit=5)
        assert [one.record_offset for one in rest] == [4]
        unknown = await inbox.read_dead_letters(conn, state=None, reason=None, after=uuid.uuid4(), limit=5)
        assert unknown == []


async def test_sweep__deletes_what_is_older_than_it_is_kept_and_nothing_else(pool: db.Pool) -> None:
    """Event ids outlive dead letters and what a restore replays: 45 days, 30, 8."""
    now = datetime.now(UTC)
    async with db.transaction(pool) as tx:
        for days in (7.9, 8.1):
            await tx.execute(
                "INSERT INTO sent VALUES ($1, 't', NULL, '', NULL, $2)", int(days * 10), now - timedelta(days=days)
            )
        for days in (44.9, 45.1):
            await tx.execute("INSERT INTO inbox VALUES ('c', 's', $1, '', $2)", uuid.uuid4(), now - timedelta(days=days))
        await inbox.insert_dead_letters(
            tx, [letter(1, created_at=now - timedelta(days=29.9)), letter(2, created_at=now - timedelta(days=30.1))]
        )
        await inbox.sweep(tx)
    async with db.reading(pool) as conn:
        assert [row["id"] for row in await conn.fetch("SELECT id FROM sent")] == [79]
        assert await conn.fetchval("SELECT count(*) FROM inbox") == 1
        assert [row["record_offset"] for row in await conn.fetch("SELECT record_offset FROM dead_letters")] == [1]


async def test_outbox_that_is_empty__has_no_age(pool: db.Pool) -> None:
    async with db.reading(pool) as conn:
        assert await outbox.oldest_seconds(conn) == 0.0
    async with db.transaction(pool) as tx:
        await outbox.put_raw(tx, ["t"], [None], [b"[]"], [None])
        await tx.execute("UPDATE outbox SET created_at = created_at - interval '7 seconds'")
    async with db.reading(pool) as conn:
        assert 7 <= await outbox.oldest_seconds(conn) < 20


_STATEMENT = re.compile(
    r'"""\s*((?:SELECT|INSERT|UPDATE|DELETE|WITH)\b.*?)"""|"((?:SELECT|INSERT|UPDATE|DELETE) [^"]+)"', re.DOTALL
)


def statements() -> list[str]:
    """Every statement in hubkit's text, whether a constant or not; migrations are run by their own tests."""
    folder = Path(hubkit.__file__).parent
    files = [path for path in folder.rglob("*.py") if "migrations" not in path.parts]
    found = [first or second for path in files for first, second in _STATEMENT.findall(path.read_text())]
    assert len(found) > 20, "the pattern finds no statements any more"
    return found


async def test_every_statement_of_hubkit__prepares_on_the_newest_schema(pool: db.Pool) -> None:
    async with pool.raw.acquire() as connection:
        assert isinstance(connection, asyncpg.pool.PoolConnectionProxy)
        for statement in statements():
            await connection.prepare(statement)
