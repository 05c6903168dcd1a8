"""Planted violations: small trees in which exactly the marked lines must be found, by one rule, with its replacement named.

A line that ends with the comment `bad` must be found; every other line is good code next to it and must not be.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_MARK = re.compile(r"\s*(?:#|<!--) bad\b.*$")


@dataclass(frozen=True, slots=True)
class Plant:
    """A tree of `files` with marks, the rule that must find them, and words of the message that name the replacement."""

    rule: str
    instead: str
    files: Mapping[str, str]

    @property
    def texts(self) -> dict[str, str]:
        """The files without the marks."""
        return {path: "\n".join(_MARK.sub("", line) for line in _lines(text)) for path, text in self.files.items()}

    @property
    def expected(self) -> set[tuple[str, int]]:
        """Path and line of every mark."""
        return {
            (path, number)
            for path, text in self.files.items()
            for number, line in enumerate(_lines(text), 1)
            if _MARK.search(line)
        }


def _lines(text: str) -> list[str]:
    return text.lstrip("\n").splitlines()
