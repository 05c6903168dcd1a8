"""Values on their way into a text: cleaned, in the person's language, times in words."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from services.notify import limits

LANGUAGES: Final = ("de", "en")
FALLBACK: Final = "de"

# C0 and C1 controls, and what turns the direction of text: bidirectional marks, embeddings, overrides, isolates.
_CONTROLS: Final = re.compile(r"[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_NOTES_CONTROLS: Final = re.compile(
    r"[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]+"
)
_ADDRESS_OR_LINK: Final = re.compile(r"\S*(?:://|[/\\@])\S*")
_MARKUP: Final = re.compile(r"<[^>]*>?")
_PLAIN_NAME: Final = re.compile(r"[^\W\d_]+(?:[ '-][^\W\d_]+)*")
_DOT_INSIDE: Final = re.compile(r"\.(?=\w)")
_BLANKS: Final = re.compile(r" {2,}")

_WEEKDAYS: Final = {
    "de": ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
_MONTHS: Final = {
    "de": (
        "Januar", "Februar", "März", "April", "Mai", "Juni",
        "Juli", "August", "September", "Oktober", "November", "Dezember",
    ),
    "en": (
        "January", "February", "March", "April", "May", "June",
        "July", "August", "September", "October", "November", "December",
    ),
}  # fmt: skip
_GERMAN_ZONES: Final = {"CET": "MEZ", "CEST": "MESZ"}


def clean(value: str, *, characters_max: int = limits.VALUE_CHARACTERS_MAX) -> str:
    """One line without control and direction characters, cut to its length."""
    return _CONTROLS.sub(" ", value)[:characters_max].strip()


def clean_notes(value: str) -> str:
    """Several lines, otherwise as `clean`; longer than a mail needs is cut at the end of a line."""
    text = _NOTES_CONTROLS.sub(" ", value.replace("\r\n", "\n"))
    if len(text) > limits.NOTES_CHARACTERS_MAX:
        text = text[: limits.NOTES_CHARACTERS_MAX].rpartition("\n")[0] or text[: limits.NOTES_CHARACTERS_MAX]
    return text.strip()


def clean_name(value: str) -> str:
    """A person's name as they typed it, the only such text in a mail: letters and what joins them, nothing to click on.

    May be empty.
    """
    if _PLAIN_NAME.fullmatch(value):
        return value[: limits.NAME_CHARACTERS_MAX].strip()
    text = _ADDRESS_OR_LINK.sub(" ", _MARKUP.sub(" ", _CONTROLS.sub(" ", value)))
    kept = "".join(char for char in text if char in " .-'’" or unicodedata.category(char)[0] in "LM")
    return _BLANKS.sub(" ", _DOT_INSIDE.sub(". ", kept)).strip()[: limits.NAME_CHARACTERS_MAX].strip()


@dataclass(frozen=True, slots=True)
class Chosen:
    """A language of ours, and whether it is not the one that was asked for."""

    language: str
    fell_back: bool


def choose(wanted: str) -> Chosen:
    """The contact's language, then its base language, then German."""
    for candidate in (wanted.lower(), wanted.partition("-")[0].lower()):
        if candidate in LANGUAGES:
            return Chosen(candidate, fell_back=False)
    return Chosen(FALLBACK, fell_back=True)


def text_in(texts: Mapping[str, str], language: str) -> str:
    """The text in that language, else in German, else in any; empty if there is none."""
    for candidate in (language, FALLBACK, *sorted(texts)):
        if texts.get(candidate):
            return texts[candidate]
    return ""


@lru_cache(maxsize=limits.MOMENTS_CACHED_MAX)
def day(instant: datetime, zone: ZoneInfo, language: str) -> str:
    """`Dienstag, 3. März 2026`, `Tuesday, 3 March 2026`."""
    local = instant.astimezone(zone)
    dot = "." if language == "de" else ""
    return f"{_WEEKDAYS[language][local.weekday()]}, {local.day}{dot} {_MONTHS[language][local.month - 1]} {local.year}"


def moment(instant: datetime, zone: ZoneInfo, language: str) -> str:
    """`Dienstag, 3. März 2026, 14:00 Uhr (MEZ)`."""
    local = instant.astimezone(zone)
    return f"{day(instant, zone, language)}, {local:%H:%M}{_oclock(language)} ({_zone(local, language)})"


@lru_cache(maxsize=limits.MOMENTS_CACHED_MAX)
def span(start: datetime, end: datetime, zone: ZoneInfo, language: str) -> str:
    """`Dienstag, 3. März 2026, 14:00 bis 15:30 Uhr (MEZ)`; both moments whole if day or clock change between them."""
    first, last = start.astimezone(zone), end.astimezone(zone)
    to = "bis" if language == "de" else "to"
    if first.date() != last.date() or first.utcoffset() != last.utcoffset():
        return f"{moment(start, zone, language)} {to} {moment(end, zone, language)}"
    clocks = f"{first:%H:%M} {to} {last:%H:%M}{_oclock(language)}"
    return f"{day(start, zone, language)}, {clocks} ({_zone(first, language)})"


def _oclock(language: str) -> str:
    return " Uhr" if language == "de" else ""


def _zone(local: datetime, language: str) -> str:
    name = local.tzname() or "UTC"
    return _GERMAN_ZONES.get(name, name) if language == "de" else name
