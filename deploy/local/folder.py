"""The data folder of one hub: its lock, its secrets, its logs, and `runtime.json`, which tells what runs in it."""

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Final

from deploy import say
from deploy.failures import Failure
from deploy.local import accounts, watchdog

LOG_BYTES_MAX: Final = 5_000_000
LOG_FILES_MAX: Final = 5
_LEFTOVER_SECONDS: Final = 35  # longer than any child may take to stop by itself after its supervisor was killed


@dataclass(frozen=True, slots=True)
class Running:
    """A process of the hub as `runtime.json` tells it; pid and start time together name one process for ever."""

    name: str
    pid: int
    start_time: str | None


class DataFolder:
    """One hub's folder. Its mode lets the database's account pass, its secrets are the owner's alone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / "log"
        self.tmp = path / "tmp"
        self._secrets = path / "secrets"
        self._lock: IO[str] | None = None

    def prepare(self) -> None:
        """Make what is missing."""
        for folder, mode in ((self.path, 0o711), (self.log, 0o755), (self.tmp, 0o700), (self._secrets, 0o700)):
            if not folder.exists():
                folder.mkdir(parents=True)
                folder.chmod(mode)

    def take(self) -> None:
        """Hold the folder until `release` or the end of this process; whoever holds it is named in the refusal."""
        try:
            self.prepare()
            file = (self.path / "lock").open("a+", encoding="utf-8")
        except PermissionError as error:
            raise Failure(
                f"{error.filename} belongs to somebody else.",
                remedy="call the command as its owner, or take another folder: HUBNETZ_DATA=<folder>",
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise Failure(
                f"Another runner (process {holder}) works in {self.path}.",
                remedy="use that hub, stop it (`make down`), or take another folder: HUBNETZ_DATA=<folder>",
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._lock = file
        self._end_leftovers()

    def release(self) -> None:
        """Give the folder up; what ran in it is no longer told."""
        (self.path / "runtime.json").unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def held(self) -> bool:
        """Whether a runner works in it now."""
        try:
            with (self.path / "lock").open("r", encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def read_runtime(self) -> dict[str, object]:
        """What `write_runtime` noted last; empty if no hub runs."""
        try:
            noted = json.loads((self.path / "runtime.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return noted if isinstance(noted, dict) else {}

    def write_runtime(self, processes: Sequence[Running], facts: dict[str, object]) -> None:
        """Note addresses and processes, whole or not at all."""
        noted = {**facts, "supervisor": os.getpid(), "processes": [asdict(p) for p in processes]}
        scratch = self.path / ".runtime.json.new"
        scratch.write_text(json.dumps(noted, indent=1), encoding="utf-8")
        scratch.chmod(0o600)
        scratch.replace(self.path / "runtime.json")

    def secret(self, name: str) -> str:
        """The secret of that name, drawn the first time."""
        return self.secret_file(name).read_text(encoding="utf-8").strip()

    def secret_file(self, name: str) -> Path:
        """The file with the secret of that name, drawn the first time."""
        path = self._secrets / name
        return path if path.exists() else self.keep_secret(name, secrets.token_urlsafe(24))

    def keep_secret(self, name: str, value: str) -> Path:
        """Write a secret that came from elsewhere, whole or not at all; its file."""
        path = self._secrets / name
        scratch = path.with_name(f".{name}.new")
        scratch.touch(mode=0o600)
        scratch.write_text(value, encoding="utf-8")
        return scratch.replace(path)

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Have the supervisor keep a process stopped as long as the block lasts; it is stopped when the block begins."""
        mark = self.path / "hold" / name
        mark.parent.mkdir(exist_ok=True)
        mark.write_text(f"{os.getpid()} {watchdog.started(os.getpid())}", encoding="utf-8")
        try:
            deadline = time.monotonic() + _LEFTOVER_SECONDS
            while any(p.name == name and watchdog.started(p.pid) == p.start_time for p in self.processes()):
                if time.monotonic() > deadline:
                    raise Failure(f"{name} did not stop.", log=self.log_of(name), remedy="look at the log; hubnetz status")
                time.sleep(watchdog.POLL_SECONDS)
            yield
        finally:
            mark.unlink(missing_ok=True)

    def is_held(self, name: str) -> bool:
        """Whether a living command holds that process; the mark of one that was killed does not count."""
        try:
            pid, start_time = (self.path / "hold" / name).read_text(encoding="utf-8").split()
        except (FileNotFoundError, ValueError):
            return False
        return watchdog.started(int(pid)) == start_time

    def processes(self) -> list[Running]:
        """What `runtime.json` says of processes; each may have ended since."""
        rows = self.read_runtime().get("processes")
        return [Running(**row) for row in rows] if isinstance(rows, list) else []

    def log_of(self, name: str) -> Path:
        return self.log / f"{name}.log"

    def rotate_logs(self) -> None:
        """Keep each log at 5 files of 5 MB.

        Copied and cut, not renamed: the child writes into the open file by itself, so that its last words arrive even if the
        supervisor is gone. A line written between the copy's end and the cut is lost.
        """
        for log in self.log.glob("*.log"):
            if log.stat().st_size <= LOG_BYTES_MAX:
                continue
            for number in range(LOG_FILES_MAX - 1, 1, -1):
                older = log.with_name(f"{log.name}.{number - 1}")
                if older.exists():
                    older.replace(log.with_name(f"{log.name}.{number}"))
            shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            os.truncate(log, 0)

    def _end_leftovers(self) -> None:
        """End what a killed runner left in this folder: only where pid, start time and folder agree, never by name."""
        left = [
            p for p in self.processes() if p.start_time and watchdog.started(p.pid) == p.start_time and self._is_ours(p.pid)
        ]
        if left:
            say.line(f"  ending what a killed runner left: {', '.join(p.name for p in left)}")
        # The watchdog of the killed runner has asked them already; after its patience it is over.
        began = time.monotonic()
        while left := [p for p in left if watchdog.started(p.pid) == p.start_time]:
            if time.monotonic() - began > _LEFTOVER_SECONDS:
                for process in left:
                    watchdog.send(process.pid, 9)
            time.sleep(watchdog.POLL_SECONDS)

    def _is_ours(self, pid: int) -> bool:
        """Whether the process works in this folder; where the system does not tell, pid and start time must do."""
        try:
            where = Path(f"/proc/{pid}/cwd").readlink()
        except OSError:
            return not Path("/proc/self").exists()
        return where.is_relative_to(self.path.resolve())


def last_lines(log: Path, count: int = 20, *, indent: str = "    ") -> str:
    """The end of a log, each line indented; empty if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 1_000 * count))
            lines = file.read().decode("utf-8", "replace").splitlines()[-count:]
    except OSError:
        return ""
    return "\n".join(f"{indent}{line}" for line in lines)


def placed(wanted: Path) -> Path:
    """Where the data of a hub wanted at this path really goes.

    As root it moves below /var/lib if the database's account could not pass the parents (`/root` is such a place).
    """
    account = accounts.database_account()
    if account is None or account.may_pass(wanted.parent):
        return wanted
    moved = Path("/var/lib/hubnetz") / f"{wanted.name.lstrip('.')}-{_short_hash(wanted)}"
    say.line(f"  {account.name} may not pass {wanted.parent}: data is kept in {moved}")
    return moved


def _short_hash(path: Path) -> str:
    return hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]


def free_port(preferred: int | None = None) -> int:
    """A port of 127.0.0.1 that nobody has now; another program may still take it before our child does."""
    for port in (preferred or 0, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Failure("No free port on 127.0.0.1.", remedy="end programs that hold ports")
