"""The topics job: makes the cluster's topics what `contracts/topics.py` says. It creates and alters, it never deletes."""

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, Literal

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewPartitions, NewTopic

from contracts.topics import Topic
from deploy.failures import Failure

_SECONDS: Final = 30.0
_BROKERS_DEFAULT: Final = -1  # as the protocol says it
_REMEDY: Final = "is the broker at that address, and does it answer? see its log, or `hubnetz status`"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between the table and the cluster. `fewer`: the cluster has more partitions, which nothing can undo."""

    topic: str
    what: Literal["create", "config", "partitions", "fewer"]
    name: str = ""
    old: str = ""
    new: str = ""

    def __str__(self) -> str:
        match self.what:
            case "create":
                return f"{self.topic}: create with {self.new} partitions"
            case "config":
                return f"{self.topic}: {self.name} {self.old or '(default)'} -> {self.new}"
            case "partitions":
                return f"{self.topic}: partitions {self.old} -> {self.new} (keys move: only with --repartition)"
            case "fewer":
                return f"{self.topic}: has {self.old} partitions, the table says {self.new}; they cannot be taken away"


def admin_of(settings: Mapping[str, str]) -> AdminClient:
    """A client by librdkafka's settings; connects when it is asked something."""
    return AdminClient({**settings, "log_level": 0, "socket.timeout.ms": 10_000})


def plan(admin: AdminClient, wanted: Iterable[Topic]) -> list[Change]:
    """What differs, in the order of the table; empty: the cluster is as it should be."""
    table = list(wanted)
    try:
        there = {name: len(facts.partitions) for name, facts in admin.list_topics(timeout=_SECONDS).topics.items()}
    except KafkaException as error:
        raise Failure(f"The broker does not list its topics: {error.args[0]}", remedy=_REMEDY) from error
    configs = _configs(admin, [topic.name for topic in table if topic.name in there])
    changes: list[Change] = []
    for topic in table:
        if topic.name not in there:
            changes.append(Change(topic.name, "create", new=str(topic.partitions)))
            continue
        for name, value in topic.config().items():
            old = configs[topic.name].get(name, "")
            if old != value:
                changes.append(Change(topic.name, "config", name, old, value))
        if there[topic.name] != topic.partitions:
            what: Literal["partitions", "fewer"] = "partitions" if there[topic.name] < topic.partitions else "fewer"
            changes.append(Change(topic.name, what, old=str(there[topic.name]), new=str(topic.partitions)))
    return changes


def apply(admin: AdminClient, wanted: Iterable[Topic], *, replication: int, repartition: bool = False) -> list[Change]:
    """Carry out what `plan` finds; the changes that were left (`fewer`, and `partitions` without `repartition`) on return.

    `replication` 1 leaves the number of copies to the broker's own default, which is 1, or 3 where there are three brokers.
    On return the broker shows the new state: its answer to the change comes some 100 ms before its own metadata follow.
    """
    table = {topic.name: topic for topic in wanted}
    changes = plan(admin, table.values())
    new = [
        NewTopic(
            change.topic,
            num_partitions=table[change.topic].partitions,
            replication_factor=replication if replication > 1 else _BROKERS_DEFAULT,
            config=table[change.topic].config(),
        )
        for change in changes
        if change.what == "create"
    ]
    if new:
        _settle(admin.create_topics(new, operation_timeout=_SECONDS), "create")
    altered: dict[str, list[ConfigEntry]] = {}
    for change in changes:
        if change.what == "config":
            entry = ConfigEntry(change.name, change.new, incremental_operation=AlterConfigOpType.SET)
            altered.setdefault(change.topic, []).append(entry)
    if altered:
        resources = [ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries) for name, entries in altered.items()]
        _settle(admin.incremental_alter_configs(resources), "alter")
    grown = [NewPartitions(c.topic, int(c.new)) for c in changes if c.what == "partitions" and repartition]
    if grown:
        _settle(admin.create_partitions(grown, operation_timeout=_SECONDS), "repartition")
    deadline = time.monotonic() + _SECONDS
    left = plan(admin, table.values())
    while due := [c for c in left if c.what in ("create", "config") or (c.what == "partitions" and repartition)]:
        if time.monotonic() > deadline:
            raise Failure(f"The broker does not show after {_SECONDS:.0f} s: {due[0]}", remedy=_REMEDY)
        time.sleep(0.05)
        left = plan(admin, table.values())
    return left


def _configs(admin: AdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    """Topic -> setting -> value, as the broker has it in force."""
    if not names:
        return {}
    asked = admin.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in names])
    answers = _settle(asked, "describe")
    return {
        resource.name: {name: entry.value or "" for name, entry in entries.items()} for resource, entries in answers.items()
    }


def _settle(futures: Mapping[Any, "Future[Any]"], verb: str) -> dict[Any, Any]:
    """Wait for all answers; the first refusal ends it. A topic that another job made meanwhile is as good as ours."""
    answers = {}
    for what, future in futures.items():
        try:
            answers[what] = future.result(_SECONDS)
        except KafkaException as error:
            if error.args[0].name() == "TOPIC_ALREADY_EXISTS":
                continue
            raise Failure(f"The broker refused to {verb} {what}: {error.args[0]}", remedy=_REMEDY) from error
    return answers
