"""Who waits, whose time is past, which sessions lack their rooms, and series: what a decision looks for besides names."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from hubkit.db import ReadConn, Tx
from services.booking.domain.desk import Waiting
from services.booking.domain.requests import Series
from services.booking.limits import DUE_MAX, WAITING_READ_MAX
from services.booking.store.wishes import (
    dump_claimant,
    dump_results,
    dump_rule,
    load_claimant,
    load_results,
    load_rule,
)


async def read_waiting(conn: ReadConn | Tx, resource_ids: Collection[str]) -> list[Waiting]:
    """The entries that wait for one of these resources, in their order; at most `WAITING_READ_MAX`."""
    rows = await conn.fetch(
        """
        SELECT queue_no, booking_id, offer_id, person_id, start, "end", waits_for
        FROM bookings
        WHERE state = 'waitlisted' AND waits_for && $1::text[]
        ORDER BY queue_no
        LIMIT $2
        """,
        list(resource_ids),
        WAITING_READ_MAX,
    )
    return [Waiting(row[0], row[1], row[2], row[3], row[4], row[5], frozenset(row[6])) for row in rows]


async def draw_queue_numbers(tx: Tx, count: int) -> list[int]:
    """Ranks for those who may join, rising in decision order since the resources are locked."""
    rows = await tx.fetch("SELECT nextval('queue_numbers') FROM generate_series(1, $1)", count)
    return [row[0] for row in rows]


async def read_due(conn: ReadConn | Tx, now: datetime) -> list[UUID]:
    """The bookings whose time is past, oldest first, at most `DUE_MAX`."""
    rows = await conn.fetch(
        """
        SELECT booking_id
        FROM bookings
        WHERE next_due_at <= $1
        ORDER BY next_due_at, booking_id
        LIMIT $2
        """,
        now,
        DUE_MAX,
    )
    return [row[0] for row in rows]


async def read_due_on(conn: ReadConn | Tx, resource_ids: Collection[str], now: datetime) -> list[UUID]:
    """The same, of those that take or wait for one of these resources.

    From the deadlines' index: past ones are few, as the timer takes them away each second.
    """
    rows = await conn.fetch(
        """
        SELECT b.booking_id
        FROM (
            SELECT booking_id, state, waits_for
            FROM bookings
            WHERE next_due_at <= $2
            ORDER BY next_due_at
            LIMIT $3
        ) AS b
        WHERE (b.state = 'waitlisted' AND b.waits_for && $1::text[])
           OR EXISTS (
               SELECT FROM allocations AS a
               WHERE a.booking_id = b.booking_id AND a.resource_id = ANY ($1::text[]) AND (a.blocking OR a.competing)
           )
        """,
        list(resource_ids),
        now,
        DUE_MAX,
    )
    return [row[0] for row in rows]


async def read_unplaced(conn: ReadConn | Tx, resource_ids: Collection[str]) -> list[tuple[str, int, str]]:
    """(session, its revision, offer) of sessions that lack rooms of which one is named; in the order of their ids."""
    rows = await conn.fetch(
        """
        SELECT r.resource_id, r.revision, min(o.offer_id)
        FROM resources AS r
        JOIN offers AS o ON r.resource_id = ANY (o.resource_ids)
        WHERE r.unplaced AND r.occupies && $1::text[]
        GROUP BY r.resource_id, r.revision
        ORDER BY r.resource_id
        """,
        list(resource_ids),
    )
    return [(row[0], row[1], row[2]) for row in rows]


async def mark_placed(tx: Tx, resource_ids: Sequence[str], *, unplaced: bool) -> None:
    """Note of sessions whether their rooms are still to be had; their rows are locked."""
    await tx.execute(
        """
        UPDATE resources
        SET unplaced = $2
        WHERE resource_id = ANY ($1::text[])
        """,
        list(resource_ids),
        unplaced,
    )


async def read_series(conn: ReadConn | Tx, series_ids: Collection[UUID]) -> dict[UUID, Series]:
    """The series by id; unknown ones are left out."""
    rows = await conn.fetch(
        """
        SELECT series_id, offer_id, claimant, rule, mode, results
        FROM series
        WHERE series_id = ANY ($1::uuid[])
        """,
        list(series_ids),
    )
    return {
        row[0]: Series(row[0], row[1], load_claimant(row[2]), load_rule(row[3], row[4]), load_results(row[5])) for row in rows
    }


async def read_series_bookings(conn: ReadConn | Tx, series_ids: Collection[UUID]) -> list[UUID]:
    """The bookings of these series, added ones included."""
    rows = await conn.fetch(
        """
        SELECT booking_id
        FROM bookings
        WHERE series_id = ANY ($1::uuid[])
        ORDER BY series_id, occurrence_no
        """,
        list(series_ids),
    )
    return [row[0] for row in rows]


async def upsert_series(tx: Tx, series: Sequence[Series], now: datetime) -> None:
    """A series with what became of its occurrences; a series is changed under the locks of what its bookings hold."""
    await tx.executemany(
        """
        INSERT INTO series (series_id, offer_id, claimant, rule, mode, results, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (series_id) DO UPDATE
        SET results = excluded.results
        """,
        [
            (
                one.series_id, one.offer_id, dump_claimant(one.claimant), dump_rule(one.rule),
                "skip" if one.rule.skip else "all_or_nothing", dump_results(one.results), now,
            )
            for one in series
        ],
    )  # fmt: skip


TIMER_LEASE = 7_246_240  # advisory lock of one database, held by the transaction of a run


async def lease_timer(tx: Tx) -> bool:
    """Whether this transaction may pass time: one process at a time, until it ends."""
    return bool(await tx.fetchval("SELECT pg_try_advisory_xact_lock($1)", TIMER_LEASE))
