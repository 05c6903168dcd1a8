"""Values on their way into a text: attacks are taken out, people's language is spoken, times can be read."""

import unicodedata
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify import limits
from services.notify.domain.wording import Chosen, choose, clean, clean_name, clean_notes, moment, span, text_in

BERLIN = ZoneInfo("Europe/Berlin")


@given(st.text(max_size=500))
def test_value__is_one_short_line_without_controls(value: str) -> None:
    cleaned = clean(value)

    assert len(cleaned) <= limits.VALUE_CHARACTERS_MAX
    assert not any(unicodedata.category(char) == "Cc" for char in cleaned)
    assert not set(cleaned) & set("\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Raum 1\r\nBcc: alle@example.org", "Raum 1 Bcc: alle@example.org"),
        ("Raum\x00 1\x1b[31m", "Raum  1 [31m"),
        ("abc\u202egnp.exe", "abc gnp.exe"),
        ("  Raum  ", "Raum"),
    ],
)
def test_value_with_an_attack__cleaned(value: str, expected: str) -> None:
    assert clean(value) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Anna Beispiel", "Anna Beispiel"),
        ("Zoë O’Brien-Łukasz", "Zoë O’Brien-Łukasz"),
        ("Dr.med. Özlem Şahin", "Dr. med. Özlem Şahin"),
        ("नमस्ते", "नमस्ते"),
        ("Kauft jetzt http://evil.example/x billig", "Kauft jetzt billig"),
        ("Gewinn auf www.evil.example abholen", "Gewinn auf www. evil. example abholen"),
        ("evil。example", "evilexample"),
        ("<a href='https://evil.example'>Klick</a>", "Klick"),
        ("<script>alert(1)</script>", "alert"),
        ("anna@example.org", ""),
        ("Anna\r\nBcc: x@y.de", "Anna Bcc"),
        ("☎ 0900 123456", ""),
        ("{{ 7*7 }} {% raw %}", "raw"),
        ("", ""),
    ],
)
def test_name_as_typed__has_nothing_to_click_on(name: str, expected: str) -> None:
    assert clean_name(name) == expected


@given(st.text(max_size=300))
def test_name_of_any_kind__letters_and_what_joins_them(name: str) -> None:
    cleaned = clean_name(name)

    assert len(cleaned) <= limits.NAME_CHARACTERS_MAX
    assert not set(cleaned) & set("<>/\\@:;=?&%#{}\r\n\t0123456789")
    assert all(cleaned[place + 1 : place + 2] in ("", " ", ".", "-", "'", "’") for place, c in enumerate(cleaned) if c == ".")


def test_notes__keep_their_lines_and_end_with_one() -> None:
    assert clean_notes("Bitte\x07 klingeln.\r\n\r\nZweiter Stock.") == "Bitte  klingeln.\n\nZweiter Stock."
    long = "\n".join(["Zeile"] * 1000)
    assert clean_notes(long).endswith("Zeile")
    assert len(clean_notes(long)) <= limits.NOTES_CHARACTERS_MAX
    assert len(clean_notes("x" * 5000)) == limits.NOTES_CHARACTERS_MAX


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("de", Chosen("de", False)),
        ("en", Chosen("en", False)),
        ("en-GB", Chosen("en", False)),
        ("DE-at", Chosen("de", False)),
        ("de-simple", Chosen("de", False)),
        ("uk", Chosen("de", True)),
        ("", Chosen("de", True)),
    ],
)
def test_language__the_persons_then_its_base_then_german(wanted: str, expected: Chosen) -> None:
    assert choose(wanted) == expected


def test_texts_by_language__that_one_else_german_else_any() -> None:
    assert text_in({"de": "Raum", "en": "Room"}, "en") == "Room"
    assert text_in({"de": "Raum", "pl": "Pokój"}, "en") == "Raum"
    assert text_in({"pl": "Pokój", "cs": "Pokoj"}, "en") == "Pokoj"
    assert text_in({}, "en") == ""


@pytest.mark.parametrize(
    ("start", "minutes", "german", "english"),
    [
        (
            datetime(2026, 3, 3, 13, tzinfo=UTC),
            90,
            "Dienstag, 3. März 2026, 14:00 bis 15:30 Uhr (MEZ)",
            "Tuesday, 3 March 2026, 14:00 to 15:30 (CET)",
        ),
        (
            datetime(2026, 7, 5, 21, tzinfo=UTC),
            120,
            "Sonntag, 5. Juli 2026, 23:00 Uhr (MESZ) bis Montag, 6. Juli 2026, 01:00 Uhr (MESZ)",
            "Sunday, 5 July 2026, 23:00 (CEST) to Monday, 6 July 2026, 01:00 (CEST)",
        ),
        # Over the autumn change both clocks are named, else 02:30 to 02:30 could be read.
        (
            datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
            60,
            "Sonntag, 25. Oktober 2026, 02:30 Uhr (MESZ) bis Sonntag, 25. Oktober 2026, 02:30 Uhr (MEZ)",
            "Sunday, 25 October 2026, 02:30 (CEST) to Sunday, 25 October 2026, 02:30 (CET)",
        ),
    ],
)
def test_span__reads_as_people_write_it(start: datetime, minutes: int, german: str, english: str) -> None:
    end = start + timedelta(minutes=minutes)

    assert span(start, end, BERLIN, "de") == german
    assert span(start, end, BERLIN, "en") == english


def test_moment_elsewhere__names_its_zone() -> None:
    noon = datetime(2026, 7, 5, 12, tzinfo=UTC)

    assert moment(noon, ZoneInfo("Europe/London"), "de") == "Sonntag, 5. Juli 2026, 13:00 Uhr (BST)"
    assert moment(noon, ZoneInfo("America/Sao_Paulo"), "en") == "Sunday, 5 July 2026, 09:00 (-03)"
