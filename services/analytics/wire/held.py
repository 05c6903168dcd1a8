"""What lies in the quarantine as JSON, and back."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from services.analytics.domain.rows import DeliveryRow, EventRow, Kept, OfferRow, Problem, ResourceRow
from services.analytics.wire.facts import instant_of

_BYTES: Final = frozenset({"event_id", "booking_id", "content_hash", "visitor"})
_TUPLES: Final = frozenset({"resource_ids", "quantities"})


def held_fact(row: EventRow, problem: Problem) -> Kept:
    """A fact; it keeps its pseudonym, never a person's id."""
    fields = {name: value.hex() if isinstance(value, bytes) else value for name, value in row._asdict().items()}
    subject = str(UUID(bytes=row.event_id))
    return Kept("fact", subject, problem, json.dumps(fields), row.content_hash, instant_of(row.occurred_at))


def fact_of(content: str) -> EventRow:
    """The row that `held_fact` was given."""
    fields: Mapping[str, Any] = json.loads(content)
    return EventRow(**{name: _value(name, value) for name, value in fields.items()})


def _value(name: str, value: Any) -> Any:
    if name in _BYTES and value is not None:
        return bytes.fromhex(value)
    return tuple(value) if name in _TUPLES else value


def held_delivery(row: DeliveryRow, problem: Problem) -> Kept:
    """A fate of a message."""
    fields = {name: value.hex() if isinstance(value, bytes) else value for name, value in asdict(row).items()}
    content = json.dumps(fields, default=str)
    return Kept("delivery", str(row.event_id), problem, content, row.content_hash, row.occurred_at)


def delivery_of(content: str) -> DeliveryRow:
    """The row that `held_delivery` was given."""
    fields: dict[str, Any] = json.loads(content)
    for name in ("event_id", "message_id", "booking_id"):
        fields[name] = None if fields[name] is None else UUID(fields[name])
    for name in ("occurred_at", "due_at", "came_at"):
        fields[name] = datetime.fromisoformat(fields[name])
    fields["day"] = datetime.fromisoformat(fields["day"]).date()
    fields["content_hash"] = bytes.fromhex(fields["content_hash"])
    return DeliveryRow(**fields)


def held_offer(offer: OfferRow, resources: list[ResourceRow], problem: Problem) -> Kept:
    """A state of the catalogue with its resources."""
    content = json.dumps({"offer": _plain(offer), "resources": [_plain(row) for row in resources]}, default=str)
    return Kept("offer", f"{offer.offer_id}/{offer.revision}", problem, content, offer.content_hash, offer.seen_at)


def _plain(row: OfferRow | ResourceRow) -> dict[str, Any]:
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in asdict(row).items()}


def offer_of(content: str) -> tuple[OfferRow, list[ResourceRow]]:
    """What `held_offer` was given."""
    kept = json.loads(content)
    return OfferRow(**_typed(kept["offer"])), [ResourceRow(**_typed(fields)) for fields in kept["resources"]]


def _typed(fields: dict[str, Any]) -> dict[str, Any]:
    lists = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
    seen_at = datetime.fromisoformat(fields["seen_at"])
    return fields | lists | {"seen_at": seen_at, "content_hash": bytes.fromhex(fields["content_hash"])}
