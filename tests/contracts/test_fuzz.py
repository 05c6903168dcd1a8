"""Whatever arrives, the parser reads it or refuses it with a reason; whatever is written is read again."""

import json
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from contracts import topics
from contracts.envelope import BadRecord, Event, Model, decode, decode_http, encode
from contracts.envelope.kafka import BARE_HEADERS, _texts, _texts_one_by_one
from contracts.schema import examples
from contracts.topics import Topic
from tests.contracts.records import COMMAND, FACT, STATE, TIME, Record
from tests.contracts.written import messages, unhurried

REASON = re.compile(
    "too_large|duplicate_header|bad_encoding|null_value|unknown_type|bad_json|schema"
    "|missing_(specversion|id|source|type|time|key)"
    "|bad_(specversion|id|source|type|time|datacontenttype|causationid|expirytime|key)"
)
TOPIC_OF = {model: topic for topic in topics.ALL for model in topic.models}

OURS = ("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_causationid", "ce_expirytime", *sorted(BARE_HEADERS))
names = st.sampled_from([*OURS, "ce_subject", "dl_reason", "x"]) | st.text(max_size=10)
contents = st.none() | st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass"))
records = st.sampled_from([COMMAND, FACT, STATE])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


def outcome(attempt: Callable[[], Event]) -> Event | BadRecord:
    """The event or the refusal, whose reason is one of those that there are; anything else that is raised fails the test."""
    try:
        return attempt()
    except BadRecord as exc:
        refused = exc
    assert REASON.fullmatch(refused.reason)
    return refused


@unhurried
@given(records, st.lists(st.tuples(names, contents), max_size=5), st.none() | st.binary(max_size=600))
def test_decode_any_bytes_in_a_good_envelope__read_or_refused(
    record: Record, headers: list[tuple[str, bytes | None]], value: bytes | None
) -> None:
    for name, content in headers:
        record = record.with_header(name, content)
    outcome(record.with_value(value).read)


@unhurried
@given(st.sampled_from(topics.ALL), st.none() | st.binary(max_size=20), st.lists(st.tuples(names, contents), max_size=12))
def test_decode_any_headers__read_or_refused(topic: Topic, key: bytes | None, headers: list[tuple[str, bytes | None]]) -> None:
    outcome(Record(topic, key, b"{}", tuple(headers)).read)


@unhurried
@given(st.lists(st.tuples(names, contents), max_size=12))
def test_headers_in_one_go__as_one_by_one(headers: list[tuple[str, bytes | None]]) -> None:
    def texts(how: Any) -> Any:
        try:
            found = how(headers)
        except BadRecord as refused:
            return refused.reason
        return {
            name: text
            for name, text in found.items()
            if name.startswith("ce_") or name in {"content-type", "traceparent", "tracestate"}
        }

    assert texts(_texts) == texts(_texts_one_by_one)


@unhurried
@given(st.data())
def test_decode_an_example_with_one_place_replaced__read_or_refused(data: st.DataObject) -> None:
    _, path, content = data.draw(st.sampled_from(EXAMPLES))
    body = json.loads(json.dumps(content["value"]))
    node, steps = body, 0
    while isinstance(node, dict | list) and node and steps < 6:
        place: Any = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        if not isinstance(node[place], dict | list) or not node[place] or data.draw(st.booleans()):
            node[place] = data.draw(json_values)
            break
        node, steps = node[place], steps + 1
    model = MODELS[content["headers"]["ce_type"]]
    headers = [(name, text.encode()) for name, text in content["headers"].items()]
    value = json.dumps(body).encode("utf-8", "replace")

    found = outcome(Record(TOPIC_OF[model], content["key"].encode(), value, tuple(headers)).read)

    if isinstance(found, BadRecord):
        assert found.reason in {"bad_json", "schema", "bad_key", "too_large"}, path
    elif found.data is not None:
        # What was read is written as something that is read as the same.
        again = decode(TOPIC_OF[model], key=found.key.encode(), headers=headers, value=found.data.to_json())
        assert again.data == found.data
    else:
        assert found.problems


EXAMPLES = [row for row in examples() if row[2]["value"] is not None]
MODELS = {model.ce_type: model for model in TOPIC_OF}


@unhurried
@given(messages, st.uuids())
def test_written_message__read_as_the_same_and_written_as_the_same_bytes(message: Model, event_id: UUID) -> None:
    event = Event(event_id, "urn:hub:nord:test", message.ce_type, TIME, message.key(), message)

    key, headers, value = encode(event)
    again = decode(TOPIC_OF[type(message)], key=key, headers=headers, value=value)

    assert again.data == message
    assert (again.id, again.key, again.time) == (event.id, event.key, event.time)
    assert encode(again) == (key, headers, value)


@unhurried
@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=40)), max_size=8), st.binary(max_size=300), st.booleans())
def test_decode_http_any_request__read_or_refused(headers: list[tuple[str, str]], body: bytes, structured: bool) -> None:
    if structured:
        headers = [*headers, ("content-type", "application/cloudevents+json")]
    outcome(lambda: decode_http(topics.BOOKING_REQUESTS, headers=headers, body=body))


@unhurried
@given(json_values)
def test_decode_http_structured_any_document__read_or_refused(document: object) -> None:
    body = json.dumps(document).encode("utf-8", "surrogatepass")
    headers = [("content-type", "application/cloudevents+json")]

    outcome(lambda: decode_http(topics.BOOKING_EVENTS, headers=headers, body=body))
