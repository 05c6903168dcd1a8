"""`verify`: what must never be, looked for in everything that the running hub has ever booked."""

import asyncio
from typing import Final

import typer

from deploy import hub as hubs
from deploy.cli.root import Data, Json, out_json, table
from deploy.failures import MISSING, PROBLEM, Failure

_SERVICE: Final = "booking"


def add_to(app: typer.Typer) -> None:
    app.command()(verify)


def verify(data: Data = None, json_: Json = False) -> None:
    """Check the bookings of the running hub: overlaps, places sold twice, counters, deadlines. Exit code 1 if one is wrong."""
    from services.booking.app import verify as look  # loads what the service needs, 1 s

    address = hubs.running(data).postgres.get(_SERVICE)
    if address is None:
        raise Failure(
            "This hub has no booking service that could be reached from here.",
            remedy="in the folder of compose.yaml: docker compose run --rm ops hubnetz verify",
            code=MISSING,
        )
    found = asyncio.run(look(address))
    if json_:
        out_json({kind: {"violations": one.number, "first": list(one.offenders)} for kind, one in found.items()})
    else:
        table(
            ("invariant", "violations", "first"), [(kind, one.number, ", ".join(one.offenders)) for kind, one in found.items()]
        )
    if any(one.number for one in found.values()):
        raise typer.Exit(PROBLEM)
