"""What staff pages and reconcile ask by HTTP, with service token and actor."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from hubkit.http import Problem
from services.booking import http
from tests.service.booking.hub import Hub, at, booked, cancel, command, one, published, room, wish

TOKEN = "t" * 20
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Hubnetz-Actor": "operator/reconcile"}
POOL = {"resource_id": "desks", "kind": "pool", "revision": 1, "capacity": 3}


@pytest.fixture
async def web(hub: Hub) -> AsyncIterator[httpx.AsyncClient]:
    """The routes of booking on the hub's database."""
    app = FastAPI()
    app.add_exception_handler(Problem, lambda _, exc: exc.answer())
    app.include_router(http.routes(hub.house, hub.pool, SecretStr(TOKEN)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://booking", headers=HEADERS) as client:
        yield client


async def test_totals__bookings_by_state_and_seconds_cut_to_the_day(hub: Hub, web: httpx.AsyncClient) -> None:
    await hub.publish(published("hall", **one("unit", room(setup_minutes=30))))
    await hub.publish(published("desk", max_quantity=3, **one("pool", POOL)))
    await hub.ask(
        command(wish("hall", at(9)), "r1"),
        command(wish("hall", at(22), at(25), person="bob"), "r2"),
        command(wish("desk", at(9), person="cem", quantity=2), "r3"),
        command(wish("hall", at(12), person="dia"), "r4"),
        command(cancel("hall", booked("r4"), person="dia"), "c4"),
    )
    answer = (await web.get("/v1/totals", params={"date": "2027-03-02"})).json()
    assert answer["resources"] == [
        {"resource_id": "desks", "bookings": {"confirmed": 1}, "booked_seconds": 7200},
        {"resource_id": "room-1", "bookings": {"cancelled": 1, "confirmed": 2}, "booked_seconds": 3600 + 3600},
    ]  # r2 begins at 23:00 in Berlin: one hour of three lies in this day
    answer = (await web.get("/v1/totals", params={"date": "2027-03-03"})).json()
    assert answer["resources"] == [{"resource_id": "room-1", "bookings": {}, "booked_seconds": 7200}]


@pytest.mark.parametrize(("headers", "status"), [({}, 401), ({"Authorization": f"Bearer {TOKEN}"}, 401)])
async def test_totals__only_with_token_and_actor(
    hub: Hub, web: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    web.headers.pop("Authorization")
    web.headers.pop("Hubnetz-Actor")
    assert (await web.get("/v1/totals", params={"date": "2027-03-02"}, headers=headers)).status_code == status
