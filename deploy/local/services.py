"""The services as child processes: their environment, and the question whether they are ready."""

import http.client
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from deploy import installation
from deploy.hub import Hub
from deploy.local.folder import DataFolder
from deploy.local.process import Spec

STOP_SECONDS: Final = 25
READY_SECONDS: Final = 90
_ROOT: Final = Path(__file__).parents[2]
SERVICES: Final = ("booking", "catalog", "notify", "analytics")
# Further secrets of single services, as `HUBNETZ_<NAME>`: drawn once per data folder like all others.
_SECRETS: Final[Mapping[str, tuple[str, ...]]] = {"booking": ("check-in-key",)}


@dataclass(frozen=True, slots=True)
class Service:
    """One service of a hub: `python -m services.<name>` on a port of its own."""

    name: str
    port: int

    def spec(self, hub: Hub, folder: DataFolder) -> Spec:
        """Secrets travel as files: an environment is shown by too many tools."""
        secrets = {"service-token": "SERVICE_TOKEN"} | {
            name: name.upper().replace("-", "_") for name in _SECRETS.get(self.name, ())
        }
        files = {f"HUBNETZ_{variable}_FILE": str(folder.secret_file(name)) for name, variable in secrets.items()}
        address = folder.keep_secret(f"{self.name}-database-url", hub.postgres[self.name])
        return Spec(
            name=self.name,
            argv=(sys.executable, "-m", f"services.{self.name}"),
            cwd=folder.path,
            env={
                **inherited(),
                **files,
                **(_mail(hub) if self.name == "notify" else {}),
                **(_figures(hub, folder) if self.name == "analytics" else {}),
                "HUBNETZ_DATABASE_URL_FILE": str(address),
                "HUBNETZ_HUB_ID": hub.hub_id,
                "HUBNETZ_HUB_NAME": hub.hub_name,
                "HUBNETZ_KAFKA": hub.kafka,
                "HUBNETZ_KAFKA_SECURITY": hub.kafka_security,
                "HUBNETZ_HTTP_HOST": "127.0.0.1",
                "HUBNETZ_HTTP_PORT": str(self.port),
            },
            stop_seconds=STOP_SECONDS,
        )

    def ready(self) -> bool:
        """Whether the service says so of itself: database, broker, migrations, first catch-up."""
        return not reasons(self.port)


def _mail(hub: Hub) -> dict[str, str]:
    """Mail goes to the sink and nowhere else; names below .example belong to nobody."""
    host, _, port = hub.mail["smtp"].rpartition(":")
    return {
        "HUBNETZ_SMTP_HOST": host,
        "HUBNETZ_SMTP_PORT": port,
        "HUBNETZ_SMTP_SECURITY": "none",
        "HUBNETZ_MAIL_SENDER": f"hub@{hub.hub_id}.example",
        "HUBNETZ_MAIL_DOMAIN": f"{hub.hub_id}.example",
        "HUBNETZ_DELIVERY": "sink",
    }


def _figures(hub: Hub, folder: DataFolder) -> dict[str, str]:
    """The keys that make pseudonyms, those of the years that need one drawn now if they are missing; and whom it compares
    itself with when `reconcile` is called."""
    installation.complete_year_keys(folder.path, datetime.now(UTC).date())
    return {
        "HUBNETZ_TIME_ZONE": hub.time_zone,
        "HUBNETZ_ANALYTICS_KEYS": str(folder.path / installation.SECRETS / installation.YEAR_KEYS),
        "HUBNETZ_BOOKING_URL": hub.http["booking"],
        "HUBNETZ_BOOKING_TOKEN_FILE": str(folder.secret_file("service-token")),
        "HUBNETZ_ANALYTICS_URL": hub.http["analytics"],
    }


def mail_sink_spec(hub: Hub, folder: DataFolder) -> Spec:
    """The relay of a local hub: it keeps the last mails and delivers none."""
    smtp, http = (address.rpartition(":")[2] for address in (hub.mail["smtp"], hub.mail["http"]))
    return Spec(
        name="mailsink",
        argv=(sys.executable, "-m", "deploy.local.mailsink", "--smtp-port", smtp, "--http-port", http),
        cwd=folder.path,
        env=inherited(),
        stop_seconds=STOP_SECONDS,
    )


def inherited() -> dict[str, str]:
    """What a Python child takes over of our environment; no `HUBNETZ_*`, which would speak for another hub."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR", "SSL_CERT_FILE") if name in os.environ}
    return {**kept, "PATH": os.defpath, "PYTHONPATH": str(_ROOT), "PYTHONUNBUFFERED": "1", "TZ": "UTC"}


def reasons(port: int) -> dict[str, str]:
    """Why a service is not ready yet, part by part; empty: it is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        return {"http": f"no answer ({type(error).__name__})"}
    finally:
        connection.close()
    if answer.status == 200:
        return {}
    try:
        told = json.loads(body).get("reasons")
    except (ValueError, AttributeError):
        told = None
    return {str(k): str(v) for k, v in told.items()} if isinstance(told, dict) else {"http": f"status {answer.status}"}
