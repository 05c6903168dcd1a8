"""`hubnetz-contracts` stands alone: its package and what pydantic brings are enough to import and to use all of it."""

import importlib.util
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import contracts

PACKAGE = Path(contracts.__file__).parent
PROJECT = tomllib.loads((PACKAGE / "pyproject.toml").read_text("utf-8"))
# pydantic and all that it requires; nothing else is put where the child looks for packages.
NEEDED = ("pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection")

USE_IT = """
import importlib, json, pkgutil, sys
import contracts
found = [module.name for module in pkgutil.walk_packages(contracts.__path__, "contracts.")]
for name in found:
    importlib.import_module(name)
from contracts import schema, topics
from contracts.asyncapi import asyncapi
from contracts.envelope import decode
assert schema.check() == []
assert asyncapi("nord")["channels"]
of_type = {model.bare_type(): topic for topic in topics.ALL for model in topic.models}
for name, path, content in schema.examples():
    headers = [(header, text.encode()) for header, text in content["headers"].items()]
    value = None if content["value"] is None else json.dumps(content["value"]).encode()
    decode(of_type[name], key=content["key"].encode(), headers=headers, value=value)
assert "hubkit" not in sys.modules
print(len(found), contracts.__version__)
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """What the wheel holds, by the patterns of its build settings, beside links to what pydantic needs."""
    patterns = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["include"]
    for pattern in patterns:
        for path in PACKAGE.rglob(pattern):
            target = tmp_path / "contracts" / path.relative_to(PACKAGE)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    for name in NEEDED:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        home = Path(spec.origin)
        home = home.parent if home.name == "__init__.py" else home
        (tmp_path / home.name).symlink_to(home)
    return tmp_path


def test_package_alone_with_pydantic__imports_and_works(site: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(site)!r})\n{USE_IT}"

    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], cwd=site, capture_output=True, text=True, check=False)

    assert done.stderr == ""
    count, version = done.stdout.split()
    assert int(count) >= 15
    assert version == contracts.__version__


def test_distribution__needs_pydantic_only_and_takes_its_version_from_the_package() -> None:
    project = PROJECT["project"]

    assert project["name"] == "hubnetz-contracts"
    assert [requirement.partition(">")[0] for requirement in project["dependencies"]] == ["pydantic"]
    assert project["dynamic"] == ["version"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "__init__.py"


def test_package__is_typed_and_brings_schemas_and_examples(site: Path) -> None:
    assert (site / "contracts/py.typed").exists()
    assert list((site / "contracts/schemas").glob("*.json"))
    assert list((site / "contracts/examples").glob("*/v1/*.json"))
