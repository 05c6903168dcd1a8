"""`dlq`: dead letters of all services, by the calls that each service offers to operators."""

import getpass
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

import httpx
import typer

from deploy import hub as hubs
from deploy.cli.root import Data, Json, Yes, confirm, out, out_json, table
from deploy.failures import MISSING, PROBLEM, USAGE, Failure
from deploy.hub import Hub

_PAGE: Final = 200
_SECONDS: Final = 30.0
_ROLE: Final = "operator"

dlq_app = typer.Typer(help="Dead letters: records that a service could not read or apply.", no_args_is_help=True)
Service = Annotated[str | None, typer.Option("--service", help="only this service's")]
Letter = Annotated[str, typer.Argument(help="the letter's id, or all")]
As = Annotated[str | None, typer.Option("--as", help="your name in the audit trail (default: your login)")]


def add_to(app: typer.Typer) -> None:
    app.add_typer(dlq_app, name="dlq")


class Calls:
    """The operators' calls of the services of one hub."""

    def __init__(self, hub: Hub, service: str | None, *, name: str | None = None) -> None:
        if service is not None and service not in hub.http:
            raise Failure(f"There is no service {service}.", remedy=f"one of: {', '.join(hub.http)}", code=USAGE)
        self.services = [service] if service else list(hub.http)
        self._hub = hub
        self._headers = {
            "Authorization": f"Bearer {hub.service_token}",
            "Hubnetz-Actor": f"{_ROLE}/{name or _login()}",
        }

    def ask(self, service: str, method: str, path: str, **query: str) -> Mapping[str, Any]:
        """The answer's body; `Refused` for 4xx with a code, a failure if the service does not answer."""
        url = self._hub.http[service] + path
        try:
            answer = httpx.request(method, url, params=query, headers=self._headers, timeout=_SECONDS)
        except httpx.HTTPError as error:
            raise Failure(f"{service} does not answer: {error}", remedy="hubnetz status") from error
        body = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        if answer.is_success and isinstance(body, dict):
            return body
        code = body.get("code") if isinstance(body, dict) else None
        raise Refused(service, answer.status_code, str(code or answer.status_code))

    def letters(self, service: str, *, state: str, reason: str | None) -> Iterator[dict[str, Any]]:
        """All letters of a service, oldest first, page by page."""
        filters = {"state": state, "limit": str(_PAGE), **({"reason": reason} if reason else {})}
        page = self.ask(service, "GET", "/v1/dead-letters", **filters)
        yield from page["dead_letters"]
        while after := page.get("next"):
            page = self.ask(service, "GET", "/v1/dead-letters", **filters, after=str(after))
            yield from page["dead_letters"]

    def owner(self, letter_id: str) -> tuple[str, Mapping[str, Any]]:
        """The service that keeps the letter, and the letter."""
        for service in self.services:
            try:
                return service, self.ask(service, "GET", f"/v1/dead-letters/{letter_id}")
            except Refused as refused:
                if refused.status not in (404, 422):
                    raise
        raise Failure(f"No service has a dead letter {letter_id}.", remedy="hubnetz dlq list", code=MISSING)


class Refused(Failure):
    """A service said no, with a stable code."""

    def __init__(self, service: str, status: int, code: str) -> None:
        super().__init__(f"{service} refused: {code}", remedy="hubnetz dlq show <id>")
        self.status = status
        self.reason = code


def _login() -> str:
    """The operator's name for the audit trail: letters that a header may hold."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", getpass.getuser())[:60] or "unknown"


@dlq_app.command("list")
def list_letters(
    data: Data = None,
    service: Service = None,
    state: Annotated[str, typer.Option(help="kept, replayed or dropped")] = "kept",
    reason: Annotated[str | None, typer.Option(help="only with this reason")] = None,
    json_: Json = False,
) -> None:
    """List dead letters, oldest first; exit code 1 if there are any that are kept."""
    calls = Calls(hubs.running(data), service)
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
    name, found = Calls(hubs.running(data), service).owner(letter)
    out_json({"service": name, **found})


@dlq_app.command("replay")
def replay_letter(
    letter: Letter, data: Data = None, service: Service = None, reason: str | None = None, name: As = None, yes: Yes = False
) -> None:
    """Hand a dead letter, or all that are kept, to the handler that refused it. Exit code 1 if one is refused again."""
    _each(letter, "replay", Calls(hubs.running(data), service, name=name), reason=reason, yes=yes)


@dlq_app.command("drop")
def drop_letter(
    letter: Letter, data: Data = None, service: Service = None, reason: str | None = None, name: As = None, yes: Yes = False
) -> None:
    """Mark a dead letter, or all that are kept, as seen and not to be applied."""
    _each(letter, "drop", Calls(hubs.running(data), service, name=name), reason=reason, yes=yes)


def _each(letter: str, verb: str, calls: Calls, *, reason: str | None, yes: bool) -> None:
    if letter == "all":
        chosen = [(s, x["dead_letter_id"]) for s in calls.services for x in calls.letters(s, state="kept", reason=reason)]
        confirm(f"{verb} {len(chosen)} dead letters?", yes=yes)
    else:
        chosen = [(calls.owner(letter)[0], letter)]
        if verb == "drop":
            confirm(f"drop {letter}?", yes=yes)
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
