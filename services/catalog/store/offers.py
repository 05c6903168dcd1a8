"""Offers: working copies, published states, history, what is due."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from hubkit.db import ReadConn, Tx
from services.catalog.domain.rows import JobRow, OfferRow, OfferWrite, PublishedWrite, RevisionWrite
from services.catalog.limits import TIMED_OFFERS_MAX

READ_OFFERS = """
SELECT offer_id, status, document, version, frozen, state, state_hash, revision, publish_from,
    source, source_id, source_hash, edited_at, edited_by
FROM offers
WHERE offer_id = ANY ($1::text[])
ORDER BY offer_id
"""

LOCK_OFFERS = """
SELECT offer_id, status, document, version, frozen, state, state_hash, revision, publish_from,
    source, source_id, source_hash, edited_at, edited_by
FROM offers
WHERE offer_id = ANY ($1::text[])
ORDER BY offer_id
FOR UPDATE
"""

READ_OFFERS_OF_SOURCE = """
SELECT offer_id, status, document, version, frozen, state, state_hash, revision, publish_from,
    source, source_id, source_hash, edited_at, edited_by
FROM offers
WHERE source = $1
ORDER BY offer_id
FOR UPDATE
"""

# Not one INSERT ... ON CONFLICT: its row is checked before the conflict is found, and without a state it cannot be live.
UPDATE_OFFERS = """
UPDATE offers AS o
SET kind = n.kind, status = n.status, document = n.document, source = n.source, source_id = n.source_id,
    source_hash = n.source_hash, edited_at = $8, edited_by = $9, version = o.version + 1, gate_errors = NULL
FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::text[], $6::text[], $7::bytea[])
    AS n (offer_id, kind, status, document, source, source_id, source_hash)
WHERE o.offer_id = n.offer_id
RETURNING o.offer_id
"""

INSERT_OFFERS = """
INSERT INTO offers (offer_id, kind, status, document, source, source_id, source_hash, edited_at, edited_by)
SELECT offer_id, kind, status, document, source, source_id, source_hash, $8, $9
FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::text[], $6::text[], $7::bytea[])
    AS n (offer_id, kind, status, document, source, source_id, source_hash)
"""

SAVE_PUBLISHED = """
UPDATE offers AS o
SET status = n.status, frozen = n.frozen, state = n.state, state_hash = n.state_hash, revision = n.revision,
    place_ids = ARRAY(SELECT jsonb_array_elements_text(n.place_ids)),
    resource_ids = ARRAY(SELECT jsonb_array_elements_text(n.resource_ids)),
    contact_id = n.contact_id, publish_from = NULL, publish_until = n.publish_until, published_at = $11,
    withdrawn_at = NULL, tombstoned_at = NULL, gate_errors = NULL, changed_seq = nextval('changed_seq')
FROM unnest($1::text[], $2::text[], $3::jsonb[], $4::jsonb[], $5::bytea[], $6::bigint[], $7::jsonb[], $8::jsonb[], $9::text[],
    $10::timestamptz[])
    AS n (offer_id, status, frozen, state, state_hash, revision, place_ids, resource_ids, contact_id, publish_until)
WHERE o.offer_id = n.offer_id
"""

# The state is the same, what it is built from is not: a rule that ends later than the horizon, a review mark.
SAVE_FROZEN = """
UPDATE offers AS o
SET frozen = n.frozen, publish_until = n.publish_until
FROM unnest($1::text[], $2::jsonb[], $3::timestamptz[]) AS n (offer_id, frozen, publish_until)
WHERE o.offer_id = n.offer_id
"""

SAVE_WITHDRAWN = """
UPDATE offers AS o
SET status = 'withdrawn', state = n.state, state_hash = NULL, revision = n.revision, place_ids = '{}', resource_ids = '{}',
    contact_id = NULL, publish_from = NULL, publish_until = NULL, withdrawn_at = $4, tombstoned_at = NULL,
    changed_seq = nextval('changed_seq')
FROM unnest($1::text[], $2::jsonb[], $3::bigint[]) AS n (offer_id, state, revision)
WHERE o.offer_id = n.offer_id
"""

SAVE_SCHEDULED = """
UPDATE offers
SET status = 'scheduled', frozen = $2, publish_from = $3, gate_errors = NULL
WHERE offer_id = $1
"""

SAVE_STATUS = """
UPDATE offers
SET status = $2, publish_from = NULL, gate_errors = $3
WHERE offer_id = $1
"""

SAVE_REVISIONS = """
INSERT INTO revisions (offer_id, revision, at, actor_role, actor_id, diff)
SELECT offer_id, revision, $4, $5, $6, diff
FROM unnest($1::text[], $2::bigint[], $3::jsonb[]) AS n (offer_id, revision, diff)
"""

SHOWING = """
SELECT offer_id
FROM offers
WHERE status IN ('published', 'suspended', 'cancelled')
    AND (place_ids && $1::text[] OR resource_ids && $2::text[] OR contact_id = ANY ($3::text[]) OR offer_id = ANY ($4::text[]))
ORDER BY offer_id
"""

LIVE = """
SELECT offer_id
FROM offers
WHERE status IN ('published', 'suspended', 'cancelled')
ORDER BY offer_id
"""

RESOURCES_OF_PLACES = """
SELECT resource_id
FROM resources
WHERE place_id = ANY ($1::text[])
"""

LIST_LIVE = """
SELECT state, count(*) OVER () AS total
FROM offers
WHERE status IN ('published', 'suspended', 'cancelled') AND ($1::text IS NULL OR kind = $1)
ORDER BY (status <> 'published'), state -> 'title' ->> 'de', offer_id
LIMIT $2 OFFSET $3
"""

LIST_DRAFTS = """
SELECT offer_id, status, document, version, frozen, state, state_hash, revision, publish_from,
    source, source_id, source_hash, edited_at, edited_by
FROM offers
WHERE offer_id > $1 AND CASE WHEN $2::text IS NULL THEN status <> 'archived' ELSE status = $2 END
ORDER BY offer_id
LIMIT $3
"""

READ_STATE = """
SELECT state
FROM offers
WHERE offer_id = $1 AND status IN ('published', 'suspended', 'cancelled')
"""

READ_STATES = """
SELECT offer_id, status, state
FROM offers
WHERE state IS NOT NULL AND tombstoned_at IS NULL AND offer_id > $1
ORDER BY offer_id
LIMIT $2
"""

DUE_FROM = """
SELECT offer_id
FROM offers
WHERE status = 'scheduled' AND publish_from <= $1
ORDER BY publish_from, offer_id
LIMIT $2
"""

DUE_UNTIL = """
SELECT offer_id
FROM offers
WHERE status IN ('published', 'suspended', 'cancelled') AND publish_until <= $1
ORDER BY publish_until, offer_id
LIMIT $2
"""

TAKE_TOMBSTONES = """
UPDATE offers
SET tombstoned_at = $2
WHERE offer_id IN (
    SELECT offer_id
    FROM offers
    WHERE tombstoned_at IS NULL AND withdrawn_at <= $1
    ORDER BY withdrawn_at
    LIMIT $3
)
RETURNING offer_id
"""

COUNT_OFFERS = """
SELECT status, coalesce(document ->> 'visibility', 'public') AS visibility, count(*) AS offers
FROM offers
GROUP BY 1, 2
"""

INSERT_JOB = """
INSERT INTO jobs (job_id, offer_ids, total, created_at, created_by)
VALUES ($1, $2, cardinality($2::text[]), $3, $4)
ON CONFLICT (job_id) DO NOTHING
"""

READ_JOB = """
SELECT job_id, state, done, total
FROM jobs
WHERE job_id = $1
"""

# SKIP LOCKED: two processes work on two jobs, or one of them has nothing to do.
TAKE_JOB = """
SELECT job_id, offer_ids[done + 1 : done + $1] AS part, created_by
FROM jobs
WHERE state = 'running'
ORDER BY created_at
LIMIT 1
FOR UPDATE SKIP LOCKED
"""

ADVANCE_JOB = """
UPDATE jobs
SET done = done + $2, state = CASE WHEN done + $2 >= total THEN 'done' ELSE 'running' END
WHERE job_id = $1
"""


async def read_offers(conn: ReadConn | Tx, ids: Sequence[str]) -> list[OfferRow]:
    """Those that exist, by id."""
    return [OfferRow(*row) for row in await conn.fetch(READ_OFFERS, list(ids))]


async def lock_offers(tx: Tx, ids: Sequence[str]) -> list[OfferRow]:
    """Row-lock until `tx` ends, in key order; unknown ids are left out."""
    return [OfferRow(*row) for row in await tx.fetch(LOCK_OFFERS, list(ids))]


async def lock_offers_of_source(tx: Tx, system: str) -> list[OfferRow]:
    """All offers that came from a source, row-locked until `tx` ends."""
    return [OfferRow(*row) for row in await tx.fetch(READ_OFFERS_OF_SOURCE, system)]


async def save_offers(tx: Tx, writes: Sequence[OfferWrite], *, now: datetime, by: str) -> None:
    """Insert or replace working copies, their version one higher. The catalogue's lock is held."""
    if writes:
        known = {row["offer_id"] for row in await tx.fetch(UPDATE_OFFERS, *_columns(writes), now, by)}
        fresh = [each for each in writes if each.offer_id not in known]
        if fresh:
            await tx.execute(INSERT_OFFERS, *_columns(fresh), now, by)


def _columns(writes: Sequence[OfferWrite]) -> tuple[list[object], ...]:
    return (
        [each.offer_id for each in writes],
        [each.kind for each in writes],
        [each.status for each in writes],
        [each.document for each in writes],
        [each.source for each in writes],
        [each.source_id for each in writes],
        [each.source_hash for each in writes],
    )


async def save_published(tx: Tx, writes: Sequence[PublishedWrite], *, now: datetime) -> None:
    """Keep published states. The catalogue's lock is held."""
    if writes:
        await tx.execute(
            SAVE_PUBLISHED,
            [each.offer_id for each in writes],
            [each.status for each in writes],
            [each.frozen for each in writes],
            [each.state for each in writes],
            [each.state_hash for each in writes],
            [each.revision for each in writes],
            [each.shown_places for each in writes],
            [each.shown_resources for each in writes],
            [each.contact_id for each in writes],
            [each.publish_until for each in writes],
            now,
        )


async def save_frozen(tx: Tx, writes: Sequence[PublishedWrite]) -> None:
    """Keep what states are built from, where the states themselves did not change."""
    if writes:
        await tx.execute(
            SAVE_FROZEN,
            [each.offer_id for each in writes],
            [each.frozen for each in writes],
            [each.publish_until for each in writes],
        )


async def save_withdrawn(tx: Tx, writes: Sequence[tuple[str, str, int]], *, now: datetime) -> None:
    """Keep withdrawals: offer id, record, revision. The catalogue's lock is held."""
    if writes:
        ids, records, revisions = (list(column) for column in zip(*writes, strict=True))
        await tx.execute(SAVE_WITHDRAWN, ids, records, revisions, now)


async def save_scheduled(tx: Tx, offer_id: str, *, frozen: str, publish_from: datetime) -> None:
    """Freeze the working copy until its time comes."""
    await tx.execute(SAVE_SCHEDULED, offer_id, frozen, publish_from)


async def save_status(tx: Tx, offer_id: str, status: str, *, gate_errors: str | None = None) -> None:
    """Another state of the life cycle that nobody sees on the bus."""
    await tx.execute(SAVE_STATUS, offer_id, status, gate_errors)


async def insert_revisions(tx: Tx, writes: Sequence[RevisionWrite], *, now: datetime, role: str, actor_id: str) -> None:
    """Append to the history."""
    if writes:
        await tx.execute(
            SAVE_REVISIONS,
            [each.offer_id for each in writes],
            [each.revision for each in writes],
            [each.diff for each in writes],
            now,
            role,
            actor_id,
        )


async def offers_showing(
    tx: Tx, *, place_ids: Sequence[str], resource_ids: Sequence[str], contact_ids: Sequence[str], offer_ids: Sequence[str]
) -> list[str]:
    """Ids of live offers whose state holds one of these, or that are named themselves."""
    rows = await tx.fetch(SHOWING, list(place_ids), list(resource_ids), list(contact_ids), list(offer_ids))
    return [row["offer_id"] for row in rows]


async def live_offers(tx: Tx) -> list[str]:
    """Ids of all live offers."""
    return [row["offer_id"] for row in await tx.fetch(LIVE)]


async def resources_of_places(conn: ReadConn | Tx, place_ids: Sequence[str]) -> list[str]:
    """Ids of the resources that lie in these places."""
    return [row["resource_id"] for row in await conn.fetch(RESOURCES_OF_PLACES, list(place_ids))]


async def list_live(conn: ReadConn, *, kind: str | None, limit: int, offset: int) -> tuple[int, list[str]]:
    """Number of all and states of one page: published ones first, by German title."""
    rows = await conn.fetch(LIST_LIVE, kind, limit, offset)
    return (rows[0]["total"] if rows else 0), [row["state"] for row in rows]


async def list_drafts(conn: ReadConn, *, status: str | None, after: str, limit: int) -> list[OfferRow]:
    """Working copies by id, archived ones only when asked for."""
    return [OfferRow(*row) for row in await conn.fetch(LIST_DRAFTS, after, status, limit)]


async def read_state(conn: ReadConn, offer_id: str) -> str | None:
    """The live state of one offer."""
    state = await conn.fetchval(READ_STATE, offer_id)
    return None if state is None else str(state)


async def read_states(tx: Tx, *, after: str, limit: int) -> list[tuple[str, str, str]]:
    """What stands on the bus: offer id, status, record; live ones and withdrawals without a tombstone yet."""
    return [(row["offer_id"], row["status"], row["state"]) for row in await tx.fetch(READ_STATES, after, limit)]


async def due_from(tx: Tx, *, now: datetime) -> list[str]:
    """Scheduled offers whose time has come."""
    return [row["offer_id"] for row in await tx.fetch(DUE_FROM, now, TIMED_OFFERS_MAX)]


async def due_until(tx: Tx, *, now: datetime) -> list[str]:
    """Live offers whose time is over."""
    return [row["offer_id"] for row in await tx.fetch(DUE_UNTIL, now, TIMED_OFFERS_MAX)]


async def take_tombstones(tx: Tx, *, withdrawn_before: datetime, now: datetime) -> list[str]:
    """Withdrawn offers that every reader had time to see; marked as removed from the topic."""
    return [row["offer_id"] for row in await tx.fetch(TAKE_TOMBSTONES, withdrawn_before, now, TIMED_OFFERS_MAX)]


async def count_offers(conn: ReadConn) -> list[tuple[str, str, int]]:
    """Status, visibility, number."""
    return [(row["status"], row["visibility"], row["offers"]) for row in await conn.fetch(COUNT_OFFERS)]


async def insert_job(tx: Tx, job_id: UUID, offer_ids: Sequence[str], *, now: datetime, by: str) -> None:
    """Leave a republishing to the worker; a known id is one already left."""
    await tx.execute(INSERT_JOB, job_id, list(offer_ids), now, by)


async def read_job(conn: ReadConn, job_id: UUID) -> JobRow | None:
    """How far it is."""
    row = await conn.fetchrow(READ_JOB, job_id)
    return None if row is None else JobRow(*row)


async def take_job(tx: Tx, *, limit: int) -> tuple[UUID, list[str], str] | None:
    """The oldest running job that nobody works on: id, next offers, who wished it; locked until `tx` ends."""
    row = await tx.fetchrow(TAKE_JOB, limit)
    return None if row is None else (row["job_id"], list(row["part"]), row["created_by"])


async def advance_job(tx: Tx, job_id: UUID, *, by: int) -> None:
    """That many offers of the job are done."""
    await tx.execute(ADVANCE_JOB, job_id, by)
