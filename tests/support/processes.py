"""The recorder as processes of their own: started, killed, frozen, asked to end, asked over HTTP, their log lines read."""

import asyncio
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg
import httpx
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.protocol.group import LeaveGroupRequest
from confluent_kafka.admin import AdminClient

from contracts import topics
from tests.support.frontend import event_id
from tests.support.kafka import KafkaServer, Raw
from tests.support.recorder import OPERATOR, SERVICE, TABLE
from tests.support.recorder import TOKEN as TOKEN
from tests.support.waiting import eventually

# One process imports everything once, the others are forked from it: 0.1 s instead of 1.5 s of processor time each.
_PROCESSES: Final = multiprocessing.get_context("forkserver")
_EXIT_SECONDS: Final = 40.0


def _run(environment: Mapping[str, str], log: str) -> None:
    os.environ.update(environment)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    from tests.support import recorder  # in the child alone: the fork server has it loaded

    sys.exit(recorder.main())


@dataclass(slots=True)
class Running:
    """One process; `log` is what it wrote to standard error, one JSON object per line."""

    process: BaseProcess
    log: Path

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative for a signal."""
        return self.process.exitcode

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def lines(self) -> list[dict[str, Any]]:
        """The log so far; a line that is no JSON object fails the test."""
        text = self.log.read_text()
        assert all(line.startswith("{") and line.endswith("}") for line in text.splitlines()[:-1]), text[-3000:]
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]

    async def port(self, *, seconds: float = 20) -> int:
        """Where its HTTP listens; waits until it runs."""

        async def said() -> int:
            assert self.exit_code is None, f"ended with {self.exit_code}: {self.log.read_text()[-2000:]}"
            return next((line["port"] for line in self.lines() if line.get("action") == "start" and "port" in line), 0)

        return await eventually(said, seconds=seconds, what="the start of the process")

    async def ended(self, *, seconds: float = _EXIT_SECONDS) -> int:
        """Its exit code, once it has one."""

        async def code() -> tuple[int] | None:
            return None if self.exit_code is None else (self.exit_code,)

        ended = await eventually(code, seconds=seconds, what="the end of the process")
        assert ended is not None
        return ended[0]

    def is_frozen(self) -> bool:
        """Whether it was stopped, by itself or from outside, and not continued."""
        return Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"

    async def frozen(self) -> None:
        """Wait until it has stopped itself."""

        async def stopped() -> bool:
            return self.is_frozen()

        await eventually(stopped, seconds=20, what="the process to stop itself")

    async def http(self, method: str, path: str, *, headers: Mapping[str, str] | None = None) -> httpx.Response:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{await self.port()}", timeout=20) as client:
            return await client.request(method, path, headers=OPERATOR if headers is None else headers)


@dataclass(slots=True)
class House:
    """Topics and a database for recorders, and what a test asks of both. Ends what it started."""

    kafka: KafkaServer
    dsn: str
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="hubnetz-recorder-")))
    started: list[Running] = field(default_factory=list)

    @classmethod
    async def built(cls, kafka: KafkaServer, dsn: str, *, partitions: int = 3) -> "House":
        for topic, number in (
            (topics.BOOKING_REQUESTS, partitions),
            (topics.BOOKING_EVENTS, partitions),
            (topics.dead_letter(SERVICE), 1),
        ):
            await asyncio.to_thread(kafka.topic, topic, partitions=number)
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute(TABLE)
        finally:
            await connection.close()
        return cls(kafka, dsn)

    @property
    def requests(self) -> str:
        return self.kafka.name(topics.BOOKING_REQUESTS.name)

    @property
    def events(self) -> str:
        return self.kafka.name(topics.BOOKING_EVENTS.name)

    @property
    def dead_letters(self) -> str:
        return self.kafka.name(topics.dead_letter(SERVICE).name)

    def start(self, **switches: str) -> Running:
        """Start a recorder; `switches` as its module says, without the prefix."""
        environment = {
            "HUBNETZ_HUB_ID": "test",
            "HUBNETZ_HUB_NAME": "Test",
            "HUBNETZ_KAFKA": self.kafka.address,
            "HUBNETZ_KAFKA_SECURITY": "plaintext-internal",
            "HUBNETZ_DATABASE_URL": self.dsn,
            "HUBNETZ_HTTP_PORT": "0",
            "HUBNETZ_SERVICE_TOKEN": TOKEN,
            "HUBNETZ_TOPIC_PREFIX": self.kafka.prefix,
            **{f"RECORDER_{name.upper()}": value for name, value in switches.items()},
        }
        log = self.folder / f"{len(self.started)}.log"
        log.touch()
        _PROCESSES.set_forkserver_preload(["tests.support.recorder"])
        process = _PROCESSES.Process(target=_run, args=(environment, str(log)), daemon=True)
        process.start()
        running = Running(process, log)
        self.started.append(running)
        return running

    async def bury(self) -> None:
        """Have the broker forget the group's members, as it would by itself 6 s after their processes were killed."""
        group = self.kafka.name(f"{SERVICE}.{topics.BOOKING_REQUESTS.name}")
        admin = AdminClient({"bootstrap.servers": self.kafka.address})
        described = await asyncio.to_thread(admin.describe_consumer_groups([group])[group].result, 10)
        client = AIOKafkaClient(bootstrap_servers=self.kafka.address)
        await client.bootstrap()
        try:
            coordinator = await client.coordinator_lookup(CoordinationType.GROUP, group)
            await client.ready(coordinator)
            for member in described.members:
                await client.send(coordinator, LeaveGroupRequest(group, member.member_id))
        finally:
            await client.close()

    async def stop(self) -> None:
        """Kill what still runs."""
        for running in self.started:
            if running.exit_code is None:
                running.signal(signal.SIGKILL)
        deadline = time.monotonic() + 10
        for running in self.started:
            await asyncio.to_thread(running.process.join, max(0.1, deadline - time.monotonic()))

    async def fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.dsn)
        try:
            return list(await connection.fetch(query, *arguments))
        finally:
            await connection.close()

    async def recorded(self) -> list[UUID]:
        """Ids in the table, as often as they were applied."""
        return [row["event_id"] for row in await self.fetch("SELECT event_id FROM recorded")]

    async def settled(self, count: int, *, seconds: float = 30) -> None:
        """Wait until `count` records are behind the stored offsets and the outbox is empty."""

        async def there() -> bool:
            (row,) = await self.fetch(
                """
                SELECT (SELECT coalesce(sum(next_offset), 0)::bigint FROM stored_offsets) AS behind,
                       (SELECT count(*) FROM outbox) AS unsent
                """
            )
            return bool(row["behind"] >= count and row["unsent"] == 0)

        await eventually(there, seconds=seconds, what=f"{count} records handled and answered")

    async def answers(self) -> list[tuple[UUID, UUID]]:
        """(request, answer) of each message on the events topic, as often as it is on the wire."""
        found = []
        for record in await self.kafka.read_all(self.events):
            headers = dict(record.headers)
            found.append((UUID(headers["ce_causationid"].decode()), UUID(headers["ce_id"].decode())))
        return found

    async def dropped(self) -> int:
        """Known records that the running processes have dropped, by their own count."""
        total = 0
        for running in self.started:
            if running.exit_code is None:
                text = (await running.http("GET", "/metrics")).text
                total += sum(
                    int(float(line.rsplit(" ", 1)[1]))
                    for line in text.splitlines()
                    if line.startswith("hubnetz_consumer_known_total{")
                )
        return total

    async def faults(self, sent: Collection[Raw]) -> list[str]:
        """What is lost or doubled of these requests, in words; empty if each had exactly one effect and one answer."""
        wanted = {event_id(raw) for raw in sent}
        applied = Counter(await self.recorded())
        answered: dict[UUID, set[UUID]] = {}
        for request, answer in await self.answers():
            answered.setdefault(request, set()).add(answer)
        (row,) = await self.fetch("SELECT count(*) AS unsent FROM outbox")
        found = {
            "not applied": len(wanted - applied.keys()),
            "applied twice": sum(number > 1 for number in applied.values()),
            "applied but never sent": len(applied.keys() - wanted),
            "not answered": len(wanted - answered.keys()),
            "answered in two ways": sum(len(answers) > 1 for answers in answered.values()),
            "left in the outbox": row["unsent"],
        }
        return [f"{number} {what}" for what, number in found.items() if number]
