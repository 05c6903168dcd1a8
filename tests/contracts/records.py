"""Records to break: one good command and one good event, and what a record is made of."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from contracts import topics
from contracts.booking import ActorRole, BookingConfirmed, RequestBooking, State
from contracts.booking.commands import Actor
from contracts.booking.vocabulary import PersonClaimant, Placement
from contracts.catalog import OfferPublished
from contracts.envelope import BadRecord, Event, decode
from contracts.topics import Topic

EVENT_ID = UUID("0197f3c2-5a00-7065-8000-0000000c344b")
BOOKING_ID = UUID("5f0c7d0e-3d52-5d0f-9a6e-0f7a3c1f2b44")
PERSON_ID = UUID("0197f3c2-5a00-7014-8000-000000026aac")
OFFER_ID = "urn:hub:nord:offer:0197f3c2-5a00-7002-8000-000000003dde"
TIME = datetime(2027, 3, 1, 7, 15, 30, 123456, tzinfo=UTC)
START = datetime(2027, 3, 2, 8, tzinfo=UTC)
END = datetime(2027, 3, 2, 10, tzinfo=UTC)

Header = tuple[str, bytes | None]


@dataclass(frozen=True)
class Record:
    """A record of `topic`, good until something of it is changed."""

    topic: Topic
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...]

    def read(self) -> Event:
        """What the parser makes of it."""
        return decode(self.topic, key=self.key, headers=self.headers, value=self.value)

    def with_header(self, name: str, content: bytes | None) -> "Record":
        """The header replaced where it stands, or put at the end."""
        if all(existing != name for existing, _ in self.headers):
            return self.and_header(name, content)
        changed = [(existing, content if existing == name else old) for existing, old in self.headers]
        return replace(self, headers=tuple(changed))

    def and_header(self, name: str, content: bytes | None) -> "Record":
        """One header more at the end, whether or not it is there already."""
        return replace(self, headers=(*self.headers, (name, content)))

    def without_header(self, name: str) -> "Record":
        """The header taken out."""
        return replace(self, headers=tuple(header for header in self.headers if header[0] != name))

    def with_value(self, value: bytes | None) -> "Record":
        """Another body."""
        return replace(self, value=value)

    def with_body(self, **changes: object) -> "Record":
        """Fields of the body replaced; `...` takes one out."""
        assert self.value is not None
        body: dict[str, Any] = json.loads(self.value)
        for name, content in changes.items():
            if content is ...:
                del body[name]
            else:
                body[name] = content
        return replace(self, value=json.dumps(body).encode())

    def with_key(self, key: bytes | None) -> "Record":
        """Another key."""
        return replace(self, key=key)


def headers_of(ce_type: str) -> tuple[Header, ...]:
    """The required headers, and the content type."""
    return (
        ("ce_specversion", b"1.0"),
        ("ce_id", str(EVENT_ID).encode()),
        ("ce_source", b"urn:hub:nord:portal"),
        ("ce_type", ce_type.encode()),
        ("ce_time", b"2027-03-01T07:15:30.123456Z"),
        ("content-type", b"application/json"),
    )


def request() -> RequestBooking:
    """A desk for two hours."""
    return RequestBooking(
        offer_id=OFFER_ID,
        actor=Actor(role=ActorRole.CITIZEN, id=str(PERSON_ID)),
        claimant=PersonClaimant(kind="person", person_id=PERSON_ID),
        start=START,
        end=END,
    )


def confirmation() -> BookingConfirmed:
    """The answer to it."""
    return BookingConfirmed(
        booking_id=BOOKING_ID,
        version=1,
        state=State.CONFIRMED,
        offer_id=OFFER_ID,
        offer_revision=7,
        claimant=PersonClaimant(kind="person", person_id=PERSON_ID),
        start=START,
        end=END,
        time_zone="Europe/Berlin",
        quantity=1,
        placements=(Placement(component_id="platz", resource_id="platz-3", quantity=1),),
        actor_role=ActorRole.CITIZEN,
        request_id=EVENT_ID,
        check_in_code="7K3MZQ0T",
        cancel_until=START,
    )


OFFER: Mapping[str, object] = {
    "offer_id": OFFER_ID,
    "hub_id": "nord",
    "revision": 1,
    "kind": "desk",
    "status": "published",
    "title": {"de": "Arbeitsplatz"},
    "description": {"de": "Ein Tisch am Fenster."},
}

COMMAND = Record(topics.BOOKING_REQUESTS, OFFER_ID.encode(), request().to_json(), headers_of(RequestBooking.ce_type))
FACT = Record(topics.BOOKING_EVENTS, str(BOOKING_ID).encode(), confirmation().to_json(), headers_of(BookingConfirmed.ce_type))
STATE = Record(topics.CATALOG_OFFERS, OFFER_ID.encode(), json.dumps(OFFER).encode(), headers_of(OfferPublished.ce_type))


def reason_of(record: Record) -> str:
    """The reason that the parser refuses the record for; fails if it takes it."""
    with pytest.raises(BadRecord) as caught:
        record.read()
    return caught.value.reason
