"""`make bench`: starts a hub, measures, prints a table with the machine's facts, writes `bench/results/<date>.json`.

    python -m bench [--requests 30000] [--old 1000000] [--seconds 20] [--seed 1] [--peers]

`--old` is how many bookings the second half finds in the tables. They are written by SQL, not by requests: that is said in
the table. What is measured always came as requests through Kafka. `--peers` (`make bench PEERS=1`) is a run of its own, see
`bench.peers`.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

import asyncpg

from bench import bare, days, waiting
from bench.bookings import HUB, RATE, Latency, Stampede, Town, latency, now_whole, stampede, throughput
from bench.frontend import Frontend, Wanted
from bench.hub import Hub, running_hub
from bench.peers import side_by_side
from contracts import topics

RESULTS: Final = Path(__file__).parent / "results"
WARM: Final = 10_000
CROWD: Final = 100
STAMPEDES: Final = 5
QUESTIONS: Final = 100

# Bookings of the past as the service would have left them: ledger, booking, allocation, on the same units.
_OLD: Final = """
WITH units AS (
    SELECT resource_id, unit_no, row_number() OVER (ORDER BY unit_no) - 1 AS n, count(*) OVER () AS all_units
    FROM resources WHERE kind = 'unit' AND resource_id = ANY ($1::text[])
), made AS (
    SELECT gen_random_uuid() AS booking_id, gen_random_uuid() AS request_id, u.resource_id, u.unit_no,
           $2::timestamptz + (s.number / u.all_units) * interval '30 minutes' AS low
    FROM generate_series(0, $3::bigint - 1) AS s (number)
    JOIN units AS u ON u.n = s.number % u.all_units
), ledger AS (
    INSERT INTO requests (request_id, payload_hash, command, actor_role, actor_id, booking_id, version, decided_at, outcome)
    SELECT request_id, repeat('0', 64), 'RequestBooking', 'citizen', booking_id::text, booking_id, 1, now(),
           jsonb_build_object('type', 'de.hubnetz.booking.BookingConfirmed.v1', 'time', now()::text,
                              'data', jsonb_build_object('booking_id', booking_id, 'resource_id', resource_id))
    FROM made
), booked AS (
    INSERT INTO bookings (booking_id, offer_id, offer_revision, claimant_kind, person_id, state, version, start, "end",
                          time_zone, quantity, needs, check_in_code, next_due_at)
    SELECT booking_id, $4, 1, 'person', gen_random_uuid(), 'confirmed', 1, low, low + interval '30 minutes',
           'Europe/Berlin', 1, '{}', '00000000', low + interval '30 minutes'
    FROM made
)
INSERT INTO allocations (booking_id, component_id, resource_id, unit_no, booked, occupied, quantity, blocking)
SELECT booking_id, 'room', resource_id, unit_no, tstzrange(low, low + interval '30 minutes'),
       tstzrange(low, low + interval '30 minutes'), 1, true
FROM made
"""
OLD_PER_STATEMENT: Final = 100_000


def say(text: str) -> None:
    """One line at once, also into a pipe."""
    print(text, flush=True)


def machine() -> dict[str, object]:
    """What a reader needs to compare."""
    with Path("/proc/cpuinfo").open() as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
    }


class Table:
    """The figures as they come: printed at once, kept for the file."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(self, name: str, value: float, unit: str, **more: object) -> None:
        """One figure."""
        self.rows.append({"name": name, "value": round(value, 2), "unit": unit, **more})
        extra = "  ".join(f"{key} {value}" for key, value in more.items())
        say(f"  {name:<52}{value:>12,.1f} {unit:<8} {extra}")

    def rate(self, name: str, hub: Hub, frontend: Frontend, requests: list[Wanted]) -> bool:
        """A throughput with what each part cost; whether every request had exactly one answer."""
        before = hub.cpu_seconds()
        rate = throughput(frontend, requests)
        after = hub.cpu_seconds()
        cost = {part: round((after[part] - before[part]) / max(1, rate.confirmed) * 1e6) for part in after}
        self.add(name, rate.per_second, "1/s", us_each=cost, lost=rate.lost, doubled=rate.doubled)
        return rate.lost == 0 and rate.doubled == 0

    def stampede(self, name: str, runs: list[Stampede]) -> bool:
        """The slowest of some stampedes; whether each had one winner and an answer for everybody."""
        slowest = max(run.all_answered for run in runs)
        won = all((run.confirmed, run.refused) == (1, CROWD - 1) for run in runs)
        self.add(name, slowest, "ms", each=[round(run.all_answered) for run in runs], one_winner_each=won)
        return won

    def latency(self, name: str, value: Latency) -> bool:
        """A latency at the fixed rate; whether nothing was lost."""
        self.add(name, value.p99, "ms p99", p50=round(value.p50, 1), most=round(value.most, 1), lost=value.lost)
        return value.lost == 0


async def _write_old(dsn: str, town: Town, count: int) -> None:
    names = [town.resource_of(number) for number in range(len(town.rooms))]
    connection = await asyncpg.connect(dsn, command_timeout=900)
    try:
        await connection.execute("SET statement_timeout = 0")
        for done in range(0, count, OLD_PER_STATEMENT):
            rows = min(OLD_PER_STATEMENT, count - done)
            first = town.first + timedelta(days=300, minutes=30 * (done // len(names)))
            await connection.execute(_OLD, names, first, rows, town.rooms[0])
            say(f"    {done + rows:,} old bookings written")
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


def measure(hub: Hub, table: Table, *, requests: int, old: int, seconds: float, seed: int) -> bool:
    """All figures of booking, alone and beside the others; whether each request had exactly one answer."""
    random = Random(seed)
    town = Town(seed, now_whole())
    frontend = Frontend(hub.kafka)
    try:
        frontend.publish(town.offers(), source=f"urn:hub:{HUB}:catalog", at=town.now, ids=random)
        with hub.alone("booking"):
            say("  booking alone")
            well = table.rate(f"spread over 200 rooms, the first {WARM:,}", hub, frontend, town.spread(WARM))
            well &= _four(hub, table, frontend, town, f"after {WARM:,}", requests, seconds)
            well &= days.measure(hub, table, town, frontend, questions=QUESTIONS, seed=seed)
            well &= waiting.measure(hub, table, rounds=STAMPEDES, seed=seed)
            asyncio.run(_write_old(hub.postgres["booking"], town, old))
            well &= _four(hub, table, frontend, town, f"after {old:,}", requests, seconds)
            well &= _bare(hub, table, town.now, requests)
            with hub.joined("booking", topics.BOOKING_REQUESTS.name):
                say("  two processes of booking")
                well &= _two(hub, table, frontend, town, f"two processes, after {old:,}", requests, seconds)
        say("  all services")
        well &= _four(hub, table, frontend, town, "beside the others", requests, seconds)
    finally:
        frontend.close()
    return well


def _two(hub: Hub, table: Table, frontend: Frontend, town: Town, when: str, requests: int, seconds: float) -> bool:
    well = table.rate(f"spread over 200 rooms, {when}", hub, frontend, town.spread(requests))
    return well & table.latency(
        f"request to event at {RATE:.0f}/s, {when}", latency(frontend, town.spread(int(RATE * seconds)))
    )


def _four(hub: Hub, table: Table, frontend: Frontend, town: Town, when: str, requests: int, seconds: float) -> bool:
    well = _two(hub, table, frontend, town, when, requests, seconds)
    well &= table.rate(f"one hot session, {when}", hub, frontend, town.hot(requests))
    runs = [stampede(frontend, town.one_slot(CROWD)) for _ in range(STAMPEDES)]
    return well & table.stampede(f"{CROWD} want one slot, all answered, {when}", runs)


def _bare(hub: Hub, table: Table, first: datetime, requests: int) -> bool:
    rate = asyncio.run(bare.insert_rate(hub.postgres["booking"], requests, first))
    table.add("bare: asyncpg INSERT of 500 under the same constraint", rate, "rows/s")
    plain, parsed = bare.read_rates(hub.kafka)
    table.add("bare: aiokafka reads the requests", plain.per_second, "1/s", records=plain.records)
    table.add("aiokafka reads, the contract parses and validates", parsed.per_second, "1/s", records=parsed.records)
    return plain.records == parsed.records


def main(arguments: list[str]) -> int:
    """Exit code 1 if any request had not exactly one answer, whatever the speed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--requests", type=int, default=30_000, help="of each throughput")
    parser.add_argument("--old", type=int, default=1_000_000, help="bookings in the tables in the second half")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each latency")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peers", action="store_true", help="instead: side by side with pretix and Indico's room booking")
    chosen = parser.parse_args(arguments)
    facts, table = machine(), Table()
    say(f"{facts['cores']} cores, {facts['cpu']}, Python {facts['python']}, load before {facts['load_before']:.1f}")
    with running_hub(HUB) as hub:
        if chosen.peers:
            well = side_by_side.measure(hub, table.add, seed=chosen.seed)
        else:
            well = measure(hub, table, requests=chosen.requests, old=chosen.old, seconds=chosen.seconds, seed=chosen.seed)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{now_whole():%Y-%m-%dT%H%M%S}.json"
    path.write_text(json.dumps({"machine": facts, "options": vars(chosen), "figures": table.rows}, indent=1))
    say(f"  written to {path}" + ("" if well else "; REQUESTS WERE LOST OR DOUBLED"))
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
