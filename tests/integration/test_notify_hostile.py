"""Hostile records on each topic that notify reads are set aside among good ones; a bad release stops its consumer.

An erased person leaves no address in any table, log line or topic.
"""

import asyncio
import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest

from contracts import topics
from contracts.topics import Topic
from hubkit.messaging import letters
from hubkit.telemetry import JsonFormatter
from tests.support import hostile
from tests.support.kafka import KafkaServer, Raw
from tests.support.mail_sink import MailSink, mail_sink
from tests.support.notify_events import NOW, BookingStory, contact, offer, raw, tombstone
from tests.support.notify_stand import MovableClock, make_topics, notifying
from tests.support.spoiled import spoiled
from tests.support.waiting import eventually

ServiceDb = Callable[[str], str]
MARK = "Mechthild-Zwackelmann"


@pytest.fixture(scope="module")
def sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailSink]:
    with mail_sink(tmp_path_factory.mktemp("sink")) as one:
        yield one


@contextmanager
def production_log() -> Iterator[io.StringIO]:
    """What would stand in the service's log, at its most talkative."""
    lines, root = io.StringIO(), logging.getLogger()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(JsonFormatter(hub_id="testhub", service="notify"))
    levels = {name: logging.getLogger(name).level for name in ("hubkit", "services", "contracts")}
    root.addHandler(handler)
    handler.setLevel(logging.DEBUG)
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def good(topic: Topic, random: Random) -> Raw:
    """A record that could be read, with the mark in it wherever a text goes."""
    story = BookingStory(booking_id=UUID(int=random.getrandbits(128), version=4))
    person = contact(story.person_id, name=MARK, address=f"{MARK}@example.org")
    return raw({"booking": story.confirmed(), "people": person, "catalog": offer(title={"de": MARK})}[topic.name.split(".")[0]])


BAD_FIELDS: dict[str, list[tuple[str, Any]]] = {
    topics.BOOKING_EVENTS.name: [
        ("version", 0), ("version", 2**40), ("state", "happy"), ("start", "2026-11-03"), ("offer_id", f"{MARK}\x00"),
        ("quantity", -1), ("placements", {}), ("claimant", {"kind": "person"}), ("claimant", MARK), ("time_zone", f"../{MARK}"),
        ("booking_id", MARK), ("check_in_code", "0"),
    ],
    topics.CATALOG_OFFERS.name: [
        ("revision", -1), ("title", {}), ("title", {"de": f"{MARK}\x00"}), ("status", "withdrawn"), ("booking", []),
        ("contact", {"email": MARK}), ("places", [{"place_id": MARK}]), ("visitor_notes", MARK), ("online_url", "javascript:1"),
    ],
    topics.PEOPLE_CONTACTS.name: [
        ("person_id", MARK), ("name", f"{MARK}\x00"), ("address", MARK), ("address", f"{MARK}@example.org, b@example.org"),
        ("address", f"{MARK}@example.org\r\nBcc: b@example.org"), ("verified_at", "soon"), ("language", 7), ("link_epoch", -1),
    ],
}  # fmt: skip
KEPT = {
    topics.BOOKING_EVENTS.name: "bookings",
    topics.CATALOG_OFFERS.name: "offers",
    topics.PEOPLE_CONTACTS.name: "people",
}


@pytest.mark.parametrize(
    "topic", [topics.BOOKING_EVENTS, topics.CATALOG_OFFERS, topics.PEOPLE_CONTACTS], ids=lambda topic: topic.name
)
@pytest.mark.timeout(90, func_only=True)
async def test_a_thousand_hostile_records_among_good_ones__set_aside_with_their_reasons(
    kafka: KafkaServer, service_db: ServiceDb, sink: MailSink, monkeypatch: pytest.MonkeyPatch, topic: Topic
) -> None:
    """More than a release may shed: the stop is lifted, as an operator would who knows where they come from."""
    monkeypatch.setattr(letters, "LETTERS_MAX", 10_000)
    random = Random(3)
    evil = spoiled(topic, lambda _: good(topic, random), BAD_FIELDS, 1_000)
    everything = [*evil, *((good(topic, random), "") for _ in range(200))]
    random.shuffle(everything)
    await make_topics(kafka)
    await asyncio.to_thread(hostile.produce, kafka.address, kafka.name(topic.name), [record for record, _ in everything])
    with production_log() as lines:
        async with notifying(kafka, service_db("notify"), sink, prepare=False) as stand:

            async def read() -> bool:
                rows = await stand.fetch("SELECT sum(next_offset) AS n FROM stored_offsets WHERE topic = $1", topic.name)
                return bool(rows[0]["n"] == len(everything))

            await eventually(read, seconds=60, what="the end of the log")
            found = await stand.fetch("SELECT record_offset, reason, payload FROM dead_letters ORDER BY 1")
            (kept,) = await stand.fetch(f"SELECT count(*) AS n FROM {KEPT[topic.name]}")  # noqa: S608  a name of this file
            dead = await kafka.read(kafka.name(topics.dead_letter("notify").name), count=len(evil))
    assert {row["record_offset"]: row["reason"] for row in found} == {n: why for n, (_, why) in enumerate(everything) if why}
    assert kept["n"] == (1 if topic is topics.CATALOG_OFFERS else 200)
    assert MARK not in lines.getvalue()
    if topic is topics.PEOPLE_CONTACTS:  # a value that may hold an address stays in its own topic
        assert not [row for row in found if row["payload"] is not None]
        assert not [record for record in dead if MARK.encode() in (record.value or b"")]


async def test_topic_that_fills_with_bad_records__its_consumer_stops_with_an_alarm(
    kafka: KafkaServer, service_db: ServiceDb, sink: MailSink
) -> None:
    """Contacts are written by our own portal alone: a bad release must not drain the topic."""
    random = Random(7)
    async with notifying(kafka, service_db("notify"), sink) as stand:
        records = [replace(good(topics.PEOPLE_CONTACTS, random), value=b"{}") for _ in range(60)]
        await kafka.produce(kafka.name(topics.PEOPLE_CONTACTS.name), records)

        async def stopped() -> dict[str, str]:
            return {feed.topic.name: feed.stopped for feed in stand.app.feeds if feed.stopped}

        assert await eventually(stopped, what="the alarm") == {"people.contacts.v1": "dead_letters"}


async def test_erased_person__nothing_is_sent_and_nothing_holds_the_address(
    kafka: KafkaServer, service_db: ServiceDb, sink: MailSink
) -> None:
    """The relay refuses and quotes the address, the person goes, everything is searched: tables, log lines, topics of ours."""
    address, clock = "mechthild.z@example.org", MovableClock()
    clock.set(NOW + timedelta(hours=1))
    sink.script({"command": "rcpt", "action": "reply", "reply": f"450 4.2.0 <{address}> greylisted"})
    with production_log() as lines:
        async with notifying(kafka, service_db("notify"), sink, clock=clock) as stand:
            story = BookingStory()
            await stand.send(offer(), contact(story.person_id, address=address, name=MARK), story.confirmed())

            async def refused() -> bool:
                return [row["attempts"] for row in await stand.messages(kind="confirmed", state="scheduled")] == [1]

            await eventually(refused, what="a refusal")
            await stand.send(tombstone(story.person_id))
            sink.script()
            clock.set(story.start - timedelta(hours=20))
            await stand.reached("suppressed", count=2, reason="erased")
            facts = await stand.facts(count=2)

            assert [fact.bare_type for fact in facts] == ["MessageSuppressed"] * 2
            assert sink.mails(recipient=address) == []
            tables = await stand.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            for table in tables:
                query = f'SELECT count(*) AS n FROM "{table["tablename"]}" AS t WHERE t::text ~* $1'  # noqa: S608  from the catalogue
                (found,) = await stand.fetch(query, "mechthild|zwackelmann|" + address.encode().hex())
                assert found["n"] == 0, table["tablename"]
            told = await kafka.read_all(kafka.name(topics.NOTIFY_DELIVERIES.name))
            dead = await kafka.read_all(kafka.name(topics.dead_letter("notify").name))
            assert not [one for one in (*told, *dead) if b"mechthild" in (one.value or b"").lower()]
    assert "mechthild" not in lines.getvalue().lower()
    assert "service runs" in lines.getvalue()
