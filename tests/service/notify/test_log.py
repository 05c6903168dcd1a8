"""One log, however it is cut, repeated and mixed with other topics, ends in the same rows."""

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from contracts.booking.vocabulary import ActorRole
from contracts.envelope import Event
from tests.service.notify.house import Bench, bench
from tests.support.notify_events import NOW, START, BookingStory, contact, offer, tombstone, topic_of, withdrawn

ServiceDb = Callable[[str], str]
TABLES = ("people", "erased", "offers", "bookings", "messages")
SEEDS = range(4)


def log(random: Random) -> list[Event]:
    """Some bookings with everything that can happen to one, their people and offers; each key's events in their order."""
    people = [UUID(int=random.getrandbits(128), version=4) for _ in range(6)]
    keys: list[list[Event]] = [[offer(), offer(revision=2), withdrawn(revision=3)]]
    for number, person in enumerate(people):
        told = [contact(person, address=f"p{number}@example.org"), contact(person, address=f"q{number}@example.org")]
        keys.append([*told, tombstone(person, at=NOW + timedelta(days=1))] if number % 3 == 2 else told)
    for number in range(10):
        story = BookingStory(
            person_id=random.choice(people),
            booking_id=UUID(int=random.getrandbits(128), version=4),
            start=START + timedelta(days=random.randrange(30), hours=random.randrange(10)),
            claimant="house" if number == 9 else "person",
        )
        keys.append(_life(story, random))
    return _mixed(keys, random)


def _life(story: BookingStory, random: Random) -> list[Event]:
    first = story.start
    events = [story.held(), story.confirmed()] if random.random() < 0.5 else [story.confirmed()]
    for _ in range(random.randrange(5)):
        what = random.randrange(4)
        if what == 0:
            events.append(story.moved(first + timedelta(days=random.randrange(4))))
        elif what == 1:
            events.append(story.moved(first))
        elif what == 2:
            events += [story.displaced(), story.moved(first + timedelta(days=2))]
        else:
            events += [story.moved(first + timedelta(days=1)), story.moved(first)]
    end = random.randrange(4)
    events += [story.cancelled()] if end == 0 else [story.checked_in()] if end == 1 else [story.no_show()] if end == 2 else []
    if random.random() < 0.2:
        events.append(story.cancelled(ActorRole.SYSTEM))
    return events


def _mixed(keys: list[list[Event]], random: Random) -> list[Event]:
    """Keys in any order beside each other, each in its own order."""
    waiting = [list(events) for events in keys]
    found: list[Event] = []
    while waiting := [events for events in waiting if events]:
        found.append(random.choice(waiting).pop(0))
    return found


def _repeated(events: list[Event], random: Random) -> list[Event]:
    """Some events once more, at any later place: redeliveries."""
    found = list(events)
    for place in sorted(random.sample(range(len(events)), len(events) // 4), reverse=True):
        found.insert(random.randrange(place + 1, len(found) + 1), events[place])
    return found


async def consume(desk: Bench, events: list[Event], random: Random, *, most: int) -> None:
    """In batches of random size, one topic at a time as a feed would."""
    while events:
        size = random.randint(1, most)
        batch, events = events[:size], events[size:]
        for topic in dict.fromkeys(topic_of(one).name for one in batch):
            await desk.take(*(one for one in batch if topic_of(one).name == topic))


async def rows_of(desk: Bench) -> dict[str, list[dict[str, Any]]]:
    """Every table, its rows in an order of their own."""
    found: dict[str, list[dict[str, Any]]] = {}
    erased: set[UUID] = set()
    async with desk.pool.raw.acquire() as connection:
        for table in TABLES:
            rows: list[asyncpg.Record] = await connection.fetch(f'SELECT * FROM "{table}"')  # noqa: S608  names from above
            kept = [dict(row) for row in rows]
            found[table] = [_comparable(row, erased) for row in kept]
            erased |= {row["person_id"] for row in kept if table == "erased"}
        return {table: sorted(rows, key=repr) for table, rows in found.items()}


def _comparable(row: dict[str, Any], erased: set[UUID]) -> dict[str, Any]:
    """Without what depends on how two topics were mixed: how often a contact was copied, and which of a move and an erasure
    came first for a message that neither lets out."""
    if "dedupe_key" in row and row["person_id"] in erased:
        assert row["state"] in ("scheduled", "superseded", "suppressed", "skipped")
        return {"dedupe_key": row["dedupe_key"]}
    return {name: value for name, value in row.items() if name != "revision" or "link_epoch" not in row}


@pytest.mark.parametrize("seed", SEEDS)
async def test_log_in_any_mixture_and_batches__ends_in_the_same_rows(service_db: ServiceDb, seed: int) -> None:
    random = Random(seed)
    events = log(random)
    keys: dict[str, list[Event]] = {}
    for one in events:
        keys.setdefault(one.key, []).append(one)
    async with bench(service_db("notify")) as desk:
        await consume(desk, list(events), random, most=1)
        expected = await rows_of(desk)
        assert len(expected["messages"]) > 15
    async with bench(service_db("notify")) as desk:
        await consume(desk, _repeated(_mixed(list(keys.values()), random), random), random, most=random.choice([3, 40, 500]))
        found = await rows_of(desk)

    assert found == expected


async def test_log_read_again_from_its_start__meets_its_own_rows(service_db: ServiceDb) -> None:
    """A rewind, with the inbox lost too: the versions and the keys hold alone."""
    random = Random(99)
    events = log(random)
    async with bench(service_db("notify")) as desk:
        await consume(desk, list(events), random, most=20)
        for letter in await desk.claim():
            await desk.send(letter)
        before = await rows_of(desk)
        told = await desk.told()
        await desk.execute("TRUNCATE inbox")
        await desk.execute("TRUNCATE stored_offsets")

        await consume(desk, list(events), random, most=20)

        after = await rows_of(desk)
        assert after["messages"] == before["messages"]
        assert after["bookings"] == before["bookings"]
        assert after["erased"] == before["erased"]
        assert after["people"] == before["people"]
        assert await desk.told() == told
        assert await desk.letters() == []


async def test_inbox_version_and_key_off__the_repeat_is_sent_a_second_time(service_db: ServiceDb) -> None:
    """Negative control: each of the three alone still holds a redelivered event; without all of them it doubles."""
    async with bench(service_db("notify")) as desk:
        story = BookingStory()
        first = story.confirmed()
        await desk.take(offer(), contact(story.person_id), first)
        (letter,) = await desk.claim()
        await desk.send(letter)
        for switch in ("TRUNCATE inbox", "DELETE FROM bookings"):
            await desk.execute(switch)
            await desk.take(first)
            assert await desk.claim() == []
            await desk.execute("TRUNCATE inbox")
            await desk.execute("DELETE FROM bookings")
        await desk.execute("UPDATE messages SET message_id = gen_random_uuid() WHERE kind = 'confirmed'")

        await desk.take(first)
        (again,) = await desk.claim()

        assert again.message_id == letter.message_id
        assert [row["state"] for row in await desk.rows(kind="confirmed")] == ["sent", "claimed"]
