"""`up`, `down`, `env`, `status`, `logs`: a hub by the local runner."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from deploy import hub as hubs
from deploy import say
from deploy.cli.root import Data, Json, out, out_json, table
from deploy.failures import MISSING, PROBLEM, Failure
from deploy.hub import Hub
from deploy.local import kafka, memory, servers, services, stack, watchdog
from deploy.local.folder import DataFolder, last_lines
from deploy.local.supervisor import Stopped, running

_STOP_SECONDS: Final = 100  # services 25, broker 30, database 30, and some air
_START_SECONDS: Final = 900  # a first start fetches some 60 MB
_FOLLOW_SECONDS: Final = 0.2


def add_to(app: typer.Typer) -> None:
    for command in (up, down, env, status, logs):
        app.command()(command)


def up(
    data: Data = None,
    hub_id: Annotated[str, typer.Option(help="id of a new hub")] = hubs.DEFAULT_ID,
    hub_name: Annotated[str, typer.Option(help="name of a new hub")] = hubs.DEFAULT_NAME,
    detach: Annotated[bool, typer.Option("--detach", help="run in the background")] = False,
    heap_max: Annotated[str, typer.Option("--heap-max", help="memory for the broker's objects: 384m, 1g")] = kafka.HEAP_MAX,
    small: Annotated[bool, typer.Option("--small", hidden=True)] = False,
    throw_away: Annotated[bool, typer.Option("--throw-away", hidden=True)] = False,
    until_gone: Annotated[int | None, typer.Option("--until-gone", hidden=True)] = None,
) -> None:
    """Start the hub of the data folder and keep it running; its data stay.

    For the demo and for tests: `--small`, a broker that starts quickly; `--throw-away`, small, and the folder goes in the end
    (after a failure its logs stay); `--until-gone`, it ends with that process.
    """
    folder = hubs.chosen_folder(data)
    if detach:
        _detach(folder, ["--hub-id", hub_id, "--hub-name", hub_name, "--heap-max", heap_max, *(["--small"] if small else [])])
        return
    ours = False  # as long as another runner may hold the folder, nothing in it is removed
    try:
        with running(folder, wanted=servers.alive(until_gone)) as supervisor:
            ours = True
            say.headline(f"Hub {hub_id} in {folder.path}")
            hub = stack.start(
                supervisor,
                stack.identity(folder, hub_id=hub_id, hub_name=hub_name),
                small=small or throw_away,
                heap_max=heap_max,
            )
            if not throw_away:
                _greet(hub)
            supervisor.run()
    except Stopped:
        if throw_away:
            shutil.rmtree(folder.path)
        else:
            say.line("Stopped; the data stay.")
    except Failure:
        if throw_away and ours:
            _remove_all_but_logs(folder)
        raise


def _remove_all_but_logs(folder: DataFolder) -> None:
    for path in folder.path.iterdir():
        if path.is_dir() and path != folder.log:
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()


def _greet(hub: Hub) -> None:
    for name, url in (*hub.http.items(), ("mails", hub.mail["http"])):
        say.line(f"  {name:<10} {url}")
    say.line(f"  {'kafka':<10} {hub.kafka}")
    say.line(f"  {'logs':<10} {hub.data_dir}/log   passwords: {hub.data_dir}/secrets")
    say.line("Next: hubnetz seed    hubnetz status    hubnetz env --json     (Ctrl-C stops the hub)")


def _detach(folder: DataFolder, options: Sequence[str]) -> None:
    """Start the same command without a terminal, and wait until it says ready, showing its lines."""
    folder.prepare()
    log = folder.log_of("supervisor")
    log.write_bytes(b"")
    command = [sys.executable, "-m", "deploy.cli", "up", "--data", str(folder.path), *options]
    with log.open("ab") as output:
        child = subprocess.Popen(  # noqa: S603 - our own command
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    deadline = time.monotonic() + _START_SECONDS
    with log.open("r", encoding="utf-8") as lines:
        while child.poll() is None and time.monotonic() < deadline:
            sys.stderr.write(lines.read())
            if folder.read_runtime().get("ready"):
                child.returncode = 0  # it goes on without us
                say.line(f"Runs in the background; its own log: {log}")
                return
            time.sleep(_FOLLOW_SECONDS)
        sys.stderr.write(lines.read())
    raise Failure("The hub did not start, see above.", log=log, remedy="remove the cause named above and start again")


def down(data: Data = None) -> None:
    """Stop the hub of the data folder; its data stay."""
    folder = hubs.chosen_folder(data)
    supervisor = folder.read_runtime().get("supervisor")
    if not folder.held() or not isinstance(supervisor, int):
        raise Failure(f"No hub runs in {folder.path}.", remedy="hubnetz status --data <folder>", code=MISSING)
    with say.step("stopped") as step:
        began = watchdog.started(supervisor)
        os.kill(supervisor, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while began and watchdog.started(supervisor) == began:  # longer than it holds the folder: until nothing is left
            if time.monotonic() > deadline:
                raise Failure(
                    f"The supervisor (process {supervisor}) still works.",
                    log=folder.log_of("supervisor"),
                    remedy=f"kill -9 {supervisor}: its watchdog ends everything else",
                )
            time.sleep(watchdog.POLL_SECONDS)
        step.note(str(folder.path))


def env(data: Data = None, json_: Json = False) -> None:
    """Print the addresses of the running hub, for a shell (`eval "$(hubnetz env)"`) or as JSON.

    The shell's names are not those of the services' settings: `HUBNETZ_KAFKA` would make the next hub use this one's broker.
    """
    hub = hubs.running(data)
    if json_:
        out_json(hub.env())
        return
    texts = {"ID": hub.hub_id, "KAFKA": hub.kafka, "KAFKA_SECURITY": hub.kafka_security, "DATA_DIR": hub.data_dir}
    texts |= {f"{name.upper()}_DATABASE_URL": dsn for name, dsn in hub.postgres.items()}
    texts |= {f"{name.upper()}_URL": url for name, url in hub.http.items()}
    texts |= {f"MAIL_{name.upper()}": address for name, address in hub.mail.items()}
    for name, text in texts.items():
        out(f"export HUB_{name}={shlex.quote(text)}")


def status(data: Data = None, json_: Json = False) -> None:
    """Show each process of the hub; exit code 1 if one is not as it should be, 3 if no hub runs."""
    hub = hubs.running(data)
    folder = DataFolder(Path(hub.data_dir))
    addresses = {**hub.http, "kafka": hub.kafka, "mailsink": hub.mail["http"]}
    rows: list[dict[str, object]] = []
    for process in folder.processes():
        alive = watchdog.started(process.pid) is not None
        state = "held" if folder.is_held(process.name) else "runs" if alive else "ended"
        why: dict[str, str] = {}
        if alive and process.name in hub.http:
            why = services.reasons(int(hub.http[process.name].rpartition(":")[2]))
            state = "waits" if why else "ready"
        rows.append(
            {
                "name": process.name,
                "pid": process.pid,
                "state": state,
                "memory_bytes": memory.resident_bytes(process.pid) if alive else 0,
                "address": addresses.get(process.name, ""),
                "reasons": why,
            }
        )
    if json_:
        out_json({"hub_id": hub.hub_id, "data_dir": hub.data_dir, "processes": rows})
    else:
        out(f"{hub.hub_id} in {hub.data_dir}")
        table(
            ("process", "pid", "state", "memory", "address", "why"),
            [
                (
                    row["name"],
                    row["pid"],
                    row["state"],
                    say.size(int(str(row["memory_bytes"]))),
                    row["address"],
                    json.dumps(row["reasons"]) if row["reasons"] else "",
                )
                for row in rows
            ],
        )
    if any(row["state"] in ("ended", "waits") for row in rows):
        raise typer.Exit(PROBLEM)


def logs(
    name: Annotated[str | None, typer.Argument(help="process; none: list them")] = None,
    data: Data = None,
    lines: Annotated[int, typer.Option("--lines", "-n", help="how many from the end")] = 40,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on with what comes")] = False,
) -> None:
    """Show the end of a process's log."""
    folder = hubs.chosen_folder(data)
    known = sorted(path.stem for path in folder.log.glob("*.log"))
    if name is None:
        table(("process", "log"), [(stem, folder.log_of(stem)) for stem in known])
        return
    if name not in known:
        raise Failure(
            f"There is no log of {name} in {folder.log}.", remedy=f"one of: {', '.join(known) or 'none yet'}", code=MISSING
        )
    log = folder.log_of(name)
    out(last_lines(log, lines, indent=""))
    if follow:
        _follow(log)


def _follow(log: Path) -> None:
    """Print what is appended, until Ctrl-C; a log that turned over is read from its new start."""
    place = log.stat().st_size
    try:
        while log.exists():
            size = log.stat().st_size
            if size < place:
                place = 0
            if size > place:
                with log.open("rb") as file:
                    file.seek(place)
                    sys.stdout.write(file.read(size - place).decode("utf-8", "replace"))
                    sys.stdout.flush()
                place = size
            time.sleep(_FOLLOW_SECONDS)
    except KeyboardInterrupt:
        return
