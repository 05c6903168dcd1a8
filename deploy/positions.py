"""Messages sent again from the database, and a consumer put to another place of its log."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import EarliestSpec, LatestSpec, OffsetSpec, TimestampSpec

from contracts import topics as catalogue
from contracts.topics import Topic
from deploy.hub import Hub
from deploy.local.folder import DataFolder
from deploy.topics import admin_of
from hubkit import inbox, outbox
from hubkit.db import Pool, new_pool, transaction
from hubkit.messaging import Bus

_SECONDS: Final = 30.0
Place = datetime | Literal["start", "end"]


def read_by(service: str, topic: str | None) -> list[Topic]:
    """The topics that the service reads, or the one named of them; may be empty."""
    return [t for t in catalogue.ALL if service in t.readers and t.models and topic in (None, t.name)]


def records_in(hub: Hub, topic: str) -> int:
    """How many records the topic has ever had, all partitions together."""
    ends = _offsets(admin_of(hub.admin_settings()), topic, LatestSpec())  # type: ignore[no-untyped-call]  # no types there
    return sum(ends.values())


def rewind(hub: Hub, service: str, topics: Sequence[Topic], place: Place) -> dict[str, dict[int, int]]:
    """Store the place as the service's position, while it is stopped; topic -> partition -> offset."""
    stored = {}
    with DataFolder(Path(hub.data_dir)).hold(service):
        for topic in topics:
            stored[topic.name] = _positions(admin_of(hub.admin_settings()), topic, place)
            asyncio.run(_store(hub, service, topic, stored[topic.name]))
    return stored


async def replay(dsn: str, span: tuple[datetime, datetime]) -> int:
    pool = await _connect(dsn)
    try:
        async with transaction(pool) as tx:
            return await outbox.replay_sent(tx, *span)
    finally:
        await pool.close()


def _positions(admin: AdminClient, topic: Topic, place: Place) -> dict[int, int]:
    """Partition -> offset of the first record at or after the place; the log's end where nothing is that young."""
    ends = _offsets(admin, topic.name, LatestSpec())  # type: ignore[no-untyped-call]  # the client has no types there
    if place == "end":
        return ends
    if place == "start":
        return _offsets(admin, topic.name, EarliestSpec())  # type: ignore[no-untyped-call]  # likewise
    found = _offsets(admin, topic.name, TimestampSpec(int(place.timestamp() * 1000)))
    return {part: offset if offset >= 0 else ends[part] for part, offset in found.items()}


def _offsets(admin: AdminClient, topic: str, spec: OffsetSpec) -> dict[int, int]:
    facts = admin.list_topics(topic, timeout=_SECONDS).topics[topic]
    asked = {TopicPartition(topic, part): spec for part in facts.partitions}
    return {tp.partition: answer.result(_SECONDS).offset for tp, answer in admin.list_offsets(asked).items()}


async def _store(hub: Hub, service: str, topic: Topic, positions: Mapping[int, int]) -> None:
    """Write the positions with the topic's present id: it may have been made anew."""
    topic_id = await Bus(bootstrap=hub.kafka, security="plaintext-internal", client_id="hubnetz").topic_id(topic)
    pool = await _connect(hub.postgres[service])
    try:
        async with transaction(pool) as tx:
            await inbox.set_offsets(tx, f"{service}.{topic.name}", topic.name, positions, topic_id)
    finally:
        await pool.close()


async def _connect(dsn: str) -> Pool:
    pool = new_pool(dsn, name="hubnetz", size_max=2)
    await pool.connect()
    return pool
