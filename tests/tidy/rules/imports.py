"""Rules about imports that import-linter cannot say: lists of what is allowed, and what nobody needs."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator

from tests.tidy.source import Source
from tests.tidy.tree import Finding, Rule, Tree

_PURE = re.compile(r"^services/(?P<service>[a-z]+)/(?P<layer>domain|limits|words|kpi|suppress)(\.py$|/)")
_BELOW = {  # what of its own service a pure layer may import, beside itself
    "limits": frozenset[str](),
    "words": frozenset({"limits"}),
    "domain": frozenset({"limits"}),
    "kpi": frozenset({"domain", "words", "limits"}),
    "suppress": frozenset({"domain", "words", "limits"}),
}
_CONTRACTS_NEED = frozenset({"pydantic", "pydantic_core", "annotated_types", "contracts"})

# Modules that something else than an import starts: reason behind each.
ENTRY_POINTS = {
    "deploy.bootstrap": "run by make with the system's Python, before anything is installed",
    "hubkit.health": "the container's health check",
}
_CODE = ("contracts/", "hubkit/", "services/", "deploy/")
_RUN_AS_MODULE = re.compile(r"-m[\s\",\]]+([a-z_]+(?:\.[a-z_]+)+)")
_MIGRATION = re.compile(r"^(hubkit|services/[a-z]+)/migrations/")


def _top(name: str) -> str:
    return name.partition(".")[0]


def _domain(tree: Tree) -> Iterator[Finding]:
    for source in tree.under("services/"):
        match = _PURE.match(source.path)
        if match is None:
            continue
        layer, home = match["layer"], f"services.{match['service']}"
        allowed = {f"{home}.{name}" for name in (_BELOW[layer] | {layer})}
        for name, line in source.imported.items():
            inside = any(name == one or name.startswith(one + ".") for one in allowed)
            if not inside and _top(name) not in sys.stdlib_module_names:
                message = (
                    f"`{name}` in a pure layer: import the standard library and {sorted(_BELOW[layer])}; `wire` translates"
                )
                yield Finding(source.path, line, "domain", message)


def _contracts(tree: Tree) -> Iterator[Finding]:
    for source in tree.under("contracts/"):
        for name, line in source.imported.items():
            if _top(name) not in sys.stdlib_module_names | _CONTRACTS_NEED:
                message = f"`{name}`: partners install contracts alone, with pydantic and the standard library only"
                yield Finding(source.path, line, "contracts", message)


def _started(tree: Tree) -> set[str]:
    """Modules named by the distribution's scripts, or run by `-m` from code, Makefile or compose files."""
    found = set(ENTRY_POINTS)
    project = tree.sources.get("pyproject.toml")
    if project is not None:
        scripts = tomllib.loads(project.text).get("project", {}).get("scripts", {})
        found.update(str(target).partition(":")[0] for target in scripts.values())
    for source in tree.sources.values():
        if not source.path.startswith("tests/") and not source.path.endswith(".md"):
            found.update(_RUN_AS_MODULE.findall(source.text))
    return found


def _orphan(tree: Tree) -> Iterator[Finding]:
    needed = _started(tree)
    for source in tree.python:
        if not source.path.startswith("tests/") or source.path.startswith("tests/support/"):
            needed |= _with_prefixes(source)
    needed_by_tests = {name for source in tree.under("tests/") for name in _with_prefixes(source)}
    for source in tree.under(*_CODE, "tests/support/"):
        is_support = source.path.startswith("tests/support/")
        if source.path.endswith(("/__init__.py", "/__main__.py")) or _MIGRATION.match(source.path):
            continue
        if source.module not in (needed | needed_by_tests if is_support else needed):
            message = f"nobody imports `{source.module}`: remove it, or list it in ENTRY_POINTS of tests/tidy/rules/imports.py"
            yield Finding(source.path, 1, "orphan", message)


def _with_prefixes(source: Source) -> set[str]:
    """What a file imports, each with the packages it lies in, but not the file itself."""
    found: set[str] = set()
    for name in source.imported:
        parts = name.split(".")
        found.update(".".join(parts[:length]) for length in range(1, len(parts) + 1))
    return found - {source.module}


def _unused(tree: Tree) -> Iterator[Finding]:
    """Top-level functions, classes and constants whose name appears nowhere else outside of tests."""
    seen: dict[str, int] = {}
    for source in tree.python:
        if not source.path.startswith("tests/") or source.path.startswith("tests/support/"):
            for name in _mentions(source):
                seen[name] = seen.get(name, 0) + 1
    in_tests = {name for source in tree.under("tests/") for name in _mentions(source)}
    for source in tree.under("hubkit/", "services/", "deploy/", "tests/support/"):
        if _MIGRATION.match(source.path) or source.path.endswith("/__main__.py"):
            continue
        also = in_tests if source.path.startswith("tests/support/") else set[str]()
        for name, line in _definitions(source):
            if name not in seen and name not in also:
                message = f"nobody uses `{name}` outside of tests: remove it"
                yield Finding(source.path, line, "unused", message)


def _mentions(source: Source) -> set[str]:
    """Names that a file reads, imports or spells as a string; definitions and assignments are no mention."""
    found = {node.id for node in source.of(ast.Name) if isinstance(node.ctx, ast.Load)}
    found.update(node.attr for node in source.of(ast.Attribute))
    found.update(name.rpartition(".")[2] for name in source.imported)
    for node in source.of(ast.Constant):
        if isinstance(node.value, str) and len(node.value) < 200 and node not in source.docstrings:
            found.update(re.findall(r"[A-Za-z_]\w+", node.value))
    return found


def _definitions(source: Source) -> Iterator[tuple[str, int]]:
    for node in source.tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if not node.decorator_list or isinstance(node, ast.ClassDef):
                yield node.name, node.lineno
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name) and not target.id.startswith("__"):
                    yield target.id, node.lineno


RULES = (Rule("domain", _domain), Rule("contracts", _contracts), Rule("orphan", _orphan), Rule("unused", _unused))
