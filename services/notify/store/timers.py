"""What time alone changes: expired messages, leases that ran out, uncertain ones that are due again, and what is too old.

Any number of processes may run these at once: rows that another one holds are passed over.
"""

from datetime import datetime

from hubkit.db import Tx
from services.notify import limits
from services.notify.domain.letters import Fate
from services.notify.domain.messages import AWAITED_OFFER_KINDS, RESENT_CLASSES, State
from services.notify.store.plans import fate_of


async def expire_messages(tx: Tx, *, now: datetime) -> list[Fate]:
    """Nothing is sent past its expiry, also while the relay is down; at most `SWEEP_ROWS_MAX`, the fates that are news."""
    rows = await tx.fetch(
        """
        WITH expired AS (
            SELECT message_id
            FROM messages
            WHERE state = 'scheduled' AND expires_at <= $1
            ORDER BY expires_at
            LIMIT $2
            FOR UPDATE SKIP LOCKED
        )
        UPDATE messages AS m
        SET state = CASE WHEN m.resent THEN 'uncertain' ELSE 'missed' END, ended_at = $1
        FROM expired
        WHERE m.message_id = expired.message_id
        RETURNING m.message_id, m.kind, m.class, m.booking_id, m.state, m.reason, m.due_at, m.attempts, m.resent,
                  m.cause_id
        """,
        now,
        limits.SWEEP_ROWS_MAX,
    )
    return [fate_of(row) for row in rows if row["state"] == State.MISSED]


async def release_claims(tx: Tx, *, now: datetime) -> int:
    """Claims whose process did not renew them: nothing was sent, certainly; back into the queue, uncounted. Number of rows."""
    status = await tx.execute(
        """
        WITH lost AS (
            SELECT message_id
            FROM messages
            WHERE state = 'claimed' AND lease_until <= $1
            LIMIT $2
            FOR UPDATE SKIP LOCKED
        )
        UPDATE messages AS m
        SET state = 'scheduled', lease_until = NULL, claimed_by = NULL
        FROM lost
        WHERE m.message_id = lost.message_id
        """,
        now,
        limits.SWEEP_ROWS_MAX,
    )
    return int(status.rsplit(" ", 1)[1])


async def lose_sendings(tx: Tx, *, now: datetime) -> list[Fate]:
    """Messages whose process vanished while they may have been on the wire: nobody knows. Counted; the fates."""
    rows = await tx.fetch(
        """
        WITH lost AS (
            SELECT message_id
            FROM messages
            WHERE state = 'sending' AND lease_until <= $1
            LIMIT $2
            FOR UPDATE SKIP LOCKED
        )
        UPDATE messages AS m
        SET state = 'uncertain', reason = 'lease', attempts = m.attempts + 1,
            first_attempt_at = COALESCE(m.first_attempt_at, $1), lease_until = NULL, claimed_by = NULL, ended_at = $1,
            resend_at = CASE WHEN NOT m.resent
                              AND (m.class = ANY ($3::text[])
                                   OR (m.class = 'reminder'
                                       AND EXISTS (SELECT FROM offers AS f
                                                   WHERE f.offer_id = m.offer_id AND f.kind = ANY ($4::text[]))))
                             THEN $1::timestamptz + $5::interval END
        FROM lost
        WHERE m.message_id = lost.message_id
        RETURNING m.message_id, m.kind, m.class, m.booking_id, m.state, m.reason, m.due_at, m.attempts, m.resent,
                  m.cause_id
        """,
        now,
        limits.SWEEP_ROWS_MAX,
        RESENT_CLASSES,
        AWAITED_OFFER_KINDS,
        limits.RESEND_AFTER,
    )
    return [fate_of(row) for row in rows]


async def schedule_resends(tx: Tx, *, now: datetime) -> int:
    """Uncertain messages whose class is sent once more: into the queue, flagged for ever. Number of rows.

    Whether they still hold is seen by the re-check; those past their expiry stay uncertain.
    """
    status = await tx.execute(
        """
        WITH due AS (
            SELECT message_id
            FROM messages
            WHERE state = 'uncertain' AND resend_at <= $1
            LIMIT $2
            FOR UPDATE SKIP LOCKED
        )
        UPDATE messages AS m
        SET state = CASE WHEN m.expires_at > $1 THEN 'scheduled' ELSE 'uncertain' END,
            resent = m.expires_at > $1, resend_at = NULL, next_at = $1,
            ended_at = CASE WHEN m.expires_at > $1 THEN NULL ELSE m.ended_at END
        FROM due
        WHERE m.message_id = due.message_id
        """,
        now,
        limits.SWEEP_ROWS_MAX,
    )
    return int(status.rsplit(" ", 1)[1])


async def delete_old(tx: Tx, *, now: datetime) -> int:
    """Messages and attempts of bookings that ended long ago, those bookings, and withdrawn offers that none needs.

    Number of rows; at most `TIDY_ROWS_MAX` of each kind.
    """
    counted = [
        await tx.execute(
            """
            WITH old AS (
                SELECT message_id
                FROM messages
                WHERE due_at < $1 AND "end" < $1 AND state NOT IN ('scheduled', 'claimed', 'sending')
                LIMIT $2
            ), gone AS (
                DELETE FROM attempts WHERE message_id IN (SELECT message_id FROM old)
            ), undone AS (
                DELETE FROM acts WHERE message_id IN (SELECT message_id FROM old)
            )
            DELETE FROM messages WHERE message_id IN (SELECT message_id FROM old)
            """,
            now - limits.KEPT,
            limits.TIDY_ROWS_MAX,
        ),
        await tx.execute(
            """
            DELETE FROM bookings
            WHERE booking_id IN (SELECT booking_id FROM bookings WHERE "end" < $1 LIMIT $2)
            """,
            now - limits.KEPT,
            limits.TIDY_ROWS_MAX,
        ),
        await tx.execute(
            """
            DELETE FROM offers
            WHERE offer_id IN (SELECT o.offer_id
                               FROM offers AS o
                               WHERE o.is_withdrawn
                                 AND NOT EXISTS (SELECT FROM bookings AS b WHERE b.offer_id = o.offer_id AND b."end" >= $1)
                               LIMIT $2)
            """,
            now,
            limits.TIDY_ROWS_MAX,
        ),
    ]
    return sum(int(status.rsplit(" ", 1)[1]) for status in counted)
