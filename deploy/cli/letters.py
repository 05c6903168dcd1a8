"""`dlq`: dead letters of all services, by the calls that each service offers to operators."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy import hub as hubs
from deploy.cli.root import Data, Json, Yes, confirm, out, out_json, table
from deploy.failures import PROBLEM

if TYPE_CHECKING:
    from deploy.letters import Calls

dlq_app = typer.Typer(help="Dead letters: records that a service could not read or apply.", no_args_is_help=True)
Service = Annotated[str | None, typer.Option("--service", help="only this service's")]
Letter = Annotated[str, typer.Argument(help="the letter's id, or all")]
As = Annotated[str | None, typer.Option("--as", help="your name in the audit trail (default: your login)")]


def add_to(app: typer.Typer) -> None:
    app.add_typer(dlq_app, name="dlq")


def _calls(data: Path | None, service: str | None, name: str | None = None) -> "Calls":
    """The calls of the running hub; their client takes 0.2 s to load, which the other commands do not pay."""
    from deploy.letters import Calls

    return Calls(hubs.running(data), service, name=name)


@dlq_app.command("list")
def list_letters(
    data: Data = None,
    service: Service = None,
    state: Annotated[str, typer.Option(help="kept, replayed or dropped")] = "kept",
    reason: Annotated[str | None, typer.Option(help="only with this reason")] = None,
    json_: Json = False,
) -> None:
    """List dead letters, oldest first; exit code 1 if there are any that are kept."""
    calls = _calls(data, service)
    found = [(name, letter) for name in calls.services for letter in calls.letters(name, state=state, reason=reason)]
    if json_:
        out_json([{"service": name, **letter} for name, letter in found])
    else:
        table(
            ("service", "id", "topic", "part", "offset", "reason", "tries", "at"),
            [
                (
                    name,
                    x["dead_letter_id"],
                    x["topic"],
                    x["partition"],
                    x["offset"],
                    x["reason"],
                    x["attempts"],
                    x["created_at"],
                )
                for name, x in found
            ],
        )
        if not found:
            out(f"No dead letters in state {state}.")
    if found and state == "kept":
        raise typer.Exit(PROBLEM)


@dlq_app.command("show")
def show_letter(letter: Letter, data: Data = None, service: Service = None) -> None:
    """Show one dead letter with its record as it came, bytes in base64."""
    name, found = _calls(data, service).owner(letter)
    out_json({"service": name, **found})


@dlq_app.command("replay")
def replay_letter(
    letter: Letter, data: Data = None, service: Service = None, reason: str | None = None, name: As = None, yes: Yes = False
) -> None:
    """Hand a dead letter, or all that are kept, to the handler that refused it. Exit code 1 if one is refused again."""
    _each(letter, "replay", _calls(data, service, name), reason=reason, yes=yes)


@dlq_app.command("drop")
def drop_letter(
    letter: Letter, data: Data = None, service: Service = None, reason: str | None = None, name: As = None, yes: Yes = False
) -> None:
    """Mark a dead letter, or all that are kept, as seen and not to be applied."""
    _each(letter, "drop", _calls(data, service, name), reason=reason, yes=yes)


def _each(letter: str, verb: str, calls: "Calls", *, reason: str | None, yes: bool) -> None:
    if letter == "all":
        chosen = [(s, x["dead_letter_id"]) for s in calls.services for x in calls.letters(s, state="kept", reason=reason)]
        confirm(f"{verb} {len(chosen)} dead letters?", yes=yes)
    else:
        chosen = [(calls.owner(letter)[0], letter)]
        if verb == "drop":
            confirm(f"drop {letter}?", yes=yes)
    from deploy.letters import Refused

    refused = 0
    for service, letter_id in chosen:
        try:
            state = calls.ask(service, "POST", f"/v1/dead-letters/{letter_id}/{verb}")["state"]
        except Refused as no:
            refused += 1
            state = f"refused: {no.reason}"
        out(f"{service}  {letter_id}  {state}")
    if refused:
        raise typer.Exit(PROBLEM)
