"""The seed: the hub file, a real makerspace's calendar, and what a service's own commands say of the result."""

import json
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any, Final

from deploy.failures import MISSING, Failure
from deploy.hub import Hub
from deploy.local.folder import DataFolder
from deploy.local.services import Service

HUB_FILES: Final = Path(__file__).with_name("hubs")
CALENDAR_SOURCE: Final = "fablab-cottbus"
# Written by the makerspace's own software, not by us; it comes with the library that reads calendars.
_CALENDAR: Final = ("recurring_ical_events", "test/calendars/fablab_cottbus.ics")
_SECONDS: Final = 120


def hub_file(hub: Hub) -> Path:
    """The file with the offers of this hub."""
    path = HUB_FILES / f"{hub.hub_id}.yaml"
    if not path.exists():
        known = ", ".join(sorted(each.stem for each in HUB_FILES.glob("*.yaml"))) or "none"
        raise Failure(f"There is no hub file for {hub.hub_id}.", remedy=f"files exist for: {known}", code=MISSING)
    return path


def calendar_file() -> Path:
    """The makerspace's calendar in the installed package."""
    package, inside = _CALENDAR
    path = Path(str(resources.files(package))) / inside
    if not path.exists():
        raise Failure(f"The package {package} came without {inside}.", remedy="make setup", code=MISSING)
    return path


def import_hub(hub: Hub) -> dict[str, Any]:
    """Apply the hub file; the catalogue's report. The same file again changes nothing."""
    return _report(command(hub, "catalog", "import-hub", str(hub_file(hub)), "--json"))


def import_calendar(hub: Hub) -> dict[str, Any]:
    """Apply the calendar, its single dates moved by whole weeks into the present; the catalogue's report."""
    options = ("--source", CALENDAR_SOURCE, "--shift-to-present", "--json")
    return _report(command(hub, "catalog", "import-ics", str(calendar_file()), *options))


def violations(hub: Hub) -> int:
    """How many of booking's invariants are violated, over everything ever booked."""
    lines = command(hub, "booking", "verify", good=(0, 1)).splitlines()
    return sum(int(line.split()[1]) for line in lines)


def command(hub: Hub, service: str, *arguments: str, good: tuple[int, ...] = (0,)) -> str:
    """Run a service's own command beside the running hub; what it printed."""
    folder = DataFolder(Path(hub.data_dir))
    spec = Service(service, 0).spec(hub, folder)
    ended = subprocess.run(  # noqa: S603 - our own service
        [sys.executable, "-m", f"services.{service}", *arguments],
        cwd=spec.cwd,
        env=dict(spec.env),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if ended.returncode not in good:
        raise Failure(
            f"{service} {arguments[0]} ended with {ended.returncode}:\n{ended.stderr.strip()}",
            log=folder.log_of(service),
            remedy="read the lines above",
        )
    return ended.stdout


def _report(text: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(text)
    return report
