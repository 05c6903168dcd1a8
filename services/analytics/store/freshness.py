"""As of when figures are: how far the log was read, what is still to be computed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from hubkit.db import ReadConn, Tx


@dataclass(frozen=True, slots=True)
class AsOf:
    """Belongs to every answer. `offsets`: topic -> partition -> the next record to be read."""

    offsets: Mapping[str, Mapping[str, int]]
    last_event_at: datetime | None
    read_at: datetime | None
    dirty_days: int
    oldest_mark_at: datetime | None
    watermark: int


async def note_reading(tx: Tx, topic: str, last_event_at: datetime) -> None:
    """Events of `topic` up to that instant were read; last in a batch, as all batches of a topic write this row."""
    await tx.execute(
        """
        INSERT INTO readings AS r (topic, last_event_at, read_at)
        VALUES ($1, $2, clock_timestamp())
        ON CONFLICT (topic) DO UPDATE
        SET last_event_at = greatest(r.last_event_at, excluded.last_event_at), read_at = excluded.read_at
        """,
        topic,
        last_event_at,
    )


async def read_as_of(conn: ReadConn, hub_id: str) -> AsOf:
    """In the snapshot of `conn`, so that it is about what else is read there."""
    row = await conn.fetchrow(
        """
        SELECT
            coalesce((SELECT jsonb_object_agg(topic, partitions) FROM (
                SELECT topic, jsonb_object_agg(partition, next_offset) AS partitions
                FROM stored_offsets
                GROUP BY topic
            ) AS read), '{}')::text AS offsets,
            (SELECT max(last_event_at) FROM readings) AS last_event_at,
            (SELECT max(read_at) FROM readings) AS read_at,
            (SELECT count(*) FROM (SELECT DISTINCT hub_id, day FROM dirty_days) AS dirty) AS dirty_days,
            (SELECT min(marked_at) FROM dirty_days) AS oldest_mark_at,
            coalesce((SELECT value FROM watermarks WHERE hub_id = $1), 0) AS watermark
        """,
        hub_id,
    )
    assert row is not None, "a query without FROM has one row"
    return AsOf(
        json.loads(row["offsets"]),
        row["last_event_at"],
        row["read_at"],
        row["dirty_days"],
        row["oldest_mark_at"],
        row["watermark"],
    )
