"""Messages as they are planned: new ones, those that lost their point, those that may not go out any more."""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from hubkit.db import Tx
from services.notify.domain.letters import Fate
from services.notify.domain.messages import CLASSES, Facts, Kind, Message, MessageClass, State


async def supersede_messages(tx: Tx, wanted: Collection[tuple[UUID, Kind]]) -> int:
    """Unsent messages of these bookings and kinds have lost their point; number of rows.

    Rows already `sending` stay: what is on the wire goes out. One that may have gone out before is `uncertain` again and is
    not sent a second time. Rows are locked in key order, as everywhere.
    """
    status = await tx.execute(
        """
        WITH locked AS (
            SELECT m.message_id
            FROM unnest($1::uuid[], $2::text[]) AS w (booking_id, kind)
            JOIN messages AS m ON m.booking_id = w.booking_id AND m.kind = w.kind
            WHERE m.state IN ('scheduled', 'claimed')
            ORDER BY m.message_id
            FOR UPDATE OF m
        )
        UPDATE messages AS m
        SET state = CASE WHEN m.resent THEN 'uncertain' ELSE 'superseded' END,
            lease_until = NULL, claimed_by = NULL
        FROM locked
        WHERE m.message_id = locked.message_id
        """,
        [booking_id for booking_id, _ in wanted],
        [kind for _, kind in wanted],
    )
    return int(status.rsplit(" ", 1)[1])


async def insert_messages(tx: Tx, messages: Sequence[Message]) -> int:
    """New rows in their planned state; a known key is left alone, unless its row was superseded: then it is planned anew.

    Each key at most once in `messages`. Number of rows written.
    """
    status = await tx.execute(
        """
        INSERT INTO messages AS m (message_id, dedupe_key, kind, class, lane, channel, person_id, booking_id, booking_states,
                                   offer_id, version, caused_at, cause_id, start, "end", time_zone, rule, facts, state, reason,
                                   due_at, next_at, expires_at)
        SELECT message_id, dedupe_key, kind, class, lane, 'mail', person_id, booking_id, string_to_array(booking_states, ' '),
               offer_id, version, caused_at, cause_id, start, "end", time_zone, rule, facts, state, reason, due_at, due_at,
               expires_at
        FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::uuid[], $7::uuid[], $8::text[],
                    $9::text[], $10::integer[], $11::timestamptz[], $12::uuid[], $13::timestamptz[], $14::timestamptz[],
                    $15::text[], $16::text[], $17::jsonb[], $18::text[], $19::text[], $20::timestamptz[], $21::timestamptz[])
          AS n (message_id, dedupe_key, kind, class, lane, person_id, booking_id, booking_states, offer_id, version, caused_at,
                cause_id, start, "end", time_zone, rule, facts, state, reason, due_at, expires_at)
        ORDER BY message_id
        ON CONFLICT (message_id) DO UPDATE
        SET class = excluded.class, lane = excluded.lane, booking_states = excluded.booking_states,
            offer_id = excluded.offer_id, version = excluded.version, caused_at = excluded.caused_at,
            cause_id = excluded.cause_id, start = excluded.start, "end" = excluded."end", time_zone = excluded.time_zone,
            facts = excluded.facts, state = excluded.state, reason = excluded.reason, due_at = excluded.due_at,
            next_at = excluded.next_at, expires_at = excluded.expires_at
        WHERE m.state = 'superseded'
        """,
        [m.message_id for m in messages],
        [m.dedupe_key for m in messages],
        [m.kind for m in messages],
        [m.message_class for m in messages],
        [CLASSES[m.message_class].lane for m in messages],
        [m.person_id for m in messages],
        [m.booking_id for m in messages],
        [" ".join(m.booking_states) for m in messages],
        [m.offer_id for m in messages],
        [m.version for m in messages],
        [m.caused_at for m in messages],
        [m.cause_id for m in messages],
        [m.start for m in messages],
        [m.end for m in messages],
        [m.time_zone for m in messages],
        [m.rule for m in messages],
        [_facts_json(m.facts) for m in messages],
        [m.state for m in messages],
        [m.reason for m in messages],
        [m.due_at for m in messages],
        [m.expires_at for m in messages],
    )
    return int(status.rsplit(" ", 1)[1])


async def resolve_message(tx: Tx, message_id: UUID, *, state: State, reason: str | None, now: datetime) -> Fate | None:
    """An uncertain message ends as an operator found out; the fate, or None if it is not uncertain any more."""
    row = await tx.fetchrow(
        """
        UPDATE messages AS m
        SET state = $2, reason = $3, resend_at = NULL, ended_at = $4
        WHERE m.message_id = $1 AND m.state = 'uncertain'
        RETURNING m.message_id, m.kind, m.class, m.booking_id, m.state, m.reason, m.due_at, m.attempts, m.resent,
                  m.cause_id
        """,
        message_id,
        state,
        reason,
        now,
    )
    return fate_of(row) if row else None


async def read_resend_key(tx: Tx, message_id: UUID) -> tuple[str, str, int] | None:
    """State, key and how often it was sent again by hand, of one message, its row locked; None if there is none."""
    row = await tx.fetchrow(
        """
        SELECT m.state, m.dedupe_key,
               (SELECT count(*) FROM messages AS r
                WHERE r.booking_id = m.booking_id AND r.kind = m.kind AND r.dedupe_key LIKE '%/resend/%') AS again
        FROM messages AS m
        WHERE m.message_id = $1
        FOR UPDATE
        """,
        message_id,
    )
    return (row["state"], row["dedupe_key"], row["again"]) if row else None


async def copy_message(tx: Tx, message_id: UUID, *, new_id: UUID, dedupe_key: str, now: datetime) -> None:
    """The same message as a new row under another key, due now: it goes through all checks."""
    await tx.execute(
        """
        INSERT INTO messages (message_id, dedupe_key, kind, class, lane, channel, person_id, booking_id, booking_states,
                              offer_id, version, caused_at, cause_id, start, "end", time_zone, rule, facts, state, due_at,
                              next_at, expires_at)
        SELECT $2, $3, kind, class, lane, channel, person_id, booking_id, booking_states, offer_id, version, caused_at,
               cause_id, start, "end", time_zone, rule, facts, 'scheduled', $4, $4, expires_at
        FROM messages
        WHERE message_id = $1
        """,
        message_id,
        new_id,
        dedupe_key,
        now,
    )


async def insert_act(tx: Tx, message_id: UUID, *, actor: str, act: str, now: datetime) -> None:
    """Note what somebody did by hand."""
    await tx.execute("INSERT INTO acts (message_id, at, actor, act) VALUES ($1, $2, $3, $4)", message_id, now, actor, act)


async def suppress_erased(tx: Tx, person_ids: Collection[UUID], *, now: datetime) -> list[Fate]:
    """Unsent messages of erased people are never sent; the fates that are news."""
    rows = await tx.fetch(
        """
        WITH locked AS (
            SELECT message_id
            FROM messages
            WHERE person_id = ANY ($1::uuid[]) AND state IN ('scheduled', 'claimed')
            ORDER BY message_id
            FOR UPDATE
        )
        UPDATE messages AS m
        SET state = CASE WHEN m.resent THEN 'uncertain' ELSE 'suppressed' END,
            reason = CASE WHEN m.resent THEN m.reason ELSE 'erased' END,
            lease_until = NULL, claimed_by = NULL, ended_at = $2
        FROM locked
        WHERE m.message_id = locked.message_id
        RETURNING m.message_id, m.kind, m.class, m.booking_id, m.state, m.reason, m.due_at, m.attempts, m.resent,
                  m.cause_id
        """,
        list(person_ids),
        now,
    )
    return [fate_of(row) for row in rows if row["state"] == State.SUPPRESSED]


async def hurry_messages(tx: Tx, person_ids: Collection[UUID]) -> None:
    """Messages that waited for these contacts may go at once; one that was tried keeps its back-off."""
    await tx.execute(
        """
        UPDATE messages
        SET next_at = due_at
        WHERE person_id = ANY ($1::uuid[]) AND state = 'scheduled' AND copy_waited > '0' AND attempts = 0
        """,
        list(person_ids),
    )


def _facts_json(facts: Facts) -> str:
    found: dict[str, object] = {}
    for name, value in asdict(facts).items():
        if isinstance(value, datetime):
            found[name] = _text(value)
        elif isinstance(value, tuple) and value:
            found[name] = [[_text(start), _text(end)] for start, end in value]
        elif value is True:
            found[name] = True
    return json.dumps(found, separators=(",", ":"))


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat()


def facts_of(text: str) -> Facts:
    """The facts in a row's column."""
    found: dict[str, Any] = json.loads(text)
    times = {name: datetime.fromisoformat(found[name]) for name in ("old_start", "old_end", "rebook_by") if name in found}
    spans = found.get("alternatives", ())
    return Facts(
        alternatives=tuple((datetime.fromisoformat(start), datetime.fromisoformat(end)) for start, end in spans),
        was_confirmed=found.get("was_confirmed", False),
        **times,
    )


def fate_of(row: asyncpg.Record) -> Fate:
    """The fate in a row's columns message_id, kind, class, booking_id, cause_id, state, reason, due_at, attempts, resent."""
    return Fate(
        message_id=row["message_id"],
        kind=Kind(row["kind"]),
        message_class=MessageClass(row["class"]),
        booking_id=row["booking_id"],
        cause_id=row["cause_id"],
        state=State(row["state"]),
        reason=row["reason"],
        due_at=row["due_at"],
        attempts=row["attempts"],
        resent=row["resent"],
    )
