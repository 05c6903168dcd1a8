"""Settings of notify: the mail relay, who writes, and whether it is meant."""

import ipaddress
import re
from datetime import time
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, model_validator

from hubkit.settings import ServiceSettings
from services.notify import limits
from services.notify.domain.times import QuietHours

_HOST: Final = r"^[A-Za-z0-9._:-]{1,253}$"
_DOMAIN: Final = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$"
_MAILBOX: Final = r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}$"
_QUIET: Final = r"^$|^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$"


class NotifySettings(ServiceSettings):
    """What notify needs beside what every service needs."""

    smtp_host: Annotated[str, Field(pattern=_HOST)]
    smtp_port: Annotated[int, Field(ge=1, le=65535)]
    smtp_security: Literal["none", "starttls", "tls"]
    smtp_user: Annotated[str, Field(max_length=200)] | None = None
    smtp_password: SecretStr | None = None
    smtp_ca_file: Path | None = None
    smtp_connections: Annotated[int, Field(ge=1, le=limits.CONNECTIONS_MAX)] = 4
    mail_sender: Annotated[str, Field(pattern=_MAILBOX, description="the hub's mailbox: From, and where answers go")]
    mail_domain: Annotated[
        str, Field(pattern=_DOMAIN, max_length=253, description="right side of Message-ID and calendar UIDs; for ever")
    ]
    delivery: Literal["live", "sink"] = "sink"
    hub_time_zone: Annotated[str, Field(max_length=60)] = "Europe/Berlin"
    quiet_hours: Annotated[str, Field(pattern=_QUIET, description="from-to by the hub's clock, empty: none")] = "22:00-07:00"

    @model_validator(mode="after")
    def check_mail(self) -> Self:
        """Plain text beyond this machine would show addresses and passwords to everybody on the way; a sink is close by."""
        is_near = is_loopback(self.smtp_host) or "." not in self.smtp_host  # this machine, or a container beside this one
        if self.delivery == "sink" and not is_near:
            raise ValueError("HUBNETZ_DELIVERY=sink needs a sink beside this service: loopback, or a name without a dot")
        if self.smtp_security == "none" and not is_loopback(self.smtp_host) and self.delivery == "live":
            raise ValueError("HUBNETZ_SMTP_SECURITY has to be starttls or tls, except on loopback")
        if (self.smtp_user is None) != (self.smtp_password is None):
            raise ValueError("HUBNETZ_SMTP_USER and HUBNETZ_SMTP_PASSWORD belong together")
        ZoneInfo(self.hub_time_zone)
        return self

    def quiet(self) -> QuietHours | None:
        """The quiet hours, if there are any."""
        if not self.quiet_hours:
            return None
        start, end = (time.fromisoformat(part) for part in self.quiet_hours.split("-"))
        return QuietHours(start, end, ZoneInfo(self.hub_time_zone)) if start != end else None


def is_loopback(host: str) -> bool:
    """Whether mail to this host never leaves the machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(re.sub(r"^\[|\]$", "", host)).is_loopback
    except ValueError:
        return False
