"""`replay` and `rewind`: messages sent again from the database, and a consumer put to another place of its log."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal

import typer
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import EarliestSpec, LatestSpec, OffsetSpec, TimestampSpec

from contracts import topics as catalogue
from contracts.topics import Topic
from deploy import hub as hubs
from deploy.cli.root import Data, Yes, confirm, out
from deploy.failures import USAGE, Failure
from deploy.hub import Hub
from deploy.local.folder import DataFolder
from deploy.topics import admin_of
from hubkit import inbox, outbox
from hubkit.db import Pool, new_pool, transaction
from hubkit.messaging import Bus

_SECONDS: Final = 30.0
_EXAMPLE: Final = "2027-03-01T08:00:00Z"
Place = datetime | Literal["start", "end"]


def add_to(app: typer.Typer) -> None:
    app.command()(replay)
    app.command()(rewind)


def replay(
    begin: Annotated[str, typer.Option("--from", help="instant with offset: 2027-03-01T08:00:00Z")],
    end: Annotated[str, typer.Option("--to", help="instant with offset, not included")],
    data: Data = None,
    service: Annotated[str | None, typer.Option("--service", help="only this service's messages")] = None,
    yes: Yes = False,
) -> None:
    """Send the messages of a span again from the database, same ids and same bytes; who knows them drops them."""
    hub = hubs.running(data)
    names = [_known(hub, service)] if service else list(hub.postgres)
    span = (_instant(begin), _instant(end))
    confirm(f"Send again what {', '.join(names)} sent from {span[0]} to {span[1]}?", yes=yes)
    for name in names:
        out(f"{name}: {asyncio.run(_replay(hub.postgres[name], span))} messages")


async def _replay(dsn: str, span: tuple[datetime, datetime]) -> int:
    pool = await _connect(dsn)
    try:
        async with transaction(pool) as tx:
            return await outbox.replay_sent(tx, *span)
    finally:
        await pool.close()


def rewind(
    service: Annotated[str, typer.Argument(help="the service that shall read again")],
    to: Annotated[str, typer.Option("--to", help="start, end, or an instant with offset")],
    topic: Annotated[str | None, typer.Option("--topic", help="only this topic; default: all that it reads")] = None,
    data: Data = None,
    yes: Yes = False,
) -> None:
    """Put a consumer to another place of its log: effects stay single. Forwards it accepts a gap, and ends a stop.

    The service is stopped meanwhile and starts again afterwards.
    """
    hub = hubs.running(data)
    _known(hub, service)
    place: Place = "start" if to == "start" else "end" if to == "end" else _instant(to)
    read = [t for t in catalogue.ALL if service in t.readers and t.models and topic in (None, t.name)]
    if not read:
        raise Failure(f"{service} reads no topic {topic or ''}.", remedy="hubnetz topics plan --json", code=USAGE)
    confirm(f"Put {service} to {to} of {', '.join(t.name for t in read)}?", yes=yes)
    with DataFolder(Path(hub.data_dir)).hold(service):
        for each in read:
            positions = _positions(admin_of(hub.admin_settings()), each, place)
            asyncio.run(_store(hub, service, each, positions))
            out(f"{each.name}: " + ", ".join(f"{part} -> {offset}" for part, offset in sorted(positions.items())))


def _positions(admin: AdminClient, topic: Topic, place: Place) -> dict[int, int]:
    """Partition -> offset of the first record at or after the place; the log's end where nothing is that young."""
    ends = _offsets(admin, topic, LatestSpec())  # type: ignore[no-untyped-call]  # the client has no types there
    if place == "end":
        return ends
    if place == "start":
        return _offsets(admin, topic, EarliestSpec())  # type: ignore[no-untyped-call]  # likewise
    found = _offsets(admin, topic, TimestampSpec(int(place.timestamp() * 1000)))
    return {part: offset if offset >= 0 else ends[part] for part, offset in found.items()}


def _offsets(admin: AdminClient, topic: Topic, spec: OffsetSpec) -> dict[int, int]:
    facts = admin.list_topics(topic.name, timeout=_SECONDS).topics[topic.name]
    asked = {TopicPartition(topic.name, part): spec for part in facts.partitions}
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


def _known(hub: Hub, service: str) -> str:
    if service not in hub.postgres:
        raise Failure(f"There is no service {service}.", remedy=f"one of: {', '.join(hub.postgres)}", code=USAGE)
    return service


def _instant(text: str) -> datetime:
    """An instant; without an offset it would be read differently on each machine, so that is refused."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise Failure(f"{text!r} is no instant.", remedy=_EXAMPLE, code=USAGE) from error
    if instant.tzinfo is None:
        raise Failure(f"{text!r} has no offset.", remedy=_EXAMPLE, code=USAGE)
    return instant
