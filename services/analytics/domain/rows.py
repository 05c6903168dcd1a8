"""What is stored of the messages, between `wire`, which makes it of them, and `store`, which writes it."""

import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal, NamedTuple
from uuid import UUID

EPOCH_DAY: Final = date(2000, 1, 1)
"""PostgreSQL counts days and microseconds from here."""

Problem = Literal[
    "log_ahead",
    "log_too_old",
    "no_year_key",
    "span_not_forward",
    "span_too_long",
    "start_too_far",
    "revision_conflict",
    "unknown_zone",
]
"""Why something lies in the quarantine."""


class EventRow(NamedTuple):
    """A row of `events`, its values as they travel to PostgreSQL: ids as bytes, instants as microseconds, days as numbers.

    A tuple, because making one costs a fifth of a dataclass and each event makes one.
    """

    event_id: bytes
    booking_id: bytes | None
    occurred_at: int
    produced_at: int | None
    starts_at: int | None
    ends_at: int | None
    given_back_at: int | None
    record_offset: int | None
    partition: int | None
    version: int | None
    quantity: int | None
    occurred_day: int
    first_day: int
    last_day: int
    over_midnight: bool
    moved: bool
    late: bool
    freed: bool
    content_hash: bytes
    visitor: bytes | None
    type: str
    state: str | None
    from_state: str | None
    hub_id: str
    side: str
    claimant: str | None
    actor_role: str | None
    reason: str | None
    offer_id: str
    resource_ids: tuple[str, ...]
    quantities: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class OfferRow:
    """A revision of an offer; `blackouts` is JSON. The hash is over all that is kept, its resources' revisions included."""

    offer_id: str
    revision: int
    hub_id: str
    seen_at: datetime
    content_hash: bytes
    check_in_required: bool
    status: str
    kind: str
    mode: str
    data_category: str
    terms: tuple[str, ...]
    resource_ids: tuple[str, ...]
    bookable_ids: tuple[str, ...]
    blackouts: str


@dataclass(frozen=True, slots=True)
class ResourceRow:
    """A revision of a resource, as one offer shows it; `content` and `occupies_json` are JSON."""

    hub_id: str
    resource_id: str
    revision: int
    seen_at: datetime
    content_hash: bytes
    kind: str
    time_zone: str
    occupies: tuple[str, ...]
    content: str

    @property
    def occupies_json(self) -> str:
        """The units as a JSON list: arrays of different lengths cannot travel in one array."""
        return json.dumps(self.occupies)


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """What became of a message, by one event."""

    event_id: UUID
    message_id: UUID
    booking_id: UUID | None
    occurred_at: datetime
    due_at: datetime
    came_at: datetime
    attempts: int
    day: date
    resent: bool
    content_hash: bytes
    type: str
    kind: str
    message_class: str
    channel: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry for the quarantine; `content` is the JSON of what would have been stored."""

    kind: Literal["fact", "delivery", "offer"]
    subject: str
    reason: Problem
    content: str
    content_hash: bytes
    occurred_at: datetime
