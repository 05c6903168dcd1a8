"""`python -m services.catalog` runs the service until SIGTERM; with a sub-command it does one thing and ends."""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from services.catalog.domain.imported import as_json, as_lines
from services.catalog.limits import IMPORT_FILE_BYTES_MAX
from services.catalog.settings import CatalogSettings
from services.catalog.worker.commands import ImportRefused, import_calendar, import_hub, republish


def main(arguments: list[str]) -> int:
    """The exit code: 0 done, 1 not (the reason on standard error), 2 usage."""
    parser = argparse.ArgumentParser(prog="python -m services.catalog", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    hub = commands.add_parser("import-hub", help="apply a hub file (YAML)")
    hub.add_argument("file", type=Path)
    ics = commands.add_parser("import-ics", help="apply an iCalendar file of a configured source")
    ics.add_argument("file", type=Path)
    ics.add_argument("--source", required=True, help="its name in import_sources")
    ics.add_argument("--shift-to-present", action="store_true", help="demonstrations: move single dates by whole weeks")
    ics.add_argument("--accept-gone", action="store_true", help="withdraw what vanished, however much it is")
    commands.add_parser("republish", help="send every current state again")
    for each in (hub, ics):
        each.add_argument("--json", action="store_true", help="the report as JSON")
    chosen = parser.parse_args(arguments)
    settings = CatalogSettings()
    if chosen.command is None:
        # The service's libraries take longer to load than most commands to run.
        from hubkit.app import run_service
        from services.catalog.app import SERVICE, build

        return run_service(SERVICE, settings, build)
    if chosen.command == "republish":
        parts = asyncio.run(republish(settings))
        sys.stdout.write(f"sent again in {parts} parts\n")
        return 0
    return _import(settings, chosen)


def _import(settings: CatalogSettings, chosen: argparse.Namespace) -> int:
    try:
        with chosen.file.open("rb") as file:
            data = file.read(IMPORT_FILE_BYTES_MAX + 1)
        if chosen.command == "import-hub":
            report = asyncio.run(import_hub(settings, data))
        else:
            report = asyncio.run(
                import_calendar(
                    settings,
                    data,
                    system=chosen.source,
                    shift=chosen.shift_to_present,
                    accept_gone=chosen.accept_gone,
                )
            )
    except (ImportRefused, OSError) as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    if chosen.json:
        sys.stdout.write(json.dumps(as_json(report), ensure_ascii=False) + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in as_lines(report))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
