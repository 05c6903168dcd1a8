"""The rows that a decision locks, and what of them changes with it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import asyncpg

from hubkit.db import Pool, ReadConn, Tx, transaction
from hubkit.errors import BackstopHit, Repeat
from services.booking.domain.copies import ResourceCopy

NO_OVERSELL = "no_oversell"


class Locked(NamedTuple):
    """What a decision needs of a locked row besides the rules it has in memory: those are good for `revision` only."""

    revision: int
    capacity: int | None
    used: int
    tolerated: int


async def lock_resources(tx: Tx, resource_ids: Collection[str]) -> dict[str, Locked]:
    """Row-lock until `tx` ends, in key order; unknown ids are left out.

    One statement: row by row, two transactions that name the same rows in different orders would wait for each other.
    FOR NO KEY UPDATE: nobody references these rows by key.
    """
    rows = await tx.fetch(
        """
        SELECT resource_id, revision, capacity, used, tolerated
        FROM resources
        WHERE resource_id = ANY ($1::text[])
        ORDER BY resource_id
        FOR NO KEY UPDATE
        """,
        sorted(resource_ids),
    )
    return {row[0]: Locked(row[1], row[2], row[3], row[4]) for row in rows}


async def ensure_allowances(pool: Pool, resource_ids: Collection[str]) -> None:
    """Give each allowance its row, committed at once: a row that others cannot see yet locks nobody out."""
    if not resource_ids:
        return
    async with transaction(pool) as tx:
        await tx.execute(
            """
            INSERT INTO resources (resource_id, kind, revision)
            SELECT w.resource_id, 'allowance', 0
            FROM unnest($1::text[]) AS w (resource_id)
            WHERE NOT EXISTS (SELECT FROM resources AS r WHERE r.resource_id = w.resource_id)
            ORDER BY w.resource_id
            ON CONFLICT (resource_id) DO NOTHING
            """,
            sorted(resource_ids),
        )


async def read_resources(conn: ReadConn | Tx, resource_ids: Collection[str]) -> list[ResourceCopy]:
    """The copies, in no particular order; unknown ids and allowances are left out."""
    rows = await conn.fetch(
        """
        SELECT resource_id, kind, capacity, revision, rules, content_hash, unit_no, pool_no, used, occupies
        FROM resources
        WHERE resource_id = ANY ($1::text[]) AND rules IS NOT NULL
        """,
        list(resource_ids),
    )
    return [ResourceCopy(*row) for row in rows]


async def read_revisions(conn: ReadConn | Tx, resource_ids: Collection[str]) -> dict[str, int]:
    """Resource id -> revision; unknown ids are left out."""
    rows = await conn.fetch(
        """
        SELECT resource_id, revision
        FROM resources
        WHERE resource_id = ANY ($1::text[])
        """,
        list(resource_ids),
    )
    return {row[0]: row[1] for row in rows}


async def insert_resources(tx: Tx, resources: Sequence[ResourceCopy]) -> None:
    """Rows for resources that were not known, with the numbers of units and pools drawn.

    In key order, since two polls may bring the same new resource. Errors: `Repeat` if another poll was faster.
    """
    status = await tx.execute(
        """
        INSERT INTO resources (resource_id, kind, capacity, revision, rules, content_hash, occupies, unit_no, pool_no)
        SELECT w.resource_id, w.kind, w.capacity, w.revision, w.rules::jsonb, w.content_hash,
               ARRAY (SELECT jsonb_array_elements_text(w.occupies::jsonb)),
               CASE WHEN w.kind IN ('unit', 'adviser') THEN nextval('resource_numbers') END,
               CASE WHEN w.kind = 'pool' THEN nextval('resource_numbers') END
        FROM unnest($1::text[], $2::text[], $3::integer[], $4::bigint[], $5::text[], $6::bytea[], $7::text[])
             AS w (resource_id, kind, capacity, revision, rules, content_hash, occupies)
        ORDER BY w.resource_id
        ON CONFLICT (resource_id) DO NOTHING
        """,
        *_columns(resources),
    )
    if status != f"INSERT 0 {len(resources)}":
        raise Repeat


async def update_resources(tx: Tx, resources: Sequence[ResourceCopy], tolerated: Mapping[str, int]) -> None:
    """Put new revisions over old ones; the rows are locked. `tolerated` are the places that a cut leaves above capacity."""
    await tx.execute(
        """
        UPDATE resources AS r
        SET capacity = w.capacity, revision = w.revision, rules = w.rules::jsonb, content_hash = w.content_hash,
            occupies = ARRAY (SELECT jsonb_array_elements_text(w.occupies::jsonb)), tolerated = w.tolerated,
            -- a session that still wants the same rooms at the same time is still to be tried
            unplaced = r.unplaced AND r.occupies = ARRAY (SELECT jsonb_array_elements_text(w.occupies::jsonb))
                AND (r.rules ->> 'start', r.rules ->> 'end', r.rules ->> 'status')
                    IS NOT DISTINCT FROM (w.rules::jsonb ->> 'start', w.rules::jsonb ->> 'end', w.rules::jsonb ->> 'status')
        FROM unnest($1::text[], $2::text[], $3::integer[], $4::bigint[], $5::text[], $6::bytea[], $7::text[], $8::integer[])
             AS w (resource_id, kind, capacity, revision, rules, content_hash, occupies, tolerated)
        WHERE r.resource_id = w.resource_id
        """,
        *_columns(resources),
        [tolerated.get(resource.resource_id, 0) for resource in resources],
    )


def _columns(resources: Sequence[ResourceCopy]) -> tuple[list[object], ...]:
    return (
        [resource.resource_id for resource in resources],
        [resource.kind for resource in resources],
        [resource.capacity for resource in resources],
        [resource.revision for resource in resources],
        [resource.rules for resource in resources],
        [resource.content_hash for resource in resources],
        ["[" + ",".join(f'"{name}"' for name in resource.occupies) + "]" for resource in resources],  # ids need no escape
    )


async def change_used(tx: Tx, changes: Mapping[str, int]) -> None:
    """Add to the counters of locked sessions. What is tolerated above capacity only ever shrinks with what is used.

    Errors: `BackstopHit` if places would be sold that are not there.
    """
    try:
        await tx.execute(
            """
            UPDATE resources AS r
            SET used = r.used + w.change,
                tolerated = least(r.tolerated, greatest(0, r.used + w.change - r.capacity))
            FROM unnest($1::text[], $2::integer[]) AS w (resource_id, change)
            WHERE r.resource_id = w.resource_id
            """,
            list(changes),
            list(changes.values()),
        )
    except asyncpg.CheckViolationError as exc:
        if exc.constraint_name != NO_OVERSELL:
            raise
        raise BackstopHit(NO_OVERSELL) from exc


async def raise_tolerated(tx: Tx, tolerated: Mapping[str, int]) -> None:
    """Note that staff knowingly put more on a locked session or pool than it has."""
    await tx.execute(
        """
        UPDATE resources AS r
        SET tolerated = greatest(r.tolerated, w.tolerated)
        FROM unnest($1::text[], $2::integer[]) AS w (resource_id, tolerated)
        WHERE r.resource_id = w.resource_id
        """,
        list(tolerated),
        list(tolerated.values()),
    )


async def lower_tolerated(tx: Tx, tolerated: Mapping[str, int]) -> None:
    """Note that less of a locked pool lies above its capacity than before."""
    await tx.execute(
        """
        UPDATE resources AS r
        SET tolerated = least(r.tolerated, w.tolerated)
        FROM unnest($1::text[], $2::integer[]) AS w (resource_id, tolerated)
        WHERE r.resource_id = w.resource_id
        """,
        list(tolerated),
        list(tolerated.values()),
    )


async def read_ahead(
    conn: ReadConn | Tx, pool_nos: Collection[int], now: datetime
) -> list[tuple[int, datetime, datetime, int]]:
    """(pool number, occupied from, to, quantity) of all that is not over at `now`: what a cut of capacity is held against."""
    rows = await conn.fetch(
        """
        SELECT a.pool_no, lower(a.occupied), upper(a.occupied), a.quantity
        FROM unnest($1::bigint[]) AS w (pool_no)
        JOIN allocations AS a
          ON a.blocking AND a.pool_no IS NOT NULL
         AND int8range(a.pool_no, a.pool_no, '[]') && int8range(w.pool_no, w.pool_no, '[]')
         AND a.occupied && tstzrange($2, NULL)
        """,
        list(pool_nos),
        now,
    )
    return [(row[0], row[1], row[2], row[3]) for row in rows]
