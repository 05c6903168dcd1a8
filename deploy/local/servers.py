"""Broker and database alone, in the foreground: `python -m deploy.local.servers [--throw-away] [--until-gone PID] FOLDER`.

For tests and for developing: prints the two variables that point tests to the running pair.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from deploy import say
from deploy.failures import Failure
from deploy.local import kafka as broker
from deploy.local import postgres as database
from deploy.local import watchdog
from deploy.local.folder import DataFolder, free_port, placed
from deploy.local.kafka import Kafka
from deploy.local.postgres import Postgres
from deploy.local.process import Child
from deploy.local.supervisor import Stopped, Supervisor, running

_ATTEMPTS: Final = 3
_ONE_SHOT_SECONDS: Final = 60


def start(supervisor: Supervisor, *, throw_away: bool) -> tuple[Kafka, Postgres]:
    """Start both side by side; on return both answer. Ports of the last start are taken again if they are free."""
    folder = supervisor.folder
    last = _last_ports(folder)
    server = Postgres(folder, free_port(last.get("postgres")), durable=not throw_away)
    node = Kafka(folder, free_port(last.get("kafka")), free_port(), small=throw_away)
    with say.step("new data folder" if _is_new(node, server) else "data folder"):
        _make(supervisor, node, server)
    with say.step("PostgreSQL and Kafka answer"):
        postgres_child, kafka_child = _keep_postgres(supervisor, server), _keep_kafka(supervisor, node)
        # A port that was free a moment ago may be taken now: a server that ends at once gets others, three times in all.
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                _wait_for_postgres(supervisor, server, postgres_child)
                break
            except Failure:
                if postgres_child.ended() is None or attempt == _ATTEMPTS:
                    raise
                server = Postgres(folder, free_port(), durable=not throw_away)
                postgres_child = _keep_postgres(supervisor, server)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                _wait_for_kafka(supervisor, node, kafka_child)
                break
            except Failure:
                if kafka_child.ended() is None or attempt == _ATTEMPTS:
                    raise
                node = Kafka(folder, free_port(), free_port(), small=throw_away)
                kafka_child = _keep_kafka(supervisor, node)
    (folder.path / "ports.json").write_text(json.dumps({"kafka": node.port, "postgres": server.port}))
    supervisor.facts |= {"kafka": node.address, "postgres": f"127.0.0.1:{server.port}"}
    supervisor.note()
    return node, server


def _is_new(node: Kafka, server: Postgres) -> bool:
    return node.format_spec() is not None or not server.data.exists()


def _make(supervisor: Supervisor, node: Kafka, server: Postgres) -> None:
    """Format the broker's folder and make the database cluster, side by side, whatever of it is missing."""
    node.write_settings()
    jobs: list[tuple[Child, Callable[[], None]]] = []
    if initdb := server.initdb_spec():
        jobs.append((supervisor.begin(initdb), server.adopt))
    if formatting := node.format_spec():
        jobs.append((supervisor.begin(formatting), lambda: None))
    for child, afterwards in jobs:
        supervisor.finish(child, seconds=_ONE_SHOT_SECONDS)
        afterwards()


def _keep_postgres(supervisor: Supervisor, server: Postgres) -> Child:
    return supervisor.keep(server.spec())


def _keep_kafka(supervisor: Supervisor, node: Kafka) -> Child:
    node.write_settings()
    return supervisor.keep(node.spec())


def _wait_for_postgres(supervisor: Supervisor, server: Postgres, child: Child) -> None:
    supervisor.wait(
        child, lambda: server.ready(child.group), seconds=database.READY_SECONDS, what="PostgreSQL to take connections"
    )


def _wait_for_kafka(supervisor: Supervisor, node: Kafka, child: Child) -> None:
    supervisor.wait(child, lambda: broker.answers(node.address), seconds=broker.READY_SECONDS, what="Kafka to answer")


def _last_ports(folder: DataFolder) -> dict[str, int]:
    try:
        noted = json.loads((folder.path / "ports.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return noted if isinstance(noted, dict) else {}


def alive(pid: int | None) -> Callable[[], bool]:
    """A question whether that very process still lives; without one it always does."""
    if pid is None:
        return lambda: True
    start_time = watchdog.started(pid)
    return lambda: start_time is not None and watchdog.started(pid) == start_time


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.local.servers", description=__doc__)
    parser.add_argument("folder", type=Path, help="data folder; kept")
    parser.add_argument("--throw-away", action="store_true", help="nothing waits for the disk: for test data only")
    parser.add_argument("--until-gone", type=int, metavar="PID", help="stop when that process is gone")
    chosen = parser.parse_args(arguments)
    try:
        with running(DataFolder(placed(chosen.folder)), wanted=alive(chosen.until_gone)) as supervisor:
            node, server = start(supervisor, throw_away=chosen.throw_away)
            sys.stdout.write(f"export HUBNETZ_TEST_KAFKA={node.address}\n")
            sys.stdout.write(f"export HUBNETZ_TEST_POSTGRES={server.dsn()}\n")
            sys.stdout.flush()
            supervisor.run()
    except Stopped:
        return 0
    except Failure as failure:
        say.line(str(failure))
        return failure.code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
