"""Questions by HTTP: outcomes, what is free, why not. Never whose a span is."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from contracts.booking import payload_hash
from hubkit.health import Health
from hubkit.http import create_app
from services.booking import http
from tests.service.booking.hub import Hub, at, booked, command, named, offer_id, one, published, room, wish

WEEK = [{"weekday": day, "from": "09:00", "to": "12:00"} for day in range(1, 8)]
SESSION = {
    "resource_id": "course", "kind": "session", "revision": 1, "capacity": 3,
    "start": "2027-03-10T17:00:00Z", "end": "2027-03-10T19:00:00Z",
}  # fmt: skip


@pytest.fixture
async def web(hub: Hub) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(
        service="booking",
        health=Health(),
        metrics=hub.house.metrics,
        pool=hub.pool,
        service_token=SecretStr("a token of sixteen bytes"),
        consumers=[],
    )
    app.include_router(http.routes(hub.house, hub.pool, SecretStr("a token of sixteen bytes")))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://booking") as client:
        yield client


def z(hours: float, *, day: int = 0) -> str:
    return f"{at(hours, day=day):%Y-%m-%dT%H:%M:%SZ}"


async def get(web: httpx.AsyncClient, path: str, status: int = 200, /, **query: Any) -> dict[str, Any]:
    if "since" in query:
        query["from"] = query.pop("since")
    answer = await web.get(path, params=query)
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_request__its_outcome_once_it_is_decided(hub: Hub, web: httpx.AsyncClient) -> None:
    missing = await web.get(f"/v1/requests/{named('r1')}")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_decided_yet")
    assert missing.headers["content-type"] == "application/problem+json"
    assert missing.headers["retry-after"] == "1"
    await hub.publish(published("hall", **one("unit", room())))
    first, second = command(wish("hall", at(9)), "r1"), command(wish("hall", at(9), person="bob"), "r2")
    answers = await hub.ask(first, second)
    for event, answer in zip((first, second), answers, strict=True):
        body = await get(web, f"/v1/requests/{event.id}")
        assert event.data is not None
        assert body == {
            "request_id": str(event.id), "payload_hash": payload_hash("RequestBooking", event.data),  # type: ignore[arg-type]
            "type": f"de.hubnetz.booking.{answer.type}.v1", "time": "2027-03-01T09:00:00Z", "data": answer.data,
        }  # fmt: skip


async def test_request__no_uuid__invalid(web: httpx.AsyncClient) -> None:
    assert (await get(web, "/v1/requests/17", 422))["code"] == "invalid_request"


async def test_free__starts_and_spans(hub: Hub, web: httpx.AsyncClient) -> None:
    await hub.publish(published("hall", **one("unit", room("a"), room("b", teardown_minutes=30)), hours=WEEK, grid_minutes=60))
    path = f"/v1/offers/{offer_id('hall')}/free"
    await hub.ask(command(wish("hall", at(9)), "r1"), command(wish("hall", at(9)), "r2"))
    body = await get(web, path, since=z(0), to=z(24), duration=60)
    assert body["starts"] == [z(8), z(10)]
    assert [(span["resource_id"], span["start"], span["end"]) for span in body["spans"]] == [
        ("a", z(8), z(9)), ("a", z(10), z(11)), ("b", z(8), z(8.5)), ("b", z(10.5), z(11)),
    ]  # fmt: skip
    assert (body["as_of"], body["sessions"], body["more"]) == ("2027-03-01T09:00:00Z", [], False)
    assert str(named("ann")) not in str(body)
    mine = await get(web, path, since=z(0), to=z(24), duration=60, ignore=str(booked("r1")))
    assert mine["starts"] == [z(8), z(9), z(10)]


async def test_free__sessions(hub: Hub, web: httpx.AsyncClient) -> None:
    await hub.publish(published("course", **one("session", SESSION), max_quantity=3))
    await hub.ask(command(wish("course", None, quantity=2), "r1"))
    path = f"/v1/offers/{offer_id('course')}/free"
    body = await get(web, path, since=z(0), to=z(0, day=30))
    [session] = body["sessions"]
    assert (session["resource_id"], session["free"], session["bookable"]) == ("course", 1, True)
    body = await get(web, path, since=z(0), to=z(0, day=30), quantity=2)
    assert [session["bookable"] for session in body["sessions"]] == [False]
    mine = await get(web, path, since=z(0), to=z(0, day=30), quantity=3, ignore=str(booked("r1")))
    assert [(session["free"], session["bookable"]) for session in mine["sessions"]] == [(3, True)]


async def test_free__of_an_offer_that_is_not_booked_here__nothing(hub: Hub, web: httpx.AsyncClient) -> None:
    await hub.publish(published("info", mode="none"))
    body = await get(web, f"/v1/offers/{offer_id('info')}/free", since=z(0), to=z(1))
    assert (body["starts"], body["spans"], body["sessions"]) == ([], [], [])


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"from": z(0), "to": z(0)}, "/query/to"),
        ({"from": z(0), "to": z(0, day=93)}, "/query/to"),
        ({"from": "2027-03-02T00:00:00", "to": z(1)}, "/query/from"),
        ({"from": z(0), "to": "soon"}, "/query/to"),
        ({"from": "9999-12-31T00:00:00Z", "to": "9999-12-31T10:00:00Z"}, "/query/from"),
        ({"from": z(0), "to": z(1), "quantity": 0}, "/query/quantity"),
        ({"from": z(0), "to": z(1), "duration": 0}, "/query/duration"),
        ({"from": z(0), "to": z(1), "needs": "Not a code"}, "/query/needs/0"),
        ({"from": z(0), "to": z(1), "choice": "main"}, "/query/choice/0"),
        ({"to": z(1)}, "/query/from"),
    ],
)
async def test_free__bad_questions(hub: Hub, web: httpx.AsyncClient, query: dict[str, Any], pointer: str) -> None:
    body = await get(web, f"/v1/offers/{offer_id('hall')}/free", 422, **query)
    assert body["code"] == "invalid_request"
    assert pointer in [error["pointer"] for error in body["errors"]]


@pytest.mark.parametrize("question", ["free", "check"])
async def test_unknown_offer(web: httpx.AsyncClient, question: str) -> None:
    query: dict[str, Any] = {"from": z(0), "to": z(1)} if question == "free" else {"start": z(0), "end": z(1)}
    assert (await get(web, f"/v1/offers/nothing/{question}", 404, **query))["code"] == "unknown_offer"


async def test_check__with_what_or_why_not(hub: Hub, web: httpx.AsyncClient) -> None:
    limit = [{"key": "k", "per": "person", "unit": "bookings", "window": "day", "max": 1}]
    rules: dict[str, Any] = {"hours": WEEK, "grid_minutes": 30, "permitted_groups": ["club"], "limits": limit}
    await hub.publish(published("hall", **one("unit", room(features=["step_free"])), **rules))
    await hub.ask(command(wish("hall", at(9), actor={"role": "citizen", "id": str(named("ann")), "groups": ["club"]}), "r1"))
    path = f"/v1/offers/{offer_id('hall')}/check"
    body = await get(web, path, start=z(10), end=z(11), needs="step_free")
    assert (body["ok"], body["start"], body["placements"]) == (
        True, z(10), [{"component_id": "main", "resource_id": "room-1", "quantity": 1}],
    )  # fmt: skip
    body = await get(web, path, start=z(9), duration=60)
    assert (body["ok"], body["reasons"], body["next_start"]) == (False, [{"code": "conflict", "component_id": "main"}], z(10))
    body = await get(web, path, start=z(9.25), end=z(13), group="choir", needs="piano", offer_revision=9)
    assert [reason["code"] for reason in body["reasons"]] == [
        "revision_outdated", "not_permitted", "off_grid", "outside_opening_hours", "needs_unmet", "conflict",
    ]  # fmt: skip
    body = await get(web, path, start=z(10), end=z(11), person_id=str(named("ann")))
    assert [reason["code"] for reason in body["reasons"]] == ["person_limit"]
    body = await get(web, path, start=z(9), end=z(10), person_id=str(named("ann")), ignore=str(booked("r1")))
    assert body["ok"]
    body = await get(web, path)
    assert (body["reasons"][0]["code"], body["detail"]) == ("invalid_request", ["/start", "/end"])
    body = await get(web, path, start="2027-03-28T02:30:00", duration=30)
    assert [reason["code"] for reason in body["reasons"]] == ["nonexistent_local_time"]


async def test_check__of_a_session_to_be_named(hub: Hub, web: httpx.AsyncClient) -> None:
    second = SESSION | {"resource_id": "second"}
    await hub.publish(published("course", **one("session", SESSION, second, choose="named")))
    path = f"/v1/offers/{offer_id('course')}/check"
    assert (await get(web, path, choice="main=second"))["placements"][0]["resource_id"] == "second"
    assert (await get(web, path))["detail"] == ["/choices/main"]
    assert (await get(web, path, choice="main=third"))["reasons"][0]["code"] == "unknown_offer"


async def test_check__agrees_with_the_decision_that_follows(hub: Hub, web: httpx.AsyncClient) -> None:
    await hub.publish(published("hall", **one("unit", room(setup_minutes=15)), hours=WEEK, grid_minutes=15))
    path = f"/v1/offers/{offer_id('hall')}/check"
    for number in range(16):
        start = at(7.5 + number / 4)
        body = await get(web, path, start=f"{start:%Y-%m-%dT%H:%M:%SZ}", duration=30)
        [answer] = await hub.ask(command(wish("hall", start, start + timedelta(minutes=30), person=f"p{number}"), f"r{number}"))
        assert body["ok"] is (answer.type == "BookingConfirmed")
        assert body["reasons"] == answer.data.get("reasons", [])
        assert body.get("next_start") == answer.data.get("next_start")


async def test_changed_by_another_process__the_answer_follows(hub: Hub, web: httpx.AsyncClient) -> None:
    await hub.publish(published("hall", **one("unit", room())))
    path = f"/v1/offers/{offer_id('hall')}/check"
    assert (await get(web, path, start=z(9), end=z(10)))["ok"]
    other = await Hub.open(hub.dsn)
    other._offsets = dict(hub._offsets)
    repair = {"blackout_id": "x", "start": at(8), "end": at(20), "cause": "repair"}
    await other.publish(published("hall", revision=2, **one("unit", room(revision=2, blackouts=[repair]))))
    await other.close()
    assert (await get(web, path, start=z(9), end=z(10)))["reasons"][0]["code"] == "blackout"
