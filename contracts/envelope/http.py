"""CloudEvents over HTTP: binary, structured and batched mode, held to the same rules as a record by the same parser.

There is no key in HTTP: it is the id inside the body that the topic is ordered by.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, NoReturn
from urllib.parse import unquote

from contracts.envelope.event import BadRecord, Event
from contracts.envelope.kafka import BARE_HEADERS
from contracts.envelope.parser import parse

if TYPE_CHECKING:
    from contracts.topics import Topic

STRUCTURED: Final = "application/cloudevents+json"
BATCHED: Final = "application/cloudevents-batch+json"
ATTRIBUTES_BYTES_MAX: Final = 8 * 1024
"""What a structured event may have around its data; servers bound the headers of a binary one themselves."""
BATCH_EVENTS_MAX: Final = 100
BATCH_BYTES_MAX: Final = 1024 * 1024

# Attributes of the JSON format under the names that `parse` knows them by.
_ATTRIBUTES: Final = {
    name: f"ce_{name}" for name in ("specversion", "id", "source", "type", "time", "causationid", "expirytime")
} | {"datacontenttype": "content-type", "traceparent": "traceparent", "tracestate": "tracestate"}
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


class _Doubled(dict[str, object]):
    """An object with a member twice: in an envelope that is a header twice."""


def decode_http(topic: "Topic", *, headers: Iterable[tuple[str, str]], body: bytes) -> Event:
    """One event in binary or structured mode, as the content type says; an empty body is a null value. Raises BadRecord."""
    pairs = [(name.lower(), text) for name, text in headers]
    content_types = [text for name, text in pairs if name == "content-type"]
    if len(content_types) == 1 and _media_type(content_types[0]) == STRUCTURED:
        if len(body) > topic.value_bytes_max + ATTRIBUTES_BYTES_MAX:
            raise BadRecord("too_large")
        return _structured(topic, _load(body))
    if len(body) > topic.value_bytes_max:
        raise BadRecord("too_large")
    return parse(topic, _texts(pairs), None, body or None)


def decode_http_batch(topic: "Topic", *, body: bytes) -> list[Event | BadRecord]:
    """The events of a batch in its order, each read or refused by itself; BadRecord if the batch as a whole cannot be read."""
    if len(body) > BATCH_BYTES_MAX:
        raise BadRecord("too_large")
    batch = _load(body)
    if not isinstance(batch, list):
        raise BadRecord("bad_json", "not an array")
    if len(batch) > BATCH_EVENTS_MAX:
        raise BadRecord("too_large", f"more than {BATCH_EVENTS_MAX} events")
    results: list[Event | BadRecord] = []
    for document in batch:
        try:
            results.append(_structured(topic, document))
        except BadRecord as refused:
            results.append(refused)
    return results


def is_batch(content_type: str) -> bool:
    """Whether a request with this content type is one for `decode_http_batch`."""
    return _media_type(content_type) == BATCHED


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _texts(pairs: list[tuple[str, str]]) -> Mapping[str, str]:
    raw: dict[str, str] = {}
    for name, text in pairs:
        if name.startswith("ce-"):
            name = f"ce_{name[3:]}"
        elif name not in BARE_HEADERS:
            continue
        if name in raw:
            raise BadRecord("duplicate_header")
        raw[name] = text
    return {name: _unescaped(text) if name.startswith("ce_") else text for name, text in raw.items()}


def _unescaped(text: str) -> str:
    """HTTP binding, section 3.1.3.2: quotes first, then percent escapes, and what comes out is UTF-8."""
    if not text.isascii():
        raise BadRecord("bad_encoding", "header")
    if (quoted := _QUOTED.fullmatch(text)) is not None:
        text = _ESCAPED.sub(r"\1", quoted[1])
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise BadRecord("bad_encoding", "header") from None


def _structured(topic: "Topic", document: object) -> Event:
    if not isinstance(document, dict):
        raise BadRecord("bad_json", "not an object")
    if isinstance(document, _Doubled):
        raise BadRecord("duplicate_header")
    value = _data(document)
    if value is not None and len(value) > topic.value_bytes_max:
        raise BadRecord("too_large")
    headers: dict[str, str] = {}
    for name, header in _ATTRIBUTES.items():
        content = document.get(name)
        if content is None:
            continue
        # Whatever is no text is no valid text either: the parser then says which attribute is bad, in its order.
        headers[header] = content if isinstance(content, str) else ""
    return parse(topic, headers, None, value)


def _data(document: Mapping[str, object]) -> bytes | None:
    """The body's bytes: `data` written without blanks, or `data_base64` decoded; both at once is no event."""
    data, encoded = document.get("data"), document.get("data_base64")
    if encoded is not None:
        if data is not None or not isinstance(encoded, str):
            raise BadRecord("bad_json", "data_base64")
        try:
            return base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raise BadRecord("bad_json", "data_base64") from None
    if data is None:
        return None
    try:
        return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except (ValueError, RecursionError):  # a number beyond all floats, half of a surrogate pair, depth
        raise BadRecord("bad_json", "data") from None


def _load(body: bytes) -> object:
    try:
        return json.loads(body.decode(), parse_constant=_refused, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        raise BadRecord("bad_json") from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    return members if len(members) == len(pairs) else _Doubled(members)


def _refused(name: str) -> NoReturn:
    raise ValueError(name)
