"""Open days, as `calendar` derived them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime

import asyncpg

from hubkit.db import ReadConn, Tx
from services.analytics.domain.days import OpenDay
from services.analytics.domain.spans import Spans
from services.analytics.domain.words import Kind


async def read_first_bookings(conn: ReadConn | Tx, hub_id: str, resource_ids: Collection[str]) -> dict[str, date]:
    """Resource -> the first day on which it was ever booked; those never booked are left out."""
    rows = await conn.fetch(
        """
        SELECT resource_id, first_booked
        FROM resource_calendars
        WHERE hub_id = $1 AND resource_id = ANY ($2::text[]) AND first_booked IS NOT NULL
        """,
        hub_id,
        list(resource_ids),
    )
    return {row["resource_id"]: row["first_booked"] for row in rows}


async def read_open_days(
    conn: ReadConn | Tx, hub_id: str, resource_ids: Collection[str], first: date, last: date
) -> dict[tuple[str, date], OpenDay]:
    """What is stored of these resources from `first` to `last`."""
    rows = await conn.fetch(
        """
        SELECT resource_id, day, kind, units, open, house
        FROM open_days
        WHERE hub_id = $1 AND resource_id = ANY ($2::text[]) AND day BETWEEN $3 AND $4
        """,
        hub_id,
        list(resource_ids),
        first,
        last,
    )
    return {
        (row["resource_id"], row["day"]): OpenDay(
            row["resource_id"], Kind(row["kind"]), row["units"], spans_of(row["open"]), spans_of(row["house"])
        )
        for row in rows
    }


async def replace_open_days(
    tx: Tx, hub_id: str, gone: Sequence[tuple[str, date]], changed: Mapping[tuple[str, date], OpenDay]
) -> None:
    """Take days away and put others in their place; the resources' locks are held."""
    both = [*gone, *changed]
    await tx.execute(
        """
        DELETE FROM open_days AS o
        USING unnest($2::text[], $3::date[]) AS d (resource_id, day)
        WHERE o.hub_id = $1 AND o.resource_id = d.resource_id AND o.day = d.day
        """,
        hub_id,
        [resource_id for resource_id, _ in both],
        [day for _, day in both],
    )
    await tx.copy_records_to_table(
        "open_days",
        columns=("hub_id", "day", "resource_id", "kind", "units", "open", "house"),
        records=[
            (hub_id, day, resource_id, open_day.kind.value, open_day.units, _ranges(open_day.open), _ranges(open_day.house))
            for (resource_id, day), open_day in changed.items()
        ],
    )


async def note_derived(tx: Tx, hub_id: str, resource_ids: Collection[str], until: date) -> None:
    """Until when the open days of these resources are derived."""
    await tx.execute(
        """
        INSERT INTO resource_calendars AS c (hub_id, resource_id, derived_until)
        SELECT $1, resource_id, $3
        FROM unnest($2::text[]) AS resource_id
        ORDER BY resource_id
        ON CONFLICT (hub_id, resource_id) DO UPDATE
        SET derived_until = excluded.derived_until
        """,
        hub_id,
        list(resource_ids),
        until,
    )


def _ranges(spans: Spans) -> list[asyncpg.Range[datetime]]:
    return [asyncpg.Range(start, end) for start, end in spans]


def spans_of(ranges: Sequence[asyncpg.Range[datetime]]) -> Spans:
    """A multirange as it is read."""
    return tuple((_bound(each.lower), _bound(each.upper)) for each in ranges)


def _bound(value: object) -> datetime:
    assert isinstance(value, datetime), "open days are bounded"
    return value
