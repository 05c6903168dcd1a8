"""Places, resources, contacts, terms, closures, import sources: alike in shape, so one function each reads and writes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from hubkit.db import ReadConn, Tx
from services.catalog.domain.rows import EntityKind, EntityRow, EntityWrite, ResourceNumber
from services.catalog.limits import ENTITIES_MAX, LOCK_WAIT_MS_MAX

# One lock for all that changes what visitors see: numbers of changes then rise in commit order. Any constant does; this is
# "catalog" read as a number in base 36.
CATALOGUE_LOCK = 26_789_405_104


@dataclass(frozen=True, slots=True)
class _Statements:
    """The statements of one kind; `upsert` takes ids, documents, hashes, source, edited_at, edited_by."""

    read_all: str
    read_some: str
    upsert: str


_PLACES = _Statements(
    read_all="""
SELECT place_id AS id, document, version, source, source_hash
FROM places
ORDER BY place_id
LIMIT $1
""",
    read_some="""
SELECT place_id AS id, document, version, source, source_hash
FROM places
WHERE place_id = ANY ($1::text[])
""",
    upsert="""
INSERT INTO places (place_id, parent_id, document, source, source_hash, edited_at, edited_by)
SELECT id, document ->> 'parent_id', document, $4, hash, $5, $6
FROM unnest($1::text[], $2::jsonb[], $3::bytea[]) AS n (id, document, hash)
ON CONFLICT (place_id) DO UPDATE
SET parent_id = excluded.parent_id, document = excluded.document, source = excluded.source,
    source_hash = excluded.source_hash, edited_at = excluded.edited_at, edited_by = excluded.edited_by,
    version = places.version + 1
""",
)
_RESOURCES = _Statements(
    read_all="""
SELECT resource_id AS id, document, version, source, source_hash
FROM resources
ORDER BY resource_id
LIMIT $1
""",
    read_some="""
SELECT resource_id AS id, document, version, source, source_hash
FROM resources
WHERE resource_id = ANY ($1::text[])
""",
    upsert="""
INSERT INTO resources (resource_id, place_id, kind, document, source, source_hash, edited_at, edited_by)
SELECT id, document ->> 'place_id', document ->> 'kind', document, $4, hash, $5, $6
FROM unnest($1::text[], $2::jsonb[], $3::bytea[]) AS n (id, document, hash)
ON CONFLICT (resource_id) DO UPDATE
SET place_id = excluded.place_id, kind = excluded.kind, document = excluded.document, source = excluded.source,
    source_hash = excluded.source_hash, edited_at = excluded.edited_at, edited_by = excluded.edited_by,
    version = resources.version + 1
""",
)
_CONTACTS = _Statements(
    read_all="""
SELECT contact_id AS id, document, version, source, source_hash
FROM contacts
ORDER BY contact_id
LIMIT $1
""",
    read_some="""
SELECT contact_id AS id, document, version, source, source_hash
FROM contacts
WHERE contact_id = ANY ($1::text[])
""",
    upsert="""
INSERT INTO contacts (contact_id, document, source, source_hash, edited_at, edited_by)
SELECT id, document, $4, hash, $5, $6
FROM unnest($1::text[], $2::jsonb[], $3::bytea[]) AS n (id, document, hash)
ON CONFLICT (contact_id) DO UPDATE
SET document = excluded.document, source = excluded.source, source_hash = excluded.source_hash,
    edited_at = excluded.edited_at, edited_by = excluded.edited_by, version = contacts.version + 1
""",
)
_TERMS = _Statements(
    read_all="""
SELECT term_id AS id, document, version, source, source_hash
FROM terms
ORDER BY term_id
LIMIT $1
""",
    read_some="""
SELECT term_id AS id, document, version, source, source_hash
FROM terms
WHERE term_id = ANY ($1::text[])
""",
    upsert="""
INSERT INTO terms (term_id, document, source, source_hash, edited_at, edited_by)
SELECT id, document, $4, hash, $5, $6
FROM unnest($1::text[], $2::jsonb[], $3::bytea[]) AS n (id, document, hash)
ON CONFLICT (term_id) DO UPDATE
SET document = excluded.document, source = excluded.source, source_hash = excluded.source_hash,
    edited_at = excluded.edited_at, edited_by = excluded.edited_by, version = terms.version + 1
""",
)
_BLACKOUTS = _Statements(
    read_all="""
SELECT blackout_id AS id, document, version, source, source_hash
FROM blackouts
ORDER BY starts_at, blackout_id
LIMIT $1
""",
    read_some="""
SELECT blackout_id AS id, document, version, source, source_hash
FROM blackouts
WHERE blackout_id = ANY ($1::text[])
""",
    upsert="""
INSERT INTO blackouts
    (blackout_id, scope, scope_id, starts_at, ends_at, proposed, document, source, source_hash, edited_at, edited_by)
SELECT id, document ->> 'scope', document ->> 'scope_id', (document ->> 'start')::timestamptz,
    (document ->> 'end')::timestamptz, coalesce((document ->> 'proposed')::boolean, false), document, $4, hash, $5, $6
FROM unnest($1::text[], $2::jsonb[], $3::bytea[]) AS n (id, document, hash)
ON CONFLICT (blackout_id) DO UPDATE
SET scope = excluded.scope, scope_id = excluded.scope_id, starts_at = excluded.starts_at, ends_at = excluded.ends_at,
    proposed = excluded.proposed, document = excluded.document, source = excluded.source,
    source_hash = excluded.source_hash, edited_at = excluded.edited_at, edited_by = excluded.edited_by,
    version = blackouts.version + 1
""",
)
_IMPORT_SOURCES = _Statements(
    read_all="""
SELECT system AS id, document, version, source, source_hash
FROM import_sources
ORDER BY system
LIMIT $1
""",
    read_some="""
SELECT system AS id, document, version, source, source_hash
FROM import_sources
WHERE system = ANY ($1::text[])
""",
    upsert="""
INSERT INTO import_sources (system, format, trusted, document, source, source_hash, edited_at, edited_by)
SELECT id, document ->> 'format', coalesce((document ->> 'trusted')::boolean, false), document, $4, hash, $5, $6
FROM unnest($1::text[], $2::jsonb[], $3::bytea[]) AS n (id, document, hash)
ON CONFLICT (system) DO UPDATE
SET format = excluded.format, trusted = excluded.trusted, document = excluded.document, source = excluded.source,
    source_hash = excluded.source_hash, edited_at = excluded.edited_at, edited_by = excluded.edited_by,
    version = import_sources.version + 1
""",
)
STATEMENTS: Mapping[EntityKind, _Statements] = {
    "places": _PLACES,
    "resources": _RESOURCES,
    "contacts": _CONTACTS,
    "terms": _TERMS,
    "blackouts": _BLACKOUTS,
    "import_sources": _IMPORT_SOURCES,
}

# A batch of 500 offers holds it longer than the house's lock_timeout; the statement's own limit still bounds the wait.
LOCK_CATALOGUE = "SELECT set_config('lock_timeout', $2, true), pg_advisory_xact_lock($1)"
TRY_LOCK_CATALOGUE = "SELECT pg_try_advisory_xact_lock($1)"

READ_RESOURCE_NUMBERS = """
SELECT resource_id, revision, built_hash
FROM resources
WHERE resource_id = ANY ($1::text[])
"""

SAVE_RESOURCE_NUMBERS = """
UPDATE resources AS r
SET revision = n.revision, built_hash = n.built_hash
FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS n (resource_id, revision, built_hash)
WHERE r.resource_id = n.resource_id
"""


async def lock_catalogue(tx: Tx) -> None:
    """Wait for the catalogue's lock, at most `LOCK_WAIT_MS_MAX`, and hold it until `tx` ends."""
    await tx.execute(LOCK_CATALOGUE, CATALOGUE_LOCK, str(LOCK_WAIT_MS_MAX))


async def try_lock_catalogue(tx: Tx) -> bool:
    """Take the catalogue's lock if nobody has it: timed work leaves the turn to whoever is at it."""
    return bool(await tx.fetchval(TRY_LOCK_CATALOGUE, CATALOGUE_LOCK))


async def read_entities(conn: ReadConn | Tx, kind: EntityKind) -> list[EntityRow]:
    """All of a kind, by id (closures by start); never more than `ENTITIES_MAX`."""
    rows = await conn.fetch(STATEMENTS[kind].read_all, ENTITIES_MAX)
    return [EntityRow(*row) for row in rows]


async def read_some_entities(conn: ReadConn | Tx, kind: EntityKind, ids: Sequence[str]) -> dict[str, EntityRow]:
    """Those that exist, by id."""
    rows = await conn.fetch(STATEMENTS[kind].read_some, list(ids))
    return {row["id"]: EntityRow(*row) for row in rows}


async def save_entities(
    tx: Tx, kind: EntityKind, writes: Sequence[EntityWrite], *, source: str | None, now: datetime, by: str
) -> None:
    """Insert or replace, their version one higher; the catalogue's lock is held."""
    if writes:
        await tx.execute(
            STATEMENTS[kind].upsert,
            [each.id for each in writes],
            [each.document for each in writes],
            [each.source_hash for each in writes],
            source,
            now,
            by,
        )


async def read_resource_numbers(conn: ReadConn | Tx, ids: Sequence[str]) -> dict[str, ResourceNumber]:
    """Revision and last built form, by resource id."""
    rows = await conn.fetch(READ_RESOURCE_NUMBERS, list(ids))
    return {row["resource_id"]: ResourceNumber(*row) for row in rows}


async def save_resource_numbers(tx: Tx, numbers: Sequence[ResourceNumber]) -> None:
    """Keep the numbers of resources whose built form changed."""
    if numbers:
        await tx.execute(
            SAVE_RESOURCE_NUMBERS,
            [each.resource_id for each in numbers],
            [each.revision for each in numbers],
            [each.built_hash for each in numbers],
        )
