"""The rebuild's tables beside the live ones: the same names in another schema, found first by the search path."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from hubkit.db import ReadConn, Tx
from services.analytics.limits import DIFFERENCES_SHOWN_MAX, RECOMPUTE_SECONDS_MAX


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of one day that the rebuild computed otherwise; None where a side has no such row.

    `marked`: something is still to be computed there.
    """

    hub_id: str
    day: date
    table: str
    key: str
    figure: str
    live: str | None
    rebuilt: str | None
    marked: bool


async def make_schema(tx: Tx) -> None:
    """An empty shadow; one that a rebuild before left behind is dropped."""
    await tx.execute(
        """
        DROP SCHEMA IF EXISTS shadow CASCADE;
        CREATE SCHEMA shadow;
        CREATE TABLE shadow.open_days (LIKE public.open_days INCLUDING ALL);
        CREATE TABLE shadow.day_resource (LIKE public.day_resource INCLUDING ALL);
        CREATE TABLE shadow.day_offer (LIKE public.day_offer INCLUDING ALL);
        CREATE TABLE shadow.period_figures (LIKE public.period_figures INCLUDING ALL);
        -- what deriving and recomputing would write beside them, so that the live ones stay as they are
        CREATE TABLE shadow.dirty_days (LIKE public.dirty_days INCLUDING ALL);
        CREATE TABLE shadow.resource_calendars (LIKE public.resource_calendars INCLUDING ALL);
        INSERT INTO shadow.resource_calendars (hub_id, resource_id, first_booked)
        SELECT e.hub_id, resource_id, min(e.first_day)
        FROM (
            -- nearly all facts are of a few sets of resources, mostly of one
            SELECT hub_id, resource_ids, min(first_day) AS first_day
            FROM public.events
            GROUP BY hub_id, resource_ids
        ) AS e, unnest(e.resource_ids) AS resource_id
        GROUP BY e.hub_id, resource_id;
        """,
        timeout=RECOMPUTE_SECONDS_MAX,
    )


async def look_into_shadow(tx: Tx) -> None:
    """Until `tx` ends, the names of roll-ups mean the shadow's."""
    await tx.execute("SET LOCAL search_path = shadow, public")


async def analyze(tx: Tx) -> None:
    """Statistics of the open days just written; the recomputation is planned with them."""
    await tx.execute("ANALYZE shadow.open_days")


async def read_days(conn: ReadConn | Tx, since: date) -> list[tuple[str, date]]:
    """Every day from `since` on that has a roll-up now or will have one."""
    rows = await conn.fetch(
        """
        SELECT hub_id, day FROM shadow.open_days WHERE day >= $1
        UNION
        SELECT hub_id, day FROM public.day_resource WHERE day >= $1
        UNION
        SELECT hub_id, day FROM public.day_offer WHERE day >= $1
        UNION
        SELECT DISTINCT e.hub_id, e.first_day + n
        FROM (SELECT DISTINCT hub_id, first_day, last_day FROM public.events WHERE last_day >= $1) AS e,
            generate_series(0, e.last_day - e.first_day) AS n
        WHERE e.first_day + n >= $1
        ORDER BY hub_id, day
        """,
        since,
        timeout=RECOMPUTE_SECONDS_MAX,
    )
    return [(row["hub_id"], row["day"]) for row in rows]


async def read_differing_resources(conn: ReadConn | Tx, since: date) -> list[tuple[str, str]]:
    """The resources whose open days from `since` on differ: their calendar changed while the rebuild went on, or is wrong."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT hub_id, resource_id
        FROM (
            (SELECT * FROM public.open_days WHERE day >= $1 EXCEPT SELECT * FROM shadow.open_days)
            UNION ALL
            (SELECT * FROM shadow.open_days WHERE day >= $1 EXCEPT SELECT * FROM public.open_days)
        ) AS d
        ORDER BY hub_id, resource_id
        """,
        since,
        timeout=RECOMPUTE_SECONDS_MAX,
    )
    return [(row["hub_id"], row["resource_id"]) for row in rows]


async def copy_older(tx: Tx, since: date) -> None:
    """Bring along what is older than the facts that are kept: it cannot be computed any more."""
    await tx.execute("INSERT INTO shadow.open_days SELECT * FROM public.open_days WHERE day < $1", since)
    await tx.execute("INSERT INTO shadow.day_resource SELECT * FROM public.day_resource WHERE day < $1", since)
    await tx.execute("INSERT INTO shadow.day_offer SELECT * FROM public.day_offer WHERE day < $1", since)


async def read_differing_days(conn: ReadConn | Tx, since: date) -> list[tuple[str, date]]:
    """The days from `since` on whose checksums differ: SHA-256 over the day's rows as text, in order of their keys."""
    rows = await conn.fetch(_DIFFERING, since, timeout=RECOMPUTE_SECONDS_MAX)
    return [(row["hub_id"], row["day"]) for row in rows]


async def read_differences(conn: ReadConn | Tx, days: Sequence[tuple[str, date]]) -> list[Difference]:
    """Figure by figure, of these days; at most `DIFFERENCES_SHOWN_MAX` rows are looked at."""
    rows = await conn.fetch(
        _DIFFERENCES, [hub_id for hub_id, _ in days], [day for _, day in days], DIFFERENCES_SHOWN_MAX,
        timeout=RECOMPUTE_SECONDS_MAX,
    )  # fmt: skip
    found = []
    for row in rows:
        live = _fields(row["live"])
        rebuilt = _fields(row["rebuilt"])
        found += [
            Difference(
                row["hub_id"], row["day"], row["source"], row["key"], figure,
                None if live is None else str(live[figure]), None if rebuilt is None else str(rebuilt[figure]), row["marked"],
            )
            for figure in sorted((live or rebuilt or {}).keys() - {"hub_id", "day", "resource_id", "offer_id"})
            if live is None or rebuilt is None or live[figure] != rebuilt[figure]
        ]  # fmt: skip
    return found


def _fields(text: str | None) -> dict[str, Any] | None:
    return None if text is None else json.loads(text)


async def swap(tx: Tx) -> None:
    """The shadow's tables become the live ones; recomputations are held off, whoever reads waits for the commit."""
    await tx.execute(
        """
        DROP TABLE public.open_days, public.day_resource, public.day_offer, public.period_figures;
        ALTER TABLE shadow.open_days SET SCHEMA public;
        ALTER TABLE shadow.day_resource SET SCHEMA public;
        ALTER TABLE shadow.day_offer SET SCHEMA public;
        ALTER TABLE shadow.period_figures SET SCHEMA public;
        DROP SCHEMA shadow CASCADE;
        """
    )


async def drop_schema(tx: Tx) -> None:
    """Throw the shadow away."""
    await tx.execute("DROP SCHEMA IF EXISTS shadow CASCADE")


_DIFFERING: Final = """
WITH lines AS (
    SELECT 'live' AS side, hub_id, day, 1 AS source, resource_id AS key, o::text AS line
    FROM public.open_days AS o
    WHERE day >= $1
    UNION ALL
    SELECT 'live', hub_id, day, 2, resource_id, r::text
    FROM public.day_resource AS r
    WHERE day >= $1
    UNION ALL
    SELECT 'live', hub_id, day, 3, offer_id, o::text
    FROM public.day_offer AS o
    WHERE day >= $1
    UNION ALL
    SELECT 'rebuilt', hub_id, day, 1, resource_id, o::text
    FROM shadow.open_days AS o
    WHERE day >= $1
    UNION ALL
    SELECT 'rebuilt', hub_id, day, 2, resource_id, r::text
    FROM shadow.day_resource AS r
    WHERE day >= $1
    UNION ALL
    SELECT 'rebuilt', hub_id, day, 3, offer_id, o::text
    FROM shadow.day_offer AS o
    WHERE day >= $1
), checksums AS (
    SELECT side, hub_id, day, sha256(convert_to(string_agg(line, E'\n' ORDER BY source, key COLLATE "C"), 'UTF8')) AS checksum
    FROM lines
    GROUP BY side, hub_id, day
)
SELECT hub_id, day
FROM checksums
GROUP BY hub_id, day
HAVING count(*) < 2 OR min(checksum) <> max(checksum)
ORDER BY hub_id, day
"""

_DIFFERENCES: Final = """
WITH wanted AS MATERIALIZED (
    SELECT hub_id, day
    FROM unnest($1::text[], $2::date[]) AS d (hub_id, day)
), sides AS (
    SELECT 'open_days' AS source, hub_id, day, resource_id AS key, to_jsonb(o) AS live, NULL::jsonb AS rebuilt
    FROM public.open_days AS o
    JOIN wanted AS w USING (hub_id, day)
    UNION ALL
    SELECT 'open_days', hub_id, day, resource_id, NULL, to_jsonb(o)
    FROM shadow.open_days AS o
    JOIN wanted AS w USING (hub_id, day)
    UNION ALL
    SELECT 'day_resource', hub_id, day, resource_id, to_jsonb(r), NULL
    FROM public.day_resource AS r
    JOIN wanted AS w USING (hub_id, day)
    UNION ALL
    SELECT 'day_resource', hub_id, day, resource_id, NULL, to_jsonb(r)
    FROM shadow.day_resource AS r
    JOIN wanted AS w USING (hub_id, day)
    UNION ALL
    SELECT 'day_offer', hub_id, day, offer_id, to_jsonb(o), NULL
    FROM public.day_offer AS o
    JOIN wanted AS w USING (hub_id, day)
    UNION ALL
    SELECT 'day_offer', hub_id, day, offer_id, NULL, to_jsonb(o)
    FROM shadow.day_offer AS o
    JOIN wanted AS w USING (hub_id, day)
), pairs AS (
    SELECT source, hub_id, day, key, (array_agg(live) FILTER (WHERE live IS NOT NULL))[1] AS live,
        (array_agg(rebuilt) FILTER (WHERE rebuilt IS NOT NULL))[1] AS rebuilt
    FROM sides
    GROUP BY source, hub_id, day, key
)
SELECT
    p.source, p.hub_id, p.day, p.key, p.live::text AS live, p.rebuilt::text AS rebuilt,
    EXISTS (SELECT FROM public.dirty_days AS m WHERE m.hub_id = p.hub_id AND m.day = p.day)
        OR EXISTS (SELECT FROM public.dirty_resources AS m WHERE m.hub_id = p.hub_id AND m.resource_id = p.key) AS marked
FROM pairs AS p
WHERE p.live IS DISTINCT FROM p.rebuilt
ORDER BY p.hub_id, p.day, p.source, p.key
LIMIT $3
"""
