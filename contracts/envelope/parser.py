"""The rules of the wire, in the order of the dead letter reasons: the first that is broken names the bad record.

One core for every binding: `kafka` and `http` only collect texts (under Kafka's header names) and the value, then call `parse`.
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

from contracts.envelope.event import NULL_IS_A_VALUE, PROBLEMS_MAX, BadRecord, Event, Model
from contracts.envelope.values import INSTANT_PATTERN, READER, UUID_PATTERN, parse_instant

if TYPE_CHECKING:
    from contracts.topics import Topic

SOURCE_LENGTH_MAX: Final = 200
TYPE_LENGTH_MAX: Final = 200
TRACE_LENGTH_MAX: Final = 1024
"""Both trace headers; W3C Trace Context wants at least 512 for `tracestate` to be carried on."""
PROBLEM_TOKEN: Final = re.compile(r"[A-Za-z0-9._:-]{1,60}", re.ASCII)

# pydantic's own expressions take a third of the time of `re`.
_read_uuid: Final = SchemaValidator(
    core_schema.chain_schema([core_schema.str_schema(pattern=UUID_PATTERN), core_schema.uuid_schema(strict=False)])
).validate_python
_read_instant: Final = SchemaValidator(
    core_schema.no_info_after_validator_function(parse_instant, core_schema.str_schema(pattern=INSTANT_PATTERN))
).validate_python
_is_traceparent: Final = SchemaValidator(
    core_schema.str_schema(pattern="^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]{1,200})?$")
).isinstance_python
# RFC 3986: the characters of a URI reference, with whole percent escapes.
_is_uri: Final = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+", re.ASCII).fullmatch
_is_printable: Final = re.compile(r"[!-~]+", re.ASCII).fullmatch
_is_json_type: Final = re.compile(
    r"application/json[ \t]*(?:;[ \t]*charset=(?:utf-8|\"utf-8\")[ \t]*)?", re.ASCII | re.IGNORECASE
).fullmatch
_is_tracestate: Final = re.compile("[ -~]+", re.ASCII).fullmatch


def parse(topic: "Topic", headers: Mapping[str, str], key: str | None, value: bytes | None) -> Event:
    """Check headers and value and make the event of them; raises BadRecord and nothing else.

    Without a `key` (HTTP has none) it is the one that the body gives, empty if that is not valid.
    """
    # The common path is written out: each call less is a tenth of a microsecond of some nine (November 2026).
    try:
        specversion = headers["ce_specversion"]
        id_text = headers["ce_id"]
        source = headers["ce_source"]
        ce_type = headers["ce_type"]
        time_text = headers["ce_time"]
    except KeyError as exc:
        raise BadRecord(f"missing_{exc.args[0][3:]}") from None
    if specversion != "1.0":
        raise BadRecord("bad_specversion")
    try:
        event_id = _read_uuid(id_text)
    except ValidationError:
        raise BadRecord("bad_id") from None
    check_source(source)
    model = topic.by_type.get(ce_type)
    if model is None and (len(ce_type) > TYPE_LENGTH_MAX or not _is_printable(ce_type)):
        raise BadRecord("bad_type")
    try:
        time = _read_instant(time_text)
    except ValidationError:  # also 31 June, 25 o'clock
        raise BadRecord("bad_time") from None
    causation_id = expiry_time = traceparent = tracestate = None
    if (text := headers.get("content-type")) is not None and text != "application/json" and not _is_json_type(text):
        raise BadRecord("bad_datacontenttype")
    if (text := headers.get("ce_causationid")) is not None:
        causation_id = _uuid("causationid", text)
    if (text := headers.get("ce_expirytime")) is not None:
        expiry_time = _instant("expirytime", text)
    if (text := headers.get("traceparent")) is not None:
        traceparent, tracestate = _trace(text, headers.get("tracestate"))

    data: Model | None = None
    problems: tuple[str, ...] = ()
    if value is None:
        if not topic.tombstones:
            raise BadRecord("null_value")
    elif model is None:
        raise BadRecord("unknown_type")
    else:
        # One capital letter is found in a tenth of the time of a word.
        if (b"N" in value and b"NaN" in value) or (b"I" in value and b"Infinity" in value):
            _refuse_constants(value)
        try:
            data = model.__pydantic_validator__.validate_json(value, extra="ignore", context=READER)
        except ValidationError as exc:
            data, problems = _read_again(topic, model, value, exc.errors(include_url=False, include_input=False))
    if key is None:
        key = "" if data is None else data.key()
    elif data is not None and data.key_is_binding and data.key() != key:
        raise BadRecord("bad_key", "differs from the id inside")
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
        value: datetime = _read_instant(text)
    except ValidationError:  # also 31 June, 25 o'clock
        raise BadRecord(f"bad_{name}") from None
    return value


@lru_cache(maxsize=256)
def check_source(text: str) -> None:
    """A URI reference within bounds; raises BadRecord."""
    if len(text) > SOURCE_LENGTH_MAX or not _is_uri(text):
        raise BadRecord("bad_source")


def _trace(traceparent: str, tracestate: str | None) -> tuple[str | None, str | None]:
    """What is not well formed is dropped: a broken trace starts anew (W3C), it does not cost the event."""
    if not _is_traceparent(traceparent):
        return None, None
    if tracestate is None or len(tracestate) > TRACE_LENGTH_MAX // 2 or not _is_tracestate(tracestate):
        return traceparent, None
    return traceparent, tracestate


def _refuse_constants(value: bytes) -> None:
    """pydantic's parser takes NaN and Infinity where a field is ignored; JSON has no such values."""
    try:
        json.loads(value, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BadRecord("bad_json") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _read_again(
    topic: "Topic", model: type[Model], value: bytes, errors: list[ErrorDetails]
) -> tuple[Model | None, tuple[str, ...]]:
    """Null reads as absent: take the nulls out and try once more. Good records seldom come here.

    What then still fails is answered where the topic does that, else it is a bad record.
    """
    if errors[0]["type"] == "json_invalid":
        raise BadRecord("bad_json") from None
    body = json.loads(value, object_hook=_without_nulls)
    if not isinstance(body, dict):
        raise BadRecord("bad_json", "not an object") from None
    if b"null" in value:
        try:
            return model.model_validate_json(json.dumps(body), extra="ignore", context=READER), ()
        except ValidationError as exc:
            errors = exc.errors(include_url=False, include_input=False)
    problems = problems_of(errors, body)
    if not topic.answers_invalid:
        raise BadRecord("schema", " ".join(problems)) from None
    return None, problems


def _without_nulls(members: dict[str, object]) -> dict[str, object]:
    """A null in a list is an entry: it stays."""
    return {name: entry for name, entry in members.items() if entry is not None or name in NULL_IS_A_VALUE}


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
            tokens.append(str(token) if PROBLEM_TOKEN.fullmatch(str(token)) else "*")
        pointer = "".join(f"/{token}" for token in tokens) + str(error.get("ctx", {}).get("pointer", ""))
        pointers[pointer] = None
        if len(pointers) == PROBLEMS_MAX:
            break
    return tuple(pointers)
