"""`python -m services.analytics` runs the service until SIGTERM; with a sub-command it does one thing and ends."""

import argparse
import asyncio
import sys
from collections.abc import Iterable
from datetime import date

from hubkit.app import run_service
from services.analytics.app import (
    SERVICE,
    DaysRefused,
    build,
    compare_with_booking,
    days_named,
    make_keys,
    mark_days,
    rebuild_all,
)
from services.analytics.settings import AnalyticsSettings, ReconcileSettings


def main(arguments: list[str]) -> int:
    """The exit code: 0 done, 1 not as it should be (differences are listed), 2 usage."""
    parser = argparse.ArgumentParser(prog="python -m services.analytics", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    for name, what in (("recompute", "mark days to be computed anew"), ("reconcile", "compare with booking's own table")):
        spanned = commands.add_parser(name, help=what)
        spanned.add_argument("--from", dest="first", type=date.fromisoformat, required=name == "recompute")
        spanned.add_argument("--to", dest="last", type=date.fromisoformat, help="the last day, else the first")
    again = commands.add_parser("rebuild", help="all roll-ups anew, compared, swapped")
    again.add_argument("--accept", action="store_true", help="swap over unexplained differences too")
    commands.add_parser("new-key", help="make the years' keys that are missing")
    chosen = parser.parse_args(arguments)
    if chosen.command is None:
        return run_service(SERVICE, AnalyticsSettings(), build)
    if chosen.command == "new-key":
        return _say(f"key made for {year}" for year in make_keys(AnalyticsSettings()))
    if chosen.command == "rebuild":
        return _rebuild(chosen.accept)
    try:
        return _recompute(chosen.first, chosen.last) if chosen.command == "recompute" else _reconcile(chosen.first, chosen.last)
    except DaysRefused as exc:
        parser.error(str(exc))


def _recompute(first: date, last: date | None) -> int:
    settings = AnalyticsSettings()
    days = days_named(settings, first, last)
    asyncio.run(mark_days(settings, days))
    return _say([f"{len(days)} days marked"])


def _rebuild(accept: bool) -> int:
    done = asyncio.run(rebuild_all(AnalyticsSettings(), accept=accept))
    _say(
        f"{each.day} {each.table} {each.key} {each.figure}: live {each.live}, rebuilt {each.rebuilt}"
        + (" (still to be computed)" if each.marked else "")
        for each in done.differences
    )
    _say([f"{done.days} days rebuilt, {'swapped' if done.swapped else 'not swapped'}"])
    return 0 if done.swapped else 1


def _reconcile(first: date | None, last: date | None) -> int:
    settings = ReconcileSettings()
    days = days_named(settings, first, last)
    try:
        found = asyncio.run(compare_with_booking(settings, days))
    except OSError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    _say(f"{each.day} {each.resource_id} {each.what}: booking {each.booking}, analytics {each.analytics}" for each in found)
    _say([f"{len(days)} days compared, {len(found)} differences"])
    return 1 if found else 0


def _say(lines: Iterable[str]) -> int:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
