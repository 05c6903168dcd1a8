"""`migrate` and `topics`: what has to be true before services start. Both are harmless when repeated."""

import asyncio
import time
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

import typer

from deploy import hub as hubs
from deploy import migrate as job
from deploy import say
from deploy.cli.root import Data, Json, out, out_json
from deploy.failures import PROBLEM

if TYPE_CHECKING:
    from deploy.topics import Change

_REPLICATION: Final = 1  # the local runner has one broker

topics_app = typer.Typer(help="The cluster's topics against contracts/topics.py.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    app.command()(migrate)
    app.add_typer(topics_app, name="topics")


def migrate(data: Data = None) -> None:
    """Bring roles, databases, passwords, extensions and all migrations to the newest state."""
    hub = hubs.running(data)
    for service, dsn in hub.postgres.items():
        began = time.monotonic()
        asyncio.run(job.migrate(hub.postgres_admin, service=service, password=urlsplit(dsn).password or ""))
        say.line(f"  {service}: at head, {time.monotonic() - began:.1f} s")


@topics_app.command("plan")
def topics_plan(data: Data = None, json_: Json = False) -> None:
    """Show what `apply` would change; exit code 1 if there is something."""
    from contracts import topics as catalogue  # the models take 0.3 s to load
    from deploy import topics as cluster

    changes = cluster.plan(cluster.admin_of(hubs.running(data).admin_settings()), catalogue.ALL)
    _show(changes, json_=json_)
    if changes:
        raise typer.Exit(PROBLEM)


@topics_app.command("apply")
def topics_apply(
    data: Data = None,
    json_: Json = False,
    repartition: Annotated[bool, typer.Option("--repartition", help="raise partition counts too: keys move")] = False,
) -> None:
    """Create and alter topics; nothing is ever deleted. Exit code 1 if a difference is left."""
    from contracts import topics as catalogue
    from deploy import topics as cluster

    hub = hubs.running(data)
    left = cluster.apply(
        cluster.admin_of(hub.admin_settings()), catalogue.ALL, replication=_REPLICATION, repartition=repartition
    )
    _show(left, json_=json_)
    if left:
        raise typer.Exit(PROBLEM)


def _show(changes: "list[Change]", *, json_: bool) -> None:
    if json_:
        out_json([{"topic": c.topic, "what": c.what, "name": c.name, "old": c.old, "new": c.new} for c in changes])
        return
    for change in changes:
        out(str(change))
    if not changes:
        out("All topics are as the table says.")
