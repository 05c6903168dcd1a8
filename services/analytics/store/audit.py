"""One day as facts and open days, and as its roll-ups are stored: for a check that trusts no SQL of `days`."""

import json
from datetime import date
from uuid import UUID

from hubkit.db import ReadConn
from services.analytics.domain.days import OfferDay, OpenDay, ResourceDay
from services.analytics.domain.facts import Fact, Refusal
from services.analytics.domain.words import Claimant, Kind, State
from services.analytics.store.calendars import spans_of


async def read_facts(conn: ReadConn, hub_id: str, day: date) -> dict[UUID, list[Fact]]:
    """All facts of each booking that has, or once had, a version on that day."""
    rows = await conn.fetch(
        """
        SELECT
            event_id, booking_id, version, state, occurred_at, occurred_day, offer_id, claimant, starts_at, ends_at,
            resource_ids, quantities, given_back_at, moved
        FROM events
        WHERE booking_id IN (
            SELECT booking_id
            FROM events
            WHERE hub_id = $1 AND booking_id IS NOT NULL
              AND (first_day = $2 OR (over_midnight AND first_day <= $2 AND last_day >= $2))
        )
        """,
        hub_id,
        day,
    )
    found: dict[UUID, list[Fact]] = {}
    for row in rows:
        fact = Fact(
            event_id=row["event_id"],
            booking_id=row["booking_id"],
            version=row["version"],
            state=State(row["state"]),
            occurred_at=row["occurred_at"],
            occurred_day=row["occurred_day"],
            offer_id=row["offer_id"],
            claimant=Claimant(row["claimant"]),
            start=row["starts_at"],
            end=row["ends_at"],
            placements=tuple(zip(row["resource_ids"], row["quantities"], strict=True)),
            given_back_at=row["given_back_at"],
            moved=row["moved"],
        )
        found.setdefault(fact.booking_id, []).append(fact)
    return found


async def read_refusals(conn: ReadConn, hub_id: str, day: date) -> list[Refusal]:
    """The requests of that day that led to nothing."""
    rows = await conn.fetch(
        """
        SELECT event_id, offer_id, reason, first_day
        FROM events
        WHERE hub_id = $1 AND first_day = $2 AND booking_id IS NULL
        """,
        hub_id,
        day,
    )
    return [Refusal(row["event_id"], row["offer_id"], row["reason"], row["first_day"]) for row in rows]


async def read_open_days(conn: ReadConn, hub_id: str, day: date) -> list[OpenDay]:
    """The calendar of that day."""
    rows = await conn.fetch(
        """
        SELECT resource_id, kind, units, open, house
        FROM open_days
        WHERE hub_id = $1 AND day = $2
        """,
        hub_id,
        day,
    )
    return [
        OpenDay(row["resource_id"], Kind(row["kind"]), row["units"], spans_of(row["open"]), spans_of(row["house"]))
        for row in rows
    ]


async def read_resource_days(conn: ReadConn, hub_id: str, day: date) -> dict[str, ResourceDay]:
    """Resources as their roll-ups of that day are stored."""
    rows = await conn.fetch(
        """
        SELECT resource_id, kind, bookable_s, booked_s, house_s, out_of_hours_s, held_s, states
        FROM day_resource
        WHERE hub_id = $1 AND day = $2
        """,
        hub_id,
        day,
    )
    return {
        row["resource_id"]: ResourceDay(
            resource_id=row["resource_id"],
            kind=None if row["kind"] is None else Kind(row["kind"]),
            bookable_s=row["bookable_s"],
            booked_s=row["booked_s"],
            house_s=row["house_s"],
            out_of_hours_s=row["out_of_hours_s"],
            held_s=row["held_s"],
            states=json.loads(row["states"]),
        )
        for row in rows
    }


async def read_offer_days(conn: ReadConn, hub_id: str, day: date) -> dict[str, OfferDay]:
    """Offers as their roll-ups of that day are stored."""
    rows = await conn.fetch(
        """
        SELECT
            offer_id, made, cancelled, lead_same_day, lead_1_7, lead_8_30, lead_over_30, leads, leads_after_move, states,
            refused
        FROM day_offer
        WHERE hub_id = $1 AND day = $2
        """,
        hub_id,
        day,
    )
    return {
        row["offer_id"]: OfferDay(
            offer_id=row["offer_id"],
            made=row["made"],
            cancelled=row["cancelled"],
            lead_same_day=row["lead_same_day"],
            lead_1_7=row["lead_1_7"],
            lead_8_30=row["lead_8_30"],
            lead_over_30=row["lead_over_30"],
            leads=tuple(row["leads"]),
            leads_after_move=tuple(row["leads_after_move"]),
            states=json.loads(row["states"]),
            refused=json.loads(row["refused"]),
        )
        for row in rows
    }


async def is_marked(conn: ReadConn, hub_id: str, day: date) -> bool:
    """Whether the day is still to be computed: then it may differ."""
    return bool(await conn.fetchval("SELECT EXISTS (SELECT FROM dirty_days WHERE hub_id = $1 AND day = $2)", hub_id, day))
