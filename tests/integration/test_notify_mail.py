"""From an event on the bus to a mail at the relay, on the real broker and database."""

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import icalendar
import pytest
import recurring_ical_events

from contracts import topics
from contracts.booking.vocabulary import ActorRole
from contracts.notify import MessageSent
from tests.support.kafka import KafkaServer
from tests.support.mail_sink import MailSink, mail_sink
from tests.support.notify_events import NOW, BookingStory, contact, offer, raw, topic_of
from tests.support.notify_stand import MovableClock, make_topics, message_ids, notifying

ServiceDb = Callable[[str], str]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailSink]:
    with mail_sink(tmp_path_factory.mktemp("sink")) as one:
        yield one


@pytest.fixture
def sink(running: MailSink) -> MailSink:
    """Without a script; what others received is told apart by recipient or message."""
    running.script()
    return running


def at(instant: datetime) -> MovableClock:
    clock = MovableClock()
    clock.set(instant)
    return clock


def calendar_of(mail: dict[str, Any]) -> Any:
    """The iMIP part, read back; its attachment is the same."""
    parts = {part["type"]: part["text"] for part in mail["parts"]}
    assert parts["text/calendar"] == parts["application/ics"]
    return icalendar.Calendar.from_ical(parts["text/calendar"])


async def test_booking_confirmed_moved_cancelled__three_mails_and_one_calendar_entry(
    kafka: KafkaServer, service_db: ServiceDb, sink: MailSink
) -> None:
    async with notifying(kafka, service_db("notify"), sink, clock=at(NOW + timedelta(hours=1))) as stand:
        story = BookingStory()
        first = story.start
        await stand.send(offer(), contact(story.person_id, address="door@example.org"), story.confirmed())
        await stand.reached("sent", kind="confirmed")
        await stand.send(story.moved(first + timedelta(days=1)))
        await stand.reached("sent", kind="changed")
        before_cancel = sink.mails(recipient="door@")
        await stand.send(story.cancelled(ActorRole.STAFF))
        await stand.reached("sent", kind="cancelled")
        mails = sink.mails(recipient="door@")

        assert [mail["subject"].partition(":")[0] for mail in mails] == ["Bestätigung", "Geändert", "Storniert"]
        calendars = [calendar_of(mail) for mail in mails]
        assert [str(calendar["method"]) for calendar in calendars] == ["REQUEST", "REQUEST", "CANCEL"]
        events = [calendar.walk("VEVENT")[0] for calendar in calendars]
        assert {str(event["uid"]) for event in events} == {f"{story.booking_id}@hub.example.org"}
        assert [int(event["sequence"]) for event in events] == [1, 2, 3]
        assert [str(event["attendee"]) for event in events] == ["mailto:door@example.org"] * 3
        # A calendar program keeps, of one UID, the entry with the highest SEQUENCE: the move is one entry.
        book = icalendar.Calendar()
        book.add_component(max((calendar_of(mail).walk("VEVENT")[0] for mail in before_cancel), key=lambda e: e["sequence"]))
        shown = recurring_ical_events.of(book).between(first - timedelta(days=1), first + timedelta(days=5))
        assert [event["dtstart"].dt for event in shown] == [first + timedelta(days=1)]

        facts = await stand.facts(count=3)
        assert [fact.type for fact in facts] == [MessageSent.ce_type] * 3
        assert [fact.data.message_id for fact in facts if isinstance(fact.data, MessageSent)] == message_ids(mails)
        assert "door@" not in json.dumps([str(fact) for fact in facts])
        async with stand.http() as client:
            exposition = (await client.get("/metrics")).text
            file = (await client.get(f"/v1/bookings/{story.booking_id}/calendar")).text
        assert 'notify_messages_total{kind="confirmed",reason="",state="sent"} 1.0' in exposition
        assert "METHOD:CANCEL" in file
        assert "ATTENDEE" not in file


async def test_duplicate_late_and_mixed_events__change_nothing(
    kafka: KafkaServer, service_db: ServiceDb, sink: MailSink
) -> None:
    async with notifying(kafka, service_db("notify"), sink, clock=at(NOW + timedelta(hours=1))) as stand:
        story = BookingStory()
        hello = contact(story.person_id, address="twice@example.org")
        confirmed, moved = story.confirmed(), story.moved(story.start + timedelta(days=1))
        cancelled = story.cancelled()
        await stand.send(hello, confirmed, confirmed)
        await stand.send(offer(), moved, confirmed, hello, cancelled, moved, cancelled, confirmed)
        again = story.cancelled(ActorRole.SYSTEM)
        await stand.send(again, again)
        await stand.reached("sent", kind="cancelled")

        told = [mail["subject"].partition(":")[0] for mail in sink.mails(recipient="twice@")]
        assert told.count("Storniert") == 1
        assert len(told) == len(set(told))
        rows = await stand.messages()
        assert len({row["dedupe_key"] for row in rows}) == len(rows)
        dead = await stand.fetch("SELECT reason FROM dead_letters")
        assert dead == []


@pytest.mark.parametrize(
    ("start", "due"),
    [
        # 10:00 on the day after the clocks went forward, and on the day itself; due at 10:00 the day before.
        (datetime(2026, 3, 30, 8, 0, tzinfo=UTC), datetime(2026, 3, 29, 8, 0, tzinfo=UTC)),
        (datetime(2026, 3, 29, 8, 0, tzinfo=UTC), datetime(2026, 3, 28, 9, 0, tzinfo=UTC)),
        # And back in autumn.
        (datetime(2026, 10, 26, 9, 0, tzinfo=UTC), datetime(2026, 10, 25, 9, 0, tzinfo=UTC)),
        (datetime(2026, 10, 25, 9, 0, tzinfo=UTC), datetime(2026, 10, 24, 8, 0, tzinfo=UTC)),
    ],
)
async def test_reminder_over_a_clock_change__goes_at_the_same_time_on_the_wall(
    kafka: KafkaServer, service_db: ServiceDb, sink: MailSink, start: datetime, due: datetime
) -> None:
    clock = at(start - timedelta(days=5))
    async with notifying(kafka, service_db("notify"), sink, clock=clock) as stand:
        story = BookingStory(start=start, at=start - timedelta(days=6))
        await stand.send(offer(), contact(story.person_id, address=f"wall.{start:%m%d}@example.org"), story.confirmed())
        await stand.reached("sent", kind="confirmed")

        clock.set(due - timedelta(seconds=30))
        await asyncio.sleep(0.5)  # what must not happen has no condition to wait for
        assert [row["state"] for row in await stand.messages(kind="reminder")] == ["scheduled"]
        clock.set(due)
        (row,) = await stand.reached("sent", kind="reminder")

        assert row["due_at"] == due
        mail = sink.mails(recipient=f"wall.{start:%m%d}@")[-1]
        assert "10:00 bis 11:30 Uhr" in mail["parts"][0]["text"]


async def test_two_processes__share_what_is_due_in_the_same_second(
    kafka: KafkaServer, service_db: ServiceDb, sink: MailSink
) -> None:
    clock, dsn = at(NOW + timedelta(hours=1)), service_db("notify")
    stories = [BookingStory() for _ in range(60)]
    await make_topics(kafka)
    async with (
        notifying(kafka, dsn, sink, clock=clock, prepare=False) as stand,
        notifying(kafka, dsn, sink, clock=clock, prepare=False),
    ):
        people = [raw(contact(s.person_id, address=f"pair.{s.person_id.hex}@example.org")) for s in stories]
        await kafka.produce(kafka.name(topics.PEOPLE_CONTACTS.name), people)
        await stand.send(offer())
        await kafka.produce(kafka.name(topics.BOOKING_EVENTS.name), [raw(s.confirmed()) for s in stories])
        await stand.reached("sent", count=60, seconds=25)
        clock.set(stories[0].start - timedelta(hours=20))
        await stand.reached("sent", count=120, seconds=25)

        sent = [line["message_id"] for line in sink.logged() if line["recipients"][0].startswith("pair.")]
        assert len(sent) == len(set(sent)) == 120
        claimers = await stand.fetch("SELECT max(claim) AS most FROM messages")
        assert claimers[0]["most"] == 1


async def test_mail_outside_of_live__goes_to_the_sink_and_says_that_it_is_a_test(
    kafka: KafkaServer, service_db: ServiceDb, sink: MailSink
) -> None:
    clock = at(NOW + timedelta(hours=1))
    async with notifying(kafka, service_db("notify"), sink, clock=clock, delivery="sink") as stand:
        english, utf8 = BookingStory(), BookingStory()
        await stand.send(
            offer(special=True),
            contact(english.person_id, address="test@example.org", language="en-GB"),
            contact(utf8.person_id, address="zoë@bücher.example"),
            english.confirmed(),
            utf8.confirmed(),
        )
        await stand.reached("sent", count=2)

        (mail,) = sink.mails(recipient="test@")
        assert mail["subject"] == "[TEST] Confirmed: your appointment"
        assert "Schulden" not in json.dumps(mail)
        (beyond,) = sink.mails(recipient="zoë@")
        assert beyond["recipients"] == ["zoë@xn--bcher-kva.example"]
        assert beyond["headers"]["to"] == "zoë@xn--bcher-kva.example"


async def test_address_nobody_can_write_to__failed_without_an_attempt(
    kafka: KafkaServer, service_db: ServiceDb, sink: MailSink
) -> None:
    async with notifying(kafka, service_db("notify"), sink, clock=at(NOW + timedelta(hours=1))) as stand:
        story = BookingStory()
        await stand.send(offer(), contact(story.person_id, address="anna@localhost"), story.confirmed())

        (row,) = await stand.reached("failed")

        assert (row["reason"], row["attempts"]) == ("address_unsupported", 0)
        (fact,) = await stand.facts(count=1)
        assert fact.bare_type == "MessageFailed"


async def test_stop_while_mails_are_on_the_wire__they_end_and_the_rest_is_given_back(
    kafka: KafkaServer, service_db: ServiceDb, sink: MailSink
) -> None:
    clock, dsn = at(NOW + timedelta(hours=1)), service_db("notify")
    stories = [BookingStory() for _ in range(30)]
    await make_topics(kafka)
    sink.script({"command": "dot", "action": "slow", "seconds": 0.4})
    async with notifying(kafka, dsn, sink, clock=clock, prepare=False, smtp_connections=2) as stand:
        people = [contact(s.person_id, address=f"stop.{s.person_id.hex}@example.org") for s in stories]
        await kafka.produce(kafka.name(topics.PEOPLE_CONTACTS.name), [raw(one) for one in people])
        await stand.send(offer())
        await kafka.produce(kafka.name(topic_of(stories[0].confirmed()).name), [raw(s.confirmed()) for s in stories])
        await stand.reached("sent", count=3)
    sink.script()
    async with notifying(kafka, dsn, sink, clock=clock, prepare=False) as stand:
        states = {row["state"] for row in await stand.messages()}
        assert not states & {"uncertain", "failed"}
        await stand.reached("sent", count=30, seconds=25)

        sent = [line["message_id"] for line in sink.logged() if line["recipients"][0].startswith("stop.")]
        assert len(sent) == len(set(sent)) == 30
        assert {row["attempts"] for row in await stand.messages(state="sent")} == {1}
