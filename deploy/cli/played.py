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
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from deploy import hub as hubs
from deploy import say
from deploy.cli.root import Data, out
from deploy.failures import PROBLEM, Failure
from deploy.hub import Hub
from deploy.local import watchdog
from deploy.local.folder import DataFolder

if TYPE_CHECKING:
    from deploy.demo.day import Played

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
    good, _ = _fill_and_play(hub, seed=seed_, visitors=visitors)
    if not good:
        raise typer.Exit(PROBLEM)


def demo(
    seed_: Seed = 7,
    visitors: Visitors = VISITORS,
    once: Annotated[bool, typer.Option("--once", help="end after the day")] = False,
) -> None:
    """Run a hub that is thrown away: offers, a played day, its figures; then it is yours until Ctrl-C.

    Exit code 1 if a request has not exactly one answer, a scene of the staff's part is otherwise than it must be, an
    invariant is violated, somebody was not told or figures differ.
    """
    began = time.monotonic()
    with _throw_away_hub() as hub:
        good, example = _fill_and_play(hub, seed=seed_, visitors=visitors)
        say.line(f"  from the start to here: {time.monotonic() - began:.1f} s")
        if not once:
            _invite(hub, example)
            with suppress(KeyboardInterrupt):
                signal.pause()
    if not good:
        raise typer.Exit(PROBLEM)


@contextmanager
def _throw_away_hub() -> Iterator[Hub]:
    """A hub in a folder of its own, which it removes; it ends with this process, however that ends."""
    place = Path(tempfile.mkdtemp(prefix="hubnetz-demo-"))
    place.chmod(0o711)  # the database's account passes through
    folder = DataFolder(place)
    command = [sys.executable, "-m", "deploy.cli", "up", "--throw-away", "--data", str(place)]
    # A session of its own: Ctrl-C reaches us, and we stop it in order.
    child = subprocess.Popen(  # noqa: S603 - our own command
        [*command, "--until-gone", str(os.getpid())], stdin=subprocess.DEVNULL, start_new_session=True
    )
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield _ready(folder, child)
    except Failure as failure:
        if failure.log and child.poll() is None:  # the hub would take its logs with it
            kept = Path(tempfile.mkdtemp(prefix="hubnetz-demo-logs-"))
            failure.log = Path(shutil.copytree(folder.log, kept, dirs_exist_ok=True)) / failure.log.name
        raise
    finally:
        with say.step("stopped"):
            child.terminate()
            child.wait(_STOP_SECONDS)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


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


def _fill_and_play(hub: Hub, *, seed: int, visitors: int) -> tuple[bool, str]:
    """Whether all went well, and the options by which the example frontend could book next; the figures are printed."""
    from deploy import seed as files
    from deploy.demo.day import play

    with say.step(f"offers of {files.hub_file(hub).name}") as step:
        step.note(_told(files.import_hub(hub)))
    with say.step(f"calendar {files.calendar_file().name}") as step:
        imported = files.import_calendar(hub)
        step.note(_told(imported))
    if weeks := imported["shift_weeks"]:
        say.line(f"    (a real makerspace's, of years ago: its single dates are moved by {weeks} weeks into the present)")
    played = asyncio.run(play(hub, seed=seed, visitors=visitors))
    good = _tell(hub, played, headline=f"The day at {hub.hub_name}: {visitors} visitors, seed {seed}")
    offer, slot = played.shown[0], played.shown[0].slots[-1]
    return good, f"--offer {offer.offer_id} --start {slot.start:%Y-%m-%dT%H:%M:%SZ} --minutes {slot.minutes}"


def _tell(hub: Hub, played: "Played", *, headline: str) -> bool:
    """Print what came of the day; whether all is as it must be: answers, scenes, mails, figures."""
    from deploy import seed as files
    from deploy.demo import desk
    from deploy.demo.evening import ask_figures, look_into_sink, tell_figures, tell_post
    from deploy.demo.ledger import report
    from deploy.letters import Calls

    violated = files.violations(hub)
    calls = Calls(hub, None)
    letters = sum(1 for name in calls.services for _ in calls.letters(name, state="kept", reason=None))
    sink = asyncio.run(look_into_sink(hub))
    figures = ask_figures(hub, played.days, played.staff.days)
    say.headline(headline)
    for line in (
        *desk.tell(played.staff.scenes),
        *report(played.ledger, violations=violated, dead_letters=letters),
        *tell_post(played.post, sink),
        *tell_figures(figures, {page.offer_id: page.title for page in played.shown}),
    ):
        out(line)
    answered = not played.ledger.wrong() and not played.ledger.strangers and not violated
    told = not played.post.missing() and (sink is None or sink.stored >= played.post.sent())
    right = not any(scene.wrong for scene in played.staff.scenes)
    return answered and told and right and figures.complete and not figures.differences


def _told(report: Mapping[str, Any]) -> str:
    """The catalogue's report in a few words."""
    masked = len({row["position"] for row in report["rows"] if row["code"] == "masked"})
    return f"{report['published']} published" + (f", people masked in {masked}" if masked else "")


def _invite(hub: Hub, example: str) -> None:
    """The addresses, and three commands to try."""
    say.headline("The hub runs until Ctrl-C, then it is gone.")
    for name, url in (*hub.http.items(), ("mails", hub.mail["http"])):
        say.line(f"  {name:<10} {url}")
    say.line(f"  {'kafka':<10} {hub.kafka}")
    say.line(f"  {'logs':<10} {hub.data_dir}/log   passwords: {hub.data_dir}/secrets")
    python = "docs/examples/frontend.py"
    say.line("Three commands to try in another terminal:")
    say.line(f"  export HUBNETZ_DATA={hub.data_dir}; .venv/bin/hubnetz status")
    say.line(f"  .venv/bin/hubnetz env --json | .venv/bin/python {python}")
    say.line(f"  .venv/bin/hubnetz env --json | .venv/bin/python {python} {example}")
