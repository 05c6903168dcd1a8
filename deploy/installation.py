"""What an operator's hub is told before it starts: `.env` without secrets, and one file per secret beside it.

Written once and then only completed: nothing that is there is ever changed, except by `rotate`.
"""

import base64
import os
import re
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from deploy.failures import MISSING, USAGE, Failure
from deploy.migrate import dsn_for
from services.analytics import limits as analytics_limits
from services.analytics.domain import pseudonyms

SERVICES: Final = ("booking", "catalog", "notify", "analytics")
OVERLAYS: Final = ("ha", "mailsink")
ENV: Final = ".env"
SECRETS: Final = "secrets"
YEAR_KEYS: Final = "analytics-keys"
_HEAD: Final = (
    "# Written by `hubnetz init`, which completes this file and changes no line of it. No secrets: they are in secrets/.",
    "# Edit it as you like, then: docker compose up --wait",
)
# Compose mounts a secret with the owner and mode that it has here, and services run as user 10001, so files are readable for
# all; the folder is what keeps the other users of this machine out.
_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o444
# The shell's own printf keeps the password out of the list of processes.
_SET_ADMIN: Final = (
    # tidy: sql-place a command that is shown to the operator
    """printf "ALTER ROLE postgres PASSWORD '%s'" "$(cat secrets/postgres-admin)" """
    "| docker compose exec -T postgres psql -U postgres -q"
)
_PLAIN: Final = re.compile(r"^[A-Za-z0-9_./:@,+=-]+$")
_VARIABLE: Final = re.compile(r"^([A-Za-z_][A-Za-z0-9_]*)=(.*)$")


@dataclass(frozen=True, slots=True)
class Secret:
    """One file in secrets/. `readers`: the services that have to be started anew when it changes."""

    name: str
    readers: tuple[str, ...] = ()
    warning: str = ""  # what changing it breaks

    @property
    def database_role(self) -> str | None:
        """Whose login the secret is the address of."""
        role, is_address, _ = self.name.partition("-database-url")
        return role if is_address else None

    def draw(self) -> str:
        """A new value: an address for a database role, else 192 random bits."""
        drawn = secrets.token_urlsafe(24)
        role = self.database_role
        return f"postgresql://{role}:{drawn}@postgres:5432/{role}" if role else drawn


GIVEN: Final = Secret("smtp-password", ("notify",))  # by the operator of the relay; an empty file where it wants no login
ADMIN: Final = Secret("postgres-admin")
DRAWN: Final = (
    ADMIN,
    Secret("service-token", SERVICES),
    Secret("check-in-key", ("booking",), "Check-in codes that were sent to people will no longer be accepted."),
    *(Secret(f"{service}-database-url", (service,)) for service in SERVICES),
)


def draw_cluster_id() -> str:
    """16 random bytes as Kafka writes them; none begins with a hyphen, which tools would read as an option."""
    return "A" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]


def read_env(folder: Path) -> dict[str, str]:
    """Names and values of `.env` as this module writes them; empty if there is none."""
    try:
        lines = (folder / ENV).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    pairs = (found for line in lines if (found := _VARIABLE.match(line)))
    return {pair[1]: _unquoted(pair[2]) for pair in pairs}


def complete_env(folder: Path, wanted: Mapping[str, str]) -> list[str]:
    """Append the variables that are missing; their names. An existing file keeps every byte that it has."""
    known = read_env(folder)
    missing = [name for name in wanted if name not in known]
    if missing:
        path = folder / ENV
        before = path.read_text(encoding="utf-8") if path.exists() else "\n".join(_HEAD) + "\n"
        before += "" if before.endswith("\n") or not before else "\n"
        lines = "".join(f"{name}={_quoted(wanted[name])}\n" for name in missing)
        _write(path, before + lines, mode=path.stat().st_mode & 0o777 if path.exists() else 0o644)
    return missing


def _quoted(value: str) -> str:
    """As compose reads it back: bare where nothing could be misread, else in single quotes, which take everything literally."""
    if _PLAIN.match(value) or not value:
        return value
    if "'" not in value and "\\" not in value:
        return f"'{value}'"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'


def _unquoted(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1]
    if len(text) > 1 and text[0] == text[-1] == '"':
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text


def complete_secrets(folder: Path, given: Mapping[str, str]) -> list[str]:
    """Draw the secrets that are missing, set the modes right; what was made or put right, by name."""
    place = folder / SECRETS
    changed = []
    if not place.exists():
        place.mkdir(mode=_FOLDER_MODE)
    if place.stat().st_mode & 0o777 != _FOLDER_MODE:
        place.chmod(_FOLDER_MODE)
        changed.append("mode of secrets/")
    texts = {GIVEN.name: given.get(GIVEN.name, "")} | {secret.name: secret.draw() for secret in DRAWN}
    for name, text in {**texts, ".gitignore": "*\n"}.items():
        path = place / name
        if not path.exists():
            _write(path, text, mode=_FILE_MODE)
            changed.append(name)
        elif path.stat().st_mode & 0o777 != _FILE_MODE:
            path.chmod(_FILE_MODE)
            changed.append(f"mode of {name}")
    return changed


def complete_year_keys(folder: Path, today: date) -> list[str]:
    """Draw the keys that make analytics' pseudonyms, for the years that need one on this day; what was made, by name.

    A lost key must come from the copy of secrets/: with another one the same person counts as a second visitor.
    """
    place = folder / SECRETS / YEAR_KEYS
    if not place.exists():
        place.mkdir(mode=0o755)  # mounted as it is; what keeps other users out is the folder above
        place.chmod(0o755)
    made = []
    for year in pseudonyms.years_needed(today):
        path = place / str(year)
        if not path.exists():
            key = secrets.token_bytes(analytics_limits.KEY_BYTES_MIN)
            _write(path, base64.b64encode(key).decode() + "\n", mode=_FILE_MODE)
            made.append(f"{YEAR_KEYS}/{year}")
    return made


def rotate(folder: Path, name: str, *, given: str | None = None) -> Secret:
    """Replace one secret. A database role keeps its address and gets another password."""
    secret = {each.name: each for each in (*DRAWN, GIVEN)}.get(name)
    if secret is None:
        known = ", ".join(each.name for each in (*DRAWN, GIVEN))
        raise Failure(f"There is no secret {name}.", remedy=f"one of: {known}", code=USAGE)
    path = folder / SECRETS / name
    if not path.exists():
        raise Failure(f"There is no {path}.", remedy="hubnetz init", code=MISSING)
    if secret == GIVEN and given is None:
        raise Failure(f"{name} is not drawn: the relay's operator gives it.", remedy="--mail-password-file", code=USAGE)
    role = secret.database_role
    if role:
        old = path.read_text(encoding="utf-8").strip()
        database = old.rpartition("/")[2].partition("?")[0]
        text = dsn_for(old, database=database, role=role, password=secrets.token_urlsafe(24))
    else:
        text = given if given is not None else secret.draw()
    _write(path, text, mode=_FILE_MODE)
    return secret


def after_rotation(secret: Secret) -> list[str]:
    """The commands that bring a new value to those who use it."""
    if secret == ADMIN:  # the image sets it on an empty volume only
        return [_SET_ADMIN]
    commands = [f"docker compose up -d --force-recreate --wait {' '.join(secret.readers)}"]
    if secret.database_role:  # first the role gets the new password, then the service comes back with it
        commands.insert(0, "docker compose run --rm migrate")
    return commands


def _write(path: Path, text: str, *, mode: int) -> None:
    """Whole or not at all, and never readable for more than `mode` says."""
    scratch = path.with_name(f".{path.name}.new")
    scratch.unlink(missing_ok=True)
    scratch.touch(mode=0o600)
    scratch.write_text(text, encoding="utf-8")
    scratch.chmod(mode)
    os.replace(scratch, path)
