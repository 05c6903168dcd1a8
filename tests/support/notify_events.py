"""What notify reads: events about bookings, contacts and offers, as their owners would write them."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from contracts import topics
from contracts.booking import events as facts
from contracts.booking.vocabulary import ActorRole, HouseClaimant, PartnerClaimant, PersonClaimant, State
from contracts.catalog import (
    Address,
    Attendance,
    Contact,
    DataCategory,
    OfferKind,
    OfferPublished,
    OfferStatus,
    OfferWithdrawn,
    Place,
    PlaceKind,
    WithdrawReason,
)
from contracts.envelope import Event, decode, encode
from contracts.envelope.event import Model
from contracts.people import ContactSaved
from contracts.topics import Topic
from tests.support.kafka import Raw

HUB = "testhub"
ROOM = f"urn:hub:{HUB}:offer:00000000-0000-4000-8000-00000000000a"
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
START = datetime(2026, 3, 10, 13, 0, tzinfo=UTC)


def event(data: Model, *, at: datetime = NOW, event_id: UUID | None = None, source: str = "booking") -> Event:
    """The event around a body."""
    return Event(
        id=event_id or uuid.uuid4(),
        source=f"urn:hub:{HUB}:{source}",
        type=data.ce_type,
        time=at,
        key=data.key(),
        data=data,
    )


def read_back(topic: Topic, sent: Event) -> Event:
    """The event as a consumer gets it."""
    key, headers, value = encode(sent)
    return decode(topic, key=key, headers=headers, value=value)


def raw(sent: Event) -> Raw:
    """The event as a record."""
    key, headers, value = encode(sent)
    return Raw(key=key, headers=headers, value=value)


def contact(person_id: UUID, *, address: str | None = None, at: datetime = NOW, **fields: Any) -> Event:
    """A contact; verified, German, `anna.<id>@example.org` unless told otherwise."""
    given: dict[str, Any] = {
        "name": "Anna Beispiel",
        "address": address or f"anna.{person_id.hex[:8]}@example.org",
        "verified_at": at,
        "language": "de",
    }
    return event(ContactSaved(person_id=person_id, **(given | fields)), at=at, source="portal")


def tombstone(person_id: UUID, *, at: datetime = NOW) -> Event:
    """The person is to be forgotten."""
    return Event(
        id=uuid.uuid4(),
        source=f"urn:hub:{HUB}:portal",
        type=ContactSaved.ce_type,
        time=at,
        key=str(person_id),
        data=None,
    )


def offer(offer_id: str = ROOM, *, revision: int = 1, special: bool = False, at: datetime = NOW, **fields: Any) -> Event:
    """A meeting room with a place and a functional contact."""
    given: dict[str, Any] = {
        "kind": OfferKind.ADVICE if special else OfferKind.ROOM,
        "title": {"de": "Schuldnerberatung" if special else "Besprechungsraum Röder", "en": "Meeting room Roeder"},
        "description": {"de": "Ein Raum."},
        "places": (
            Place(
                place_id="room-1",
                kind=PlaceKind.ROOM,
                name={"de": "Rathaus, Zimmer 12"},
                address=Address(street="Rathausplatz 1", postal_code="01900", city="Großröhrsdorf"),
                lat=51.14,
                lon=14.01,
            ),
        ),
        "attendance": Attendance.ONSITE,
        "visitor_notes": {"de": "Bitte am Eingang klingeln."},
        "contact": Contact(email="raum@hub.example.org", telephone="+49 35952 100"),
        "data_category": DataCategory.SPECIAL if special else DataCategory.NORMAL,
    }
    data = OfferPublished(offer_id=offer_id, hub_id=HUB, revision=revision, status=OfferStatus.PUBLISHED, **(given | fields))
    return event(data, at=at, source="catalog")


def withdrawn(offer_id: str = ROOM, *, revision: int = 2, at: datetime = NOW) -> Event:
    """The offer is gone."""
    data = OfferWithdrawn(
        offer_id=offer_id,
        hub_id=HUB,
        revision=revision,
        status=OfferStatus.WITHDRAWN,
        reason=WithdrawReason.EDITOR,
        withdrawn_at=at,
    )
    return event(data, at=at, source="catalog")


@dataclass(slots=True)
class BookingStory:
    """One booking told by its events: each call is the next version. Instants are whole seconds, `at` goes on by itself."""

    person_id: UUID = field(default_factory=uuid.uuid4)
    booking_id: UUID = field(default_factory=uuid.uuid4)
    offer_id: str = ROOM
    start: datetime = START
    minutes: int = 90
    at: datetime = NOW
    time_zone: str = "Europe/Berlin"
    claimant: str = "person"
    version: int = 0
    state: State | None = None

    @property
    def end(self) -> datetime:
        """End of the booking as it is now."""
        return self.start + timedelta(minutes=self.minutes)

    def _next(self, model: type[facts.BookingFact], state: State, role: ActorRole, /, **fields: Any) -> Event:
        self.version += 1
        body: dict[str, Any] = {
            "booking_id": self.booking_id,
            "version": self.version,
            "state": state,
            "from_state": self.state,
            "offer_id": self.offer_id,
            "offer_revision": 1,
            "claimant": self._claimant(),
            "start": self.start,
            "end": self.end,
            "time_zone": self.time_zone,
            "quantity": 1,
            "actor_role": role,
            "request_id": uuid.uuid4() if role in (ActorRole.CITIZEN, ActorRole.STAFF) else None,
        }
        self.state = state
        data = model(**(body | fields))
        made = event(data, at=self.at, event_id=uuid.uuid5(self.booking_id, f"{self.version}/{model.__name__}"))
        self.at += timedelta(minutes=1)
        return made

    def _claimant(self) -> PersonClaimant | PartnerClaimant | HouseClaimant:
        if self.claimant == "house":
            return HouseClaimant(kind="house", purpose="cleaning")
        if self.claimant == "partner":
            return PartnerClaimant(kind="partner", hub_id="neighbour", booking_ref=self.booking_id)
        return PersonClaimant(kind="person", person_id=self.person_id)

    def held(self) -> Event:
        """Kept for a moment."""
        return self._next(
            facts.BookingHeld, State.HELD, ActorRole.CITIZEN, hold_expires_at=self.at + timedelta(minutes=10), hold_seconds=600
        )

    def confirmed(self, by: ActorRole = ActorRole.CITIZEN, **fields: Any) -> Event:
        """Booked."""
        given: dict[str, Any] = {"check_in_code": "7K3M9QXT", "cancel_until": self.start}
        return self._next(facts.BookingConfirmed, State.CONFIRMED, by, **(given | fields))

    def approval_requested(self) -> Event:
        """Waits for staff."""
        return self._next(facts.ApprovalRequested, State.PENDING_APPROVAL, ActorRole.CITIZEN, decide_by=self.start, competing=0)

    def moved(self, start: datetime, by: ActorRole = ActorRole.CITIZEN, state: State = State.CONFIRMED, **fields: Any) -> Event:
        """At another time."""
        old = facts.OldPlace(start=self.start, end=self.end)
        self.start = start
        return self._next(facts.BookingRescheduled, state, by, **({"old": old} | fields))

    def cancelled(self, by: ActorRole = ActorRole.CITIZEN, **fields: Any) -> Event:
        """Given up."""
        given: dict[str, Any] = {"by": by, "late": False, "freed": True}
        return self._next(facts.BookingCancelled, State.CANCELLED, by, **(given | fields))

    def displaced(self, **fields: Any) -> Event:
        """A closure took the place."""
        given: dict[str, Any] = {
            "cause": "blackout",
            "rebook_by": self.start - timedelta(days=1),
            "alternatives": (
                facts.Alternative(start=self.start + timedelta(days=1), end=self.end + timedelta(days=1)),
                facts.Alternative(start=self.start + timedelta(days=2), end=self.end + timedelta(days=2)),
            ),
        }
        return self._next(facts.BookingDisplaced, State.DISPLACED, ActorRole.SYSTEM, **(given | fields))

    def checked_in(self) -> Event:
        """They came."""
        return self._next(facts.BookingCheckedIn, State.CHECKED_IN, ActorRole.CITIZEN, at=self.start)

    def no_show(self) -> Event:
        """They did not."""
        return self._next(facts.BookingNoShow, State.NO_SHOW, ActorRole.SYSTEM)


TOPIC_OF: Mapping[str, Topic] = {
    "booking": topics.BOOKING_EVENTS,
    "portal": topics.PEOPLE_CONTACTS,
    "catalog": topics.CATALOG_OFFERS,
}


def topic_of(sent: Event) -> Topic:
    """Where the event belongs."""
    return TOPIC_OF[sent.source.rpartition(":")[2]]
