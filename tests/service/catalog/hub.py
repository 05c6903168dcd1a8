"""The catalogue as it runs, without a broker: asked by HTTP, its messages read from the outbox."""

import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import httpx
from pydantic import SecretStr

from contracts import topics
from contracts.catalog import OfferPublished, OfferWithdrawn
from contracts.envelope import Event, decode
from hubkit import db
from hubkit.clock import FixedClock
from hubkit.health import Health
from hubkit.http import create_app
from hubkit.outbox import unpack_headers
from hubkit.telemetry import Metrics
from services.catalog import http
from services.catalog.domain.entities import ACCESSIBILITY_KEYS
from services.catalog.handlers.house import House

HUB = "nord"
TOKEN = "token-of-the-tests-only"  # noqa: S105
NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)  # a Monday, 10:00 in Berlin
TODAY = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)  # when the seed is imported
IDS = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
SEED = Path(__file__).parents[3] / "deploy" / "hubs" / "grossroehrsdorf.yaml"

Body = dict[str, Any]


def offer_id(name: str = "raum") -> str:
    """An offer of this hub."""
    return f"urn:hub:{HUB}:offer:{uuid5(IDS, name)}"


def makerspace_calendar() -> bytes:
    """A real makerspace's calendar that nobody here wrote, from the wheel of `recurring-ical-events`."""
    files = importlib.metadata.files("recurring-ical-events") or []
    found = next(each for each in files if each.name == "fablab_cottbus.ics")
    return Path(str(found.locate())).read_bytes()


PLACE: Body = {
    "kind": "site",
    "name": {"de": "Haus"},
    "hours": [{"weekday": 1, "from": "08:00", "to": "18:00"}],
    "accessibility": {**dict.fromkeys(ACCESSIBILITY_KEYS, "unknown"), "step_free": "yes"},
}
ROOM: Body = {"kind": "unit", "place_id": "haus", "name": {"de": "Raum"}, "capacity": 8}
CONTACT: Body = {"name": {"de": "Empfang"}}
OFFER: Body = {
    "kind": "room",
    "time_zone": "Europe/Berlin",
    "title": {"de": "Ein Raum", "en": "A room"},
    "description": {"de": "Groß und hell."},
    "place_ids": ["haus"],
    "contact_id": "empfang",
    "is_free": True,
    "visitor_notes": {"de": "Schlüssel am Empfang"},
    "online_url": "https://treffen.example/raum",
    "booking": {
        "mode": "instant",
        "components": [{"component_id": "raum", "kind": "unit", "resource_ids": ["raum"]}],
        "grid_minutes": 15,
    },
}
COURSE: Body = {
    **OFFER,
    "kind": "course",
    "title": {"de": "Ein Kurs"},
    "booking": {"mode": "instant", "components": [{"component_id": "platz", "kind": "session"}]},
}
TUESDAYS: Body = {
    "local_start": "2027-03-02T18:00:00",
    "duration_minutes": 90,
    "time_zone": "Europe/Berlin",
    "rrule": "FREQ=WEEKLY;BYDAY=TU",
    "capacity": 10,
}


@dataclass(slots=True)
class Hub:
    """One catalogue on its own database; `clock` stands where a test puts it."""

    pool: db.Pool
    house: House
    clock: FixedClock
    client: httpx.AsyncClient
    _read: int = 0

    @classmethod
    async def open(cls, dsn: str, *, hub_id: str = HUB, now: datetime = NOW) -> "Hub":
        """Connect; close with `close`."""
        pool = await db.open_pool(dsn, name="catalog")
        metrics, clock = Metrics(), FixedClock(now)
        house = House(hub_id, "Hub Nord", ZoneInfo("Europe/Berlin"), clock, metrics)
        token = SecretStr(TOKEN)
        app = create_app(service="catalog", health=Health(), metrics=metrics, pool=pool, service_token=token, consumers=[])
        app.include_router(http.routes(house, pool, token))
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://catalog")
        return cls(pool, house, clock, client)

    async def close(self) -> None:
        """Give the connections back."""
        await self.client.aclose()
        await self.pool.close()

    async def call(
        self, method: str, path: str, body: Body | None = None, *, role: str = "manager", **headers: str
    ) -> httpx.Response:
        """A call with the service token as `role`; header names with `_` for `-`."""
        sent = {"Authorization": f"Bearer {TOKEN}", "Hubnetz-Actor": f"{role}/7"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.request(method, path, json=body, headers=sent)

    async def create(self, path: str, body: Body) -> None:
        """Create what must be there for a test."""
        answer = await self.call("PUT", path, body, If_None_Match="*")
        assert answer.status_code in (200, 201), answer.text

    async def furnish(self) -> None:
        """A house with a room and a reception."""
        await self.create("/v1/places/haus", PLACE)
        await self.create("/v1/resources/raum", ROOM)
        await self.create("/v1/contacts/empfang", CONTACT)

    async def step(self, step: str, name: str = "raum", *, version: int = 1, role: str = "manager") -> httpx.Response:
        """Take a step of the life cycle."""
        return await self.call("POST", f"/v1/offers/{offer_id(name)}/{step}", If_Match=f'"{version}"', role=role)

    async def published(self, name: str = "raum", body: Body = OFFER) -> OfferPublished:
        """A published offer, and what was said of it."""
        await self.create(f"/v1/offers/{offer_id(name)}", body)
        if body is COURSE:
            await self.create(f"/v1/offers/{offer_id(name)}/schedules/{name}", TUESDAYS)
        answer = await self.step("publish", name)
        assert answer.status_code == 200, answer.text
        (event,) = await self.messages()
        assert isinstance(event.data, OfferPublished)
        return event.data

    async def messages(self) -> list[Event]:
        """What was put into the outbox since the last call, in order, read as every reader would."""
        async with db.reading(self.pool) as conn:
            rows = await conn.fetch("SELECT id, topic, key, headers, payload FROM outbox WHERE id > $1 ORDER BY id", self._read)
        self._read = rows[-1]["id"] if rows else self._read
        assert {row["topic"] for row in rows} <= {topics.CATALOG_OFFERS.name}
        return [
            decode(topics.CATALOG_OFFERS, key=row["key"], headers=unpack_headers(row["headers"]), value=row["payload"])
            for row in rows
        ]

    async def states(self) -> list[OfferPublished]:
        """Likewise, only the published states."""
        return [each.data for each in await self.messages() if isinstance(each.data, OfferPublished)]

    async def withdrawals(self) -> list[OfferWithdrawn]:
        """Likewise, only the withdrawals."""
        return [each.data for each in await self.messages() if isinstance(each.data, OfferWithdrawn)]

    async def rows(self, query: str, *arguments: object) -> list[Mapping[str, Any]]:
        """A look into the tables."""
        async with db.reading(self.pool) as conn:
            return [dict(row) for row in await conn.fetch(query, *arguments)]


def problem(answer: httpx.Response) -> tuple[int, str, list[tuple[str, str]]]:
    """Status, code and errors of a refusal."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = json.loads(answer.content)
    return answer.status_code, body["code"], [(each["pointer"], each["code"]) for each in body.get("errors", ())]
