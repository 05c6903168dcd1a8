"""Events as booking and the catalogue would say them, in few words; what is not named has a plain default."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from contracts.booking import (
    BookingCancelled,
    BookingCompleted,
    BookingConfirmed,
    BookingFact,
    BookingHeld,
    BookingNoShow,
    BookingRejected,
    BookingRescheduled,
    Reason,
    State,
)
from contracts.booking.events import OldPlace
from contracts.booking.outcomes import RejectedFor
from contracts.booking.vocabulary import (
    ActorRole,
    Claimant,
    HouseClaimant,
    PartnerClaimant,
    PersonClaimant,
    Placement,
)
from contracts.catalog import OfferPublished, OfferWithdrawn
from contracts.envelope import Event, Model

HUB: Final = "nord"
BERLIN: Final = ZoneInfo("Europe/Berlin")
NOW: Final = datetime(2027, 6, 1, 9, 0, tzinfo=UTC)
IDS: Final = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")


def named(name: str) -> UUID:
    """The id that a test calls by a name."""
    return uuid5(IDS, name)


def offer_id(name: str, hub: str = HUB) -> str:
    """An offer of a hub."""
    return f"urn:hub:{hub}:offer:{named(name)}"


def local(day: str, clock: str = "00:00") -> datetime:
    """What a clock in Berlin shows, as an instant; the first of two."""
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=BERLIN).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Claim:
    """A booking on its way through its states: each step gives an event and the claim after it."""

    name: str
    start: datetime
    end: datetime
    resources: tuple[tuple[str, int], ...] = (("room-1", 1),)
    offer: str = "rooms"
    hub: str = HUB
    person: str | None = "anna"
    partner: bool = False
    quantity: int = 1
    version: int = 0
    state: State | None = None
    events: tuple[Event, ...] = field(default=())

    def confirmed(self, at: datetime | None = None) -> "Claim":
        """BookingConfirmed, three days before its start unless told otherwise."""
        more = {"check_in_code": "ABCDEFGH", "cancel_until": self.start}
        return self._step(BookingConfirmed, State.CONFIRMED, at, **more)

    def held(self, at: datetime | None = None) -> "Claim":
        """BookingHeld."""
        return self._step(BookingHeld, State.HELD, at, hold_expires_at=self.start, hold_seconds=600)

    def cancelled(self, at: datetime | None = None, *, late: bool = False) -> "Claim":
        """BookingCancelled."""
        return self._step(BookingCancelled, State.CANCELLED, at, by=ActorRole.CITIZEN, late=late, freed=True)

    def moved(self, start: datetime, end: datetime, at: datetime | None = None) -> "Claim":
        """BookingRescheduled to another span."""
        old = OldPlace(start=self.start, end=self.end, placements=self._placements())
        there = replace(self, start=start, end=end)
        return there._step(BookingRescheduled, self.state or State.CONFIRMED, at, old=old)

    def completed(self, at: datetime | None = None) -> "Claim":
        """BookingCompleted at its end, or when the claimant left."""
        return self._step(BookingCompleted, State.COMPLETED, at or self.end, at=at or self.end)

    def no_show(self, freed_from: datetime | None = None) -> "Claim":
        """BookingNoShow; freed from an instant on, or never."""
        return self._step(BookingNoShow, State.NO_SHOW, freed_from or self.end, freed_from=freed_from)

    @property
    def last(self) -> Event:
        """The latest event."""
        return self.events[-1]

    def _placements(self) -> tuple[Placement, ...]:
        return tuple(
            Placement(component_id=f"c{n}", resource_id=name, quantity=number)
            for n, (name, number) in enumerate(self.resources)
        )

    def _claimant(self) -> Claimant:
        if self.partner:
            return PartnerClaimant(kind="partner", hub_id="sued", booking_ref=named(f"{self.name}/ref"))
        if self.person is None:
            return HouseClaimant(kind="house", purpose="cleaning")
        return PersonClaimant(kind="person", person_id=named(self.person))

    def _step(self, model: type[BookingFact], state: State, occurred_at: datetime | None, **more: Any) -> "Claim":
        version = self.version + 1
        data = model(
            booking_id=named(self.name),
            version=version,
            state=state,
            from_state=self.state,
            offer_id=offer_id(self.offer, self.hub),
            offer_revision=1,
            claimant=self._claimant(),
            start=self.start,
            end=self.end,
            time_zone="Europe/Berlin",
            quantity=self.quantity,
            placements=self._placements(),
            actor_role=ActorRole.CITIZEN,
            **more,
        )
        occurred = occurred_at or (self.last.time + timedelta(minutes=1) if self.events else self.start - timedelta(days=3))
        event = booking_event(data, f"{self.name}/{version}", occurred)
        return replace(self, version=version, state=state, events=(*self.events, event))


def booking_event(data: Model, name: str, at: datetime) -> Event:
    """An event of booking's; its id follows from the name."""
    return Event(id=named(name), source=f"urn:hub:{HUB}:booking", type=data.ce_type, time=at, key=data.key(), data=data)


def rejected(name: str, reason: Reason, requested_at: datetime, *, offer: str = "rooms") -> Event:
    """BookingRejected for one reason."""
    data = BookingRejected(
        offer_id=offer_id(offer),
        actor_role=ActorRole.CITIZEN,
        request_id=named(name),
        reason=reason,
        claimant=PersonClaimant(kind="person", person_id=named("anna")),
        reasons=(RejectedFor(code=reason),),
        retryable=False,
        requested_at=requested_at,
    )
    return booking_event(data, f"{name}/rejected", requested_at + timedelta(seconds=1))


def published(
    name: str = "rooms",
    *resources: dict[str, Any],
    revision: int = 1,
    at: datetime | None = None,
    status: str = "published",
    mode: str = "instant",
    bookable: Sequence[str] | None = None,
    kind: str = "unit",
    **rules: Any,
) -> Event:
    """A state of an offer with one component that serves `bookable`, all of its resources unless named."""
    ids = [each["resource_id"] for each in resources] if bookable is None else list(bookable)
    component = {"component_id": "main", "kind": kind, "resource_ids": ids}
    block = {"mode": mode, "components": [component], "resources": list(resources)} | rules
    fields: dict[str, Any] = {
        "offer_id": offer_id(name),
        "hub_id": HUB,
        "revision": revision,
        "kind": "room",
        "status": status,
        "title": {"de": "Angebot"},
        "description": {"de": "Ein Angebot"},
        "time_zone": "Europe/Berlin",
        "booking": block,
    }
    return catalogue_event(OfferPublished.model_validate_json(json.dumps(fields)), at)


def withdrawn(name: str, revision: int, at: datetime) -> Event:
    """An offer is gone."""
    body = {"offer_id": offer_id(name), "hub_id": HUB, "revision": revision, "status": "withdrawn", "reason": "editor"}
    return catalogue_event(OfferWithdrawn.model_validate_json(json.dumps(body | {"withdrawn_at": at.isoformat()})), at)


def catalogue_event(data: Model, at: datetime | None) -> Event:
    """A state as the catalogue publishes it, a year before `NOW` unless told otherwise."""
    return Event(
        id=named(f"{at}{data.to_json().decode()}"),
        source=f"urn:hub:{HUB}:catalog",
        type=data.ce_type,
        time=at or NOW - timedelta(days=365),
        key=data.key(),
        data=data,
    )


def weekly(*days: int, opens: str = "08:00", closes: str = "18:00") -> list[dict[str, Any]]:
    """The same hours on these weekdays, Monday is 1."""
    return [{"weekday": day, "from": opens, "to": closes} for day in days]


EVERY_DAY: Final = weekly(1, 2, 3, 4, 5, 6, 7)


def room(name: str = "room-1", *, revision: int = 1, **more: Any) -> dict[str, Any]:
    """A unit, open every day from 8 to 18 unless told otherwise."""
    return {"resource_id": name, "kind": "unit", "revision": revision, "hours": EVERY_DAY} | more


def pool(name: str, capacity: int, **more: Any) -> dict[str, Any]:
    """A pool."""
    return {"resource_id": name, "kind": "pool", "revision": 1, "capacity": capacity, "hours": EVERY_DAY} | more


def session(name: str, start: datetime, end: datetime, capacity: int, *, revision: int = 1, **more: Any) -> dict[str, Any]:
    """A date with places."""
    span = {"start": _text(start), "end": _text(end)}
    return {"resource_id": name, "kind": "session", "revision": revision, "capacity": capacity} | span | more


def blackout(name: str, start: datetime, end: datetime) -> dict[str, Any]:
    """A closure."""
    return {"blackout_id": name, "start": _text(start), "end": _text(end), "cause": "works"}


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def day(text: str) -> date:
    """A date."""
    return date.fromisoformat(text)
