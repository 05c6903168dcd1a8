"""From a committed row to a message: rows written with the state they tell of, and the relay that sends them.

`put` takes a `Tx` only, so a message without a transaction does not type-check. For one key, id order is commit order,
because whoever writes about an aggregate has locked it first. The relay reads always from the start and deletes what was
sent; a mark of what was read would skip rows of transactions that were still open (`bus.md` §4).
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, cast

import asyncpg
from confluent_kafka import KafkaError, KafkaException, Producer
from pydantic_core import from_json, to_json

from contracts import topics
from contracts.envelope import Event, encode
from contracts.topics import Topic
from hubkit import points
from hubkit.db import COMMAND_SECONDS_MAX, CONNECT_SECONDS_MAX, ReadConn, Tx, session_settings
from hubkit.errors import DATABASE_ERRORS, is_transient
from hubkit.telemetry import Metrics

log = logging.getLogger(__name__)

BATCH_ROWS_MAX = 500  # larger ones grow latency, hardly throughput
POLL_SECONDS = 0.03  # rows of other processes are seen by polling; NOTIFY would cap the database at 2,700 commits/s
LEADER_SECONDS = 0.5  # how often a follower tries to become the leader
IDLE_SESSION_MS_MAX = 5_000  # a frozen leader loses its session, and with it the lock, after this
TRANSACTION_MS_MAX = 12_000  # and after this if it froze in the middle of a request; longer than any statement may take
# Rows read longer ago are read again: a leader that froze with them in hand would send a key's old state behind its new one,
# which a compacted topic would keep for ever. Below the time after which somebody else leads.
STALE_SECONDS_MAX = 3.0
HEARTBEAT_SECONDS = 1.0  # keeps that session alive while the broker is waited for
BACK_OFF_SECONDS_MAX = 5.0
SEND_SECONDS_MAX = 30.0  # longer than the producer's own limit for a message, which ends it with an error
# The lock is a session's on one database, so every service may use the same number.
RELAY_LOCK = 7_246_231


_ProducerHeaders = list[tuple[str, str | bytes | None]]
Headers = Sequence[tuple[str, bytes | None]]
# Compacted topics are republished and dead letters have a table of their own: only the others are kept after sending.
KEPT_TOPICS = tuple(t.name for t in topics.ALL if "compact" not in t.cleanup and not t.name.endswith(".dead-letter.v1"))


def pack_headers(headers: Headers) -> bytes:
    """Headers as one value, any bytes and null included: JSON in which a character stands for the byte of its number."""
    return to_json([(name, None if value is None else value.decode("latin-1")) for name, value in headers])


def unpack_headers(packed: bytes) -> list[tuple[str, bytes | None]]:
    """The headers that `pack_headers` was given, in their order."""
    return [(name, None if value is None else value.encode("latin-1")) for name, value in from_json(packed)]


async def put(tx: Tx, topic: Topic, events: Iterable[Event]) -> None:
    """Write the events as messages of `topic`, in their order; they are sent once `tx` has committed.

    Errors: `BadRecord` (too_large) before a row is written, since a relay that cannot send its first row stands still.
    """
    keys: list[bytes] = []
    headers: list[bytes] = []
    values: list[bytes | None] = []
    for event in events:
        key, wire_headers, value = encode(event)
        keys.append(key)
        headers.append(pack_headers(wire_headers))
        values.append(value)
    await put_raw(tx, [topic.name] * len(keys), keys, headers, values)


async def put_raw(
    tx: Tx, topic_names: list[str], keys: Sequence[bytes | None], headers: list[bytes], values: Sequence[bytes | None]
) -> None:
    """One row per message, ids in the order given; headers packed. For what is already encoded: dead letters, replays."""
    # COPY: for arrays asyncpg checks every element's class in Python, 8 us a message more (2026-11). Ids follow the rows.
    if topic_names:
        rows = zip(topic_names, keys, headers, values, strict=True)
        await tx.copy_records_to_table("outbox", records=rows, columns=("topic", "key", "headers", "payload"))


# Both in one statement: a row is either still to be sent or already kept.
_DELETE = """
WITH gone AS (
    DELETE FROM outbox
    WHERE id = ANY ($1::bigint[])
    RETURNING id, topic, key, headers, payload, created_at
)
INSERT INTO sent (id, topic, key, headers, payload, created_at)
SELECT id, topic, key, headers, payload, created_at
FROM gone
WHERE topic = ANY ($2::text[])
"""

_SELECT = """
SELECT id, topic, key, headers, payload
FROM outbox
ORDER BY id
LIMIT $1
"""

_REPLAY = """
WITH again AS (
    SELECT topic, key, headers, payload, created_at, id
    FROM sent
    WHERE created_at >= $1 AND created_at < $2
)
INSERT INTO outbox (topic, key, headers, payload)
SELECT topic, key, headers, payload
FROM again
ORDER BY id
"""


async def replay_sent(tx: Tx, start: datetime, end: datetime) -> int:
    """Put what was written in `[start, end)` and sent into the outbox again: same ids, same bytes, same order.

    Number of messages. Their consumers drop what they know.
    """
    status = await tx.execute(_REPLAY, start, end)
    return int(status.rsplit(" ", 1)[1])


async def oldest_seconds(conn: ReadConn) -> float:
    """Age of the oldest message that is still to be sent; 0 when there is none."""
    age = await conn.fetchval(
        """
        SELECT extract(epoch FROM clock_timestamp() - created_at)::float8
        FROM outbox
        ORDER BY id
        LIMIT 1
        """
    )
    return float(age or 0.0)


class SendFailed(Exception):
    """The broker did not take everything; the code is librdkafka's. What it took is sent again: consumers know its ids."""


class Way(Protocol):
    """Where the relay's producers come from; `hubkit.messaging.Bus` is one."""

    @property
    def topic_prefix(self) -> str:
        """What stands before each topic's name on the broker; empty but in tests."""

    def producer(self) -> Producer:
        """A new idempotent producer."""


@dataclass(slots=True)
class Relay:
    """Sends the outbox of one database, one leader among all processes that share it.

    The leader holds a session advisory lock on the connection that it reads and deletes with: whoever loses that session
    has lost the lock and can delete nothing any more. After any send error the producer is built anew and sending starts
    again at the first row: a poisoned idempotent producer refuses everything, a plain one would let a successor overtake.
    The producer is librdkafka's (ADR 0003): it sends from threads of its own while Python decides the next batch.
    """

    dsn: str
    name: str
    bus: Way
    committed: asyncio.Event
    metrics: Metrics
    leading: bool = False
    _failures: int = 0
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Until `stop`; transient errors are retried with back-off for as long as they last."""
        while not self._stopping.is_set():
            try:
                await self._lead()
            except (SendFailed, KafkaException, *DATABASE_ERRORS) as exc:
                if isinstance(exc, asyncpg.PostgresError) and not is_transient(exc):
                    raise
                self._failures += 1
                pause = min(BACK_OFF_SECONDS_MAX, 0.1 * 2 ** min(self._failures, 6))
                log.warning("relay interrupted", extra={"action": "relay", "error": type(exc).__name__, "retry_in_s": pause})
                await self._sleep(pause)

    def stop(self) -> None:
        """Ask `run` to end after the batch in hand."""
        self._stopping.set()
        self.committed.set()

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _lead(self) -> None:
        settings = session_settings(f"{self.name}-relay")
        settings |= {"idle_session_timeout": str(IDLE_SESSION_MS_MAX), "transaction_timeout": str(TRANSACTION_MS_MAX)}
        connection = await asyncpg.connect(
            self.dsn, timeout=CONNECT_SECONDS_MAX, command_timeout=COMMAND_SECONDS_MAX, server_settings=settings
        )
        try:
            while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", RELAY_LOCK):
                await self._sleep(LEADER_SECONDS)
                if self._stopping.is_set():
                    return
            self.leading = True
            await self._send_all(connection)
        finally:
            self.leading = False
            with contextlib.suppress(*DATABASE_ERRORS):
                await connection.close(timeout=CONNECT_SECONDS_MAX)

    async def _send_all(self, connection: asyncpg.Connection) -> None:
        producer = self.bus.producer()
        try:
            while not self._stopping.is_set():
                self.committed.clear()  # before the select: a commit during it sets the event again
                selected_at = time.monotonic()
                rows = await connection.fetch(_SELECT, BATCH_ROWS_MAX)
                if not rows:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self.committed.wait(), POLL_SECONDS)
                    continue
                points.reached("relay.after_select")
                if time.monotonic() - selected_at > STALE_SECONDS_MAX:
                    continue
                started = time.perf_counter()
                await self._send(connection, producer, rows)
                points.reached("relay.after_send")
                await connection.execute(_DELETE, [row["id"] for row in rows], KEPT_TOPICS)
                points.reached("relay.after_delete")
                self._failures = 0
                self.metrics.add("hubnetz_outbox_sent_total", len(rows))
                self.metrics.observe("hubnetz_relay_batch_seconds", time.perf_counter() - started)
        finally:
            # What it still holds lies in the outbox too: the next producer begins at the first row that was not deleted.
            producer.purge()

    async def _send(self, connection: asyncpg.Connection, producer: Producer, rows: Sequence[asyncpg.Record]) -> None:
        """All rows are handed over before the first answer is awaited; raises `SendFailed` unless the broker took all."""
        prefix = self.bus.topic_prefix
        failed: list[str] = []

        def note(error: KafkaError | None, message: object) -> None:
            if error is not None:
                failed.append(error.name())

        for row in rows:
            producer.produce(
                prefix + row["topic"],
                value=row["payload"],
                key=row["key"],
                headers=cast(_ProducerHeaders, unpack_headers(row["headers"])),
                on_delivery=note,
            )
        # flush sends at once and waits in librdkafka's own threads. Meanwhile the session shows signs of life: if it is
        # gone, so is the lock, and somebody else leads.
        flushing = asyncio.ensure_future(asyncio.to_thread(producer.flush, SEND_SECONDS_MAX))
        while not (await asyncio.wait({flushing}, timeout=HEARTBEAT_SECONDS))[0]:
            await connection.execute("SELECT 1")
        if await flushing or failed:
            raise SendFailed(failed[0] if failed else "time is up")
