"""Questions with service token, for the portal's staff pages and for reconcile: whose a booking is is told here."""

from dataclasses import dataclass
from datetime import date as Date
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import SecretStr

from hubkit.db import Pool, reading
from hubkit.http import Problem, actor_with
from services.booking.domain.zones import DAY, midnight, zone
from services.booking.store import figures

ZoneName = Annotated[str, Query(max_length=60, description="IANA zone in which the date is meant")]


@dataclass(frozen=True, slots=True)
class ResourceTotal:
    """Bookings that start that day, by state, and the seconds booked in it, times quantity."""

    resource_id: str
    bookings: dict[str, int]
    booked_seconds: int


@dataclass(frozen=True, slots=True)
class TotalsAnswer:
    """Every resource on which something is or was booked."""

    date: Date
    resources: list[ResourceTotal]


def add_desk(router: APIRouter, pool: Pool, token: SecretStr) -> None:
    """Routes for those who have the service token and state who asks."""
    reader = Depends(actor_with(token))

    @router.get("/totals", dependencies=[reader])
    async def show_totals(date: Date, time_zone: ZoneName = "Europe/Berlin") -> TotalsAnswer:
        """What figures are held against: per resource the bookings by state and the booked seconds."""
        low, high = _day(date, time_zone)
        async with reading(pool) as conn:
            totals = await figures.read_totals(conn, low, high)
        return TotalsAnswer(date, [ResourceTotal(*total) for total in totals])


def _day(date: Date, time_zone: str) -> tuple[datetime, datetime]:
    try:
        where = zone(time_zone)
    except LookupError:
        raise Problem(422, "invalid_request", errors=[{"pointer": "/query/time_zone", "code": "value"}]) from None
    return midnight(date, where), midnight(date + DAY, where)
