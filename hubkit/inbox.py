"""The SQL of the way in: stored offsets, known event ids, dead letters. All of it runs in the batch's own transaction."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from contracts.envelope import Event
from hubkit.db import ReadConn, Tx

State = Literal["kept", "replayed", "dropped"]


async def ensure_offsets(tx: Tx, consumer: str, topic: str, positions: Mapping[int, int], topic_id: str | None) -> None:
    """Give partitions that have no row one at the position named; rows that exist stay as they are."""
    await tx.execute(
        """
        INSERT INTO stored_offsets (consumer, topic, partition, topic_id, next_offset)
        SELECT $1, $2, partition, $5, next_offset
        FROM unnest($3::integer[], $4::bigint[]) AS p (partition, next_offset)
        ON CONFLICT (consumer, topic, partition) DO NOTHING
        """,
        consumer,
        topic,
        list(positions),
        list(positions.values()),
        topic_id,
    )


async def read_offsets(conn: ReadConn | Tx, consumer: str, topic: str) -> dict[int, tuple[int, str | None]]:
    """Partition -> (next offset, topic id) of every partition ever read; nothing is locked."""
    rows = await conn.fetch(
        """
        SELECT partition, next_offset, topic_id
        FROM stored_offsets
        WHERE consumer = $1 AND topic = $2
        """,
        consumer,
        topic,
    )
    return {row["partition"]: (row["next_offset"], row["topic_id"]) for row in rows}


async def lock_offsets(tx: Tx, consumer: str, topic: str, partitions: Iterable[int]) -> dict[int, int]:
    """Lock the rows until `tx` ends, in order of partition: the fence against zombies and late owners.

    Partition -> next offset; a partition without a row is left out.
    """
    rows = await tx.fetch(
        """
        SELECT partition, next_offset
        FROM stored_offsets
        WHERE consumer = $1 AND topic = $2 AND partition = ANY ($3::integer[])
        ORDER BY partition
        FOR UPDATE
        """,
        consumer,
        topic,
        sorted(partitions),
    )
    return {row["partition"]: row["next_offset"] for row in rows}


async def advance_offsets(tx: Tx, consumer: str, topic: str, next_offsets: Mapping[int, int]) -> None:
    """Store where to go on; the rows are locked by `lock_offsets`."""
    await tx.execute(
        """
        UPDATE stored_offsets AS s
        SET next_offset = p.next_offset, stored_at = clock_timestamp()
        FROM unnest($3::integer[], $4::bigint[]) AS p (partition, next_offset)
        WHERE s.consumer = $1 AND s.topic = $2 AND s.partition = p.partition
        """,
        consumer,
        topic,
        list(next_offsets),
        list(next_offsets.values()),
    )


async def set_offsets(tx: Tx, consumer: str, topic: str, positions: Mapping[int, int], topic_id: str | None) -> None:
    """Put the position where an operator wants it (`hubnetz rewind`), and note the topic as it is now."""
    await tx.execute(
        """
        INSERT INTO stored_offsets (consumer, topic, partition, topic_id, next_offset)
        SELECT $1, $2, partition, $5, next_offset
        FROM unnest($3::integer[], $4::bigint[]) AS p (partition, next_offset)
        ON CONFLICT (consumer, topic, partition)
        DO UPDATE SET next_offset = excluded.next_offset, topic_id = excluded.topic_id, stored_at = clock_timestamp()
        """,
        consumer,
        topic,
        list(positions),
        list(positions.values()),
        topic_id,
    )


def content_hash(event: Event) -> bytes:
    """SHA-256 of `ce_type` and value: what tells a repeat from another event under the same id."""
    digest = hashlib.sha256(event.type.encode())
    digest.update(event.value or b"")
    return digest.digest()


async def remember(tx: Tx, consumer: str, events: Sequence[Event]) -> tuple[list[int], list[int]]:
    """Note the events' ids as known; positions in `events` of (new ones, ids known with other content).

    Positions in neither list are repeats. Copies inside the batch are told apart the same way.
    """
    keys = [(event.source, event.id) for event in events]
    digests = [content_hash(event) for event in events]
    first: dict[tuple[str, UUID], int] = {}
    for position, key in enumerate(keys):
        first.setdefault(key, position)
    content = {key: digests[position] for key, position in first.items()}
    inserted = await tx.fetch(
        """
        INSERT INTO inbox (consumer, source, event_id, content_hash)
        SELECT $1, source, event_id, content_hash
        FROM unnest($2::text[], $3::uuid[], $4::bytea[]) AS e (source, event_id, content_hash)
        ON CONFLICT (consumer, source, event_id) DO NOTHING
        RETURNING source, event_id
        """,
        consumer,
        [source for source, _ in first],
        [event_id for _, event_id in first],
        list(content.values()),
    )
    new = {(row["source"], row["event_id"]) for row in inserted}
    if len(new) < len(first):
        content |= await _known_content(tx, consumer, [key for key in first if key not in new])
    reused = [position for position, key in enumerate(keys) if content[key] != digests[position]]
    return [position for key, position in first.items() if key in new], reused


async def _known_content(tx: Tx, consumer: str, keys: Sequence[tuple[str, UUID]]) -> dict[tuple[str, UUID], bytes]:
    rows = await tx.fetch(
        """
        SELECT i.source, i.event_id, i.content_hash
        FROM unnest($2::text[], $3::uuid[]) AS e (source, event_id)
        JOIN inbox AS i ON i.consumer = $1 AND i.source = e.source AND i.event_id = e.event_id
        """,
        consumer,
        [source for source, _ in keys],
        [event_id for _, event_id in keys],
    )
    return {(row["source"], row["event_id"]): row["content_hash"] for row in rows}


async def forget(tx: Tx, consumer: str, events: Sequence[Event]) -> None:
    """Undo `remember` for events that were not applied after all."""
    await tx.execute(
        """
        DELETE FROM inbox AS i
        USING unnest($2::text[], $3::uuid[]) AS e (source, event_id)
        WHERE i.consumer = $1 AND i.source = e.source AND i.event_id = e.event_id
        """,
        consumer,
        [event.source for event in events],
        [event.id for event in events],
    )


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A raw record that was set aside, as it came; `payload` is None where it was null or stays in its topic alone."""

    dead_letter_id: UUID
    consumer: str
    topic: str
    partition: int
    record_offset: int
    key: bytes | None
    headers: bytes
    payload: bytes | None
    payload_sha256: bytes | None
    reason: str
    detail: str
    attempts: int
    state: State
    created_at: datetime


async def insert_dead_letters(tx: Tx, letters: Sequence[DeadLetter]) -> None:
    """One row per letter, state kept."""
    await tx.executemany(
        """
        INSERT INTO dead_letters (dead_letter_id, consumer, topic, partition, record_offset, key, headers, payload,
                                  payload_sha256, reason, detail, attempts, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        """,
        [
            (
                letter.dead_letter_id, letter.consumer, letter.topic, letter.partition, letter.record_offset, letter.key,
                letter.headers, letter.payload, letter.payload_sha256, letter.reason, letter.detail, letter.attempts,
                letter.created_at,
            )
            for letter in letters
        ],
    )  # fmt: skip


async def read_dead_letters(
    conn: ReadConn, *, state: State | None, reason: str | None, after: UUID | None, limit: int
) -> list[DeadLetter]:
    """Oldest first, behind the letter `after`; at most `limit`."""
    rows = await conn.fetch(
        """
        SELECT dead_letter_id, consumer, topic, partition, record_offset, key, headers, NULL::bytea AS payload,
               payload_sha256, reason, detail, attempts, state, created_at
        FROM dead_letters
        WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR reason = $2)
          AND ($3::uuid IS NULL OR (created_at, dead_letter_id)
               > (SELECT d.created_at, d.dead_letter_id FROM dead_letters AS d WHERE d.dead_letter_id = $3))
        ORDER BY created_at, dead_letter_id
        LIMIT $4
        """,
        state,
        reason,
        after,
        limit,
    )
    return [DeadLetter(**dict(row)) for row in rows]


async def read_dead_letter(conn: ReadConn, dead_letter_id: UUID) -> DeadLetter | None:
    """The whole letter, or None."""
    row = await conn.fetchrow(
        """
        SELECT dead_letter_id, consumer, topic, partition, record_offset, key, headers, payload, payload_sha256, reason,
               detail, attempts, state, created_at
        FROM dead_letters
        WHERE dead_letter_id = $1
        """,
        dead_letter_id,
    )
    return None if row is None else DeadLetter(**dict(row))


async def lock_dead_letter(tx: Tx, dead_letter_id: UUID) -> DeadLetter | None:
    """The letter, its row locked until `tx` ends; None if there is none."""
    row = await tx.fetchrow(
        """
        SELECT dead_letter_id, consumer, topic, partition, record_offset, key, headers, payload, payload_sha256, reason,
               detail, attempts, state, created_at
        FROM dead_letters
        WHERE dead_letter_id = $1
        FOR UPDATE
        """,
        dead_letter_id,
    )
    return None if row is None else DeadLetter(**dict(row))


async def end_dead_letter(tx: Tx, dead_letter_id: UUID, state: State, by: str) -> None:
    """Mark a locked letter as replayed or dropped, and by whom (`<role>/<staff id>`)."""
    await tx.execute(
        """
        UPDATE dead_letters
        SET state = $2, ended_at = clock_timestamp(), ended_by = $3
        WHERE dead_letter_id = $1
        """,
        dead_letter_id,
        state,
        by,
    )


SWEEPS = (
    # table, age column, days: dead letters 30; event ids longer than those and the replay of a restore; sent 8
    "DELETE FROM inbox WHERE received_at < clock_timestamp() - interval '45 days'",
    "DELETE FROM sent WHERE created_at < clock_timestamp() - interval '8 days'",
    "DELETE FROM dead_letters WHERE created_at < clock_timestamp() - interval '30 days'",
)


async def sweep(tx: Tx) -> None:
    """Delete what is older than it is kept; called hourly, so each call finds an hour's worth."""
    for statement in SWEEPS:
        await tx.execute(statement)
