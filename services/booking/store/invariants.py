"""What must never be: each query finds violations on one snapshot, independent of locks, constraints and counters."""

from datetime import datetime
from typing import Final

from hubkit.db import ReadConn

# kind -> a query that finds violations; $1: only what is not over at that instant.
QUERIES: Final = {
    # Two blocking claims on one unit at the same time: the exclusion constraint, counted without it.
    "overlap": """
        SELECT count(*)
        FROM (
            SELECT lower(occupied) < max(upper(occupied)) OVER (
                PARTITION BY unit_no ORDER BY lower(occupied), upper(occupied), booking_id
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS meets_one
            FROM allocations
            WHERE blocking AND unit_no IS NOT NULL AND upper(occupied) > $1
        ) AS u
        WHERE meets_one
        """,
    # Places of a session above what it has and what staff tolerate.
    "oversold_session": """
        SELECT count(*)
        FROM resources
        WHERE kind = 'session' AND used > capacity + tolerated AND coalesce((rules ->> 'end')::timestamptz, 'infinity') > $1
        """,
    # A session's counter that says something else than its claims.
    "used_differs": """
        SELECT count(*)
        FROM resources AS r
        LEFT JOIN (
            SELECT resource_id, sum(quantity) AS quantity
            FROM allocations
            WHERE blocking AND unit_no IS NULL AND pool_no IS NULL
            GROUP BY resource_id
        ) AS a ON a.resource_id = r.resource_id
        WHERE r.kind = 'session' AND r.used <> coalesce(a.quantity, 0)
          AND coalesce((r.rules ->> 'end')::timestamptz, 'infinity') > $1
        """,
    # The most that is taken of a pool at any instant, by a sweep over all starts and ends.
    "oversold_pool": """
        SELECT count(DISTINCT r.resource_id)
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
        """,
    # A claim that blocks although its booking does not, that does not although its booking does, or that has no booking.
    "blocking_differs": """
        SELECT count(*)
        FROM allocations AS a
        LEFT JOIN bookings AS b ON b.booking_id = a.booking_id
        WHERE upper(a.occupied) > $1
          AND (b.booking_id IS NULL
               OR a.blocking <> (b.state IN ('held', 'pending_approval', 'offered', 'confirmed', 'checked_in')
                                 AND NOT b.competing AND NOT a.superseded)
               OR (a.competing AND NOT (b.competing AND b.state = 'pending_approval')))
        """,
    # A booking that blocks and holds nothing.
    "holds_nothing": """
        SELECT count(*)
        FROM bookings AS b
        WHERE b.state IN ('held', 'pending_approval', 'offered', 'confirmed', 'checked_in') AND b."end" > $1
          AND NOT b.competing AND NOT EXISTS (SELECT FROM allocations AS a WHERE a.booking_id = b.booking_id AND a.blocking)
        """,
    # A request that was answered with a booking which is not there.
    "booking_missing": """
        SELECT count(*)
        FROM requests AS q
        WHERE q.command = 'RequestBooking' AND q.version IS NOT NULL AND q.decided_at > $1
          AND NOT EXISTS (SELECT FROM bookings AS b WHERE b.booking_id = q.booking_id)
        """,
    # A claim whose time is past for more than a minute: the timer stands still.
    "overdue": """
        SELECT count(*)
        FROM bookings
        WHERE next_due_at < clock_timestamp() - interval '60 seconds' AND $1::timestamptz IS NOT NULL
        """,
    # A booking that waits for nothing any more although its state has an end, or the other way round.
    "due_differs": """
        SELECT count(*)
        FROM bookings
        WHERE "end" > $1
          AND (next_due_at IS NULL) <> (state IN ('completed', 'no_show', 'cancelled', 'declined', 'expired'))
        """,
}


async def count_violations(conn: ReadConn, since: datetime) -> dict[str, int]:
    """Violations by kind among what is not over at `since`; all zero, or somebody must look. One snapshot for all."""
    found = {}
    for kind, query in QUERIES.items():
        found[kind] = await conn.fetchval(query, since)
    return found
