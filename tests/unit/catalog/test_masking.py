"""People in foreign texts: what is found, and what is left alone."""

import pytest

from services.catalog.formats.masking import masked, names_in, shortened
from services.catalog.formats.plain_text import commonmark, one_line


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("Fragen an erika@beispiel.de bitte", "Fragen an [E-Mail] bitte"),
        ("erika (at) beispiel (dot) de", "[E-Mail]"),
        ("mailto:erika.muster+x@sub.beispiel.co.uk", "[E-Mail]"),
        ("Tel. 0351 1234567", "Tel. [Telefon]"),
        ("+49 (0) 35952 / 123-45", "[Telefon]"),
        ("0170 1234567 oder 01701234567", "[Telefon] oder [Telefon]"),
        ("Referent Thomas Müller spricht", "Referent [Name] spricht"),
        ("mit Anna-Lena von der Tann", "mit [Name]"),
        ("Frau Dr. Beispielhaft leitet", "[Name] leitet"),
        ("gemeinsam mit Marie forschen", "gemeinsam mit [Name] forschen"),
        ("Jörg Beispiel und Michael Probe", "[Name] und [Name]"),
    ],
)
def test_address_number_or_name__is_masked(text: str, result: str) -> None:
    assert masked(text) == result


@pytest.mark.parametrize(
    "text",
    [
        "01900 Großröhrsdorf, Musterstraße 12",
        "am 12.10.2027 von 10:00 bis 12:30 Uhr",
        "10.10.2027, 11.10.2027 und 12.10.2027",
        "Raum 0123, Kosten 12,50 EUR",
        "https://beispiel.de/termin/2027-10-12-11",
        "Heinrich-Heine-Platz, Karl Marx Straße 2",
        "Café Anna",
        "Linux mit Ubuntu und Arduino",
        "Das Fest beginnt mit Musik.",
        "2027-2028",
    ],
)
def test_dates_places_and_things__stay(text: str) -> None:
    assert masked(text) == text


def test_name_that_the_file_itself_calls_one__is_found_in_its_texts() -> None:
    (name,) = names_in("Xqzw Beispiel; xqzw@beispiel.de")
    assert name == "Xqzw Beispiel"
    assert masked("Xqzw Beispiel zeigt es.", [name]) == "[Name] zeigt es."


@pytest.mark.parametrize("value", ["", "MAILTO:a@beispiel.de", "Empfang", "Raum 3; 0351 1234567"])
def test_field_of_people_without_a_name__gives_none(value: str) -> None:
    assert names_in(value) == []


def test_value_in_a_report__is_masked_on_one_line_and_cut() -> None:
    assert shortened("erika@beispiel.de\nkommt", 80) == "[E-Mail] kommt"
    assert shortened("x" * 100, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Hallo <b>Welt</b></p><p>zwei</p>", "Hallo **Welt**\n\nzwei"),
        ("<ul><li>eins<li>zwei</ul>", "- eins\n- zwei"),
        ("<h2>Titel</h2>Text", "## Titel\n\nText"),
        ("<p>a<script>alert(1)</script>b</p>", "ab"),
        ("<p>a<style>p{}</style><svg><text>x</text></svg>b</p>", "ab"),
        ('<a href="javascript:alert(1)">k</a><br>', "k"),
        ('<a href="https://beispiel.de/?a=1&amp;b=2">l</a><br>', "l (https://beispiel.de/?a=1&b=2)"),
        ("<p><img src=x onerror=alert(1)> &lt;script&gt;</p>", "&lt;script>"),
    ],
)
def test_html__becomes_commonmark_without_tags(html: str, text: str) -> None:
    assert commonmark(html) == text


@pytest.mark.parametrize(
    ("plain", "text"),
    [
        ("5 < 6 und <script>", "5 < 6 und &lt;script>"),
        ("![bild](http://x)", "[bild](http://x)"),
        ("    eingerückt", "eingerückt"),
        ("a\n\n\n\nb", "a\n\nb"),
        ("Zeile\nnächste", "Zeile  \nnächste"),
        ("Liste:\n* eins\n* zwei", "Liste:\n* eins\n* zwei"),
    ],
)
def test_plain_text__is_made_harmless_and_keeps_its_lines(plain: str, text: str) -> None:
    assert commonmark(plain) == text


def test_title__is_one_line_without_markup() -> None:
    assert one_line("<b>Ein</b>\n  Titel\x00") == "Ein Titel"
