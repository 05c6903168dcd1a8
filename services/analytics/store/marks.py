"""Marks of what is to be computed anew. Marking only inserts; taking deletes what no other worker has in hand."""

from collections.abc import Collection, Iterable
from datetime import date
from typing import Final, Literal

from hubkit.db import Tx
from services.analytics.domain.periods import Period
from services.analytics.limits import RECOMPUTE_MEMORY, RECOMPUTE_SECONDS_MAX, RECOMPUTE_TRANSACTION_SECONDS_MAX

Lockable = Literal["day", "resource", "period"]
# Advisory locks of a transaction: one number space per kind of thing, the second number is a hash of its name.
_LOCKS: Final[dict[Lockable, int]] = {"day": 4_201, "resource": 4_202, "period": 4_203}
# Held shared by every recomputation, alone by a rebuild while it compares and swaps.
_SWAP_LOCK: Final = 42_037_251


async def hold_off_swap(tx: Tx) -> bool:
    """Keep the roll-ups from being swapped until `tx` ends; false while that is being done."""
    return bool(await tx.fetchval("SELECT pg_try_advisory_xact_lock_shared($1)", _SWAP_LOCK))


async def hold_off_recomputation(tx: Tx) -> None:
    """Wait for the recomputations in hand and keep further ones off until `tx` ends."""
    await tx.execute("SELECT pg_advisory_xact_lock($1)", _SWAP_LOCK)


async def settle(tx: Tx) -> None:
    """Settings of a transaction that computes much: memory, patience, plans for its own numbers, random reads from a cache."""
    await tx.execute(
        """
        SELECT
            set_config('work_mem', $1, true), set_config('statement_timeout', $2, true), set_config('lock_timeout', $2, true),
            set_config('plan_cache_mode', 'force_custom_plan', true), set_config('random_page_cost', '1.1', true),
            -- inside a transaction only a limit that was off before is set anew
            set_config('transaction_timeout', '0', true), set_config('transaction_timeout', $3, true)
        """,
        RECOMPUTE_MEMORY,
        f"{RECOMPUTE_SECONDS_MAX:.0f}s",
        f"{RECOMPUTE_TRANSACTION_SECONDS_MAX:.0f}s",
    )


async def read_in_bulk(tx: Tx) -> None:
    """For days that hold a large part of all facts: read the table from end to end, not row by row through an index.

    After `settle`. Half a year out of 1 M facts took 5.8 s to fold by the index (2026-11-25).
    """
    await tx.execute("SELECT set_config('random_page_cost', '4', true), set_config('enable_mergejoin', 'off', true)")


async def mark_days(tx: Tx, hub_id: str, days: Collection[date]) -> None:
    """The roll-ups of these days are to be computed anew."""
    await tx.execute(
        """
        INSERT INTO dirty_days (hub_id, day)
        SELECT $1, day
        FROM unnest($2::date[]) AS day
        """,
        hub_id,
        list(days),
    )


async def take_days(tx: Tx, marks_max: int) -> list[tuple[str, date]]:
    """Delete up to `marks_max` marks, and the others of their days, that nobody else has in hand; the days in order."""
    rows = await tx.fetch(
        """
        WITH picked AS (
            SELECT hub_id, day
            FROM dirty_days
            LIMIT $1
            FOR UPDATE SKIP LOCKED
        ), free AS (
            SELECT ctid
            FROM dirty_days
            WHERE (hub_id, day) IN (SELECT hub_id, day FROM picked)
            FOR UPDATE SKIP LOCKED
        ), gone AS (
            DELETE FROM dirty_days
            WHERE ctid IN (SELECT ctid FROM free)
            RETURNING hub_id, day
        )
        SELECT DISTINCT hub_id, day
        FROM gone
        ORDER BY hub_id, day
        """,
        marks_max,
    )
    return [(row["hub_id"], row["day"]) for row in rows]


async def lock(tx: Tx, kind: Lockable, names: Iterable[str]) -> None:
    """One worker at a time computes a thing: until `tx` ends, in an order that lets no two workers wait for each other.

    What is read by later statements is what the worker before has committed.
    """
    await tx.execute(
        """
        SELECT pg_advisory_xact_lock($1, number)
        FROM (
            SELECT DISTINCT hashtext(name) AS number
            FROM unnest($2::text[]) AS name
            ORDER BY number
        ) AS numbers
        """,
        _LOCKS[kind],
        list(names),
    )


async def mark_resources(tx: Tx, hub_id: str, resource_ids: Iterable[str]) -> None:
    """The open days of these resources are to be derived anew."""
    await tx.execute(
        """
        INSERT INTO dirty_resources (hub_id, resource_id)
        SELECT $1, resource_id
        FROM unnest($2::text[]) AS resource_id
        """,
        hub_id,
        list(resource_ids),
    )


async def take_resources(tx: Tx, marks_max: int) -> list[tuple[str, str]]:
    """As `take_days`, of resources."""
    rows = await tx.fetch(
        """
        WITH picked AS (
            SELECT hub_id, resource_id
            FROM dirty_resources
            LIMIT $1
            FOR UPDATE SKIP LOCKED
        ), free AS (
            SELECT ctid
            FROM dirty_resources
            WHERE (hub_id, resource_id) IN (SELECT hub_id, resource_id FROM picked)
            FOR UPDATE SKIP LOCKED
        ), gone AS (
            DELETE FROM dirty_resources
            WHERE ctid IN (SELECT ctid FROM free)
            RETURNING hub_id, resource_id
        )
        SELECT DISTINCT hub_id, resource_id
        FROM gone
        ORDER BY hub_id, resource_id
        """,
        marks_max,
    )
    return [(row["hub_id"], row["resource_id"]) for row in rows]


async def mark_short_calendars(tx: Tx, until: date) -> None:
    """Mark the resources whose open days end before `until`, so that the horizon moves along with the days."""
    await tx.execute(
        """
        INSERT INTO dirty_resources (hub_id, resource_id)
        SELECT hub_id, resource_id
        FROM resource_calendars
        WHERE derived_until < $1
        """,
        until,
    )


async def mark_periods(tx: Tx, hub_id: str, periods: Collection[tuple[Period, date]]) -> None:
    """The figures of these periods are to be computed anew."""
    await tx.execute(
        """
        INSERT INTO dirty_periods (hub_id, period, first_day)
        SELECT $1, period, first_day
        FROM unnest($2::text[], $3::date[]) AS p (period, first_day)
        """,
        hub_id,
        [period.value for period, _ in periods],
        [first for _, first in periods],
    )


async def take_periods(tx: Tx, marks_max: int) -> list[tuple[str, Period, date]]:
    """As `take_days`, of periods."""
    rows = await tx.fetch(
        """
        WITH picked AS (
            SELECT hub_id, period, first_day
            FROM dirty_periods
            LIMIT $1
            FOR UPDATE SKIP LOCKED
        ), free AS (
            SELECT ctid
            FROM dirty_periods
            WHERE (hub_id, period, first_day) IN (SELECT hub_id, period, first_day FROM picked)
            FOR UPDATE SKIP LOCKED
        ), gone AS (
            DELETE FROM dirty_periods
            WHERE ctid IN (SELECT ctid FROM free)
            RETURNING hub_id, period, first_day
        )
        SELECT DISTINCT hub_id, period, first_day
        FROM gone
        ORDER BY hub_id, period, first_day
        """,
        marks_max,
    )
    return [(row["hub_id"], Period(row["period"]), row["first_day"]) for row in rows]
