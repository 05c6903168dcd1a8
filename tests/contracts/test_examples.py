"""Examples are kept for ever: each is read, written as the same bytes, and fits the schema that is committed."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from contracts import topics
from contracts.envelope import Event, Model, decode, encode
from contracts.schema import committed, examples, file_name
from contracts.topics import Topic

MODELS = {model.bare_type(): (topic, model) for topic in topics.ALL for model in topic.models}
EXAMPLES = list(examples())
SCHEMAS = committed()


def read(topic: Topic, content: dict[str, Any]) -> Event:
    headers = [(name, text.encode()) for name, text in content["headers"].items()]
    return decode(topic, key=content["key"].encode(), headers=headers, value=value_of(content))


def value_of(content: dict[str, Any]) -> bytes | None:
    value = content["value"]
    return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def test_examples__at_least_one_for_each_message() -> None:
    with_value = {name for name, _, content in EXAMPLES if content["value"] is not None}

    assert with_value == MODELS.keys()


@pytest.mark.parametrize(
    ("name", "path", "content"), EXAMPLES, ids=lambda value: value.stem if isinstance(value, Path) else None
)
def test_example__read_and_written_as_the_same_bytes(name: str, path: Path, content: dict[str, Any]) -> None:
    topic, model = MODELS[name]

    event = read(topic, content)

    assert content.keys() == {"key", "headers", "value"}
    assert event.type == model.ce_type
    assert path.parent.name == f"v{model.major}"
    assert event.problems == ()
    if content["value"] is None:
        assert topic.tombstones
    else:
        assert type(event.data) is model
        assert event.data.key() == event.key
    key, headers, value = encode(event)
    assert key == content["key"].encode()
    assert dict(headers) == {header: text.encode() for header, text in content["headers"].items()}
    assert value == value_of(content)


@pytest.mark.parametrize(
    ("name", "content"), [(name, content) for name, _, content in EXAMPLES if content["value"] is not None], ids=lambda _: ""
)
def test_example__fits_the_committed_schema(name: str, content: dict[str, Any]) -> None:
    schema = SCHEMAS[file_name(MODELS[name][1])]

    jsonschema.Draft202012Validator(schema).validate(content["value"])


def own_fields(model: type[Model]) -> set[str]:
    """Names on the wire of the fields that this message has and its base has not."""
    inherited = getattr(model.__base__, "model_fields", {})
    return {field.alias or name for name, field in model.model_fields.items() if name not in inherited}


@pytest.mark.parametrize("name", MODELS)
def test_examples_of_a_message__together_show_all_its_own_fields(name: str) -> None:
    shown = {field for other, _, content in EXAMPLES if other == name for field in content["value"] or ()}

    assert own_fields(MODELS[name][1]) - shown == set()
