"""Answers on their way out: the event around each, written out once for the outbox and for the ledger."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from contracts import topics
from contracts.envelope import Event, encode
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
    """An answer, ready for the outbox, and as the ledger keeps it: JSON `{type, time, data}`."""

    kind: str
    reason: str
    key: bytes
    headers: bytes
    value: bytes
    outcome: str


def tell_of(house: House, case: Case, data: Answer, now: datetime) -> Told:
    """The event around an answer, with the id that a repeat yields again (booking.md §2), written out once."""
    kind = type(data).__name__
    reason = data.reason or ""
    if isinstance(data, CHANGES):
        event_id = ids.derived(data.booking_id, f"{data.version}/{kind}")
    else:
        event_id = ids.derived(case.event.id, f"{case.payload_hash}/{kind}/{reason}")
    event = Event(
        id=event_id,
        source=house.source,
        type=data.ce_type,
        time=now,
        key=answers.key_of(data) or str(case.event.id),
        data=data,
        causation_id=case.event.id,
        traceparent=case.event.traceparent,
        tracestate=case.event.tracestate,
    )
    key, headers, value = encode(event)
    assert value is not None, "answers are never tombstones"
    outcome = f'{{"type":"{event.type}","time":"{_text(now)}","data":{value.decode()}}}'
    return Told(kind, reason, key, outbox.pack_headers(headers), value, outcome)


@lru_cache(maxsize=8)
def _text(now: datetime) -> str:
    """RFC 3339; the same for a whole poll."""
    return now.replace(tzinfo=None).isoformat() + "Z"


async def tell(tx: Tx, told: Sequence[Told]) -> None:
    """Answers into the outbox, in their order."""
    await outbox.put_raw(
        tx,
        [topics.BOOKING_EVENTS.name] * len(told),
        [answer.key for answer in told],
        [answer.headers for answer in told],
        [answer.value for answer in told],
    )
