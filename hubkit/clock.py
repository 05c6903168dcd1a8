"""The only place that reads a clock: rules and handlers take time as an argument."""

from datetime import UTC, datetime
from typing import Protocol

from hubkit.db import ReadConn, Tx


class Clock(Protocol):
    """Where a service gets `now` from; read once per batch, after its locks (`booking.md` §8)."""

    async def now(self, conn: Tx | ReadConn) -> datetime:
        """One reading, aware UTC."""


class DatabaseClock:
    """The database's clock: all processes of a service share it, whatever their hosts believe."""

    async def now(self, conn: Tx | ReadConn) -> datetime:
        """`clock_timestamp()`, not `now()`: the latter is the start of the transaction, before its locks were had."""
        instant = await conn.fetchval("SELECT clock_timestamp()")
        assert isinstance(instant, datetime), "clock_timestamp() is an instant"
        return instant.astimezone(UTC)


def wall() -> datetime:
    """The process's own clock, aware UTC: for log lines, health and ages of things, never for a decision."""
    return datetime.now(UTC)
