"""Who may ask what, and what is answered."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from contracts.booking import Reason
from hubkit.health import Health
from hubkit.http import create_app
from services.analytics import http
from tests.service.analytics.hub import Desk
from tests.service.analytics.log import HUB, NOW, Claim, local, named, offer_id, published, rejected, room

TOKEN = "analytics-token-of-tests"  # noqa: S105
WEEK = {"period": "day", "from": "2027-05-03", "to": "2027-05-10"}


@pytest.fixture
async def client(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    """The service's HTTP, without a network."""
    app = create_app(
        service="analytics",
        health=Health(),
        metrics=desk.metrics,
        pool=desk.pool,
        service_token=SecretStr(TOKEN),
        consumers=list(desk.consumers.values()),
    )
    app.include_router(http.routes(HUB, desk.pool, SecretStr(TOKEN)))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://analytics", headers=acting("manager")) as client:
        yield client


def acting(role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKEN}", "Hubnetz-Actor": f"{role}/{role}-1"}


async def a_week(desk: Desk) -> None:
    """Two rooms; on Monday two hours booked of twenty, one booking cancelled, one request refused."""
    await desk.publish(published("rooms", room(), room("room-2")))
    one = Claim("b1", local("2027-05-03", "09:00"), local("2027-05-03", "11:00")).confirmed()
    two = Claim("b2", local("2027-05-03", "12:00"), local("2027-05-03", "13:00")).confirmed().cancelled()
    await desk.book(*one.events, *two.events, rejected("r1", Reason.CONFLICT, local("2027-05-03", "08:00")))
    await desk.settle()


async def figures(client: httpx.AsyncClient, kpi: str, **more: Any) -> list[dict[str, Any]]:
    answer = await client.get("/v1/figures", params={"kpi": kpi, **WEEK, **more})
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["rows"]
    return rows


ROUTES = {
    "/v1/kpis": {"manager", "operator"},
    "/v1/figures?kpi=made&period=day&from=2027-05-03&to=2027-05-04": {"manager", "operator"},
    "/v1/totals?date=2027-05-03": {"manager", "operator"},
    "/v1/quarantine": {"operator"},
    "/v1/dead-letters": {"operator"},
}


ROLES = ("citizen", "kiosk", "editor", "desk", "manager", "operator", "staff")


async def test_access__roles_by_routes(client: httpx.AsyncClient) -> None:
    """One table: who is let in where; nobody without the token or without a role."""
    for route, allowed in ROUTES.items():
        answers = {role: (await client.get(route, headers=acting(role))).status_code for role in ROLES}
        assert answers == {role: 200 if role in allowed else 403 for role in ROLES}, route
        for headers in ({"Authorization": "Bearer wrong"}, {"Authorization": ""}, {"Hubnetz-Actor": ""}):
            assert (await client.get(route, headers=headers)).status_code == 401, route


async def test_kpis__definitions_in_both_languages(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/v1/kpis")).json()
    by_id = {each["kpi"]: each for each in answer["kpis"]}
    assert answer["version"] == 1
    assert by_id["utilisation"]["unit"] == "%"
    assert by_id["utilisation"]["by"] == ["resource", "kind"]
    assert "Auslastung" in by_id["utilisation"]["name"]["de"]


async def test_utilisation_by_day__sum_by_sum(desk: Desk, client: httpx.AsyncClient) -> None:
    await a_week(desk)
    monday, tuesday, *_ = await figures(client, "utilisation")
    assert (monday["value"], monday["numerator"], monday["denominator"]) == (10, 7200, 72_000)
    assert (tuesday["value"], tuesday["status"]) == (0, "provisional")
    rooms = await figures(client, "utilisation", by="resource", to="2027-05-04")
    assert [(row["key"], row["value"]) for row in rooms] == [({"resource": "room-1"}, 20), ({"resource": "room-2"}, 0)]


async def test_utilisation_where_nothing_was_open__undefined_and_not_zero(desk: Desk, client: httpx.AsyncClient) -> None:
    row = (await figures(client, "utilisation"))[0]
    assert (row["value"], row["denominator"], row["status"]) == (None, 0, "undefined")
    assert (await figures(client, "bookable"))[0]["value"] == 0
    assert (await figures(client, "lead_time"))[0]["status"] == "undefined"


MONDAY: list[tuple[str, str | None, dict[str, float]]] = [
    ("made", None, {"": 2}),
    ("cancellation_rate", None, {"": 50}),
    ("bookings", "state", {"confirmed": 1, "cancelled": 1}),
    ("bookings", "offer", {offer_id("rooms"): 2}),
    ("refused", "reason", {"conflict": 1}),
    ("refused", "offer", {offer_id("rooms"): 1}),
    ("lead_time", None, {"": 72}),
    ("lead_time", "offer", {offer_id("rooms"): 72}),
    ("lead_time_1_7", None, {"": 100}),
    ("lead_time_same_day", None, {"": 0}),
    ("booked", "kind", {"unit": 120}),
    ("out_of_hours", None, {"": 0}),
]


async def test_figures_of_a_monday__by_hand(desk: Desk, client: httpx.AsyncClient) -> None:
    await a_week(desk)
    for kpi, by, expected in MONDAY:
        rows = await figures(client, kpi, to="2027-05-04", **({} if by is None else {"by": by}))
        assert {row["key"].get(by or "", ""): row["value"] for row in rows} == expected, (kpi, by)


LONGER = [
    ("week", "2027-05-03", "2027-05-10", "2027-W18"),
    ("month", "2027-05-01", "2027-06-01", "2027-05"),
    ("quarter", "2027-04-01", "2027-07-01", "2027-Q2"),
    ("year", "2027-01-01", "2028-01-01", "2027"),
]


async def test_longer_periods__sums_add_up_and_medians_are_taken_anew(desk: Desk, client: httpx.AsyncClient) -> None:
    """Lead times of 72, 72 and 10 hours, on two days."""
    await a_week(desk)
    later = Claim("b3", local("2027-05-05", "09:00"), local("2027-05-05", "10:00"))
    await desk.book(later.confirmed(at=later.start - timedelta(hours=10)).last)
    await desk.settle()
    for period, first, end, label in LONGER:
        span = {"period": period, "from": first, "to": end}
        (made,) = await figures(client, "made", **span)
        (lead,) = await figures(client, "lead_time", **span)
        (by_offer,) = await figures(client, "lead_time_p90", by="offer", **span)
        assert (made["period"], made["value"]) == (label, 3)
        assert (lead["value"], by_offer["value"]) == (72, 72)


QUESTIONS: list[tuple[dict[str, str], int, str]] = [
    ({"kpi": "happiness"}, 404, "unknown_kpi"),
    ({"by": "offer"}, 400, "not_by"),
    ({"period": "week", "from": "2027-05-04"}, 400, "period_not_calendar"),
    ({"to": "2027-05-03"}, 400, "period_not_calendar"),
    ({"from": "2026-01-01", "to": "2027-05-03"}, 400, "too_many_periods"),
    ({"hub": "sued"}, 404, "unknown_hub"),
    ({"level": "public"}, 403, "level_not_available"),
    ({"level": "everything"}, 422, "invalid_request"),
    ({"from": "yesterday"}, 422, "invalid_request"),
]


async def test_questions_that_have_no_answer__say_why(client: httpx.AsyncClient) -> None:
    for more, status, code in QUESTIONS:
        answer = await client.get("/v1/figures", params={"kpi": "utilisation", **WEEK, **more})
        assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_as_of__is_part_of_the_answer_and_its_watermark_the_etag(desk: Desk, client: httpx.AsyncClient) -> None:
    await a_week(desk)
    query = {"kpi": "made", **WEEK}
    first = await client.get("/v1/figures", params=query)
    as_of = first.json()["as_of"]
    assert as_of["offsets"]["booking.events.v1"] == {"0": 4}
    assert (as_of["dirty_days"], as_of["level"], as_of["kpi_version"]) == (0, "hub", 1)
    assert first.headers["etag"] == f'"{as_of["watermark"]}"'
    again = {"If-None-Match": first.headers["etag"]}
    assert (await client.get("/v1/figures", params=query, headers=again)).status_code == 304
    await desk.book(Claim("b9", NOW, NOW + timedelta(hours=1)).confirmed().last)
    assert (await client.get("/v1/figures", params=query)).json()["as_of"]["dirty_days"] == 1
    await desk.settle()
    assert (await client.get("/v1/figures", params=query, headers=again)).status_code == 200


async def test_totals__what_bookings_own_table_holds(desk: Desk, client: httpx.AsyncClient) -> None:
    """Open or not, and with house use: booking knows no opening hours of figures."""
    await a_week(desk)
    night = Claim("b3", local("2027-05-03", "23:00"), local("2027-05-04", "01:00"), person=None).confirmed()
    await desk.book(night.last)
    await desk.settle()
    monday = (await client.get("/v1/totals", params={"date": "2027-05-03"})).json()["resources"]
    tuesday = (await client.get("/v1/totals", params={"date": "2027-05-04"})).json()["resources"]
    assert monday == [{"resource_id": "room-1", "bookings": {"confirmed": 2, "cancelled": 1}, "booked_seconds": 10_800}]
    assert tuesday == [{"resource_id": "room-1", "bookings": {}, "booked_seconds": 3600}]


async def test_the_quarantine__listed_and_released_by_an_operator(desk: Desk, client: httpx.AsyncClient) -> None:
    await desk.book(Claim("b1", NOW, NOW + timedelta(hours=1)).confirmed(at=NOW + timedelta(hours=1)).last)
    client.headers.update(acting("operator"))
    listed = (await client.get("/v1/quarantine")).json()
    (entry,) = listed["entries"]
    assert (entry["reason"], entry["subject"]) == ("log_ahead", str(named("b1/1")))
    assert str(named("anna")) not in json.dumps(listed)
    path = f"/v1/quarantine/{entry['quarantine_id']}/release"
    assert (await client.post(path, headers=acting("manager"))).status_code == 403
    assert (await client.post(path)).json()["state"] == "released"
    assert (await client.post(path)).status_code == 409
    assert (await client.get("/v1/quarantine")).json()["entries"] == []
    assert await desk.value("SELECT count(*) FROM events") == 1


async def test_a_dead_letter_replayed__counts(desk: Desk, client: httpx.AsyncClient) -> None:
    event = Claim("b1", NOW, NOW + timedelta(hours=1)).confirmed(at=NOW).last
    other = Claim("b1", NOW, NOW + timedelta(hours=2)).confirmed(at=NOW).last
    await desk.book(event, other)
    client.headers.update(acting("operator"))
    (letter,) = (await client.get("/v1/dead-letters")).json()["dead_letters"]
    answer = await client.post(f"/v1/dead-letters/{letter['dead_letter_id']}/replay")
    assert (answer.status_code, answer.json()["code"]) == (409, "event_id_reused")
