"""The schemas: committed as generated, held against the last release, and a gate that goes red for each breaking change."""

import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from contracts import schema
from contracts.compatibility import breaks
from tests.contracts.planted import CHANGES, HELD, Change

ROOT = Path(__file__).parents[2]
NOW = schema.schemas()


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def last_release() -> dict[str, Any]:
    """The schemas of the newest tag `v...`; before the first release, and without a repository, those that are committed."""
    if not (ROOT / ".git").exists() or not (
        tags := git("tag", "--list", "v*", "--merged", "HEAD", "--sort=-v:refname").split()
    ):
        return schema.committed()
    folder = "contracts/schemas/"
    paths = git("ls-tree", "--name-only", tags[0], folder).split()
    return {path.removeprefix(folder).removesuffix(".json"): json.loads(git("show", f"{tags[0]}:{path}")) for path in paths}


def test_schemas__committed_as_they_are_generated() -> None:
    assert schema.check() == []


def test_schemas__nothing_breaks_the_last_release() -> None:
    assert [str(found) for found in breaks(last_release(), NOW)] == []


@pytest.mark.parametrize("name", NOW)
def test_schema__valid_open_and_named(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(NOW[name])

    text = json.dumps(NOW[name])
    assert NOW[name]["title"] == f"de.hubnetz.{NOW[name]['title'].split('.')[2]}.{name}"
    assert '"additionalProperties": false' not in text
    assert '"discriminator"' not in text


def test_schema_of_an_optional_field__without_null() -> None:
    assert NOW["RequestBooking.v1"]["properties"]["expected_version"] == {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}
    assert NOW["RequestBooking.v1"]["properties"]["series"] == {"$ref": "#/$defs/Series"}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.what)
def test_gate_planted_change__names_whom_it_breaks(change: Change) -> None:
    changed = change.of(NOW)
    assert changed != NOW

    found = breaks(NOW, changed)

    assert {one.breaks for one in found} == change.breaks
    assert {one.name for one in found} <= {change.schema}


def test_gate_open_list_closed__breaks_writers() -> None:
    closed = Change("", HELD, "drop", "properties/reason/x-open").of(NOW)

    assert [one.why for one in breaks(NOW, closed)] == ["an open list is closed"]


def test_gate_type_gone_and_type_new__red_and_green() -> None:
    fewer = {name: document for name, document in NOW.items() if name != "CheckIn.v1"}

    assert [str(found) for found in breaks(NOW, fewer)] == ["CheckIn.v1: the type is gone (breaks readers)"]
    assert breaks(fewer, NOW) == []


def test_gate_keyword_without_a_rule__stops() -> None:
    with pytest.raises(ValueError, match="no rule for"):
        breaks(NOW, Change("", HELD, "set", "if", {}).of(NOW))


def test_write__refuses_a_breaking_change_and_leaves_the_folder_alone(tmp_path: Path) -> None:
    with_more = Change("", HELD, "set", "properties/gone", {"type": "string"}).of(NOW)
    for name, document in with_more.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(document))

    found = schema.write(tmp_path)

    assert [str(one) for one in found] == ["BookingHeld.v1/gone: the field is gone (breaks readers)"]
    assert schema.committed(tmp_path) == with_more
    assert schema.check(tmp_path) == [str(found[0]), "BookingHeld.v1: out of date"]


def test_write_into_an_empty_folder__then_check_is_content(tmp_path: Path) -> None:
    folder = tmp_path / "schemas"

    assert "CheckIn.v1: not written yet" in schema.check(folder)
    assert schema.write(folder) == []
    assert schema.check(folder) == []
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path.name: path.read_bytes() for path in schema.SCHEMAS.iterdir()
    }
