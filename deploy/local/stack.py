"""A whole hub under one supervisor: database and broker side by side, migrate, topics, then the services."""

import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from deploy import migrate, say
from deploy.failures import USAGE, Failure
from deploy.hub import Hub
from deploy.local import servers
from deploy.local.folder import DataFolder, free_port
from deploy.local.kafka import HEAP_MAX
from deploy.local.process import Child, Spec
from deploy.local.services import READY_SECONDS, SERVICES, Service, inherited, mail_sink_spec, reasons
from deploy.local.supervisor import Supervisor

_JOB_SECONDS: Final = 120
_KAFKA: Final = "HUBNETZ_KAFKA"
_POSTGRES: Final = "HUBNETZ_POSTGRES"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What kind of hub: who it is, and which services run in it."""

    hub_id: str
    hub_name: str
    services: Sequence[str] = SERVICES


def identity(folder: DataFolder, *, hub_id: str, hub_name: str) -> Wanted:
    """Who the hub of this folder is: as noted at its first start, else as said here."""
    path = folder.path / "hub.json"
    if not path.exists():
        path.write_text(json.dumps({"hub_id": hub_id, "hub_name": hub_name}, ensure_ascii=False), encoding="utf-8")
    noted = json.loads(path.read_text(encoding="utf-8"))
    return Wanted(hub_id=noted["hub_id"], hub_name=noted["hub_name"])


def start(supervisor: Supervisor, wanted: Wanted, *, small: bool = False, heap_max: str = HEAP_MAX) -> Hub:
    """Start everything; on return all services are ready. An address in the environment replaces the child process.

    `small`: the broker starts quickly and is not meant to live long; nothing else differs.
    """
    kafka, postgres = os.environ.get(_KAFKA), os.environ.get(_POSTGRES)
    security = os.environ.get("HUBNETZ_KAFKA_SECURITY") if kafka else "plaintext-internal"
    if kafka and security != "plaintext-internal":
        raise Failure(
            f"{_KAFKA} is given, and HUBNETZ_KAFKA_SECURITY is {security!r}.",
            remedy="the local runner speaks plaintext-internal only; other brokers belong to compose.yaml",
            code=USAGE,
        )
    servers.make(supervisor, kafka=not kafka, postgres=not postgres)
    database = None if postgres else servers.begin_postgres(supervisor)
    broker = None if kafka else servers.begin_kafka(supervisor, small=small, heap_max=heap_max)
    if database:
        with say.step("PostgreSQL answers"):
            postgres = database.wait().dsn()
    services = [Service(name, free_port()) for name in wanted.services]
    hub = _describe(supervisor.folder, wanted, services, postgres=postgres or "", kafka=kafka or "")
    supervisor.tell(hub.facts())
    migrating = supervisor.begin(_job("migrate", hub))
    sink = supervisor.keep(mail_sink_spec(hub, supervisor.folder))
    if broker:
        with say.step("Kafka answers"):
            hub = replace(hub, kafka=broker.wait().address)
    supervisor.tell(hub.facts())
    creating = supervisor.begin(_job("topics", hub, "apply"))
    with say.step("databases and topics"):
        supervisor.finish(migrating, seconds=_JOB_SECONDS)
        supervisor.finish(creating, seconds=_JOB_SECONDS)
    supervisor.wait(sink, partial(_listens, hub.mail["smtp"]), seconds=READY_SECONDS, what="the mail sink to listen")
    with say.step(f"services ready: {', '.join(wanted.services)}"):
        running = [(service, supervisor.keep(service.spec(hub, supervisor.folder))) for service in services]
        for service, child in running:
            _wait_for(supervisor, service, child)
    supervisor.tell({"ready": True})
    return hub


def _describe(folder: DataFolder, wanted: Wanted, services: Sequence[Service], *, postgres: str, kafka: str) -> Hub:
    """The hub as far as it is known: the broker's address may still be missing."""
    return Hub(
        hub_id=wanted.hub_id,
        hub_name=wanted.hub_name,
        kafka=kafka,
        kafka_security="plaintext-internal",
        postgres_admin=postgres,
        postgres={
            name: migrate.dsn_for(postgres, database=name, role=name, password=folder.secret(f"{name}-database"))
            for name in wanted.services
        },
        http={service.name: f"http://127.0.0.1:{service.port}" for service in services},
        mail={"smtp": f"127.0.0.1:{free_port()}", "http": f"http://127.0.0.1:{free_port()}"},
        data_dir=str(folder.path),
    )


def _job(name: str, hub: Hub, *more: str) -> Spec:
    """A one-shot that is also a command of the operator's; it reads the hub's addresses from the folder."""
    return Spec(
        name=name,
        argv=(sys.executable, "-m", "deploy.cli", name, *more, "--data", hub.data_dir),
        cwd=Path(hub.data_dir),
        env=inherited(),
        stop_signal=signal.SIGTERM,
        stop_seconds=10,
    )


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
    except OSError:
        return False
    return True


def _wait_for(supervisor: Supervisor, service: Service, child: Child) -> None:
    try:
        supervisor.wait(child, service.ready, seconds=READY_SECONDS, what=f"{service.name} to be ready")
    except Failure as failure:
        why = "; ".join(f"{part}: {reason}" for part, reason in reasons(service.port).items())
        if child.ended() is None and why:
            failure.cause = f"{failure.cause}\n  It says: {why}"
        raise
