"""Rules about logs and metrics: constant text, fields and names from the lists of `hubkit.telemetry`, nobody's data."""

import ast
import re
from collections.abc import Iterator

from tests.tidy.source import Source
from tests.tidy.tree import Finding, Rule, Tree

_TELEMETRY = "hubkit/telemetry.py"
_LEVELS = frozenset({"debug", "info", "warning", "error", "critical", "exception", "log"})
_LOGGERS = re.compile(r"^_?(log|logger|logging)$", re.IGNORECASE)
_DEBUG_FIELDS = frozenset({"person_id"})  # at debug level only
_METRIC_CALLS = frozenset({"add", "set", "observe", "value"})
_TEXT_OF_AN_ERROR = frozenset({"str", "repr", "format", "ascii"})
_KEYWORDS = frozenset({"extra", "exc_info", "stacklevel", "stack_info"})


def literals(tree: Tree, name: str) -> frozenset[str]:
    """The strings inside the value of the module-level `name` of hubkit.telemetry; empty if there is none."""
    source = tree.sources.get(_TELEMETRY)
    if source is None:
        return frozenset()
    for node in source.tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            assert isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None, "it has targets"
            return frozenset(
                part.value for part in ast.walk(node.value) if isinstance(part, ast.Constant) and isinstance(part.value, str)
            )
    return frozenset()


def _log(tree: Tree) -> Iterator[Finding]:
    allowed = literals(tree, "LOG_FIELDS")
    for source in tree.under("contracts/", "hubkit/", "services/", "deploy/"):
        for call in source.of(ast.Call):
            if isinstance(call.func, ast.Attribute) and call.func.attr in _LEVELS and _is_logger(source, call.func.value):
                level = call.func.attr
                given = {keyword.arg: keyword.value for keyword in call.keywords}
                fields = allowed | (_DEBUG_FIELDS if level == "debug" else frozenset())
                for message in (*_wrong_text(call, level), *_wrong_fields(source, given.get("extra"), fields)):
                    yield Finding(source.path, call.lineno, "log", message)


def _is_logger(source: Source, node: ast.expr) -> bool:
    return _LOGGERS.match((source.dotted(node) or "").rpartition(".")[2]) is not None


def _wrong_text(call: ast.Call, level: str) -> Iterator[str]:
    texts = call.args[1:] if level == "log" else call.args
    if not texts or not _constant(texts[0]):
        yield "the text of a log line is one constant: put what varies into `extra={...}`"
    elif len(texts) > 1 or re.search(r"%[sdrfi]|\{\w*\}", _constant(texts[0])):
        yield "no values inside the text: put them into `extra={...}`"
    for name in sorted({str(keyword.arg) for keyword in call.keywords} - _KEYWORDS):
        yield f"`{name}` is no field of a log line: put it into `extra={{...}}`"


def _wrong_fields(source: Source, extra: ast.expr | None, allowed: frozenset[str]) -> Iterator[str]:
    dicts = list(_dicts(source, extra))
    if None in dicts:
        yield "write `extra` as a dict where it is logged, so that its fields can be seen"
        return
    pairs = [pair for found in dicts if found for pair in zip(found.keys, found.values, strict=True)]
    if "action" not in {_constant(key) for key, _ in pairs}:
        yield 'every line says what was done: `extra={"action": ...}`'
    for key, value in pairs:
        name = _constant(key)
        if name not in allowed:
            yield f"the field `{name or '**'}` is not in LOG_FIELDS of hubkit.telemetry: ids, codes, counts, durations only"
        elif isinstance(value, ast.JoinedStr) or _is_text_of_something(value):
            yield f"`{name}` is made into text and may quote a payload: give the id, code or count itself"


def _dicts(source: Source, extra: ast.expr | None) -> Iterator[ast.Dict | None]:
    """The dicts that `extra` is put together from by `|`, also those a function of the same file returns; None = unseen."""
    if isinstance(extra, ast.Dict):
        yield extra
    elif isinstance(extra, ast.BinOp) and isinstance(extra.op, ast.BitOr):
        yield from _dicts(source, extra.left)
        yield from _dicts(source, extra.right)
    elif isinstance(extra, ast.Call):
        called = (source.dotted(extra.func) or "").rpartition(".")[2]
        functions = [node for node in source.of(ast.FunctionDef) if node.name == called]
        values = [node.value for each in functions for node in ast.walk(each) if isinstance(node, ast.Return)]
        yield from (value if isinstance(value, ast.Dict) else None for value in values or [None])
    elif extra is not None:
        yield None


def _is_text_of_something(value: ast.expr) -> bool:
    return (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Name)
        and value.func.id in _TEXT_OF_AN_ERROR
        and any(isinstance(arg, ast.Name) and re.match(r"^(exc|e|err|error|exception)$", arg.id) for arg in value.args)
    )


def _metric(tree: Tree) -> Iterator[Finding]:
    known = literals(tree, "Metric")
    used: set[str] = set()
    for source in tree.under("contracts/", "hubkit/", "services/", "deploy/"):
        if source.path == _TELEMETRY:
            continue
        for name, line in source.imported.items():
            if name.startswith(("prometheus_client", "opentelemetry.metrics")):
                yield Finding(source.path, line, "metric", "metrics are made in hubkit.telemetry only: name it in `Metric`")
        for call in source.of(ast.Call):
            if not _reports(source, call):
                continue
            reported = _constant(call.args[0])
            if reported not in known:
                message = "the first argument is one of `hubkit.telemetry.Metric`, written out"
                yield Finding(source.path, call.lineno, "metric", message)
            used.add(reported)
    for defined, line in _definitions(tree):
        if defined not in used:
            yield Finding(_TELEMETRY, line, "metric", f"nobody reports `{defined}`: remove it, or report it")


def _constant(node: ast.expr | None) -> str:
    """The text of a string constant; empty for anything else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _reports(source: Source, call: ast.Call) -> bool:
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in _METRIC_CALLS or not call.args:
        return False
    return (source.dotted(call.func.value) or "").rpartition(".")[2].lstrip("_") == "metrics"


def _definitions(tree: Tree) -> Iterator[tuple[str, int]]:
    source = tree.sources.get(_TELEMETRY)
    for node in source.tree.body if source else ():
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "Metric" for t in node.targets):
            for part in ast.walk(node.value):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value, part.lineno


RULES = (Rule("log", _log), Rule("metric", _metric))
