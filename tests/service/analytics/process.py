"""Analytics as processes of their own on real servers.

`python -m tests.service.analytics.process` is `python -m services.analytics` that ends at the point named by
`ANALYTICS_CRASH_AT` (`<point>:<n>`, the n-th pass).
"""

import asyncio
import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.protocol.group import LeaveGroupRequest
from confluent_kafka.admin import AdminClient

from contracts import topics
from hubkit import points
from services.analytics import __main__ as analytics
from services.analytics.wire.keys import write_key
from tests.service.analytics.hub import KEYS
from tests.service.analytics.log import HUB
from tests.support.kafka import KafkaServer
from tests.support.processes import TOKEN, Running
from tests.support.waiting import eventually

EXIT_CODE: Final = 42
SERVICE: Final = "analytics"
READ: Final = (topics.BOOKING_EVENTS, topics.CATALOG_OFFERS, topics.NOTIFY_DELIVERIES)
_PROCESSES: Final = multiprocessing.get_context("forkserver")


def environment(kafka: KafkaServer, dsn: str, keys: Path) -> dict[str, str]:
    """The settings of a process."""
    return {
        "HUBNETZ_HUB_ID": HUB,
        "HUBNETZ_HUB_NAME": "Hub Nord",
        "HUBNETZ_KAFKA": kafka.address,
        "HUBNETZ_KAFKA_SECURITY": "plaintext-internal",
        "HUBNETZ_TOPIC_PREFIX": kafka.prefix,
        "HUBNETZ_DATABASE_URL": dsn,
        "HUBNETZ_HTTP_PORT": "0",
        "HUBNETZ_SERVICE_TOKEN": TOKEN,
        "HUBNETZ_ANALYTICS_KEYS": str(keys),
    }


async def make_topics(kafka: KafkaServer, *, partitions: int = 3) -> None:
    """What analytics reads and writes."""
    for topic in READ:
        await asyncio.to_thread(kafka.topic, topic, partitions=partitions)
    await asyncio.to_thread(kafka.topic, topics.dead_letter(SERVICE))


def make_keys(folder: Path) -> Path:
    """The keys of the tests, in a folder."""
    folder.mkdir()
    for year, key in KEYS.items():
        write_key(folder, year, key)
    return folder


def _run(environment: Mapping[str, str], log: str) -> None:
    os.environ.update(environment)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.exit(main())


def main() -> int:
    """Until SIGTERM, or until the named point was passed so often."""
    if spec := os.environ.get("ANALYTICS_CRASH_AT"):
        point, _, number = spec.partition(":")
        passes: Counter[str] = Counter()

        def hook(reached: points.Point) -> None:
            passes[reached] += 1
            if reached == point and passes[reached] == int(number):
                os._exit(EXIT_CODE)

        points.hook = hook
    return analytics.main([])


@dataclass(slots=True)
class Office:
    """Processes of analytics on one database, and what a test asks of it. Ends what it started."""

    kafka: KafkaServer
    dsn: str
    folder: Path
    started: list[Running] = field(default_factory=list)

    def start(self, crash_at: str = "") -> Running:
        """One more process."""
        keys = self.folder / "keys"
        settings = environment(self.kafka, self.dsn, keys if keys.exists() else make_keys(keys))
        log = self.folder / f"{len(self.started)}.log"
        log.touch()
        _PROCESSES.set_forkserver_preload(["tests.service.analytics.process"])
        process = _PROCESSES.Process(target=_run, args=(settings | {"ANALYTICS_CRASH_AT": crash_at}, str(log)), daemon=True)
        process.start()
        self.started.append(Running(process, log))
        return self.started[-1]

    async def bury(self) -> None:
        """Have the broker forget the members of our groups, as it would by itself 10 s after their processes were killed."""
        groups = [self.kafka.name(f"{SERVICE}.{topic.name}") for topic in READ]
        admin = AdminClient({"bootstrap.servers": self.kafka.address})
        described = await asyncio.to_thread(admin.describe_consumer_groups, groups)
        client = AIOKafkaClient(bootstrap_servers=self.kafka.address)
        await client.bootstrap()
        try:
            for group, future in described.items():
                coordinator = await client.coordinator_lookup(CoordinationType.GROUP, group)
                await client.ready(coordinator)
                for member in (await asyncio.to_thread(future.result, 10)).members:
                    await client.send(coordinator, LeaveGroupRequest(group, member.member_id))
        finally:
            await client.close()

    async def stop(self) -> None:
        """Kill what still runs."""
        for running in self.started:
            if running.exit_code is None:
                running.process.kill()
            await asyncio.to_thread(running.process.join, 10)

    async def fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.dsn)
        try:
            return list(await connection.fetch(query, *arguments))
        finally:
            await connection.close()

    async def settled(self, records: int, *, seconds: float = 45) -> None:
        """Wait until so many records are behind the stored offsets and nothing is marked."""

        async def there() -> bool:
            (row,) = await self.fetch(
                """
                SELECT (SELECT coalesce(sum(next_offset), 0)::bigint FROM stored_offsets) AS behind,
                       (SELECT count(*) FROM dirty_days) + (SELECT count(*) FROM dirty_resources) AS marked
                """
            )
            return bool(row["behind"] >= records and row["marked"] == 0)

        await eventually(there, seconds=seconds, what=f"{records} records read and computed")


if __name__ == "__main__":
    sys.exit(main())
