"""Texts in several languages: tags, the characters that are let in, and which language a reader gets."""

import re
import unicodedata
from collections.abc import Iterator

from services.catalog.domain.entities import Json, Problem, Texts
from services.catalog.limits import JSON_DEPTH_MAX, LIST_ITEMS_MAX, TEXT_CHARACTERS_MAX

MAIN_LANGUAGE = "de"
SIMPLE = "de-simple"  # Leichte Sprache, registered variant `simple`
_SIMPLE_ALIASES = frozenset({"de-simple", "de-x-simple", "de-x-simplified", "de-de-x-simple-language", "de-de-simple"})
_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}")
# C0 and C1 controls but line feed and tab, and what turns the direction of text around (U+202A-E, U+2066-9)
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def normal_tag(tag: str) -> str | None:
    """The tag as this house writes it, or none if it is no BCP 47 tag."""
    if tag.lower() in _SIMPLE_ALIASES:  # one of them is too long a subtag to be a tag at all
        return SIMPLE
    if _TAG.fullmatch(tag) is None:
        return None
    language, *rest = tag.split("-")
    parts = [language.lower()]
    for part in rest:
        if len(part) == 2 and parts[-1] != "x":
            parts.append(part.upper())
        elif len(part) == 4 and part.isalpha() and len(parts) == 1:
            parts.append(part.title())
        else:
            parts.append(part.lower())
    return "-".join(parts)


def clean(text: str) -> str:
    """What an import keeps of a text: NFC, line feeds only, forbidden characters dropped, no blanks at its ends."""
    unified = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    return unicodedata.normalize("NFC", _SURROGATE.sub("", _FORBIDDEN.sub("", unified))).strip()


def is_clean(text: str) -> bool:
    """Whether a text may be stored as it is."""
    return _FORBIDDEN.search(text) is None and _SURROGATE.search(text) is None and unicodedata.is_normalized("NFC", text)


def faults(document: Json, pointer: str = "", depth: int = 0) -> Iterator[Problem]:
    """What is wrong with the strings, lists and nesting of a document from outside, whatever its fields mean."""
    if depth > JSON_DEPTH_MAX:
        yield Problem(pointer, "too_deep")
    elif isinstance(document, str):
        if len(document) > TEXT_CHARACTERS_MAX:
            yield Problem(pointer, "too_long")
        elif not is_clean(document):
            yield Problem(pointer, "bad_characters")
    elif isinstance(document, dict | list):
        if len(document) > LIST_ITEMS_MAX:
            yield Problem(pointer, "too_many")
            return
        pairs = document.items() if isinstance(document, dict) else ((str(n), each) for n, each in enumerate(document))
        for name, value in pairs:
            if not is_clean(name):
                yield Problem(pointer, "bad_characters")
            else:
                yield from faults(value, f"{pointer}/{escaped(name)}", depth + 1)


def escaped(name: str) -> str:
    """One step of a JSON Pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def pick(texts: Texts, asked: str) -> tuple[str, str] | None:
    """The tag used and its text: the asked tag, its base language, German, then whatever is there; none if empty."""
    tag = normal_tag(asked) or MAIN_LANGUAGE
    for candidate in (tag, tag.split("-")[0], MAIN_LANGUAGE, *sorted(texts)):
        if texts.get(candidate):
            return candidate, texts[candidate]
    return None


def without_simple(texts: Texts) -> Texts:
    """The texts without Leichte Sprache, for as long as nobody reviewed it."""
    return {tag: text for tag, text in texts.items() if tag != SIMPLE}
