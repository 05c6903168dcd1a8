"""Lists for staff pages: who comes, who is displaced, what waits for approval, what a closure would hit."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from hubkit.db import ReadConn
from services.booking.limits import LIST_MAX, SPAN_DAYS_MAX


async def read_of_person(conn: ReadConn, person_id: UUID) -> list[UUID]:
    """A person's bookings, the latest end first, at most `LIST_MAX`."""
    rows = await conn.fetch(
        """
        SELECT booking_id
        FROM bookings
        WHERE person_id = $1
        ORDER BY "end" DESC, booking_id
        LIMIT $2
        """,
        person_id,
        LIST_MAX,
    )
    return [row[0] for row in rows]


async def read_of_day(conn: ReadConn, low: datetime, high: datetime) -> list[UUID]:
    """What takes place in `[low, high)` or took, and who waits for it; by start."""
    rows = await conn.fetch(
        """
        SELECT booking_id
        FROM bookings
        WHERE start >= $3 AND start < $2 AND "end" > $1
          AND state NOT IN ('cancelled', 'declined', 'expired')
        ORDER BY start, booking_id
        LIMIT $4
        """,
        low,
        high,
        low - timedelta(days=SPAN_DAYS_MAX),
        LIST_MAX,
    )
    return [row[0] for row in rows]


async def read_affected(
    conn: ReadConn, resource_ids: Collection[str], offer_ids: Collection[str], low: datetime, high: datetime
) -> list[UUID]:  # fmt: skip
    """What a closure of these in `[low, high)` would displace or let expire; by start."""
    rows = await conn.fetch(
        """
        SELECT b.booking_id
        FROM bookings AS b
        WHERE b.start >= $5 AND b.start < $4 AND b."end" > $3
          AND b.state IN ('held', 'pending_approval', 'offered', 'confirmed', 'waitlisted')
          AND (b.offer_id = ANY ($2::text[]) OR b.waits_for <@ $1::text[]
               OR EXISTS (SELECT FROM allocations AS a
                          WHERE a.booking_id = b.booking_id AND a.resource_id = ANY ($1::text[]) AND NOT a.superseded))
        ORDER BY b.start, b.booking_id
        LIMIT $6
        """,
        list(resource_ids),
        list(offer_ids),
        low,
        high,
        low - timedelta(days=SPAN_DAYS_MAX),
        LIST_MAX,
    )
    return [row[0] for row in rows]


async def read_in_state(conn: ReadConn, state: str) -> list[UUID]:
    """Everything that is displaced or waits for approval, the most urgent first, at most `LIST_MAX`."""
    rows = await conn.fetch(
        """
        SELECT booking_id
        FROM bookings
        WHERE state = $1 AND state IN ('displaced', 'pending_approval')
        ORDER BY next_due_at, booking_id
        LIMIT $2
        """,
        state,
        LIST_MAX,
    )
    return [row[0] for row in rows]


async def read_competitors(conn: ReadConn, booking_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """Booking -> the others that wait for approval of something that it meets."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT a.booking_id, o.booking_id
        FROM allocations AS a
        JOIN allocations AS o
          ON o.competing AND o.resource_id = a.resource_id AND o.occupied && a.occupied AND o.booking_id <> a.booking_id
        WHERE a.booking_id = ANY ($1::uuid[]) AND a.competing
        """,
        list(booking_ids),
    )
    found: dict[UUID, list[UUID]] = {}
    for booking_id, other in rows:
        found.setdefault(booking_id, []).append(other)
    return found


async def read_by_code(conn: ReadConn, code: str) -> list[UUID]:
    """The bookings that this code opens; nearly always one, 40 bits are no key."""
    rows = await conn.fetch(
        """
        SELECT booking_id
        FROM bookings
        WHERE check_in_code = $1 AND state IN ('confirmed', 'checked_in')
        ORDER BY start
        LIMIT $2
        """,
        code,
        LIST_MAX,
    )
    return [row[0] for row in rows]
