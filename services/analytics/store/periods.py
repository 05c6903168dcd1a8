"""What days cannot add up to: medians and quantiles of whole periods, from the values that the days keep."""

from datetime import date

from hubkit.db import Tx
from services.analytics.domain.periods import Period
from services.analytics.limits import RECOMPUTE_SECONDS_MAX


async def replace_figures(tx: Tx, hub_id: str, period: Period, first: date, end: date) -> None:
    """Compute one period anew, `[first, end)`, for each offer and for all of them; its lock is held."""
    await tx.execute(
        "DELETE FROM period_figures WHERE hub_id = $1 AND period = $2 AND first_day = $3", hub_id, period.value, first
    )
    await tx.execute(
        """
        WITH leads AS (
            SELECT d.offer_id, lead.first_s, lead.moved_s
            FROM day_offer AS d, unnest(d.leads, d.leads_after_move) AS lead (first_s, moved_s)
            WHERE d.hub_id = $1 AND d.day >= $3 AND d.day < $4
        ), grouped AS (
            SELECT
                coalesce(offer_id, '') AS offer_id, count(*) AS number,
                percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY first_s) AS first,
                percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY moved_s) AS moved
            FROM leads
            GROUP BY GROUPING SETS ((offer_id), ())
        )
        INSERT INTO period_figures (hub_id, period, first_day, measure, offer_id, value, number)
        SELECT $1, $2, $3, m.measure, g.offer_id, m.value, g.number
        FROM grouped AS g, LATERAL (VALUES
            ('lead_median', g.first[1]), ('lead_p90', g.first[2]),
            ('lead_after_move_median', g.moved[1]), ('lead_after_move_p90', g.moved[2])
        ) AS m (measure, value)
        WHERE g.number > 0
        """,
        hub_id,
        period.value,
        first,
        end,
        timeout=RECOMPUTE_SECONDS_MAX,
    )
