"""Records that cannot be read, of every kind, made from good ones of any topic."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from contracts.topics import Topic
from tests.support import frontend
from tests.support.kafka import Raw

Fields = Mapping[str, Sequence[tuple[str, Any]]]
"""Topic's name -> (field, value) that its schema refuses."""
_Spoil = Callable[[Raw], Raw]
_UNKNOWN: Final = (b"de.hubnetz.booking.BookingPainted.v1", b"de.hubnetz.booking.BookingConfirmed.v2")


def spoiled(topic: Topic, good: Callable[[int], Raw], fields: Fields, count: int) -> list[tuple[Raw, str]]:
    """`count` of them, each kind about equally often, with the reason that each has to get."""
    large = b'{"note":"' + b"x" * topic.value_bytes_max + b'"}'
    spoils: list[tuple[str, _Spoil]] = [("too_large", lambda record: replace(record, value=large))]
    spoils += [
        (each.reason, each.spoil)
        for each in frontend.BAD
        if each.reason not in ("too_large", "unknown_type") and not (topic.tombstones and each.reason == "null_value")
    ]
    # Whole bodies of a request fail another way elsewhere.
    spoils += [("bad_json", _valued(body)) for body in frontend.BAD_BODIES if b'"offer_id"' not in body]
    spoils += [("schema", _with(name, value)) for name, value in fields[topic.name]]
    spoils += [("unknown_type", _typed(text)) for text in _UNKNOWN]
    found = []
    for n in range(count):
        reason, spoil = spoils[n % len(spoils)]
        record = spoil(good(n))
        found.append((record, "missing_key" if record.key is None else reason))
    return found


def _valued(value: bytes) -> _Spoil:
    return lambda record: replace(record, value=value)


def _with(name: str, value: Any) -> _Spoil:
    return lambda record: replace(record, value=json.dumps(json.loads(record.value or b"") | {name: value}).encode())


def _typed(text: bytes) -> _Spoil:
    return lambda record: replace(record, headers=[(n, text if n == "ce_type" else v) for n, v in record.headers])
