"""The breaker and the pauses of a mail relay: one row for all processes, so that all stop and start together."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from hubkit.db import ReadConn, Tx
from services.notify import limits


@dataclass(frozen=True, slots=True)
class Relay:
    """How a relay stands. `failures`: probes in a row that failed; `throttles`: pauses in a row that it asked for."""

    is_open: bool
    reason: str | None
    failures: int
    throttles: int


async def insert_relay(tx: Tx, relay: str) -> None:
    """Make the row of a relay that is not known yet: its breaker is closed."""
    await tx.execute(
        """
        INSERT INTO relays (relay, state, failures, throttles)
        VALUES ($1, 'closed', 0, 0)
        ON CONFLICT (relay) DO NOTHING
        """,
        relay,
    )


async def read_relay(conn: ReadConn | Tx, relay: str) -> Relay | None:
    """The row as it is now, unlocked."""
    row = await conn.fetchrow(
        """
        SELECT state, reason, failures, throttles
        FROM relays
        WHERE relay = $1
        """,
        relay,
    )
    return Relay(row["state"] == "open", row["reason"], row["failures"], row["throttles"]) if row else None


async def open_breaker(tx: Tx, relay: str, *, reason: str, now: datetime, probe_in: timedelta) -> bool:
    """No message is claimed for this relay until a probe succeeds; False if it was open already."""
    status = await tx.execute(
        """
        UPDATE relays
        SET state = 'open', reason = $2, failures = 0, probe_at = $3, probed_by = NULL, probe_until = NULL
        WHERE relay = $1 AND state = 'closed'
        """,
        relay,
        reason,
        now + probe_in,
    )
    return status == "UPDATE 1"


async def take_probe(tx: Tx, relay: str, *, process_id: UUID, now: datetime) -> int | None:
    """One process probes an open relay that is due for it, under a lease: failures so far; None if there is nothing to do."""
    failures: int | None = await tx.fetchval(
        """
        UPDATE relays
        SET probed_by = $2, probe_until = $3::timestamptz + $4::interval
        WHERE relay = $1 AND state = 'open' AND probe_at <= $3 AND (probe_until IS NULL OR probe_until <= $3)
        RETURNING failures
        """,
        relay,
        process_id,
        now,
        limits.PROBE_LEASE,
    )
    return failures


async def close_breaker(tx: Tx, relay: str, *, process_id: UUID) -> bool:
    """The probe succeeded; False if it took longer than its lease and another process probes."""
    status = await tx.execute(
        """
        UPDATE relays
        SET state = 'closed', reason = NULL, failures = 0, probe_at = NULL, probed_by = NULL, probe_until = NULL
        WHERE relay = $1 AND state = 'open' AND probed_by = $2
        """,
        relay,
        process_id,
    )
    return status == "UPDATE 1"


async def put_off_probe(tx: Tx, relay: str, *, process_id: UUID, reason: str, now: datetime, probe_in: timedelta) -> None:
    """The probe failed: the next one later."""
    await tx.execute(
        """
        UPDATE relays
        SET reason = $3, failures = failures + 1, probe_at = $4, probed_by = NULL, probe_until = NULL
        WHERE relay = $1 AND state = 'open' AND probed_by = $2
        """,
        relay,
        process_id,
        reason,
        now + probe_in,
    )


async def pause_relay(tx: Tx, relay: str, *, throttles: int, now: datetime, pause: timedelta) -> None:
    """The relay asked for less: nothing is claimed for a while. `throttles` as read before: several at once count once."""
    await tx.execute(
        """
        UPDATE relays
        SET throttles = throttles + 1, paused_until = $3
        WHERE relay = $1 AND throttles = $2
        """,
        relay,
        throttles,
        now + pause,
    )


async def forget_throttles(tx: Tx, relay: str, *, now: datetime) -> None:
    """A while after the last pause the row of throttlings has ended."""
    await tx.execute(
        """
        UPDATE relays
        SET throttles = 0, paused_until = NULL
        WHERE relay = $1 AND throttles > 0 AND paused_until <= $2
        """,
        relay,
        now - limits.THROTTLE_FORGOTTEN,
    )
