"""Rules about bounds: no loop, queue, cache, read or list from outside without one; it has a name in `limits`."""

import ast
from collections.abc import Iterator
from functools import lru_cache

from tests.tidy.source import Function, Source
from tests.tidy.tree import Finding, Rule, Tree

_OURS = ("contracts/", "hubkit/", "services/", "deploy/", "bench/", "docs/examples/")
_ENDLESS = frozenset({"itertools.count", "itertools.cycle", "itertools.repeat"})
_QUEUES = frozenset(
    [f"{module}.{name}" for module in ("asyncio", "queue") for name in ("Queue", "LifoQueue", "PriorityQueue")]
    + ["multiprocessing.Queue"]
)
_NEVER_BOUNDED = frozenset({"queue.SimpleQueue", "multiprocessing.SimpleQueue", "functools.cache"})
_WHOLE_BODIES = frozenset({"body", "json", "form"})
_MODEL_BASES = frozenset({"pydantic.BaseModel", "pydantic.RootModel"})
_COLLECTIONS = frozenset(
    {"list", "tuple", "set", "frozenset", "dict", "Sequence", "Mapping", "Collection", "Iterable", "deque"}
)
_SCALARS = frozenset({"str", "bytes", "int"})
_BOUNDS = frozenset({"max_length", "le", "lt", "pattern", "max_digits"})
_PLAIN_EXTRAS = frozenset(
    {"Field", "Query", "Path", "Header", "Body", "AfterValidator", "BeforeValidator", "StringConstraints"}
)
_ROUTES = frozenset({"get", "put", "post", "patch", "delete", "head"})
_INSTEAD = "a named bound of `limits` (or contracts' own types)"


def _loop(tree: Tree) -> Iterator[Finding]:
    for source in tree.under(*_OURS):
        for loop in source.of(ast.While):
            if isinstance(loop.test, ast.Constant) and loop.test.value:
                message = "a loop without an end: `for attempt in range(ATTEMPTS_MAX)`, or `while not stopping.is_set()`"
                yield Finding(source.path, loop.lineno, "unbounded", message)
        for each in source.of(ast.For, ast.AsyncFor):
            if isinstance(each.iter, ast.Call) and _is_endless(source.qualified(each.iter.func), each.iter):
                message = "a loop without an end: iterate over `range(..._MAX)`"
                yield Finding(source.path, each.lineno, "unbounded", message)


def _is_endless(name: str | None, call: ast.Call) -> bool:
    return name in _ENDLESS and not (name == "itertools.repeat" and len(call.args) > 1)


def _queue(tree: Tree) -> Iterator[Finding]:
    for source in tree.under(*_OURS):
        decorators = {d for f in source.of(ast.FunctionDef) if _takes_nothing(f) for d in f.decorator_list}
        for node in source.of(ast.Attribute, ast.Name):
            if source.qualified(node) in _NEVER_BOUNDED and node not in decorators:
                message = f"`{source.dotted(node)}` grows without end: take one with a size, {_INSTEAD}"
                yield Finding(source.path, node.lineno, "unbounded", message)
        for call in source.of(ast.Call):
            name = source.qualified(call.func)
            given = [*call.args, *(keyword.value for keyword in call.keywords)]
            endless = not given or all(isinstance(value, ast.Constant) and not value.value for value in given)
            if name in _QUEUES and endless:
                yield Finding(
                    source.path, call.lineno, "unbounded", f"`{name}()` grows without end: give `maxsize`, {_INSTEAD}"
                )
            elif name == "functools.lru_cache" and given and endless:
                yield Finding(source.path, call.lineno, "unbounded", f"a cache without end: give `maxsize`, {_INSTEAD}")
            elif name == "collections.deque" and _is_kept(source, call) and not _has_maxlen(call):
                yield Finding(source.path, call.lineno, "unbounded", f"a kept deque without end: give `maxlen`, {_INSTEAD}")


def _takes_nothing(function: ast.FunctionDef) -> bool:
    """Whether there is only one result to keep."""
    arguments = function.args
    return not (arguments.posonlyargs or arguments.args or arguments.vararg or arguments.kwonlyargs or arguments.kwarg)


def _is_kept(source: Source, call: ast.Call) -> bool:
    """Whether the deque outlives its function: it is put on an object or in the module."""
    parent = source.parents[call]
    if isinstance(parent, ast.Assign | ast.AnnAssign):
        targets = parent.targets if isinstance(parent, ast.Assign) else [parent.target]
        return isinstance(source.parents[parent], ast.Module) or any(isinstance(t, ast.Attribute) for t in targets)
    return False


def _has_maxlen(call: ast.Call) -> bool:
    return len(call.args) > 1 or any(keyword.arg == "maxlen" for keyword in call.keywords)


def _read(tree: Tree) -> Iterator[Finding]:
    for source in tree.under("hubkit/", "services/"):
        for call in source.of(ast.Call):
            func = call.func
            if not isinstance(func, ast.Attribute):
                continue
            receiver = (source.dotted(func.value) or "").rpartition(".")[2]
            whole_body = receiver == "request" and func.attr in _WHOLE_BODIES
            whole_input = source.qualified(func) in ("sys.stdin.read", "sys.stdin.buffer.read") and not call.args
            if whole_body or whole_input:
                message = f"`{receiver}.{func.attr}()` reads whatever is sent: read the stream up to {_INSTEAD}"
                yield Finding(source.path, call.lineno, "unbounded", message)


def _list(tree: Tree) -> Iterator[Finding]:
    models = _models(tree)
    for source in tree.under("contracts/", "hubkit/", "services/"):
        for definition in source.of(ast.ClassDef):
            if f"{source.module}.{definition.name}" in models:
                for field in definition.body:
                    if isinstance(field, ast.AnnAssign) and not _has_bound(field.value):
                        yield from _bare(tree, source, field.annotation, "field")
        if "/http" in source.path:
            for function in source.of(ast.FunctionDef, ast.AsyncFunctionDef):
                if _is_route(function):
                    for annotation in _unbounded_parameters(function):
                        yield from _bare(tree, source, annotation, "parameter")


def _models(tree: Tree) -> set[str]:
    """Dotted names of the classes that parse what comes from outside: by their bases, through any number of our own."""
    bases: dict[str, set[str]] = {}
    for source in tree.under("contracts/", "hubkit/", "services/"):
        for definition in source.of(ast.ClassDef):
            written = {source.dotted(base) or "": source.qualified(base) for base in definition.bases}
            over = {imported or f"{source.module}.{local}" for local, imported in written.items()}
            bases[f"{source.module}.{definition.name}"] = over
    models = set(_MODEL_BASES)
    while more := {name for name, over in bases.items() if name not in models and over & models}:
        models |= more
    return models


def _is_route(function: Function) -> bool:
    calls = (node.func for node in function.decorator_list if isinstance(node, ast.Call))
    return any(isinstance(func, ast.Attribute) and func.attr in _ROUTES for func in calls)


def _unbounded_parameters(function: Function) -> Iterator[ast.expr]:
    """Annotations of the parameters whose default says no bound."""
    arguments = [*function.args.posonlyargs, *function.args.args]
    defaults: list[ast.expr | None] = [None] * (len(arguments) - len(function.args.defaults))
    pairs = [*zip(arguments, [*defaults, *function.args.defaults], strict=True)]
    pairs += [*zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)]
    for argument, default in pairs:
        if argument.annotation is not None and not _has_bound(default):
            yield argument.annotation


def _has_bound(extra: ast.expr | None) -> bool:
    """Whether a default or an extra of `Annotated` bounds the value: `Field(max_length=...)`, `Query(le=...)`."""
    return isinstance(extra, ast.Call) and any(keyword.arg in _BOUNDS for keyword in extra.keywords)


def _is_trusted(source: Source, extra: ast.expr) -> bool:
    """Whether an extra of `Annotated` is a form of our own, or a bound."""
    if isinstance(extra, ast.Call):
        return _has_bound(extra) or (source.dotted(extra.func) or "").rpartition(".")[2] not in _PLAIN_EXTRAS
    return isinstance(extra, ast.Name | ast.Attribute)


def _bare(tree: Tree, source: Source, annotation: ast.expr, what: str) -> Iterator[Finding]:
    for name in sorted(set(_open_types(_aliases(tree), source, annotation))):
        message = f"a {what} of type `{name}` takes any length or size from outside: use {_INSTEAD}"
        yield Finding(source.path, annotation.lineno, "unbounded", message)


@lru_cache(maxsize=4)
def _aliases(tree: Tree) -> dict[str, tuple[Source, ast.expr]]:
    """Dotted name of each type alias to its file and value."""
    return {
        f"{source.module}.{target.id}": (source, node.value)
        for source in tree.under("contracts/", "hubkit/", "services/")
        for node in source.tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript | ast.BinOp | ast.Name)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _open_types(aliases: dict[str, tuple[Source, ast.expr]], source: Source, node: ast.expr) -> Iterator[str]:
    """The parts of an annotation that take any length or size, through the names of other types."""
    if isinstance(node, ast.Subscript):
        name = (source.dotted(node.value) or "").rpartition(".")[2]
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if name == "Annotated":
            bounded = any(_is_trusted(source, extra) for extra in inner[1:])
            parts = [inner[0]] if not bounded else _items(inner[0])
        elif name in _COLLECTIONS and (name != "tuple" or any(isinstance(part, ast.Constant) for part in inner)):
            yield name
            return
        else:
            parts = [] if name in ("Literal", "ClassVar") else inner
        for part in parts:
            yield from _open_types(aliases, source, part)
    elif isinstance(node, ast.BinOp):
        yield from _open_types(aliases, source, node.left)
        yield from _open_types(aliases, source, node.right)
    elif isinstance(node, ast.Name | ast.Attribute):
        dotted = source.qualified(node) or f"{source.module}.{source.dotted(node)}"
        if dotted in aliases:
            yield from _open_types(aliases, *aliases[dotted])
        elif isinstance(node, ast.Name) and node.id in _SCALARS | _COLLECTIONS:
            yield node.id


def _items(node: ast.expr) -> list[ast.expr]:
    """What a bounded collection holds; nothing for a bounded text or number."""
    if not isinstance(node, ast.Subscript):
        return []
    return node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]


def _unbounded(tree: Tree) -> Iterator[Finding]:
    for check in (_loop, _queue, _read, _list):
        yield from check(tree)


RULES = (Rule("unbounded", _unbounded),)
