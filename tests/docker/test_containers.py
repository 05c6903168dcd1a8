"""The containers that stand in for the local servers of a test run: they answer, and go with whom they are for."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests.support import containers
from tests.support.compose import ROOT
from tests.support.compose_hub import docker
from tests.support.kafka import KafkaServer
from tests.support.waiting import eventually_sync

pytestmark = pytest.mark.timeout(300)
_START_SECONDS: Final = 120


def begin(folder: Path) -> tuple["subprocess.Popen[bytes]", "subprocess.Popen[bytes]", dict[str, str]]:
    """A process to serve, the one that serves it, and the two addresses."""
    wanted = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    output = folder / "out"
    with output.open("wb") as out:
        serving = subprocess.Popen(
            [sys.executable, "-m", containers.__name__, "--until-gone", str(wanted.pid)], cwd=ROOT, stdout=out
        )
    deadline = time.monotonic() + _START_SECONDS
    while len(lines := output.read_text().splitlines()) < 2:
        assert serving.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return wanted, serving, dict(line.removeprefix("export ").split("=", 1) for line in lines)


async def test_both_servers__answer_and_are_gone_after_whom_they_are_for(tmp_path: Path) -> None:
    before = set(docker("ps", "--all", "--quiet").split())
    wanted, serving, told = begin(tmp_path)
    try:
        started = set(docker("ps", "--all", "--quiet").split()) - before
        assert len(started) >= 2
        connection = await asyncpg.connect(told["HUBNETZ_TEST_POSTGRES"])
        facts = await connection.fetchrow(
            """
            SELECT datlocprovider, datlocale, current_setting('server_version') AS version
              FROM pg_database WHERE datname = 'postgres'
            """
        )
        await connection.close()
        assert facts is not None
        assert (facts["datlocprovider"], facts["datlocale"]) == (b"b", "C.UTF-8")
        assert facts["version"].startswith("18.4")
        await _transaction(told["HUBNETZ_TEST_KAFKA"])
    finally:
        wanted.kill()
        wanted.wait()
        serving.wait(60)
    eventually_sync(lambda: not started & set(docker("ps", "--all", "--quiet").split()), what="the end of the containers")


async def _transaction(address: str) -> None:
    """A transaction through the broker: its markers travel over the listener that only the broker itself uses."""
    server = KafkaServer(address)
    server.create(server.name("marked"))
    producer = AIOKafkaProducer(bootstrap_servers=address, transactional_id=server.name("id"))
    await producer.start()
    async with producer.transaction():
        await producer.send_and_wait(server.name("marked"), b"1")
    await producer.stop()
    consumer = AIOKafkaConsumer(
        server.name("marked"), bootstrap_servers=address, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    record = await consumer.getone()
    await consumer.stop()
    assert record.value == b"1"


def test_signal__containers_are_gone(tmp_path: Path) -> None:
    before = set(docker("ps", "--all", "--quiet").split())
    wanted, serving, _ = begin(tmp_path)
    serving.terminate()
    assert serving.wait(60) == 0
    wanted.kill()
    wanted.wait()
    assert set(docker("ps", "--all", "--quiet").split()) <= before


def test_run_killed__the_next_one_removes_what_it_left(tmp_path: Path) -> None:
    before = set(docker("ps", "--all", "--quiet").split())
    wanted, killed, _ = begin(tmp_path)
    killed.kill()
    killed.wait()
    left = set(docker("ps", "--all", "--quiet").split()) - before
    assert left
    again, serving, _ = begin(tmp_path)
    assert not left & set(docker("ps", "--all", "--quiet").split())
    for process in (serving, wanted, again):
        process.terminate()
        process.wait(60)
    assert set(docker("ps", "--all", "--quiet").split()) <= before
