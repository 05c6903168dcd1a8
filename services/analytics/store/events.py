"""Facts go in once: the table is its own inbox. All of it runs in the batch's own transaction, behind the fence."""

import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from hubkit.db import Tx
from services.analytics.domain.rows import EventRow
from services.analytics.store import stage


@dataclass(frozen=True, slots=True)
class Reused:
    """A staged row whose event id is known with other content; the first content stays."""

    position: int
    event_id: UUID
    known_hash: bytes
    content_hash: bytes


async def stage_events(tx: Tx, rows: Iterable[EventRow]) -> None:
    """COPY into a table of this connection, empty again after each commit. It is made once, in the first transaction.

    A backlog begins with an empty table, and the plans made then would go on reading all of it, until statistics tell how it
    has grown; so this transaction reads by indexes.
    """
    await tx.execute(
        """
        SET LOCAL enable_seqscan = off;
        CREATE TEMPORARY TABLE IF NOT EXISTS stage (position integer NOT NULL, LIKE events INCLUDING DEFAULTS)
        ON COMMIT DELETE ROWS
        """
    )
    await tx.copy_to_table("stage", source=io.BytesIO(stage.copy_data(rows)), columns=stage.COLUMNS, format="binary")


async def insert_events(tx: Tx) -> tuple[int, list[int]]:
    """From the stage into `events`, in their order, so that the first of two copies in one poll is the one that counts.

    How many were new; the positions of those whose id was known before, the second of two copies not among them.
    """
    row = await tx.fetchrow(
        """
        WITH new AS (
            INSERT INTO events (
                event_id, booking_id, occurred_at, produced_at, starts_at, ends_at, given_back_at, record_offset, partition,
                version, quantity, occurred_day, first_day, last_day, over_midnight, moved, late, freed, content_hash, visitor,
                type, state, from_state, hub_id, side, claimant, actor_role, reason, offer_id, resource_ids, quantities
            )
            SELECT
                event_id, booking_id, occurred_at, produced_at, starts_at, ends_at, given_back_at, record_offset, partition,
                version, quantity, occurred_day, first_day, last_day, over_midnight, moved, late, freed, content_hash, visitor,
                type, state, from_state, hub_id, side, claimant, actor_role, reason, offer_id, resource_ids, quantities
            FROM stage -- a COPY into an empty table lies in its order
            ON CONFLICT (event_id) DO NOTHING
            RETURNING event_id
        )
        SELECT
            (SELECT count(*) FROM new) AS new,
            ARRAY(SELECT s.position FROM stage AS s WHERE NOT EXISTS (SELECT FROM new AS n WHERE n.event_id = s.event_id))
                AS known
        """
    )
    assert row is not None, "a query without FROM has one row"
    return row["new"], row["known"]


async def read_reused(tx: Tx, positions: Sequence[int]) -> list[Reused]:
    """Those of these staged rows whose id stands in `events` with other content, copies inside the stage included."""
    rows = await tx.fetch(
        """
        SELECT s.position, s.event_id, e.content_hash AS known_hash, s.content_hash
        FROM stage AS s
        JOIN events AS e ON e.event_id = s.event_id
        WHERE s.position = ANY ($1::integer[]) AND e.content_hash <> s.content_hash
        ORDER BY s.position
        """,
        positions,
    )
    return [Reused(row["position"], row["event_id"], row["known_hash"], row["content_hash"]) for row in rows]


async def mark_days(tx: Tx, own: Collection[tuple[str, date]], booking_ids: Sequence[UUID]) -> None:
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
        booking_ids,
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
