"""The AsyncAPI document: complete, without dangling references, and its examples fit its schemas.

It was held against the official JSON Schema of AsyncAPI 3.0.0 and the official parser by hand; here stand the rules of the
specification that a change of ours could break.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from contracts import topics
from contracts.asyncapi import EXAMPLES_MAX, asyncapi
from contracts.schema import examples
from contracts.topics import ALL

DOCUMENT = asyncapi()
MESSAGES = DOCUMENT["components"]["messages"]


def walk(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for entry in node.values():
            yield from walk(entry)
    elif isinstance(node, list):
        for entry in node:
            yield from walk(entry)


def resolve(reference: str) -> Any:
    node: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node


def test_document__version_title_and_no_member_that_the_specification_has_not() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= DOCUMENT["info"].keys()
    assert DOCUMENT.keys() <= {
        "asyncapi",
        "id",
        "info",
        "servers",
        "defaultContentType",
        "channels",
        "operations",
        "components",
    }
    channel = {"address", "messages", "title", "summary", "description", "servers", "parameters", "tags", "bindings"}
    assert all(entry.keys() <= channel for entry in DOCUMENT["channels"].values())
    message = {"headers", "payload", "correlationId", "contentType", "name", "title", "summary", "description", "bindings"}
    assert all(entry.keys() <= message | {"examples", "tags"} for entry in MESSAGES.values())
    assert all(entry["action"] in {"send", "receive"} for entry in DOCUMENT["operations"].values())


def test_document__is_json_and_made_anew_each_time() -> None:
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT == asyncapi()
    assert asyncapi() is not DOCUMENT


def test_references__all_resolve() -> None:
    references = {node["$ref"] for node in walk(DOCUMENT) if isinstance(node.get("$ref"), str)}

    assert references
    assert [reference for reference in references if not isinstance(resolve(reference), dict)] == []


@pytest.mark.parametrize("kind", ["channels", "operations", "messages", "schemas"])
def test_names__without_blanks_and_colons(kind: str) -> None:
    names = DOCUMENT.get(kind) or DOCUMENT["components"][kind]

    assert [name for name in names if not re.fullmatch(r"[A-Za-z0-9._-]+", name)] == []


@pytest.mark.parametrize("topic", ALL, ids=lambda topic: topic.name)
def test_channel__address_messages_and_binding_as_in_the_table(topic: topics.Topic) -> None:
    channel = DOCUMENT["channels"][topic.name]
    kafka = channel["bindings"]["kafka"]

    assert channel["address"] == kafka["topic"] == topic.name
    assert kafka["partitions"] == topic.partitions
    configured = {name: str(value) for name, value in kafka["topicConfiguration"].items() if name != "cleanup.policy"}
    assert configured.items() <= topic.config().items()
    expected = {model.bare_type() for model in topic.models} | ({"Tombstone"} if topic.models and topic.tombstones else set())
    assert set(channel.get("messages", {})) == expected


def test_operations__one_for_each_writer_and_reader() -> None:
    expected = {f"{who}.sends.{topic.name}" for topic in ALL for who in topic.writers}
    expected |= {f"{who}.receives.{topic.name}" for topic in ALL for who in topic.readers}

    assert DOCUMENT["operations"].keys() == expected
    assert all(resolve(operation["channel"]["$ref"]) for operation in DOCUMENT["operations"].values())


@pytest.mark.parametrize("name", MESSAGES)
def test_message__key_headers_and_payload(name: str) -> None:
    message = MESSAGES[name]

    assert message["bindings"]["kafka"]["key"]["type"] == "string"
    assert message["summary"]
    headers = message["headers"].get("allOf", [message["headers"]])
    assert headers[0] == {"$ref": "#/components/schemas/EnvelopeHeaders"}


def test_message_examples__are_the_committed_ones_and_fit() -> None:
    committed = {name if content["value"] is not None else "Tombstone" for name, _, content in examples()}
    shown = {name for name, message in MESSAGES.items() if message.get("examples")}
    assert shown == committed

    for name in shown:
        payload = {**MESSAGES[name]["payload"], "components": DOCUMENT["components"]}
        headers = {**MESSAGES[name]["headers"], "components": DOCUMENT["components"]}
        assert len(MESSAGES[name]["examples"]) <= EXAMPLES_MAX
        for example in MESSAGES[name]["examples"]:
            jsonschema.Draft202012Validator(headers).validate(example["headers"])
            jsonschema.Draft202012Validator(payload).validate(example["payload"])


def test_document_of_one_hub__binds_the_source() -> None:
    headers = asyncapi("nord")["components"]["schemas"]["EnvelopeHeaders"]
    pattern = headers["properties"]["ce_source"]["pattern"]

    assert re.search(pattern, "urn:hub:nord:frontend-kiosk")
    assert not re.search(pattern, "urn:hub:sued:portal")
    assert headers["required"] == ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"]
