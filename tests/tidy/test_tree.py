"""The repository itself obeys every rule."""

from pathlib import Path

import pytest

from tests.tidy.rules import ALL
from tests.tidy.tree import Finding, Tree, findings

# The whole tree is read once, by whichever test asks first: some 9 s of processor time, shared with all that runs beside it.
pytestmark = pytest.mark.timeout(180)
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def found() -> list[Finding]:
    return findings(Tree.read(ROOT), ALL)


@pytest.mark.parametrize("rule", [*(rule.name for rule in ALL), "escape"])
def test_repository__obeys_the_rule(rule: str, found: list[Finding]) -> None:
    broken = [str(finding) for finding in found if finding.rule == rule]

    assert not broken, "\n" + "\n".join(broken)


def test_repository__is_read_with_all_its_parts() -> None:
    paths = set(Tree.read(ROOT).sources)

    assert {"pyproject.toml", ".importlinter", "LICENSE", "contracts/__init__.py", "tests/tidy/test_tree.py"} <= paths
    assert not [path for path in paths if path.startswith((".venv/", ".git/"))]
