"""Booking as processes of their own on real servers: offers published, requests sent, every request counted afterwards.

`python -m tests.support.booked` is `python -m services.booking` that ends at the point named by `BOOKED_CRASH_AT`
(`<point>:<n>`, the n-th pass).
"""

import asyncio
import multiprocessing
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Final
from uuid import UUID

import asyncpg

from bench.bookings import HUB, Town
from bench.frontend import Wanted, uuid_of
from contracts import topics
from contracts.envelope import Event, encode
from hubkit import db, points
from services.booking import __main__ as booking
from services.booking.store import invariants
from tests.support.kafka import KafkaServer, Raw
from tests.support.processes import TOKEN, Running
from tests.support.waiting import eventually

EXIT_CODE: Final = 42
SERVICE: Final = "booking"
_PROCESSES: Final = multiprocessing.get_context("forkserver")


def _run(environment: Mapping[str, str], log: str) -> None:
    os.environ.update(environment)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.exit(main())


def main() -> int:
    """Until SIGTERM, or until the named point was passed so often."""
    if spec := os.environ.get("BOOKED_CRASH_AT"):
        point, _, number = spec.partition(":")
        passes: Counter[str] = Counter()

        def hook(reached: points.Point) -> None:
            passes[reached] += 1
            if reached == point and passes[reached] == int(number):
                os._exit(EXIT_CODE)

        points.hook = hook
    return booking.main([])


def raw(wanted: Wanted) -> Raw:
    """A request as the test producer sends it."""
    headers = [(name, value.encode() if isinstance(value, str) else value) for name, value in wanted.headers]
    return Raw(key=wanted.key, headers=headers, value=wanted.value)


@dataclass(slots=True)
class Booked:
    """Topics, a database and a town of offers for booking's processes; ends what it started."""

    kafka: KafkaServer
    dsn: str
    town: Town
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="hubnetz-booked-")))
    started: list[Running] = field(default_factory=list)

    @classmethod
    async def built(cls, kafka: KafkaServer, dsn: str, *, seed: int = 7) -> "Booked":
        """Topics made, the town's offers published."""
        town = Town(seed, datetime.now(UTC).replace(microsecond=0))
        for topic in (topics.CATALOG_OFFERS, topics.BOOKING_REQUESTS, topics.BOOKING_EVENTS, topics.dead_letter(SERVICE)):
            await asyncio.to_thread(kafka.topic, topic, partitions=3)
        draw = Random(seed)
        offers = [
            encode(Event(uuid_of(draw), f"urn:hub:{HUB}:catalog", offer.ce_type, town.now, offer.offer_id, offer))
            for offer in town.offers()
        ]
        records = [Raw(key=key, headers=list(headers), value=value) for key, headers, value in offers]
        await kafka.produce(kafka.name(topics.CATALOG_OFFERS.name), records)
        return cls(kafka, dsn, town)

    def start(self, *, crash_at: str = "") -> Running:
        """One more process of the service."""
        environment = {
            "HUBNETZ_HUB_ID": HUB,
            "HUBNETZ_HUB_NAME": "Test",
            "HUBNETZ_KAFKA": self.kafka.address,
            "HUBNETZ_KAFKA_SECURITY": "plaintext-internal",
            "HUBNETZ_DATABASE_URL": self.dsn,
            "HUBNETZ_HTTP_PORT": "0",
            "HUBNETZ_SERVICE_TOKEN": TOKEN,
            "HUBNETZ_CHECK_IN_KEY": "check-in-key-of-tests",
            "HUBNETZ_TOPIC_PREFIX": self.kafka.prefix,
            "BOOKED_CRASH_AT": crash_at,
        }
        log = self.folder / f"{len(self.started)}.log"
        log.touch()
        _PROCESSES.set_forkserver_preload(["tests.support.booked"])
        process = _PROCESSES.Process(target=_run, args=(environment, str(log)), daemon=True)
        process.start()
        running = Running(process, log)
        self.started.append(running)
        return running

    async def stop(self) -> None:
        """Kill what still runs."""
        for running in self.started:
            if running.exit_code is None:
                running.signal(signal.SIGKILL)
            await asyncio.to_thread(running.process.join, 10)

    async def send(self, records: Sequence[Raw]) -> None:
        """Produce requests, in order."""
        await self.kafka.produce(self.kafka.name(topics.BOOKING_REQUESTS.name), records)

    async def fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """Ask booking's database."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return list(await connection.fetch(query, *arguments))
        finally:
            await connection.close()

    async def settled(self, count: int, *, seconds: float = 40) -> None:
        """Wait until `count` requests are behind the stored offsets and the outbox is empty."""

        async def there() -> bool:
            (row,) = await self.fetch(
                """
                SELECT (SELECT coalesce(sum(next_offset), 0)::bigint FROM stored_offsets WHERE topic = $1) AS behind,
                       (SELECT count(*) FROM outbox) AS unsent
                """,
                topics.BOOKING_REQUESTS.name,
            )
            return bool(row["behind"] >= count and row["unsent"] == 0)

        await eventually(there, seconds=seconds, what=f"{count} requests decided and answered")

    async def answers(self) -> dict[UUID, list[tuple[UUID, str]]]:
        """Request -> (event id, type) of each message that it caused, as often as it is on the wire."""
        found: dict[UUID, list[tuple[UUID, str]]] = {}
        for record in await self.kafka.read_all(self.kafka.name(topics.BOOKING_EVENTS.name)):
            headers = {name: bytes(value or b"").decode() for name, value in record.headers}
            if "ce_causationid" in headers:
                answer = (UUID(headers["ce_id"]), headers["ce_type"].rsplit(".", 2)[-2])
                found.setdefault(UUID(headers["ce_causationid"]), []).append(answer)
        return found

    async def faults(self, sent: Sequence[Wanted]) -> list[str]:
        """What is lost, doubled or against an invariant, in words; empty if each request has exactly one answer."""
        answers = await self.answers()
        wanted = {UUID(request.request_id.decode()) for request in sent}
        ledger = {row["request_id"] for row in await self.fetch("SELECT request_id FROM requests")}
        found = {
            "not decided": len(wanted - ledger),
            "decided but never sent": len(ledger - wanted),
            "not answered": len(wanted - answers.keys()),
            "answered in two ways": sum(len(set(told)) > 1 for told in answers.values()),
            **await self.violations(),
        }
        return [f"{number} {what}" for what, number in found.items() if number]

    async def violations(self) -> dict[str, int]:
        """What the service's own invariants say of everything ever booked."""
        pool = await db.open_pool(self.dsn, name="test")
        try:
            async with db.reading(pool) as conn:
                return dict(await invariants.count_violations(conn, datetime(1, 1, 1, tzinfo=UTC)))
        finally:
            await pool.close()

    async def metric(self, name: str) -> float:
        """The sum of a metric over the running processes and its labels."""
        total = 0.0
        for running in self.started:
            if running.exit_code is None:
                text = (await running.http("GET", "/metrics")).text
                total += sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))
        return total


if __name__ == "__main__":
    sys.exit(main())
