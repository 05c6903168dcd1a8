"""The copies of what the catalogue published, and what the decision checks of them under its locks."""

from collections.abc import Collection, Sequence

import asyncpg

from hubkit.db import ReadConn, Tx
from services.booking.domain.copies import OfferCopy, Status


async def read_offers(conn: ReadConn | Tx, offer_ids: Collection[str]) -> list[OfferCopy]:
    """The rows, in no particular order; unknown ids are left out."""
    rows = await conn.fetch(
        """
        SELECT offer_id, hub_id, revision, status, time_zone, partner_mode, rules, content_hash, resource_ids, limit_keys
        FROM offers
        WHERE offer_id = ANY ($1::text[])
        """,
        list(offer_ids),
    )
    return [_copy(row) for row in rows]


async def read_revisions(conn: ReadConn | Tx, offer_ids: Collection[str]) -> dict[str, tuple[int, Status]]:
    """Offer id -> (revision, status): what rules kept in memory are good for."""
    rows = await conn.fetch(
        """
        SELECT offer_id, revision, status
        FROM offers
        WHERE offer_id = ANY ($1::text[])
        """,
        list(offer_ids),
    )
    return {row[0]: (row[1], Status(row[2])) for row in rows}


async def lock_offers(tx: Tx, offer_ids: Collection[str]) -> list[OfferCopy]:
    """The rows, locked until `tx` ends in key order: two polls may bring the same offer only while partitions move."""
    rows = await tx.fetch(
        """
        SELECT offer_id, hub_id, revision, status, time_zone, partner_mode, rules, content_hash, resource_ids, limit_keys
        FROM offers
        WHERE offer_id = ANY ($1::text[])
        ORDER BY offer_id
        FOR NO KEY UPDATE
        """,
        sorted(offer_ids),
    )
    return [_copy(row) for row in rows]


async def upsert_offers(tx: Tx, offers: Sequence[OfferCopy]) -> None:
    """The newest state of each; an older one never comes here."""
    await tx.execute(
        """
        INSERT INTO offers (offer_id, hub_id, revision, status, time_zone, partner_mode, rules, content_hash, resource_ids,
                            limit_keys)
        SELECT w.offer_id, w.hub_id, w.revision, w.status, w.time_zone, w.partner_mode, w.rules::jsonb, w.content_hash,
               ARRAY (SELECT jsonb_array_elements_text(w.resource_ids::jsonb)),
               ARRAY (SELECT jsonb_array_elements_text(w.limit_keys::jsonb))
        FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bytea[],
                    $9::text[], $10::text[])
             AS w (offer_id, hub_id, revision, status, time_zone, partner_mode, rules, content_hash, resource_ids, limit_keys)
        ORDER BY w.offer_id
        ON CONFLICT (offer_id) DO UPDATE
        SET hub_id = excluded.hub_id, revision = excluded.revision, status = excluded.status,
            time_zone = excluded.time_zone, partner_mode = excluded.partner_mode, rules = excluded.rules,
            content_hash = excluded.content_hash, resource_ids = excluded.resource_ids, limit_keys = excluded.limit_keys
        """,
        [offer.offer_id for offer in offers],
        [offer.hub_id for offer in offers],
        [offer.revision for offer in offers],
        [offer.status for offer in offers],
        [offer.time_zone for offer in offers],
        [offer.partner_mode for offer in offers],
        [offer.rules for offer in offers],
        [offer.content_hash for offer in offers],
        [_array(offer.resource_ids) for offer in offers],
        [_array(offer.limit_keys) for offer in offers],
    )


async def read_naming(conn: ReadConn | Tx, resource_ids: Collection[str]) -> list[str]:
    """Ids of the offers that name one of these resources, in their order."""
    rows = await conn.fetch(
        """
        SELECT offer_id
        FROM offers
        WHERE resource_ids && $1::text[]
        ORDER BY offer_id
        """,
        list(resource_ids),
    )
    return [row[0] for row in rows]


def _copy(row: asyncpg.Record) -> OfferCopy:
    return OfferCopy(row[0], row[1], row[2], Status(row[3]), *row[4:])


def _array(values: Sequence[str]) -> str:
    """A JSON array: unnest would flatten arrays in an array. Ids and codes hold nothing that JSON would escape."""
    return "[" + ",".join(f'"{value}"' for value in values) + "]"
