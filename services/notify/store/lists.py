"""Answers to questions: lists and single messages for people, figures for metrics. Never an address: none is here."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from hubkit.db import ReadConn
from services.notify.domain.messages import State


@dataclass(frozen=True, slots=True)
class Listed:
    """A message as operators see it."""

    message_id: UUID
    kind: str
    message_class: str
    booking_id: UUID | None
    offer_id: str
    version: int
    rule: str | None
    state: str
    reason: str | None
    due_at: datetime
    next_at: datetime
    expires_at: datetime
    attempts: int
    resent: bool
    ended_at: datetime | None
    caused_at: datetime
    cause_id: UUID


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one claim came to; `reply` has no addresses in it."""

    claim: int
    at: datetime
    effect: str
    phase: str
    code: int | None
    reply: str
    counted: bool


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody did by hand."""

    at: datetime
    actor: str
    act: str


@dataclass(frozen=True, slots=True)
class Figures:
    """The queue as it is now."""

    uncertain: int
    oldest_due_seconds: float


async def read_messages(
    conn: ReadConn, *, state: State | None, booking_id: UUID | None, after: tuple[datetime, UUID] | None, limit: int
) -> list[Listed]:
    """Newest due time first, behind the message `after` (its due time and id)."""
    rows = await conn.fetch(
        """
        SELECT message_id, kind, class, booking_id, offer_id, version, rule, state, reason, due_at, next_at, expires_at,
               attempts, resent, ended_at, caused_at, cause_id
        FROM messages
        WHERE ($1::text IS NULL OR state = $1) AND ($2::uuid IS NULL OR booking_id = $2)
          AND ($3::timestamptz IS NULL OR (due_at, message_id) < ($3, $4::uuid))
        ORDER BY due_at DESC, message_id DESC
        LIMIT $5
        """,
        state,
        booking_id,
        after[0] if after else None,
        after[1] if after else None,
        limit,
    )
    return [_listed(row) for row in rows]


async def read_message(conn: ReadConn, message_id: UUID) -> Listed | None:
    """One message, or None."""
    row = await conn.fetchrow(
        """
        SELECT message_id, kind, class, booking_id, offer_id, version, rule, state, reason, due_at, next_at, expires_at,
               attempts, resent, ended_at, caused_at, cause_id
        FROM messages
        WHERE message_id = $1
        """,
        message_id,
    )
    return _listed(row) if row else None


def _listed(row: asyncpg.Record) -> Listed:
    return Listed(*row.values())


async def read_attempts(conn: ReadConn, message_id: UUID) -> list[Attempt]:
    """In their order; a claim that never reached the relay is not in it. Bounded: a message has a few attempts."""
    rows = await conn.fetch(
        """
        SELECT claim, at, effect, phase, code, reply, counted
        FROM attempts
        WHERE message_id = $1
        ORDER BY claim
        LIMIT 200
        """,
        message_id,
    )
    return [Attempt(*row.values()) for row in rows]


async def read_acts(conn: ReadConn, message_id: UUID) -> list[Act]:
    """In their order."""
    rows = await conn.fetch(
        """
        SELECT at, actor, act
        FROM acts
        WHERE message_id = $1
        ORDER BY at
        LIMIT 200
        """,
        message_id,
    )
    return [Act(*row.values()) for row in rows]


async def read_figures(conn: ReadConn, *, now: datetime) -> Figures:
    """Counted by the partial indexes, so that it may be asked every few seconds."""
    row = await conn.fetchrow(
        """
        SELECT (SELECT count(*) FROM messages WHERE state = 'uncertain') AS uncertain,
               (SELECT min(d.next_at)
                FROM (VALUES (1), (2), (3), (4), (5)) AS l (lane)
                CROSS JOIN LATERAL (SELECT m.next_at
                                    FROM messages AS m
                                    WHERE m.state = 'scheduled' AND m.lane = l.lane AND m.next_at <= $1
                                    ORDER BY m.next_at
                                    LIMIT 1) AS d) AS oldest
        """,
        now,
    )
    assert row is not None, "one row, whatever the tables hold"
    return Figures(row["uncertain"], (now - row["oldest"]).total_seconds() if row["oldest"] else 0.0)
