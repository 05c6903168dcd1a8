"""Notify killed at a named point, and what has become of its mails once another process has taken over."""

import asyncio
from pathlib import Path
from typing import Final
from uuid import UUID

import asyncpg

from contracts import topics
from tests.support.kafka import KafkaServer
from tests.support.mail_sink import MailSink
from tests.support.notify_events import BookingStory, contact, offer, raw
from tests.support.notify_process import EXIT_CODE, FileClock, notify_process
from tests.support.notify_stand import Stand, make_topics, notifying, settings
from tests.support.waiting import eventually

STORIES: Final = 6


async def produce(kafka: KafkaServer, stories: list[BookingStory]) -> None:
    people = [raw(contact(story.person_id)) for story in stories]
    await kafka.produce(kafka.name(topics.CATALOG_OFFERS.name), [raw(offer())])
    await kafka.produce(kafka.name(topics.PEOPLE_CONTACTS.name), people)
    await kafka.produce(kafka.name(topics.BOOKING_EVENTS.name), [raw(story.confirmed()) for story in stories])


def counts(sink: MailSink, ids: list[UUID]) -> list[int]:
    """How often the sink took each of the messages."""
    taken = [line["message_id"].partition("@")[0] for line in sink.logged()]
    return [taken.count(str(one)) for one in ids]


async def to_the_end(stand: Stand, clock: FileClock, count: int) -> list[asyncpg.Record]:
    """Let leases run out and re-sends become due until all confirmations are sent."""
    await stand.settled()

    async def all_sent() -> list[asyncpg.Record]:
        clock.forward(seconds=20)
        await asyncio.sleep(0.3)  # time goes on in steps, so that nothing else than leases runs out
        rows = await stand.messages(kind="confirmed", state="sent")
        return rows if len(rows) == count else []

    return await eventually(all_sent, seconds=25, what="all confirmations")


async def killed_at(
    point: str, kafka: KafkaServer, dsn: str, sink: MailSink, clock: FileClock, folder: Path, *, most: int
) -> None:
    """Kill a process there, let another one go on: everybody is told, nobody more than `most` times, and doubles are marked."""
    stories = [BookingStory() for _ in range(STORIES)]
    await make_topics(kafka)
    await produce(kafka, stories)
    # Of the three topics bookings come last: the first two passes of a consumer's point belong to the others.
    number = 3 if point.startswith("consume") else 1
    ours = settings(kafka, dsn, sink.smtp_port, smtp_connections=2)
    async with notify_process(ours, folder, clock=clock, crash_at=f"{point}:{number}") as process:
        assert await process.ended() == EXIT_CODE, process.log.read_text()[-2_000:]

    async with notifying(kafka, dsn, sink, clock=clock, prepare=False) as stand:
        rows = await to_the_end(stand, clock, STORIES)

        arrived = counts(sink, [row["message_id"] for row in rows])
        assert all(1 <= number <= most for number in arrived), arrived
        # Whoever may have had it twice is marked, and nobody else had it twice.
        for row, times in zip(rows, arrived, strict=True):
            assert times == 1 or row["resent"]
            assert row["attempts"] == (2 if row["resent"] else 1)
        facts = [fact.id for fact in await stand.facts()]
        assert len(facts) == len(set(facts))
