"""The way of a message through delivery: claimed with a lease, re-checked, sent, its result written.

A process names in every write the claim that it belongs to: one that slept past its lease changes nothing, except to settle
its own uncertain message that was not sent again yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import asyncpg

from hubkit.db import ReadConn, Tx
from services.notify import limits
from services.notify.domain.letters import Fate, Letter, Outcome
from services.notify.domain.messages import (
    AWAITED_OFFER_KINDS,
    DROPPED_CLASSES,
    QUIET_CLASSES,
    RESENT_CLASSES,
    Kind,
    MessageClass,
    State,
)
from services.notify.domain.people import Contact
from services.notify.store.copies import offer_of
from services.notify.store.plans import facts_of, fate_of

Verdict = Literal["go", "erased", "superseded", "missed", "no_contact", "again", "quiet"]


@dataclass(frozen=True, slots=True)
class Mark:
    """The wish to send a claimed message now; `template` is the text that it was made with."""

    message_id: UUID
    claim: int
    contact_revision: int
    template: str


@dataclass(frozen=True, slots=True)
class Judged:
    """What the re-check says of a claimed message; `fate` is set where the world is told."""

    message_id: UUID
    verdict: Verdict
    fate: Fate | None


# Each lane is read from its oldest due row, so rows that are due next year are not walked over. `$5` rows are kept for the
# lanes behind the first one that has any, the oldest of them; the rest goes by lane, due time, id. Rows that another process
# holds are passed over. A relay that is open (its breaker) or paused gives nothing.
_CLAIM = """
WITH due AS MATERIALIZED (
    SELECT d.message_id, d.lane, d.next_at
    FROM (VALUES (1), (2), (3), (4), (5)) AS l (lane)
    CROSS JOIN LATERAL (
        SELECT m.message_id, m.lane, m.next_at
        FROM messages AS m
        WHERE m.state = 'scheduled' AND m.lane = l.lane AND m.next_at <= $1 AND m.expires_at > $1
          AND EXISTS (SELECT FROM relays AS r
                      WHERE r.relay = $2 AND r.state = 'closed' AND (r.paused_until IS NULL OR r.paused_until <= $1))
        ORDER BY m.next_at, m.message_id
        LIMIT $3
        FOR UPDATE SKIP LOCKED
    ) AS d
), ranked AS (
    SELECT message_id, lane, next_at,
           row_number() OVER (PARTITION BY lane > (SELECT min(lane) FROM due) ORDER BY next_at, message_id)
             <= $5 AND lane > (SELECT min(lane) FROM due) AS is_kept
    FROM due
), taken AS (
    SELECT message_id
    FROM ranked
    ORDER BY is_kept DESC, lane, next_at, message_id
    LIMIT $3
)
UPDATE messages AS m
SET state = 'claimed', claim = m.claim + 1, claimed_by = $4, lease_until = $1::timestamptz + $6::interval,
    mail_date = CASE WHEN m.resent THEN m.mail_date ELSE $1 END
FROM taken
WHERE m.message_id = taken.message_id
RETURNING m.message_id
"""

_READ_LETTERS = """
SELECT m.message_id, m.claim, m.kind, m.class, m.lane, m.booking_id, m.version, m.caused_at, m.start, m."end", m.time_zone,
       m.facts, m.next_at, m.attempts, m.first_attempt_at, m.mail_date, m.template, m.resent, m.person_id, m.copy_waited,
       p.revision AS contact_revision, p.name, p.mailbox, p.has_address, p.needs_utf8, p.language, p.verified_at, p.link_epoch,
       o.offer_id, o.revision AS offer_revision, o.kind AS offer_kind, o.is_special, o.is_withdrawn, o.document,
       b.check_in_code,
       EXISTS (SELECT FROM messages AS t
               WHERE m.kind = 'changed' AND t.booking_id = m.booking_id AND t.message_id <> m.message_id
                 AND t.kind IN ('confirmed', 'changed') AND t.state IN ('sending', 'uncertain', 'sent')) AS told_before
FROM messages AS m
LEFT JOIN people AS p ON p.person_id = m.person_id
LEFT JOIN offers AS o ON o.offer_id = m.offer_id
LEFT JOIN bookings AS b ON b.booking_id = m.booking_id
WHERE m.message_id = ANY ($1::uuid[])
ORDER BY m.lane, m.next_at, m.message_id
"""


async def is_due(conn: ReadConn, *, relay: str, now: datetime) -> bool:
    """Whether a claim would find anything."""
    found: bool = await conn.fetchval(
        """
        SELECT EXISTS (SELECT FROM relays AS r
                       WHERE r.relay = $1 AND r.state = 'closed' AND (r.paused_until IS NULL OR r.paused_until <= $2))
           AND EXISTS (SELECT
                       FROM (VALUES (1), (2), (3), (4), (5)) AS l (lane)
                       CROSS JOIN LATERAL (SELECT FROM messages AS m
                                           WHERE m.state = 'scheduled' AND m.lane = l.lane AND m.next_at <= $2
                                             AND m.expires_at > $2
                                           LIMIT 1) AS d)
        """,
        relay,
        now,
    )
    return found


async def claim_messages(
    tx: Tx, *, relay: str, process_id: UUID, now: datetime, rows_max: int, rows_kept: int
) -> tuple[list[Letter], list[UUID]]:
    """Take up to `rows_max` due messages under a lease: letters in the order of sending, and ids that wait for a copy.

    The latter lack their contact or their offer and have not waited long enough; they are claimed too.
    """
    claimed = await tx.fetch(_CLAIM, now, relay, rows_max, process_id, rows_kept, limits.LEASE)
    if not claimed:
        return [], []
    rows = await tx.fetch(_READ_LETTERS, [row[0] for row in claimed])
    letters, waiting = [], []
    for row in rows:
        lacks_offer = row["offer_id"] is None and row["copy_waited"] < limits.COPY_WAIT
        if not row["has_address"] or lacks_offer:
            waiting.append(row["message_id"])
        else:
            letters.append(_letter(row))
    return letters, waiting


def _letter(row: asyncpg.Record) -> Letter:
    return Letter(
        message_id=row["message_id"],
        claim=row["claim"],
        kind=Kind(row["kind"]),
        message_class=MessageClass(row["class"]),
        lane=row["lane"],
        booking_id=row["booking_id"],
        version=row["version"],
        caused_at=row["caused_at"],
        start=row["start"],
        end=row["end"],
        time_zone=row["time_zone"],
        facts=facts_of(row["facts"]),
        next_at=row["next_at"],
        attempts=row["attempts"],
        first_attempt_at=row["first_attempt_at"],
        mail_date=row["mail_date"],
        template=row["template"],
        resent=row["resent"],
        contact=Contact(
            person_id=row["person_id"],
            name=row["name"],
            mailbox=row["mailbox"],
            has_address=row["has_address"],
            needs_utf8=row["needs_utf8"],
            language=row["language"],
            verified_at=row["verified_at"],
            link_epoch=row["link_epoch"],
        ),
        contact_revision=row["contact_revision"],
        offer=offer_of(row) if row["offer_id"] is not None else None,
        check_in_code=row["check_in_code"],
        told_before=row["told_before"],
    )


async def put_off_waiting(tx: Tx, message_ids: Sequence[UUID], *, now: datetime, counts: bool) -> list[Fate]:
    """Claimed messages whose contact or offer is still on its way: back into the queue for a moment.

    Where the contact is missing for longer than is waited for, or erased, the message is suppressed; those fates are
    returned. `counts`: the readers of the copies are caught up, so this wait is not their delay.
    """
    rows = await tx.fetch(
        """
        WITH judged AS (
            SELECT m.message_id,
                   CASE WHEN EXISTS (SELECT FROM erased AS e WHERE e.person_id = m.person_id) THEN 'erased'
                        WHEN NOT COALESCE(p.has_address, false) AND m.copy_waited >= $3 THEN 'no_contact'
                   END AS reason
            FROM messages AS m
            LEFT JOIN people AS p ON p.person_id = m.person_id
            WHERE m.message_id = ANY ($1::uuid[])
        )
        UPDATE messages AS m
        SET state = CASE WHEN judged.reason IS NULL THEN 'scheduled' WHEN m.resent THEN 'uncertain' ELSE 'suppressed' END,
            reason = CASE WHEN m.resent THEN m.reason ELSE judged.reason END,
            copy_waited = m.copy_waited + CASE WHEN $5 THEN $4::interval ELSE '0' END,
            next_at = CASE WHEN judged.reason IS NULL THEN $2::timestamptz + $4::interval ELSE m.next_at END,
            ended_at = CASE WHEN judged.reason IS NULL THEN NULL ELSE $2 END,
            lease_until = NULL, claimed_by = NULL
        FROM judged
        WHERE m.message_id = judged.message_id
        RETURNING m.message_id, m.kind, m.class, m.booking_id, m.state, m.reason, m.due_at, m.attempts, m.resent,
                  m.cause_id
        """,
        list(message_ids),
        now,
        limits.COPY_WAIT,
        limits.COPY_WAIT_STEP,
        counts,
    )
    return [fate_of(row) for row in rows if row["state"] == State.SUPPRESSED]


# One statement, and the row's lock: a move, a cancellation or an erasure that was committed before makes the row another
# state or the booking another version; one that is committed after produces its own message. The booking is compared beside
# the row's state, so that neither of the two alone keeps an old time from being sent.
RECHECK = """
WITH judged AS (
    SELECT m.message_id, a.template,
           CASE WHEN EXISTS (SELECT FROM erased AS e WHERE e.person_id = m.person_id) THEN 'erased'
                WHEN m.booking_id IS NOT NULL
                  AND (b.booking_id IS NULL OR b.state <> ALL (m.booking_states) OR b.told_version > m.version
                       OR b.start <> m.start OR b."end" <> m."end") THEN 'superseded'
                WHEN m.expires_at <= $5 OR (m.class = ANY ($8::text[]) AND $7::timestamptz >= m.expires_at) THEN 'missed'
                WHEN p.person_id IS NULL THEN 'no_contact'
                WHEN p.revision <> a.contact_revision THEN 'again'
                WHEN m.class = ANY ($6::text[]) AND $7::timestamptz < m.expires_at THEN 'quiet'
                ELSE 'go'
           END AS verdict
    FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[]) AS a (message_id, claim, contact_revision, template)
    JOIN messages AS m ON m.message_id = a.message_id
    LEFT JOIN bookings AS b ON b.booking_id = m.booking_id
    LEFT JOIN people AS p ON p.person_id = m.person_id
    WHERE m.state = 'claimed' AND m.claim = a.claim AND m.lease_until > $5
    ORDER BY m.message_id
    FOR UPDATE OF m
)
UPDATE messages AS m
SET state = CASE WHEN judged.verdict = 'go' THEN 'sending'
                 WHEN judged.verdict IN ('no_contact', 'again', 'quiet') THEN 'scheduled'
                 WHEN m.resent THEN 'uncertain'
                 WHEN judged.verdict = 'erased' THEN 'suppressed'
                 ELSE judged.verdict
            END,
    reason = CASE WHEN judged.verdict = 'erased' AND NOT m.resent THEN 'erased' ELSE m.reason END,
    template = CASE WHEN judged.verdict = 'go' THEN judged.template ELSE m.template END,
    next_at = CASE WHEN judged.verdict = 'quiet' THEN $7 ELSE m.next_at END,
    lease_until = CASE WHEN judged.verdict = 'go' THEN m.lease_until END,
    claimed_by = CASE WHEN judged.verdict = 'go' THEN m.claimed_by END,
    ended_at = CASE WHEN judged.verdict IN ('erased', 'superseded', 'missed') THEN $5 ELSE m.ended_at END
FROM judged
WHERE m.message_id = judged.message_id
RETURNING m.message_id, judged.verdict, m.kind, m.class, m.booking_id, m.state, m.reason, m.due_at, m.attempts, m.resent,
          m.cause_id
"""


async def mark_sending(tx: Tx, marks: Sequence[Mark], *, now: datetime, quiet_until: datetime | None) -> list[Judged]:
    """The re-check: what still holds becomes `sending`, the rest goes where the verdict says.

    A claim that is lost (its lease ran out, the row was superseded or suppressed) is in no answer. `quiet_until`: end of the
    quiet hours if they are now.
    """
    rows = await tx.fetch(
        RECHECK,
        [mark.message_id for mark in marks],
        [mark.claim for mark in marks],
        [mark.contact_revision for mark in marks],
        [mark.template for mark in marks],
        now,
        QUIET_CLASSES,
        quiet_until,
        DROPPED_CLASSES,
    )
    told = (State.SUPPRESSED, State.MISSED)
    return [Judged(row["message_id"], row["verdict"], fate_of(row) if row["state"] in told else None) for row in rows]


async def settle_messages(tx: Tx, outcomes: Sequence[Outcome], *, now: datetime) -> list[Fate]:
    """Write how claims ended and note each attempt; the fates that are news, of claims that were still ours.

    What became uncertain by its lease is settled by a late reply to the same claim, unless it was sent again. An uncertain
    message is scheduled once more where its class says so: never a second time.
    """
    rows = await tx.fetch(
        """
        WITH ours AS (
            SELECT m.message_id, o.state, o.reason, o.counted, o.next_at
            FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::boolean[], $6::timestamptz[])
              AS o (message_id, claim, state, reason, counted, next_at)
            JOIN messages AS m ON m.message_id = o.message_id AND m.claim = o.claim
            WHERE m.state IN ('claimed', 'sending')
               OR (m.state = 'uncertain' AND NOT m.resent AND o.state IN ('sent', 'failed'))
            ORDER BY m.message_id
            FOR UPDATE OF m
        )
        UPDATE messages AS m
        SET state = ours.state,
            reason = ours.reason,
            attempts = m.attempts + CASE WHEN ours.counted AND m.state = 'sending' THEN 1 ELSE 0 END,
            first_attempt_at = CASE WHEN ours.counted THEN COALESCE(m.first_attempt_at, $7) ELSE m.first_attempt_at END,
            next_at = COALESCE(ours.next_at, m.next_at),
            lease_until = NULL, claimed_by = NULL,
            resend_at = CASE WHEN ours.state = 'uncertain' AND NOT m.resent
                              AND (m.class = ANY ($8::text[])
                                   OR (m.class = 'reminder'
                                       AND EXISTS (SELECT FROM offers AS f
                                                   WHERE f.offer_id = m.offer_id AND f.kind = ANY ($9::text[]))))
                             THEN $7::timestamptz + $10::interval END,
            ended_at = CASE WHEN ours.state = 'scheduled' THEN NULL ELSE $7 END
        FROM ours
        WHERE m.message_id = ours.message_id
        RETURNING m.message_id, m.kind, m.class, m.booking_id, m.state, m.reason, m.due_at, m.attempts, m.resent,
                  m.cause_id
        """,
        [o.message_id for o in outcomes],
        [o.claim for o in outcomes],
        [o.state for o in outcomes],
        [o.reason for o in outcomes],
        [o.counted for o in outcomes],
        [o.next_at for o in outcomes],
        now,
        RESENT_CLASSES,
        AWAITED_OFFER_KINDS,
        limits.RESEND_AFTER,
    )
    await _insert_attempts(tx, [o for o in outcomes if o.reply is not None], now)
    return [fate_of(row) for row in rows if row["state"] != State.SCHEDULED]


async def _insert_attempts(tx: Tx, outcomes: Sequence[Outcome], now: datetime) -> None:
    replies = [(o, o.reply) for o in outcomes if o.reply is not None]
    if not replies:
        return
    await tx.execute(
        """
        INSERT INTO attempts (message_id, claim, at, effect, phase, code, reply, counted)
        SELECT message_id, claim, $3, effect, phase, code, reply, counted
        FROM unnest($1::uuid[], $2::bigint[], $4::text[], $5::text[], $6::integer[], $7::text[], $8::boolean[])
          AS a (message_id, claim, effect, phase, code, reply, counted)
        ON CONFLICT (message_id, claim) DO NOTHING
        """,
        [o.message_id for o, _ in replies],
        [o.claim for o, _ in replies],
        now,
        [o.effect.value if o.effect else "" for o, _ in replies],
        [reply.phase for _, reply in replies],
        [reply.code for _, reply in replies],
        [reply.text for _, reply in replies],
        [o.counted for o, _ in replies],
    )


async def renew_leases(tx: Tx, *, process_id: UUID, now: datetime) -> int:
    """Put off the end of all leases of this process; number of rows. Those that ran out are not taken back."""
    status = await tx.execute(
        """
        UPDATE messages
        SET lease_until = $2::timestamptz + $3::interval
        WHERE state IN ('claimed', 'sending') AND claimed_by = $1 AND lease_until > $2
        """,
        process_id,
        now,
        limits.LEASE,
    )
    return int(status.rsplit(" ", 1)[1])
