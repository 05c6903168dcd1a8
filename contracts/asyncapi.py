"""The AsyncAPI 3 document of a hub, generated from the topics and the models: channels, keys, headers, who sends and who reads.

FastStream's own document knows no sender behind an outbox and shows the envelope instead of the messages.
"""

import re
from typing import Any, Final

from contracts import __version__, schema, topics
from contracts.envelope import Model
from contracts.envelope.event import KEY_BYTES_MAX
from contracts.envelope.parser import SOURCE_LENGTH_MAX
from contracts.envelope.values import INSTANT_PATTERN, UUID_PATTERN
from contracts.topics import Topic

Document = dict[str, Any]

VERSION: Final = "3.0.0"
KAFKA_BINDING: Final = "0.5.0"
EXAMPLES_MAX: Final = 5
"""Of each message; the rest is in `examples/`."""
HEADERS: Final = "EnvelopeHeaders"
TOMBSTONE: Final = "Tombstone"


def asyncapi(hub_id: str | None = None) -> Document:
    """The document; with a hub id, `ce_source` is bound to that hub. Names have no spaces and no colons."""
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "Hubnetz" if hub_id is None else f"Hubnetz: {hub_id}",
            "version": __version__,
            "description": "What travels on the bus of a hub: CloudEvents 1.0 in Kafka's binary binding, JSON values.",
            "license": {"name": "EUPL-1.2"},
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in topics.ALL},
        "operations": _operations(),
        "components": {
            "messages": _messages(),
            "schemas": {HEADERS: _headers(hub_id), **schema.components("#/components/schemas/{model}")},
        },
    }


def _channel(topic: Topic) -> Document:
    names = [model.bare_type() for model in topic.models] + ([TOMBSTONE] if topic.models and topic.tombstones else [])
    config = topic.config()
    channel: Document = {
        "address": topic.name,
        "description": f"Owned by {topic.owner}. Key: {topic.key}.",
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": _topic_configuration(config),
                "bindingVersion": KAFKA_BINDING,
            }
        },
    }
    if names:
        channel["messages"] = {name: {"$ref": f"#/components/messages/{name}"} for name in names}
    return channel


def _topic_configuration(config: dict[str, str]) -> Document:
    """The binding knows five settings, with numbers as numbers."""
    numbers = ("retention.ms", "delete.retention.ms", "max.message.bytes")
    known: Document = {name: int(config[name]) for name in numbers if name in config}
    return {"cleanup.policy": [config["cleanup.policy"]]} | known


def _operations() -> Document:
    """One for each side of each topic: `<who>.sends.<topic>`, `<who>.receives.<topic>`."""
    found: Document = {}
    for topic in topics.ALL:
        sides = [("send", who) for who in topic.writers] + [("receive", who) for who in topic.readers]
        for action, who in sides:
            found[f"{who}.{action}s.{topic.name}"] = {
                "action": action,
                "channel": {"$ref": f"#/channels/{topic.name}"},
                "tags": [{"name": who}],
            }
    return found


def _messages() -> Document:
    samples: dict[str, list[Document]] = {}
    for name, path, content in schema.examples():
        of_message = samples.setdefault(name if content["value"] is not None else TOMBSTONE, [])
        if len(of_message) < EXAMPLES_MAX:
            of_message.append({"name": path.stem, "headers": content["headers"], "payload": content["value"]})
    found = {
        model.bare_type(): _message(topic, model, samples.get(model.bare_type(), []))
        for topic in topics.ALL
        for model in topic.models
    }
    found[TOMBSTONE] = {
        "name": TOMBSTONE,
        "title": TOMBSTONE,
        "summary": "A null value: what is under this key is gone. The headers are those of any event.",
        "headers": {"$ref": f"#/components/schemas/{HEADERS}"},
        "payload": {"type": "null"},
        "bindings": {"kafka": {"key": _key("the id that is removed"), "bindingVersion": KAFKA_BINDING}},
        "examples": samples.get(TOMBSTONE, []),
    }
    return found


def _message(topic: Topic, model: type[Model], samples: list[Document]) -> Document:
    description = re.sub(r"\s+", " ", model.__doc__ or "").strip()
    return {
        "name": model.bare_type(),
        "title": model.ce_type,
        "summary": description,
        "contentType": "application/json",
        "headers": {
            "allOf": [
                {"$ref": f"#/components/schemas/{HEADERS}"},
                {"type": "object", "properties": {"ce_type": {"const": model.ce_type}}},
            ]
        },
        "payload": {"$ref": f"#/components/schemas/{model.bare_type()}"},
        "bindings": {"kafka": {"key": _key(topic.key), "bindingVersion": KAFKA_BINDING}},
        "examples": samples,
    }


def _key(what: str) -> Document:
    return {"type": "string", "minLength": 1, "maxLength": KEY_BYTES_MAX, "description": f"UTF-8 text: {what}"}


def _headers(hub_id: str | None) -> Document:
    """Kafka's headers are bytes: these are their texts, in UTF-8, each at most once."""
    source: Document = {"type": "string", "format": "uri-reference", "maxLength": SOURCE_LENGTH_MAX}
    if hub_id is not None:
        source["pattern"] = f"^urn:hub:{re.escape(hub_id)}:[a-z0-9-]+$"
    identifier = {"type": "string", "format": "uuid", "pattern": UUID_PATTERN}
    instant = {"type": "string", "format": "date-time", "pattern": INSTANT_PATTERN}
    properties: dict[str, Document] = {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_id": {**identifier, "description": "Of a command it is the request id: the same for every repetition."},
        "ce_source": {
            **source,
            "description": "urn:hub:<hub id>:<service>, of another frontend urn:hub:<hub id>:frontend-<name>",
        },
        "ce_type": {"type": "string", "description": "de.hubnetz.<area>.<Name>.v<major>"},
        "ce_time": {**instant, "description": "When it happened."},
        "content-type": {"type": "string", "const": "application/json"},
        "ce_causationid": {**identifier, "description": "The ce_id of the cause."},
        "ce_expirytime": {**instant, "description": "After this instant a command is refused as expired."},
        "traceparent": {"type": "string", "description": "W3C Trace Context"},
        "tracestate": {"type": "string", "description": "W3C Trace Context"},
    }
    required = ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"]
    return {"type": "object", "properties": properties, "required": required}
