"""What our small reader of compose files makes of them, held against what compose itself makes of them."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from deploy import installation
from tests.integration.test_compose_init import NAMES
from tests.integration.test_compose_rules import CHOICES, VARIABLES
from tests.support.compose import Project, overlay_files, rendered
from tests.support.compose_hub import docker

pytestmark = pytest.mark.timeout(300)
SAME: Final = ("image", "user", "read_only", "init", "restart", "cap_drop", "cap_add", "security_opt", "pids_limit", "profiles")


def config(env: Path, *files: str) -> Project:
    """The project as compose has it."""
    named = [part for file in files for part in ("--file", file)]
    told = docker("compose", "--env-file", str(env), *named, "--profile", "tools", "config", "--format", "json")
    project: Project = json.loads(told)
    return project


@pytest.mark.parametrize("overlays", CHOICES, ids=lambda names: "+".join(names) or "plain")
def test_reader_and_compose_agree(overlays: tuple[str, ...], tmp_path: Path) -> None:
    login = {"HUBNETZ_SMTP_USER": "hub", "HUBNETZ_SMTP_PASSWORD_FILE": "/run/secrets/smtp-password"}
    variables = {**VARIABLES, **(login if len(overlays) % 2 == 0 else {})}
    installation.complete_env(tmp_path, variables)
    ours, theirs = rendered(overlay_files(*overlays), variables), config(tmp_path / ".env", *overlay_files(*overlays))
    assert ours["services"].keys() == theirs["services"].keys()
    assert ours["volumes"].keys() == theirs["volumes"].keys()
    assert theirs["networks"]["bus"]["internal"] is True
    for name, service in ours["services"].items():
        other = theirs["services"][name]
        assert {key: str(value) for key, value in service.get("environment", {}).items()} == other.get("environment", {}), name
        assert {key: service.get(key) for key in SAME} == {key: other.get(key) for key in SAME}, name
        assert service.get("command") == other["command"], name
        assert set(service["networks"]) == set(other["networks"]), name
        assert service["healthcheck"]["test"] == other["healthcheck"]["test"] if "healthcheck" in service else True, name
        assert _conditions(service) == _conditions(other), name
        assert _secrets(service) == _secrets(other), name
        assert _targets(service) == {volume["target"] for volume in other.get("volumes", [])}, name


def _conditions(service: Project) -> dict[str, str]:
    return {name: each["condition"] for name, each in service.get("depends_on", {}).items()}


def _secrets(service: Project) -> set[tuple[str, str]]:
    """Source and name in the container, however the target is written."""
    found: list[dict[str, Any]] = service.get("secrets", [])
    return {(each["source"], each.get("target", each["source"]).removeprefix("/run/secrets/")) for each in found}


def _targets(service: Project) -> set[str]:
    return {each["target"] if isinstance(each, dict) else each.split(":")[1] for each in service.get("volumes", [])}


@pytest.mark.parametrize("name", NAMES)
def test_name_of_any_kind__compose_reads_what_init_wrote(name: str, tmp_path: Path) -> None:
    installation.complete_env(tmp_path, {**VARIABLES, "HUBNETZ_HUB_NAME": name})
    told = config(tmp_path / ".env", *overlay_files())["services"]["booking"]["environment"]["HUBNETZ_HUB_NAME"]
    assert told.replace("$$", "$") == name  # compose writes what can be read by compose again
