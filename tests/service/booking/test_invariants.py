"""Each invariant finds what is planted, and nothing where all is well; metric, command and app around them."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hubkit import db
from services.booking import app, worker
from services.booking.settings import BookingSettings
from tests.service.booking.hub import Hub, at, booked, cancel, command, one, published, room, wish

POOL = {"resource_id": "desks", "kind": "pool", "revision": 1, "capacity": 2}
SESSION = {
    "resource_id": "course", "kind": "session", "revision": 1, "capacity": 3,
    "start": "2027-03-10T17:00:00Z", "end": "2027-03-10T19:00:00Z",
}  # fmt: skip
ROOT = Path(__file__).parents[3]


async def some_bookings(hub: Hub) -> None:
    """Two of each kind, one of them given up."""
    await hub.publish(
        published("u", **one("unit", room())), published("p", **one("pool", POOL)), published("s", **one("session", SESSION))
    )
    wishes = [command(wish(name, None if name == "s" else at(9 + n)), f"{name}{n}") for name in "ups" for n in (0, 1)]
    await hub.ask(*wishes, command(cancel("s", booked("s1")), "c"))


PLANTED = [
    ("overlap", "ALTER TABLE allocations DROP CONSTRAINT no_overlap"),
    ("overlap", "UPDATE allocations SET booked = tstzrange(lower(booked), upper(booked) + interval '1 second'),"
     " occupied = tstzrange(lower(occupied), upper(occupied) + interval '1 second') WHERE unit_no IS NOT NULL"),
    ("oversold_session", "ALTER TABLE resources DROP CONSTRAINT no_oversell"),
    ("oversold_session", "UPDATE resources SET capacity = 0 WHERE kind = 'session'"),
    ("used_differs", "UPDATE resources SET used = used + 1 WHERE kind = 'session'"),
    ("oversold_pool", "UPDATE resources SET capacity = 0 WHERE kind = 'pool'"),
    ("blocking_differs", "UPDATE allocations SET blocking = true WHERE NOT blocking"),
    ("blocking_differs", "DELETE FROM bookings WHERE state = 'cancelled'"),
    ("holds_nothing", "UPDATE allocations SET blocking = false WHERE unit_no IS NOT NULL"),
    ("booking_missing", "DELETE FROM bookings"),
    ("overdue", "UPDATE bookings SET next_due_at = '2020-01-01T00:00:00Z' WHERE state = 'confirmed'"),
    ("due_differs", "UPDATE bookings SET next_due_at = NULL"),
]  # fmt: skip


@pytest.mark.parametrize("kind", list(dict.fromkeys(kind for kind, _ in PLANTED)))
async def test_planted_violation__is_found(hub: Hub, kind: str) -> None:
    await some_bookings(hub)
    assert await hub.violations() == {}
    await hub.pool.raw.execute(";".join(statement for planted, statement in PLANTED if planted == kind))
    assert (await hub.violations())[kind] > 0


async def test_tolerated__is_no_violation(hub: Hub) -> None:
    await some_bookings(hub)
    cut = published("p", revision=2, **one("pool", POOL | {"revision": 2, "capacity": 0}))
    await hub.publish(cut, published("s", revision=2, **one("session", SESSION | {"revision": 2, "capacity": 0})))
    assert await hub.violations() == {}


async def test_loop__sets_a_metric_per_kind_and_the_time(hub: Hub) -> None:
    await some_bookings(hub)
    [loop] = [loop for loop in worker.loops(hub.house, hub.pool) if loop.name == "invariants"]
    await loop.run()
    text = hub.house.metrics.exposition().decode()
    assert 'booking_invariant_violations{kind="overlap"} 0.0' in text
    assert hub.house.metrics.value("booking_invariant_checked_at_seconds") > 1_700_000_000
    await hub.pool.raw.execute("DELETE FROM bookings")
    await loop.run()
    assert hub.house.metrics.value("booking_invariant_violations", kind="blocking_differs") > 0


def environment(dsn: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HUBNETZ_HUB_ID": "nord",
        "HUBNETZ_HUB_NAME": "Nord",
        "HUBNETZ_KAFKA": "127.0.0.1:9",
        "HUBNETZ_KAFKA_SECURITY": "plaintext-internal",
        "HUBNETZ_DATABASE_URL": dsn,
        "HUBNETZ_HTTP_PORT": "0",
        "HUBNETZ_SERVICE_TOKEN": "a token of sixteen bytes",
        "HUBNETZ_CHECK_IN_KEY": "a key of at least sixteen bytes",
    }


def booking(argument: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "services.booking", argument]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=25, check=False)


@pytest.mark.parametrize(("statement", "code"), [("SELECT 1", 0), ("DELETE FROM bookings", 1)])
async def test_verify__lists_all_kinds_and_ends_with_1_if_any_is_violated(hub: Hub, statement: str, code: int) -> None:
    await some_bookings(hub)
    await hub.pool.raw.execute(statement)
    run = await asyncio.to_thread(booking, "verify", environment(hub.dsn))
    assert run.returncode == code, run.stderr
    assert ("overlap 0" in run.stdout) and (("booking_missing 0" in run.stdout) is (code == 0))


def test_unknown_argument__usage() -> None:
    run = booking("dance", environment("postgresql://nowhere"))
    assert (run.returncode, "usage" in run.stderr) == (2, True)


async def test_app__built_whole(service_db: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(service_db("booking")).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HUBNETZ_SOURCES", '{"urn:hub:nord:frontend-desk": ["staff"]}')
    built = app.build(BookingSettings())
    assert {feed.topic.name for feed in built.feeds} == {"catalog.offers.v1", "booking.requests.v1"}
    paths = set(built.http.openapi()["paths"])
    assert {"/v1/requests/{request_id}", "/v1/offers/{offer_id}/free", "/v1/offers/{offer_id}/check"} <= paths
    assert isinstance(built.pool, db.Pool)
    await built.pool.connect()
    await built.pool.close()
