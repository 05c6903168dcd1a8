"""The ledger of decided requests: dedup and audit trail in one."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from hubkit.db import ReadConn, Tx
from hubkit.errors import Repeat


@dataclass(frozen=True, slots=True)
class Entry:
    """One decided request; `outcome` is the JSON text `{type, time, data}` of the event that answered it."""

    request_id: UUID
    payload_hash: str
    command: str
    actor_role: str | None
    actor_id: str | None
    booking_id: UUID | None
    version: int | None
    decided_at: datetime
    outcome: str


async def read_hashes(tx: Tx, request_ids: Collection[UUID]) -> dict[UUID, str]:
    """Request id -> payload hash of those that were decided already."""
    rows = await tx.fetch(
        """
        SELECT request_id, payload_hash
        FROM requests
        WHERE request_id = ANY ($1::uuid[])
        """,
        list(request_ids),
    )
    return {row[0]: row[1] for row in rows}


async def read_entry(conn: ReadConn, request_id: UUID) -> Entry | None:
    """The whole row, or None while the request is not decided."""
    row = await conn.fetchrow(
        """
        SELECT request_id, payload_hash, command, actor_role, actor_id, booking_id, version, decided_at, outcome
        FROM requests
        WHERE request_id = $1
        """,
        request_id,
    )
    return None if row is None else Entry(*row)


async def insert_entries(tx: Tx, entries: Sequence[Entry]) -> None:
    """One row each. Errors: `Repeat` if another process decided one of them meanwhile."""
    try:
        await tx.execute(
            """
            INSERT INTO requests (request_id, payload_hash, command, actor_role, actor_id, booking_id, version, decided_at,
                                  outcome)
            SELECT w.request_id, w.payload_hash, w.command, w.actor_role, w.actor_id, w.booking_id, w.version, w.decided_at,
                   w.outcome::jsonb
            FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::integer[],
                        $8::timestamptz[], $9::text[])
                 AS w (request_id, payload_hash, command, actor_role, actor_id, booking_id, version, decided_at, outcome)
            """,
            [entry.request_id for entry in entries],
            [entry.payload_hash for entry in entries],
            [entry.command for entry in entries],
            [entry.actor_role for entry in entries],
            [entry.actor_id for entry in entries],
            [entry.booking_id for entry in entries],
            [entry.version for entry in entries],
            [entry.decided_at for entry in entries],
            [entry.outcome for entry in entries],
        )
    except asyncpg.UniqueViolationError as exc:
        raise Repeat from exc
