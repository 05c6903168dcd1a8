"""A compose project as its engine sees it, read without one: YAML, variables, and overlays merged as compose merges them.

As much of compose's rules as our files use; `tests/docker` holds it against `docker compose config`.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
MAIN: Final = "compose.yaml"
OVERLAYS: Final = ("ha", "mailsink")
ONE_SHOTS: Final = frozenset({"migrate", "topics", "ops"})
Project = dict[str, Any]

_VARIABLE: Final = re.compile(r"\$(?:\$|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-?])([^}]*))?\})")
_RESET: Final = object()
# Lists that an overlay adds to; every other list, like every scalar, takes the place of the one before.
_ADDED_TO: Final = frozenset({"secrets", "ports", "volumes", "cap_add", "cap_drop", "security_opt", "profiles"})
_LISTS_OF_NAMES: Final = frozenset({"networks", "depends_on"})  # short for a map with empty values


class MissingVariable(Exception):
    """A variable without which compose refuses to go on; the message is compose.yaml's own."""


class _Loader(yaml.SafeLoader):
    """YAML with compose's own tags."""


_Loader.add_constructor("!reset", lambda loader, node: _RESET)


def overlay_files(*names: str) -> list[str]:
    """The files of a project with these overlays, in the order of `COMPOSE_FILE`."""
    return [MAIN, *(f"deploy/compose.{name}.yaml" for name in names)]


def rendered(files: Sequence[str], variables: Mapping[str, str], *, root: Path = ROOT) -> Project:
    """The merged project; MissingVariable where a required variable is not told."""
    whole: Project = {}
    for file in files:
        text = (root / file).read_text(encoding="utf-8")
        loaded = yaml.load(text, _Loader)  # noqa: S506 - a safe loader with one tag more
        told = {name: part for name, part in loaded.items() if not name.startswith("x-")}
        whole = _merged(whole, _normal(_filled(told, variables)), ())
    for service in whole["services"].values():
        _pass_through(service, variables)
    complete: Project = _without_resets(whole)
    return complete


def _filled(node: Any, variables: Mapping[str, str]) -> Any:
    """Every string with its variables put in; keys as they are."""
    if isinstance(node, dict):
        return {key: _filled(value, variables) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(item, variables) for item in node]
    return _VARIABLE.sub(lambda found: _value(found, variables), node) if isinstance(node, str) else node


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    if found[0] == "$$":
        return "$"
    name, operator, word = found[1] or found[2], found[3] or "", found[4] or ""
    value = variables.get(name)
    if operator.startswith(":") and not value:  # with a colon an empty value counts as none
        value = None
    if value is not None:
        return value
    if operator.endswith("?"):
        raise MissingVariable(f"{name}: {word}")
    return word


def _normal(project: Project) -> Project:
    """Short forms of services written out, so that they can be merged."""
    for service in project.get("services", {}).values():
        for name in _LISTS_OF_NAMES & service.keys():
            if isinstance(service[name], list):
                service[name] = {each: {} for each in service[name]}
        if "secrets" in service:
            service["secrets"] = [s if isinstance(s, dict) else {"source": s, "target": s} for s in service["secrets"]]
        if isinstance(service.get("tmpfs"), str):
            service["tmpfs"] = [service["tmpfs"]]
    return project


def _merged(old: Any, new: Any, path: tuple[str, ...]) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        both = {key: _merged(old[key], new[key], (*path, key)) for key in old.keys() & new.keys()}
        return {**old, **new, **both}
    if isinstance(old, list) and isinstance(new, list) and path[-1] in _ADDED_TO:
        return [*old, *(item for item in new if item not in old)]
    return new


def _pass_through(service: Project, variables: Mapping[str, str]) -> None:
    """A variable without a value is handed on if it is told, else it is not there."""
    environment = service.get("environment", {})
    for name in [name for name, value in environment.items() if value is None]:
        if name in variables:
            environment[name] = variables[name]
        else:
            del environment[name]


def _without_resets(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_resets(value) for key, value in node.items() if value is not _RESET}
    return [_without_resets(item) for item in node] if isinstance(node, list) else node


def own(project: Project) -> Project:
    """The services that run our image, by name."""
    return {name: each for name, each in project["services"].items() if each["image"].startswith("hubnetz")}


def brokers(project: Project) -> Project:
    """The containers of the broker's image, by name."""
    return {name: each for name, each in project["services"].items() if each["image"].startswith("apache/kafka")}
