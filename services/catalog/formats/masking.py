"""Taking people out of foreign texts: mail addresses, telephone numbers, names.

Addresses and numbers have a form. Names have none: those that the file itself calls names (contact, organiser, attendee) are
found again in its texts; beyond that a list of given names is a guess that misses rare ones and sometimes hits a thing.
"""

import re
from collections.abc import Iterable

from services.catalog.formats.given_names import GIVEN_NAMES

MAIL = "[E-Mail]"
TELEPHONE = "[Telefon]"
NAME = "[Name]"

_MAIL = re.compile(
    r"(?:mailto:)?[A-Za-z0-9._%+\-]{1,64}\s?(?:@|\(at\)|\[at\]|\s\(?at\)?\s(?=[a-z0-9\-]+\s?(?:\.|\(dot\)|\[dot\])))\s?"
    r"[A-Za-z0-9\-]{1,63}(?:\s?(?:\.|\(dot\)|\[dot\]|\(punkt\))\s?[A-Za-z0-9\-]{2,63}){1,4}",
    re.IGNORECASE,
)
# From seven digits on, begun by + or 0, or announced by a word: a post code, a date or an opening time is none.
_TELEPHONE = re.compile(
    r"(?<![\w/.\-])(?:"
    r"(?:\+|00)\d{1,3}[\s()/.\-–]{0,3}(?:\d[\s()/.\-–]{0,3}){5,14}\d"
    r"|\(?0\d{2,5}\)?[\s/.\-–]{1,3}(?:\d[\s/\-–]?){3,10}\d"
    r"|01[5-7]\d{7,10}"
    r"|(?:(?<=Tel\. )|(?<=Tel: )|(?<=Tel\.: )|(?<=Fon: )|(?<=Telefon: ))(?:\d[\s/\-–]?){4,12}\d"
    r")(?![\w])"
)
_WORD = r"[A-ZÄÖÜ][a-zäöüßéèáçñøåœ'’]{1,30}"
_SURNAME = rf"(?:(?:von|van|de|der|zu|zum|zur|del|di)\s){{0,2}}{_WORD}(?:-{_WORD})?"
_TITLED = re.compile(
    rf"\b(?:Herrn?|Frau|Dr\.|Prof\.|Dipl\.-Ing\.|Mr\.|Mrs\.|Ms\.)\s(?:(?:Dr\.|Prof\.|med\.|phil\.)\s)*(?:{_WORD}\s)?{_SURNAME}"
)
_GIVEN = re.compile(rf"(?<![\w\-]){_WORD}(?:-{_WORD})?(?![\w\-])")
_REST = re.compile(rf"\s(?:[A-ZÄÖÜ]\.\s)?(?P<surname>{_SURNAME})(?![\w])")
_STREET = re.compile(r"[\s\-]?(?:straße|str\.|platz|weg|allee|schule)", re.IGNORECASE)
_INTRODUCED = re.compile(r"(?:^|[\s\]])(?:mit|von|bei|durch|für|und|an|by|with|and)\s$", re.IGNORECASE)
# What follows a given name in the name of a street, a house or a prize.
_THINGS = """
Straße Platz Weg Allee Schule Gymnasium Haus Halle Kirche Park Museum Institut Stiftung Universität Preis Saal Café Cafe Raum
Werkstatt Verein Club Bühne Kolleg Zentrum Bibliothek Theater Tag Abend Fest Kurs Treff Seminar Award
"""
_NOT_SURNAMES = frozenset(_THINGS.split())


def names_in(value: str) -> list[str]:
    """The names of a field that holds a contact: `Erika Muster; erika@example.org`, `MAILTO:...`, `CN`."""
    without_addresses = _TELEPHONE.sub(" ", _MAIL.sub(" ", value))
    parts = re.split(r"[;,|()<>\n]|\s-\s", without_addresses)
    names = [" ".join(part.split()) for part in parts]
    return [each for each in names if re.fullmatch(rf"{_WORD}(?:-{_WORD})?(?:\s{_SURNAME})+", each)]


def masked(text: str, known_names: Iterable[str] = ()) -> str:
    """The text without mail addresses, telephone numbers and names; the rest stays as it is."""
    result = _TELEPHONE.sub(TELEPHONE, _MAIL.sub(MAIL, text))
    for name in sorted(set(known_names), key=len, reverse=True):
        result = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", NAME, result)
    return _without_given_names(_TITLED.sub(NAME, result))


def _without_given_names(text: str) -> str:
    parts: list[str] = []
    done = 0
    for match in _GIVEN.finditer(text):
        if match.start() < done or match[0].split("-")[0] not in GIVEN_NAMES:
            continue
        end = match.end()
        rest = _REST.match(text, end)
        surname = rest["surname"].split()[-1] if rest else ""
        if rest is not None and surname not in _NOT_SURNAMES and not _STREET.match(text, rest.end()):
            end = rest.end()
        elif rest is not None or not _INTRODUCED.search(text[max(0, match.start() - 8) : match.start()]):
            continue
        parts += [text[done : match.start()], NAME]
        done = end
    return "".join((*parts, text[done:]))


def shortened(value: str, length_max: int) -> str:
    """A value for a report: masked, one line, cut."""
    line = " ".join(masked(value).split())
    return line if len(line) <= length_max else line[: length_max - 1] + "…"
