"""YAML read carefully: no anchors (they multiply), no doubled keys, no guessed types, and every value's line is known."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import yaml

from services.catalog.domain.entities import Json
from services.catalog.limits import HUB_FILE_BYTES_MAX, JSON_DEPTH_MAX

Path = tuple[str | int, ...]


class BadYaml(ValueError):
    """The file is no YAML of the kind that is read; the message names the line."""


# libyaml where the wheel brings it: the seed takes 0.1 s instead of 2.1 s (2026-11-24).
if TYPE_CHECKING or not yaml.__with_libyaml__:
    from yaml import SafeLoader as _SafeLoader
else:
    from yaml import CSafeLoader as _SafeLoader


class _Loader(_SafeLoader):
    """YAML 1.2's idea of plain values: `yes` is a word, `10:00` a time of day, `2026-01-06` a date as text."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("tag:yaml.org,2002:null", r"^(?:~|null|)$", ["~", "n", ""]),
    ("tag:yaml.org,2002:bool", r"^(?:true|false)$", list("tf")),
    ("tag:yaml.org,2002:int", r"^-?(?:0|[1-9][0-9]{0,17})$", list("-0123456789")),
    ("tag:yaml.org,2002:float", r"^-?(?:0|[1-9][0-9]*)\.[0-9]+$", list("-0123456789")),
):
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), _first)


def read_yaml(data: bytes) -> tuple[Json, Mapping[Path, int]]:
    """The document and the line (from 1) of each of its values by path. BadYaml."""
    if len(data) > HUB_FILE_BYTES_MAX:
        raise BadYaml(f"the file has over {HUB_FILE_BYTES_MAX} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise BadYaml(f"byte {exc.start}: the file is not UTF-8") from exc
    try:
        depth = 0
        for event in yaml.parse(text, Loader=_Loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > JSON_DEPTH_MAX:  # what follows calls itself once per level
                raise BadYaml("the file is nested too deeply")
            if getattr(event, "anchor", None) is not None or getattr(event, "tag", None) is not None:
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise BadYaml(f"line {line}: anchors, aliases and tags are not read")
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 1
        raise BadYaml(f"line {line}: {exc.problem or 'no YAML'}") from exc
    except (yaml.YAMLError, RecursionError) as exc:
        raise BadYaml("no YAML") from exc
    lines: dict[Path, int] = {}
    return (None if node is None else _value(node, (), lines)), lines


def _value(node: yaml.Node, path: Path, lines: dict[Path, int]) -> Json:
    line = node.start_mark.line + 1
    lines[path] = line
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Json] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise BadYaml(f"line {key_node.start_mark.line + 1}: a key is a word")
            key = str(key_node.value)
            if key in found:
                raise BadYaml(f"line {key_node.start_mark.line + 1}: {key} stands here twice")
            found[key] = _value(value_node, (*path, key), lines)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_value(each, (*path, n), lines) for n, each in enumerate(node.value)]
    assert isinstance(node, yaml.ScalarNode), "the only other kind of node"
    return _scalar(node)


def _scalar(node: yaml.ScalarNode) -> Json:
    match node.tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return bool(node.value == "true")
        case "int":
            return int(node.value)
        case "float":
            return float(node.value)
    return str(node.value)
