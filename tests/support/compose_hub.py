"""A hub by compose, as an operator has it: .env and secrets/ in a folder of its own, a project that is removed at the end."""

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

from deploy.local.folder import free_port
from tests.support.compose import ROOT, overlay_files

IMAGE: Final = "hubnetz:tests"
HUB_ID: Final = "grossroehrsdorf"  # there is a hub file for it
_SECONDS: Final = 900


def docker(*arguments: str, code: int = 0, text: str | None = None) -> str:
    """Run the client; its standard output. Another exit code than `code` fails the test."""
    ended = subprocess.run(
        ["docker", *arguments],
        cwd=ROOT,
        env=_environment(),
        input=text,
        stdin=subprocess.DEVNULL if text is None else None,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert ended.returncode == code, f"docker {' '.join(arguments)}: {ended.returncode}\n{ended.stdout}{ended.stderr}"
    return ended.stdout


def _environment() -> dict[str, str]:
    """Ours without what would speak before the hub's own .env; images of servers may be others than the official ones."""
    kept = ("HUBNETZ_KAFKA_IMAGE", "HUBNETZ_POSTGRES_IMAGE", "HUBNETZ_PYTHON_IMAGE")
    return {name: value for name, value in os.environ.items() if not name.startswith("HUBNETZ_") or name in kept}


def build() -> None:
    """The image of this tree, from what the engine's cache has of it."""
    docker("build", "--tag", IMAGE, *_base(), ".")


def _base() -> list[str]:
    named = os.environ.get("HUBNETZ_PYTHON_IMAGE")
    return ["--build-arg", f"PYTHON_IMAGE={named}"] if named else []


@dataclass(frozen=True, slots=True)
class ComposeHub:
    """One project. `healthy_seconds` is how long the first start took until everything was healthy."""

    project: str
    folder: Path
    overlays: tuple[str, ...]
    mailsink_port: int
    healthy_seconds: float = 0.0

    def arguments(self, *rest: str) -> list[str]:
        """Of the client, for a command of this project."""
        files = [part for file in overlay_files(*self.overlays) for part in ("--file", str(ROOT / file))]
        told = ["--project-name", self.project, "--project-directory", str(ROOT), "--env-file", str(self.folder / ".env")]
        return ["compose", *told, *files, *rest]

    def compose(self, *rest: str, code: int = 0, text: str | None = None) -> str:
        """`docker compose` for this project; its standard output."""
        return docker(*self.arguments(*rest), code=code, text=text)

    def ops(self, *command: str, code: int = 0, text: str | None = None, mount: Path | None = None) -> str:
        """A command in a container for operators; `mount` is read at /mounted."""
        return self.compose(*_ops(mount), *command, code=code, text=text)

    def begin_ops(self, *command: str, mount: Path) -> "subprocess.Popen[str]":
        """As `ops`, beside the test."""
        return subprocess.Popen(
            ["docker", *self.arguments(*_ops(mount), *command)],
            cwd=ROOT,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def up(self, *services: str) -> float:
        """Start what does not run, until all of it is healthy; seconds."""
        began = time.monotonic()
        self.compose("up", "--detach", "--wait", "--no-build", *services)
        return time.monotonic() - began

    def states(self) -> dict[str, str]:
        """Service -> `running healthy`, `exited 0` and the like, of all containers of the project."""
        found = {}
        for line in self.compose("ps", "--all", "--format", "json").splitlines():
            row = json.loads(line)
            found[row["Service"]] = f"{row['State']} {row['Health'] or row['ExitCode']}"
        return found

    def inspect(self) -> dict[str, dict[str, Any]]:
        """Service -> what the engine tells of its container."""
        ids = self.compose("ps", "--all", "--quiet").split()
        told = json.loads(docker("inspect", *ids))
        return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in told}

    def sql(self, database: str, query: str) -> str:
        """The answer of the database server, cells parted by `|`."""
        return self.compose("exec", "-T", "postgres", "psql", "-U", "postgres", "-At", "-d", database, "-c", query).strip()

    def init(self, *arguments: str) -> str:
        """`hubnetz init` in the hub's folder."""
        return _init(self.folder, *arguments)


def _ops(mount: Path | None) -> list[str]:
    volume = ["--volume", f"{mount}:/mounted:ro"] if mount else []
    return ["run", "--rm", "-T", *volume, "ops"]


def _init(folder: Path, *arguments: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "deploy.cli", "init", "--folder", str(folder), *arguments],
        cwd=ROOT,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@contextmanager
def hub(folder: Path, name: str, *overlays: str) -> Iterator[ComposeHub]:
    """A hub that is healthy when the block begins; its containers, networks and volumes go with it."""
    (folder / "compose.yaml").write_text("services: {}\n")  # init looks whether it is in the right place
    flags = ["--hub-id", HUB_ID, "--hub-name", "InnovationsHub 'Test' $5", "--url", "https://hub.example"]
    _init(folder, *flags, "--mail-relay", "none", *(part for each in overlays for part in ("--overlay", each)))
    port = free_port()
    with (folder / ".env").open("a") as env:
        env.write(f"HUBNETZ_SECRETS={folder / 'secrets'}\nHUBNETZ_IMAGE={IMAGE}\nHUBNETZ_MAILSINK_PORT={port}\n")
    project = ComposeHub(f"hubnetz-{name}-{os.getpid()}", folder, overlays, port)
    try:
        seconds = project.up()
        yield ComposeHub(project.project, folder, overlays, port, seconds)
    except BaseException:
        sys.stderr.write(project.compose("logs", "--tail", "40"))
        raise
    finally:
        project.compose("--profile", "tools", "down", "--volumes", "--remove-orphans", "--timeout", "45")
