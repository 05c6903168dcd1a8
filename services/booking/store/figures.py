"""What reports are held against: booked time and bookings by state, read from booking's own tables."""

from datetime import datetime, timedelta
from typing import NamedTuple

from hubkit.db import ReadConn
from services.booking.limits import SPAN_DAYS_MAX


class Total(NamedTuple):
    """One resource on one day; `bookings` counts those that start that day, by state."""

    resource_id: str
    bookings: dict[str, int]
    booked_seconds: int


async def read_totals(conn: ReadConn, low: datetime, high: datetime) -> list[Total]:
    """Per resource the bookings by state that start in `[low, high)`, and the seconds booked in it, times quantity.

    Booked is what is or was taken, as long as it was not given back; buffers do not count. Ordered by resource.
    """
    counted = await conn.fetch(
        """
        SELECT a.resource_id, b.state, count(DISTINCT b.booking_id)
        FROM bookings AS b
        JOIN allocations AS a ON a.booking_id = b.booking_id AND NOT a.superseded
        WHERE b.start >= $1 AND b.start < $2
        GROUP BY a.resource_id, b.state
        """,
        low,
        high,
    )
    booked = await conn.fetch(
        """
        SELECT a.resource_id,
               sum(extract(epoch FROM least(b."end", b.given_back_at, $2) - greatest(b.start, $1)) * a.quantity)::bigint
        FROM bookings AS b
        JOIN allocations AS a ON a.booking_id = b.booking_id AND NOT a.superseded
        WHERE b.start >= $3 AND b.start < $2 AND b."end" > $1
          AND b.state IN ('confirmed', 'checked_in', 'completed', 'no_show')
          AND (b.given_back_at IS NULL OR b.given_back_at > greatest(b.start, $1))
        GROUP BY a.resource_id
        """,
        low,
        high,
        low - timedelta(days=SPAN_DAYS_MAX),
    )
    totals: dict[str, Total] = {}
    for resource_id, state, number in counted:
        totals.setdefault(resource_id, Total(resource_id, {}, 0)).bookings[state] = number
    for resource_id, seconds in booked:
        totals[resource_id] = totals.get(resource_id, Total(resource_id, {}, 0))._replace(booked_seconds=seconds)
    return [totals[name] for name in sorted(totals)]
