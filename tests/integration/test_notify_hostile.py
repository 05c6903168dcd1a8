"""Bad records on a topic of our own stop its consumer; an erased person leaves no address in any table, log line or topic."""

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from random import Random
from uuid import UUID

import pytest

from contracts import topics
from contracts.topics import Topic
from hubkit.telemetry import JsonFormatter
from tests.support.kafka import KafkaServer, Raw
from tests.support.mail_sink import MailSink, mail_sink
from tests.support.notify_events import NOW, BookingStory, contact, offer, raw, tombstone
from tests.support.notify_stand import MovableClock, notifying
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
