"""The bootstrap: standard library alone, pip's settings handed on, every word of the Makefile known."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy import bootstrap

ROOT = Path(__file__).parents[3]


def test_bootstrap__imports_the_standard_library_only() -> None:
    tree = ast.parse((ROOT / "deploy" / "bootstrap.py").read_text("utf-8"))
    names = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= set(sys.stdlib_module_names)


def test_bootstrap__can_be_read_by_an_old_python() -> None:
    ast.parse((ROOT / "deploy" / "bootstrap.py").read_text("utf-8"), feature_version=(3, 7))


def test_makefile__has_a_target_for_each_line_of_the_help() -> None:
    targets = re.search(r"^TARGETS = (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert targets is not None
    assert set(targets[1].split()) == {line.split()[0] for line in bootstrap.HELP.splitlines()}


def test_unknown_target__failure_with_the_help() -> None:
    with pytest.raises(bootstrap.Failed, match="no target 'tset'"):
        bootstrap.main("tset")


def test_python_out_of_range__a_sentence_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 0))
    with pytest.raises(bootstrap.Failed, match=r"PYTHON=python3\.12"):
        bootstrap.check_python()


def test_pips_index_settings__handed_to_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    told = "global.index-url='https://pip.example/simple'\n:env:.find-links='/wheels'\nglobal.timeout='60'\nglobal.quiet='1'\n"
    answer = subprocess.CompletedProcess(["pip"], 0, stdout=told)
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: answer)
    for name in bootstrap.PIP_TO_UV.values():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "5")
    env = bootstrap.uv_environment()
    assert env["UV_DEFAULT_INDEX"] == "https://pip.example/simple"
    assert env["UV_FIND_LINKS"] == "/wheels"
    assert env["UV_HTTP_TIMEOUT"] == "5", "what is said to uv itself counts"
    assert env["UV_PYTHON_DOWNLOADS"] == "never"


def test_ci_entry__runs_make_test() -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert script.startswith("#!/usr/bin/env bash\n")
    assert script.splitlines()[-1] == "exec make test"


@pytest.mark.parametrize(("told", "arguments"), [("1", ["bench", "--peers"]), ("0", ["bench"]), ("", ["bench"])])
def test_bench_with_peers_in_the_environment(monkeypatch: pytest.MonkeyPatch, told: str, arguments: list[str]) -> None:
    handed: list[str] = []
    monkeypatch.setenv("PEERS", told)
    monkeypatch.setattr(bootstrap, "setup", lambda: Path("python"))
    monkeypatch.setattr(bootstrap, "hand_over", lambda _python, *words: handed.extend(words))

    bootstrap.main("bench")

    assert handed == arguments
