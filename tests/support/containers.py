"""Broker and database of a test run as containers, with the images of compose.yaml: `python -m tests.support.containers`.

    --until-gone PID    stop when that process is gone

Prints the two lines that `deploy.local.servers` prints, and removes both containers when it ends. The library's own reaper, one
more image that wants the engine's socket, is not used: what a killed run left is removed by the next one.
"""

import argparse
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Final, Self

from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient

from deploy.installation import draw_cluster_id
from deploy.local import kafka, watchdog
from deploy.local.folder import DataFolder
from deploy.local.servers import alive
from tests.support.compose import overlay_files, rendered

_CLIENTS, _CONTROLLER, _ITSELF = 9092, 9093, 9094
_PROGRAM: Final = "/tmp/start"  # noqa: S108 - inside the container
_THROW_AWAY: Final = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0")
_POLL_SECONDS: Final = 0.1
_LABEL: Final = "hubnetz.tests"
_ASKED_FOR: Final = [
    f"HUBNETZ_{name}"
    for name in ("HUB_ID", "HUB_NAME", "CLUSTER_ID", "MAIL_SENDER", "MAIL_DOMAIN", "SMTP_HOST", "SMTP_PORT", "SMTP_SECURITY")
]


class KafkaContainer(DockerContainer):
    """`apache/kafka` as one node that clients outside of Docker reach.

    The port of the host is known only once the container runs, and the broker has to advertise it: the container starts with
    a command that waits for its program.
    """

    def __init__(self, image: str, cluster_id: str) -> None:
        wait = f"while [ ! -f {_PROGRAM} ]; do sleep 0.1; done; exec sh {_PROGRAM}"
        super().__init__(image, ports=[_CLIENTS])
        self.with_command(["sh", "-c", wait]).with_kwargs(labels=_mark())
        # As the local runner's broker of tests; only where it listens and keeps its log is the container's own.
        node = kafka.Kafka(DataFolder(Path("unused")), _CLIENTS, _CONTROLLER, small=True)
        told = kafka.settings(node) | {
            "listeners": f"PLAINTEXT://:{_CLIENTS},ITSELF://127.0.0.1:{_ITSELF},CONTROLLER://127.0.0.1:{_CONTROLLER}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,ITSELF:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "ITSELF",
            "log.dirs": "/var/lib/kafka/data",
        }
        del told["advertised.listeners"]
        self.with_envs(**{"KAFKA_" + name.upper().replace(".", "_"): value for name, value in told.items()})
        self.with_envs(CLUSTER_ID=cluster_id, KAFKA_HEAP_OPTS="-Xms128m -Xmx384m", EXTRA_ARGS="-name kafkaServer")
        self.address = ""

    def start(self) -> Self:
        """Returns while the broker still starts; `wait` for its answer."""
        super().start()
        self.address = f"127.0.0.1:{self.get_exposed_port(_CLIENTS)}"
        advertised = f"PLAINTEXT://{self.address},ITSELF://127.0.0.1:{_ITSELF}"
        program = f"export KAFKA_ADVERTISED_LISTENERS={advertised}\nexec /etc/kafka/docker/run\n"
        self.copy_into_container(program.encode(), _PROGRAM)
        return self

    def wait_for_answer(self) -> None:
        """Until it tells its metadata; RuntimeError with its log if it does not."""
        deadline = time.monotonic() + kafka.READY_SECONDS
        while not kafka.answers(self.address):
            if time.monotonic() > deadline or self.get_wrapped_container().status == "exited":
                raise RuntimeError(f"the broker does not answer:\n{b''.join(self.get_logs()).decode(errors='replace')}")
            time.sleep(_POLL_SECONDS)
            self.reload()


def postgres(image: str, initdb: str) -> PostgresContainer:
    """A database server whose data nobody needs later; not started."""
    server = PostgresContainer(image, username="postgres", password=secrets.token_hex(16), dbname="postgres", driver=None)
    server.with_env("POSTGRES_INITDB_ARGS", initdb)
    options = [part for setting in ("max_connections=200", "timezone=UTC", *_THROW_AWAY) for part in ("-c", setting)]
    return server.with_command(["postgres", *options]).with_kwargs(labels=_mark())


def run(wanted: Callable[[], bool]) -> None:
    """Both, until a signal comes or nobody wants them any more."""
    variables = {name: value for name, value in os.environ.items() if name.startswith("HUBNETZ_") and name.endswith("_IMAGE")}
    testcontainers_config.ryuk_disabled = True
    _remove_leftovers()
    services = rendered(overlay_files(), dict.fromkeys(_ASKED_FOR, "unused") | variables)["services"]
    with ExitStack() as running:
        broker = running.enter_context(KafkaContainer(services["kafka"]["image"], draw_cluster_id()))
        database = services["postgres"]
        server = running.enter_context(postgres(database["image"], database["environment"]["POSTGRES_INITDB_ARGS"]))
        broker.wait_for_answer()
        sys.stdout.write(f"export HUBNETZ_TEST_KAFKA={broker.address}\n")
        sys.stdout.write(f"export HUBNETZ_TEST_POSTGRES={server.get_connection_url(host='127.0.0.1')}\n")
        sys.stdout.flush()
        while wanted():
            time.sleep(_POLL_SECONDS)


def _mark() -> dict[str, str]:
    """Says whose a container is: pid and start time together name one process for ever."""
    return {_LABEL: f"{os.getpid()} {watchdog.started(os.getpid())}"}


def _remove_leftovers() -> None:
    """Remove the containers of runs that were killed."""
    for container in DockerClient().client.containers.list(all=True, filters={"label": _LABEL}):
        pid, started = container.labels[_LABEL].split(" ", 1)
        if str(watchdog.started(int(pid))) != started:
            container.remove(force=True, v=True)


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.support.containers", description=__doc__)
    parser.add_argument("--until-gone", type=int, metavar="PID")
    chosen = parser.parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    run(alive(chosen.until_gone))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
