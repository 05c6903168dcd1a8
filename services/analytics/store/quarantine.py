"""What must not count until somebody has looked at it: kept, listed, released."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hubkit import ids
from hubkit.db import ReadConn, Tx
from services.analytics.domain.rows import Kept


@dataclass(frozen=True, slots=True)
class Entry:
    """A kept record; `content` is JSON, without anybody's id."""

    quarantine_id: UUID
    kind: str
    subject: str
    reason: str
    content: str
    occurred_at: datetime
    created_at: datetime
    state: str


async def insert_entries(tx: Tx, kept: Sequence[Kept]) -> int:
    """Keep what is not there yet; how many that were."""
    status = await tx.execute(
        """
        INSERT INTO quarantine (quarantine_id, kind, subject, reason, content, content_hash, occurred_at)
        SELECT quarantine_id, kind, subject, reason, content, content_hash, occurred_at
        FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::bytea[], $7::timestamptz[])
            AS q (quarantine_id, kind, subject, reason, content, content_hash, occurred_at)
        ON CONFLICT DO NOTHING
        """,
        [ids.new() for _ in kept],
        [each.kind for each in kept],
        [each.subject for each in kept],
        [each.reason for each in kept],
        [each.content for each in kept],
        [each.content_hash for each in kept],
        [each.occurred_at for each in kept],
    )
    return int(status.rpartition(" ")[2])


async def read_entries(conn: ReadConn, *, after: UUID | None, limit: int) -> list[Entry]:
    """Kept entries, oldest first, behind the entry `after`."""
    rows = await conn.fetch(
        """
        SELECT quarantine_id, kind, subject, reason, content, occurred_at, created_at, state
        FROM quarantine
        WHERE state = 'kept'
          AND ($1::uuid IS NULL OR (created_at, quarantine_id)
               > (SELECT q.created_at, q.quarantine_id FROM quarantine AS q WHERE q.quarantine_id = $1))
        ORDER BY created_at, quarantine_id
        LIMIT $2
        """,
        after,
        limit,
    )
    return [Entry(**dict(row)) for row in rows]


async def lock_entry(tx: Tx, quarantine_id: UUID) -> Entry | None:
    """The entry, its row locked until `tx` ends; None if there is none."""
    row = await tx.fetchrow(
        """
        SELECT quarantine_id, kind, subject, reason, content, occurred_at, created_at, state
        FROM quarantine
        WHERE quarantine_id = $1
        FOR UPDATE
        """,
        quarantine_id,
    )
    return None if row is None else Entry(**dict(row))


async def release_entry(tx: Tx, quarantine_id: UUID, by: str) -> None:
    """Mark a locked entry as released, and by whom (`<role>/<staff id>`)."""
    await tx.execute(
        """
        UPDATE quarantine
        SET state = 'released', ended_at = clock_timestamp(), ended_by = $2
        WHERE quarantine_id = $1
        """,
        quarantine_id,
        by,
    )


async def sweep(tx: Tx) -> None:
    """Delete what is older than 30 days, as dead letters."""
    await tx.execute("DELETE FROM quarantine WHERE created_at < clock_timestamp() - interval '30 days'")
