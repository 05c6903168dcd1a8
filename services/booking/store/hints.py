"""What readers of availability were told last, and which offers something happened to since."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from hubkit.db import ReadConn, Tx
from services.booking.limits import HINT_OFFERS_MAX

HINT_LEASE = 7_246_241  # advisory lock of one database, held by the transaction of a run


class Told(NamedTuple):
    """The picture that a reader has of an offer: free places by session, free by local date before `until`."""

    offer_id: str
    revision: int
    until: date
    as_of: datetime
    sessions: Mapping[str, int]
    days: Mapping[str, bool]


async def read_mark(conn: ReadConn | Tx) -> datetime | None:
    """Up to where the ledger was read."""
    mark: datetime | None = await conn.fetchval("SELECT read_until FROM hint_marks")
    return mark


async def lease(tx: Tx) -> bool:
    """Be the one who tells, until `tx` ends; False if another process is."""
    found: bool = await tx.fetchval("SELECT pg_try_advisory_xact_lock($1)", HINT_LEASE)
    return found


async def write_mark(tx: Tx, mark: datetime) -> None:
    """Move the mark. Needs the lease."""
    await tx.execute(
        """
        INSERT INTO hint_marks (read_until)
        VALUES ($1)
        ON CONFLICT (id) DO UPDATE
        SET read_until = excluded.read_until
        """,
        mark,
    )


async def open_seconds(conn: ReadConn | Tx) -> float:
    """For how long the oldest transaction of this service has been open: what it decided is not committed yet."""
    found: float = await conn.fetchval(
        """
        SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8
        FROM pg_stat_activity
        WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
        """
    )
    return found


async def read_touched(conn: ReadConn | Tx, since: datetime) -> list[tuple[str, datetime, datetime]]:
    """(resource, from, to) of everything that bookings decided on since then take, took, or left; one row per day of start."""
    rows = await conn.fetch(
        """
        SELECT a.resource_id, min(lower(a.occupied)), max(upper(a.occupied))
        FROM requests AS q
        JOIN allocations AS a ON a.booking_id = q.booking_id
        WHERE q.decided_at >= $1
        GROUP BY a.resource_id, date_trunc('day', lower(a.occupied), 'UTC')
        """,
        since,
    )
    return [(row[0], row[1], row[2]) for row in rows]


async def read_offers_of(conn: ReadConn | Tx, resource_ids: Collection[str]) -> dict[str, list[str]]:
    """Offers that name one of the resources, with all that they name."""
    rows = await conn.fetch(
        """
        SELECT offer_id, resource_ids
        FROM offers
        WHERE resource_ids && $1::text[]
        ORDER BY offer_id
        """,
        list(resource_ids),
    )
    return {row[0]: row[1] for row in rows}


async def read_stale(conn: ReadConn | Tx, now: datetime, days: int) -> list[str]:
    """Offers whose rules are newer than the picture, that have none, or whose picture ends before `days` from today.

    Rules change with the offer's revision or that of any of its resources; all of them only rise, and so does their sum.
    """
    rows = await conn.fetch(
        """
        SELECT o.offer_id
        FROM offers AS o
        LEFT JOIN hints AS h ON h.offer_id = o.offer_id
        WHERE h.offer_id IS NULL OR h.until < (($1::timestamptz AT TIME ZONE o.time_zone)::date + $2::integer)
           OR h.revision <> o.revision + (SELECT coalesce(sum(r.revision), 0)::bigint
                                          FROM resources AS r
                                          WHERE r.resource_id = ANY (o.resource_ids))
        ORDER BY h.as_of NULLS FIRST, o.offer_id
        LIMIT $3
        """,
        now,
        days,
        HINT_OFFERS_MAX,
    )
    return [row[0] for row in rows]


async def read_rules_revisions(conn: ReadConn | Tx, offer_ids: Collection[str]) -> dict[str, int]:
    """Offer id -> the sum that `read_stale` compares."""
    rows = await conn.fetch(
        """
        SELECT o.offer_id, o.revision + (SELECT coalesce(sum(r.revision), 0)::bigint
                                         FROM resources AS r
                                         WHERE r.resource_id = ANY (o.resource_ids))
        FROM offers AS o
        WHERE o.offer_id = ANY ($1::text[])
        """,
        list(offer_ids),
    )
    return {row[0]: row[1] for row in rows}


async def read_told(conn: ReadConn | Tx, offer_ids: Collection[str]) -> dict[str, Told]:
    """The pictures by offer; offers of which nothing was told yet are left out."""
    rows = await conn.fetch(
        """
        SELECT offer_id, revision, until, as_of, sessions, days
        FROM hints
        WHERE offer_id = ANY ($1::text[])
        """,
        list(offer_ids),
    )
    return {row[0]: Told(row[0], row[1], row[2], row[3], json.loads(row[4]), json.loads(row[5])) for row in rows}


async def upsert_told(tx: Tx, pictures: Sequence[Told]) -> None:
    """What readers know from now on."""
    await tx.executemany(
        """
        INSERT INTO hints (offer_id, revision, until, as_of, sessions, days)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (offer_id) DO UPDATE
        SET revision = excluded.revision, until = excluded.until, as_of = excluded.as_of, sessions = excluded.sessions,
            days = excluded.days
        """,
        [
            (told.offer_id, told.revision, told.until, told.as_of, json.dumps(told.sessions), json.dumps(told.days))
            for told in pictures
        ],
    )
