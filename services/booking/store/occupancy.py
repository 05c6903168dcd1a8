"""What is taken: read once per poll, after the locks."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from hubkit.db import ReadConn, Tx
from services.booking.domain.codes import State
from services.booking.domain.occupancy import Counted, Taken
from services.booking.limits import COUNTED_BOOKINGS_MAX


class Window(NamedTuple):
    """From when to when the claims on one unit or pool are wanted; exactly one of the numbers is set."""

    resource_id: str
    unit_no: int | None
    pool_no: int | None
    low: datetime
    high: datetime


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Instants(dict[int, datetime]):
    """By seconds since 1970; each is made once."""

    def __missing__(self, second: int) -> datetime:
        made = self[second] = EPOCH + timedelta(seconds=second)
        return made


# One row per allocation that meets a window: window's position, booking, component, booked, occupied, quantity, only kept.
Found = tuple[int, UUID, str, datetime, datetime, datetime, datetime, int, bool]


async def read_taken(conn: ReadConn | Tx, windows: Sequence[Window], now: datetime, ignore: UUID | None = None) -> list[Found]:
    """Every allocation that a newcomer must respect in its window; one that meets several windows comes once for each.

    Through the exclusion's own index (and the pools' twin of it), joined with one row per window: one window over the whole
    poll would read every booking ever kept. What was freed but is not for sale again yet comes through an index that holds
    only such rows. `ignore`: a booking whose allocations do not count.
    """
    rows = await conn.fetch(
        """
        WITH w AS (
            SELECT n, resource_id, unit_no, pool_no, low, high
            FROM unnest($1::integer[], $2::text[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::timestamptz[])
                 AS u (n, resource_id, unit_no, pool_no, low, high)
        ), taken AS (
            SELECT w.n, a.booking_id, a.component_id, a.booked, a.occupied, a.quantity, false AS kept
            FROM w
            JOIN allocations AS a
              ON a.blocking AND a.unit_no IS NOT NULL
             AND int8range(a.unit_no, a.unit_no, '[]') && int8range(w.unit_no, w.unit_no, '[]')
             AND a.occupied && tstzrange(w.low, w.high)
            WHERE w.unit_no IS NOT NULL
            UNION ALL
            SELECT w.n, a.booking_id, a.component_id, a.booked, a.occupied, a.quantity, false
            FROM w
            JOIN allocations AS a
              ON a.blocking AND a.pool_no IS NOT NULL
             AND int8range(a.pool_no, a.pool_no, '[]') && int8range(w.pool_no, w.pool_no, '[]')
             AND a.occupied && tstzrange(w.low, w.high)
            WHERE w.pool_no IS NOT NULL
            UNION ALL
            SELECT w.n, a.booking_id, a.component_id, a.booked, a.occupied, a.quantity, true
            FROM w
            JOIN allocations AS a
              ON NOT a.blocking AND a.resale_after IS NOT NULL AND a.resale_after > $7
             AND a.resource_id = w.resource_id AND a.occupied && tstzrange(w.low, w.high)
        )
        SELECT n, booking_id, component_id, lower(booked), upper(booked), lower(occupied), upper(occupied), quantity, kept
        FROM taken
        WHERE booking_id IS DISTINCT FROM $8
        """,
        list(range(len(windows))),
        [window.resource_id for window in windows],
        [window.unit_no for window in windows],
        [window.pool_no for window in windows],
        [window.low for window in windows],
        [window.high for window in windows],
        now,
        ignore,
    )
    return [tuple(row) for row in rows]


async def read_tracks(
    conn: ReadConn, windows: Sequence[Window], now: datetime, ignore: UUID | None, *, booked: bool
) -> list[tuple[int, bool, list[datetime], list[datetime], list[datetime] | None, list[datetime] | None]]:
    """What `read_taken` finds of units, in columns: window's position, only kept, then occupied from, to, booked from, to.

    What is booked only if `booked`. Ordered by the start of what is occupied; of no span it tells whose it is. In whole
    seconds, as all these times are: a month's 10,000 spans have some 1,500 starts among them, and to read each of 10,000
    instants anew costs 8 ms a column (2026-11-25).
    """
    rows = await conn.fetch(
        """
        WITH w AS (
            SELECT n, resource_id, unit_no, low, high
            FROM unnest($1::integer[], $2::text[], $3::bigint[], $4::timestamptz[], $5::timestamptz[])
                 AS u (n, resource_id, unit_no, low, high)
        ), taken AS (
            SELECT w.n, false AS kept, a.booking_id, a.booked, a.occupied
            FROM w
            JOIN allocations AS a
              ON a.blocking AND a.unit_no IS NOT NULL
             AND int8range(a.unit_no, a.unit_no, '[]') && int8range(w.unit_no, w.unit_no, '[]')
             AND a.occupied && tstzrange(w.low, w.high)
            UNION ALL
            SELECT w.n, true, a.booking_id, a.booked, a.occupied
            FROM w
            JOIN allocations AS a
              ON NOT a.blocking AND a.resale_after IS NOT NULL AND a.resale_after > $6
             AND a.resource_id = w.resource_id AND a.occupied && tstzrange(w.low, w.high)
        )
        SELECT n, kept, array_agg(low ORDER BY low), array_agg(high ORDER BY low),
               array_agg(start ORDER BY low) FILTER (WHERE $8), array_agg("end" ORDER BY low) FILTER (WHERE $8)
        FROM (
            SELECT n, kept, booking_id,
                   date_part('epoch', lower(occupied))::bigint AS low, date_part('epoch', upper(occupied))::bigint AS high,
                   date_part('epoch', lower(booked))::bigint AS start, date_part('epoch', upper(booked))::bigint AS "end"
            FROM taken
        ) AS spans
        WHERE booking_id IS DISTINCT FROM $7
        GROUP BY n, kept
        """,
        list(range(len(windows))),
        [window.resource_id for window in windows],
        [window.unit_no for window in windows],
        [window.low for window in windows],
        [window.high for window in windows],
        now,
        ignore,
        booked,
    )
    instants = _Instants()
    return [
        (n, kept, *(column and [instants[second] for second in column] for column in columns)) for n, kept, *columns in rows
    ]


async def read_steps(
    conn: ReadConn, windows: Sequence[Window], now: datetime, ignore: UUID | None
) -> list[tuple[int, list[datetime], list[int]]]:
    """What `read_taken` finds of pools, as steps: window's position, then instants in order and by how much more is taken."""
    rows = await conn.fetch(
        """
        WITH w AS (
            SELECT n, resource_id, pool_no, low, high
            FROM unnest($1::integer[], $2::text[], $3::bigint[], $4::timestamptz[], $5::timestamptz[])
                 AS u (n, resource_id, pool_no, low, high)
        ), taken AS (
            SELECT w.n, a.booking_id, a.occupied, a.quantity
            FROM w
            JOIN allocations AS a
              ON a.blocking AND a.pool_no IS NOT NULL
             AND int8range(a.pool_no, a.pool_no, '[]') && int8range(w.pool_no, w.pool_no, '[]')
             AND a.occupied && tstzrange(w.low, w.high)
            UNION ALL
            SELECT w.n, a.booking_id, a.occupied, a.quantity
            FROM w
            JOIN allocations AS a
              ON NOT a.blocking AND a.resale_after IS NOT NULL AND a.resale_after > $6
             AND a.resource_id = w.resource_id AND a.occupied && tstzrange(w.low, w.high)
        ), steps AS (
            SELECT n, at, sum(change)::integer AS change
            FROM (
                SELECT n, lower(occupied) AS at, quantity AS change FROM taken WHERE booking_id IS DISTINCT FROM $7
                UNION ALL
                SELECT n, upper(occupied), -quantity FROM taken WHERE booking_id IS DISTINCT FROM $7
            ) AS edges
            GROUP BY n, at
        )
        SELECT n, array_agg(at ORDER BY at), array_agg(change ORDER BY at)
        FROM steps
        GROUP BY n
        """,
        list(range(len(windows))),
        [window.resource_id for window in windows],
        [window.pool_no for window in windows],
        [window.low for window in windows],
        [window.high for window in windows],
        now,
        ignore,
    )
    return [tuple(row) for row in rows]


async def read_kept_places(conn: ReadConn | Tx, session_ids: Collection[str], now: datetime) -> dict[str, int]:
    """Places of sessions that were freed but are not for sale again yet; sessions without any are left out."""
    rows = await conn.fetch(
        """
        SELECT resource_id, sum(quantity)::integer
        FROM allocations
        WHERE resource_id = ANY ($1::text[]) AND NOT blocking AND resale_after IS NOT NULL AND resale_after > $2
        GROUP BY resource_id
        """,
        list(session_ids),
        now,
    )
    return {row[0]: row[1] for row in rows}


async def read_places_of(conn: ReadConn | Tx, booking_id: UUID) -> dict[str, int]:
    """Session -> places that this booking holds there."""
    rows = await conn.fetch(
        """
        SELECT resource_id, sum(quantity)::integer
        FROM allocations
        WHERE booking_id = $1 AND blocking AND unit_no IS NULL AND pool_no IS NULL
        GROUP BY resource_id
        """,
        booking_id,
    )
    return {row[0]: row[1] for row in rows}


async def read_counted(
    conn: ReadConn | Tx, people: Sequence[tuple[UUID, str, datetime, datetime]], ignore: UUID | None = None
) -> list[tuple[UUID, str, Counted]]:
    """(person, key, booking) for each (person, key, from, to): their bookings of offers that have the key now.

    Bookings that meet `[from, to)`; at most `COUNTED_BOOKINGS_MAX` for each, newest first.
    """
    rows = await conn.fetch(
        """
        SELECT w.person_id, w.key, b.booking_id, b.start, b."end", b.quantity, b.state
        FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[]) AS w (person_id, key, low, high)
        CROSS JOIN LATERAL (
            SELECT c.booking_id, c.start, c."end", c.quantity, c.state
            FROM bookings AS c
            JOIN offers AS o ON o.offer_id = c.offer_id
            WHERE c.person_id = w.person_id AND c."end" > w.low AND c.start < w.high AND w.key = ANY (o.limit_keys)
              AND c.state IN ('held', 'pending_approval', 'offered', 'confirmed', 'checked_in', 'completed', 'no_show')
            ORDER BY c."end" DESC
            LIMIT $5
        ) AS b
        WHERE b.booking_id IS DISTINCT FROM $6
        """,
        [person_id for person_id, _, _, _ in people],
        [key for _, key, _, _ in people],
        [low for _, _, low, _ in people],
        [high for _, _, _, high in people],
        COUNTED_BOOKINGS_MAX,
        ignore,
    )
    return [(row[0], row[1], Counted(row[2], row[3], row[4], row[5], State(row[6]))) for row in rows]


async def read_counted_groups(
    conn: ReadConn | Tx, groups: Sequence[tuple[str, str, datetime, datetime]], ignore: UUID | None = None
) -> list[tuple[str, str, Counted]]:
    """(group, key, booking) for each (group, key, from, to): what counts under the group's contingent."""
    rows = await conn.fetch(
        """
        SELECT w.name, w.key, b.booking_id, b.start, b."end", b.quantity, b.state
        FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[]) AS w (name, key, low, high)
        JOIN bookings AS b
          ON b.groups <> '{}' AND b.groups @> ARRAY[w.name] AND b."end" > w.low AND b.start < w.high
         AND b.state IN ('held', 'pending_approval', 'offered', 'confirmed', 'checked_in', 'completed', 'no_show')
         AND b.booking_id IS DISTINCT FROM $5
        JOIN offers AS o ON o.offer_id = b.offer_id AND w.key = ANY (o.limit_keys)
        """,
        [group for group, _, _, _ in groups],
        [key for _, key, _, _ in groups],
        [low for _, _, low, _ in groups],
        [high for _, _, _, high in groups],
        ignore,
    )
    return [(row[0], row[1], Counted(row[2], row[3], row[4], row[5], State(row[6]))) for row in rows]


async def read_holds(
    conn: ReadConn | Tx, person_ids: Collection[UUID], hub_ids: Collection[str], now: datetime
) -> list[tuple[str, UUID]]:
    """(person or partner hub, booking) of their open holds; a stale one is none."""
    rows = await conn.fetch(
        """
        SELECT person_id::text, booking_id
        FROM bookings
        WHERE person_id = ANY ($1::uuid[]) AND "end" > $3 AND state = 'held' AND hold_expires_at > $3
        UNION ALL
        SELECT hub_id, booking_id
        FROM bookings
        WHERE hub_id = ANY ($2::text[]) AND claimant_kind = 'partner' AND state = 'held' AND hold_expires_at > $3
        """,
        list(person_ids),
        list(hub_ids),
        now,
    )
    return [(row[0], row[1]) for row in rows]


async def read_competing(conn: ReadConn | Tx, resource_ids: Collection[str]) -> list[tuple[str, Taken]]:
    """What waits for approval on these resources without blocking."""
    rows = await conn.fetch(
        """
        SELECT resource_id, lower(occupied), upper(occupied), lower(booked), upper(booked), booking_id
        FROM allocations
        WHERE competing AND resource_id = ANY ($1::text[])
        """,
        list(resource_ids),
    )
    return [(row[0], (row[1], row[2], row[3], row[4], row[5], False)) for row in rows]
