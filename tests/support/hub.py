"""A whole hub for tests, by the command that operators use."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deploy.local.folder import DataFolder
from deploy.local.watchdog import POLL_SECONDS

ROOT: Final = Path(__file__).parents[2]
_START_SECONDS: Final = 300
_STOP_SECONDS: Final = 100


@dataclass(frozen=True, slots=True)
class RunningHub:
    """A hub in a data folder."""

    data: Path

    def hubnetz(self, *arguments: str, code: int = 0, text: str | None = None) -> str:
        """Call the command for this hub; its standard output. Another exit code than `code` fails the test."""
        ended = subprocess.run(
            [sys.executable, "-m", "deploy.cli", *arguments],
            cwd=ROOT,
            env={**os.environ, "HUBNETZ_DATA": str(self.data)},
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        told = f"hubnetz {' '.join(arguments)}: {ended.returncode}\n{ended.stdout}{ended.stderr}"
        assert ended.returncode == code, told
        return ended.stdout

    def json(self, *arguments: str, code: int = 0) -> Any:
        """As `hubnetz`, the answer parsed."""
        return json.loads(self.hubnetz(*arguments, code=code))

    def env(self) -> dict[str, Any]:
        """The hub's addresses."""
        found: dict[str, Any] = self.json("env", "--json")
        return found


@contextmanager
def started(data: Path, **env: str) -> Iterator[RunningHub]:
    """Run a hub in the folder for the block; it ends with this process, however that ends."""
    command = [sys.executable, "-m", "deploy.cli", "up", "--small", "--data", str(data), "--until-gone", str(os.getpid())]
    log = data.with_name(f"{data.name}.up")
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not DataFolder(data).read_runtime().get("ready"):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(POLL_SECONDS)
        yield RunningHub(data)
    finally:
        process.terminate()
        process.wait(_STOP_SECONDS)
