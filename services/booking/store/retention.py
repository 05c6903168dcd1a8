"""What is forgotten, and when: persons after an offer's retention, refusals after 90 days, the rest after three years."""

from datetime import datetime, timedelta

from hubkit.db import Tx
from services.booking.limits import FORGET_MAX, FORGOTTEN_DAYS, REFUSALS_DAYS


async def forget_people(tx: Tx, now: datetime) -> int:
    """Take claimant, actor and code out of bookings whose retention is over, and out of their outcomes; how many.

    Span, resource, quantity and state stay, so that figures do not change. Only terminal bookings, at most `FORGET_MAX`.
    """
    rows = await tx.fetch(
        """
        WITH over AS (
            SELECT b.booking_id
            FROM bookings AS b
            LEFT JOIN offers AS o ON o.offer_id = b.offer_id
            WHERE b.anonymised_at IS NULL AND b.next_due_at IS NULL
              AND b."end" + make_interval(days => coalesce((o.rules ->> 'retention_days')::integer, 90)) <= $1
            ORDER BY b."end"
            LIMIT $2
            FOR UPDATE OF b SKIP LOCKED
        )
        UPDATE bookings AS b
        SET person_id = NULL, hub_id = NULL, booking_ref = NULL, check_in_code = NULL, wish = NULL, groups = '{}',
            anonymised_at = $1
        FROM over
        WHERE b.booking_id = over.booking_id
        RETURNING b.booking_id
        """,
        now,
        FORGET_MAX,
    )
    forgotten = [row[0] for row in rows]
    if forgotten:
        await tx.execute(
            """
            UPDATE requests
            SET actor_id = NULL, outcome = outcome #- '{data,claimant}' #- '{data,check_in_code}'
            WHERE booking_id = ANY ($1::uuid[])
            """,
            forgotten,
        )
    return len(forgotten)


async def forget_series(tx: Tx, now: datetime) -> None:
    """Take the claimant out of series whose last date's retention is over and of which no booking has one any more.

    Until then a skipped date can still be added. The answers that told of them lose claimant and actor too.
    """
    rows = await tx.fetch(
        """
        UPDATE series AS s
        SET claimant = jsonb_build_object('kind', s.claimant ->> 'kind')
        WHERE s.claimant <> jsonb_build_object('kind', s.claimant ->> 'kind') AND s.claimant ->> 'kind' <> 'house'
          AND NOT EXISTS (SELECT FROM bookings AS b WHERE b.series_id = s.series_id AND b.anonymised_at IS NULL)
          AND (SELECT max((r ->> 'start')::timestamptz) FROM jsonb_array_elements(s.results) AS r)
              + make_interval(days => coalesce(
                    (SELECT (o.rules ->> 'retention_days')::integer FROM offers AS o WHERE o.offer_id = s.offer_id), 90)) <= $1
        RETURNING s.series_id::text
        """,
        now,
    )
    if rows:
        await tx.execute(
            """
            UPDATE requests
            SET actor_id = NULL, outcome = outcome #- '{data,claimant}'
            WHERE booking_id IS NULL AND outcome -> 'data' ->> 'series_id' = ANY ($1::text[])
            """,
            [row[0] for row in rows],
        )


async def delete_refusals(tx: Tx, now: datetime) -> int:
    """Outcomes that led to no booking: 90 days, longer than any command or answer can come again; how many.

    What answered a series stays as long as one of its bookings is somebody's.
    """
    status = await tx.execute(
        """
        DELETE FROM requests
        WHERE request_id IN (
            SELECT q.request_id
            FROM requests AS q
            WHERE q.decided_at < $1
              AND NOT EXISTS (SELECT FROM bookings AS b WHERE b.booking_id = q.booking_id)
              AND NOT EXISTS (SELECT FROM bookings AS b
                              WHERE b.series_id = (q.outcome -> 'data' ->> 'series_id')::uuid AND b.anonymised_at IS NULL)
            LIMIT $2
        )
        """,
        now - timedelta(days=REFUSALS_DAYS),
        FORGET_MAX,
    )
    return int(status.rpartition(" ")[2])


async def delete_forgotten(tx: Tx, now: datetime) -> int:
    """Anonymised bookings after three years, with what they held and what was answered; how many."""
    status = await tx.execute(
        """
        WITH old AS (
            SELECT booking_id
            FROM bookings
            WHERE anonymised_at < $1
            LIMIT $2
        ), answers AS (
            DELETE FROM requests
            WHERE booking_id IN (SELECT booking_id FROM old)
        ), held AS (
            DELETE FROM allocations
            WHERE booking_id IN (SELECT booking_id FROM old)
        )
        DELETE FROM bookings
        WHERE booking_id IN (SELECT booking_id FROM old)
        """,
        now - timedelta(days=FORGOTTEN_DAYS),
        FORGET_MAX,
    )
    return int(status.rpartition(" ")[2])
