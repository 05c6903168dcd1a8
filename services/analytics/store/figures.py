"""Sums for answers, from roll-ups only: one row per period and group, in their order. `limit` rows at most.

Periods are told by the first day of each; `group_by` names a dimension of the registry, an empty text means one group.
"""

from dataclasses import dataclass
from datetime import date

from hubkit.db import ReadConn
from services.analytics.domain.periods import Period


@dataclass(frozen=True, slots=True)
class Row:
    """The sums of one group in one period."""

    first_day: date
    key: str
    sums: dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Window:
    """Which hub, and which days, `[first, end)`, by which period."""

    hub_id: str
    period: Period
    first: date
    end: date


async def read_resources(conn: ReadConn, window: Window, group_by: str, limit: int) -> list[Row]:
    """Lengths in seconds, by nothing, `resource` or `kind`."""
    rows = await conn.fetch(
        """
        SELECT
            date_trunc($2, day::timestamp)::date AS first_day,
            CASE $5 WHEN 'resource' THEN resource_id WHEN 'kind' THEN coalesce(kind, '') ELSE '' END AS key,
            sum(bookable_s)::bigint AS bookable_s, sum(booked_s)::bigint AS booked_s, sum(house_s)::bigint AS house_s,
            sum(out_of_hours_s)::bigint AS out_of_hours_s
        FROM day_resource
        WHERE hub_id = $1 AND day >= $3 AND day < $4
        GROUP BY 1, 2
        ORDER BY 1, 2
        LIMIT $6
        """,
        window.hub_id, window.period.value, window.first, window.end, group_by, limit,
    )  # fmt: skip
    names = ("bookable_s", "booked_s", "house_s", "out_of_hours_s")
    return [Row(row["first_day"], row["key"], {name: row[name] for name in names}) for row in rows]


async def read_offers(conn: ReadConn, window: Window, group_by: str, limit: int) -> list[Row]:
    """Counts of bookings made, by nothing or `offer`."""
    rows = await conn.fetch(
        """
        SELECT
            date_trunc($2, day::timestamp)::date AS first_day,
            CASE $5 WHEN 'offer' THEN offer_id ELSE '' END AS key,
            sum(made) AS made, sum(cancelled) AS cancelled, sum(lead_same_day) AS lead_same_day, sum(lead_1_7) AS lead_1_7,
            sum(lead_8_30) AS lead_8_30, sum(lead_over_30) AS lead_over_30
        FROM day_offer
        WHERE hub_id = $1 AND day >= $3 AND day < $4
        GROUP BY 1, 2
        ORDER BY 1, 2
        LIMIT $6
        """,
        window.hub_id, window.period.value, window.first, window.end, group_by, limit,
    )  # fmt: skip
    names = ("made", "cancelled", "lead_same_day", "lead_1_7", "lead_8_30", "lead_over_30")
    return [Row(row["first_day"], row["key"], {name: row[name] for name in names}) for row in rows]


async def read_states(conn: ReadConn, window: Window, group_by: str, limit: int) -> list[Row]:
    """Bookings, by nothing, `state` or `offer`."""
    rows = await conn.fetch(
        """
        SELECT
            date_trunc($2, day::timestamp)::date AS first_day,
            CASE $5 WHEN 'state' THEN s.state WHEN 'offer' THEN offer_id ELSE '' END AS key,
            sum(s.number::integer) AS number
        FROM day_offer, jsonb_each_text(states) AS s (state, number)
        WHERE hub_id = $1 AND day >= $3 AND day < $4
        GROUP BY 1, 2
        ORDER BY 1, 2
        LIMIT $6
        """,
        window.hub_id, window.period.value, window.first, window.end, group_by, limit,
    )  # fmt: skip
    return [Row(row["first_day"], row["key"], {"bookings": row["number"]}) for row in rows]


async def read_refusals(conn: ReadConn, window: Window, group_by: str, limit: int) -> list[Row]:
    """Refused requests, by nothing, `reason` or `offer`."""
    rows = await conn.fetch(
        """
        SELECT
            date_trunc($2, day::timestamp)::date AS first_day,
            CASE $5 WHEN 'reason' THEN r.reason WHEN 'offer' THEN offer_id ELSE '' END AS key,
            sum(r.number::integer) AS number
        FROM day_offer, jsonb_each_text(refused) AS r (reason, number)
        WHERE hub_id = $1 AND day >= $3 AND day < $4
        GROUP BY 1, 2
        ORDER BY 1, 2
        LIMIT $6
        """,
        window.hub_id, window.period.value, window.first, window.end, group_by, limit,
    )  # fmt: skip
    return [Row(row["first_day"], row["key"], {"refused": row["number"]}) for row in rows]


async def read_leads(conn: ReadConn, window: Window, group_by: str, limit: int) -> list[Row]:
    """Medians and quantiles in seconds, by nothing or `offer`; of days from their values, of longer periods as computed."""
    fetch = _DAY_LEADS if window.period is Period.DAY else _PERIOD_LEADS
    rows = await conn.fetch(fetch, window.hub_id, window.period.value, window.first, window.end, group_by, limit)
    names = ("lead_median", "lead_p90", "lead_after_move_median", "lead_after_move_p90")
    return [Row(row["first_day"], row["key"], {name: row[name] for name in names}) for row in rows]


_DAY_LEADS = """
WITH leads AS (
    SELECT d.day, CASE $5 WHEN 'offer' THEN d.offer_id ELSE '' END AS key, lead.first_s, lead.moved_s
    FROM day_offer AS d, unnest(d.leads, d.leads_after_move) AS lead (first_s, moved_s)
    WHERE d.hub_id = $1 AND $2 = 'day' AND d.day >= $3 AND d.day < $4
), grouped AS (
    SELECT
        day, key,
        percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY first_s) AS first,
        percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY moved_s) AS moved
    FROM leads
    GROUP BY day, key
)
SELECT
    day AS first_day, key, first[1] AS lead_median, first[2] AS lead_p90, moved[1] AS lead_after_move_median,
    moved[2] AS lead_after_move_p90
FROM grouped
ORDER BY day, key
LIMIT $6
"""

_PERIOD_LEADS = """
SELECT
    first_day, offer_id AS key,
    max(value) FILTER (WHERE measure = 'lead_median') AS lead_median,
    max(value) FILTER (WHERE measure = 'lead_p90') AS lead_p90,
    max(value) FILTER (WHERE measure = 'lead_after_move_median') AS lead_after_move_median,
    max(value) FILTER (WHERE measure = 'lead_after_move_p90') AS lead_after_move_p90
FROM period_figures
WHERE hub_id = $1 AND period = $2 AND first_day >= $3 AND first_day < $4 AND (offer_id <> '') = ($5 = 'offer')
GROUP BY first_day, offer_id
ORDER BY first_day, offer_id
LIMIT $6
"""


@dataclass(frozen=True, slots=True)
class Total:
    """What one resource holds on one day: bookings by state that start then, and the seconds that they take, open or not."""

    resource_id: str
    bookings: str
    booked_seconds: int


async def read_totals(conn: ReadConn, hub_id: str, day: date) -> list[Total]:
    """Resources on which something was booked; `bookings` is JSON."""
    rows = await conn.fetch(
        """
        SELECT resource_id, states, held_s
        FROM day_resource
        WHERE hub_id = $1 AND day = $2 AND (states <> '{}' OR held_s > 0)
        ORDER BY resource_id
        """,
        hub_id,
        day,
    )
    return [Total(row["resource_id"], row["states"], row["held_s"]) for row in rows]
