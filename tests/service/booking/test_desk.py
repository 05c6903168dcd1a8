"""What staff pages and reconcile ask by HTTP, with service token and actor."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from hubkit.http import Problem
from services.booking import http
from tests.service.booking.hub import Hub, at, booked, cancel, command, named, offer_id, one, published, room, wish

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


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
async def test_days_at_the_ends_of_the_calendar__are_refused(hub: Hub, web: httpx.AsyncClient, day: str) -> None:
    await hub.publish(published("hall", **one("unit", room())))
    for path in (f"/v1/day?date={day}", f"/v1/totals?date={day}", f"/v1/offers/{offer_id('hall')}/days?from={day}&to={day}"):
        answer = await web.get(path)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize(("headers", "status"), [({}, 401), ({"Authorization": f"Bearer {TOKEN}"}, 401)])
async def test_totals__only_with_token_and_actor(
    hub: Hub, web: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    web.headers.pop("Authorization")
    web.headers.pop("Hubnetz-Actor")
    assert (await web.get("/v1/totals", params={"date": "2027-03-02"}, headers=headers)).status_code == status


async def get(web: httpx.AsyncClient, path: str, **params: object) -> list[str]:
    """The bookings of a list, as "<state> <version>"."""
    answer = await web.get(path, params=params)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    return [booking["booking_id"] for booking in answer.json()["bookings"]]


async def test_lists__mine_the_day_affected_code_and_one(hub: Hub, web: httpx.AsyncClient) -> None:
    await hub.publish(published("hall", **one("unit", room())))
    [confirmed, *_] = await hub.ask(
        command(wish("hall", at(9)), "r1"),
        command(wish("hall", at(12), person="bob"), "r2"),
        command(wish("hall", at(9, day=1)), "r3"),
        command(cancel("hall", booked("r3")), "c3"),
    )
    first, second, third = (str(booked(name)) for name in ("r1", "r2", "r3"))
    assert await get(web, "/v1/bookings", person_id=named("ann")) == [third, first]
    assert await get(web, "/v1/day", date="2027-03-02") == [first, second]
    span = {"from": "2027-03-02T08:00:00Z", "to": "2027-03-02T10:30:00Z"}
    assert await get(web, "/v1/affected", resource_ids="room-1", **span) == [first]
    assert await get(web, "/v1/affected", offer_ids=offer_id("hall"), **span) == [first]
    assert await get(web, f"/v1/check-in/{confirmed.data['check_in_code']}") == [first]
    assert (await web.get(f"/v1/bookings/{booked('none')}")).status_code == 404
    shown = (await web.get(f"/v1/bookings/{first}")).json()
    assert (shown["state"], shown["claimant"]["person_id"], shown["version"]) == ("confirmed", str(named("ann")), 1)
    assert shown["placements"] == [{"component_id": "main", "resource_id": "room-1", "quantity": 1}]


async def test_lists__displaced_and_approvals_with_competitors(hub: Hub, web: httpx.AsyncClient) -> None:
    rules = one("unit", room())
    await hub.publish(published("hall", mode="request", approval={"blocks": False}, **rules))
    await hub.ask(command(wish("hall", at(9)), "r1"), command(wish("hall", at(9), person="bob"), "r2"))
    answer = (await web.get("/v1/approvals")).json()["bookings"]
    assert {b["booking_id"]: b["competitors"] for b in answer} == {
        str(booked("r1")): [str(booked("r2"))], str(booked("r2")): [str(booked("r1"))],
    }  # fmt: skip
    assert all(b["deadlines"].keys() == {"decide_by"} for b in answer)
    await hub.publish(published("hall", revision=2, status="cancelled", mode="request", approval={"blocks": False}, **rules))
    assert sorted(await get(web, "/v1/displaced")) == sorted([str(booked("r1")), str(booked("r2"))])


async def test_days__free_until_the_last_start_is_gone(hub: Hub, web: httpx.AsyncClient) -> None:
    hours = [{"weekday": day, "from": "09:00", "to": "11:00"} for day in (2, 3)]
    await hub.publish(published("hall", grid_minutes=60, hours=hours, **one("unit", room())))
    await hub.ask(command(wish("hall", at(8)), "r1"), command(wish("hall", at(9), person="bob"), "r2"))
    answer = await web.get(
        f"/v1/offers/{offer_id('hall')}/days", params={"from": "2027-03-01", "to": "2027-03-03", "duration": 60}
    )
    days = answer.json()["days"]
    assert [(d["date"], d["free"], d["count"]) for d in days] == [
        ("2027-03-01", False, 0), ("2027-03-02", False, 0), ("2027-03-03", True, 2),
    ]  # fmt: skip
    assert days[2]["first_start"] == "2027-03-03T08:00:00Z"
