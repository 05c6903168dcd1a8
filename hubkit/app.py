"""What a service's `build(settings)` returns and how it lives: waits for its servers, starts, runs, stops in reverse.

Nothing here knows a service. Two apps fit in one process: signals belong to `run_service`, which runs only one.
"""

import asyncio
import contextlib
import gc
import logging
import signal
import time
import zoneinfo
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import uvicorn
import uvloop
from aiokafka.errors import KafkaError
from fastapi import FastAPI
from faststream.kafka import KafkaBroker

from hubkit import inbox, migrations, outbox
from hubkit.db import Pool, reading, transaction
from hubkit.errors import DATABASE_ERRORS, is_transient
from hubkit.health import Health
from hubkit.messaging import Bus, Feed
from hubkit.outbox import Relay
from hubkit.settings import ServiceSettings
from hubkit.telemetry import Metrics, set_up_logging

log = logging.getLogger(__name__)

WAIT_SECONDS = 0.5
STOP_SECONDS_MAX = 25.0
SWEEP_SECONDS = 3600.0
AGE_SECONDS = 2.0
# Objects of the start live for ever and young ones die within their batch: without this the collector walks over all of
# them some hundred times a second (1.5 to 1.75 times the throughput, bus.md §3).
GC_THRESHOLD = 50_000


@dataclass(frozen=True, slots=True)
class Loop:
    """Something that a worker does every `seconds`, measured from end to start; its first run is at once.

    What is of less weight than the requests beside it takes at most `share` of the time and comes less often if need be.
    """

    name: str
    seconds: float
    run: Callable[[], Awaitable[None]]
    share: float = 1.0

    def rest(self, took: float) -> float:
        """Seconds until the next run, after one that took so long."""
        return max(self.seconds, took * (1 / self.share - 1))


@dataclass(slots=True)
class App:
    """One service: its pool, its place on the bus, its relay, loops and HTTP. Constructed by `services.<name>.app.build`."""

    service: str
    settings: ServiceSettings
    pool: Pool
    bus: Bus
    broker: KafkaBroker
    feeds: Sequence[Feed]
    loops: Sequence[Loop]
    http: FastAPI
    health: Health
    metrics: Metrics
    relay: Relay = field(init=False)
    port: int = 0
    _started: bool = False
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        dsn = self.settings.database_url.get_secret_value()
        self.relay = Relay(dsn, self.service, self.bus, self.pool.committed, self.metrics)
        self.health.checks |= {"database": self._database, "broker": self._broker, "consumers": self._consumers}

    def stop(self) -> None:
        """Ask `run` to end: batches in hand are finished, nothing new is taken."""
        self._stop.set()

    async def run(self) -> int:
        """Until `stop` (0), or until a part of it failed (1): the supervisor starts the process anew."""
        server = _Server(uvicorn.Config(self.http, lifespan="off", log_config=None, access_log=False, **self._address()))
        tasks = [asyncio.create_task(server.serve(), name="http"), asyncio.create_task(self._stop.wait(), name="stop")]
        try:
            start = asyncio.create_task(self._start(server), name="start")
            await asyncio.wait({start, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            if not start.done():
                start.cancel()
                return 0 if self._stop.is_set() else 1
            tasks += start.result()
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return 0 if self._stop.is_set() else self._failed(done)
        finally:
            await self._end(server, tasks)

    def _address(self) -> dict[str, Any]:
        return {"host": self.settings.http_host, "port": self.settings.http_port}

    def _failed(self, done: set[asyncio.Task[Any]]) -> int:
        for task in done:
            log.error("part of the service ended", exc_info=task.exception(), extra={"action": "run", "loop": task.get_name()})
        return 1

    async def _start(self, server: "_Server") -> list[asyncio.Task[Any]]:
        await self._wait_for("database", self._connect)
        await self._wait_for("broker", self._find_topics)
        tasks = [asyncio.create_task(self.relay.run(), name="relay")]
        await self.broker.start()
        for feed in self.feeds:
            parts = (feed.watch, feed.acknowledge_loop)
            tasks += [asyncio.create_task(part(), name=f"{feed.topic.name} {part.__name__}") for part in parts]
            tasks.append(asyncio.create_task(self._catch_up(feed), name=f"{feed.topic.name} catch_up"))
        ours = (Loop("outbox_age", AGE_SECONDS, self._measure_outbox), Loop("sweep", SWEEP_SECONDS, self._sweep))
        tasks += [asyncio.create_task(self._repeat(loop), name=loop.name) for loop in (*self.loops, *ours)]
        gc.collect()
        gc.freeze()
        self.port = server.port()
        self._started = True
        log.info("service runs", extra={"action": "start", "port": self.port})
        return tasks

    async def _catch_up(self, feed: Feed) -> None:
        await feed.catch_up()
        await self._stop.wait()

    async def _wait_for(self, what: str, ready: Callable[[], Awaitable[str]]) -> None:
        """At start too an outage is waited for, else it would end as a crash loop."""
        said = ""
        while reason := await _reason(ready):
            if reason != said:
                log.warning("waiting", extra={"action": "start", "kind": what, "reason": reason})
            said = reason
            await asyncio.sleep(WAIT_SECONDS)

    async def _connect(self) -> str:
        await self.pool.connect()
        return await self._database()

    async def _find_topics(self) -> str:
        for feed in self.feeds:
            await self.bus.topic_id(feed.topic)
        return ""

    async def _repeat(self, loop: Loop) -> None:
        while not self._stop.is_set():
            started = time.monotonic()
            try:
                await loop.run()
            except Exception as exc:  # tidy: blind-except a failed run is counted and the next one tried
                self.metrics.add("hubnetz_loop_failures_total", loop=loop.name)
                log.error("loop failed", exc_info=exc, extra={"action": "loop", "loop": loop.name})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), loop.rest(time.monotonic() - started))

    async def _measure_outbox(self) -> None:
        async with reading(self.pool) as conn:
            age = await outbox.oldest_seconds(conn)
        self.metrics.set("hubnetz_outbox_oldest_seconds", age)

    async def _sweep(self) -> None:
        async with transaction(self.pool) as tx:
            await inbox.sweep(tx)

    async def _database(self) -> str:
        return await _reason(self._migrated)

    async def _migrated(self) -> str:
        async with reading(self.pool) as conn:
            missing = await migrations.missing(conn, self.service)
        return "migrations missing" if missing else ""

    async def _broker(self) -> str:
        if not self._started:
            return "starting"
        return "" if await self.broker.ping(timeout=2.0) else "no answer"

    async def _consumers(self) -> str:
        for feed in self.feeds:
            if feed.stopped:
                return f"{feed.topic.name} stopped: {feed.stopped}"
            if not feed.caught_up.is_set():
                return f"{feed.topic.name} is catching up"
            if feed.consumer.retrying or feed.patient or feed.unanswered:
                return f"{feed.topic.name} waits"
        return ""

    async def _end(self, server: "_Server", tasks: Sequence[asyncio.Task[Any]]) -> None:
        """In reverse: what asks the subscribers ends before them, and the relay after them, since they still write."""
        server.should_exit = True
        for task in tasks:
            if task.get_name() not in ("http", "relay"):
                task.cancel()
        stopping = asyncio.create_task(self.broker.stop(), name="broker")
        await asyncio.wait({stopping}, timeout=STOP_SECONDS_MAX)
        if not stopping.done() or stopping.exception() is not None:
            log.warning("broker did not stop cleanly", extra={"action": "stop"})
            stopping.cancel()
        self.relay.stop()
        await asyncio.wait(tasks, timeout=STOP_SECONDS_MAX)
        await self.pool.close()


async def _reason(check: Callable[[], Awaitable[str]]) -> str:
    """What the check says; if a server is away, that."""
    try:
        return await check()
    except (KafkaError, *DATABASE_ERRORS) as exc:
        if isinstance(exc, asyncpg.PostgresError) and not is_transient(exc):
            raise
        return f"no answer ({type(exc).__name__})"


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: two apps fit in one process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def port(self) -> int:
        """The port that is listened on; known once started."""
        return int(self.servers[0].sockets[0].getsockname()[1]) if self.started else 0


def run_service(service: str, settings: ServiceSettings, build: Callable[[Any], App]) -> int:
    """Run one service as this process until SIGTERM or SIGINT; the exit code."""
    set_up_logging(hub_id=settings.hub_id, service=service, level=settings.log_level)
    gc.set_threshold(GC_THRESHOLD, 20, 20)
    zoneinfo.reset_tzpath(())  # the pinned tzdata on every machine, not what the host has

    async def main() -> int:
        app = build(settings)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, app.stop)
        return await app.run()

    return uvloop.run(main())
