"""`analytics`: figures computed anew, rebuilt, and held against what booking has."""

from datetime import date
from typing import TYPE_CHECKING, Annotated, Final

import typer

from deploy import hub as hubs
from deploy.cli.root import Data, Json, Yes, confirm, out, out_json, table
from deploy.failures import PROBLEM, USAGE, Failure

if TYPE_CHECKING:
    from services.analytics.store.shadow import Difference

_EXAMPLE: Final = "2027-03-01"
First = Annotated[str | None, typer.Option("--from", help="first day, default: today; as on the hub's own calendar")]
Last = Annotated[str | None, typer.Option("--to", help="last day, included; default: the first")]

analytics_app = typer.Typer(help="Figures: computed anew, rebuilt, held against bookings.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    app.add_typer(analytics_app, name="analytics")


@analytics_app.command("recompute")
def recompute(
    begin: Annotated[str, typer.Option("--from", help=f"first day: {_EXAMPLE}")], end: Last = None, data: Data = None
) -> None:
    """Have the running service compute the roll-ups of these days anew, from the facts that it has."""
    from deploy import figures as work  # loads what services need, 0.6 s

    hub = hubs.running(data)
    days = work.days(hub, _day(begin), _day(end))
    work.recompute(hub, days)
    out(f"{len(days)} days are marked; the service computes them within seconds.")


@analytics_app.command("rebuild")
def rebuild(
    accept: Annotated[bool, typer.Option("--accept", help="take the new ones over unexplained differences too")] = False,
    data: Data = None,
    json_: Json = False,
    yes: Yes = False,
) -> None:
    """Compute all roll-ups anew beside the live ones, list what differs, and put them in their place.

    Exit code 1 if there is a difference that nothing explains: then the live ones stay, unless it is accepted.
    """
    from deploy import figures as work

    hub = hubs.running(data)
    if accept:
        confirm("Replace figures by those that the rebuild computes, whatever differs?", yes=yes)
    done = work.rebuild(hub, accept=accept)
    if json_:
        out_json({"days": done.days, "swapped": done.swapped, "differences": [_shown(each) for each in done.differences]})
    else:
        table(
            ("day", "table", "key", "figure", "live", "rebuilt", ""),
            [
                (x.day, x.table, x.key, x.figure, _or_none(x.live), _or_none(x.rebuilt), "to be computed" if x.marked else "")
                for x in done.differences
            ],
        )
        out(f"{done.days} days rebuilt, {len(done.differences)} differences, {'swapped' if done.swapped else 'not swapped'}.")
    if not done.swapped:
        raise typer.Exit(PROBLEM)


@analytics_app.command("reconcile")
def reconcile(begin: First = None, end: Last = None, data: Data = None, json_: Json = False) -> None:
    """Ask booking and analytics for each day's totals and list every difference; exit code 1 if there is one.

    While analytics still reads or computes, it may lag behind: ask again.
    """
    from deploy import figures as work

    hub = hubs.running(data)
    days = work.days(hub, _day(begin), _day(end))
    found = work.reconcile(hub, days)
    rows = [(str(x.day), x.resource_id, x.what, x.booking, x.analytics) for x in found]
    heads = ("day", "resource_id", "what", "booking", "analytics")
    if json_:
        out_json({"days": len(days), "differences": [dict(zip(heads, row, strict=True)) for row in rows]})
    else:
        table(heads, rows)
        out(f"{len(days)} days compared, {len(found)} differences.")
    if found:
        raise typer.Exit(PROBLEM)


def _shown(difference: "Difference") -> dict[str, object]:
    return {
        "day": str(difference.day),
        "table": difference.table,
        "key": difference.key,
        "figure": difference.figure,
        "live": difference.live,
        "rebuilt": difference.rebuilt,
        "to_be_computed": difference.marked,
    }


def _or_none(text: str | None) -> str:
    return "no row" if text is None else text


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise Failure(f"{text!r} is no day.", remedy=_EXAMPLE, code=USAGE) from error
