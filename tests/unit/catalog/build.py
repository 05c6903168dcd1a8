"""Entities as tests need them: whole and publishable, so that a test changes only what it is about."""

from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID, uuid5

from services.catalog.domain.build import Catalogue
from services.catalog.domain.entities import (
    ACCESSIBILITY_KEYS,
    Blackout,
    Booking,
    Component,
    Contact,
    Hours,
    Occurrence,
    Offer,
    Place,
    Resource,
    Schedule,
)

HUB = "nord"
NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)  # a Monday, 10:00 in Berlin
BERLIN = "Europe/Berlin"
OFFER_ID = "urn:hub:nord:offer:7d0f6a52-63f0-4a7b-9c5f-2f8a1a0e4b11"


def instant(text: str) -> datetime:
    """`2027-03-28T01:00Z`."""
    return datetime.fromisoformat(text).astimezone(UTC)


def wall(text: str) -> datetime:
    """`2027-03-28T18:00`, wall time."""
    return datetime.fromisoformat(text)


def derive(namespace: UUID, name: str) -> UUID:
    """uuid5, as in production."""
    return uuid5(namespace, name)


def place(place_id: str = "haus", **changes: object) -> Place:
    """A site whose accessibility is answered."""
    whole = Place(
        place_id,
        "site",
        {"de": "Haus"},
        hours=(Hours(1, "08:00", "18:00"),),
        accessibility={**dict.fromkeys(ACCESSIBILITY_KEYS, "unknown"), "step_free": "yes"},
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def resource(resource_id: str = "raum", **changes: object) -> Resource:
    """A room of the house."""
    return replace(Resource(resource_id, "unit", "haus", {"de": "Raum"}), **changes)  # type: ignore[arg-type]


def offer(**changes: object) -> Offer:
    """An offer of one room that passes the gate."""
    whole = Offer(
        OFFER_ID,
        "room",
        BERLIN,
        title={"de": "Ein Raum", "en": "A room"},
        description={"de": "Groß und hell.", "en": "Large and bright."},
        place_ids=("haus",),
        is_free=True,
        contact_id="empfang",
        booking=Booking("instant", (Component("raum", "unit", ("raum",)),), {"grid_minutes": 15}),
        last_verified_at=NOW,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def schedule(rrule: str | None = "FREQ=WEEKLY;BYDAY=TU", start: str = "2027-03-02T18:00", **changes: object) -> Schedule:
    """Tuesday evenings with ten places."""
    whole = Schedule("dienstag", wall(start), 90, BERLIN, rrule=rrule, capacity=10)
    return replace(whole, **changes)  # type: ignore[arg-type]


def course(*schedules: Schedule, **changes: object) -> Offer:
    """An offer whose dates are booked."""
    booked = Booking("instant", (Component("platz", "session"),))
    return offer(kind="course", schedules=schedules or (schedule(),), booking=booked, **changes)


def occurrence(start: str = "2027-03-02T18:00", *, minutes: int = 90, **changes: object) -> Occurrence:
    """A date of the course, as it would be made from the rule outside of clock changes."""
    local = wall(start)
    begin = local.replace(tzinfo=UTC)
    whole = Occurrence(
        uuid5(UUID(OFFER_ID.rsplit(":", 1)[1]), local.isoformat(timespec="seconds")),
        OFFER_ID,
        "dienstag",
        local,
        begin,
        datetime.fromtimestamp(begin.timestamp() + minutes * 60, UTC),
        BERLIN,
        "scheduled",
        10,
        (),
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def blackout(scope: str = "place", scope_id: str | None = "haus", **changes: object) -> Blackout:
    """A closed day of the house."""
    whole = Blackout("zu", "place", instant("2027-03-08T23:00Z"), instant("2027-03-09T23:00Z"), "works", scope_id)
    return replace(whole, scope=scope, scope_id=scope_id, **changes)  # type: ignore[arg-type]


def catalogue(
    *blackouts: Blackout, places: tuple[Place, ...] | None = None, resources: tuple[Resource, ...] | None = None
) -> Catalogue:
    """The house, its room and its reception."""
    found = (place(),) if places is None else places
    things = (resource(),) if resources is None else resources
    return Catalogue(
        hub_id=HUB,
        places={each.place_id: each for each in found},
        resources={each.resource_id: each for each in things},
        contacts={"empfang": Contact("empfang", {"de": "Empfang"})},
        terms={},
        blackouts=blackouts,
    )


def last_sundays() -> list[tuple[date, date]]:
    """The Sundays of 2026 to 2030 on which clocks in the EU go forward and back."""
    return [
        (date(2026, 3, 29), date(2026, 10, 25)),
        (date(2027, 3, 28), date(2027, 10, 31)),
        (date(2028, 3, 26), date(2028, 10, 29)),
        (date(2029, 3, 25), date(2029, 10, 28)),
        (date(2030, 3, 31), date(2030, 10, 27)),
    ]
