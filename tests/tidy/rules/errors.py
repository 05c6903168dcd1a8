"""Rules about failures: who may catch everything, and that no test is skipped."""

import ast
import re
from collections.abc import Iterator

from tests.tidy.source import Source
from tests.tidy.tree import Finding, Rule, Tree

_BROAD = frozenset({"Exception", "BaseException"})
_WORKER = re.compile(r"^services/[a-z]+/worker(\.py$|/)")
_SKIPS = frozenset({"pytest.skip", "pytest.importorskip", "pytest.mark.skip", "pytest.mark.skipif", "unittest.skip"})
_INSTEAD = "catch what you expect by its class; a bug belongs to `hubkit.messaging` or the loop of `worker`"


def _is_broad(node: ast.expr | None) -> bool:
    if node is None:
        return True
    if isinstance(node, ast.Tuple):
        return any(_is_broad(element) for element in node.elts)
    return isinstance(node, ast.Name) and node.id in _BROAD


def _passes_on(handler: ast.ExceptHandler) -> bool:
    """Whether the handler ends by raising the same exception again: it cleans up and swallows nothing."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def _in_loop(source: Source, node: ast.AST) -> bool:
    """Whether a loop of the same function surrounds the node."""
    for outer in source.around(node):
        if isinstance(outer, ast.While | ast.For | ast.AsyncFor):
            return True
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            return False
    return False


def _blind_except(tree: Tree) -> Iterator[Finding]:
    for source in tree.under("contracts/", "hubkit/", "services/", "deploy/", "bench/", "docs/examples/"):
        if source.path.startswith("hubkit/messaging"):
            continue
        is_worker = _WORKER.match(source.path) is not None
        for handler in source.of(ast.ExceptHandler):
            if not _is_broad(handler.type) or _passes_on(handler) or (is_worker and _in_loop(source, handler)):
                continue
            yield Finding(source.path, handler.lineno, "blind-except", f"catches everything: {_INSTEAD}")
        for call in source.of(ast.Call):
            if source.qualified(call.func) == "contextlib.suppress" and any(_is_broad(arg) for arg in call.args):
                yield Finding(source.path, call.lineno, "blind-except", f"suppresses everything: {_INSTEAD}")


def _skip(tree: Tree) -> Iterator[Finding]:
    """A missing server is a failure, never a skip; a known gap is a strict xfail with its reason."""
    for source in tree.under("tests/", "bench/"):
        for node in source.of(ast.Attribute, ast.Name):
            if source.qualified(node) in _SKIPS:
                message = "a skipped test proves nothing: let it fail, or mark `xfail(strict=True, reason=...)`"
                yield Finding(source.path, node.lineno, "skip", message)
        for call in source.of(ast.Call):
            if source.qualified(call.func) == "pytest.mark.xfail" and not _is_strict(call):
                message = "say `xfail(strict=True, reason=...)`: a gap that closes must be noticed"
                yield Finding(source.path, call.lineno, "skip", message)


def _is_strict(call: ast.Call) -> bool:
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    strict = given.get("strict")
    return isinstance(strict, ast.Constant) and strict.value is True and "reason" in given


RULES = (Rule("blind-except", _blind_except), Rule("skip", _skip))
