"""Settings of the catalogue; addresses and secrets have no default."""

from pydantic import Field

from hubkit.settings import ServiceSettings


class CatalogSettings(ServiceSettings):
    """What the catalogue needs besides what every service needs."""

    time_zone: str = Field(
        default="Europe/Berlin",
        pattern="^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}$",
        description="IANA zone of the hub: of its local days, and of imported times without one",
    )
