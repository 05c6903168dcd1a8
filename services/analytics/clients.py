"""Questions to other services by HTTP: the totals that figures are held against. Never asked inside a transaction."""

from collections.abc import Mapping
from datetime import date

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.analytics.limits import ANSWER_SECONDS_MAX, TOTALS_MAX

Totals = Mapping[str, Mapping[str, int]]
"""Resource -> number by state, and `booked_seconds`."""


class _Total(BaseModel):
    model_config = ConfigDict(extra="ignore")

    resource_id: str = Field(max_length=200)
    bookings: dict[str, int] = Field(default_factory=dict, max_length=50)
    booked_seconds: int = Field(default=0, ge=0, le=2**63 - 1)


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")

    resources: list[_Total] = Field(max_length=TOTALS_MAX)


async def read_totals(url: str, token: str, day: date) -> Totals:
    """`GET /v1/totals?date` of booking or of this service (booking.md §12); zeros are left out.

    Errors: OSError if there is no answer, or one that cannot be read.
    """
    headers = {"Authorization": f"Bearer {token}", "Hubnetz-Actor": "operator/reconcile"}
    try:
        async with httpx.AsyncClient(timeout=ANSWER_SECONDS_MAX) as client:
            response = await client.get(f"{url.rstrip('/')}/v1/totals", params={"date": day.isoformat()}, headers=headers)
            response.raise_for_status()
            answer = _Answer.model_validate_json(response.content)
    except (httpx.HTTPError, ValidationError) as exc:
        raise ConnectionError(f"no totals from {url}: {type(exc).__name__}") from exc
    found: dict[str, dict[str, int]] = {}
    for each in answer.resources:
        numbers = {**each.bookings, "booked_seconds": each.booked_seconds}
        found[each.resource_id] = {name: number for name, number in numbers.items() if number}
    return found
