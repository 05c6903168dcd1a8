"""Rules about the bus: who may hand a record to the broker."""

import ast
import re
from collections.abc import Iterator

from tests.tidy.source import Source
from tests.tidy.tree import Finding, Rule, Tree

_RELAY = ("hubkit/outbox", "hubkit/relay")
_FACTORY = ("hubkit/messaging",)  # makes the relay's producer, sends nothing
# Frontends of their own: the demo's visitors, benchmarks, tests and the example for frontend developers.
_FRONTENDS = ("bench/", "tests/", "docs/examples/", "deploy/demo", "deploy/visitors")
_PRODUCERS = frozenset(
    {
        "aiokafka.AIOKafkaProducer",
        "aiokafka.producer.AIOKafkaProducer",
        "confluent_kafka.Producer",
        "confluent_kafka.SerializingProducer",
    }
)
_BROKERS = frozenset({"faststream.kafka.KafkaBroker", "faststream.kafka.KafkaRouter", "faststream.kafka.TestKafkaBroker"})
_SENDS = frozenset({"publish", "publish_batch", "send", "send_and_wait", "send_batch", "produce", "request", "publisher"})
_SENDS_ALWAYS = frozenset({"publish_batch", "send_and_wait", "produce"})  # no other thing of ours has such a method
_LOOKS_LIKE_ONE = re.compile(r"(broker|producer|publisher|kafka|router|bus)$", re.IGNORECASE)
_INSTEAD = "write the event with `hubkit.outbox.put(tx, topic, events)`; the relay alone sends"


def _ends(source: Source) -> set[str]:
    """Dotted names in the file that hold a producer or broker, by annotation or by assignment."""
    kinds = _PRODUCERS | _BROKERS
    held: set[str] = set()
    for arg in source.of(ast.arg):
        if arg.annotation is not None and source.qualified(arg.annotation) in kinds:
            held.add(arg.arg)
    for annotated in source.of(ast.AnnAssign):
        if source.qualified(annotated.annotation) in kinds:
            held.add(source.dotted(annotated.target) or "")
    for assigned in source.of(ast.Assign):
        if isinstance(assigned.value, ast.Call) and source.qualified(assigned.value.func) in kinds:
            held.update(source.dotted(target) or "" for target in assigned.targets)
    return held - {""}


def _publish(tree: Tree) -> Iterator[Finding]:
    for source in tree.under("contracts/", "hubkit/", "services/", "deploy/"):
        if source.path.startswith(_RELAY + _FRONTENDS):
            continue
        held = _ends(source)
        for call in source.of(ast.Call):
            if source.qualified(call.func) in _PRODUCERS and not source.path.startswith(_FACTORY):
                yield Finding(source.path, call.lineno, "publish", f"a producer of its own: {_INSTEAD}")
            elif isinstance(call.func, ast.Attribute) and call.func.attr in _SENDS:
                receiver = source.dotted(call.func.value)
                last = (receiver or "").rpartition(".")[2]
                if call.func.attr in _SENDS_ALWAYS or receiver in held or _LOOKS_LIKE_ONE.search(last):
                    message = f"`{last}.{call.func.attr}` goes past the outbox: {_INSTEAD}"
                    yield Finding(source.path, call.lineno, "publish", message)


RULES = (Rule("publish", _publish),)
