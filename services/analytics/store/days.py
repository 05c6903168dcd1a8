"""Roll-ups of whole local days from `events` and `open_days`: the definitions of `domain.days`, set-based.

Whole days and never deltas: cancellations, moves, late check-ins and closures do not add up. Three steps, each a statement, as
one of them alone is planned without knowing how many rows the step before has: bookings are folded, then counted by resource,
then by offer. The names are found by the search path, so a rebuild computes the same into its shadow.
"""

from collections.abc import Sequence
from datetime import date
from typing import Final

from hubkit.db import Tx
from services.analytics.domain.spans import Span
from services.analytics.limits import RECOMPUTE_SECONDS_MAX, SPAN_DAYS_MAX


async def delete_days(tx: Tx, hub_id: str, days: Sequence[date]) -> None:
    """Take the roll-ups of these days away; their locks are held."""
    for statement in (_DELETE_RESOURCES, _DELETE_OFFERS):
        await tx.execute(statement, hub_id, days)


async def insert_days(tx: Tx, hub_id: str, days: Sequence[date], spans: Sequence[Span]) -> None:
    """Compute the roll-ups of these days, which were deleted; `spans` are the days as instants, in the same order."""
    begins, ends = [begin for begin, _ in spans], [end for _, end in spans]
    await tx.execute(_MAKE_FOLDED)
    await tx.execute(_EMPTY_FOLDED)
    await tx.execute(_FOLD, hub_id, days, SPAN_DAYS_MAX, timeout=RECOMPUTE_SECONDS_MAX)
    await tx.execute(_INSERT_RESOURCES, hub_id, days, begins, ends, timeout=RECOMPUTE_SECONDS_MAX)
    await tx.execute(_INSERT_OFFERS, hub_id, days, timeout=RECOMPUTE_SECONDS_MAX)


async def raise_watermark(tx: Tx, hub_id: str, by: int) -> None:
    """Say that roll-ups changed. Last in the transaction: its row is the one that all workers of a hub wait for."""
    await tx.execute(
        """
        INSERT INTO watermarks AS w (hub_id, value, raised_at)
        VALUES ($1, $2, clock_timestamp())
        ON CONFLICT (hub_id) DO UPDATE
        SET value = w.value + excluded.value, raised_at = excluded.raised_at
        """,
        hub_id,
        by,
    )


_DELETE_RESOURCES: Final = "DELETE FROM day_resource WHERE hub_id = $1 AND day = ANY ($2::date[])"
_DELETE_OFFERS: Final = "DELETE FROM day_offer WHERE hub_id = $1 AND day = ANY ($2::date[])"

# Made once per connection, empty after each commit; before it there may be another hub's bookings.
_MAKE_FOLDED: Final = """
CREATE TEMPORARY TABLE IF NOT EXISTS folded (
    starts_at timestamptz NOT NULL, until timestamptz NOT NULL, first_confirmed_at timestamptz, last_moved_at timestamptz,
    first_day date NOT NULL, last_day date NOT NULL, first_confirmed_day date, state text NOT NULL, claimant text NOT NULL,
    offer_id text NOT NULL, resource_ids text[] NOT NULL, quantities integer[] NOT NULL
) ON COMMIT DELETE ROWS
"""
_EMPTY_FOLDED: Final = "DELETE FROM folded"

# One row per booking that has, or once had, a version on these days: the state of its highest version, held until its end or
# until it was given back.
_FOLD: Final = """
WITH touched AS (
    SELECT booking_id
    FROM events
    WHERE hub_id = $1 AND first_day = ANY ($2::date[]) AND booking_id IS NOT NULL
    UNION
    SELECT e.booking_id
    FROM unnest($2::date[]) AS w (day)
    JOIN events AS e ON e.hub_id = $1 AND e.over_midnight AND e.last_day BETWEEN w.day AND w.day + $3::integer
        AND e.first_day < w.day
    WHERE e.booking_id IS NOT NULL
), known AS (
    SELECT
        e.hub_id, e.offer_id, e.state, e.claimant, e.starts_at, e.ends_at, e.given_back_at, e.first_day, e.last_day,
        e.resource_ids, e.quantities,
        row_number() OVER whole AS place,
        min(e.occurred_at) FILTER (WHERE e.state = 'confirmed') OVER whole AS first_confirmed_at,
        min(e.occurred_day) FILTER (WHERE e.state = 'confirmed') OVER whole AS first_confirmed_day,
        max(e.occurred_at) FILTER (WHERE e.moved) OVER whole AS last_moved_at
    FROM touched AS t
    JOIN events AS e ON e.booking_id = t.booking_id
    WINDOW whole AS (PARTITION BY e.booking_id ORDER BY e.version DESC, e.event_id
                     ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
)
INSERT INTO folded (
    starts_at, until, first_confirmed_at, last_moved_at, first_day, last_day, first_confirmed_day, state, claimant, offer_id,
    resource_ids, quantities
)
SELECT
    starts_at,
    CASE WHEN given_back_at IS NULL THEN ends_at ELSE least(ends_at, greatest(starts_at, given_back_at)) END,
    first_confirmed_at, last_moved_at, first_day, last_day, first_confirmed_day, state, claimant, offer_id, resource_ids,
    quantities
FROM known
WHERE place = 1 AND hub_id = $1
"""

_INSERT_RESOURCES: Final = """
WITH calendar AS MATERIALIZED (
    SELECT
        o.day, o.resource_id, o.kind, o.units, o.open, o.house, o.kind IN ('unit', 'adviser') AS exclusive
    FROM open_days AS o
    WHERE o.hub_id = $1 AND o.day = ANY ($2::date[])
), spread AS (
    SELECT first_day AS day, state, claimant, starts_at, until, resource_ids, quantities
    FROM folded
    WHERE last_day = first_day
    UNION ALL
    SELECT first_day + n, state, claimant, starts_at, until, resource_ids, quantities
    FROM folded, generate_series(0, last_day - first_day) AS n
    WHERE last_day > first_day
), held AS (
    -- one row per booking, day and resource that it takes; unnesting in the list takes a third of what a function in FROM does
    SELECT
        s.day, unnest(s.resource_ids) AS resource_id, unnest(s.quantities) AS quantity, s.claimant = 'house' AS for_house,
        tstzrange(greatest(s.starts_at, w.begins), least(s.until, w.ends)) AS span,
        date_part('epoch', least(s.until, w.ends) - greatest(s.starts_at, w.begins)) AS held_s
    FROM unnest($2::date[], $3::timestamptz[], $4::timestamptz[]) AS w (day, begins, ends)
    JOIN spread AS s ON s.day = w.day AND s.until > w.begins
    WHERE s.state IN ('confirmed', 'checked_in', 'completed', 'no_show') AND s.until > s.starts_at
), measured AS (
    SELECT
        h.day, h.resource_id, h.quantity, h.for_house, h.span, c.exclusive, h.held_s,
        CASE
            WHEN c.open IS NULL THEN 0
            WHEN c.open @> h.span THEN h.held_s
            ELSE (SELECT coalesce(sum(date_part('epoch', upper(r) - lower(r))), 0)
                  FROM unnest(c.open * tstzmultirange(h.span)) AS r)
        END AS inside_s
    FROM held AS h
    LEFT JOIN calendar AS c ON c.day = h.day AND c.resource_id = h.resource_id
    OFFSET 0 -- or each of the sums below would measure every booking again
), taken AS (
    SELECT
        day, resource_id,
        sum(held_s * quantity) AS held_s,
        sum(inside_s * quantity) AS inside_s,
        sum(inside_s * quantity) FILTER (WHERE for_house) AS house_s,
        sum((held_s - inside_s) * quantity) AS outside_s,
        sum(held_s - inside_s) AS outside_once_s,
        range_agg(span) FILTER (WHERE exclusive) AS spans,
        range_agg(span) FILTER (WHERE exclusive AND for_house) AS house_spans
    FROM measured
    GROUP BY day, resource_id
), starting AS (
    SELECT day, resource_id, jsonb_object_agg(state, bookings) AS states
    FROM (
        SELECT day, resource_id, state, count(*) AS bookings
        FROM (
            SELECT first_day AS day, unnest(resource_ids) AS resource_id, state
            FROM folded
            WHERE first_day = ANY ($2::date[])
        ) AS each
        GROUP BY day, resource_id, state
    ) AS counted
    GROUP BY day, resource_id
)
INSERT INTO day_resource (hub_id, day, resource_id, kind, bookable_s, booked_s, house_s, out_of_hours_s, held_s, states)
SELECT
    $1, day, resource_id, c.kind,
    coalesce(c.units * (SELECT sum(date_part('epoch', upper(r) - lower(r))) FROM unnest(c.open) AS r), 0),
    CASE
        WHEN c.exclusive THEN (
            SELECT coalesce(sum(date_part('epoch', upper(r) - lower(r))), 0)
            FROM unnest((coalesce(t.spans, '{}') + c.house) * c.open) AS r
        )
        ELSE coalesce(t.inside_s, 0)
    END,
    CASE
        WHEN c.exclusive THEN (
            SELECT coalesce(sum(date_part('epoch', upper(r) - lower(r))), 0)
            FROM unnest((coalesce(t.house_spans, '{}') + c.house) * c.open) AS r
        )
        ELSE coalesce(t.house_s, 0)
    END,
    CASE
        WHEN c.exclusive THEN coalesce(t.outside_once_s, 0) + (
            SELECT coalesce(sum(date_part('epoch', upper(r) - lower(r))), 0)
            FROM unnest(c.house - c.open) AS r
        )
        ELSE coalesce(t.outside_s, 0)
    END,
    coalesce(t.held_s, 0),
    coalesce(s.states, '{}')
FROM calendar AS c
FULL JOIN taken AS t USING (day, resource_id)
FULL JOIN starting AS s USING (day, resource_id)
"""

_INSERT_OFFERS: Final = """
WITH starting AS (
    SELECT
        first_day AS day, offer_id, state, first_confirmed_at IS NOT NULL AS made,
        greatest(0, first_day - first_confirmed_day) AS days_ahead,
        greatest(0, floor(date_part('epoch', starts_at - first_confirmed_at)))::integer AS lead_s,
        greatest(0, floor(date_part('epoch', starts_at - greatest(first_confirmed_at, last_moved_at))))::integer AS moved_s
    FROM folded
    WHERE first_day = ANY ($2::date[]) AND claimant <> 'house'
), by_state AS (
    SELECT
        day, offer_id, state,
        count(*) AS bookings,
        count(*) FILTER (WHERE made) AS made,
        count(*) FILTER (WHERE made AND state = 'cancelled') AS cancelled,
        count(*) FILTER (WHERE made AND days_ahead = 0) AS lead_same_day,
        count(*) FILTER (WHERE made AND days_ahead BETWEEN 1 AND 7) AS lead_1_7,
        count(*) FILTER (WHERE made AND days_ahead BETWEEN 8 AND 30) AS lead_8_30,
        count(*) FILTER (WHERE made AND days_ahead > 30) AS lead_over_30
    FROM starting
    GROUP BY day, offer_id, state
), counted AS (
    SELECT
        day, offer_id, sum(made) AS made, sum(cancelled) AS cancelled, sum(lead_same_day) AS lead_same_day,
        sum(lead_1_7) AS lead_1_7, sum(lead_8_30) AS lead_8_30, sum(lead_over_30) AS lead_over_30,
        jsonb_object_agg(state, bookings) AS states
    FROM by_state
    GROUP BY day, offer_id
), leads AS (
    SELECT
        day, offer_id, array_agg(lead_s ORDER BY lead_s) AS leads, array_agg(moved_s ORDER BY moved_s) AS leads_after_move
    FROM starting
    WHERE made
    GROUP BY day, offer_id
), refusals AS (
    SELECT day, offer_id, jsonb_object_agg(reason, requests) AS refused
    FROM (
        SELECT first_day AS day, offer_id, reason, count(*) AS requests
        FROM events
        WHERE hub_id = $1 AND first_day = ANY ($2::date[]) AND booking_id IS NULL
        GROUP BY first_day, offer_id, reason
    ) AS each
    GROUP BY day, offer_id
)
INSERT INTO day_offer (
    hub_id, day, offer_id, made, cancelled, lead_same_day, lead_1_7, lead_8_30, lead_over_30, leads, leads_after_move, states,
    refused
)
SELECT
    $1, day, offer_id, coalesce(c.made, 0), coalesce(c.cancelled, 0), coalesce(c.lead_same_day, 0), coalesce(c.lead_1_7, 0),
    coalesce(c.lead_8_30, 0), coalesce(c.lead_over_30, 0), coalesce(l.leads, '{}'), coalesce(l.leads_after_move, '{}'),
    coalesce(c.states, '{}'), coalesce(r.refused, '{}')
FROM counted AS c
FULL JOIN leads AS l USING (day, offer_id)
FULL JOIN refusals AS r USING (day, offer_id)
"""
