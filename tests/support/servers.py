"""Which broker and which database the tests run against; started once per run and shared by all workers of xdist.

`HUBNETZ_TEST_BACKEND=local` (default): the processes of `deploy.local`, started by the first test that asks. `docker`: likewise
containers with the images of compose.yaml (`tests.support.containers`). `address`: the servers of `HUBNETZ_TEST_KAFKA` and
`HUBNETZ_TEST_POSTGRES`. One never falls back to another, and none is a failure.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from deploy.local import pins, watchdog

RUN: Final = "HUBNETZ_TEST_RUN"  # the run's folder, set by the controller and inherited by its workers
_ROOT: Final = Path(__file__).parents[2]
_START_SECONDS: Final = 600  # the very first start fetches some 60 MB
_STOP_SECONDS: Final = 40


@dataclass(frozen=True, slots=True)
class Servers:
    """Where both are: `host:port`, and the administrator's address of the database server."""

    kafka: str
    postgres: str


def backend() -> str:
    chosen = os.environ.get("HUBNETZ_TEST_BACKEND", "local")
    if chosen not in ("local", "docker", "address"):
        raise RuntimeError(f"HUBNETZ_TEST_BACKEND is {chosen!r}; it may be local, docker or address")
    return chosen


def described() -> str:
    """For the header of pytest."""
    if backend() == "address":
        return f"address, Kafka at {os.environ.get('HUBNETZ_TEST_KAFKA')}, PostgreSQL by HUBNETZ_TEST_POSTGRES"
    if backend() == "docker":
        return "docker, containers with the images of compose.yaml"
    return f"local, Kafka {pins.kafka_version()} and PostgreSQL {pins.postgresql().version} as child processes"


def find() -> Servers:
    """The servers of this run, started if nobody has asked yet; raises if there are none."""
    if backend() == "address":
        try:
            return Servers(kafka=os.environ["HUBNETZ_TEST_KAFKA"], postgres=os.environ["HUBNETZ_TEST_POSTGRES"])
        except KeyError as missing:
            raise RuntimeError(f"HUBNETZ_TEST_BACKEND=address needs {missing}") from missing
    run = Path(os.environ[RUN])
    with (run / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        noted = run / "servers.json"
        if not noted.exists():
            noted.write_text(json.dumps(asdict(_start(run))), encoding="utf-8")
        return Servers(**json.loads(noted.read_text(encoding="utf-8")))


def _start(run: Path) -> Servers:
    """Start the pair as a process of its own, which ends with the controller however that ends."""
    output, errors = run / "servers.out", run / "servers.err"
    command = [sys.executable, "-m", "tests.support.containers"]
    if backend() == "local":
        command = [sys.executable, "-m", "deploy.local.servers", "--throw-away", str(run / "data")]
    command += ["--until-gone", (run / "controller").read_text()]
    with output.open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True)
    (run / "servers.pid").write_text(str(process.pid))
    deadline = time.monotonic() + _START_SECONDS
    while len(lines := output.read_text().splitlines()) < 2:
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise RuntimeError(f"no servers for the tests:\n{errors.read_text()}")
        time.sleep(0.05)
    process.returncode = 0  # it goes on without this worker; the controller stops it by its number
    kafka, postgres = (line.partition("=")[2] for line in lines)
    return Servers(kafka=kafka, postgres=postgres)


def begin() -> None:
    """The controller's part: a folder for the run, passable for the database's account."""
    run = Path(tempfile.mkdtemp(prefix="hubnetz-tests-"))
    run.chmod(0o755)
    (run / "controller").write_text(str(os.getpid()))
    os.environ[RUN] = str(run)


def end() -> None:
    """The controller's part at the end: stop what was started, throw the folder away."""
    run = Path(os.environ.pop(RUN))
    pid_file = run / "servers.pid"
    if pid_file.exists():
        _stop(int(pid_file.read_text()))
    shutil.rmtree(run, ignore_errors=True)


def _stop(pid: int) -> None:
    """End the pair and wait for it; a child of the controller is reaped, one of a worker is not ours to reap."""
    start_time = watchdog.started(pid)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while start_time and watchdog.started(pid) == start_time and time.monotonic() < deadline:
        time.sleep(0.05)
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
