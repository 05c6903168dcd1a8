"""What a peer runs in: a database of its own in the hub's PostgreSQL, a redis, its one-shots, and gunicorn."""

import asyncio
import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg

from bench.hub import Hub
from bench.peers import places
from deploy.local.folder import DataFolder, free_port
from deploy.local.postgres import ADMIN
from deploy.local.process import Spec
from deploy.local.supervisor import Supervisor, running

WORKERS: Final = 2 * (os.cpu_count() or 1)  # as pretix' own container counts them; both peers' workers are processes
JOB_SECONDS_MAX: Final = 300.0  # pretix' migrations take a minute on a quiet machine
READY_SECONDS_MAX: Final = 90.0


@dataclass(frozen=True, slots=True)
class Database:
    """A database in the server that the hub's own are in."""

    host: str
    port: int
    name: str
    user: str
    password: str

    @property
    def dsn(self) -> str:
        """As a URL; the password is one that needs no escapes (`secrets.token_urlsafe`)."""
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{self.name}"


@dataclass(frozen=True, slots=True)
class House:
    """The folder and the processes of one peer."""

    folder: Path
    database: Database
    redis: int
    supervisor: Supervisor
    bin: Path

    def job(self, name: str, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """Run a one-shot to its end."""
        child = self.supervisor.begin(self._spec(name, argv, env))
        self.supervisor.finish(child, seconds=JOB_SECONDS_MAX)

    def told(self, name: str, argv: Sequence[str], env: Mapping[str, str]) -> dict[str, Any]:
        """Run a one-shot to its end; the object that it wrote on a line of its own, between what its libraries say."""
        self.job(name, argv, env)
        lines = self.supervisor.folder.log_of(name).read_text(encoding="utf-8", errors="replace").splitlines()
        said: dict[str, Any] = json.loads(next(line for line in reversed(lines) if line.startswith("{")))
        return said

    def serve(self, application: str, env: Mapping[str, str]) -> int:
        """Start gunicorn with its default, synchronous workers; the port, once it takes connections."""
        port = free_port()
        command = ["gunicorn", application, "--bind", f"127.0.0.1:{port}", "--workers", str(WORKERS), "--log-level", "warning"]
        child = self.supervisor.keep(self._spec("gunicorn", command, env))
        self.supervisor.wait(child, lambda: _listens(port), seconds=READY_SECONDS_MAX, what="gunicorn to listen")
        return port

    def _spec(self, name: str, argv: Sequence[str], env: Mapping[str, str]) -> Spec:
        return Spec(name, (str(self.bin / argv[0]), *argv[1:]), self.folder, {**surroundings(self.bin), **env})


def surroundings(bin_folder: Path) -> dict[str, str]:
    """What a peer's process knows of us: nothing of the project, its own environment's programs first."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "PATH": f"{bin_folder}{os.pathsep}{os.defpath}", "TZ": "UTC", "PYTHONUNBUFFERED": "1"}


@contextmanager
def house(hub: Hub, peer: str, folder: Path, *, extensions: Sequence[str] = ()) -> Iterator[House]:
    """A place for the peer to run in, with redis up; everything in it is stopped at the end, however that comes."""
    bin_folder, redis = places.installed(peer), places.installed("redis")
    address = urlsplit(next(iter(hub.postgres.values())))
    database = Database(
        host=address.hostname or "",
        port=address.port or 0,
        name=f"peer_{peer}",
        user=ADMIN,
        password=hub.folder.secret("postgres-admin"),
    )
    asyncio.run(_make(database, extensions))
    with running(DataFolder(folder)) as supervisor:
        port = free_port()
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        spec = Spec("redis", (str(redis / "redis-server"), *options), folder, surroundings(redis))
        child = supervisor.keep(spec)
        supervisor.wait(child, lambda: _listens(port), seconds=READY_SECONDS_MAX, what="redis to listen")
        yield House(folder, database, port, supervisor, bin_folder)


_DATABASES: Final[Mapping[str, str]] = {
    "peer_pretix": "CREATE DATABASE peer_pretix",
    "peer_indico": "CREATE DATABASE peer_indico",
}
_EXTENSIONS: Final[Mapping[str, str]] = {
    "unaccent": "CREATE EXTENSION unaccent",
    "pg_trgm": "CREATE EXTENSION pg_trgm",
}


async def _make(database: Database, extensions: Sequence[str]) -> None:
    """An empty database with the extensions that only an administrator may make."""
    connection = await asyncpg.connect(replace(database, name="postgres").dsn)
    try:
        await connection.execute(_DATABASES[database.name])
    finally:
        await connection.close()
    connection = await asyncpg.connect(database.dsn)
    try:
        for extension in extensions:
            await connection.execute(_EXTENSIONS[extension])
    finally:
        await connection.close()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True
