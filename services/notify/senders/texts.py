"""Texts of mails: shipped templates, strict about what they use, HTML escaped.

`templates/<kind>/<language>.{subject,txt,html}`; the plain text is written, not stripped from the HTML.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, select_autoescape

from services.notify.domain.messages import Kind
from services.notify.domain.wording import clean

TEMPLATES_VERSION: Final = 1
"""Raised with every change of the shipped texts; noted with each message, so that one can tell what was sent."""

_FOLDER: Final = Path(__file__).parents[1] / "templates"
_BLANK_LINES: Final = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """All that a template may use; every value is cleaned and in the person's language. Empty: there is nothing to say."""

    hub: str
    name: str
    is_neutral: bool
    title: str
    day: str
    when: str
    old_when: str
    place: tuple[str, ...]
    online_url: str
    code: str
    notes: tuple[tuple[str, ...], ...]
    telephone: str
    alternatives: tuple[str, ...]
    rebook_by: str
    caused: str
    by_you: bool
    told_before: bool
    is_confirmed: bool
    has_entry: bool


@dataclass(frozen=True, slots=True)
class Text:
    """A rendered message."""

    subject: str
    plain: str
    html: str


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_FOLDER),
        undefined=StrictUndefined,
        autoescape=select_autoescape(enabled_extensions=("html",), default=False),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
        auto_reload=False,
    )


@lru_cache(maxsize=1)
def _shipped() -> Environment:
    return _environment()


@lru_cache(maxsize=256)
def _template(kind: Kind, language: str, form: str) -> Template:
    template = _shipped().get_template(f"{kind}/{language}.{form}")
    template.globals = dict(template.globals)  # a chain of maps, that each rendering would walk through
    return template


def render(kind: Kind, language: str, words: Words) -> Text:
    """The text in one of the languages that are shipped.

    Errors: `jinja2.TemplateError`; a text that cannot be made is a fault of the template, not of the message.
    """
    values: dict[str, object] = {name: getattr(words, name) for name in Words.__dataclass_fields__}
    subject = clean(_template(kind, language, "subject").render(values))
    values["subject"] = subject
    plain = _BLANK_LINES.sub("\n\n", _template(kind, language, "txt").render(values)).strip() + "\n"
    return Text(subject, plain, _template(kind, language, "html").render(values).strip() + "\n")
