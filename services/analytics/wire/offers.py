"""States of the catalogue as rows, and rows as the histories that open days are derived from.

Kept is what a figure needs: hours, dates, closures, what is bookable. No texts, no places, no prices.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, Final

from contracts.booking.rules import Blackout, DayHours, Resource, ResourceKind, SessionStatus, WeeklyHours
from contracts.catalog import OfferPublished, OfferStatus, OfferWithdrawn
from contracts.envelope import Event
from services.analytics.domain.opening import OfferRevision, ResourceRevision, Session
from services.analytics.domain.rows import OfferRow, ResourceRow
from services.analytics.domain.spans import Span
from services.analytics.domain.words import Kind
from services.analytics.domain.zones import zone

_LIVE: Final = frozenset({OfferStatus.PUBLISHED.value, OfferStatus.SUSPENDED.value})
_BOOKED_HERE: Final = frozenset({"instant", "request"})


def read_state(event: Event) -> tuple[OfferRow, list[ResourceRow]] | None:
    """The offer's revision and those of its resources; None for a tombstone, which says nothing new."""
    data = event.data
    if isinstance(data, OfferWithdrawn):
        return _withdrawn(event, data), []
    if not isinstance(data, OfferPublished):
        return None
    # A state that names one revision of a resource twice means one of them: the first.
    once = {(each.resource_id, each.revision): each for each in reversed(data.booking.resources)}
    resources = [_resource(event, data, resource) for resource in reversed(once.values())]
    offer = OfferRow(
        offer_id=data.offer_id,
        revision=data.revision,
        hub_id=data.hub_id,
        seen_at=event.time,
        content_hash=b"",
        check_in_required=data.booking.check_in.required,
        status=data.status.value,
        kind=data.kind.value,
        mode=data.booking.mode.value,
        data_category=data.data_category.value,
        terms=tuple(f"{term.scheme}:{term.code}" for term in data.terms),
        resource_ids=tuple(sorted({resource.resource_id for resource in data.booking.resources})),
        bookable_ids=tuple(sorted({name for part in data.booking.components for name in part.resource_ids})),
        blackouts=_json(_blackouts(data.booking.blackouts)),
    )
    return _hashed(offer, resources), resources


def _withdrawn(event: Event, data: OfferWithdrawn) -> OfferRow:
    row = OfferRow(
        offer_id=data.offer_id,
        revision=data.revision,
        hub_id=data.hub_id,
        seen_at=event.time,
        content_hash=b"",
        check_in_required=False,
        status=data.status.value,
        kind="",
        mode="none",
        data_category="normal",
        terms=(),
        resource_ids=(),
        bookable_ids=(),
        blackouts="{}",
    )
    return _hashed(row, [])


def _hashed(row: OfferRow, resources: Iterable[ResourceRow]) -> OfferRow:
    kept = _json(
        [
            row.hub_id, row.check_in_required, row.status, row.kind, row.mode, row.data_category, row.terms, row.bookable_ids,
            row.blackouts, [(each.resource_id, each.revision) for each in resources],
        ]
    )  # fmt: skip
    return replace(row, content_hash=hashlib.sha256(kept.encode()).digest())


def _resource(event: Event, offer: OfferPublished, resource: Resource) -> ResourceRow:
    content = _json(
        {
            "units": 1 if resource.capacity is None else resource.capacity,
            "hours": [_weekly(hours) for hours in resource.hours],
            "exceptions": {day.date.isoformat(): _hours_of(day) for day in resource.exceptions},
            "blackouts": _blackouts(resource.blackouts),
            "start": None if resource.start is None else _text(resource.start),
            "end": None if resource.end is None else _text(resource.end),
            "scheduled": resource.status is SessionStatus.SCHEDULED,
        }
    )
    occupies = tuple(sorted(resource.occupies)) if resource.kind is ResourceKind.SESSION else ()
    return ResourceRow(
        hub_id=offer.hub_id,
        resource_id=resource.resource_id,
        revision=resource.revision,
        seen_at=event.time,
        content_hash=hashlib.sha256(_json([resource.kind.value, offer.time_zone, occupies, content]).encode()).digest(),
        kind=resource.kind.value,
        time_zone=offer.time_zone,
        occupies=occupies,
        content=content,
    )


def _weekly(hours: WeeklyHours) -> list[int]:
    return [hours.weekday, _minutes(hours.from_), _minutes(hours.to)]


def _hours_of(day: DayHours) -> list[list[int]]:
    return [[_minutes(hours.from_), _minutes(hours.to)] for hours in day.hours]


def _minutes(clock_face: str) -> int:
    return int(clock_face[:2]) * 60 + int(clock_face[3:])


def _blackouts(blackouts: Iterable[Blackout]) -> dict[str, list[str]]:
    return {blackout.blackout_id: [_text(blackout.start), _text(blackout.end)] for blackout in blackouts}


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat()


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def offer_revision(row: OfferRow) -> OfferRevision:
    """A stored revision of an offer, as open days are derived from it."""
    return OfferRevision(
        offer_id=row.offer_id,
        revision=row.revision,
        at=row.seen_at,
        live=row.status in _LIVE,
        bookable=row.mode in _BOOKED_HERE,
        resource_ids=frozenset(row.resource_ids),
        bookable_ids=frozenset(row.bookable_ids),
        blackouts=_spans(json.loads(row.blackouts)),
    )


def resource_revision(row: ResourceRow) -> ResourceRevision:
    """A stored revision of a resource, as open days are derived from it; LookupError for a zone that does not exist."""
    content: dict[str, Any] = json.loads(row.content)
    weekly: dict[int, list[tuple[int, int]]] = {}
    for weekday, opens, closes in content["hours"]:
        weekly.setdefault(weekday, []).append((opens, closes))
    session = None
    if content["start"] is not None and row.kind == Kind.SESSION.value:
        session = Session(
            start=datetime.fromisoformat(content["start"]),
            end=datetime.fromisoformat(content["end"]),
            scheduled=content["scheduled"],
            occupies=frozenset(row.occupies),
        )
    return ResourceRevision(
        resource_id=row.resource_id,
        revision=row.revision,
        at=row.seen_at,
        kind=Kind(row.kind),
        where=zone(row.time_zone),
        units=content["units"],
        weekly=weekly,
        exceptions=_exceptions(content["exceptions"]),
        blackouts=_spans(content["blackouts"]),
        session=session,
    )


def _exceptions(stored: Mapping[str, Sequence[Sequence[int]]]) -> dict[date, tuple[tuple[int, int], ...]]:
    return {date.fromisoformat(day): tuple((opens, closes) for opens, closes in hours) for day, hours in stored.items()}


def _spans(stored: Mapping[str, Sequence[str]]) -> dict[str, Span]:
    return {name: (datetime.fromisoformat(start), datetime.fromisoformat(end)) for name, (start, end) in stored.items()}
