"""The rules of the wire, in the order of the dead letter reasons: the first that is broken names the bad record.

One core for every binding: `kafka` and `http` only collect the attributes' texts and the value, then call `parse`.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NoReturn
from uuid import UUID

from pydantic import ValidationError
from pydantic_core import ErrorDetails, SchemaValidator, core_schema

from contracts.envelope.event import PROBLEMS_MAX, BadRecord, Event, Model
from contracts.envelope.values import INSTANT_PATTERN, READER, UUID_PATTERN, parse_instant

if TYPE_CHECKING:
    from contracts.topics import Topic

REQUIRED: Final = ("specversion", "id", "source", "type", "time")
SOURCE_LENGTH_MAX: Final = 200
TYPE_LENGTH_MAX: Final = 200
TRACESTATE_LENGTH_MAX: Final = 512
"""W3C Trace Context, section 3.3.1.5: what a receiver has to be able to carry on."""
JSON_DEPTH_MAX: Final = 32
"""The deepest message has 7 levels; readers leave room for what a newer writer adds."""

_read_uuid: Final = SchemaValidator(
    core_schema.chain_schema([core_schema.str_schema(pattern=UUID_PATTERN), core_schema.uuid_schema(strict=False)])
).validate_python
_INSTANT: Final = re.compile(INSTANT_PATTERN, re.ASCII)
# RFC 3986: the characters of a URI reference, with whole percent escapes.
_URI: Final = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+", re.ASCII)
_TYPE: Final = re.compile(r"[!-~]+", re.ASCII)
_JSON_TYPE: Final = re.compile(r"application/json\s*(?:;\s*charset\s*=\s*\"?utf-8\"?\s*)?", re.ASCII | re.IGNORECASE)
_TRACEPARENT: Final = re.compile(
    "(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[!-~]{0,200})?", re.ASCII
)
_JSON_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NOT_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")
_TOKEN: Final = re.compile(r"[A-Za-z0-9._:-]{1,60}", re.ASCII)


def parse(topic: "Topic", attributes: Mapping[str, str], key: str, value: bytes | None) -> Event:
    """Check attributes (CloudEvents names, texts) and value and make the event of them; raises BadRecord."""
    for name in REQUIRED:
        if name not in attributes:
            raise BadRecord(f"missing_{name}")
    if attributes["specversion"] != "1.0":
        raise BadRecord("bad_specversion")
    event_id = _uuid("id", attributes["id"])
    source = _source(attributes["source"])
    ce_type = attributes["type"]
    if ce_type not in topic.by_type and (len(ce_type) > TYPE_LENGTH_MAX or not _TYPE.fullmatch(ce_type)):
        raise BadRecord("bad_type")
    time = _instant("time", attributes["time"])
    if (content_type := attributes.get("datacontenttype")) is not None:
        _check_content_type(content_type)
    causation = attributes.get("causationid")
    causation_id = None if causation is None else _uuid("causationid", causation)
    expiry = attributes.get("expirytime")
    expiry_time = None if expiry is None else _instant("expirytime", expiry)
    data, problems = _body(topic, ce_type, key, value)
    traceparent = attributes.get("traceparent")
    tracestate = None
    if traceparent is not None:
        # A broken trace breaks the trace, not the booking: W3C has receivers start anew.
        if _TRACEPARENT.fullmatch(traceparent):
            tracestate = _tracestate(attributes.get("tracestate"))
        else:
            traceparent = None
    return Event(
        event_id, source, ce_type, time, key, data, causation_id, expiry_time, traceparent, tracestate, value, problems
    )


def _uuid(name: str, text: str) -> UUID:
    try:
        value: UUID = _read_uuid(text)
    except ValidationError:
        raise BadRecord(f"bad_{name}") from None
    return value


def _instant(name: str, text: str) -> datetime:
    try:
        if _INSTANT.fullmatch(text):
            return parse_instant(text)
    except ValueError:
        pass  # 31 June, 25 o'clock
    raise BadRecord(f"bad_{name}")


@lru_cache(maxsize=1024)
def _source(text: str) -> str:
    if len(text) > SOURCE_LENGTH_MAX or not _URI.fullmatch(text):
        raise BadRecord("bad_source")
    return text


@lru_cache(maxsize=64)
def _check_content_type(text: str) -> None:
    if not _JSON_TYPE.fullmatch(text):
        raise BadRecord("bad_datacontenttype")


def _tracestate(text: str | None) -> str | None:
    return text if text is not None and len(text) <= TRACESTATE_LENGTH_MAX and _TYPE.search(text) else None


def _body(topic: "Topic", ce_type: str, key: str, value: bytes | None) -> tuple[Model | None, tuple[str, ...]]:
    if value is None:
        if not topic.tombstones:
            raise BadRecord("null_value")
        return None, ()
    model = topic.by_type.get(ce_type)
    if model is None:
        raise BadRecord("unknown_type")
    if b"NaN" in value or b"Infinity" in value:
        _refuse_constants(value)
    if value.count(b"[") + value.count(b"{") > JSON_DEPTH_MAX:
        _check_depth(value)
    data, problems = _read(model, value)
    if data is None:
        if topic.answers_invalid:
            return None, problems
        raise BadRecord("schema", " ".join(problems))
    if model.key_is_binding and data.key() != key:
        raise BadRecord("bad_key", "differs from the id inside")
    return data, ()


def _refuse_constants(value: bytes) -> None:
    """pydantic's parser takes NaN and Infinity where a field is ignored; JSON has no such values."""
    try:
        json.loads(value, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BadRecord("bad_json") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _check_depth(value: bytes) -> None:
    """Cut the strings out, then the innermost brackets, level by level: a few passes in C over what is left."""
    brackets = _JSON_STRING.sub(b"", value).translate(None, _NOT_BRACKETS)
    for _ in range(JSON_DEPTH_MAX):
        if not brackets:
            return
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    if brackets:
        raise BadRecord("bad_json", "too deep")


def _read(model: type[Model], value: bytes) -> tuple[Model | None, tuple[str, ...]]:
    """The model, or the problems. Null reads as absent: the nulls that a field refused are taken out for a second try."""
    try:
        return model.model_validate_json(value, extra="ignore", context=READER), ()
    except ValidationError as exc:
        errors = exc.errors(include_url=False)
    if errors[0]["type"] == "json_invalid":
        raise BadRecord("bad_json")
    body = json.loads(value)
    if not isinstance(body, dict):
        raise BadRecord("bad_json", "not an object")
    if b"null" in value and _drop_nulls(body, errors):
        try:
            return model.model_validate_json(json.dumps(body), extra="ignore", context=READER), ()
        except ValidationError as exc:
            errors = exc.errors(include_url=False)
    return None, problems_of(errors, body)


def _drop_nulls(body: dict[str, object], errors: list[ErrorDetails]) -> bool:
    """Remove, in place, each member whose null is what failed; true if there was one. A null in a list is a value: it stays."""
    dropped = False
    for error in errors:
        node: object = body
        for token in error["loc"]:
            if isinstance(node, dict) and token in node:
                if node[token] is None:
                    del node[token]
                    dropped = True
                    break
                node = node[token]
            elif isinstance(node, list) and isinstance(token, int) and token < len(node):
                node = node[token]
    return dropped


def problems_of(errors: list[ErrorDetails], body: object) -> tuple[str, ...]:
    """JSON pointers of what failed, each once, at most 20. A map's key that is no plain word may be anybody's data: `*`."""
    pointers: dict[str, None] = {}
    for error in errors:
        tokens: list[str] = []
        node = body
        last = len(error["loc"]) - 1
        for position, token in enumerate(error["loc"]):
            if isinstance(node, dict):
                if token in node:
                    node = node[token]
                elif position != last or error["type"] != "missing":
                    continue  # the tag of a union or pydantic's "[key]": no part of the document
            elif isinstance(node, list) and isinstance(token, int):
                node = node[token] if token < len(node) else None
            else:
                continue
            tokens.append(str(token) if _TOKEN.fullmatch(str(token)) else "*")
        pointer = "".join(f"/{token}" for token in tokens) + str(error.get("ctx", {}).get("pointer", ""))
        pointers[pointer] = None
        if len(pointers) == PROBLEMS_MAX:
            break
    return tuple(pointers)
