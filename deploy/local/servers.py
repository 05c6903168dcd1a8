"""Broker and database alone, in the foreground: `python -m deploy.local.servers [--throw-away] [--until-gone PID] FOLDER`.

For tests and for developing: prints the two variables that point tests to the running pair.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Generic, TypeVar

from deploy import say
from deploy.failures import Failure
from deploy.local import fetch, watchdog
from deploy.local import kafka as broker
from deploy.local import postgres as database
from deploy.local.folder import DataFolder, free_port, placed
from deploy.local.kafka import Kafka
from deploy.local.postgres import Postgres
from deploy.local.process import Child, Spec
from deploy.local.supervisor import Stopped, Supervisor, running

_ATTEMPTS: Final = 3
_ONE_SHOT_SECONDS: Final = 60
Server = TypeVar("Server", Kafka, Postgres)


@dataclass(slots=True)
class Starting(Generic[Server]):
    """A server that was started and does not answer yet.

    A port that was free a moment ago may be taken now, so a server that ends at once gets another one, three times in all.
    """

    supervisor: Supervisor
    server: Server
    child: Child
    again: Callable[[], Server]

    def wait(self) -> Server:
        """Until it answers; the ports are noted for the next start."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._answers()
                break
            except Failure:
                if self.child.ended() is None or attempt == _ATTEMPTS:
                    raise
                self.server = self.again()
                self.child = _keep(self.supervisor, self.server)
        _note_port(self.supervisor.folder, self.child.spec.name, self.server.port)
        return self.server

    def _answers(self) -> None:
        server, child = self.server, self.child
        if isinstance(server, Postgres):
            ready, seconds, what = partial(server.ready, child.group), database.READY_SECONDS, "PostgreSQL to take connections"
        else:
            ready, seconds, what = partial(broker.answers, server.address), broker.READY_SECONDS, "Kafka to answer"
        self.supervisor.wait(child, ready, seconds=seconds, what=what)


def begin_postgres(supervisor: Supervisor, *, durable: bool = True) -> Starting[Postgres]:
    """Start the database server on the port of last time, if that is free; the cluster exists."""
    folder = supervisor.folder
    server = Postgres(folder, free_port(_last_ports(folder).get("postgres")), durable=durable)
    again = partial(_other_postgres, folder, durable)
    return Starting(supervisor, server, _keep(supervisor, server), again)


def begin_kafka(supervisor: Supervisor, *, small: bool = False, heap_max: str = broker.HEAP_MAX) -> Starting[Kafka]:
    """Start the broker on the port of last time, if that is free; the folder is formatted."""
    folder = supervisor.folder
    node = Kafka(folder, free_port(_last_ports(folder).get("kafka")), free_port(), small, heap_max)
    again = partial(_other_kafka, folder, small, heap_max)
    return Starting(supervisor, node, _keep(supervisor, node), again)


def _other_postgres(folder: DataFolder, durable: bool) -> Postgres:
    return Postgres(folder, free_port(), durable=durable)


def _other_kafka(folder: DataFolder, small: bool, heap_max: str) -> Kafka:
    return Kafka(folder, free_port(), free_port(), small, heap_max)


def _keep(supervisor: Supervisor, server: Kafka | Postgres) -> Child:
    if isinstance(server, Kafka):
        server.write_settings()
    return supervisor.keep(server.spec())


def make(supervisor: Supervisor, *, kafka: bool = True, postgres: bool = True, durable: bool = True) -> None:
    """Fetch what is not in the cache; format the broker's folder and make the database cluster if they are missing."""
    if kafka and postgres:
        fetch.everything()
    folder = supervisor.folder
    jobs: list[tuple[Spec, Callable[[], None]]] = []
    if postgres:
        server = Postgres(folder, 0, durable=durable)
        if initdb := server.initdb_spec():
            jobs.append((initdb, server.adopt))
    if kafka:
        node = Kafka(folder, 0, 0)
        node.write_settings()
        if formatting := node.format_spec():
            jobs.append((formatting, lambda: None))
    if jobs:
        with say.step("new data folder"):
            begun = [(supervisor.begin(spec), afterwards) for spec, afterwards in jobs]  # side by side
            for child, afterwards in begun:
                supervisor.finish(child, seconds=_ONE_SHOT_SECONDS)
                afterwards()


def _last_ports(folder: DataFolder) -> dict[str, int]:
    try:
        noted = json.loads((folder.path / "ports.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _note_port(folder: DataFolder, name: str, port: int) -> None:
    (folder.path / "ports.json").write_text(json.dumps(_last_ports(folder) | {name: port}))


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
            make(supervisor, durable=not chosen.throw_away)
            with say.step("PostgreSQL and Kafka answer"):
                starting = begin_postgres(supervisor, durable=not chosen.throw_away)
                node = begin_kafka(supervisor, small=chosen.throw_away).wait()
                server = starting.wait()
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
