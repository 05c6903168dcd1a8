"""What the documents promise is there: licence, decisions, changelog, metadata, commands, the example's imports."""

import ast
import hashlib
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from deploy.cli.root import app

ROOT = Path(__file__).parents[2]
DECISIONS = sorted((ROOT / "docs" / "adr").glob("*.md"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PAGE_LINES_MAX = 60
# The words of the English text, whatever its line breaks and quotes: the same in two copies of different origin.
LICENCE_WORDS_SHA256 = "7718466afa7e13afafe2acc2edd2f73ac7fa41ee5a2982df3934dd1fc702940c"
# Those values of the standard's lists that could be ours.
CATEGORIES = {"appointment-scheduling", "event-management", "facility-management", "online-booking", "resource-management"}
SCOPES = {"culture", "education", "government", "healthcare", "local-authorities", "society", "welfare"}


def words(text: str) -> str:
    """The text without what editors change: case, punctuation, quotes, blanks and line ends."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def test_licence__is_the_unmodified_eupl() -> None:
    text = (ROOT / "LICENSE").read_text("utf-8")

    assert text.startswith("EUROPEAN UNION PUBLIC LICENCE v. 1.2\n")
    assert hashlib.sha256(words(text).encode()).hexdigest() == LICENCE_WORDS_SHA256


def test_decisions__are_numbered_without_a_gap() -> None:
    assert [path.name[:5] for path in DECISIONS] == [f"{number:04}-" for number in range(1, len(DECISIONS) + 1)]
    assert len(DECISIONS) >= 8


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_decision__is_one_page_with_the_five_parts(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()

    assert len(lines) <= PAGE_LINES_MAX
    assert lines[0].startswith(f"# {int(path.name[:4])}. ")
    assert [line for line in lines if line.startswith("## ")] == [
        f"## {part}" for part in ("Context", "Decision", "Consequences", "Alternatives", "Check")
    ]
    assert f"(adr/{path.name})" in (ROOT / "docs" / "index.md").read_text("utf-8")


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_decision__names_a_check_that_exists(path: Path) -> None:
    check = path.read_text("utf-8").partition("## Check")[2]
    files = [name for name in re.findall(r"`([^` ]+)`", check) if "/" in name or name.startswith(".")]

    assert files
    assert [name for name in files if not (ROOT / name).exists()] == []


def test_changelog__says_first_what_operators_must_do() -> None:
    releases = re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text("utf-8"), flags=re.MULTILINE)[1:]

    assert releases[0].startswith("Unreleased\n")
    for release in releases:
        headings = re.findall(r"^### (.+)$", release, re.MULTILINE)
        assert headings[0] == "Operators must"


def test_publiccode__keeps_the_standard() -> None:
    data: dict[str, Any] = yaml.safe_load((ROOT / "publiccode.yml").read_text("utf-8"))

    assert data["publiccodeYmlVersion"] == "0.5"
    assert {"name", "url", "platforms", "developmentStatus", "softwareType", "description", "legal"} <= set(data)
    assert {"maintenance", "localisation"} <= set(data)
    assert data["developmentStatus"] in ("concept", "development", "beta", "stable", "obsolete")
    assert data["softwareType"] == "standalone/backend"
    assert set(data["categories"]) <= CATEGORIES
    assert set(data["intendedAudience"]["scope"]) <= SCOPES
    assert all(re.fullmatch("[A-Z]{2}", country) for country in data["intendedAudience"]["countries"])
    for text in data["description"].values():
        assert len(text["shortDescription"]) <= 150
        assert 150 <= len(text["longDescription"]) <= 10_000
        assert text["features"]
    assert data["legal"]["license"] == "EUPL-1.2"
    assert data["maintenance"]["type"] == "none" or data["maintenance"]["contacts"]
    assert set(data["localisation"]) == {"localisationReady", "availableLanguages"}


def test_publiccode__has_the_distributions_name_and_version() -> None:
    data = yaml.safe_load((ROOT / "publiccode.yml").read_text("utf-8"))
    version = re.search(r'__version__ = "(.+)"', (ROOT / "contracts" / "__init__.py").read_text("utf-8"))

    assert version is not None
    assert data["softwareVersion"] == version[1]


def test_pages__name_only_make_targets_that_exist() -> None:
    makefile = re.search(r"^TARGETS = (.+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    named = {target for page in PAGES for target in re.findall(r"`?make ([a-z]+)", _code(page))}

    assert makefile is not None
    assert named
    assert named <= set(makefile[1].split())


def test_pages__name_only_commands_and_options_that_exist() -> None:
    named = {piece for page in PAGES for piece in re.findall(r"hubnetz ((?:[a-z-]+|--[a-z-]+| )+)", _code(page))}
    unknown = {piece for piece in named if not _is_known(get_command(app), piece.split())}

    assert named
    assert not unknown


def _is_known(command: object, words: list[str]) -> bool:
    """Whether the first words lead to a command and every option belongs to it; arguments may stand between."""
    while words and isinstance(command, TyperGroup):
        if words[0] not in command.commands:
            return False
        command, words = command.commands[words[0]], words[1:]
    assert isinstance(command, TyperGroup | TyperCommand), "everything below the application is one of ours"
    options = {option for parameter in command.params for option in parameter.opts}
    return {word for word in words if word.startswith("--")} <= options


def _code(page: Path) -> str:
    """What stands between backquotes, one piece a line: prose may say `make` and mean nothing by it."""
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", page.read_text("utf-8"), re.DOTALL))


def test_example__needs_a_kafka_client_and_nothing_else() -> None:
    tree = ast.parse((ROOT / "docs" / "examples" / "frontend.py").read_text("utf-8"))
    imported = {alias.name.partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {(node.module or "").partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert imported - sys.stdlib_module_names == {"aiokafka"}
