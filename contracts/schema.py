"""JSON Schemas of all messages: generated from the models, committed in `schemas/`, held against what was committed before.

A schema describes what is written. It is open (no `additionalProperties: false`): a newer writer may add optional fields, and
readers pass over them. `x-open` marks enums in which readers have to expect new values.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from contracts import topics
from contracts.compatibility import Break, breaks
from contracts.envelope import Model

Schema = dict[str, Any]

FOLDER: Final = Path(__file__).parent
SCHEMAS: Final = FOLDER / "schemas"
EXAMPLES: Final = FOLDER / "examples"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def models() -> list[type[Model]]:
    """Every message, in the order of the topics."""
    return [model for topic in topics.ALL for model in topic.models]


def file_name(model: type[Model]) -> str:
    """`BookingConfirmed.v1`."""
    return f"{model.bare_type()}.v{model.major}"


def schemas() -> dict[str, Schema]:
    """One self-contained schema for each message, by `file_name`."""
    found = {}
    for model in models():
        schema = plain(model.model_json_schema())
        head = {"$schema": DIALECT, "$id": f"urn:hubnetz:schema:{file_name(model)}", "title": model.ce_type}
        found[file_name(model)] = head | schema
    return found


def components(ref_template: str) -> dict[str, Schema]:
    """All messages and their parts, each once, referring to each other by `ref_template` (with `{model}`)."""
    _, combined = models_json_schema([(model, "validation") for model in models()], ref_template=ref_template)
    return {name: plain(schema) for name, schema in combined["$defs"].items()}


def plain(node: Any) -> Any:
    """pydantic's schema without what does not travel: titles, closed objects, null beside a type, OpenAPI's discriminator."""
    if isinstance(node, list):
        return [plain(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    schema: Schema = {
        name: _members(entry) if name in ("properties", "$defs") else plain(entry) for name, entry in node.items()
    }
    schema.pop("discriminator", None)
    if isinstance(schema.get("title"), str):
        del schema["title"]
    if schema.get("additionalProperties") is False:
        del schema["additionalProperties"]
    if (patterns := schema.pop("patternProperties", None)) is not None:  # a map: its names are bound, not just some of them
        (pattern, entry), *others = patterns.items()
        assert not others, "one pattern for the names of a map"
        schema |= {"propertyNames": {"type": "string", "pattern": pattern}, "additionalProperties": entry}
    if "default" in schema and schema["default"] is None:  # null reads as absent: it is no value, and no default
        del schema["default"]
        kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
        if len(kinds) == 1:
            del schema["anyOf"]
            schema = {**kinds[0], **schema}
        elif kinds:
            schema["anyOf"] = kinds
    return schema


def _members(named: Mapping[str, Any]) -> Schema:
    """Under `properties` and `$defs` the names are ours, not keywords: a field may be called title."""
    return {name: plain(entry) for name, entry in named.items()}


def committed(folder: Path = SCHEMAS) -> dict[str, Schema]:
    """The schemas as they lie in the folder."""
    return {path.name.removesuffix(".json"): json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))}


def check(folder: Path = SCHEMAS) -> list[str]:
    """What is wrong with the committed schemas, a line each: breaking changes, files missing, left over or out of date."""
    before, now = committed(folder), schemas()
    lines = [str(found) for found in breaks(before, now)]
    lines += [f"{name}: not written yet" for name in sorted(now.keys() - before.keys())]
    lines += [f"{name}: out of date" for name in sorted(now.keys() & before.keys()) if before[name] != now[name]]
    return lines


def write(folder: Path = SCHEMAS) -> list[Break]:
    """Write the generated schemas, unless one breaks its committed form: then write nothing and return the breaks."""
    before, now = committed(folder), schemas()
    found = breaks(before, now)
    if not found:
        folder.mkdir(exist_ok=True)
        for name, schema in now.items():
            text = json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=False)
            (folder / f"{name}.json").write_text(text + "\n", "utf-8")
    return found


def examples() -> Iterator[tuple[str, Path, dict[str, Any]]]:
    """Type, file and content `{key, headers, value}` of every committed example; a tombstone's value is null."""
    for path in sorted(EXAMPLES.glob("*/v*/*.json")):
        yield path.parents[1].name, path, json.loads(path.read_text("utf-8"))
