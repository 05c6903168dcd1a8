"""The ledger of decided requests: dedup and audit trail in one."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from hubkit.db import ReadConn, Tx
from hubkit.errors import Repeat

_COLUMNS = (
    "request_id", "payload_hash", "command", "actor_role", "actor_id", "booking_id", "version", "decided_at", "outcome",
)  # fmt: skip


class Entry(NamedTuple):
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
        await tx.copy_records_to_table(
            "requests",
            columns=_COLUMNS,
            records=[
                (
                    e.request_id, e.payload_hash, e.command, e.actor_role, e.actor_id, e.booking_id, e.version, e.decided_at,
                    e.outcome,
                )
                for e in entries
            ],
        )  # fmt: skip
    except asyncpg.UniqueViolationError as exc:
        raise Repeat from exc
