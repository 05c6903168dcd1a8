"""Events per second from a backlog into analytics, and how long a year's roll-ups take, beside bare measures of the same run.

    python -m bench.analytics [--events 2000000] [--facts 1000000] [--seed 1] [--kafka ADDRESS --postgres DSN]

Without addresses it starts a broker and a database of its own, on disk as in service (fsync and synchronous_commit on). The
backlog is produced before the clock starts; the service is `python -m services.analytics` as it runs in a hub. What is
measured is from its first fetch to its last commit: parsing, dedup, marks and offsets included.
"""

import argparse
import asyncio
import base64
import io
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import asyncpg
import uvloop
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from bench import bare
from bench.year import HUB, LAST, LEAD_DAYS_MAX, YEAR, Record, Year
from contracts import topics
from contracts.envelope import decode
from contracts.topics import Topic
from deploy import migrate
from hubkit import db
from hubkit.clock import DatabaseClock
from hubkit.telemetry import Metrics
from services.analytics.domain.pseudonyms import Pseudonyms
from services.analytics.domain.rows import EventRow
from services.analytics.domain.zones import zone
from services.analytics.ingest import states
from services.analytics.recompute import turns
from services.analytics.recompute.rebuild import rebuild
from services.analytics.store import copying, marks
from services.analytics.wire.facts import FactReader
from services.analytics.wire.offers import read_state
from services.analytics.worker import loops

TICKS: Final = os.sysconf("SC_CLK_TCK")
COPY_ROWS: Final = 200_000
READ: Final = (topics.BOOKING_EVENTS, topics.CATALOG_OFFERS, topics.NOTIFY_DELIVERIES)


def say(text: str) -> None:
    """One line at once, also into a pipe."""
    print(text, flush=True)


def figure(name: str, value: float, unit: str, **more: object) -> None:
    """One figure."""
    say(f"  {name:<60}{value:>12,.1f} {unit:<9}" + "  ".join(f"{key} {said}" for key, said in more.items()))


def make_topics(kafka: str) -> None:
    """Fresh ones: a log that was read before is no backlog."""
    admin = AdminClient({"bootstrap.servers": kafka})
    ours = (*READ, topics.dead_letter("analytics"))
    for future in admin.delete_topics([topic.name for topic in ours], operation_timeout=30).values():
        future.exception(30)
    time.sleep(1)
    new = [NewTopic(topic.name, topic.partitions, 1, config=topic.config()) for topic in ours]
    for future in admin.create_topics(new, operation_timeout=30).values():
        future.result(30)


def produce(kafka: str, topic: Topic, records: Iterator[Record]) -> int:
    """Send them all; how many there were."""
    producer = Producer({"bootstrap.servers": kafka, "linger.ms": 20, "batch.size": 262_144, "compression.type": "zstd"})
    sent = 0
    for key, headers, value in records:
        sent += 1
        for _ in range(1_000):
            try:
                producer.produce(topic.name, key=key, value=value, headers=headers)
                break
            except BufferError:
                producer.poll(0.1)
        if sent % 10_000 == 0:
            producer.poll(0)
    producer.flush(60)
    return sent


@dataclass(frozen=True, slots=True)
class Ingested:
    """What reading the backlog took, in wall and in processor time of the service."""

    records: int
    events: int
    seconds: float
    cpu_seconds: Mapping[str, float]


async def ingest(kafka: str, dsn: str, records: int, folder: Path, servers_pid: int | None = None) -> Ingested:
    """Run the service until the last record is committed."""
    keys = folder / "keys"
    keys.mkdir()
    for year in range(2020, 2040):
        (keys / str(year)).write_text(base64.b64encode(bytes([year % 256]) * 32).decode())
    settings = {
        "HUBNETZ_HUB_ID": HUB, "HUBNETZ_HUB_NAME": "Messung", "HUBNETZ_KAFKA": kafka, "HUBNETZ_DATABASE_URL": dsn,
        "HUBNETZ_KAFKA_SECURITY": "plaintext-internal", "HUBNETZ_HTTP_PORT": "0", "HUBNETZ_ANALYTICS_KEYS": str(keys),
        "HUBNETZ_SERVICE_TOKEN": "token-of-the-benchmark", "HUBNETZ_LOG_LEVEL": "error",
    }  # fmt: skip
    watching = await asyncpg.connect(dsn)
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "services.analytics", env={**os.environ, **settings})
    try:
        while not await watching.fetchval(_ASSIGNED, topics.BOOKING_EVENTS.name, topics.BOOKING_EVENTS.partitions):
            assert process.returncode is None, "the service did not start"
            await asyncio.sleep(0.005)
        started, used = time.perf_counter(), _cpu_seconds(process.pid, servers_pid)
        while (await watching.fetchval(_READ, topics.BOOKING_EVENTS.name)) < records:
            assert process.returncode is None, "the service ended"
            await asyncio.sleep(0.02)
        seconds, cost = time.perf_counter() - started, _cpu_seconds(process.pid, servers_pid)
        spent = {name: cost[name] - used[name] for name in cost}
        return Ingested(records, await watching.fetchval("SELECT count(*) FROM events"), seconds, spent)
    finally:
        process.terminate()
        await process.wait()
        await watching.close()


_ASSIGNED: Final = "SELECT count(*) = $2 FROM stored_offsets WHERE topic = $1"
_READ: Final = "SELECT sum(next_offset)::bigint FROM stored_offsets WHERE topic = $1"


def _cpu_seconds(service: int, servers_pid: int | None) -> dict[str, float]:
    """Processor time so far of the service and, if they are ours, of the servers, with their children that have ended."""
    used = {"service": 0.0} | ({} if servers_pid is None else {"postgres": 0.0, "kafka": 0.0})
    parents: dict[int, int] = {}
    found: list[tuple[int, str, float]] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                head, _, tail = (entry / "stat").read_text().rpartition(")")
                fields = tail.split()
                parents[int(entry.name)] = int(fields[1])
                found.append((int(entry.name), head.partition("(")[2], sum(map(int, fields[11:15])) / TICKS))
    for pid, program, seconds in found:
        name = "service" if pid == service else {"postgres": "postgres", "java": "kafka"}.get(program, "")
        if name in used and (pid == service or _is_below(pid, servers_pid, parents)):
            used[name] += seconds
    return used


def _is_below(pid: int, ancestor: int | None, parents: Mapping[int, int]) -> bool:
    while pid in parents:
        pid = parents[pid]
        if pid == ancestor:
            return True
    return False


def rows_of(year: Year, count: int) -> list[EventRow]:
    """The backlog as rows, each event once, for what needs no broker."""
    reader = FactReader(HUB, zone("Europe/Berlin"), Pseudonyms({n: bytes([n % 256]) * 32 for n in range(2020, 2040)}))
    found: dict[bytes, EventRow] = {}
    for key, headers, value in year.records(count):
        plain = [(name, content if isinstance(content, bytes) else None) for name, content in headers]
        row, _ = reader.read(decode(topics.BOOKING_EVENTS, key=key, headers=plain, value=value), None)
        assert row is not None, "every record of the backlog is a fact"
        found[row.event_id] = row
    return list(found.values())


async def copy_rate(dsn: str, rows: list[EventRow]) -> float:
    """Rows per second of COPY alone into a table like `events` with its indexes: no dedup, no marks, no offsets."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("CREATE SCHEMA bare; CREATE TABLE bare.events (LIKE events INCLUDING ALL)")
        batches = [copying.copy_data(rows[start : start + 2_000]) for start in range(0, len(rows), 2_000)]
        started = time.perf_counter()
        for batch in batches:
            await connection.copy_to_table(
                "events", schema_name="bare", source=io.BytesIO(batch), columns=EventRow._fields, format="binary"
            )
        return len(rows) / (time.perf_counter() - started)
    finally:
        await connection.execute("DROP SCHEMA IF EXISTS bare CASCADE")
        await connection.close()


async def fill(dsn: str, pool: db.Pool, year: Year, facts: int) -> None:
    """The catalogue's history and the facts of a year as ingestion leaves them; calendars and all days computed."""
    where = zone("Europe/Berlin")
    async with db.transaction(pool) as tx:
        for event in year.states():
            state = read_state(event)
            assert state is not None, "an offer has a state"
            await states.write_state(tx, *state)
    connection = await asyncpg.connect(dsn)  # without the limits of a service
    try:
        begin, step = year.now - LAST - YEAR, YEAR * 2 / facts
        await connection.execute(_FACTS, facts // 2, begin, step, year.offers, LEAD_DAYS_MAX - 1)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
    while await turns.derive_calendars(pool, DatabaseClock(), where):
        pass
    await pool.raw.execute("INSERT INTO dirty_days (hub_id, day) SELECT DISTINCT hub_id, first_day FROM events")
    while await turns.recompute_days(pool, where):  # the days ahead too: a rebuild is compared with what stands
        pass


# The same year as `Year` tells it, made by the server: a million facts take it half a minute.
_FACTS: Final = """
INSERT INTO events (
    event_id, booking_id, occurred_at, produced_at, starts_at, ends_at, record_offset, partition, version, quantity,
    occurred_day, first_day, last_day, over_midnight, moved, late, freed, content_hash, visitor, type, state, from_state,
    hub_id, side, claimant, actor_role, offer_id, resource_ids, quantities
)
SELECT
    gen_random_uuid(), b.booking_id, w.at, w.at, b.starts_at, b.starts_at + b.length, b.number, 0, v.version, 1,
    (w.at AT TIME ZONE 'Europe/Berlin')::date, (b.starts_at AT TIME ZONE 'Europe/Berlin')::date,
    (b.starts_at AT TIME ZONE 'Europe/Berlin')::date, false, false, false, w.state = 'cancelled',
    sha256(uuid_send(b.booking_id)), substr(sha256(int4send(b.number % 20000)), 1, 16),
    (ARRAY['BookingConfirmed', 'BookingCancelled', 'BookingCompleted', 'BookingCompleted', 'BookingNoShow'])[w.kind], w.state,
    CASE v.version WHEN 2 THEN 'confirmed' END, 'bench', 'provider', 'person', 'citizen', ($4::text[])[b.room % 30 + 1],
    ARRAY['room-' || b.room], ARRAY[1]
FROM (
    SELECT
        number, gen_random_uuid() AS booking_id, $2::timestamptz + number * $3::interval AS made_at,
        date_trunc('day', $2::timestamptz + number * $3::interval + interval '1 day' * (1 + floor(random() * $5::integer)))
            + interval '1 hour' * (7 + floor(random() * 10)) AS starts_at,
        interval '30 minutes' * (1 + floor(random() * 3)) AS length, 2 + floor(random() * 4)::integer AS ending,
        floor(random() * 100)::integer AS room
    FROM generate_series(1, $1::integer) AS number
) AS b
CROSS JOIN generate_series(1, 2) AS v (version)
CROSS JOIN LATERAL (
    SELECT
        CASE v.version WHEN 1 THEN 1 ELSE b.ending END AS kind,
        (ARRAY['confirmed', 'cancelled', 'completed', 'completed', 'no_show'])[CASE v.version WHEN 1 THEN 1 ELSE b.ending END]
            AS state,
        CASE WHEN v.version = 1 THEN b.made_at
             WHEN b.ending = 2 THEN b.made_at + (b.starts_at - b.made_at) / 2
             ELSE b.starts_at + interval '2 hours' END AS at
) AS w
"""


async def recompute(dsn: str, year: Year, facts: int) -> None:
    """A rebuild of everything, and all days of the year by the workers' turns."""
    where = zone("Europe/Berlin")
    pool = await db.open_pool(dsn, name="bench")
    try:
        await fill(dsn, pool, year, facts)
        end = (year.now - LAST).date()
        days = [end - timedelta(days=n) for n in range(365)]
        work = loops.Work(HUB, where, pool, DatabaseClock(), Metrics())
        for _ in range(2):
            async with db.transaction(pool) as tx:
                await tx.execute("DELETE FROM dirty_days")
                await marks.mark_days(tx, HUB, days)
            started = time.perf_counter()
            await loops.recompute_days(work)
            figure("365 days recomputed by the service's workers", time.perf_counter() - started, "s", facts=f"{facts:,}")
            started = time.perf_counter()
            done = await rebuild(pool, DatabaseClock(), where, accept=False)
            seconds = time.perf_counter() - started
            figure("rebuild: calendars, days, comparison, periods, swap", seconds, "s", days=done.days, swapped=done.swapped)
            assert done.swapped, "a rebuild that differs is wrong, however fast"
    finally:
        await pool.close()


@contextmanager
def servers(kafka: str | None, postgres: str | None) -> Iterator[tuple[str, str, int | None]]:
    """The addresses given, else those of a pair of the benchmark's own and what runs it; removed at the end."""
    if kafka and postgres:
        yield kafka, postgres, None
        return
    with tempfile.TemporaryDirectory(prefix="hubnetz-bench-") as folder:
        os.chmod(folder, 0o755)  # noqa: S103  # PostgreSQL runs as another user when we are root
        command = [sys.executable, "-m", "deploy.local.servers", "--until-gone", str(os.getpid()), str(Path(folder) / "data")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None, "its output is a pipe"
            try:
                lines = [process.stdout.readline().strip() for _ in range(2)]
                yield lines[0].partition("=")[2], lines[1].partition("=")[2], process.pid
            finally:
                process.terminate()
                process.wait(60)


async def _database(admin: str, name: str) -> str:
    connection = await asyncpg.connect(admin)
    try:
        drop = await connection.fetchval("SELECT format('DROP DATABASE IF EXISTS %I WITH (FORCE)', $1::text)", name)
        await connection.execute(drop)
    finally:
        await connection.close()
    return await migrate.migrate(admin, service="analytics", password=secrets.token_hex(16), database=name)


def measure(kafka: str, admin: str, servers_pid: int | None, chosen: argparse.Namespace) -> bool:
    """All figures; whether every event went in exactly once."""
    year, well = Year(chosen.seed), True
    if chosen.events:
        make_topics(kafka)
        records = produce(kafka, topics.BOOKING_EVENTS, year.records(chosen.events))
        distinct = records - year.repeated
        say(f"  backlog of {records:,} records produced, {year.repeated:,} of them twice")
        with tempfile.TemporaryDirectory() as folder:
            dsn = uvloop.run(_database(admin, "bench_ingest"))
            done = uvloop.run(ingest(kafka, dsn, records, Path(folder), servers_pid))
        each = {f"{name}_us_each": round(seconds / records * 1e6, 1) for name, seconds in done.cpu_seconds.items()}
        figure("ingest, first fetch to last commit", records / done.seconds, "events/s", **each)
        well = done.events == distinct
        rate = uvloop.run(bare.read_rate(kafka, topics.BOOKING_EVENTS, parsed=False))
        figure("bare: aiokafka reads the backlog", rate.per_second, "events/s", records=f"{rate.records:,}")
        rate = uvloop.run(bare.read_rate(kafka, topics.BOOKING_EVENTS, parsed=True))
        figure("aiokafka reads, the contract parses and validates", rate.per_second, "events/s")
        rows = rows_of(Year(chosen.seed), min(chosen.events, COPY_ROWS))
        figure("bare: COPY into a table like `events`", uvloop.run(copy_rate(dsn, rows)), "rows/s")
    if chosen.facts:
        uvloop.run(recompute(uvloop.run(_database(admin, "bench_facts")), year, chosen.facts))
    return well


def main(arguments: list[str]) -> int:
    """Exit code 1 if an event was lost or doubled, whatever the speed."""
    parser = argparse.ArgumentParser(prog="python -m bench.analytics", description=__doc__)
    parser.add_argument("--events", type=int, default=2_000_000, help="of the backlog; 0: no ingestion")
    parser.add_argument("--facts", type=int, default=1_000_000, help="recomputed; 0: no recomputation")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kafka", help="address of a broker whose topics may be deleted")
    parser.add_argument("--postgres", help="administrator's address of a database server")
    chosen = parser.parse_args(arguments)
    say(f"{os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}")
    with servers(chosen.kafka, chosen.postgres) as (kafka, admin, servers_pid):
        well = measure(kafka, admin, servers_pid, chosen)
    say("  every event once" if well else "  EVENTS WERE LOST OR DOUBLED")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
