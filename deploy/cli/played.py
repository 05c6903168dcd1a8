"""`seed` and `demo`: offers from files, and visitors who book them."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from deploy import hub as hubs
from deploy import say
from deploy.cli.root import Data, out
from deploy.failures import PROBLEM, Failure
from deploy.hub import Hub
from deploy.local import watchdog
from deploy.local.folder import DataFolder

VISITORS: Final = 200
_START_SECONDS: Final = 900  # a first start fetches some 60 MB
_STOP_SECONDS: Final = 100
Seed = Annotated[int, typer.Option("--seed", help="the same seed gives the same visitors")]
Visitors = Annotated[int, typer.Option("--visitors", min=1, max=5000, help="how many come")]


def add_to(app: typer.Typer) -> None:
    app.command()(seed)
    app.command()(demo)


def seed(seed_: Seed = 7, visitors: Visitors = VISITORS, data: Data = None) -> None:
    """Fill a new hub: the offers of its file, a makerspace's calendar, and a day of bookings. Refuses a hub in use."""
    hub = hubs.running(data)
    _refuse_if_used(hub)
    if not _fill_and_play(hub, seed=seed_, visitors=visitors):
        raise typer.Exit(PROBLEM)


def demo(
    seed_: Seed = 7,
    visitors: Visitors = VISITORS,
    once: Annotated[bool, typer.Option("--once", help="end after the day")] = False,
) -> None:
    """Run a hub that is thrown away: offers, a played day, its figures; then it is yours until Ctrl-C.

    Exit code 1 if a request has not exactly one answer, or an invariant is violated.
    """
    began = time.monotonic()
    with _throw_away_hub() as hub:
        good = _fill_and_play(hub, seed=seed_, visitors=visitors)
        say.line(f"  from the start to here: {time.monotonic() - began:.1f} s")
        if not once:
            _invite(hub)
            with suppress(KeyboardInterrupt):
                signal.pause()
    if not good:
        raise typer.Exit(PROBLEM)


@contextmanager
def _throw_away_hub() -> Iterator[Hub]:
    """A hub in a folder of its own, which goes with it; it ends with this process, however that ends."""
    place = Path(tempfile.mkdtemp(prefix="hubnetz-demo-"))
    place.chmod(0o755)
    folder = DataFolder(place / "hub")
    command = [sys.executable, "-m", "deploy.cli", "up", "--throw-away", "--data", str(folder.path)]
    # A session of its own: Ctrl-C reaches us, and we stop it in order.
    child = subprocess.Popen(  # noqa: S603 - our own command
        [*command, "--until-gone", str(os.getpid())], stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield _ready(folder, child)
    except Failure:
        with say.step("stopped; only its logs are left"):
            _stop(child)
            for path in (each for each in folder.path.iterdir() if each != folder.log):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise
    except BaseException:
        _stop(child)
        shutil.rmtree(place)
        raise
    with say.step("stopped and removed"):
        _stop(child)
        shutil.rmtree(place)


def _stop(child: "subprocess.Popen[bytes]") -> None:
    child.terminate()
    child.wait(_STOP_SECONDS)


def _ready(folder: DataFolder, child: "subprocess.Popen[bytes]") -> Hub:
    deadline = time.monotonic() + _START_SECONDS
    while not folder.read_runtime().get("ready"):
        if child.poll() is not None or time.monotonic() > deadline:
            raise Failure("The hub did not start, see above.", remedy="remove the cause named above and start again")
        time.sleep(watchdog.POLL_SECONDS)
    return hubs.running(folder.path)


def _refuse_if_used(hub: Hub) -> None:
    from deploy import positions

    if used := positions.records_in(hub, "booking.requests.v1"):
        raise Failure(
            f"{hub.hub_id} is in use: {used} requests were sent to it.",
            remedy="seed a new hub: hubnetz up --data <another folder>",
        )


def _fill_and_play(hub: Hub, *, seed: int, visitors: int) -> bool:
    """Whether all went well; the figures are printed."""
    from deploy import seed as files
    from deploy.demo.day import play
    from deploy.demo.ledger import report
    from deploy.letters import Calls

    with say.step(f"offers of {files.hub_file(hub).name}") as step:
        step.note(_told(files.import_hub(hub)))
    with say.step(f"calendar {files.calendar_file().name}") as step:
        imported = files.import_calendar(hub)
        step.note(_told(imported))
    if weeks := imported["shift_weeks"]:
        say.line(f"    (a real makerspace's, of years ago: its single dates are moved by {weeks} weeks into the present)")
    ledger = asyncio.run(play(hub, seed=seed, visitors=visitors))
    violated = files.violations(hub)
    calls = Calls(hub, None)
    letters = sum(1 for name in calls.services for _ in calls.letters(name, state="kept", reason=None))
    say.headline(f"The day at {hub.hub_name}: {visitors} visitors, seed {seed}")
    for line in report(ledger, violations=violated, dead_letters=letters):
        out(line)
    return not ledger.wrong() and not ledger.strangers and not violated


def _told(report: Mapping[str, Any]) -> str:
    """The catalogue's report in a few words."""
    masked = len({row["position"] for row in report["rows"] if row["code"] == "masked"})
    return f"{report['published']} published" + (f", people masked in {masked}" if masked else "")


def _invite(hub: Hub) -> None:
    offer = "<offer id>"
    say.headline("It runs until Ctrl-C.")
    for name, url in hub.http.items():
        say.line(f"  {name:<10} {url}")
    say.line(f"  {'kafka':<10} {hub.kafka}")
    say.line(f"  {'logs':<10} {hub.data_dir}/log   passwords: {hub.data_dir}/secrets")
    say.line("Three things to try in another terminal:")
    say.line(f"  export HUBNETZ_DATA={hub.data_dir}; .venv/bin/hubnetz status")
    say.line("  .venv/bin/hubnetz env --json | .venv/bin/python docs/examples/frontend.py")
    say.line(f"  .venv/bin/hubnetz env --json | .venv/bin/python docs/examples/frontend.py --offer {offer} --start ...")
