"""Analytics on the real broker: killed at each of its points, two of them at once, hostile records on each topic it reads."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, get_args

import pytest

from contracts import topics
from contracts.envelope import Event, encode
from contracts.notify import Channel, MessageClass, MessageKind, MessageSent
from contracts.topics import Topic
from hubkit import clock, points
from hubkit.messaging import letters
from services.analytics.app import build
from services.analytics.settings import AnalyticsSettings
from tests.service.analytics.hub import Desk
from tests.service.analytics.log import Claim, booking_event, local, named, published, room
from tests.service.analytics.process import EXIT_CODE, Office, environment, make_keys, make_topics
from tests.service.analytics.random_log import Log, random_log
from tests.support import frontend, hostile
from tests.support.kafka import KafkaServer, Raw
from tests.support.spoiled import spoiled
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(120, func_only=True)  # processes of their own, which the broker takes its time to give up

TODAY = clock.wall().date()
MONDAY = TODAY - timedelta(days=TODAY.weekday() + 56)  # long enough ago for all that follows, and inside the retention
POINTS = [point for point in get_args(points.Point) if point.startswith("analytics.")]
ROLLUPS = "SELECT day, resource_id, booked_s, out_of_hours_s, held_s, states FROM day_resource WHERE held_s > 0 ORDER BY 1, 2"
OFFERS = "SELECT day, offer_id, made, cancelled, leads, states, refused FROM day_offer ORDER BY 1, 2"


@pytest.fixture
async def office(kafka: KafkaServer, service_db: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Office]:
    await make_topics(kafka)
    office = Office(kafka, service_db("analytics"), tmp_path)
    yield office
    await office.stop()


def raw(event: Event) -> Raw:
    return Raw(*encode(event))


async def expected(dsn: str, log: Log) -> list[list[Any]]:
    """What the figures are when the log is read at once by one process that nothing happens to."""
    desk = await Desk.open(dsn, now=clock.wall())
    try:
        await desk.publish(*(event for states in log.catalogue for event in states))
        await desk.book(*(event for key in log.booking for event in key))
        await desk.settle()
        return [await desk.fetch(ROLLUPS), await desk.fetch(OFFERS)]
    finally:
        await desk.close()


async def test_killed_at_each_point__the_figures_of_a_run_without_an_end(
    office: Office, service_db: Callable[[str], str]
) -> None:
    """One process after the other on one log; each finds a part of it, does some of its work and is gone."""
    log = random_log(Random(4), first=MONDAY)
    wanted = await expected(service_db("analytics"), log)
    booking = [raw(event) for key in log.booking for event in key]
    catalogue = [raw(event) for states in log.catalogue for event in states]
    portions = len(POINTS) + 1
    for n, crash_at in enumerate([*POINTS, ""]):
        await office.kafka.produce(office.kafka.name(topics.CATALOG_OFFERS.name), catalogue[n::portions])
        await office.kafka.produce(
            office.kafka.name(topics.BOOKING_EVENTS.name),
            booking[n * len(booking) // portions : (n + 1) * len(booking) // portions],
        )
        running = office.start(crash_at=f"{crash_at}:1" if crash_at else "")
        if crash_at:
            assert await running.ended() == EXIT_CODE, f"{crash_at} was never passed"
            await office.bury()
    await office.settled(len(booking) + len(catalogue))
    assert [await office.fetch(ROLLUPS), await office.fetch(OFFERS)] == wanted
    (counted,) = await office.fetch("SELECT count(*) FROM events")
    assert counted[0] == len({event.id for key in log.booking for event in key})


async def test_two_processes_and_one_killed__each_event_once(office: Office, service_db: Callable[[str], str]) -> None:
    log = random_log(Random(9), bookings=120, first=MONDAY)
    wanted = await expected(service_db("analytics"), log)
    booking = [raw(event) for key in log.booking for event in key]
    catalogue = [raw(event) for states in log.catalogue for event in states]
    first, _ = office.start(), office.start()
    await first.port()
    await office.kafka.produce(office.kafka.name(topics.CATALOG_OFFERS.name), catalogue)
    for start in range(0, len(booking), 60):
        await office.kafka.produce(office.kafka.name(topics.BOOKING_EVENTS.name), booking[start : start + 60])
        if start == 120:
            first.process.kill()
            assert await first.ended() < 0
            await office.bury()
    await office.settled(len(booking) + len(catalogue))
    assert [await office.fetch(ROLLUPS), await office.fetch(OFFERS)] == wanted


def good(topic: Topic, number: int) -> Event:
    """A record that counts."""
    if topic is topics.BOOKING_EVENTS:
        return Claim(f"good-{number}", local(MONDAY.isoformat(), "09:00"), local(MONDAY.isoformat(), "10:00")).confirmed().last
    if topic is topics.CATALOG_OFFERS:
        state = published(f"offer-{number}", room(f"room-{number}"))
        return replace(state, time=local(MONDAY.isoformat()))
    sent = MessageSent(
        message_id=named(f"m{number}"), kind=MessageKind.CONFIRMED, message_class=MessageClass.ANSWER, channel=Channel.MAIL,
        due_at=local(MONDAY.isoformat()), at=local(MONDAY.isoformat()), attempts=1,
    )  # fmt: skip
    return replace(booking_event(sent, f"m{number}/sent", local(MONDAY.isoformat())), source="urn:hub:nord:notify")


BAD_FIELDS: dict[str, list[tuple[str, Any]]] = {
    topics.BOOKING_EVENTS.name: [
        ("version", 0), ("version", 2**40), ("version", "1"), ("state", "happy"), ("start", "2026-11-03"), ("start", 1),
        ("offer_id", "a\x00b"), ("offer_id", "x" * 121), ("quantity", -1), ("placements", {}), ("placements", [{}] * 5000),
        ("claimant", {"kind": "person"}), ("claimant", {"kind": "dog"}), ("time_zone", "../etc/passwd"), ("booking_id", "x"),
    ],
    topics.CATALOG_OFFERS.name: [
        ("revision", -1), ("title", {}), ("title", {"de": "a\x00b"}), ("status", "withdrawn"), ("booking", []),
        ("booking", {"mode": "instant"}), ("hub_id", "sued"), ("booking", {"resources": [{"resource_id": "a"}] * 10}),
    ],
    topics.NOTIFY_DELIVERIES.name: [
        ("attempts", -1), ("due_at", None), ("at", "soon"), ("kind", 7), ("message_id", "x"), ("class", {}),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    "topic", [topics.BOOKING_EVENTS, topics.CATALOG_OFFERS, topics.NOTIFY_DELIVERIES], ids=lambda t: t.name
)
async def test_a_thousand_hostile_records_among_good_ones__set_aside_with_their_reasons(
    kafka: KafkaServer,
    service_db: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    topic: Topic,
) -> None:
    """More than a release may shed: the stop is lifted, as an operator would who knows where they come from."""
    monkeypatch.setattr(letters, "LETTERS_MAX", 10_000)
    for name, value in environment(kafka, service_db("analytics"), make_keys(tmp_path / "keys")).items():
        monkeypatch.setenv(name, value)
    await make_topics(kafka, partitions=1)
    wanted = [good(topic, n) for n in range(200)]
    evil = spoiled(topic, lambda n: raw(good(topic, 10_000 + n)), BAD_FIELDS, 1000)
    everything: list[tuple[Raw, str]] = [*evil, *((raw(event), "") for event in wanted)]
    Random(1).shuffle(everything)
    await asyncio.to_thread(hostile.produce, kafka.address, kafka.name(topic.name), [record for record, _ in everything])
    with caplog.at_level(logging.DEBUG):
        found = await _read_all(topic, len(everything))
    reasons = {row["record_offset"]: row["reason"] for row in found}
    assert reasons == {n: reason for n, (_, reason) in enumerate(everything) if reason}
    assert frontend.PERSON not in " ".join(str(record.__dict__) for record in caplog.records)


async def _read_all(topic: Topic, records: int) -> Sequence[Any]:
    """Run the service to the end of the log; its dead letters. What was good has to be there."""
    app = build(AnalyticsSettings())
    running = asyncio.create_task(app.run())
    tables = {
        topics.BOOKING_EVENTS.name: "events",
        topics.CATALOG_OFFERS.name: "offer_states",
        topics.NOTIFY_DELIVERIES.name: "deliveries",
    }

    async def there() -> bool:
        assert not running.done()
        if not app.port:
            return False
        read = await app.pool.raw.fetchval("SELECT sum(next_offset) FROM stored_offsets WHERE topic = $1", topic.name)
        return bool(read == records)

    try:
        await eventually(there, seconds=60, what="the end of the log")
        stored = await app.pool.raw.fetchval(f"SELECT count(*) FROM {tables[topic.name]}")  # noqa: S608  a name of this file
        assert stored == 200
        assert not any(feed.stopped for feed in app.feeds)
        rows: Sequence[Any] = await app.pool.raw.fetch("SELECT record_offset, reason FROM dead_letters ORDER BY 1")
        return rows
    finally:
        app.stop()
        assert await running == 0


async def test_without_a_years_key__ingestion_waits_and_goes_on_once_it_is_made(
    kafka: KafkaServer, service_db: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    for name, value in environment(kafka, service_db("analytics"), keys).items():
        monkeypatch.setenv(name, value)
    await make_topics(kafka, partitions=1)
    await kafka.produce(kafka.name(topics.BOOKING_EVENTS.name), [raw(good(topics.BOOKING_EVENTS, n)) for n in range(5)])
    app = build(AnalyticsSettings())
    running = asyncio.create_task(app.run())

    async def waits() -> bool:
        return bool(app.port) and "no key for" in (await app.health.ready()).get("keys", "")

    async def read() -> bool:
        return bool(await app.pool.raw.fetchval("SELECT count(*) FROM events") == 5)

    try:
        await eventually(waits, seconds=20, what="the wait for a key")
        assert not await read()
        for file in make_keys(tmp_path / "made").iterdir():
            file.rename(keys / file.name)
        await eventually(read, seconds=20, what="the events")
        assert "keys" not in await app.health.ready()
    finally:
        app.stop()
        assert await running == 0
