"""Booking as it runs, without a broker: records go to hubkit's consumers, answers are read from the outbox."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid5

from aiokafka import ConsumerRecord

from contracts import topics
from contracts.booking import CancelBooking, RequestBooking
from contracts.booking.commands import Actor
from contracts.catalog import OfferPublished
from contracts.envelope import Event, Model, Part, encode
from contracts.topics import Topic
from hubkit import db, outbox
from hubkit.messaging import Consumer
from hubkit.telemetry import Metrics
from services.booking import worker
from services.booking.domain.codes import Role
from services.booking.handlers import timers
from services.booking.handlers.house import House
from services.booking.store import invariants
from tests.support.clock import FixedClock

M = TypeVar("M", bound=Part)

HUB = "nord"
PORTAL = f"urn:hub:{HUB}:portal"
NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)  # a Monday, 10:00 in Berlin
IDS = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
SESSION = {
    "resource_id": "course", "kind": "session", "revision": 1, "capacity": 1,
    "start": "2027-03-10T17:00:00Z", "end": "2027-03-10T19:00:00Z",
}  # fmt: skip
STRICT: dict[str, Any] = {"waitlist": {"mode": "strict"}}


def named(name: str) -> UUID:
    """The id that a test calls by a name."""
    return uuid5(IDS, name)


def offer_id(name: str) -> str:
    """An offer of this hub."""
    return f"urn:hub:{HUB}:offer:{named(name)}"


@dataclass(frozen=True, slots=True)
class Answer:
    """One message of the outbox."""

    id: UUID
    type: str
    key: str
    causation_id: UUID | None
    data: Mapping[str, Any]


@dataclass(slots=True)
class Hub:
    """The handlers of one booking process on its own database; `clock` stands where a test puts it."""

    dsn: str
    pool: db.Pool
    house: House
    consumers: Mapping[str, Consumer[Any]]
    clock: FixedClock
    _offsets: dict[str, int] = field(default_factory=dict)

    @classmethod
    async def open(cls, dsn: str, *, sources: Mapping[str, frozenset[Role]] | None = None, now: datetime = NOW) -> "Hub":
        """Connect; close with `close`."""
        pool = await db.open_pool(dsn, name="booking")
        metrics, clock = Metrics(), FixedClock(now)
        house = House(HUB, b"check-in-key-of-tests", sources or {}, clock, metrics)
        consumers = {
            subscription.topic.name: Consumer("booking", pool, metrics, subscription)
            for subscription in worker.subscriptions(house)
        }
        return cls(dsn, pool, house, consumers, clock)

    async def close(self) -> None:
        """Give the connections back."""
        await self.pool.close()

    async def publish(self, *offers: OfferPublished) -> None:
        """Bring published states in, one poll."""
        await self.take(topics.CATALOG_OFFERS, [catalogue_event(offer) for offer in offers])

    async def take(self, topic: Topic, events: Sequence[Event], *, partition: int = 0) -> None:
        """Hand events over as one poll, offsets running."""
        await self.take_raw(topic, [encode(event) for event in events], partition=partition)

    async def take_raw(
        self,
        topic: Topic,
        records: Sequence[tuple[bytes | None, Sequence[tuple[str, bytes | None]], bytes | None]],
        *,
        partition: int = 0,
    ) -> None:
        """Hand records over byte for byte as one poll."""
        first = self._offsets.get(f"{topic.name}/{partition}", 0)
        self._offsets[f"{topic.name}/{partition}"] = first + len(records)
        await self.consumers[topic.name].process(
            [_record(topic, partition, first + n, *record) for n, record in enumerate(records)]
        )

    def records(self, partition: int, events: Sequence[Event]) -> list[ConsumerRecord[bytes, bytes]]:
        """Commands as the first records of a partition."""
        return [_record(topics.BOOKING_REQUESTS, partition, n, *encode(event)) for n, event in enumerate(events)]

    async def ask(self, *events: Event) -> list[Answer]:
        """Hand commands over as one poll; the answers that it led to, in the order of the outbox."""
        before = len(await self.answers())
        await self.take(topics.BOOKING_REQUESTS, events)
        return (await self.answers())[before:]

    async def pass_time(self, to: datetime) -> list[Answer]:
        """Put the clock there and let the timer run; what it told."""
        before = len(await self.answers())
        self.clock.instant = to
        await timers.pass_time(self.house, self.pool)
        return (await self.answers())[before:]

    async def republish(self, *offers: OfferPublished) -> list[Answer]:
        """Bring states in and return what they led to."""
        before = len(await self.answers())
        await self.publish(*offers)
        return (await self.answers())[before:]

    async def answers(self) -> list[Answer]:
        """Everything that was ever written to `booking.events.v1`."""
        async with db.reading(self.pool) as conn:
            rows = await conn.fetch(
                "SELECT key, headers, payload FROM outbox WHERE topic = $1 ORDER BY id", topics.BOOKING_EVENTS.name
            )
        return [_answer(row["key"], row["headers"], row["payload"]) for row in rows]

    async def dead_letters(self) -> list[str]:
        """Reasons of all records that were set aside, in their order."""
        return [row["reason"] for row in await self.fetch("SELECT reason FROM dead_letters ORDER BY created_at, record_offset")]

    async def violations(self) -> dict[str, int]:
        """What the invariant check finds in everything ever booked, without the kinds that find nothing."""
        async with db.reading(self.pool) as conn:
            found = await invariants.count_violations(conn, datetime(1, 1, 1, tzinfo=UTC))
        return {kind: number for kind, number in found.items() if number}

    async def fetch(self, query: str, *arguments: object) -> list[Any]:
        """Rows, for looking at state."""
        async with db.reading(self.pool) as conn:
            return list(await conn.fetch(query, *arguments))


def _answer(key: bytes, packed: bytes, payload: bytes) -> Answer:
    headers = {name: (value or b"").decode() for name, value in outbox.unpack_headers(packed)}
    return Answer(
        id=UUID(headers["ce_id"]),
        type=headers["ce_type"].split(".")[-2],
        key=key.decode(),
        causation_id=UUID(headers["ce_causationid"]) if "ce_causationid" in headers else None,
        data=json.loads(payload),
    )


def _record(
    topic: Topic,
    partition: int,
    offset: int,
    key: bytes | None,
    headers: Sequence[tuple[str, bytes | None]],
    value: bytes | None,
) -> ConsumerRecord[bytes, bytes]:
    return ConsumerRecord(
        topic=topic.name,
        partition=partition,
        offset=offset,
        timestamp=0,
        timestamp_type=0,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=tuple(headers),
    )


def catalogue_event(data: Model, *, name: str = "") -> Event:
    """A state as the catalogue publishes it; the id follows from its content unless it has a name."""
    return Event(
        id=named(name or data.to_json().decode()),
        source=f"urn:hub:{HUB}:catalog",
        type=data.ce_type,
        time=NOW,
        key=data.key(),
        data=data,
    )


def published(
    name: str, *, revision: int = 1, status: str = "published", zone: str = "Europe/Berlin", **rules: Any
) -> OfferPublished:
    """An offer with these rules; instant booking unless told otherwise."""
    return made(
        OfferPublished,
        offer_id=offer_id(name),
        hub_id=HUB,
        revision=revision,
        kind="room",
        status=status,
        title={"de": "Angebot"},
        description={"de": "Ein Angebot"},
        time_zone=zone,
        booking={"mode": "instant"} | rules,
    )


def room(name: str = "room-1", *, revision: int = 1, **more: Any) -> dict[str, Any]:
    """A unit."""
    return {"resource_id": name, "kind": "unit", "revision": revision} | more


def one(kind: str, *resources: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Rules with one component that these resources serve."""
    component = {"component_id": "main", "kind": kind, "resource_ids": [r["resource_id"] for r in resources]}
    return {"components": [component | more], "resources": list(resources)}


def at(hours: float, *, day: int = 0) -> datetime:
    """An instant on the day after `NOW` (10:00 Berlin is 9.0)."""
    return datetime(2027, 3, 2, tzinfo=UTC) + timedelta(days=day, hours=hours)


def command(
    data: Model, request: str, *, source: str = PORTAL, time: datetime = NOW, expiry_time: datetime | None = None
) -> Event:
    """A command under the request id that a test calls `request`."""
    return Event(
        id=named(request), source=source, type=data.ce_type, time=time, key=data.key(), data=data, expiry_time=expiry_time
    )


def made(model: type[M], **fields: Any) -> M:
    """A message from plain values, read as it would arrive."""
    return model.model_validate_json(json.dumps(fields, default=_plain))


def _plain(value: object) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return value.model_dump(mode="json") if isinstance(value, Part) else str(value)


def cancel(offer: str, booking: UUID, *, person: str = "ann", **more: Any) -> CancelBooking:
    """A citizen gives up a booking."""
    fields = {"offer_id": offer_id(offer), "actor": citizen(person), "booking_id": booking}
    return made(CancelBooking, **fields | more)


def booked(request: str) -> UUID:
    """The id of the booking that a request led to (booking.md §2)."""
    return uuid5(named(request), "booking/0")


def citizen(person: str, *groups: str) -> Actor:
    """A citizen acting for themselves."""
    return made(Actor, role="citizen", id=named(person), groups=groups)


def staff() -> Actor:
    """Somebody of the house."""
    return made(Actor, role="staff", id="staff-1")


def wish(
    offer: str, start: datetime | None, end: datetime | None = None, *, person: str = "ann", **more: Any
) -> RequestBooking:
    """A citizen's wish for an offer, of one hour unless an end is given."""
    fields: dict[str, Any] = {
        "offer_id": offer_id(offer),
        "actor": citizen(person),
        "claimant": {"kind": "person", "person_id": named(person)},
    }
    if start is not None:
        fields |= {"start": start, "end": end or start + timedelta(hours=1)}
    return made(RequestBooking, **fields | more)


def about(model: type[Model], offer: str, request: str, *, by: Any = None, **more: Any) -> Model:
    """A command about the booking of an earlier request; `ann` acts unless told otherwise."""
    fields: dict[str, Any] = {"offer_id": offer_id(offer), "actor": by or citizen("ann"), "booking_id": booked(request)}
    return made(model, **fields | more)


def said(answers: list[Answer]) -> list[str]:
    """Types and reasons of answers, as a test reads them."""
    return [f"{a.type} {a.data.get('reason', '')}".strip() for a in answers]
