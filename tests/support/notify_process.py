"""Notify as a process of its own that can be killed: `python -m tests.support.notify_process`, configured like the service.

By environment: `NOTIFY_CRASH_AT` (`<point>:<n>`: the process ends at the n-th pass), `NOTIFY_CLOCK_FILE` (a file with the
seconds by which its clock is ahead, read each time).
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from hubkit import points
from hubkit.app import App, run_service
from hubkit.db import ReadConn, Tx
from services.notify.app import SERVICE, build
from services.notify.settings import NotifySettings

EXIT_CODE: Final = 42
_ROOT: Final = Path(__file__).parents[2]


@dataclass(slots=True)
class FileClock:
    """The database's clock, ahead by what stands in a file: several processes are moved together."""

    file: Path

    async def now(self, conn: Tx | ReadConn) -> datetime:
        """As `DatabaseClock`, elsewhere in time."""
        instant = await conn.fetchval("SELECT clock_timestamp()")
        assert isinstance(instant, datetime)
        return instant.astimezone(UTC) + self.offset

    @property
    def offset(self) -> timedelta:
        """By how much it is ahead."""
        return timedelta(seconds=float(self.file.read_text()))

    def set(self, instant: datetime) -> None:
        """Stand at `instant` from now on."""
        self._write((instant - datetime.now(UTC)).total_seconds())

    def forward(self, **span: float) -> None:
        """Go forward, `hours=1`."""
        self._write((self.offset + timedelta(**span)).total_seconds())

    def _write(self, seconds: float) -> None:
        new = self.file.with_suffix(".new")
        new.write_text(repr(seconds))
        new.replace(self.file)


@dataclass(slots=True)
class NotifyProcess:
    """A running one."""

    process: subprocess.Popen[bytes]
    log: Path

    async def ended(self, seconds: float = 25) -> int:
        """Wait for its end; the exit code."""
        return await asyncio.to_thread(self.process.wait, seconds)

    def freeze(self) -> None:
        """SIGSTOP."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self.process.send_signal(signal.SIGCONT)


@asynccontextmanager
async def notify_process(
    settings: NotifySettings, folder: Path, *, clock: FileClock, crash_at: str = "", name: str = "notify"
) -> AsyncIterator[NotifyProcess]:
    """Run one for the block; it is killed at the end if it still runs."""
    log = folder / f"{name}.log"
    environment = {**os.environ, **_environment(settings), "NOTIFY_CLOCK_FILE": str(clock.file), "NOTIFY_CRASH_AT": crash_at}
    process = await asyncio.to_thread(_start, log, environment)
    try:
        yield NotifyProcess(process, log)
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()


def _start(log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.support.notify_process"]
    with log.open("wb") as output:
        return subprocess.Popen(command, cwd=_ROOT, env=environment, stdout=output, stderr=output)


def _environment(settings: NotifySettings) -> dict[str, str]:
    values: dict[str, Any] = settings.model_dump(exclude_none=True)
    for name in ("database_url", "service_token"):
        values[name] = getattr(settings, name).get_secret_value()
    return {f"HUBNETZ_{name.upper()}": str(value) for name, value in values.items()}


def _crash_at(spec: str) -> None:
    point, _, number = spec.partition(":")
    passes: Counter[str] = Counter()

    def hook(reached: points.Point) -> None:
        passes[reached] += 1
        if reached == point and passes[reached] == int(number):
            os._exit(EXIT_CODE)

    points.hook = hook


def _build(settings: NotifySettings) -> App:
    return build(settings, FileClock(Path(os.environ["NOTIFY_CLOCK_FILE"])))


def main() -> int:
    """Until SIGTERM, or until the named point."""
    if spec := os.environ.get("NOTIFY_CRASH_AT"):
        _crash_at(spec)
    return run_service(SERVICE, NotifySettings(), _build)


if __name__ == "__main__":
    sys.exit(main())
