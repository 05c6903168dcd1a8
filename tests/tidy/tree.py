"""The tree of files that rules run over, and the one way to run them: findings less escapes, plus escapes that hide nothing."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.tidy.source import Source

_SUFFIXES = frozenset({".py", ".md", ".toml", ".lock", ".yaml", ".yml", ".json", ".ini", ".cfg", ".sh", ".sql", ".txt"}) | {
    ".mako", ".ics", ".xml", ".html", ".css", ".js", ".svg", ".jinja", ".j2",
}  # fmt: skip
_NAMES = frozenset({"Makefile", "LICENSE", "Dockerfile", "run", ".importlinter", ".gitignore"})
_FOLDERS_SKIPPED = frozenset({"__pycache__", "build", "dist", "results", "node_modules"})
_DOT_FOLDERS_READ = frozenset({".ci", ".github"})
FILE_BYTES_MAX = 2 * 1024 * 1024  # larger ones are data, not text that somebody wrote


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One place that breaks one rule; the message names the replacement."""

    path: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


class Tree:
    """Files by path relative to the root."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.sources = {path: Source(path, text) for path, text in sorted(texts.items())}

    @classmethod
    def read(cls, root: Path) -> "Tree":
        """All text files below `root`, without hidden folders, caches and results of measurements."""
        return cls({path.relative_to(root).as_posix(): path.read_text("utf-8") for path in _files(root)})

    @cached_property
    def python(self) -> list[Source]:
        """All Python files."""
        return [source for source in self.sources.values() if source.is_python]

    def under(self, *prefixes: str) -> Iterator[Source]:
        """Python files below the given folders."""
        return (source for source in self.python if source.path.startswith(prefixes))


Check = Callable[[Tree], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Rule:
    """A name, as an escape gives it, and the check."""

    name: str
    check: Check


def findings(tree: Tree, rules: Sequence[Rule]) -> list[Finding]:
    """What breaks `rules` and is not escaped, and each escape that is wrong; sorted, empty if all is well."""
    raw = {finding for rule in rules for finding in rule.check(tree)}
    used = set()
    left = []
    for finding in raw:
        escape_line = _escape_line(tree.sources[finding.path], finding)
        if escape_line is None:
            left.append(finding)
        else:
            used.add((finding.path, escape_line))
    left.extend(_wrong_escapes(tree, {rule.name for rule in rules}, used))
    return sorted(left)


def _escape_line(source: Source, finding: Finding) -> int | None:
    """The line of the escape for this finding: on the line itself, or alone on the line above."""
    for escape in source.escapes:
        alone = source.lines[escape.line - 1].lstrip().startswith(("#", "<!--"))
        reached = finding.line == escape.line or (alone and finding.line == escape.line + 1)
        if reached and escape.rule == finding.rule and escape.has_reason:
            return escape.line
    return None


def _wrong_escapes(tree: Tree, known: set[str], used: set[tuple[str, int]]) -> Iterator[Finding]:
    for source in tree.sources.values():
        for escape in source.escapes:
            if escape.rule not in known:
                message = f"no rule is called {escape.rule!r}; write one of: {', '.join(sorted(known))}"
            elif not escape.has_reason:
                message = f"say why after `tidy: {escape.rule}`, in a few words"
            elif (source.path, escape.line) not in used:
                message = f"nothing here breaks {escape.rule}: remove the escape"
            else:
                continue
            yield Finding(source.path, escape.line, "escape", message)


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(
            name for name in folders if name not in _FOLDERS_SKIPPED and (not name.startswith(".") or name in _DOT_FOLDERS_READ)
        )
        for name in sorted(files):
            path = Path(folder, name)
            is_text = path.suffix in _SUFFIXES or name in _NAMES
            if is_text and not path.is_symlink() and path.stat().st_size <= FILE_BYTES_MAX:
                yield path
