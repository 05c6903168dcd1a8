"""Rules about size and names: a function fits a screen, a file has one noun, and the noun says something."""

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from tests.tidy.source import Function, Source
from tests.tidy.tree import Finding, Rule, Tree

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 400
_CODE_SUFFIXES = (".py", ".sh", ".sql", ".ini", ".mako", "Makefile")
# tidy: word the banned names themselves
_NOUNS_BANNED = frozenset({"utils", "util", "helpers", "helper", "common", "misc", "base", "tools", "core"})
# tidy: word the banned names themselves
_CLASS_BANNED = re.compile(r"[a-z0-9](Manager|Helper|Service|Impl|Data|Info)$")
_MIGRATION = re.compile(r"^(hubkit|services/[a-z]+)/migrations/")
_TEST_NAME = re.compile(r"^test_\w+?__\w+$")


def _function(tree: Tree) -> Iterator[Finding]:
    for source in tree.python:
        if _MIGRATION.search(source.path):
            continue  # one script of SQL, read from top to bottom
        for node in source.of(ast.FunctionDef, ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                message = (
                    f"`{node.name}` has {length} lines: keep the branches, move leaves out, {FUNCTION_LINES_MAX} fit a screen"
                )
                yield Finding(source.path, node.lineno, "function", message)


def _file(tree: Tree) -> Iterator[Finding]:
    for source in tree.sources.values():
        if source.path.endswith(_CODE_SUFFIXES) and len(source.lines) > FILE_LINES_MAX:
            message = f"{len(source.lines)} lines: make it a package by noun, {FILE_LINES_MAX} is the most"
            yield Finding(source.path, 1, "file", message)


def _name(tree: Tree) -> Iterator[Finding]:
    for source in tree.python:
        for part in PurePosixPath(source.path).with_suffix("").parts:
            if part in _NOUNS_BANNED:
                yield Finding(source.path, 1, "name", f"`{part}` says nothing: name the file by what lives in it")
        for node in source.of(ast.ClassDef):
            if _CLASS_BANNED.search(node.name):
                message = f"`{node.name}`: name the class by what it is, without {_CLASS_BANNED.pattern[10:-2]}"
                yield Finding(source.path, node.lineno, "name", message)


def _test_name(tree: Tree) -> Iterator[Finding]:
    for source in tree.under("tests/"):
        if not PurePosixPath(source.path).name.startswith("test_"):
            continue
        for node in source.of(ast.FunctionDef, ast.AsyncFunctionDef):
            if node.name.startswith("test_") and not _TEST_NAME.match(node.name) and not _is_table(source, node):
                message = f"`{node.name}`: say `test_<what>_<circumstance>__<outcome>`"
                yield Finding(source.path, node.lineno, "test-name", message)


def _is_table(source: Source, function: Function) -> bool:
    """Whether the cases come from a table or a generator: circumstance and outcome stand in its rows."""
    called = (node.func if isinstance(node, ast.Call) else node for node in function.decorator_list)
    return any((source.dotted(node) or "").rpartition(".")[2] in ("parametrize", "given") for node in called)


RULES = (Rule("function", _function), Rule("file", _file), Rule("name", _name), Rule("test-name", _test_name))
