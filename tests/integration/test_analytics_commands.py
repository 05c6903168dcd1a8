"""What an operator calls: keys, marks, the rebuild, and figures held against booking's own table."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from contracts import topics
from hubkit import clock
from services.analytics import __main__ as analytics
from services.analytics.app import build
from services.analytics.settings import AnalyticsSettings
from services.analytics.wire.keys import read_keys
from tests.integration.test_analytics_on_the_bus import MONDAY, raw
from tests.service.analytics.hub import Desk
from tests.service.analytics.log import Claim, local, published, room
from tests.service.analytics.process import environment, make_keys, make_topics
from tests.support.kafka import KafkaServer
from tests.support.processes import TOKEN
from tests.support.waiting import eventually

DAY = MONDAY.isoformat()
pytestmark = pytest.mark.timeout(60, func_only=True)


async def command(*arguments: str) -> int:
    """`python -m services.analytics <arguments>`; it has an event loop of its own."""
    return await asyncio.to_thread(analytics.main, list(arguments))


@pytest.fixture
def settings(kafka: KafkaServer, service_db: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The environment of the service; the address of its database."""
    dsn = service_db("analytics")
    for name, value in environment(kafka, dsn, make_keys(tmp_path / "keys")).items():
        monkeypatch.setenv(name, value)
    return dsn


async def a_monday(desk: Desk) -> None:
    await desk.publish(published("rooms", room(), at=local(DAY)))
    claim = Claim("b1", local(DAY, "09:00"), local(DAY, "11:00")).confirmed()
    await desk.book(claim.last)
    await desk.settle()


@pytest.fixture
async def desk(settings: str) -> AsyncIterator[Desk]:
    desk = await Desk.open(settings, now=clock.wall())
    await a_monday(desk)
    yield desk
    await desk.close()


async def test_new_key__makes_what_is_missing_and_nothing_else(
    settings: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "fresh"
    folder.mkdir()
    monkeypatch.setenv("HUBNETZ_ANALYTICS_KEYS", str(folder))
    assert await command("new-key") == 0
    made = read_keys(folder)
    this_year = clock.wall().year
    assert {this_year - 1, this_year, this_year + 1} <= made.keys()
    assert len(set(made.values())) == len(made)
    assert f"key made for {this_year}" in capsys.readouterr().out
    assert await command("new-key") == 0
    assert (capsys.readouterr().out, read_keys(folder)) == ("", made)


async def test_recompute__marks_the_days_named(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert await command("recompute", "--from", "2027-05-01", "--to", "2027-05-03") == 0
    assert capsys.readouterr().out == "3 days marked\n"
    rows = await desk.fetch("SELECT hub_id, day::text FROM dirty_days ORDER BY day")
    assert [tuple(row) for row in rows] == [("nord", f"2027-05-0{n}") for n in (1, 2, 3)]


async def test_rebuild__swaps_equal_tables_and_not_others(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert await command("rebuild") == 0
    assert "swapped" in capsys.readouterr().out
    await desk.pool.raw.execute("UPDATE day_resource SET booked_s = 1 WHERE booked_s > 0")
    assert await command("rebuild") == 1
    told = capsys.readouterr().out
    assert f"{DAY} day_resource room-1 booked_s: live 1, rebuilt 7200" in told
    assert "not swapped" in told
    assert await command("rebuild", "--accept") == 0
    assert await desk.value("SELECT booked_s FROM day_resource WHERE booked_s > 0") == 7200


@asynccontextmanager
async def answering(body: dict[str, Any], status: int = 200) -> AsyncIterator[tuple[str, list[str]]]:
    """A service that gives one answer to everything; its address, and the requests as they came."""
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        content = json.dumps(body).encode()
        writer.write(f"HTTP/1.1 {status} OK\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n".encode() + content)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked


async def test_reconcile__nothing_where_both_agree_and_every_difference_else(
    kafka: KafkaServer, settings: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ours is the running service; booking's answer is what booking.md §12 says."""
    await make_topics(kafka, partitions=1)
    claim = Claim("b1", local(DAY, "09:00"), local(DAY, "11:00")).confirmed()
    await kafka.produce(kafka.name(topics.BOOKING_EVENTS.name), [raw(claim.last)])
    app = build(AnalyticsSettings())
    running = asyncio.create_task(app.run())

    async def computed() -> bool:
        return bool(app.port and await app.pool.raw.fetchval("SELECT count(*) FROM day_resource WHERE held_s > 0"))

    try:
        await eventually(computed, seconds=30, what="the figures")
        monkeypatch.setenv("HUBNETZ_ANALYTICS_URL", f"http://127.0.0.1:{app.port}")
        monkeypatch.setenv("HUBNETZ_BOOKING_TOKEN", "booking-token-of-tests")
        total = {"resource_id": "room-1", "bookings": {"confirmed": 1}, "booked_seconds": 7200}
        for resources, code, told in (
            ([total], 0, "1 days compared, 0 differences\n"),
            ([total | {"booked_seconds": 3600}], 1, f"{DAY} room-1 booked_seconds: booking 3600, analytics 7200\n"),
            ([], 1, f"{DAY} room-1 confirmed: booking 0, analytics 1\n"),
        ):
            async with answering({"date": DAY, "resources": resources}) as (url, asked):
                monkeypatch.setenv("HUBNETZ_BOOKING_URL", url)
                assert await command("reconcile", "--from", DAY) == code
                assert told in capsys.readouterr().out
                assert f"GET /v1/totals?date={DAY}" in asked[0]
                assert "authorization: bearer booking-token-of-tests" in asked[0].lower()
        assert TOKEN not in asked[0]
    finally:
        app.stop()
        assert await running == 0


@pytest.mark.parametrize(("body", "status"), [({"resources": [{"bookings": {}}]}, 200), ({}, 503)], ids=["not totals", "down"])
async def test_reconcile_without_an_answer__says_so_and_fails(
    settings: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], body: dict[str, Any], status: int
) -> None:
    async with answering(body, status) as (url, _):
        for name in ("BOOKING", "ANALYTICS"):
            monkeypatch.setenv(f"HUBNETZ_{name}_URL", url)
        monkeypatch.setenv("HUBNETZ_BOOKING_TOKEN", "booking-token-of-tests")
        assert await command("reconcile") == 1
    assert "no totals from" in capsys.readouterr().err


@pytest.mark.parametrize("span", [("2027-03-02", "2027-03-01"), ("1027-03-01", "2027-03-01")], ids=["backwards", "for ever"])
def test_days_that_nothing_can_be_done_with__wrong_usage(
    settings: str, monkeypatch: pytest.MonkeyPatch, span: tuple[str, str]
) -> None:
    for name in ("BOOKING", "ANALYTICS"):
        monkeypatch.setenv(f"HUBNETZ_{name}_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("HUBNETZ_BOOKING_TOKEN", "booking-token-of-tests")
    for name in ("recompute", "reconcile"):
        with pytest.raises(SystemExit) as ended:
            analytics.main([name, "--from", span[0], "--to", span[1]])
        assert ended.value.code == 2
