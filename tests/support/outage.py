"""A broker and a database of a test's own, which it may stop, freeze and start again; and the load that goes on meanwhile."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from aiokafka.errors import KafkaError

from deploy.local.folder import DataFolder
from tests.support import frontend
from tests.support.kafka import Raw
from tests.support.processes import House
from tests.support.servers import Servers
from tests.support.waiting import eventually

Server = Literal["kafka", "postgres"]
Way = Literal["stopped", "frozen"]
_ROOT: Final = Path(__file__).parents[2]
_START_SECONDS: Final = 120
_STOP_SECONDS: Final = 40


@dataclass(slots=True)
class Pair:
    """The two servers; whoever stops one starts it again on the same address."""

    folder: DataFolder
    servers: Servers

    @asynccontextmanager
    async def away(self, name: Server, way: Way) -> AsyncIterator[None]:
        """Without that server for the block: stopped, so that connections are refused, or frozen, so that nobody answers."""
        (pid,) = [one.pid for one in self.folder.processes() if one.name == name]
        if way == "frozen":
            os.killpg(pid, signal.SIGSTOP)
            try:
                yield
            finally:
                os.killpg(pid, signal.SIGCONT)
        else:
            with self.folder.hold(name):
                await asyncio.to_thread(_gone, pid)
                yield


def _gone(pid: int) -> None:
    deadline = time.monotonic() + _STOP_SECONDS
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, "the server does not stop"
        time.sleep(0.05)


@contextmanager
def private_pair() -> Iterator[Pair]:
    """Started for the block, and gone with this process however it ends."""
    run = Path(tempfile.mkdtemp(prefix="hubnetz-outage-"))
    run.chmod(0o755)  # the database's account has to pass
    command = [
        sys.executable,
        "-m",
        "deploy.local.servers",
        "--throw-away",
        "--until-gone",
        str(os.getpid()),
        str(run / "data"),
    ]
    with (run / "errors").open("wb") as errors:
        process = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
    try:
        assert process.stdout is not None
        with process.stdout:
            lines = [process.stdout.readline().decode().strip() for _ in range(2)]
        assert all(lines), (run / "errors").read_text()
        kafka, postgres = (line.partition("=")[2] for line in lines)
        yield Pair(DataFolder(run / "data"), Servers(kafka=kafka, postgres=postgres))
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(run, ignore_errors=True)


@dataclass(slots=True)
class Load:
    """Requests sent all the time; what could not be sent is sent again, as a frontend does, so that some come twice."""

    house: House
    pause_seconds: float = 0.05
    sent: list[Raw] = field(default_factory=list)
    copies: int = 0
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        while not self._stopping.is_set():
            batch = frontend.requests(5)
            while True:
                try:
                    await asyncio.wait_for(self._send(batch), 10)
                except (OSError, TimeoutError, KafkaError):
                    self.copies += len(batch)
                    await asyncio.sleep(0.2)
                else:
                    break
            self.sent += batch
            await asyncio.sleep(self.pause_seconds)

    async def _send(self, batch: list[Raw]) -> None:
        await self.house.kafka.produce(self.house.requests, batch)

    def stop(self) -> None:
        self._stopping.set()


async def survives(pair: Pair, house: House, name: Server, way: Way, *, seconds: float, settle_seconds: float) -> None:
    """Two processes under load, one server away for so long: everything is answered afterwards, once; nobody ended."""
    crew = [house.start(), house.start()]
    for one in crew:
        await one.port()
    load = Load(house)
    running = asyncio.create_task(load.run())
    try:
        await asyncio.sleep(1)
        async with pair.away(name, way):
            await asyncio.sleep(seconds)
        await asyncio.sleep(1)
    finally:
        load.stop()
    await asyncio.wait_for(running, 60)

    async def handled() -> bool:
        return not await house.faults(load.sent)

    deadline = time.monotonic() + settle_seconds
    while not await handled():
        assert time.monotonic() < deadline, await house.faults(load.sent)
        await asyncio.sleep(0.2)
    assert len(load.sent) > 20, "hardly any load"
    assert [one.exit_code for one in crew] == [None, None], "an outage must not end as a crash loop"
    assert await house.fetch("SELECT 1 FROM dead_letters") == [], "an outage is no fault of a record"

    async def ready() -> bool:
        return all([(await one.http("GET", "/health/ready")).status_code == 200 for one in crew])

    await eventually(ready, seconds=30, what="both processes to be ready again")
