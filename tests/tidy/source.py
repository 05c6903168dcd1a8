"""One file as the rules see it: text, syntax tree, imports, escapes. Everything is computed once and on demand."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import TypeVar, overload

_ESCAPE = re.compile(r"#\s*tidy:\s*(?P<rule>[a-z-]*)\s*(?P<why>.*?)\s*$")
_ESCAPE_IN_PROSE = re.compile(r"<!--\s*tidy:\s*(?P<rule>[a-z-]*)\s*(?P<why>.*?)\s*-->")
_ESCAPE_WORDS_MIN = 3  # fewer cannot be a reason

Node = TypeVar("Node", bound=ast.AST)
Other = TypeVar("Other", bound=ast.AST)
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Escape:
    """A comment that lets one finding of `rule` on `line` stand."""

    rule: str
    why: str
    line: int

    @property
    def has_reason(self) -> bool:
        """Whether the comment says why, in at least three words."""
        return len(self.why.split()) >= _ESCAPE_WORDS_MIN


class Source:
    """A file of the tree; `path` is relative to the repository's root. Only Python files have a syntax tree."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text

    @property
    def is_python(self) -> bool:
        """Whether the file has a syntax tree."""
        return self.path.endswith(".py")

    @cached_property
    def module(self) -> str:
        """Dotted name; a package's is that of its folder."""
        parts = PurePosixPath(self.path).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def package(self) -> str:
        """The package that relative imports start from."""
        return self.module if self.path.endswith("__init__.py") else self.module.rpartition(".")[0]

    @cached_property
    def lines(self) -> list[str]:
        """Without line ends."""
        return self.text.splitlines()

    @cached_property
    def tree(self) -> ast.Module:
        """SyntaxError if the file is no Python."""
        return ast.parse(self.text, self.path)

    @cached_property
    def _by_type(self) -> dict[type[ast.AST], list[ast.AST]]:
        found: dict[type[ast.AST], list[ast.AST]] = {}
        for node in ast.walk(self.tree):
            found.setdefault(type(node), []).append(node)
        return found

    @overload
    def of(self, kind: type[Node], /) -> Iterator[Node]: ...
    @overload
    def of(self, kind: type[Node], other: type[Other], /) -> Iterator[Node | Other]: ...
    def of(self, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
        """All nodes of exactly these types, in no order that matters."""
        for kind in kinds:
            yield from self._by_type.get(kind, ())

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """Child to parent, for rules that ask what surrounds a node."""
        return {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """What surrounds `node`, innermost first."""
        while node in self.parents:
            node = self.parents[node]
            yield node

    @cached_property
    def docstrings(self) -> set[ast.AST]:
        """The constants that are docstrings, or strings that stand alone as a statement."""
        return {node.value for node in self.of(ast.Expr) if isinstance(node.value, ast.Constant)}

    @cached_property
    def names(self) -> dict[str, str]:
        """Local name to the dotted name it was imported from, wherever in the file."""
        found: dict[str, str] = {}
        for node in self.of(ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        for each in self.of(ast.ImportFrom):
            origin = self.origin(each)
            found.update({alias.asname or alias.name: f"{origin}.{alias.name}" for alias in each.names})
        return found

    def origin(self, node: ast.ImportFrom) -> str:
        """The absolute module that a `from` import names."""
        if not node.level:
            return node.module or ""
        parts = self.package.split(".")
        base = parts[: len(parts) - node.level + 1]
        return ".".join([*base, node.module] if node.module else base)

    @cached_property
    def imported(self) -> dict[str, int]:
        """Every module or module attribute that is imported, dotted, with the line of its first import."""
        found: dict[str, int] = {}
        for node in self.of(ast.Import):
            for alias in node.names:
                found.setdefault(alias.name, node.lineno)
        for each in self.of(ast.ImportFrom):
            for alias in each.names:
                found.setdefault(f"{self.origin(each)}.{alias.name}", each.lineno)
        return found

    def dotted(self, node: ast.AST) -> str | None:
        """`a.b.c` as written, or None for anything but names and attributes."""
        if isinstance(node, ast.Name):
            return node.id
        if isinstance(node, ast.Attribute):
            base = self.dotted(node.value)
            return base and f"{base}.{node.attr}"
        return None

    def qualified(self, node: ast.AST) -> str | None:
        """`a.b.c` with the import behind `a` put in its place; None if `a` was not imported."""
        written = self.dotted(node)
        if written is None:
            return None
        first, dot, rest = written.partition(".")
        return self.names[first] + dot + rest if first in self.names else None

    @cached_property
    def escapes(self) -> list[Escape]:
        """Comments `# tidy: <rule> <why>`; in Python only real comments count, not the same text inside a string."""
        if "tidy:" not in self.text:
            return []
        numbered = self._comments() if self.is_python else enumerate(self.lines, 1)
        pattern = _ESCAPE_IN_PROSE if self.path.endswith(".md") else _ESCAPE
        return [
            Escape(match["rule"], match["why"], number)
            for number, text in numbered
            if (match := pattern.search(text)) is not None
        ]

    def _comments(self) -> Iterator[tuple[int, str]]:
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string
