"""Rules about words: what no file of the repository may say. The patterns are written so that they do not match themselves."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from tests.tidy.tree import Finding, Rule, Tree

# Pinned is what (coordinates, version, hash), never where: each ecosystem's client knows its default, a mirror is a setting.
_REGISTRIES = re.compile(
    r"\b(pypi[.]org|pypi[.]python[.]org|pythonhosted[.]org|test[.]pypi|repo1?[.]maven[.]|maven[.]apache[.]org|search[.]maven[.]"
    r"|central[.]sonatype|oss[.]sonatype|registry[.]npmjs|npmjs[.](?:com|org)|yarnpkg[.]com|crates[.]io|proxy[.]golang|goproxy[.]"
    r"|registry[-.\w]*docker|docker[.]io|ghcr[.]io|quay[.]io|gcr[.]io|mcr[.]microsoft|archive[.]apache|downloads[.]apache"
    r"|dlcdn[.]apache|deb[.]debian|security[.]debian|ftp[.]debian|archive[.]ubuntu|anaconda[.]org|get[.]enterprisedb"
    r"|raw[.]githubusercontent|objects[.]githubusercontent|codeload[.]github|github[.]com/[\w.-]+/[\w.-]+/(?:releases/download|archive)"
    r"|unpkg[.]com|cdn[.]jsdelivr|cdnjs[.]cloudflare)",
    re.IGNORECASE,
)
_PATHS = re.compile(
    r"(?<![\w./:-])(/home/(?!nonroot\b|app\b)[a-z_][\w.-]*/|/Users/[A-Za-z][\w.-]*/|/root/[\w.]|/work(?:/|space\b)|/tmp/(?:plan|tidy)\b"
    r"|/mnt/[a-z]/Users|[A-Z]:[\\/]+Users[\\/])"
)
_WORDS = re.compile(
    r"\b(?:(?<!user[-_ ])(?:sub)?[a]gents?|h[e]lpers?|the i[s]sue(?! date)|i[s]sue ?#\d+|th(?:is|e) work[p]lace"
    r"|steering r[e]po\w*|(?:coding|working|earlier|previous) s[e]ssion|the C[E]O|pl[a]n[.]md"
    r"|cl[a]ude|anth[r]opic|ope[n]ai|chat-?g[p]t|cop[i]lot|large language m[o]dels?|AI[- ][a]ssist\w*"
    r"|generated (?:by|with) A[I]|co-auth[o]red-by)\b",
    re.IGNORECASE,
)
_UNFINISHED = re.compile(
    r"\b(TO[D]O|FIX[M]E|XX[X]|HA[C]K)\b|\blorem ipsum\b|\bnot (?:yet )?implemented\b|\bNotImplemented[E]rror\b"
)
_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)(?:#[^)]*)?\)")
_TEMPLATE = re.compile(r"(^|/)templates/.+[.](html|jinja|j2|svg|xml)$")
_INLINE = re.compile(
    r"<script\b(?![^>]*\bsrc=)|<style\b|\s(style|on[a-z]+|hx-on[:\w-]*)\s*=|\b(src|href|action|poster|srcset)\s*=\s*[\"']?(https?:)?//",
    re.IGNORECASE,
)
_LOCKS = ("requirements",)  # written by a tool, hashes and names of others


def _hits(tree: Tree, pattern: re.Pattern[str], *, locks: bool = False) -> Iterator[tuple[str, int, str]]:
    """Path, line and text of each place; in locks only if asked."""
    for source in tree.sources.values():
        if locks or source.is_python or not PurePosixPath(source.path).name.startswith(_LOCKS):
            for match in pattern.finditer(source.text):
                yield source.path, source.text.count("\n", 0, match.start()) + 1, match[0].strip()


def _address(tree: Tree) -> Iterator[Finding]:
    for path, line, text in _hits(tree, _REGISTRIES, locks=True):
        message = f"`{text}`: name coordinates, version and hash; the client knows where, a mirror is a setting"
        yield Finding(path, line, "address", message)


def _path(tree: Tree) -> Iterator[Finding]:
    for path, line, text in _hits(tree, _PATHS):
        yield Finding(path, line, "path", f"`{text}` is a path of one machine: make it relative, or a setting")


def _word(tree: Tree) -> Iterator[Finding]:
    for path, line, text in _hits(tree, _WORDS):
        yield Finding(path, line, "word", f"`{text}` is about how this was made: say what it is, for who reads it later")


def _unfinished(tree: Tree) -> Iterator[Finding]:
    for path, line, text in _hits(tree, _UNFINISHED):
        yield Finding(path, line, "unfinished", f"`{text}`: finish it, or leave it out; a plan belongs elsewhere")


def _template(tree: Tree) -> Iterator[Finding]:
    for source in tree.sources.values():
        if not _TEMPLATE.search(source.path):
            continue
        for number, line in enumerate(source.lines, 1):
            match = _INLINE.search(line)
            if match:
                message = f"`{match[0].strip()}` needs a hole in the content policy: put it into `static/`, from our own host"
                yield Finding(source.path, number, "template", message)


def _link(tree: Tree) -> Iterator[Finding]:
    folders = {parent.as_posix() for path in tree.sources for parent in PurePosixPath(path).parents}
    for source in tree.sources.values():
        if not source.path.endswith(".md"):
            continue
        for number, line in enumerate(source.lines, 1):
            for target in _LINK.findall(line):
                resolved = _resolve(PurePosixPath(source.path).parent, target)
                if resolved not in tree.sources and resolved not in folders:
                    message = f"the link to `{target}` leads nowhere: link a file of this repository"
                    yield Finding(source.path, number, "link", message)


def _resolve(folder: PurePosixPath, target: str) -> str:
    parts: list[str] = [] if target.startswith("/") else list(folder.parts)
    for part in PurePosixPath(target.lstrip("/")).parts:
        if part == "..":
            parts[-1:] = []
        elif part != ".":
            parts.append(part)
    return PurePosixPath(*parts).as_posix() if parts else "."


RULES = (
    Rule("address", _address),
    Rule("path", _path),
    Rule("word", _word),
    Rule("unfinished", _unfinished),
    Rule("link", _link),
    Rule("template", _template),
)
