"""Settings of booking; addresses and secrets have no default."""

from typing import Literal

from pydantic import Field, SecretStr

from hubkit.settings import ServiceSettings


class BookingSettings(ServiceSettings):
    """What booking needs besides what every service needs."""

    check_in_key: SecretStr = Field(min_length=16, description="signs check-in codes; changing it makes old codes wrong")
    sources: dict[str, frozenset[Literal["citizen", "staff", "partner"]]] = Field(
        default_factory=dict,
        max_length=100,
        description="ce_source to the roles it may state, beside the default of booking.md §4; JSON in the environment",
    )
