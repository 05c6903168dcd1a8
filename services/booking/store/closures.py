"""Which bookings a change of the catalogue meets."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from hubkit.db import ReadConn, Tx
from services.booking.domain.promotion import SESSION_PURPOSE


async def read_hit(
    conn: ReadConn | Tx, resource_ids: Collection[str], offer_ids: Collection[str], now: datetime
) -> list[UUID]:  # fmt: skip
    """The bookings that are not over, take or wait for one of the resources, or are of one of the offers."""
    rows = await conn.fetch(
        """
        SELECT b.booking_id
        FROM allocations AS a
        JOIN bookings AS b ON b.booking_id = a.booking_id
        WHERE a.resource_id = ANY ($1::text[]) AND (a.blocking OR a.competing) AND b."end" > $3
        UNION
        SELECT booking_id
        FROM bookings
        WHERE state = 'waitlisted' AND waits_for && $1::text[] AND "end" > $3
        UNION
        SELECT booking_id
        FROM bookings
        WHERE offer_id = ANY ($2::text[]) AND "end" > $3
          AND state NOT IN ('completed', 'no_show', 'cancelled', 'declined', 'expired')
        """,
        list(resource_ids),
        list(offer_ids),
        now,
    )
    return [row[0] for row in rows]


async def read_rooms_of(
    conn: ReadConn | Tx, offer_id: str, rooms: Collection[str], start: datetime, end: datetime
) -> UUID | None:  # fmt: skip
    """The house's booking by which a session at that time occupies these rooms."""
    found: UUID | None = await conn.fetchval(
        """
        SELECT b.booking_id
        FROM bookings AS b
        WHERE b.offer_id = $1 AND b.start = $3 AND b."end" = $4 AND b.claimant_kind = 'house' AND b.purpose = $5
          AND b.state NOT IN ('completed', 'no_show', 'cancelled', 'declined', 'expired')
          AND EXISTS (SELECT FROM allocations AS a WHERE a.booking_id = b.booking_id AND a.resource_id = ANY ($2::text[]))
        """,
        offer_id,
        list(rooms),
        start,
        end,
        SESSION_PURPOSE,
    )
    return found
