"""Settings of analytics; addresses and secrets have no default."""

from pathlib import Path

from pydantic import Field, SecretStr

from hubkit.settings import ServiceSettings


class AnalyticsSettings(ServiceSettings):
    """What analytics needs besides what every service needs."""

    time_zone: str = Field(
        default="Europe/Berlin",
        pattern="^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}$",
        description="IANA zone of the hub, whose local days are counted; a change needs a rebuild from the log",
    )
    analytics_keys: Path = Field(description="folder with one file per year, or one file, of the keys that make pseudonyms")


class ReconcileSettings(AnalyticsSettings):
    """What comparing with booking needs as well."""

    booking_url: str = Field(pattern=r"^https?://\S+$", description="where booking answers /v1/totals")
    booking_token: SecretStr = Field(min_length=16, description="booking's service token")
    analytics_url: str = Field(pattern=r"^https?://\S+$", description="where this service answers /v1/totals")
