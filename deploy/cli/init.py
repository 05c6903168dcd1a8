"""`init`: what an operator's hub is told before it starts, asked or taken from flags; and the renewal of one secret."""

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from deploy import installation
from deploy.cli.root import Yes, confirm, out
from deploy.failures import USAGE, Failure

_NO_RELAY: Final = "none"
_SUBMISSION: Final = "587"  # the port at which a relay takes mail from programs, RFC 6409
_SINK: Final = {"HUBNETZ_SMTP_HOST": "mailsink", "HUBNETZ_SMTP_PORT": "1025", "HUBNETZ_SMTP_SECURITY": "none"}
_LOGIN: Final = {"HUBNETZ_SMTP_USER": "", "HUBNETZ_SMTP_PASSWORD_FILE": "/run/secrets/smtp-password"}  # only if wanted
_ORDER: Final = (
    "HUBNETZ_HUB_ID",
    "HUBNETZ_HUB_NAME",
    "HUBNETZ_PUBLIC_URL",
    "HUBNETZ_TIME_ZONE",
    "HUBNETZ_CLUSTER_ID",
    "HUBNETZ_MAIL_SENDER",
    "HUBNETZ_MAIL_DOMAIN",
    *_SINK,
    *_LOGIN,
    "COMPOSE_PATH_SEPARATOR",
    "COMPOSE_FILE",
)
_QUESTIONS: Final = (
    ("HUBNETZ_HUB_ID", "--hub-id", "id of the hub, short and for ever"),
    ("HUBNETZ_HUB_NAME", "--hub-name", "name of the hub"),
    ("HUBNETZ_PUBLIC_URL", "--url", "public address (https://...)"),
)
_COMPOSE: Final = "compose.yaml"
_OPERATORS: Final = "compose.override.yaml"
# Which flag a setting of a service is told by.
_FLAGS: Final[Mapping[str, str]] = {
    "hub_id": "--hub-id",
    "hub_name": "--hub-name",
    "time_zone": "--time-zone",
    "hub_time_zone": "--time-zone",
    "mail_sender": "--mail-sender",
    "mail_domain": "--mail-domain",
    "smtp_host": "--mail-relay",
    "smtp_port": "--mail-relay",
    "smtp_security": "--mail-security",
    "smtp_user": "--mail-user",
}


def add_to(app: typer.Typer) -> None:
    app.command()(init)


def init(
    folder: Annotated[Path, typer.Option(help="where compose.yaml lies")] = Path(),
    hub_id: Annotated[str | None, typer.Option(help="short name for ever, as in an address: grossroehrsdorf")] = None,
    hub_name: Annotated[str | None, typer.Option(help="as people read it")] = None,
    url: Annotated[str | None, typer.Option(help="public address of the pages: https://hub.example.org")] = None,
    mail_relay: Annotated[str | None, typer.Option(help="host:port; none: mails are kept in a mailbox to look at")] = None,
    mail_security: Annotated[str | None, typer.Option(help="starttls (default) or tls")] = None,
    mail_user: Annotated[str | None, typer.Option(help="login at the relay, if it wants one")] = None,
    mail_password_file: Annotated[
        Path | None, typer.Option(help="file with the password at the relay; else it is asked")
    ] = None,
    mail_sender: Annotated[str | None, typer.Option(help="the hub's mailbox; default: hub@ and the host of --url")] = None,
    mail_domain: Annotated[str | None, typer.Option(help="right side of message ids, for ever; default: that host")] = None,
    time_zone: Annotated[str | None, typer.Option(help="IANA zone of the hub (default: Europe/Berlin)")] = None,
    overlay: Annotated[list[str] | None, typer.Option(help="ha, mailsink; may be given more than once")] = None,
    rotate: Annotated[str | None, typer.Option(help="only renew this secret")] = None,
    yes: Yes = False,
) -> None:
    """Write .env and secrets/ for compose.yaml. What is there already stays as it is; a second run changes nothing."""
    if rotate:
        _rotate(folder, rotate, mail_password_file, yes=yes)
        return
    known = installation.read_env(folder)
    if not known and not (folder / _COMPOSE).exists():
        raise Failure(f"There is no {_COMPOSE} in {folder.absolute()}.", remedy="go to the folder of the release", code=USAGE)
    flags = {
        "HUBNETZ_HUB_ID": hub_id,
        "HUBNETZ_HUB_NAME": hub_name,
        "HUBNETZ_PUBLIC_URL": url,
        "HUBNETZ_TIME_ZONE": time_zone,
        "HUBNETZ_SMTP_SECURITY": mail_security,
        "HUBNETZ_SMTP_USER": mail_user,
        "HUBNETZ_MAIL_SENDER": mail_sender,
        "HUBNETZ_MAIL_DOMAIN": mail_domain,
    }
    given = {name: value for name, value in flags.items() if value is not None} | _relay(mail_relay)
    wanted = _complete(folder, {**given, **known}, overlay or [])
    _check(wanted)
    password = _password(mail_password_file) if mail_user and not known else ""
    told = installation.complete_env(folder, {name: value for name, value in wanted.items() if not known or name not in _LOGIN})
    changed = installation.complete_secrets(folder, {installation.GIVEN.name: password})
    changed += installation.complete_year_keys(folder, datetime.now(ZoneInfo(wanted["HUBNETZ_TIME_ZONE"])).date())
    _report(folder, told, changed)
    _complain(known, given, overlay or [])


def _complain(known: Mapping[str, str], given: Mapping[str, str], overlays: Sequence[str]) -> None:
    """A file that was there has not changed: flags that say something else than it were not obeyed, which is a problem."""
    if not known:
        return
    ignored = [f"{name}: {value!r}" for name, value in given.items() if known.get(name, value) != value]
    ignored += [f"overlay: {name}" for name in overlays if f"compose.{name}.yaml" not in known.get("COMPOSE_FILE", "")]
    ignored += ["HUBNETZ_SMTP_USER"] if "HUBNETZ_SMTP_USER" in given and "HUBNETZ_SMTP_USER" not in known else []
    if ignored:
        lines = "\n  ".join(ignored)
        remedy = f"edit {installation.ENV}; a login at the relay also needs --rotate {installation.GIVEN.name}"
        raise Failure(f"{installation.ENV} was written before and stays as it is. Not obeyed:\n  {lines}", remedy=remedy)


def _relay(text: str | None) -> dict[str, str]:
    """Host and port of the flag or answer; the mail sink where no mail shall leave the hub."""
    if text is None:
        return {}
    if text == _NO_RELAY:
        return dict(_SINK)
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = text, _SUBMISSION
    return {"HUBNETZ_SMTP_HOST": host, "HUBNETZ_SMTP_PORT": port}


def _complete(folder: Path, told: Mapping[str, str], overlays: Sequence[str]) -> dict[str, str]:
    """What `.env` has to say: what is told, what is asked on a terminal, and what follows from both."""
    wanted = dict(told)
    for name, flag, question in _QUESTIONS:
        if name not in wanted:
            wanted[name] = _ask(flag, question)
    if "HUBNETZ_SMTP_HOST" not in wanted:
        wanted |= _relay(_ask("--mail-relay", f"mail relay (host:port, or {_NO_RELAY})"))
    host = _host(wanted["HUBNETZ_PUBLIC_URL"])
    sink = ["mailsink"] if wanted["HUBNETZ_SMTP_HOST"] == _SINK["HUBNETZ_SMTP_HOST"] else []
    follows = {
        "HUBNETZ_TIME_ZONE": "Europe/Berlin",
        "HUBNETZ_CLUSTER_ID": installation.draw_cluster_id(),
        "HUBNETZ_SMTP_SECURITY": "starttls",
        "HUBNETZ_MAIL_SENDER": f"hub@{host}",
        "HUBNETZ_MAIL_DOMAIN": host,
        "COMPOSE_PATH_SEPARATOR": ":",
        "COMPOSE_FILE": _files(folder, [*overlays, *sink]),
        **({"HUBNETZ_SMTP_PASSWORD_FILE": _LOGIN["HUBNETZ_SMTP_PASSWORD_FILE"]} if "HUBNETZ_SMTP_USER" in wanted else {}),
    }
    complete = {**follows, **wanted}
    return {name: complete[name] for name in _ORDER if name in complete}


def _ask(flag: str, question: str) -> str:
    if not sys.stdin.isatty():
        raise Failure(f"{flag} is missing, and there is no terminal to ask on.", remedy="hubnetz init --help", code=USAGE)
    return str(typer.prompt(question))


def _host(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise Failure(f"{url!r} is no address of a site.", remedy="--url https://hub.example.org", code=USAGE)
    return parts.hostname


def _files(folder: Path, overlays: Sequence[str]) -> str:
    """Which files make the project. Once COMPOSE_FILE is set compose no longer looks for the operator's file by itself."""
    unknown = [name for name in overlays if name not in installation.OVERLAYS]
    if unknown:
        known = ", ".join(installation.OVERLAYS)
        raise Failure(f"There is no overlay {unknown[0]}.", remedy=f"--overlay, one of: {known}", code=USAGE)
    files = [_COMPOSE, *(f"deploy/compose.{name}.yaml" for name in installation.OVERLAYS if name in overlays)]
    if (folder / _OPERATORS).exists():
        files.append(_OPERATORS)
    return ":".join(files)


def _check(wanted: Mapping[str, str]) -> None:
    """Have the services' own settings judge what they will be told; the first refusal ends it."""
    from pydantic import ValidationError

    from services.catalog.settings import CatalogSettings
    from services.notify.settings import NotifySettings

    try:
        ZoneInfo(wanted["HUBNETZ_TIME_ZONE"])
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise Failure(
            f"There is no zone {wanted['HUBNETZ_TIME_ZONE']!r}.", remedy="--time-zone Europe/Berlin", code=USAGE
        ) from error
    told = {name.removeprefix("HUBNETZ_").lower(): value for name, value in wanted.items()}
    told |= {"kafka": "kafka:9092", "kafka_security": "plaintext-internal", "database_url": "unused", "http_port": "8080"}
    told |= {"service_token": "unused" * 4, "hub_time_zone": told["time_zone"]}
    told |= {"delivery": "sink" if told["smtp_host"] == "mailsink" else "live"}
    told |= {"smtp_password": "unused"} if "smtp_user" in told else {}
    try:
        CatalogSettings.model_validate(told)
        NotifySettings.model_validate(told)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        flag = _FLAGS.get(str(first["loc"][0]) if first["loc"] else "", "the mail relay")
        raise Failure(f"{flag}: {first['msg']}", remedy="hubnetz init --help", code=USAGE) from error


def _password(file: Path | None) -> str:
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise Failure(f"{file} cannot be read: {error.strerror}", remedy="--mail-password-file", code=USAGE) from error
    if not sys.stdin.isatty():
        raise Failure("The password at the relay is missing.", remedy="--mail-password-file <file>", code=USAGE)
    return str(typer.prompt("password at the relay", hide_input=True))


def _report(folder: Path, told: Sequence[str], changed: Sequence[str]) -> None:
    if not told and not changed:
        out("Nothing to do: .env and secrets/ are complete.")
        return
    if told:
        out(f"{folder / installation.ENV}: {', '.join(told)}")
    if changed:
        out(f"{folder / installation.SECRETS}: {', '.join(changed)}")
    out("Keep a copy of secrets/ in a safe place. Next: docker compose up --wait")


def _rotate(folder: Path, name: str, password_file: Path | None, *, yes: bool) -> None:
    given = _password(password_file) if name == installation.GIVEN.name else None
    warning = next((each.warning for each in installation.DRAWN if each.name == name), "")
    if warning:
        confirm(f"{warning} Renew {name}?", yes=yes)
    secret = installation.rotate(folder, name, given=given)
    out(f"{name} is renewed. To bring it to the running hub:")
    for command in installation.after_rotation(secret):
        out(f"  {command}")
