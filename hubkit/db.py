"""The pool and the two kinds of connection: one that reads, one that is inside a transaction and may publish."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NewType, cast

import asyncpg

ReadConn = NewType("ReadConn", asyncpg.Connection)
Tx = NewType("Tx", asyncpg.Connection)

CONNECT_SECONDS_MAX = 10.0
COMMAND_SECONDS_MAX = 30.0  # the client's own bound, above any statement_timeout: a dead server answers nothing
STATEMENT_MS_MAX = 10_000
LOCK_MS_MAX = 3_000
IDLE_IN_TRANSACTION_MS_MAX = 15_000  # a handler computes for some 100 ms at most
# The limits on idling do not see a client that froze in the middle of a request, as between the parts of a statement that is
# prepared: its session counts as active and would keep its locks for as long as the process exists (seen 2026-11-24).
TRANSACTION_MS_MAX = 30_000


@dataclass(frozen=True, slots=True)
class Pool:
    """Connections of one service to its own database; `committed` is set after each commit and wakes the relay."""

    raw: asyncpg.Pool
    committed: asyncio.Event = field(default_factory=asyncio.Event)

    async def connect(self) -> None:
        """Open the first connection; raises the driver's error if the database does not answer. Harmless when repeated."""
        await self.raw

    async def close(self) -> None:
        """Wait for borrowed connections, at most `COMMAND_SECONDS_MAX`, then cut them."""
        try:
            await asyncio.wait_for(self.raw.close(), COMMAND_SECONDS_MAX)
        except asyncpg.InterfaceError:
            pass  # it was never connected: the app stopped while it still waited for the database
        except TimeoutError:
            self.raw.terminate()


def session_settings(name: str) -> dict[str, str]:
    """What each session of this house starts with: its name in pg_stat_activity and the limits of `bus.md` §7."""
    return {
        "application_name": name,
        "statement_timeout": str(STATEMENT_MS_MAX),
        "lock_timeout": str(LOCK_MS_MAX),
        "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS_MAX),
        "transaction_timeout": str(TRANSACTION_MS_MAX),
        "timezone": "UTC",
        "jit": "off",  # plans of some ms each would be compiled for longer than they run
    }


def new_pool(dsn: str, *, name: str, size_max: int = 8) -> Pool:
    """A pool that is not connected yet; call it inside a running loop."""
    raw = asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=size_max,
        timeout=CONNECT_SECONDS_MAX,
        command_timeout=COMMAND_SECONDS_MAX,
        server_settings=session_settings(name),
        reset=_keep,
    )
    return Pool(raw)


async def open_pool(dsn: str, *, name: str, size_max: int = 8) -> Pool:
    """A connected pool; raises the driver's error if the database does not answer."""
    pool = new_pool(dsn, name=name, size_max=size_max)
    await pool.connect()
    return pool


async def _keep(connection: object) -> None:
    """No reset between borrowers: sessions carry no state, and the default's round trip costs 0.2 ms a batch."""


class NoConnection(ConnectionError):
    """The database gave no connection, whatever it said: no fault of what was to be done with it."""


@asynccontextmanager
async def _borrowed(pool: Pool) -> "AsyncIterator[asyncpg.pool.PoolConnectionProxy]":
    # A database that is being restored or renamed answers with codes that would be bugs anywhere else (3D000, 55000):
    # taken for one, it would send good records to the dead letter.
    try:
        connection = await pool.raw.acquire()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as exc:
        raise NoConnection(type(exc).__name__) from exc
    try:
        yield connection
    finally:
        await pool.raw.release(connection)


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Tx]:
    """A READ COMMITTED transaction: committed when the block ends, undone by any error; then the relay is woken."""
    async with _borrowed(pool) as connection:
        async with connection.transaction(isolation="read_committed"):
            yield cast(Tx, connection)
        pool.committed.set()


@asynccontextmanager
async def reading(pool: Pool) -> AsyncIterator[ReadConn]:
    """One snapshot for several reads: REPEATABLE READ, READ ONLY; nothing is locked."""
    async with _borrowed(pool) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        yield cast(ReadConn, connection)
