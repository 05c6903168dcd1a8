"""Questions to other services by HTTP: the totals that figures are held against. Never asked inside a transaction."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
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


class Asked:
    """A service that answers /v1/totals; ask it inside `asking`."""

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        self._client = client
        self._url = url

    async def read_totals(self, day: date) -> Totals:
        """`GET /v1/totals?date` of booking or of this service (booking.md §12); zeros are left out.

        Errors: OSError if there is no answer, or one that cannot be read.
        """
        try:
            response = await self._client.get("/v1/totals", params={"date": day.isoformat()})
            response.raise_for_status()
            answer = _Answer.model_validate_json(response.content)
        except (httpx.HTTPError, ValidationError) as exc:
            raise ConnectionError(f"no totals from {self._url}: {type(exc).__name__}") from exc
        return _found(answer)


@asynccontextmanager
async def asking(url: str, token: str) -> AsyncIterator[Asked]:
    """A service and the token that it wants, for as many questions as there are: a client is dearer than an answer."""
    headers = {"Authorization": f"Bearer {token}", "Hubnetz-Actor": "operator/reconcile"}
    async with httpx.AsyncClient(base_url=url.rstrip("/"), headers=headers, timeout=ANSWER_SECONDS_MAX) as client:
        yield Asked(client, url)


def _found(answer: _Answer) -> Totals:
    found: dict[str, dict[str, int]] = {}
    for each in answer.resources:
        numbers = {**each.bookings, "booked_seconds": each.booked_seconds}
        found[each.resource_id] = {name: number for name, number in numbers.items() if number}
    return found
