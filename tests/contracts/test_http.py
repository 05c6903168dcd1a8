"""CloudEvents over HTTP: binary, structured and batched mode give what the same record in Kafka gives."""

import base64
import json
from typing import Any

import pytest

from contracts import topics
from contracts.booking import RequestBooking, payload_hash
from contracts.envelope import BadRecord, Event, decode_http, decode_http_batch, is_batch
from contracts.envelope.event import COMMAND_BYTES_MAX
from contracts.envelope.http import BATCH_BYTES_MAX, BATCH_EVENTS_MAX, BATCHED, STRUCTURED
from tests.contracts.records import COMMAND, EVENT_ID, OFFER_ID, TIME, request

VALUE = COMMAND.value or b""
BINARY = [
    ("CE-SpecVersion", "1.0"),
    ("Ce-Id", str(EVENT_ID)),
    ("ce-source", "urn:hub:nord:frontend-kiosk"),
    ("ce-type", RequestBooking.ce_type),
    ("ce-time", "2027-03-01T07:15:30.123456Z"),
    ("Content-Type", "application/json"),
    ("Accept", "*/*"),
    ("X-Forwarded-For", "a"),
    ("X-Forwarded-For", "b"),
]
EXPECTED = Event(EVENT_ID, "urn:hub:nord:frontend-kiosk", RequestBooking.ce_type, TIME, OFFER_ID, request(), value=VALUE)


def document(**changes: Any) -> dict[str, Any]:
    """The same event in the JSON format."""
    attributes = {
        "specversion": "1.0",
        "id": str(EVENT_ID),
        "source": "urn:hub:nord:frontend-kiosk",
        "type": RequestBooking.ce_type,
        "time": "2027-03-01T07:15:30.123456Z",
        "datacontenttype": "application/json",
        "data": json.loads(VALUE),
    } | changes
    return {name: content for name, content in attributes.items() if content is not ...}


def binary(headers: list[tuple[str, str]], body: bytes = VALUE) -> Event:
    return decode_http(topics.BOOKING_REQUESTS, headers=headers, body=body)


def structured(content: object) -> Event:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    headers = [("Content-Type", "application/cloudevents+json; charset=utf-8"), ("Host", "hub.example.org")]
    return decode_http(topics.BOOKING_REQUESTS, headers=headers, body=body)


def test_binary_mode__the_event_and_the_key_of_its_body() -> None:
    assert binary(BINARY) == EXPECTED


def test_structured_mode__the_same_event() -> None:
    assert structured(document()) == EXPECTED


def test_structured_mode_with_base64__the_same_event() -> None:
    assert structured(document(data=..., data_base64=base64.b64encode(VALUE).decode())) == EXPECTED


def test_structured_mode_with_nulls_and_unknown_attributes__the_same_event() -> None:
    assert structured(document(datacontenttype=None, causationid=None, subject=17, dataschema=None)) == EXPECTED


def test_structured_mode_with_all_attributes__all_read() -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    event = structured(
        document(causationid=str(EVENT_ID), expirytime="2027-03-01T09:00:00+01:00", traceparent=trace, tracestate="a=1")
    )

    assert event.causation_id == EVENT_ID
    assert event.expiry_time is not None
    assert event.expiry_time.isoformat() == "2027-03-01T08:00:00+00:00"
    assert (event.traceparent, event.tracestate) == (trace, "a=1")


def test_all_bindings__one_payload_hash() -> None:
    pretty = json.dumps(json.loads(VALUE), indent=3).encode()
    events = [COMMAND.read(), binary(BINARY), binary(BINARY, pretty), structured(document())]

    assert len({payload_hash("RequestBooking", event.data) for event in events if isinstance(event.data, RequestBooking)}) == 1
    assert all(event.data for event in events)


def replaced(name: str, text: str) -> list[tuple[str, str]]:
    return [(existing, text if existing.lower() == name else old) for existing, old in BINARY]


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("urn:hub:nord:frontend%2Dkiosk", "urn:hub:nord:frontend-kiosk"),
        ("/a%20b", None),
        ("%2Fcloudevents%2525", "/cloudevents%25"),
        ('"urn:hub:nord:portal"', "urn:hub:nord:portal"),
        (r'"urn:\hub"', "urn:hub"),
    ],
)
def test_binary_mode__percent_escapes_and_quotes_are_undone(text: str, source: str | None) -> None:
    headers = replaced("ce-source", text)
    if source is None:
        with pytest.raises(BadRecord, match="bad_source"):
            binary(headers)
    else:
        assert binary(headers).source == source


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        (BINARY, b" " * (COMMAND_BYTES_MAX + 1), "too_large"),
        ([*BINARY, ("CE-ID", "x")], VALUE, "duplicate_header"),
        ([*BINARY, ("content-type", "application/json")], VALUE, "duplicate_header"),
        (replaced("ce-source", "%ff"), VALUE, "bad_encoding"),
        (replaced("ce-source", "grö\xdfe"), VALUE, "bad_encoding"),
        (BINARY[1:], VALUE, "missing_specversion"),
        ([("ce_id", str(EVENT_ID)), *(row for row in BINARY if row[0] != "Ce-Id")], VALUE, "missing_id"),
        (replaced("ce-specversion", "0.2"), VALUE, "bad_specversion"),
        (replaced("content-type", "application/xml"), VALUE, "bad_datacontenttype"),
        (replaced("content-type", BATCHED), VALUE, "bad_datacontenttype"),
        (BINARY, b"", "null_value"),
        (replaced("ce-type", "de.hubnetz.booking.Nothing.v1"), VALUE, "unknown_type"),
        (BINARY, b"{", "bad_json"),
    ],
)
def test_binary_mode_bad_record__its_reason(headers: list[tuple[str, str]], body: bytes, reason: str) -> None:
    with pytest.raises(BadRecord) as caught:
        binary(headers, body)

    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (document(data="x" * (COMMAND_BYTES_MAX + 1)), "too_large"),
        (b" " * (COMMAND_BYTES_MAX + 8193), "too_large"),
        (b'{"id":"a","id":"b"}', "duplicate_header"),
        (document(specversion=...), "missing_specversion"),
        (document(id=None), "missing_id"),
        (document(specversion=1.0), "bad_specversion"),
        (document(id=17), "bad_id"),
        (document(time=["now"]), "bad_time"),
        (document(datacontenttype="text/plain"), "bad_datacontenttype"),
        (document(datacontenttype={}), "bad_datacontenttype"),
        (document(causationid=1), "bad_causationid"),
        (document(data=...), "null_value"),
        (document(data=None), "null_value"),
        (document(type="x"), "unknown_type"),
        (document(data=[1]), "bad_json"),
        (document(data_base64="aGk="), "bad_json"),
        (document(data=..., data_base64="%"), "bad_json"),
        (document(data=..., data_base64="ä"), "bad_json"),
        (document(data=..., data_base64=7), "bad_json"),
        (b"", "bad_json"),
        (b"[]", "bad_json"),
        (b'{"data":NaN}', "bad_json"),
        (b'{"data":"\xff"}', "bad_json"),
        (json.dumps(document(data={"x": "\ud800"})).encode(), "bad_json"),
        (json.dumps(document()).replace('"data": {', '"data": {"x": 1e999, ').encode(), "bad_json"),
        (b"[" * 50_000, "bad_json"),
        (b'{"a":' * 12_000, "bad_json"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_structured_mode_bad_record__its_reason(content: object, reason: str) -> None:
    with pytest.raises(BadRecord) as caught:
        structured(content)

    assert caught.value.reason == reason


def test_structured_mode_invalid_command__problems_as_in_kafka() -> None:
    event = structured(document(data=json.loads(VALUE) | {"quantity": 0}))

    assert (event.data, event.problems, event.key) == (None, ("/quantity",), "")


def test_batched_mode__each_event_by_itself_in_order() -> None:
    body = json.dumps([document(), document(id="x"), 7, document(data=None)]).encode()

    results = decode_http_batch(topics.BOOKING_REQUESTS, body=body)

    assert results[0] == EXPECTED
    assert [result.reason for result in results[1:] if isinstance(result, BadRecord)] == ["bad_id", "bad_json", "null_value"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b" " * (BATCH_BYTES_MAX + 1), "too_large"),
        (b"[" + b"0," * BATCH_EVENTS_MAX + b"0]", "too_large"),
        (b"{}", "bad_json"),
        (b"[", "bad_json"),
    ],
    ids=["bytes", "events", "object", "cut off"],
)
def test_batched_mode_bad_batch__its_reason(body: bytes, reason: str) -> None:
    with pytest.raises(BadRecord) as caught:
        decode_http_batch(topics.BOOKING_REQUESTS, body=body)

    assert caught.value.reason == reason


def test_is_batch__by_media_type() -> None:
    assert is_batch("Application/CloudEvents-Batch+JSON; charset=utf-8")
    assert not is_batch(STRUCTURED)
