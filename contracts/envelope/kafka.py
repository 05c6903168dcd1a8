"""CloudEvents over Kafka, binary mode: attributes in `ce_*` headers, the value is the body."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from contracts.envelope.event import RECORD_BYTES_MAX, RECORD_FRAME_BYTES, BadRecord, Event
from contracts.envelope.parser import parse

if TYPE_CHECKING:
    from contracts.topics import Topic

# Header names that are ours without the prefix; every other name without it is passed over, unread.
_BARE: Final = {"content-type": "datacontenttype", "traceparent": "traceparent", "tracestate": "tracestate"}
_SPECVERSION: Final = ("ce_specversion", b"1.0")
_CONTENT_TYPE: Final = ("content-type", b"application/json")


def decode(topic: "Topic", *, key: bytes | None, headers: Sequence[tuple[str, bytes | None]], value: bytes | None) -> Event:
    """Read one record of `topic`; raises BadRecord and nothing else, whatever the bytes are."""
    if value is not None and len(value) > topic.value_bytes_max:
        raise BadRecord("too_large")
    raw: dict[str, bytes | None] = {}
    for name, content in headers:
        if name.startswith("ce_"):
            name = name[3:]
        elif (name := _BARE.get(name, "")) == "":
            continue
        if name in raw:
            raise BadRecord("duplicate_header")
        raw[name] = content
    try:
        attributes = {name: str(content, "utf-8") for name, content in raw.items()}  # type: ignore[arg-type]
        key_text = "" if key is None else str(key, "utf-8")
    except (UnicodeDecodeError, TypeError):  # TypeError: a null header has no text
        raise BadRecord("bad_encoding") from None
    if not key_text and not topic.answers_invalid:
        # A command's key only orders (a wrong or missing one never costs correctness); all other keys are identities.
        raise BadRecord("missing_key")
    return parse(topic, attributes, key_text, value)


def encode(event: Event) -> tuple[bytes, list[tuple[str, bytes]], bytes | None]:
    """Key, headers and value for Kafka; a tombstone has no value. BadRecord `too_large`, ValueError if the event is not whole.

    The model was validated when it was made and is frozen, so it is not validated again.
    """
    headers = [
        _SPECVERSION,
        ("ce_id", str(event.id).encode()),
        ("ce_source", event.source.encode()),
        ("ce_type", event.type.encode()),
        ("ce_time", _instant(event.time)),
    ]
    if event.causation_id is not None:
        headers.append(("ce_causationid", str(event.causation_id).encode()))
    if event.expiry_time is not None:
        headers.append(("ce_expirytime", _instant(event.expiry_time)))
    if event.traceparent is not None:
        headers.append(("traceparent", event.traceparent.encode()))
        if event.tracestate is not None:
            headers.append(("tracestate", event.tracestate.encode()))
    key = event.key.encode()
    if not key:
        raise ValueError("an event to be sent needs a key")
    data = event.data
    if data is None:
        if event.value is not None:
            raise ValueError("an event without data is a tombstone and has no value")
        value = None
    else:
        if data.ce_type != event.type:
            raise ValueError(f"{data.ce_type} under the type {event.type}")
        if data.key_is_binding and data.key() != event.key:
            raise ValueError(f"the key of {event.type} has to be its {data.key_field}")
        headers.append(_CONTENT_TYPE)
        value = data.to_json()
        if len(value) > data.value_bytes_max:
            raise BadRecord("too_large")
    size = RECORD_FRAME_BYTES + len(key) + sum(len(name) + len(text) for name, text in headers) + len(value or b"")
    if size > RECORD_BYTES_MAX:
        raise BadRecord("too_large")
    return key, headers, value


def _instant(value: datetime) -> bytes:
    offset = value.utcoffset()
    if offset is None or offset:
        raise ValueError("ce_time and ce_expirytime are aware UTC")
    return value.replace(tzinfo=None).isoformat().encode() + b"Z"
