"""Rules about SQL: where it stands, and that it is never built from pieces."""

import ast
import re
from collections.abc import Callable, Iterator

from tests.tidy.source import Source
from tests.tidy.tree import Finding, Rule, Tree

# Words in capitals as the house writes them, anywhere in the text ...
_CAPITALS = re.compile(
    r"\b(SELECT\s+\S|INSERT\s+INTO\s|DELETE\s+FROM\s|UPDATE\s+[\w.\"{]+\s+SET\s|TRUNCATE\s+\w|MERGE\s+INTO\s"
    r"|(CREATE|ALTER|DROP)\s+(OR\s+REPLACE\s+|UNIQUE\s+|TEMP\w*\s+|UNLOGGED\s+)?"
    r"(TABLE|INDEX|ROLE|USER|DATABASE|SCHEMA|EXTENSION|VIEW|FUNCTION|SEQUENCE|TYPE|TRIGGER|DOMAIN)\s"
    r"|(GRANT|REVOKE)\s[\w\s,]+\sON\s|SET\s+(LOCAL|SESSION)\s|SAVEPOINT\s+\w|ROLLBACK\s+TO\s|LOCK\s+TABLE\s|(LISTEN|NOTIFY)\s+\w"
    r"|WHERE\s+\w|ORDER\s+BY\s|GROUP\s+BY\s|RETURNING\s|ON\s+CONFLICT\s|FOR\s+(NO\s+KEY\s+)?(UPDATE|SHARE)\b|VALUES\s*\()"
)
# ... and in small letters only where the whole text begins like a statement, which English prose hardly does.
_SMALL = re.compile(
    r"^\s*(select\s+(\*|\d+\s*$|[\w.]+\(|[\w.,\s\"]+\sfrom\s)|insert\s+into\s+\w+|delete\s+from\s+\w+\s*(where|returning|$)"
    r"|update\s+\w+\s+set\s+\w+\s*=|(create|alter|drop)\s+(table|index|role|database|extension|schema)\s|truncate\s+table\s"
    r"|set\s+(local|session)\s|with\s+\w+\s+as\s*\()"
)
_CONNECTIVE = re.compile(r"^\s+(AND|OR|UNION( ALL)?)\s+$")
_PLACES = re.compile(
    r"^(hubkit/|services/[a-z]+/((store|search)(\.py$|/)|migrations/)|deploy/migrate(\.py$|/))"
)  # roles and databases are made by deploy
# Decided: tests and benchmarks look into the database with SQL of their own, as frontends look at the bus.
_OTHERS = ("tests/", "bench/")
_GAP = "_"  # stands for a value inside an f-string
_Test = Callable[[ast.AST], bool]  # whether a node holds a statement


def is_sql(text: str) -> bool:
    """Whether a text looks like a statement or a part of one."""
    return bool(_CAPITALS.search(text) or _SMALL.match(text))


def _text(node: ast.AST) -> str | None:
    """The text of a constant or f-string, a gap for each value; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) or _GAP for part in node.values)
    return None


def _statements(source: Source) -> Iterator[tuple[ast.expr, str]]:
    """Every string that looks like SQL; docstrings and the parts of f-strings are left out."""
    parts = {part for joined in source.of(ast.JoinedStr) for part in joined.values}
    for node in source.of(ast.Constant, ast.JoinedStr):
        text = _text(node)
        if text is not None and node not in source.docstrings and node not in parts and is_sql(text):
            yield node, text


def _place(tree: Tree) -> Iterator[Finding]:
    for source in tree.python:
        if _PLACES.match(source.path) or source.path.startswith(_OTHERS):
            continue
        for node, _ in _statements(source):
            message = "SQL outside of `store`: make it a typed function there, or in hubkit, or a migration"
            yield Finding(source.path, node.lineno, "sql-place", message)


def _pieces(tree: Tree) -> Iterator[Finding]:
    for source in tree.python:
        if source.path.startswith("tests/"):
            continue
        statements = {node for node, _ in _statements(source)}
        named = _named(source, statements)

        def is_statement(node: ast.AST, statements: set[ast.expr] = statements, named: set[str] = named) -> bool:
            return node in statements or (isinstance(node, ast.Name) and node.id in named)

        for line, how in sorted(
            {*_joined(source, is_statement), *_operated(source, is_statement), *_called(source, is_statement)}
        ):
            message = f"a statement built by {how}: write it whole, values as $1, lists as `= ANY($1)` or `unnest`"
            yield Finding(source.path, line, "sql-pieces", message)


def _named(source: Source, statements: set[ast.expr]) -> set[str]:
    """Names that hold a statement somewhere in the file."""
    names: set[str] = set()
    for node in source.of(ast.Assign):
        if node.value in statements:
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
    for annotated in source.of(ast.AnnAssign):
        if annotated.value in statements and isinstance(annotated.target, ast.Name):
            names.add(annotated.target.id)
    return names


def _joined(source: Source, is_statement: _Test) -> Iterator[tuple[int, str]]:
    for node in source.of(ast.JoinedStr):
        values = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
        if values and (is_statement(node) or any(is_statement(value) for value in values)):
            yield node.lineno, "an f-string"


def _operated(source: Source, is_statement: _Test) -> Iterator[tuple[int, str]]:
    for node in source.of(ast.BinOp):
        if isinstance(node.op, ast.Add) and (is_statement(node.left) or is_statement(node.right)):
            yield node.lineno, "`+`"
        elif isinstance(node.op, ast.Mod) and is_statement(node.left):
            yield node.lineno, "`%`"
    for augmented in source.of(ast.AugAssign):
        if isinstance(augmented.op, ast.Add) and (is_statement(augmented.target) or is_statement(augmented.value)):
            yield augmented.lineno, "`+=`"


def _called(source: Source, is_statement: _Test) -> Iterator[tuple[int, str]]:
    for call in source.of(ast.Call):
        if not isinstance(call.func, ast.Attribute):
            continue
        method, base = call.func.attr, call.func.value
        if method in ("format", "format_map", "replace") and is_statement(base):
            yield call.lineno, f"`.{method}`"
        elif method == "join" and isinstance(base, ast.Constant) and isinstance(base.value, str):
            holds = any(is_statement(node) for arg in call.args for node in ast.walk(arg))
            if holds or (_CONNECTIVE.match(base.value) and _PLACES.match(source.path)):
                yield call.lineno, "`.join`"


RULES = (Rule("sql-place", _place), Rule("sql-pieces", _pieces))
