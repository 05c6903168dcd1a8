"""Rows of `events` in PostgreSQL's binary COPY format: half the server's time of the text format (4.7 us a row, not 10).

The fixed part of a row is packed by one call, texts and arrays recur and are kept ready.
"""

import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from services.analytics.domain.rows import EventRow
from services.analytics.limits import TEXTS_CACHED_MAX

_COLUMNS: Final = len(EventRow._fields)
_HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + struct.pack("!ii", 0, 0)
_TRAILER: Final = struct.pack("!h", -1)
_NULL: Final = struct.pack("!i", -1)
_TEXT_OID: Final = 25
_INT_OID: Final = 23
_COUNT: Final = struct.Struct("!hi16s").pack  # columns, then the event id with its length
_ID: Final = struct.Struct("!i16s").pack
_LONG: Final = struct.Struct("!iq").pack
_INT: Final = struct.Struct("!ii").pack
# occurred_day, first_day, last_day; over_midnight, moved, late, freed; content_hash
_DAYS: Final = struct.Struct("!iiiiii i?i?i?i? i32s").pack
# The row that nearly every fact is: all of its ids, instants and numbers there, from Kafka, nothing given back.
_WHOLE: Final = struct.Struct("!h i16s i16s iq iq iq iq i iq ii ii ii ii ii ii i?i?i?i? i32s").pack


def copy_data(rows: Iterable[EventRow]) -> bytes:
    """A whole COPY of the columns that a row has."""
    return b"".join((_HEADER, *map(_row, rows), _TRAILER))


def _row(row: EventRow) -> bytes:
    (
        event_id, booking_id, occurred_at, produced_at, starts_at, ends_at, given_back_at, offset, partition, version, quantity,
        occurred_day, first_day, last_day, over_midnight, moved, late, freed, content_hash, visitor, kind, state, from_state,
        hub_id, side, claimant, actor_role, reason, offer_id, resource_ids, quantities,
    ) = row  # fmt: skip
    if produced_at is None or booking_id is None or given_back_at is not None:
        fixed = _fixed(row)
    else:
        fixed = _WHOLE(
            _COLUMNS, 16, event_id, 16, booking_id, 8, occurred_at, 8, produced_at, 8, starts_at, 8, ends_at,
            -1, 8, offset, 4, partition, 4, version, 4, quantity, 4, occurred_day, 4, first_day, 4, last_day,
            1, over_midnight, 1, moved, 1, late, 1, freed, 32, content_hash,
        )  # fmt: skip
    words = (kind, state, from_state, hub_id, side, claimant, actor_role, reason, offer_id, resource_ids, quantities)
    return fixed + (_NULL if visitor is None else _ID(16, visitor)) + _end(words)


_Words = tuple[str, str | None, str | None, str, str, str | None, str, str | None, str, tuple[str, ...], tuple[int, ...]]


@lru_cache(maxsize=TEXTS_CACHED_MAX)
def _end(words: _Words) -> bytes:
    """The part behind `visitor`: what stands there recurs as a whole, a resource of an offer in a state."""
    *texts, resource_ids, quantities = words
    return b"".join((*(_text(text) for text in texts), _texts(resource_ids), _numbers(quantities)))


def _fixed(row: EventRow) -> bytes:
    """The part before `visitor` of a row in which something is missing."""
    instants = (row.occurred_at, row.produced_at, row.starts_at, row.ends_at, row.given_back_at, row.record_offset)
    numbers = (row.partition, row.version, row.quantity)
    return b"".join(
        (
            _COUNT(_COLUMNS, 16, row.event_id),
            _NULL if row.booking_id is None else _ID(16, row.booking_id),
            *(_NULL if value is None else _LONG(8, value) for value in instants),
            *(_NULL if value is None else _INT(4, value) for value in numbers),
            _DAYS(
                4, row.occurred_day, 4, row.first_day, 4, row.last_day, 1, row.over_midnight, 1, row.moved, 1, row.late,
                1, row.freed, 32, row.content_hash,
            ),
        )
    )  # fmt: skip


@lru_cache(maxsize=TEXTS_CACHED_MAX)
def _text(value: str | None) -> bytes:
    if value is None:
        return _NULL
    encoded = value.encode()
    return struct.pack("!i", len(encoded)) + encoded


@lru_cache(maxsize=TEXTS_CACHED_MAX)
def _texts(values: tuple[str, ...]) -> bytes:
    return _array(_TEXT_OID, [_text(value) for value in values])


@lru_cache(maxsize=TEXTS_CACHED_MAX)
def _numbers(values: tuple[int, ...]) -> bytes:
    return _array(_INT_OID, [_INT(4, value) for value in values])


def _array(oid: int, items: list[bytes]) -> bytes:
    """One dimension from 1, or none for an empty one; no nulls inside."""
    head = struct.pack("!iii", 1, 0, oid) + struct.pack("!ii", len(items), 1) if items else struct.pack("!iii", 0, 0, oid)
    body = head + b"".join(items)
    return struct.pack("!i", len(body)) + body
