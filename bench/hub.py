"""A hub of the benchmark's own: started before, removed after; and what its processes cost in processor time."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from confluent_kafka.admin import AdminClient

from deploy import hub as running
from deploy.local.folder import DataFolder, free_port
from deploy.local.services import Service

START_SECONDS_MAX: Final = 900  # a first start fetches some 60 MB
JOIN_SECONDS_MAX: Final = 60
TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Hub:
    """A running hub: its addresses (`hubnetz env --json`) and the process ids of its parts."""

    kafka: str
    postgres: dict[str, str]
    http: dict[str, str]
    folder: DataFolder
    _joined: dict[str, int] = field(default_factory=dict)  # service: process id of the second one

    @contextmanager
    def joined(self, service: str, topic: str) -> Iterator[None]:
        """A second process of the service beside the first, as an operator would add one; the topic's partitions are shared."""
        spec = Service(service, free_port()).spec(running.running(self.folder.path), self.folder)
        with subprocess.Popen(spec.argv, cwd=spec.cwd, env=dict(spec.env), stderr=subprocess.DEVNULL) as process:
            try:
                self._wait_for_two(f"{service}.{topic}")
                self._joined[service] = process.pid
                yield
            finally:
                self._joined.pop(service, None)
                process.terminate()

    def _wait_for_two(self, group: str) -> None:
        admin, deadline = AdminClient({"bootstrap.servers": self.kafka}), time.monotonic() + JOIN_SECONDS_MAX
        while time.monotonic() < deadline:
            members = admin.describe_consumer_groups([group])[group].result(10).members
            if len(members) == 2 and all(member.assignment.topic_partitions for member in members):
                return
            time.sleep(0.2)
        raise TimeoutError(f"{group} has no two members with partitions")

    @contextmanager
    def alone(self, service: str) -> Iterator[None]:
        """The other services stand still meanwhile; afterwards they start again and read what they missed."""
        with ExitStack() as held:
            for name in self.http:
                if name != service:
                    held.enter_context(self.folder.hold(name))
            yield

    def cpu_seconds(self) -> dict[str, float]:
        """Processor time that each part has used so far, its children included, and what this client has."""
        children: dict[int, list[int]] = {}
        used: dict[int, float] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (fields := _stat(entry)):
                children.setdefault(int(fields[1]), []).append(int(entry.name))
                used[int(entry.name)] = (int(fields[11]) + int(fields[12])) / TICKS
        parts = {part.name: part.pid for part in self.folder.processes() if part.name != "watchdog"}
        cost = {name: _sum(pid, children, used) for name, pid in parts.items()}
        for name, pid in self._joined.items():
            cost[name] += _sum(pid, children, used)
        return cost | {"client": sum(os.times()[:2])}


def _stat(entry: Path) -> list[str]:
    """The fields of /proc/<pid>/stat after the name: [1] parent, [11] user and [12] system ticks."""
    try:
        return (entry / "stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []


def _sum(pid: int, children: dict[int, list[int]], used: dict[int, float]) -> float:
    return used.get(pid, 0.0) + sum(_sum(child, children, used) for child in children.get(pid, ()))


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "deploy.cli", *arguments]


@contextmanager
def running_hub(hub_id: str) -> Iterator[Hub]:
    """Everything on disk as in service: fsync and synchronous_commit on. Removed at the end, however it comes."""
    with tempfile.TemporaryDirectory(prefix="hubnetz-bench-") as folder:
        os.chmod(folder, 0o755)  # noqa: S103  # PostgreSQL runs as another user when we are root
        data = str(Path(folder) / "hub")
        subprocess.run(
            _command("up", "--data", data, "--hub-id", hub_id, "--hub-name", "Messung", "--detach"),
            check=True,
            timeout=START_SECONDS_MAX,
        )
        try:
            told = subprocess.run(_command("env", "--json", "--data", data), check=True, capture_output=True, text=True)
            env = json.loads(told.stdout)
            yield Hub(env["kafka"], env["postgres"], env["http"], DataFolder(Path(env["data_dir"])))
        finally:
            subprocess.run(_command("down", "--data", data), check=True)
