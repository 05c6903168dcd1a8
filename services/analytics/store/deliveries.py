"""What became of messages; the table is its own inbox."""

from collections.abc import Sequence
from uuid import UUID

from hubkit.db import Tx
from services.analytics.domain.rows import DeliveryRow


async def insert_deliveries(tx: Tx, rows: Sequence[DeliveryRow]) -> set[UUID]:
    """Insert what is new, of two copies in one batch the first; the ids that went in."""
    inserted = await tx.fetch(
        """
        INSERT INTO deliveries (
            event_id, message_id, booking_id, occurred_at, due_at, came_at, attempts, day, resent, content_hash, type, kind,
            class, channel, reason
        )
        SELECT
            event_id, message_id, booking_id, occurred_at, due_at, came_at, attempts, day, resent, content_hash, type, kind,
            class, channel, reason
        FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::integer[],
                    $8::date[], $9::boolean[], $10::bytea[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[])
            AS d (event_id, message_id, booking_id, occurred_at, due_at, came_at, attempts, day, resent, content_hash, type,
                  kind, class, channel, reason)
        ON CONFLICT (event_id) DO NOTHING
        RETURNING event_id
        """,
        [row.event_id for row in rows],
        [row.message_id for row in rows],
        [row.booking_id for row in rows],
        [row.occurred_at for row in rows],
        [row.due_at for row in rows],
        [row.came_at for row in rows],
        [row.attempts for row in rows],
        [row.day for row in rows],
        [row.resent for row in rows],
        [row.content_hash for row in rows],
        [row.type for row in rows],
        [row.kind for row in rows],
        [row.message_class for row in rows],
        [row.channel for row in rows],
        [row.reason for row in rows],
    )
    return {row["event_id"] for row in inserted}


async def read_hashes(tx: Tx, event_ids: Sequence[UUID]) -> dict[UUID, bytes]:
    """The content that stands under these ids."""
    rows = await tx.fetch(
        """
        SELECT event_id, content_hash
        FROM deliveries
        WHERE event_id = ANY ($1::uuid[])
        """,
        event_ids,
    )
    return {row["event_id"]: row["content_hash"] for row in rows}
