"""Every rule finds its planted violation, names the replacement, leaves the good code beside it alone, and can be escaped."""

import pytest

from tests.tidy.planted import Plant, code, prose, shape
from tests.tidy.rules import ALL
from tests.tidy.tree import Rule, Tree, findings

PLANTS = (*code.PLANTS, *shape.PLANTS, *prose.PLANTS)
BY_NAME = {rule.name: rule for rule in ALL}


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.rule)
def test_rule_over_a_planted_tree__finds_exactly_the_marked_lines(plant: Plant) -> None:
    found = findings(Tree(plant.texts), [BY_NAME[plant.rule]])

    assert {(finding.path, finding.line) for finding in found} == plant.expected
    assert any(plant.instead in finding.message for finding in found)
    assert {finding.rule for finding in found} == {plant.rule}


def test_rules__each_has_a_planted_violation() -> None:
    assert {plant.rule for plant in PLANTS} == set(BY_NAME)
    assert len(BY_NAME) == len(ALL), "two rules of one name could not be escaped apart"


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.rule)
def test_escape_with_a_reason_above_each_marked_line__nothing_is_found(plant: Plant) -> None:
    escaped = {path: _escaped(text, path, plant) for path, text in plant.texts.items()}

    assert findings(Tree(escaped), [BY_NAME[plant.rule]]) == []


def _escaped(text: str, path: str, plant: Plant) -> str:
    # A template's comments are those of its engine, `{# ... #}`; the form with `#` is enough here.
    mark = "<!-- tidy: {} {} -->" if path.endswith(".md") else "# tidy: {} {}"
    escape = mark.format(plant.rule, "because this test says so")
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        if (path, number) in plant.expected:
            if plant.rule in ("file", "orphan", "name") and number == 1:
                lines.append(f"{line}  {escape}")  # a finding about the file as a whole stands on its first line
                continue
            lines.append(line[: len(line) - len(line.lstrip())] + escape)
        lines.append(line)
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("comment", "says"),
    [
        ("# tidy: clock", "say why"),
        ("# tidy: clock because", "say why"),
        ("# tidy: klock the visitors drive only", "no rule is called"),
        ("# tidy: random the visitors drive only", "nothing here breaks random"),
    ],
)
def test_escape_that_is_wrong__is_found_and_hides_nothing(comment: str, says: str) -> None:
    tree = Tree({"hubkit/x.py": f"import time\nnow = time.time()  {comment}\n"})

    found = findings(tree, [BY_NAME["clock"], BY_NAME["random"]])

    assert [finding.rule for finding in found] == ["clock", "escape"]
    assert says in found[1].message


def test_escape_inside_a_string__hides_nothing() -> None:
    tree = Tree({"hubkit/x.py": "import time\nnow = time.time(), '# tidy: clock because this test says so'\n"})

    assert [finding.rule for finding in findings(tree, [BY_NAME["clock"]])] == ["clock"]


def test_escape_of_another_rule_on_the_line__hides_nothing() -> None:
    quiet = Rule("quiet", lambda tree: [])
    tree = Tree({"hubkit/x.py": "import time\nnow = time.time()  # tidy: quiet because this test says so\n"})

    assert [finding.rule for finding in findings(tree, [BY_NAME["clock"], quiet])] == ["clock", "escape"]
