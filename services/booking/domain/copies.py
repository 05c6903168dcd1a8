"""What booking keeps of the catalogue: its copy of each offer and resource, as published; made ready by `wire.offers`."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a copied offer stands; `removed` once its tombstone came."""

    PUBLISHED = "published"
    SUSPENDED = "suspended"
    CANCELLED = "cancelled"
    WITHDRAWN = "withdrawn"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class OfferCopy:
    """An offer in its newest revision. `rules` is its `booking` block as JSON, without resources.

    `content_hash` covers all that is copied: the same revision with other content is a conflict.
    """

    offer_id: str
    hub_id: str
    revision: int
    status: Status
    time_zone: str
    partner_mode: str
    rules: str
    content_hash: bytes
    resource_ids: Sequence[str]
    limit_keys: Sequence[str]


@dataclass(frozen=True, slots=True)
class ResourceCopy:
    """A resource in its newest revision, whichever offer brought it. `rules` is its JSON; numbers are ours, drawn once."""

    resource_id: str
    kind: str
    capacity: int | None
    revision: int
    rules: str
    content_hash: bytes
    unit_no: int | None = None
    pool_no: int | None = None
    used: int = 0
    occupies: Sequence[str] = ()


ALLOWANCE = "allowance/"  # no catalogue id has a `/`


def allowance(key: str, who: object) -> str:
    """The id of the row that is locked when a person, group or partner hub takes something under a limit key."""
    return f"{ALLOWANCE}{key}/{who}"
