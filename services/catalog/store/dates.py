"""Schedules of working copies, and the dates that were made of published ones."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from hubkit.db import ReadConn, Tx
from services.catalog.domain.entities import Occurrence
from services.catalog.domain.rows import OccurrenceNumber, ScheduleRow

READ_SCHEDULES = """
SELECT schedule_id, offer_id, document, version
FROM schedules
WHERE offer_id = ANY ($1::text[])
ORDER BY offer_id, position, schedule_id
"""

READ_SCHEDULE = """
SELECT schedule_id, offer_id, document, version
FROM schedules
WHERE schedule_id = $1
"""

# The position of a known one stays; a new one goes behind the others.
SAVE_SCHEDULE = """
INSERT INTO schedules (schedule_id, offer_id, position, document, edited_at, edited_by)
SELECT $1, $2, (SELECT coalesce(max(position) + 1, 0) FROM schedules WHERE offer_id = $2), $3, $4, $5
ON CONFLICT (schedule_id) DO UPDATE
SET document = excluded.document, edited_at = excluded.edited_at, edited_by = excluded.edited_by,
    version = schedules.version + 1
"""

DELETE_SCHEDULES = """
DELETE FROM schedules
WHERE offer_id = ANY ($1::text[])
"""

INSERT_SCHEDULES = """
INSERT INTO schedules (schedule_id, offer_id, position, document, edited_at, edited_by)
SELECT schedule_id, offer_id, position, document, $5, $6
FROM unnest($1::text[], $2::text[], $3::integer[], $4::jsonb[]) AS n (schedule_id, offer_id, position, document)
"""

READ_OCCURRENCES = """
SELECT occurrence_id, offer_id, schedule_id, rule_start, starts_at, ends_at, time_zone, status, capacity, occupies,
    sequence, previous_start, built_hash
FROM occurrences
WHERE offer_id = ANY ($1::text[])
ORDER BY offer_id, starts_at, occurrence_id
"""

SAVE_OCCURRENCES = """
INSERT INTO occurrences (occurrence_id, offer_id, schedule_id, rule_start, starts_at, ends_at, time_zone, status,
    previous_start, capacity, occupies, sequence, built_hash)
SELECT occurrence_id, offer_id, schedule_id, rule_start, starts_at, ends_at, time_zone, status, previous_start, capacity,
    ARRAY(SELECT jsonb_array_elements_text(n.occupies)), sequence, built_hash
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamp[], $5::timestamptz[], $6::timestamptz[], $7::text[], $8::text[],
    $9::timestamptz[], $10::integer[], $11::jsonb[], $12::bigint[], $13::bytea[])
    AS n (occurrence_id, offer_id, schedule_id, rule_start, starts_at, ends_at, time_zone, status, previous_start, capacity,
    occupies, sequence, built_hash)
ON CONFLICT (occurrence_id) DO UPDATE
SET schedule_id = excluded.schedule_id, starts_at = excluded.starts_at, ends_at = excluded.ends_at,
    time_zone = excluded.time_zone, status = excluded.status, previous_start = excluded.previous_start,
    capacity = excluded.capacity, occupies = excluded.occupies, sequence = excluded.sequence, built_hash = excluded.built_hash
"""

DELETE_OCCURRENCES = """
DELETE FROM occurrences
WHERE occurrence_id = ANY ($1::uuid[])
"""


async def read_schedules(conn: ReadConn | Tx, offer_ids: Sequence[str]) -> list[ScheduleRow]:
    """The schedules of these working copies, by offer and position."""
    return [ScheduleRow(*row) for row in await conn.fetch(READ_SCHEDULES, list(offer_ids))]


async def read_schedule(conn: ReadConn | Tx, schedule_id: str) -> ScheduleRow | None:
    """One schedule."""
    row = await conn.fetchrow(READ_SCHEDULE, schedule_id)
    return None if row is None else ScheduleRow(*row)


async def save_schedule(tx: Tx, schedule_id: str, offer_id: str, document: str, *, now: datetime, by: str) -> None:
    """Insert or replace one."""
    await tx.execute(SAVE_SCHEDULE, schedule_id, offer_id, document, now, by)


async def replace_schedules(
    tx: Tx, offer_ids: Sequence[str], rows: Sequence[tuple[str, str, int, str]], *, now: datetime, by: str
) -> None:
    """All schedules of these offers anew: schedule id, offer id, position, document."""
    await tx.execute(DELETE_SCHEDULES, list(offer_ids))
    if rows:
        ids, offers, positions, documents = (list(column) for column in zip(*rows, strict=True))
        await tx.execute(INSERT_SCHEDULES, ids, offers, positions, documents, now, by)


async def read_occurrences(
    conn: ReadConn | Tx, offer_ids: Sequence[str]
) -> tuple[dict[str, list[Occurrence]], dict[UUID, OccurrenceNumber]]:
    """Known dates by offer, and their numbers by id."""
    dates: dict[str, list[Occurrence]] = {each: [] for each in offer_ids}
    numbers: dict[UUID, OccurrenceNumber] = {}
    for row in await conn.fetch(READ_OCCURRENCES, list(offer_ids)):
        number = OccurrenceNumber(row["occurrence_id"], row["sequence"], row["built_hash"])
        numbers[number.occurrence_id] = number
        previous = row["previous_start"]
        dates[row["offer_id"]].append(
            Occurrence(
                occurrence_id=row["occurrence_id"],
                offer_id=row["offer_id"],
                schedule_id=row["schedule_id"],
                rule_start=row["rule_start"],
                start=row["starts_at"].astimezone(UTC),
                end=row["ends_at"].astimezone(UTC),
                time_zone=row["time_zone"],
                status=row["status"],
                capacity=row["capacity"],
                occupies=tuple(row["occupies"]),
                sequence=row["sequence"],
                previous_start=previous.astimezone(UTC) if previous else None,
                public=row["built_hash"] is not None,
            )
        )
    return dates, numbers


async def save_occurrences(
    tx: Tx, occurrences: Sequence[Occurrence], numbers: Sequence[OccurrenceNumber], occupies: Sequence[str]
) -> None:
    """Insert or replace dates with their numbers; `occupies` of each as a JSON list. The three run side by side."""
    if occurrences:
        await tx.execute(
            SAVE_OCCURRENCES,
            [each.occurrence_id for each in occurrences],
            [each.offer_id for each in occurrences],
            [each.schedule_id for each in occurrences],
            [each.rule_start for each in occurrences],
            [each.start for each in occurrences],
            [each.end for each in occurrences],
            [each.time_zone for each in occurrences],
            [each.status for each in occurrences],
            [each.previous_start for each in occurrences],
            [each.capacity for each in occurrences],
            list(occupies),
            [each.sequence for each in numbers],
            [each.built_hash for each in numbers],
        )


async def delete_occurrences(tx: Tx, ids: Sequence[UUID]) -> None:
    """Delete dates that nobody ever saw, or that are long over."""
    if ids:
        await tx.execute(DELETE_OCCURRENCES, list(ids))
