"""`hubnetz verify` on the database of a hub: every kind with its number and the first offenders, and the exit code."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from services.booking.limits import OFFENDERS_MAX
from services.booking.store.invariants import QUERIES
from tests.service.booking.hub import Hub, at, booked, command, one, published, room, wish

ROOT = Path(__file__).parents[2]
BOOKED = 8


@pytest.fixture
async def address(service_db: Callable[[str], str]) -> str:
    """Of a database in which all is well."""
    hub = await Hub.open(service_db("booking"))
    await hub.publish(published("hall", **one("unit", room())))
    await hub.ask(*(command(wish("hall", at(9 + n), person=f"p{n}"), f"r{n}") for n in range(BOOKED)))
    await hub.close()
    return hub.dsn


async def hubnetz_verify(folder: Path, address: str, *options: str) -> subprocess.CompletedProcess[str]:
    """The command as a container of the hub runs it, with the address of booking's database among its secrets."""
    secrets = folder / "secrets"
    secrets.mkdir(exist_ok=True)
    (secrets / "booking-database-url").write_text(address)
    told = {"SECRETS_DIR": str(secrets), "HUB_ID": "nord", "HUB_NAME": "Nord", "KAFKA": "nowhere:9"}
    environment = {f"HUBNETZ_{name}": value for name, value in told.items()} | {"HUBNETZ_KAFKA_SECURITY": "plaintext-internal"}
    environment |= {"PATH": os.environ["PATH"], "TMPDIR": str(folder)}
    command = [sys.executable, "-m", "deploy.cli", "verify", *options]
    return await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


async def plant(address: str, statement: str) -> None:
    connection = await asyncpg.connect(address)
    await connection.execute(statement)
    await connection.close()


async def test_all_is_well__every_kind_with_0(address: str, tmp_path: Path) -> None:
    run = await hubnetz_verify(tmp_path, address)
    assert (run.returncode, run.stderr) == (0, "")
    head, *lines = run.stdout.splitlines()
    assert head.split() == ["invariant", "violations", "first"]
    assert [line.split() for line in lines] == [[kind, "0"] for kind in QUERIES]


async def test_planted__told_with_its_number_and_the_first_of_them(address: str, tmp_path: Path) -> None:
    await plant(address, "UPDATE bookings SET state = 'cancelled', next_due_at = NULL")
    run = await hubnetz_verify(tmp_path, address, "--json")
    assert run.returncode == 1, run.stderr
    found = json.loads(run.stdout)
    wrong = {kind: one["violations"] for kind, one in found.items() if one["violations"]}
    assert wrong == {"blocking_differs": BOOKED}
    first = sorted(str(booked(f"r{n}")) for n in range(BOOKED))[:OFFENDERS_MAX]
    assert found["blocking_differs"]["first"] == first
    run = await hubnetz_verify(tmp_path, address)
    assert (run.returncode, f"blocking_differs  {BOOKED}           {', '.join(first)}" in run.stdout) == (1, True)


async def test_one_overlap__the_later_of_the_two_is_named(address: str, tmp_path: Path) -> None:
    await plant(
        address,
        "ALTER TABLE allocations DROP CONSTRAINT no_overlap; UPDATE allocations SET booked = b, occupied = b"
        " FROM (VALUES (tstzrange('2027-03-02 09:00Z', '2027-03-02 10:00:01Z'))) AS v (b)"
        " WHERE lower(booked) = '2027-03-02 09:00Z'",
    )
    run = await hubnetz_verify(tmp_path, address, "--json")
    assert (run.returncode, json.loads(run.stdout)["overlap"]) == (1, {"violations": 1, "first": [str(booked("r1"))]})
