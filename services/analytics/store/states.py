"""The catalogue's history: every revision once, the instant the earliest that was seen."""

from collections.abc import Collection, Sequence
from typing import Any

from hubkit.db import ReadConn, Tx
from services.analytics.domain.rows import OfferRow, ResourceRow


async def insert_offer(tx: Tx, row: OfferRow) -> bytes:
    """Keep a revision of an offer; the hash of what stands under it now: another one if it was known with other content."""
    standing = await tx.fetchval(
        """
        INSERT INTO offer_states AS s (
            offer_id, revision, hub_id, seen_at, content_hash, check_in_required, status, kind, mode, data_category, terms,
            resource_ids, bookable_ids, blackouts
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
        ON CONFLICT (offer_id, revision) DO UPDATE
        SET seen_at = least(s.seen_at, CASE WHEN s.content_hash = excluded.content_hash THEN excluded.seen_at END)
        RETURNING content_hash
        """,
        row.offer_id,
        row.revision,
        row.hub_id,
        row.seen_at,
        row.content_hash,
        row.check_in_required,
        row.status,
        row.kind,
        row.mode,
        row.data_category,
        row.terms,
        row.resource_ids,
        row.bookable_ids,
        row.blackouts,
    )
    assert isinstance(standing, bytes), "the row is there, inserted or not"
    return standing


async def replace_state(tx: Tx, offer: OfferRow, resources: Sequence[ResourceRow]) -> None:
    """Put other content under known revisions: an operator decided that this is the right one."""
    await tx.execute("DELETE FROM offer_states WHERE offer_id = $1 AND revision = $2", offer.offer_id, offer.revision)
    await tx.execute(
        """
        DELETE FROM resource_states AS s
        USING unnest($2::text[], $3::bigint[]) AS r (resource_id, revision)
        WHERE s.hub_id = $1 AND s.resource_id = r.resource_id AND s.revision = r.revision
        """,
        offer.hub_id,
        [row.resource_id for row in resources],
        [row.revision for row in resources],
    )
    await insert_offer(tx, offer)
    await insert_resources(tx, resources)


async def insert_resources(tx: Tx, rows: Sequence[ResourceRow]) -> list[ResourceRow]:
    """Keep revisions of resources; those that were known with other content, whose first content stays."""
    standing = await tx.fetch(
        """
        INSERT INTO resource_states AS s (
            hub_id, resource_id, revision, seen_at, content_hash, kind, time_zone, occupies, content
        )
        SELECT
            r.hub_id, r.resource_id, r.revision, r.seen_at, r.content_hash, r.kind, r.time_zone,
            ARRAY(SELECT jsonb_array_elements_text(r.occupies)), r.content
        FROM unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[], $5::bytea[], $6::text[], $7::text[], $8::jsonb[],
                    $9::jsonb[])
            AS r (hub_id, resource_id, revision, seen_at, content_hash, kind, time_zone, occupies, content)
        ORDER BY r.hub_id, r.resource_id, r.revision -- so that two batches cannot wait for each other
        ON CONFLICT (hub_id, resource_id, revision) DO UPDATE
        SET seen_at = least(s.seen_at, CASE WHEN s.content_hash = excluded.content_hash THEN excluded.seen_at END)
        RETURNING hub_id, resource_id, revision, content_hash
        """,
        [row.hub_id for row in rows],
        [row.resource_id for row in rows],
        [row.revision for row in rows],
        [row.seen_at for row in rows],
        [row.content_hash for row in rows],
        [row.kind for row in rows],
        [row.time_zone for row in rows],
        [row.occupies_json for row in rows],
        [row.content for row in rows],
    )
    known = {(row["hub_id"], row["resource_id"], row["revision"]): row["content_hash"] for row in standing}
    return [row for row in rows if known[row.hub_id, row.resource_id, row.revision] != row.content_hash]


async def mark_resources(tx: Tx, offer: OfferRow) -> None:
    """The open days of all that this revision or the one before or after it shows, and of what its sessions occupy.

    Nothing is marked if the offer's content is that of the revision before and no later one is known.
    """
    await tx.execute(
        """
        WITH near AS (
            (SELECT revision, resource_ids, content_hash FROM offer_states
             WHERE offer_id = $1 AND revision <= $2 ORDER BY revision DESC LIMIT 2)
            UNION ALL
            (SELECT revision, resource_ids, content_hash FROM offer_states
             WHERE offer_id = $1 AND revision > $2 ORDER BY revision LIMIT 1)
        ), shown AS (
            SELECT DISTINCT resource_id
            FROM near, unnest(resource_ids) AS resource_id
            WHERE (SELECT count(DISTINCT content_hash) > 1 OR count(*) = 1 FROM near)
        )
        INSERT INTO dirty_resources (hub_id, resource_id)
        SELECT $3, resource_id
        FROM shown
        UNION
        SELECT $3, occupied
        FROM shown
        JOIN resource_states AS s ON s.hub_id = $3 AND s.resource_id = shown.resource_id, unnest(s.occupies) AS occupied
        """,
        offer.offer_id,
        offer.revision,
        offer.hub_id,
    )


async def read_offers(conn: ReadConn | Tx, hub_id: str, resource_ids: Collection[str]) -> list[OfferRow]:
    """All revisions of all offers that ever showed one of these resources, in order of offer and revision."""
    rows = await conn.fetch(
        """
        SELECT
            offer_id, revision, hub_id, seen_at, content_hash, check_in_required, status, kind, mode, data_category, terms,
            resource_ids, bookable_ids, blackouts
        FROM offer_states
        WHERE offer_id IN (SELECT offer_id FROM offer_states WHERE hub_id = $1 AND resource_ids && $2::text[])
        ORDER BY offer_id, revision
        """,
        hub_id,
        list(resource_ids),
    )
    return [_offer_of(dict(row)) for row in rows]


def _offer_of(fields: dict[str, Any]) -> OfferRow:
    """A row as stored."""
    lists = {name: tuple(fields[name]) for name in ("terms", "resource_ids", "bookable_ids")}
    return OfferRow(**{**fields, **lists})


async def read_resources(conn: ReadConn | Tx, hub_id: str, resource_ids: Collection[str]) -> list[ResourceRow]:
    """All revisions of these resources, in order of resource and revision."""
    rows = await conn.fetch(
        """
        SELECT hub_id, resource_id, revision, seen_at, content_hash, kind, time_zone, occupies, content
        FROM resource_states
        WHERE hub_id = $1 AND resource_id = ANY ($2::text[])
        ORDER BY resource_id, revision
        """,
        hub_id,
        list(resource_ids),
    )
    return [ResourceRow(**{**dict(row), "occupies": tuple(row["occupies"])}) for row in rows]


async def read_occupying(conn: ReadConn | Tx, hub_id: str, unit_ids: Collection[str]) -> list[str]:
    """The sessions of which some revision takes one of these units."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT resource_id
        FROM resource_states
        WHERE hub_id = $1 AND occupies && $2::text[]
        ORDER BY resource_id
        """,
        hub_id,
        list(unit_ids),
    )
    return [row["resource_id"] for row in rows]


async def read_resource_ids(conn: ReadConn | Tx) -> list[tuple[str, str]]:
    """Every resource that was ever shown, with its hub."""
    rows = await conn.fetch("SELECT DISTINCT hub_id, resource_id FROM resource_states ORDER BY hub_id, resource_id")
    return [(row["hub_id"], row["resource_id"]) for row in rows]
