"""The rules of the wire, a row each: what makes a bad record, for which reason, and which reason goes first."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from contracts import topics
from contracts.booking import BookingConfirmed, RequestBooking
from contracts.catalog import OfferPublished, OfferWithdrawn
from contracts.envelope import BadRecord, Event, decode, encode
from contracts.envelope.event import COMMAND_BYTES_MAX, KEY_BYTES_MAX, RECORD_BYTES_MAX, VALUE_BYTES_MAX
from tests.contracts.records import (
    BOOKING_ID,
    COMMAND,
    EVENT_ID,
    FACT,
    OFFER_ID,
    STATE,
    TIME,
    Record,
    confirmation,
    reason_of,
    request,
)

TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ATTRIBUTES = ("specversion", "id", "source", "type", "time")
DEEP = b'{"x":' + b"[" * 300 + b"]" * 300 + b"}"

BAD = [
    ("value one byte too long", COMMAND.with_value(b" " * (COMMAND_BYTES_MAX + 1)), "too_large"),
    ("value of an event too long", FACT.with_value(b" " * (VALUE_BYTES_MAX + 1)), "too_large"),
    ("key too long", COMMAND.with_key(b"x" * (KEY_BYTES_MAX + 1)), "too_large"),
    ("ce_id twice", COMMAND.and_header("ce_id", b"x"), "duplicate_header"),
    ("same header twice alike", COMMAND.and_header("ce_specversion", b"1.0"), "duplicate_header"),
    ("content-type twice", COMMAND.and_header("content-type", b"application/json"), "duplicate_header"),
    ("traceparent twice", COMMAND.and_header("traceparent", TRACE).and_header("traceparent", TRACE), "duplicate_header"),
    ("unknown attribute twice", COMMAND.and_header("ce_subject", b"a").and_header("ce_subject", b"b"), "duplicate_header"),
    ("source not UTF-8", COMMAND.with_header("ce_source", b"urn:\xff"), "bad_encoding"),
    ("unknown attribute not UTF-8", COMMAND.and_header("ce_subject", b"\xc3"), "bad_encoding"),
    ("null header", COMMAND.with_header("ce_id", None), "bad_encoding"),
    ("key not UTF-8", COMMAND.with_key(b"\xff"), "bad_encoding"),
    ("no key on an event", FACT.with_key(None), "missing_key"),
    ("empty key on an event", FACT.with_key(b""), "missing_key"),
    *((f"no {name}", COMMAND.without_header(f"ce_{name}"), f"missing_{name}") for name in ATTRIBUTES),
    ("name in capitals is another name", COMMAND.without_header("ce_id").and_header("CE_ID", b"x"), "missing_id"),
    ("older version", COMMAND.with_header("ce_specversion", b"0.3"), "bad_specversion"),
    ("id is no UUID", COMMAND.with_header("ce_id", b"A234-1234-1234"), "bad_id"),
    ("id in capitals", COMMAND.with_header("ce_id", str(EVENT_ID).upper().encode()), "bad_id"),
    ("id without hyphens", COMMAND.with_header("ce_id", EVENT_ID.hex.encode()), "bad_id"),
    ("id with a line feed", COMMAND.with_header("ce_id", str(EVENT_ID).encode() + b"\n"), "bad_id"),
    ("empty id", COMMAND.with_header("ce_id", b""), "bad_id"),
    ("empty source", COMMAND.with_header("ce_source", b""), "bad_source"),
    ("source with a blank", COMMAND.with_header("ce_source", b"urn:hub: nord"), "bad_source"),
    ("source with half an escape", COMMAND.with_header("ce_source", b"urn:hub:%2"), "bad_source"),
    ("source too long", COMMAND.with_header("ce_source", b"u" * 201), "bad_source"),
    ("empty type", COMMAND.with_header("ce_type", b""), "bad_type"),
    ("type with a blank", COMMAND.with_header("ce_type", b"a b"), "bad_type"),
    ("type too long", COMMAND.with_header("ce_type", b"a" * 201), "bad_type"),
    ("time without offset", COMMAND.with_header("ce_time", b"2027-03-01T07:15:30"), "bad_time"),
    ("time as a number", COMMAND.with_header("ce_time", b"1804000000"), "bad_time"),
    ("time with a blank", COMMAND.with_header("ce_time", b"2027-03-01 07:15:30Z"), "bad_time"),
    ("time by week", COMMAND.with_header("ce_time", b"2027-W09-1T07:15:30Z"), "bad_time"),
    ("31 April", COMMAND.with_header("ce_time", b"2027-04-31T07:15:30Z"), "bad_time"),
    ("25 o'clock", COMMAND.with_header("ce_time", b"2027-04-30T25:15:30Z"), "bad_time"),
    ("year 1, east of everything", COMMAND.with_header("ce_time", b"0001-01-01T00:00:00+14:00"), "bad_time"),
    ("other digits", COMMAND.with_header("ce_time", "２０２７-03-01T07:15:30Z".encode()), "bad_time"),
    ("structured mode in Kafka", COMMAND.with_header("content-type", b"application/cloudevents+json"), "bad_datacontenttype"),
    ("other charset", COMMAND.with_header("content-type", b"application/json; charset=latin-1"), "bad_datacontenttype"),
    ("empty content type", COMMAND.with_header("content-type", b""), "bad_datacontenttype"),
    ("cause is no UUID", COMMAND.and_header("ce_causationid", b"17"), "bad_causationid"),
    ("expiry is no instant", COMMAND.and_header("ce_expirytime", b"soon"), "bad_expirytime"),
    ("null command", COMMAND.with_value(None), "null_value"),
    ("null event", FACT.with_value(None), "null_value"),
    ("unknown type", COMMAND.with_header("ce_type", b"de.hubnetz.booking.RequestParking.v1"), "unknown_type"),
    ("unknown major", COMMAND.with_header("ce_type", b"de.hubnetz.booking.RequestBooking.v2"), "unknown_type"),
    ("type of another topic", COMMAND.with_header("ce_type", BookingConfirmed.ce_type.encode()), "unknown_type"),
    ("type in other letters", COMMAND.with_header("ce_type", RequestBooking.ce_type.upper().encode()), "unknown_type"),
    ("empty body", COMMAND.with_value(b""), "bad_json"),
    ("no JSON", COMMAND.with_value(b"offer_id=1"), "bad_json"),
    ("body not UTF-8", COMMAND.with_value(b'{"offer_id":"\xff"}'), "bad_json"),
    ("UTF-16", COMMAND.with_value('{"a":1}'.encode("utf-16")), "bad_json"),
    ("byte order mark", COMMAND.with_value(b"\xef\xbb\xbf" + (COMMAND.value or b"")), "bad_json"),
    ("half of a surrogate pair", COMMAND.with_value(b'{"x":"\\ud800"}'), "bad_json"),
    ("NUL in a string", COMMAND.with_value(b'{"x":"\x00"}'), "bad_json"),
    ("cut off", COMMAND.with_value((COMMAND.value or b"")[:-1]), "bad_json"),
    ("two documents", COMMAND.with_value((COMMAND.value or b"") * 2), "bad_json"),
    ("an array", COMMAND.with_value(b"[1]"), "bad_json"),
    ("a text", COMMAND.with_value(b'"text"'), "bad_json"),
    ("null as JSON", COMMAND.with_value(b"null"), "bad_json"),
    ("too deep", COMMAND.with_value(DEEP), "bad_json"),
    ("NaN where nobody looks", COMMAND.with_value((COMMAND.value or b"")[:-1] + b',"x":NaN}'), "bad_json"),
    ("-Infinity where nobody looks", FACT.with_value((FACT.value or b"")[:-1] + b',"x":[-Infinity]}'), "bad_json"),
    ("event fails its model", FACT.with_body(version=0), "schema"),
    ("event without a field", FACT.with_body(state=...), "schema"),
    ("event in an unknown state", FACT.with_body(state="beamed"), "schema"),
    ("key differs from the id inside", STATE.with_key(b"urn:hub:nord:offer:0197f3c2-5a00-7002-8000-00000000ffff"), "bad_key"),
]  # fmt: skip


@pytest.mark.parametrize(("record", "reason"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_decode_bad_record__its_reason(record: Record, reason: str) -> None:
    assert reason_of(record) == reason


def test_decode__every_reason_is_in_the_table() -> None:
    attributes = set(ATTRIBUTES)
    expected = {"too_large", "duplicate_header", "bad_encoding", "null_value", "unknown_type", "bad_json", "schema"}
    expected |= {f"missing_{name}" for name in attributes | {"key"}}
    expected |= {f"bad_{name}" for name in attributes | {"datacontenttype", "causationid", "expirytime", "key"}}

    assert {reason for _, _, reason in BAD} == expected


# One fault of each kind, in the order of the reasons: the record with all faults from one on has that reason.
FAULTS = [
    ("too_large", lambda record: record.with_value(b"[" * (COMMAND_BYTES_MAX + 1))),
    ("duplicate_header", lambda record: record.and_header("ce_time", b"\xff")),
    ("bad_encoding", lambda record: record.and_header("ce_subject", b"\xff")),
    ("missing_source", lambda record: record.without_header("ce_source")),
    ("bad_specversion", lambda record: record.with_header("ce_specversion", b"2.0")),
    ("bad_id", lambda record: record.with_header("ce_id", b"1")),
    ("bad_time", lambda record: record.with_header("ce_time", b"now")),
    ("bad_datacontenttype", lambda record: record.with_header("content-type", b"text/plain")),
    ("null_value", lambda record: record.with_value(None)),
    ("unknown_type", lambda record: record.with_header("ce_type", b"de.hubnetz.Nothing.v1")),
    ("bad_json", lambda record: record.with_value(b"{")),
]


@pytest.mark.parametrize("first", range(len(FAULTS)), ids=[reason for reason, _ in FAULTS])
def test_decode_several_faults__the_first_reason_that_applies(first: int) -> None:
    record = COMMAND
    for _, spoil in reversed(FAULTS[first:]):
        record = spoil(record)

    assert reason_of(record) == FAULTS[first][0]


def test_decode_good_command__everything_of_it() -> None:
    record = (
        COMMAND.and_header("ce_causationid", str(BOOKING_ID).encode())
        .and_header("ce_expirytime", b"2027-03-01T09:15:30+01:00")
        .and_header("traceparent", TRACE)
        .and_header("tracestate", b"vendor=1")
    )

    event = record.read()

    assert event == Event(
        id=EVENT_ID,
        source="urn:hub:nord:portal",
        type="de.hubnetz.booking.RequestBooking.v1",
        time=TIME,
        key=OFFER_ID,
        data=request(),
        causation_id=BOOKING_ID,
        expiry_time=datetime(2027, 3, 1, 8, 15, 30, tzinfo=UTC),
        traceparent=TRACE.decode(),
        tracestate="vendor=1",
        value=COMMAND.value,
    )
    assert event.bare_type == "RequestBooking"


GOOD = {
    "no content type": COMMAND.without_header("content-type"),
    "charset": COMMAND.with_header("content-type", b"application/json; charset=UTF-8"),
    "capitals": COMMAND.with_header("content-type", b"Application/JSON"),
    "unknown headers": COMMAND.and_header("x", b"\xff").and_header("x", None),
    "unknown attributes": COMMAND.and_header("dl_reason", b"bug").and_header("ce_subject", "Größe".encode()),
    "any source": COMMAND.with_header("ce_source", b"/cloudevents/spec/pull/123"),
    "no key": COMMAND.with_key(None),
    "another key": COMMAND.with_key(b"another-offer"),
    "unknown field": COMMAND.with_body(added_by_a_newer_version={"a": [1, {"b": None}]}),
    "nulls": COMMAND.with_body(quantity=None, needs=None, choices=None, series=None),
    "blanks": COMMAND.with_value(b" \n" + (COMMAND.value or b"") + b"\t"),
    "another order": replace(COMMAND, headers=tuple(reversed(COMMAND.headers))),
}


@pytest.mark.parametrize("case", GOOD)
def test_decode_unusual_but_good_command__the_same_command(case: str) -> None:
    assert GOOD[case].read().data == request()


@pytest.mark.parametrize("text", [b"junk", b"00-" + b"0" * 55, TRACE + b"\n", TRACE.upper(), b""])
def test_decode_broken_trace__the_event_without_it(text: bytes) -> None:
    event = COMMAND.and_header("traceparent", text).and_header("tracestate", b"vendor=1").read()

    assert event.data == request()
    assert event.traceparent is None
    assert event.tracestate is None


def test_decode_body_too_deep_for_us_in_an_unknown_field__still_read() -> None:
    assert COMMAND.with_value((COMMAND.value or b"")[:-1] + b',"x":' + b"[" * 150 + b"]" * 150 + b"}").read().data == request()


def test_decode_words_like_constants_in_texts__read() -> None:
    assert COMMAND.with_body(later="NaN Infinity -Infinity").read().data == request()


@pytest.mark.parametrize(
    ("record", "problems"),
    [
        (COMMAND.with_body(quantity=0), ("/quantity",)),
        (COMMAND.with_body(offer_id=..., quantity="1"), ("/offer_id", "/quantity")),
        (COMMAND.with_value(b"{}"), ("/actor", "/claimant", "/offer_id")),
        (COMMAND.with_body(actor=None), ("/actor",)),
        (COMMAND.with_body(claimant={"kind": "person", "person_id": "x"}), ("/claimant/person_id",)),
        (COMMAND.with_body(claimant={"kind": "person"}), ("/claimant/person_id",)),
        (COMMAND.with_body(claimant={"kind": "robot"}), ("/claimant",)),
        (COMMAND.with_body(actor={"role": "system"}), ("/actor/role",)),
        (COMMAND.with_body(needs=["step_free", "Erika Mustermann"]), ("/needs/1",)),
        (COMMAND.with_body(choices={"Erika Mustermann": "x"}), ("/choices/*",)),
        (COMMAND.with_body(needs=[None]), ("/needs/0",)),
        (COMMAND.with_body(end="2027-03-02T08:00:00Z"), ("/end",)),
        (COMMAND.with_body(start="2027-03-02T08:00:00.5Z"), ("/start",)),
    ],
)
def test_decode_invalid_command__event_with_pointers_and_no_data(record: Record, problems: tuple[str, ...]) -> None:
    event = record.read()

    assert event.data is None
    assert event.problems == problems
    assert event.id == EVENT_ID
    assert event.value == record.value


def test_decode_invalid_command_with_many_faults__at_most_20_pointers() -> None:
    wrong = {f"c{n}": "?" for n in range(8)}
    event = COMMAND.with_body(choices=wrong, quantities=wrong, needs=["?"], options=["?"], quantity=0, series=0, start=0).read()

    assert len(event.problems) == 20


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"needs": [0] * 20_000}, "/needs/0"),
        ({"needs": ["step_free"] * 5_000}, "/needs"),
        ({"choices": {f"!{n}": 0 for n in range(5_000)}}, "/choices"),
    ],
    ids=["bad entries", "too many entries", "too many bad members"],
)
def test_decode_hostile_collection__given_up_at_its_bound(changes: dict[str, object], problem: str) -> None:
    assert COMMAND.with_body(**changes).read().problems == (problem,)


def test_decode_schema_failure__detail_names_pointers_and_quotes_nothing() -> None:
    with pytest.raises(BadRecord) as caught:
        FACT.with_body(time_zone="Erika Mustermann").read()

    assert caught.value.detail == "/time_zone"
    assert "Erika" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert "Erika" not in str(caught.value.__context__)


@pytest.mark.parametrize("ce_type", [OfferWithdrawn.ce_type, "de.hubnetz.catalog.OfferPublished.v7", "anything"])
def test_decode_tombstone__event_without_data_whatever_its_type(ce_type: str) -> None:
    event = STATE.with_value(None).with_header("ce_type", ce_type.encode()).read()

    assert event.data is None
    assert event.value is None
    assert event.problems == ()
    assert event.key == OFFER_ID


def test_decode_tombstone_without_headers__missing() -> None:
    assert reason_of(replace(STATE, headers=(), value=None)) == "missing_specversion"


def event_of(data: RequestBooking | BookingConfirmed | OfferPublished, **changes: object) -> Event:
    event = Event(id=EVENT_ID, source="urn:hub:nord:portal", type=data.ce_type, time=TIME, key=data.key(), data=data)
    return replace(event, **changes)  # type: ignore[arg-type]


def test_encode_command__the_bytes_of_the_record() -> None:
    assert encode(event_of(request())) == (COMMAND.key, list(COMMAND.headers), COMMAND.value)


def test_encode_all_headers__decoded_again() -> None:
    event = event_of(
        confirmation(), causation_id=EVENT_ID, expiry_time=END_OF_DAY, traceparent=TRACE.decode(), tracestate="vendor=1"
    )

    key, headers, value = encode(event)

    again = decode(topics.BOOKING_EVENTS, key=key, headers=headers, value=value)
    assert again == replace(event, value=value)


END_OF_DAY = datetime(2027, 3, 1, 23, tzinfo=UTC)


def test_encode_tombstone__no_value_and_no_content_type() -> None:
    event = Event(EVENT_ID, "urn:hub:nord:catalog", OfferWithdrawn.ce_type, TIME, OFFER_ID, None)

    key, headers, value = encode(event)

    assert value is None
    assert [name for name, _ in headers] == ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"]
    assert decode(topics.CATALOG_OFFERS, key=key, headers=headers, value=value) == event


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "de.hubnetz.booking.CancelBooking.v1"},
        {"key": ""},
        {"key": "k" * 513},
        {"source": ""},
        {"source": "urn:hub nord"},
        {"time": datetime(2027, 3, 1, 12)},  # noqa: DTZ001  # a local time is what is refused here
        {"traceparent": "x" * 2000},
        {"data": None, "value": b"{}"},
    ],
    ids=str,
)
def test_encode_event_that_is_not_whole__refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        encode(replace(event_of(request()), **changes))  # type: ignore[arg-type]


def test_encode_state_under_another_key__refused() -> None:
    event = replace(STATE.read(), key="urn:hub:nord:offer:other")

    with pytest.raises(ValueError, match="key"):
        encode(event)


def test_encode_value_over_its_limit__too_large() -> None:
    texts = {tag: "a" * 20_000 for tag in ("de", "en", "cs", "pl", "uk", "ru", "fr", "es", "it", "nl", "da", "sv", "tr")}
    event = STATE.with_body(description=dict(list(texts.items())[:12])).read()
    assert isinstance(event.data, OfferPublished)

    assert len(encode(event_of(event.data))[2] or b"") > 240_000
    with pytest.raises(BadRecord, match="too_large"):
        encode(event_of(event.data.model_copy(update={"description": texts})))


def test_limits__a_value_at_its_limit_fits_into_a_record_with_all_else_at_theirs() -> None:
    names = 16 * 20
    texts = 3 + 36 + 200 + 200 + 40 + 40 + 36 + 40 + 1024
    frame = 61 + 16 * 10

    assert VALUE_BYTES_MAX + KEY_BYTES_MAX + names + texts + frame <= RECORD_BYTES_MAX
