"""The short way into rows says what the long way says, of whatever bytes: the same row, or nothing."""

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import core_schema

from contracts import topics
from contracts.booking import FACTS, BookingAwaitingPartner, BookingUnchanged
from contracts.envelope import BadRecord, Event, decode, encode
from contracts.schema import examples
from services.analytics.domain.pseudonyms import Pseudonyms
from services.analytics.domain.rows import EventRow
from services.analytics.domain.zones import zone
from services.analytics.wire.facts import FactReader, Place
from services.analytics.wire.lean import LeanFacts, Unknown, lean
from tests.contracts.written import messages, unhurried
from tests.support.frontend import BAD, BAD_BODIES
from tests.support.kafka import Raw

TYPES: Final = {model.ce_type for model in FACTS} - {BookingUnchanged.ce_type, BookingAwaitingPartner.ce_type}
PLACE: Final = Place(3, 17, 1_800_000_000_123)
ANY: Final[tuple[Any, ...]] = (
    None, True, False, 0, 1, -1, 1.0, 1.5, 500, 501, 2**31 - 1, 2**31, 2**63 - 1, 2**63, 10**40, [], {}, [None], "", " ", "x",
    "1", "\x00", "a" * 121, "confirmed", "house", "citizen", "no_show_at_all", "Busy", "busy", "urn:hub:nord:offer:x", "\u202e",
    "0197f3c2-5a00-7065-8000-0000000c344b", "0197F3C2-5A00-7065-8000-0000000C344B", "0197f3c25a00706580000000000c344b",
    "2027-06-30T10:00:00Z", "2027-06-30T10:00:00+02:00", "2027-06-30T10:00:00.5Z", "2027-06-31T10:00:00Z",
    "2027-06-30T25:00:00Z",
    "0999-01-01T00:00:00Z", "2999-12-31T23:59:59-23:59", "2027-06-30T10:00:00", "2027-06-30 10:00:00Z", "1811840400",
    {"kind": "house", "purpose": "cleaning"}, {"kind": "person"}, {"kind": "ghost"},
    [{"component_id": "a", "resource_id": "r", "quantity": 1}, {"component_id": "b", "resource_id": "r", "quantity": 2}],
)  # fmt: skip
HEADERS: Final = (
    b"", b"1.0", b"1", b"\xff", None, b"urn:hub:nord:booking", b"urn:hub:nord:booking ", b"a" * 201, b"\x7f", b"nonsense",
    b"0197f3c2-5a00-7065-8000-0000000c344b", b"0197F3C2-5A00-7065-8000-0000000C344B", b"2027-06-31T10:00:00Z",
    b"2027-06-30T10:00:00+02:00", b"application/json; charset=utf-8", b"text/plain", b"de.hubnetz.booking.BookingConfirmed.v2",
    b"de.hubnetz.booking.BookingHeld.v1",
)  # fmt: skip


def example_records() -> list[Raw]:
    found = []
    for _, _, content in examples():
        if content["headers"]["ce_type"] in TYPES:
            headers = [(name, text.encode()) for name, text in content["headers"].items()]
            found.append(Raw(content["key"].encode(), headers, json.dumps(content["value"]).encode()))
    return found


EXAMPLES: Final = example_records()


def reader() -> FactReader:
    """One that knows the sources of all examples."""
    made = FactReader("nord", zone("Europe/Berlin"), Pseudonyms({year: bytes([year % 256]) * 32 for year in range(2020, 2040)}))
    for record in EXAMPLES:
        made.read(decode(topics.BOOKING_EVENTS, key=record.key, headers=record.headers, value=record.value), PLACE)
    return made


READER: Final = reader()


def long_way(record: Raw) -> tuple[EventRow | None, str | None] | None:
    try:
        event = decode(topics.BOOKING_EVENTS, key=record.key, headers=record.headers, value=record.value)
    except BadRecord:
        return None
    return READER.read(event, PLACE)


def agrees(record: Raw) -> bool:
    """Whether the short way read it; fails if the long way has another opinion."""
    fact = READER.read_record(record.key, record.headers, record.value, PLACE)
    if fact is not None:
        assert (fact.row, fact.problem) == long_way(record), record
    return fact is not None


def test_types__all_that_have_a_figure_but_the_one_with_maps() -> None:
    assert LeanFacts(FACTS).types == TYPES | {BookingUnchanged.ce_type}


@pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: dict(record.headers)["ce_type"].decode())
def test_an_example__read_the_short_way(record: Raw) -> None:
    assert agrees(record)


@given(message=messages, time=st.datetimes(timezones=st.just(zone("UTC"))).filter(lambda at: 1000 <= at.year <= 2999))
@unhurried
def test_any_message__the_same_row(message: Any, time: Any) -> None:
    key, headers, value = encode(Event(message_id, SOURCE, message.ce_type, time, message.key(), message))
    assert agrees(Raw(key, headers, value)) == (message.ce_type in TYPES)


message_id: Final = decode(topics.BOOKING_EVENTS, key=EXAMPLES[0].key, headers=EXAMPLES[0].headers, value=EXAMPLES[0].value).id
SOURCE: Final = (dict(EXAMPLES[0].headers)["ce_source"] or b"").decode()


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, child in inner:
        yield from places(child, (*path, name))


def put(body: Any, path: tuple[Any, ...], value: Any) -> bytes:
    """The body with another value there; Ellipsis takes it out."""
    if not path:
        return json.dumps(value).encode() if value is not ... else b""
    copy = json.loads(json.dumps(body))
    node = copy
    for step in path[:-1]:
        node = node[step]
    if value is ...:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return json.dumps(copy).encode()


def altered(record: Raw) -> Iterator[Raw]:
    body = json.loads(record.value or b"")
    body = {"from_state": "held", "reason": "busy", "placements": [], "series_id": None, "note": "new"} | body
    for path in places(body):
        yield from (Raw(record.key, record.headers, put(body, path, value)) for value in (*ANY, ...))
    for name in ("freed_from", "at", "late", "freed", "resale_after", "occurrence_no", "request_id"):
        yield from (Raw(record.key, record.headers, put(body | {name: 1}, (name,), value)) for value in ANY)


def bent(record: Raw) -> Iterator[Raw]:
    text = (record.value or b"").decode()
    for more in ("NaN", "Infinity", "-Infinity", '"NaN"', "01", "1e999", '"\\ud800"', "[" * 300 + "]" * 300):
        yield Raw(record.key, record.headers, f'{text[:-1]},"note":{more}}}'.encode())
    for more in ('"version":9', '"version":"9"', '"start":"x"', '"claimant":{"kind":"ghost"}', '"state":null', '"reason":null'):
        yield Raw(record.key, record.headers, f"{text[:-1]},{more}}}".encode())
        yield Raw(record.key, record.headers, f"{{{more},{text[1:]}".encode())
    yield Raw(record.key, record.headers, text.encode("utf-16"))
    yield Raw(record.key, record.headers, b"\xef\xbb\xbf" + text.encode())
    names = {*dict(record.headers), "ce_expirytime", "ce_causationid", "traceparent", "tracestate", "content-type", "other"}
    for name in sorted(names):
        others = [header for header in record.headers if header[0] != name]
        yield Raw(record.key, others, record.value)
        for content in HEADERS:
            yield Raw(record.key, [*others, (name, content)], record.value)
            yield Raw(record.key, [*record.headers, (name, content)], record.value)
    for key in (None, b"", b"\xff", b"k" * 513, "schlüssel".encode()):
        yield Raw(key, record.headers, record.value)


@pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: dict(record.headers)["ce_type"].decode())
def test_an_example_altered_everywhere__refused_or_the_same_row(record: Raw) -> None:
    read = [agrees(changed) for change in (altered, bent) for changed in change(record)]
    assert 50 < sum(read) < len(read) - 50


def test_hostile_records__none_is_read() -> None:
    for record in EXAMPLES:
        for bad in BAD:
            if bad.reason != "unknown_type":
                assert not agrees(bad.spoil(record)) or long_way(bad.spoil(record)) is not None
        assert not any(agrees(Raw(record.key, record.headers, body)) for body in BAD_BODIES)


def test_a_source_that_was_never_read__goes_the_long_way_once() -> None:
    fresh = FactReader("nord", zone("Europe/Berlin"), Pseudonyms({}))
    record = EXAMPLES[0]
    assert fresh.read_record(record.key, record.headers, record.value, PLACE) is None
    fresh.read(decode(topics.BOOKING_EVENTS, key=record.key, headers=record.headers, value=record.value), PLACE)
    assert fresh.read_record(record.key, record.headers, record.value, PLACE) is not None


@pytest.mark.parametrize(
    "schema",
    [
        core_schema.float_schema(),
        core_schema.chain_schema([core_schema.str_schema(), core_schema.uuid_schema()]),
        core_schema.no_info_after_validator_function(str.upper, core_schema.str_schema()),
        core_schema.model_schema(dict, core_schema.model_fields_schema({}), post_init="check"),
        core_schema.model_fields_schema({"a": core_schema.model_field(core_schema.str_schema(), validation_alias="b")}),
        core_schema.model_schema(dict, core_schema.model_fields_schema({}), config={"str_to_lower": True}),
    ],
    ids=["unknown part", "chain of others", "a rule in Python", "a rule between fields", "another name", "another setting"],
)
def test_rules_that_it_does_not_know__are_left_to_the_contract(schema: core_schema.CoreSchema) -> None:
    with pytest.raises(Unknown):
        lean(schema)
