"""A hub's addresses: what `runtime.json` of its data folder says, and what `hubnetz env --json` prints."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, cast

from deploy.failures import MISSING, Failure
from deploy.local.folder import DataFolder, placed

DATA: Final = "HUBNETZ_DATA"
SECRETS: Final = "HUBNETZ_SECRETS_DIR"  # set in compose.yaml: the command works inside a container of the hub
DEFAULT_ID: Final = "grossroehrsdorf"
DEFAULT_NAME: Final = "InnovationsHub Großröhrsdorf"
DEFAULT_ZONE: Final = "Europe/Berlin"


@dataclass(frozen=True, slots=True)
class Hub:
    """One hub that runs. `postgres_admin` is the administrator's address, `postgres` holds one for each service."""

    hub_id: str
    hub_name: str
    kafka: str
    kafka_security: str
    postgres_admin: str
    postgres: Mapping[str, str]
    http: Mapping[str, str]
    mail: Mapping[str, str]
    data_dir: str
    time_zone: str = DEFAULT_ZONE

    def env(self) -> dict[str, object]:
        """For a client of any language; the shape is promised."""
        return {
            "hub_id": self.hub_id,
            "kafka": self.kafka,
            "kafka_security": self.kafka_security,
            "postgres": dict(self.postgres),
            "http": dict(self.http),
            "mail": dict(self.mail),
            "data_dir": self.data_dir,
        }

    def facts(self) -> dict[str, object]:
        """For `runtime.json`; `running` reads it back."""
        return {"hub": asdict(self)}

    def admin_settings(self) -> dict[str, str]:
        """librdkafka's settings for the topics job."""
        return {"bootstrap.servers": self.kafka, "client.id": "hubnetz"}

    @property
    def service_token(self) -> str:
        """What a caller of the services' protected paths must show."""
        return DataFolder(Path(self.data_dir)).secret("service-token")


def chosen_folder(path: Path | None) -> DataFolder:
    """The data folder meant: the option, else `HUBNETZ_DATA`, else `.hubnetz` where the command was called."""
    return DataFolder(placed((path or Path(os.environ.get(DATA) or ".hubnetz")).absolute()))


def running(path: Path | None) -> Hub:
    """The hub that runs in the folder, or the one whose container this is; none is a failure with code 3."""
    if secrets := os.environ.get(SECRETS):
        from deploy import container  # it builds on this module

        return container.hub(Path(secrets))
    folder = chosen_folder(path)
    noted = folder.read_runtime().get("hub") if folder.held() else None
    if noted is None:
        raise Failure(
            f"No hub runs in {folder.path}.",
            remedy="hubnetz up, or name its folder: --data <folder> or HUBNETZ_DATA=<folder>",
            code=MISSING,
        )
    return Hub(**cast(dict[str, Any], noted))
