"""Rules about time and chance: rules of the domain get both as arguments, so somebody above must be the only source."""

import ast
from collections.abc import Iterator

from tests.tidy.source import Source
from tests.tidy.tree import Finding, Rule, Tree

_SOURCES = ("hubkit/clock", "hubkit/ids")
# Decided: what only drives a hub (deploy, bench, tests, the example) may look at the wall clock, it decides no booking.
_DRIVERS = ("deploy/", "bench/", "tests/", "docs/examples/")
_CLOCKS = frozenset(
    [f"time.{name}" for name in ("time", "time_ns", "localtime", "gmtime", "ctime", "asctime", "strftime")]
    + [f"datetime.datetime.{name}" for name in ("now", "utcnow", "today")]
    + ["datetime.date.today"]
)
_DRAWN = ("random", "secrets")
_NOT_DRAWN = frozenset({"secrets.compare_digest"})  # compares in constant time, draws nothing
_OTHER_DRAWS = frozenset({"uuid.uuid1", "uuid.uuid4", "uuid.uuid6", "uuid.uuid7", "os.urandom", "os.getrandom"})
_SEEDED = frozenset({"random.Random"})


def _used(source: Source) -> Iterator[tuple[int, str]]:
    """Each use of an imported thing, dotted, outside of the import itself; the longest chain only."""
    inner = {id(node.value) for node in source.of(ast.Attribute)}
    for node in source.of(ast.Attribute, ast.Name):
        if id(node) not in inner:
            name = source.qualified(node)
            if name is not None:
                yield node.lineno, name


def _clock(tree: Tree) -> Iterator[Finding]:
    for source in tree.under("contracts/", "hubkit/", "services/"):
        if source.path.startswith(_SOURCES):
            continue
        for line, name in _used(source):
            if name in _CLOCKS:
                message = f"`{name}` reads the wall clock: take `now` as an argument, or ask `hubkit.clock`"
                yield Finding(source.path, line, "clock", message)


def _random(tree: Tree) -> Iterator[Finding]:
    for source in tree.python:
        if source.path.startswith(_SOURCES):
            continue
        drives = source.path.startswith(_DRIVERS)
        for line, name in _used(source):
            is_global = name.startswith("random.") and name not in _SEEDED
            if drives and is_global:
                message = f"`{name}` cannot be repeated: draw from a `random.Random(seed)` and print the seed"
                yield Finding(source.path, line, "random", message)
            elif not drives and _draws(name):
                message = f"`{name}` is chance of its own: use `hubkit.ids`, or take ids and chance as arguments"
                yield Finding(source.path, line, "random", message)


def _draws(name: str) -> bool:
    if name in _NOT_DRAWN:
        return False
    return name in _OTHER_DRAWS or name.partition(".")[0] in _DRAWN


RULES = (Rule("clock", _clock), Rule("random", _random))
