"""What must never be: each query finds violations on one snapshot, independent of locks, constraints and counters."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from hubkit.db import ReadConn
from services.booking.limits import OFFENDERS_MAX


class Violations(NamedTuple):
    """How many there are of one kind, and the ids of the first: bookings, resources or requests, as text."""

    number: int
    offenders: Sequence[str]


# kind -> a query that finds violations: id of the offender, and in each row how many there are in all.
# $1: only what is not over at that instant; $2: so many offenders are named.
QUERIES: Final = {
    # Two blocking claims on one unit at the same time: the exclusion constraint, counted without it.
    "overlap": """
        SELECT booking_id::text, count(*) OVER ()
        FROM (
            SELECT booking_id, lower(occupied) < max(upper(occupied)) OVER (
                PARTITION BY unit_no ORDER BY lower(occupied), upper(occupied), booking_id
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS meets_one
            FROM allocations
            WHERE blocking AND unit_no IS NOT NULL AND upper(occupied) > $1
        ) AS u
        WHERE meets_one
        ORDER BY 1
        LIMIT $2
        """,
    # Places of a session above what it has and what staff tolerate.
    "oversold_session": """
        SELECT resource_id, count(*) OVER ()
        FROM resources
        WHERE kind = 'session' AND used > capacity + tolerated AND coalesce((rules ->> 'end')::timestamptz, 'infinity') > $1
        ORDER BY 1
        LIMIT $2
        """,
    # A session's counter that says something else than its claims.
    "used_differs": """
        SELECT r.resource_id, count(*) OVER ()
        FROM resources AS r
        LEFT JOIN (
            SELECT resource_id, sum(quantity) AS quantity
            FROM allocations
            WHERE blocking AND unit_no IS NULL AND pool_no IS NULL
            GROUP BY resource_id
        ) AS a ON a.resource_id = r.resource_id
        WHERE r.kind = 'session' AND r.used <> coalesce(a.quantity, 0)
          AND coalesce((r.rules ->> 'end')::timestamptz, 'infinity') > $1
        ORDER BY 1
        LIMIT $2
        """,
    # The most that is taken of a pool at any instant, by a sweep over all starts and ends.
    "oversold_pool": """
        SELECT r.resource_id, count(*) OVER ()
        FROM (
            SELECT resource_id, sum(change) OVER (PARTITION BY resource_id ORDER BY at, change) AS level
            FROM (
                SELECT resource_id, lower(occupied) AS at, quantity AS change
                FROM allocations
                WHERE blocking AND pool_no IS NOT NULL AND upper(occupied) > $1
                UNION ALL
                SELECT resource_id, upper(occupied), -quantity
                FROM allocations
                WHERE blocking AND pool_no IS NOT NULL AND upper(occupied) > $1
            ) AS edges
        ) AS swept
        JOIN resources AS r ON r.resource_id = swept.resource_id
        WHERE swept.level > r.capacity + r.tolerated
        GROUP BY r.resource_id
        ORDER BY 1
        LIMIT $2
        """,
    # A claim that blocks although its booking does not, that does not although its booking does, or that has no booking.
    "blocking_differs": """
        SELECT a.booking_id::text, count(*) OVER ()
        FROM allocations AS a
        LEFT JOIN bookings AS b ON b.booking_id = a.booking_id
        WHERE upper(a.occupied) > $1
          AND (b.booking_id IS NULL
               OR a.blocking <> (b.state IN ('held', 'pending_approval', 'offered', 'confirmed', 'checked_in')
                                 AND NOT b.competing AND NOT a.superseded)
               OR (a.competing AND NOT (b.competing AND b.state = 'pending_approval')))
        ORDER BY 1
        LIMIT $2
        """,
    # A booking that blocks and holds nothing.
    "holds_nothing": """
        SELECT b.booking_id::text, count(*) OVER ()
        FROM bookings AS b
        WHERE b.state IN ('held', 'pending_approval', 'offered', 'confirmed', 'checked_in') AND b."end" > $1
          AND NOT b.competing AND NOT EXISTS (SELECT FROM allocations AS a WHERE a.booking_id = b.booking_id AND a.blocking)
        ORDER BY 1
        LIMIT $2
        """,
    # A change that was told of a booking which is not there: an answer, a date of a series, what time did.
    "booking_missing": """
        SELECT q.request_id::text, count(*) OVER ()
        FROM requests AS q
        WHERE q.version IS NOT NULL AND q.decided_at > $1
          AND NOT EXISTS (SELECT FROM bookings AS b WHERE b.booking_id = q.booking_id)
        ORDER BY 1
        LIMIT $2
        """,
    # A claim whose time is past for more than a minute: the timer stands still.
    "overdue": """
        SELECT booking_id::text, count(*) OVER ()
        FROM bookings
        WHERE next_due_at < clock_timestamp() - interval '60 seconds' AND $1::timestamptz IS NOT NULL
        ORDER BY 1
        LIMIT $2
        """,
    # A booking that waits for nothing any more although its state has an end, or the other way round.
    "due_differs": """
        SELECT booking_id::text, count(*) OVER ()
        FROM bookings
        WHERE "end" > $1
          AND (next_due_at IS NULL) <> (state IN ('completed', 'no_show', 'cancelled', 'declined', 'expired'))
        ORDER BY 1
        LIMIT $2
        """,
}


async def find_violations(conn: ReadConn, since: datetime) -> dict[str, Violations]:
    """Violations by kind among what is not over at `since`; all zero, or somebody must look. One snapshot for all."""
    found = {}
    for kind, query in QUERIES.items():
        rows = await conn.fetch(query, since, OFFENDERS_MAX)
        found[kind] = Violations(rows[0][1] if rows else 0, [row[0] for row in rows])
    return found


async def count_violations(conn: ReadConn, since: datetime) -> dict[str, int]:
    """How many there are of each kind, as `find_violations`."""
    return {kind: violations.number for kind, violations in (await find_violations(conn, since)).items()}
