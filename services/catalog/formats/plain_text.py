"""Foreign texts to CommonMark without raw HTML: an allow-list of elements, links to the web, mail and telephone only."""

import re
from html.parser import HTMLParser

from services.catalog.domain.texts import clean

_LINK = re.compile(r"(?:https?://|mailto:|tel:)[!-~]{1,500}", re.IGNORECASE)
_SILENT = frozenset({"script", "style", "head", "title", "template", "iframe", "object", "svg", "math", "noscript"})
_PARAGRAPHS = frozenset({"p", "div", "section", "article", "table", "tr", "blockquote", "ul", "ol", "dl", "pre"})
_HEADINGS = {"h1": "## ", "h2": "## ", "h3": "### ", "h4": "#### ", "h5": "#### ", "h6": "#### "}
_MARKS = {"strong": "**", "b": "**", "em": "*", "i": "*"}
_LOOKS_LIKE_HTML = re.compile(r"<(?:p|br|div|span|ul|ol|li|a|b|i|strong|em|h[1-6]|table|html|body)\b[^>]*>", re.IGNORECASE)
_RAW_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_LINE_END = re.compile(r"(?<=[^\s])\n(?=[^\s\-*+#>])")  # two blanks keep it: a plain text's lines are meant
_IMAGE = re.compile(r"!\[")
DEPTH_MAX = 64  # of nested silent elements; deeper ones stay silent too


class _Reader(HTMLParser):
    """Collects text; what is not on the list leaves its text and loses its tag."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._silent = 0
        self._links: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent = min(self._silent + 1, DEPTH_MAX)
        elif tag == "br":
            self.parts.append("\n")
        elif tag == "li":
            self.parts.append("\n- ")
        elif tag in _HEADINGS:
            self.parts.append("\n\n" + _HEADINGS[tag])
        elif tag in _PARAGRAPHS:
            self.parts.append("\n\n")
        elif tag in _MARKS:
            self.parts.append(_MARKS[tag])
        elif tag == "a" and len(self._links) < DEPTH_MAX:
            address = (dict(attrs).get("href") or "").strip()
            self._links.append(address if _LINK.fullmatch(address) else None)

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag in _PARAGRAPHS or tag in _HEADINGS:
            self.parts.append("\n\n")
        elif tag in _MARKS:
            self.parts.append(_MARKS[tag])
        elif tag == "a" and self._links:
            address = self._links.pop()
            if address is not None:
                self.parts.append(f" ({address})")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(re.sub(r"\s+", " ", data))


def commonmark(text: str) -> str:
    """The text, HTML or not, as CommonMark: blocks apart, no tags, no images, no code by indentation, clean characters."""
    if _LOOKS_LIKE_HTML.search(text):
        reader = _Reader()
        reader.feed(text)
        reader.close()
        text = re.sub(r" +\n", "\n", "".join(reader.parts))
    lines = [line.strip() for line in clean(text).split("\n")]
    joined = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    joined = _LINE_END.sub("  \n", joined)
    return _IMAGE.sub("[", _RAW_TAG.sub("&lt;", joined))


def one_line(text: str) -> str:
    """A title or label: no markup, no line breaks."""
    if _LOOKS_LIKE_HTML.search(text):
        reader = _Reader()
        reader.feed(text)
        reader.close()
        text = "".join(part for part in reader.parts if part not in ("**", "*"))
    return " ".join(clean(text).split())
