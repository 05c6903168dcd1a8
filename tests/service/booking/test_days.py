"""A month of days is read in columns, a decision row by row: by HTTP both say the same of every start."""

from collections.abc import AsyncIterator
from random import Random
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from hubkit.health import Health
from hubkit.http import create_app
from services.booking import http
from tests.service.booking.hub import Hub, at, booked, cancel, command, offer_id, published, room, wish

TOKEN = SecretStr("a token of sixteen bytes")
WEEK = [{"weekday": day, "from": "08:00", "to": "14:00"} for day in range(1, 8)]
BUFFERS = {"setup_minutes": 15, "teardown_minutes": 15}
FIRST, DAYS = "2027-03-02", 3


def _desks(capacity: int) -> dict[str, Any]:
    return {"resource_id": "desks", "kind": "pool", "revision": 1, "capacity": capacity, **BUFFERS}


def _part(name: str, kind: str, *resources: dict[str, Any]) -> dict[str, Any]:
    return {"component_id": name, "kind": kind, "resource_ids": [one["resource_id"] for one in resources]}


def _rules(kind: str) -> dict[str, Any]:
    rooms, desks = [room("a", **BUFFERS), room("b")], _desks(3)
    advisers = [room("x") | {"kind": "adviser"}, room("y", **BUFFERS) | {"kind": "adviser"}]
    components, resources = {
        "rooms": ([_part("main", "unit", *rooms)], rooms),
        "desks": ([_part("main", "pool", desks)], [desks]),
        "advisers": ([_part("main", "adviser", *advisers)], advisers),
        "bundle": ([_part("main", "unit", *rooms), _part("more", "pool", desks)], [*rooms, desks]),
    }[kind]
    return {"components": components, "resources": resources}


@pytest.fixture
async def web(hub: Hub) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(
        service="booking", health=Health(), metrics=hub.house.metrics, pool=hub.pool, service_token=TOKEN, consumers=[]
    )  # fmt: skip
    app.include_router(http.routes(hub.house, hub.pool, TOKEN))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://booking") as client:
        yield client


async def _fill(hub: Hub, seed: int) -> None:
    """Half of the slots are wished for, and a third of what was had is given back, to be kept for a while."""
    random = Random(seed)
    slots = [(day, half) for day in range(DAYS) for half in range(12)]
    wishes = [
        command(wish("hall", at(7 + half / 2, day=day), at(7.5 + half / 2, day=day), person=f"p{n}"), f"r{n}")
        for n, (day, half) in enumerate(slots * 2)
        if random.random() < 0.6
    ]
    given_back = random.sample(range(len(slots) * 2), len(slots) * 2 // 3)
    await hub.ask(*wishes, *(command(cancel("hall", booked(f"r{n}"), person=f"p{n}"), f"c{n}") for n in given_back))


@pytest.mark.parametrize("resale", [0, 120])
@pytest.mark.parametrize("kind", ["rooms", "desks", "advisers", "bundle"])
async def test_days_of_any_kind__count_the_starts_that_check_would_grant(
    hub: Hub, web: httpx.AsyncClient, kind: str, resale: int
) -> None:  # fmt: skip
    limit = {"key": "k", "per": "person", "unit": "bookings", "window": "day", "max": 1}
    rules: dict[str, Any] = {
        "hours": WEEK,
        "grid_minutes": 30,
        "max_quantity": 2,
        "resale_delay_minutes": resale,
        "limits": [limit],
    }
    await hub.publish(published("hall", **rules, **_rules(kind)))
    await _fill(hub, seed=len(kind) + resale)
    path = f"/v1/offers/{offer_id('hall')}"
    somebody, somebody_s = (await hub.fetch("SELECT booking_id, person_id FROM bookings WHERE state = 'confirmed' LIMIT 1"))[0]
    assert await hub.fetch("SELECT FROM allocations WHERE resale_after IS NOT NULL LIMIT 1") or not resale
    said = set()
    for asked in ({}, {"quantity": 2}, {"person_id": somebody_s}, {"ignore": somebody, "person_id": somebody_s}):
        query = {key: str(value) for key, value in {"duration": 30, **asked}.items()}
        answer = (await web.get(f"{path}/days", params=query | {"from": FIRST, "to": "2027-03-04"})).json()
        for n, day in enumerate(answer["days"]):
            starts = [at(7 + half / 2, day=n) for half in range(12)]
            granted = [start for start in starts if await _granted(web, path, query, f"{start:%Y-%m-%dT%H:%M:%SZ}")]
            assert (day["count"], day["free"]) == (len(granted), bool(granted))
            assert day.get("first_start") == (f"{granted[0]:%Y-%m-%dT%H:%M:%SZ}" if granted else None)
            said.add(len(granted))
    assert len(said) > 2, "the calendars are neither empty nor full"


async def _granted(web: httpx.AsyncClient, path: str, query: dict[str, str], start: str) -> bool:
    answer = (await web.get(f"{path}/check", params=query | {"start": start})).json()
    return bool(answer["ok"])


async def test_days_on_a_fine_grid__beyond_the_bound_of_free_s_list(hub: Hub, web: httpx.AsyncClient) -> None:
    rules = _rules("rooms")
    await hub.publish(published("hall", grid_minutes=5, **rules))
    query = {"from": "2027-03-02", "to": "2027-05-20", "duration": "5"}
    days = (await web.get(f"/v1/offers/{offer_id('hall')}/days", params=query)).json()["days"]
    assert len(days) == 80
    assert {day["count"] for day in days} == {288, 276}  # the clocks change on the 28th of March
    assert all(day["free"] for day in days)
