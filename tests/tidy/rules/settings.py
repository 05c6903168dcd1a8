"""Rules about settings: where the environment is read, and that each setting is."""

import ast
import re
from collections.abc import Iterator

from tests.tidy.source import Source
from tests.tidy.tree import Finding, Rule, Tree

_SETTINGS = re.compile(r"^(hubkit|services/[a-z]+)/settings(\.py$|/)")
_READS = ("os.environ", "os.environb", "os.getenv", "os.getenvb", "os.putenv")
_BASES = ("Settings",)  # the classes whose fields are settings derive from one that ends so


def _environment(tree: Tree) -> Iterator[Finding]:
    for source in tree.under("contracts/", "hubkit/", "services/"):
        if _SETTINGS.match(source.path):
            continue
        for node in source.of(ast.Attribute, ast.Name):
            if source.qualified(node) in _READS:
                message = "only settings read the environment: add a field to the service's `settings.py` and pass it on"
                yield Finding(source.path, node.lineno, "environment", message)


def _fields(source: Source) -> Iterator[tuple[str, int]]:
    for definition in source.of(ast.ClassDef):
        if not any((source.dotted(base) or "").endswith(_BASES) for base in definition.bases):
            continue
        for statement in definition.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                name = statement.target.id
                if not name.startswith("_") and "ClassVar" not in ast.dump(statement.annotation):
                    yield name, statement.lineno


def _setting(tree: Tree) -> Iterator[Finding]:
    read = {
        node.attr
        for source in tree.under("hubkit/", "services/", "deploy/")
        for node in source.of(ast.Attribute)
        if isinstance(node.ctx, ast.Load)
    }
    for source in tree.under("hubkit/", "services/"):
        if not _SETTINGS.match(source.path):
            continue
        for name, line in _fields(source):
            if name not in read:
                yield Finding(source.path, line, "setting", f"nobody reads `{name}`: remove the field, or use it")


RULES = (Rule("environment", _environment), Rule("setting", _setting))
