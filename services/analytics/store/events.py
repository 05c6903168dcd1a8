"""Facts go in once: the table is its own inbox. All of it runs in the batch's own transaction, behind the fence."""

import io
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Final

import asyncpg
from asyncpg.pgproto.pgproto import UUID  # the driver's own: made and sent in a tenth of the time of Python's

from hubkit.db import Tx
from hubkit.errors import Repeat
from services.analytics.domain.rows import EventRow
from services.analytics.store import copying

_ONCE: Final = "events_event_id"


async def read_hashes(tx: Tx, event_ids: Collection[bytes]) -> dict[bytes, bytes]:
    """Event id to the content that stands under it, of those that are known.

    A backlog begins with an empty table, and the plans made then would go on reading all of it, until statistics tell how it
    has grown; so this transaction reads by indexes.
    """
    await tx.execute("SET LOCAL enable_seqscan = off")
    rows = await tx.fetch(
        """
        SELECT event_id, content_hash
        FROM events
        WHERE event_id = ANY ($1::uuid[])
        """,
        [UUID(event_id) for event_id in event_ids],
    )
    return {row["event_id"].bytes: row["content_hash"] for row in rows}


async def insert_events(tx: Tx, rows: Sequence[EventRow]) -> None:
    """COPY rows that are not known, each id once.

    Errors: Repeat if another transaction has inserted one of them meanwhile; then all of this one is undone.
    """
    try:
        await tx.copy_to_table("events", source=io.BytesIO(copying.copy_data(rows)), columns=EventRow._fields, format="binary")
    except asyncpg.UniqueViolationError as exc:
        if exc.constraint_name != _ONCE:
            raise
        raise Repeat from exc


async def mark_days(tx: Tx, own: Collection[tuple[str, date]], booking_ids: Collection[bytes]) -> None:
    """Mark the days given, and those of every known version of these bookings: a move cleans up behind it.

    Runs after `insert_events`, so the versions of this batch are among the known ones.
    """
    await tx.execute(
        """
        INSERT INTO dirty_days (hub_id, day)
        SELECT hub_id, day
        FROM unnest($1::text[], $2::date[]) AS own (hub_id, day)
        UNION
        SELECT known.hub_id, known.first_day + n
        FROM (
            SELECT DISTINCT hub_id, first_day, last_day
            FROM events
            WHERE booking_id = ANY ($3::uuid[])
        ) AS known, generate_series(0, known.last_day - known.first_day) AS n
        """,
        [hub_id for hub_id, _ in own],
        [day for _, day in own],
        [UUID(booking_id) for booking_id in booking_ids],
    )


async def note_first_bookings(tx: Tx, first_days: Mapping[tuple[str, str], date]) -> None:
    """Keep the earliest day on which a resource was booked; where it fell, its calendar has to be derived anew.

    Rows are locked in order of resource, so two batches cannot wait for each other.
    """
    keys = sorted(first_days)
    await tx.execute(
        """
        WITH earlier AS (
            INSERT INTO resource_calendars AS known (hub_id, resource_id, first_booked)
            SELECT hub_id, resource_id, first_booked
            FROM unnest($1::text[], $2::text[], $3::date[]) AS seen (hub_id, resource_id, first_booked)
            ON CONFLICT (hub_id, resource_id) DO UPDATE
            SET first_booked = excluded.first_booked
            WHERE known.first_booked IS NULL OR excluded.first_booked < known.first_booked
            RETURNING hub_id, resource_id
        )
        INSERT INTO dirty_resources (hub_id, resource_id)
        SELECT hub_id, resource_id
        FROM earlier
        """,
        [hub_id for hub_id, _ in keys],
        [resource_id for _, resource_id in keys],
        [first_days[key] for key in keys],
    )
