"""The command `hubnetz` against a whole hub: addresses, state, topics, dead letters, positions."""

import json
import os
import re
import signal
import urllib.request
import uuid
from pathlib import Path

import asyncpg
import pytest

from contracts import topics
from tests.support.hub import RunningHub
from tests.support.kafka import KafkaServer, Raw
from tests.support.waiting import eventually, eventually_sync

pytestmark = pytest.mark.timeout(120)


def test_env_as_json__has_the_promised_shape_and_the_addresses_answer(hub: RunningHub) -> None:
    env = hub.env()
    assert set(env) == {"hub_id", "kafka", "kafka_security", "postgres", "http", "mail", "data_dir"}
    assert env["kafka_security"] == "plaintext-internal"
    assert set(env["postgres"]) == set(env["http"])
    assert {"booking", "catalog"} <= set(env["http"])
    assert set(env["mail"]) == {"smtp", "http"}
    assert env["data_dir"] == str(hub.data)
    for url in env["http"].values():
        with urllib.request.urlopen(f"{url}/health/ready") as answer:  # noqa: S310 - this machine
            assert answer.status == 200


async def test_each_service__has_a_database_that_the_others_may_not_enter(hub: RunningHub) -> None:
    postgres: dict[str, str] = hub.env()["postgres"]
    for name, dsn in postgres.items():
        connection = await asyncpg.connect(dsn)
        try:
            assert await connection.fetchval("SELECT current_user") == name
            assert not await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        finally:
            await connection.close()
        for other in postgres:
            if other != name:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await asyncpg.connect(dsn.rpartition("/")[0] + f"/{other}")


def test_env_for_a_shell__can_be_evaluated(hub: RunningHub) -> None:
    lines = hub.hubnetz("env").splitlines()
    assert all(re.fullmatch(r"export HUB_[A-Z_]+=\S+", line) for line in lines)
    assert f"export HUB_KAFKA={hub.env()['kafka']}" in lines
    assert f"export HUB_BOOKING_URL={hub.env()['http']['booking']}" in lines


def test_status__shows_every_process_and_its_memory(hub: RunningHub) -> None:
    found = {row["name"]: row for row in hub.json("status", "--json")["processes"]}
    assert {"kafka", "postgres", "watchdog", "booking", "catalog"} <= set(found)
    assert found["booking"]["state"] == "ready"
    assert found["kafka"]["memory_bytes"] > 50_000_000
    assert "booking" in hub.hubnetz("status")


def test_service_killed__ready_again_at_the_same_address(hub: RunningHub) -> None:
    def booking() -> dict[str, object]:
        rows = json.loads(hub.hubnetz("status", "--json", code=0))["processes"]
        return next(row for row in rows if row["name"] == "booking")

    before = booking()
    os.kill(int(str(before["pid"])), signal.SIGKILL)

    def again() -> bool:
        try:
            now = booking()
        except AssertionError:  # status ends with 1 while something is not ready
            return False
        return bool(now["pid"] != before["pid"] and now["state"] == "ready" and now["address"] == before["address"])

    eventually_sync(again, seconds=60, what="booking to be ready again")


def test_logs__lists_and_shows_them(hub: RunningHub) -> None:
    assert "booking" in hub.hubnetz("logs")
    last = hub.hubnetz("logs", "booking", "-n", "1")
    assert json.loads(last)["service"] == "booking"
    hub.hubnetz("logs", "nobody", code=3)


def test_topics__are_as_the_table_says(hub: RunningHub) -> None:
    assert hub.json("topics", "plan", "--json") == []
    hub.hubnetz("topics", "apply")
    hub.hubnetz("migrate")


async def test_dead_letter__listed_shown_refused_again_dropped(hub: RunningHub) -> None:
    assert hub.json("dlq", "list", "--json") == []
    broker = KafkaServer(hub.env()["kafka"])
    await broker.produce(topics.BOOKING_REQUESTS.name, [Raw(b"key", [("ce_id", b"no id")], b"not JSON \xff")])

    async def listed() -> bool:
        return "booking" in hub.hubnetz("dlq", "list", code=1)

    async def arrived() -> bool:
        try:
            return await listed()
        except AssertionError:
            return False

    await eventually(arrived, seconds=30, what="the dead letter")
    (letter,) = hub.json("dlq", "list", "--json", code=1)
    assert letter["service"] == "booking"
    assert letter["topic"] == topics.BOOKING_REQUESTS.name
    shown = json.loads(hub.hubnetz("dlq", "show", letter["dead_letter_id"]))
    assert shown["value"] == "bm90IEpTT04g/w=="
    refused = hub.hubnetz("dlq", "replay", letter["dead_letter_id"], code=1)
    assert "refused" in refused
    hub.hubnetz("dlq", "drop", letter["dead_letter_id"], text="n\n", code=1)
    assert "dropped" in hub.hubnetz("dlq", "drop", letter["dead_letter_id"], "--yes", "--as", "a.tester")
    assert hub.json("dlq", "list", "--json") == []
    assert len(hub.json("dlq", "list", "--state", "dropped", "--json")) == 1
    hub.hubnetz("dlq", "show", str(uuid.uuid4()), code=3)


def test_rewind__stores_the_place_and_the_service_reads_again(hub: RunningHub) -> None:
    told = hub.hubnetz("rewind", "booking", "--to", "start", "--topic", topics.BOOKING_REQUESTS.name, "--yes")
    assert told.startswith(f"{topics.BOOKING_REQUESTS.name}: 0 -> 0, 1 -> 0")

    def ready() -> bool:
        rows = hub.json("status", "--json", code=0)["processes"]
        return all(row["state"] in ("runs", "ready") for row in rows)

    def calm() -> bool:
        try:
            return ready()
        except AssertionError:
            return False

    eventually_sync(calm, seconds=60, what="booking to be ready again")
    hub.hubnetz("rewind", "booking", "--to", "2027-01-01", "--yes", code=2)
    hub.hubnetz("rewind", "nobody", "--to", "end", "--yes", code=2)
    hub.hubnetz("rewind", "booking", "--to", "end", "--topic", "catalog.nothing.v1", "--yes", code=2)


def test_replay__sends_a_span_again(hub: RunningHub) -> None:
    told = hub.hubnetz("replay", "--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00Z", "--yes")
    assert "booking: 0 messages" in told
    hub.hubnetz("replay", "--from", "yesterday", "--to", "2026-01-02T00:00:00Z", "--yes", code=2)


def test_second_runner__refused(hub: RunningHub) -> None:
    hub.hubnetz("up", code=1)


def test_no_hub__exit_code_3(hub: RunningHub, tmp_path: Path) -> None:
    for command in (["env"], ["status"], ["down"], ["dlq", "list"], ["topics", "plan"], ["migrate"]):
        hub.hubnetz(*command, "--data", str(tmp_path / "none"), code=3)


def test_wrong_usage__exit_code_2(hub: RunningHub) -> None:
    hub.hubnetz("no-such-command", code=2)
    hub.hubnetz("rewind", code=2)


def test_documents__written_and_checked(hub: RunningHub, tmp_path: Path) -> None:
    assert json.loads(hub.hubnetz("asyncapi"))["asyncapi"].startswith("3.")
    target = tmp_path / "asyncapi.json"
    hub.hubnetz("asyncapi", "--check", "--output", str(target), code=1)
    hub.hubnetz("asyncapi", "--output", str(target))
    hub.hubnetz("asyncapi", "--check", "--output", str(target))
    hub.hubnetz("asyncapi", "--check", code=2)
    hub.hubnetz("schemas", "--check")
