"""Types of the wire: what each takes from JSON and from Python, and how it is written."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from pydantic import TypeAdapter, ValidationError

from contracts.booking.rules import OpenMode
from contracts.booking.vocabulary import OpenReason, Reason
from contracts.envelope import READER, BookedTime, Instant, LocalTime, Uuid, WholeInstant
from contracts.envelope.values import (
    Code,
    Day,
    HubId,
    Id,
    Label,
    LanguageTag,
    LongText,
    Quantity,
    Sha256,
    TimeOfDay,
    TimeZone,
    WebAddress,
)

CEST = timezone(timedelta(hours=2))


def accepts(kind: Any, text: str) -> bool:
    try:
        TypeAdapter(kind).validate_json(json.dumps(text))
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Instant, "2027-03-01T08:00:00Z", datetime(2027, 3, 1, 8, tzinfo=UTC)),
        (Instant, "2027-03-01T08:00:00+02:00", datetime(2027, 3, 1, 6, tzinfo=UTC)),
        (Instant, "2027-03-01T08:00:00.5Z", datetime(2027, 3, 1, 8, 0, 0, 500_000, tzinfo=UTC)),
        (Instant, "2027-03-01T08:00:00.123456789-00:00", datetime(2027, 3, 1, 8, 0, 0, 123_456, tzinfo=UTC)),
        (WholeInstant, "2027-03-01T08:00:00+01:30", datetime(2027, 3, 1, 6, 30, tzinfo=UTC)),
        (LocalTime, "2027-03-28T02:30:00", datetime(2027, 3, 28, 2, 30)),  # noqa: DTZ001  # local on purpose
        (BookedTime, "2027-03-28T02:30:00", datetime(2027, 3, 28, 2, 30)),  # noqa: DTZ001
        (BookedTime, "2027-03-28T02:30:00+02:00", datetime(2027, 3, 28, 0, 30, tzinfo=UTC)),
        (Day, "2028-02-29", date(2028, 2, 29)),
        (Uuid, "0197f3c2-5a00-7065-8000-0000000c344b", UUID("0197f3c2-5a00-7065-8000-0000000c344b")),
    ],
)
def test_read_from_json__value(kind: Any, text: str, value: object) -> None:
    read: object = TypeAdapter(kind).validate_json(json.dumps(text))

    assert read == value
    if isinstance(read, datetime):
        assert read.tzinfo is (value.tzinfo if isinstance(value, datetime) else None)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *((Instant, text) for text in (
            "2027-03-01T08:00:00", "2027-03-01 08:00:00Z", "2027-03-01T08:00Z", "2027-03-01", "1804000000", "",
            " 2027-03-01T08:00:00Z", "2027-03-01T08:00:00z", "2027-03-01t08:00:00Z", "2027-03-01T08:00:00Z\n",
            "2027-03-01T08:00:00+0100", "2027-03-01T08:00:00+01", "2027-03-01T08:00:00,5Z", "2027-03-01T08:00:00.Z",
            "2027-02-29T08:00:00Z", "2027-03-01T24:00:00Z", "2027-03-01T08:00:60Z", "2027-03-01T08:00:00+25:00",
            "0999-03-01T08:00:00Z", "9999-12-31T23:59:59-12:00", "２027-03-01T08:00:00Z",
        )),
        (WholeInstant, "2027-03-01T08:00:00.000Z"),
        (WholeInstant, "2027-03-01T08:00:00"),
        (LocalTime, "2027-03-01T08:00:00Z"),
        (LocalTime, "2027-03-01T08:00:00.5"),
        (BookedTime, "2027-03-01T08:00:00.5"),
        (BookedTime, "2027-03-01"),
        (Day, "2027-02-29"),
        (Day, "2027-3-1"),
        (Day, "2027-W09-1"),
        *((Uuid, text) for text in (
            "0197F3C2-5A00-7065-8000-0000000C344B", "0197f3c25a00706580000000000c344b",
            "{0197f3c2-5a00-7065-8000-0000000c344b}",
            "urn:uuid:0197f3c2-5a00-7065-8000-0000000c344b", "0197f3c2-5a00-7065-8000-0000000c344", "", "-" * 36,
        )),
    ],
)  # fmt: skip
def test_read_from_json_what_is_not_of_the_type__refused(kind: Any, text: str) -> None:
    assert not accepts(kind, text)


@pytest.mark.parametrize("kind", [Instant, WholeInstant, BookedTime, LocalTime, Day, Uuid])
@pytest.mark.parametrize("text", ["17", "1.5", "true", "null", "[]", "{}"])
def test_read_from_json_another_type__refused(kind: Any, text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_json(text)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (Instant, datetime(2027, 3, 1, 8, tzinfo=CEST), "2027-03-01T06:00:00Z"),
        (Instant, datetime(2027, 3, 1, 8, 0, 0, 5000, tzinfo=UTC), "2027-03-01T08:00:00.005000Z"),
        (BookedTime, datetime(2027, 3, 1, 8), "2027-03-01T08:00:00"),  # noqa: DTZ001
        (Uuid, UUID(int=10), "00000000-0000-0000-0000-00000000000a"),
        (Day, date(2027, 3, 1), "2027-03-01"),
    ],
)
def test_written__canonical(kind: Any, value: object, text: str) -> None:
    adapter: TypeAdapter[object] = TypeAdapter(kind)

    assert json.loads(adapter.dump_json(adapter.validate_python(value, strict=True))) == text


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Instant, datetime(2027, 3, 1)),  # noqa: DTZ001
        (WholeInstant, datetime(2027, 3, 1, 0, 0, 0, 1, tzinfo=UTC)),
        (LocalTime, datetime(2027, 3, 1, tzinfo=UTC)),
        (BookedTime, datetime(2027, 3, 1, 0, 0, 0, 1)),  # noqa: DTZ001
        (Instant, datetime(3000, 1, 1, tzinfo=UTC)),
        (Instant, datetime(1, 1, 1, tzinfo=CEST)),
        (LocalTime, datetime(999, 1, 1)),  # noqa: DTZ001
        (Instant, "2027-03-01T08:00:00Z"),
        (Uuid, "0197f3c2-5a00-7065-8000-0000000c344b"),
        (Day, datetime(2027, 3, 1, 8, tzinfo=UTC)),
    ],
)
def test_made_by_a_writer_of_the_wrong_type__refused(kind: Any, value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(value, strict=True)


@pytest.mark.parametrize("text", ["Größe", "日本語", "a" * 200, "שלום \u200f", "👩‍🔬", "\u00a0", "\ufeff"])
def test_label__takes_text_of_any_script(text: str) -> None:
    assert accepts(Label, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a" * 201,
        "a\x00",
        "a\x1f",
        "a\nb",
        "a\tb",
        "a\x7f",
        "a\x85",
        "\u202eabc",
        "\u2066abc",
        "\u202a",
        "u\u0308",
        "\ud800",
    ],
)
def test_label_empty_long_controlled_or_not_normal__refused(text: str) -> None:
    assert not accepts(Label, text)


def test_long_text__line_feeds_and_tabs_but_no_other_control() -> None:
    assert accepts(LongText, "eins\n\n\tzwei")
    assert not accepts(LongText, "eins\r\nzwei")
    assert not accepts(LongText, "eins\x0bzwei")
    assert not accepts(LongText, "a" * 20_001)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (Id, ["urn:hub:nord:offer:1", "a", "x" * 120], ["", "a/b", "a b", "ä", "x" * 121, "a\n"]),
        (HubId, ["nord", "a1", "x" * 32], ["N", "a", "nord_1", "x" * 33]),
        (Code, ["step_free", "a-1"], ["", "Step", "a b", "x" * 41]),
        (Sha256, ["0" * 64], ["0" * 63, "A" * 64]),
        (TimeZone, ["Europe/Berlin", "Etc/GMT+1", "UTC", "America/Argentina/Salta"], ["", "../etc/passwd", "Europe/", "/a"]),
        (TimeOfDay, ["00:00", "23:59", "24:00"], ["24:01", "9:00", "09:60", "09:00:00"]),
        (LanguageTag, ["de", "de-simple", "gsg", "zh-Hant-TW"], ["", "d", "de_DE", "de-", "deutsch1"]),
        (WebAddress, ["https://hub.example.org/?a=b"], ["javascript:alert(1)", "https://", "ftp://a", "https://a b", "//a"]),
    ],
)
def test_words__good_and_bad(kind: Any, good: list[str], bad: list[str]) -> None:
    assert [text for text in good if not accepts(kind, text)] == []
    assert [text for text in bad if accepts(kind, text)] == []


@pytest.mark.parametrize("text", ["0", "501", "1.0", '"1"', "true", "1e2", "99999999999999999999"])
def test_quantity_out_of_bounds_or_no_integer__refused(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Quantity).validate_json(text, strict=True)


def test_open_enum_new_value__readers_map_it_and_writers_may_not() -> None:
    adapter: TypeAdapter[Reason] = TypeAdapter(OpenReason)

    assert adapter.validate_json('"conflict"') is Reason.CONFLICT
    assert adapter.validate_json('"too_cold"', context=READER) is Reason.UNKNOWN
    with pytest.raises(ValidationError):
        adapter.validate_json('"too_cold"')
    with pytest.raises(ValidationError):
        adapter.validate_json('"Erika Mustermann"', context=READER)
    with pytest.raises(ValidationError):
        adapter.validate_python(Reason.UNKNOWN)
    with pytest.raises(ValidationError):
        adapter.validate_python("conflict")


def test_open_enum__another_enum_with_the_same_word_is_refused() -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(OpenMode).validate_python(Reason.CONFLICT)
