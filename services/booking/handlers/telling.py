"""Events on their way out: the answer to each case and what followed from it, written out for the outbox and the ledger."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from contracts import topics
from contracts.booking.events import BookingFact
from contracts.envelope import Event, Model, encode
from hubkit import ids, outbox
from hubkit.db import Tx
from services.booking.domain.requests import Request
from services.booking.handlers.house import House
from services.booking.wire import answers
from services.booking.wire.answers import CHANGES, Answer


class Case(NamedTuple):
    """One record of a poll: the event, its payload hash, and the command in it (None if the body was not valid).

    `reused`: its id is known with another hash; it is told so and nothing else happens.
    """

    event: Event
    payload_hash: str
    request: Request | None
    reused: bool = False


class Told(NamedTuple):
    """An event, ready for the outbox, and as the ledger keeps it: JSON `{type, time, data}`."""

    kind: str
    reason: str
    key: bytes
    headers: bytes
    value: bytes
    outcome: str


def tell_of(house: House, case: Case, data: Answer, now: datetime) -> Told:
    """The event around an answer, with the id that a repeat yields again (booking.md §2), written out once."""
    kind = type(data).__name__
    if isinstance(data, CHANGES):
        event_id = ids.derived(data.booking_id, f"{data.version}/{kind}")
    else:
        reason = getattr(data, "reason", None) or ""
        event_id = ids.derived(case.event.id, f"{case.payload_hash}/{kind}/{reason}")
    return _told(house, data, event_id, answers.key_of(data) or str(case.event.id), case.event, now)


def tell_fact(house: House, data: BookingFact, cause: Event | None, now: datetime) -> Told:
    """The event around what followed for a booking; `cause` is the command or state that led to it, None = time."""
    event_id = ids.derived(data.booking_id, f"{data.version}/{type(data).__name__}")
    return _told(house, data, event_id, str(data.booking_id), cause, now)


def tell_notice(house: House, data: Model, cause_id: UUID, cause: Event | None, now: datetime, *, part: int | None) -> Told:
    """The event around a fact about an offer's resource: `ClosureApplied`, `CapacityChanged`, `SessionUnplaced`."""
    offer_id, resource_id = getattr(data, "offer_id", ""), getattr(data, "resource_id", "")
    number = "" if part is None else str(part)
    event_id = ids.derived(cause_id, f"{type(data).__name__}/{offer_id}/{resource_id}/{number}")
    return _told(house, data, event_id, data.key(), cause, now)


def tell_closure(house: House, data: Model, resource_id: str, cause: Event, now: datetime, *, part: int) -> Told:
    """The same of a closure, whose body does not name its resource."""
    event_id = ids.derived(cause.id, f"{type(data).__name__}/{data.key()}/{resource_id}/{part}")
    return _told(house, data, event_id, data.key(), cause, now)


def _told(house: House, data: Model, event_id: UUID, key: str, cause: Event | None, now: datetime) -> Told:
    event = Event(
        id=event_id,
        source=house.source,
        type=data.ce_type,
        time=now,
        key=key,
        data=data,
        causation_id=None if cause is None else cause.id,
        traceparent=None if cause is None else cause.traceparent,
        tracestate=None if cause is None else cause.tracestate,
    )
    wire_key, headers, value = encode(event)
    assert value is not None, "facts are never tombstones"
    outcome = f'{{"type":"{event.type}","time":"{_text(now)}","data":{value.decode()}}}'
    reason = getattr(data, "reason", None) or ""
    return Told(type(data).__name__, reason, wire_key, outbox.pack_headers(headers), value, outcome)


@lru_cache(maxsize=8)
def _text(now: datetime) -> str:
    """RFC 3339; the same for a whole poll."""
    return now.replace(tzinfo=None).isoformat() + "Z"


async def tell(tx: Tx, told: Sequence[Told]) -> None:
    """Events into the outbox, in their order."""
    await outbox.put_raw(
        tx,
        [topics.BOOKING_EVENTS.name] * len(told),
        [answer.key for answer in told],
        [answer.headers for answer in told],
        [answer.value for answer in told],
    )
