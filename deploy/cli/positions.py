"""`replay` and `rewind`: messages sent again from the database, and a consumer put to another place of its log."""

import asyncio
from datetime import datetime
from typing import Annotated, Final

import typer

from deploy import hub as hubs
from deploy.cli.root import Data, Yes, confirm, out
from deploy.failures import USAGE, Failure
from deploy.hub import Hub

_EXAMPLE: Final = "2027-03-01T08:00:00Z"


def add_to(app: typer.Typer) -> None:
    app.command()(replay)
    app.command()(rewind)


def replay(
    begin: Annotated[str, typer.Option("--from", help="instant with offset: 2027-03-01T08:00:00Z")],
    end: Annotated[str, typer.Option("--to", help="instant with offset, not included")],
    data: Data = None,
    service: Annotated[str | None, typer.Option("--service", help="only this service's messages")] = None,
    yes: Yes = False,
) -> None:
    """Send the messages of a span again from the database, same ids and same bytes; who knows them drops them."""
    from deploy import positions as work  # loads what services need, 0.6 s

    hub = hubs.running(data)
    names = [_known(hub, service)] if service else list(hub.postgres)
    span = (_instant(begin), _instant(end))
    confirm(f"Send again what {', '.join(names)} sent from {span[0]} to {span[1]}?", yes=yes)
    for name in names:
        out(f"{name}: {asyncio.run(work.replay(hub.postgres[name], span))} messages")


def rewind(
    service: Annotated[str, typer.Argument(help="the service that shall read again")],
    to: Annotated[str, typer.Option("--to", help="start, end, or an instant with offset")],
    topic: Annotated[str | None, typer.Option("--topic", help="only this topic; default: all that it reads")] = None,
    data: Data = None,
    yes: Yes = False,
) -> None:
    """Put a consumer to another place of its log: effects stay single. Forwards it accepts a gap, and ends a stop.

    The service is stopped meanwhile and starts again afterwards.
    """
    from deploy import positions as work  # loads what services need, 0.6 s

    hub = hubs.running(data)
    _known(hub, service)
    place: work.Place = "start" if to == "start" else "end" if to == "end" else _instant(to)
    read = work.read_by(service, topic)
    if not read:
        raise Failure(f"{service} reads no topic {topic or ''}.", remedy="hubnetz topics plan --json", code=USAGE)
    confirm(f"Put {service} to {to} of {', '.join(t.name for t in read)}?", yes=yes)
    for name, offsets in work.rewind(hub, service, read, place).items():
        out(f"{name}: " + ", ".join(f"{part} -> {offset}" for part, offset in sorted(offsets.items())))


def _known(hub: Hub, service: str) -> str:
    if service not in hub.postgres:
        raise Failure(f"There is no service {service}.", remedy=f"one of: {', '.join(hub.postgres)}", code=USAGE)
    return service


def _instant(text: str) -> datetime:
    """An instant; without an offset it would be read differently on each machine, so that is refused."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise Failure(f"{text!r} is no instant.", remedy=_EXAMPLE, code=USAGE) from error
    if instant.tzinfo is None:
        raise Failure(f"{text!r} has no offset.", remedy=_EXAMPLE, code=USAGE)
    return instant
