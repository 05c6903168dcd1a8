"""The cases of the CloudEvents conformance suite (JSON format, HTTP and Kafka binding), held against our profile of it.

The profile is narrower: the id is a UUID, time is required, data is JSON, Kafka is binary mode only. So each case is put to an
event that is good by the profile; what the suite says of the changed attribute has to be what we say.
"""

import json
from dataclasses import replace
from typing import Any

import pytest

from contracts import topics
from contracts.booking import RequestBooking
from contracts.envelope import BadRecord, Event, decode_http, decode_http_batch
from tests.contracts.records import COMMAND, EVENT_ID, TIME, request

GOOD: dict[str, Any] = {
    "specversion": "1.0",
    "id": str(EVENT_ID),
    "source": "urn:hub:nord:portal",
    "type": RequestBooking.ce_type,
    "time": "2027-03-01T07:15:30.123456Z",
    "datacontenttype": "application/json",
    "data": json.loads(COMMAND.value or b""),
}
ABSENT = object()

VALID: dict[str, dict[str, Any]] = {
    "minimal": {"datacontenttype": ABSENT},
    "null for optional ones": {"datacontenttype": None, "dataschema": None, "subject": None},
    "all core attributes": {"dataschema": "https://example.org/schema", "subject": "tests"},
    "time to nanoseconds": {"time": "2027-03-01T07:15:30.123456000Z"},
    "time with a positive offset": {"time": "2027-03-01T08:15:30.123456+01:00"},
    "time with a negative offset": {"time": "2027-03-01T06:15:30.123456-01:00"},
    "relative source": {"source": "#fragment"},
    "source as a path": {"source": "/mycontext/subcontext"},
    "content type with charset": {"datacontenttype": "application/json; charset=utf-8"},
    "extensions of all types": {
        "extinteger": 10,
        "extboolean": True,
        "extstring": "text",
        "exturiref": "//authority/path",
        "exttimestamp": "2027-03-31T15:12:00Z",
        "extbinary": "TWE=",
    },
}
INVALID: dict[str, tuple[dict[str, Any], str]] = {
    "no specversion": ({"specversion": ABSENT}, "missing_specversion"),
    "no id": ({"id": ABSENT}, "missing_id"),
    "no type": ({"type": ABSENT}, "missing_type"),
    "no source": ({"source": ABSENT}, "missing_source"),
    "time is garbage": ({"time": "lunchtime"}, "bad_time"),
    "time to the minute": ({"time": "2027-03-01T07:15Z"}, "bad_time"),
    "time with another letter": ({"time": "2027-03-01T07:15:30X"}, "bad_time"),
    "offset out of range": ({"time": "2027-03-01T07:15:30+25:00"}, "bad_time"),
    "offset without digits": ({"time": "2027-03-01T07:15:30+xx:00"}, "bad_time"),
    "offset in hours only": ({"time": "2027-03-01T07:15:30+05"}, "bad_time"),
    "empty id": ({"id": ""}, "bad_id"),
    "empty type": ({"type": ""}, "bad_type"),
    "empty source": ({"source": ""}, "bad_source"),
    "empty specversion": ({"specversion": ""}, "bad_specversion"),
    "unknown specversion": ({"specversion": "0.9"}, "bad_specversion"),
    "content type that is none": ({"datacontenttype": "xyz"}, "bad_datacontenttype"),
    "empty content type": ({"datacontenttype": ""}, "bad_datacontenttype"),
    "numeric id": ({"id": 25}, "bad_id"),
    "object as id": ({"id": {"xyz": "abc"}}, "bad_id"),
    "data twice": ({"data_base64": "eyAieHl6IjogMTIzIH0="}, "bad_json"),
}
# The suite calls these invalid too. Attributes that we do not know are passed over, unread: nothing depends on them.
PASSED_OVER: dict[str, dict[str, Any]] = {
    "empty dataschema": {"dataschema": ""},
    "empty subject": {"subject": ""},
    "extension with capitals": {"MyExtension": "bad"},
    "extension with a dot": {"my.extension": "bad"},
    "extension that is no integer": {"myextension": 1.5},
}


def document(changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (GOOD | changes).items() if value is not ABSENT}


def structured(changes: dict[str, Any], content_type: str = "application/cloudevents+json") -> Event:
    body = json.dumps(document(changes)).encode()
    return decode_http(topics.BOOKING_REQUESTS, headers=[("Content-Type", content_type)], body=body)


def in_kafka(changes: dict[str, Any]) -> Event:
    names = {"datacontenttype": "content-type"}
    headers = [
        (names.get(name, f"ce_{name}"), (value if isinstance(value, str) else json.dumps(value)).encode())
        for name, value in document(changes).items()
        if name not in {"data", "data_base64"} and value is not None
    ]
    return replace(COMMAND, headers=tuple(headers)).read()


def over_http(changes: dict[str, Any]) -> Event:
    names = {"datacontenttype": "Content-Type"}
    headers = [
        (names.get(name, f"ce-{name}"), value if isinstance(value, str) else json.dumps(value))
        for name, value in document(changes).items()
        if name not in {"data", "data_base64"} and value is not None
    ]
    return decode_http(topics.BOOKING_REQUESTS, headers=headers, body=COMMAND.value or b"")


@pytest.mark.parametrize("read", [structured, in_kafka, over_http])
@pytest.mark.parametrize("case", VALID | PASSED_OVER)
def test_valid_event__read(case: str, read: Any) -> None:
    changes = (VALID | PASSED_OVER)[case]

    event = read(changes)

    assert event.data == request()
    assert (event.id, event.time) == (EVENT_ID, TIME)
    assert event.source == changes.get("source", GOOD["source"])


@pytest.mark.parametrize("read", [structured, in_kafka, over_http])
@pytest.mark.parametrize("case", INVALID)
def test_invalid_event__refused(case: str, read: Any) -> None:
    changes, reason = INVALID[case]
    if "data_base64" in changes and read is not structured:
        assert read(changes).data == request()  # only the JSON format has this member
        return

    with pytest.raises(BadRecord) as caught:
        read(changes)

    assert caught.value.reason == reason


@pytest.mark.parametrize("content_type", ["application/cloudevents+json", "application/cloudevents+json; charset=utf-8"])
def test_structured_mode__with_and_without_charset(content_type: str) -> None:
    assert structured({}, content_type).data == request()


def test_batches__empty_several_and_one_bad_among_good_ones() -> None:
    def batch(*documents: Any) -> list[Any]:
        return decode_http_batch(topics.BOOKING_REQUESTS, body=json.dumps(documents).encode())

    assert batch() == []
    assert [event.data for event in batch(GOOD, GOOD)] == [request(), request()]
    mixed = batch(GOOD, document({"specversion": "0.9"}), document({"id": ABSENT}), "not an object")
    assert [one.reason for one in mixed if isinstance(one, BadRecord)] == ["bad_specversion", "missing_id", "bad_json"]
    assert mixed[0].data == request()
