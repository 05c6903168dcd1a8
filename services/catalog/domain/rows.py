"""What is stored, as the store hands it over: documents are JSON text, which `wire` reads."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from services.catalog.domain.life import Status

EntityKind = Literal["places", "resources", "contacts", "terms", "blackouts", "import_sources"]


@dataclass(frozen=True, slots=True)
class EntityRow:
    """A place, resource, contact, term, closure or import source."""

    id: str
    document: str
    version: int
    source: str | None
    source_hash: bytes | None


@dataclass(frozen=True, slots=True)
class EntityWrite:
    """The new document of an entity; its columns are taken from it in SQL."""

    id: str
    document: str
    source_hash: bytes | None = None


@dataclass(frozen=True, slots=True)
class ResourceNumber:
    """How often a resource's built form changed, and what it was last."""

    resource_id: str
    revision: int
    built_hash: bytes | None


@dataclass(frozen=True, slots=True)
class OccurrenceNumber:
    """Likewise of a date."""

    occurrence_id: UUID
    sequence: int
    built_hash: bytes | None


@dataclass(frozen=True, slots=True)
class OfferRow:
    """An offer with its working copy, without its schedules, and what was last published of it."""

    offer_id: str
    status: Status
    document: str
    version: int
    frozen: str | None
    state: str | None
    state_hash: bytes | None
    revision: int
    publish_from: datetime | None
    source: str | None
    source_id: str | None
    source_hash: bytes | None
    edited_at: datetime
    edited_by: str


@dataclass(frozen=True, slots=True)
class OfferWrite:
    """The new working copy of an offer."""

    offer_id: str
    kind: str
    status: Status
    document: str
    source: str | None = None
    source_id: str | None = None
    source_hash: bytes | None = None


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """A schedule of a working copy."""

    schedule_id: str
    offer_id: str
    document: str
    version: int


@dataclass(frozen=True, slots=True)
class PublishedWrite:
    """What a publish, a change of state or a withdrawal leaves in the offer's row."""

    offer_id: str
    status: Status
    frozen: str | None
    state: str
    state_hash: bytes | None
    revision: int
    shown_places: str  # JSON list of ids: whose change has to be told to this offer's readers
    shown_resources: str
    contact_id: str | None
    publish_until: datetime | None


@dataclass(frozen=True, slots=True)
class RevisionWrite:
    """One entry of an offer's history; `diff` is RFC 6902, from the revision before."""

    offer_id: str
    revision: int
    diff: str


@dataclass(frozen=True, slots=True)
class JobRow:
    """A republishing of more offers than one transaction takes."""

    job_id: UUID
    state: Literal["running", "done"]
    done: int
    total: int
