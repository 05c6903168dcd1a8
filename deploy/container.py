"""The hub as a container of its compose project sees it: addresses from the environment, secrets from mounted files."""

import os
import tempfile
from pathlib import Path
from typing import Final

from deploy.failures import MISSING, Failure
from deploy.hub import DEFAULT_ZONE, Hub
from deploy.local.folder import DataFolder
from deploy.migrate import dsn_for

PORT: Final = 8080  # of every service in compose.yaml, each in its own container
_ADDRESS: Final = "-database-url"  # a service is there if its database's address is


def hub(secrets: Path) -> Hub:
    """The hub of this project, as far as this container may know it: only what is mounted is in it.

    Commands find the secrets in a data folder as they do in a local hub; here it lies in memory and ends with the container.
    """
    folder = DataFolder(Path(tempfile.gettempdir()) / "hubnetz")
    folder.prepare()
    found = {path.name: folder.keep_secret(path.name, path.read_text(encoding="utf-8").strip()) for path in _files(secrets)}
    texts = {name: path.read_text(encoding="utf-8") for name, path in found.items()}
    addresses = {name.removesuffix(_ADDRESS): text for name, text in texts.items() if name.endswith(_ADDRESS)}
    return Hub(
        hub_id=_told("HUBNETZ_HUB_ID"),
        hub_name=_told("HUBNETZ_HUB_NAME"),
        kafka=_told("HUBNETZ_KAFKA"),
        kafka_security=_told("HUBNETZ_KAFKA_SECURITY"),
        postgres_admin=_admin(addresses, texts),
        postgres=addresses,
        http={name: f"http://{name}:{PORT}" for name in addresses},
        mail={"smtp": os.environ.get("HUBNETZ_MAIL_SMTP", ""), "http": os.environ.get("HUBNETZ_MAIL_HTTP", "")},
        data_dir=str(folder.path),
        time_zone=os.environ.get("HUBNETZ_TIME_ZONE") or DEFAULT_ZONE,
    )


def _files(secrets: Path) -> list[Path]:
    """What is mounted; a container without secrets has no such folder."""
    return sorted(path for path in secrets.glob("*") if path.is_file())


def _admin(addresses: dict[str, str], texts: dict[str, str]) -> str:
    """The administrator's address on the server of the services' databases; empty where it is not mounted."""
    for address in addresses.values():
        if password := texts.get("postgres-admin"):
            return dsn_for(address, database="postgres", role="postgres", password=password)
    return ""


def _told(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError as missing:
        raise Failure(
            f"This container does not know {name}.",
            remedy="docker compose run --rm ops hubnetz ..., with the compose.yaml of this release",
            code=MISSING,
        ) from missing
