"""Contacts, offers and bookings as notify keeps them: order, erasure, waiting for what is still on its way."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from contracts import topics
from contracts.envelope import Event
from contracts.people import ContactSaved
from hubkit import db
from services.notify import worker
from services.notify.store import copies
from tests.service.notify.house import Bench, bench
from tests.support.kafka import Raw
from tests.support.notify_events import NOW, ROOM, BookingStory, contact, event, offer, raw, tombstone, withdrawn

ServiceDb = Callable[[str], str]
PERSON = UUID("00000000-0000-4000-8000-0000000000c1")


async def people(desk: Bench) -> list[dict[str, object]]:
    async with db.reading(desk.pool) as conn:
        return [dict(row) for row in await conn.fetch("SELECT * FROM people")]


async def test_contacts__last_of_the_log_wins_and_a_tombstone_is_for_ever(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        await desk.take(contact(PERSON, address="alt@example.org"), contact(PERSON, address="neu@example.org", language="en"))
        await desk.take(contact(PERSON, address="neuer@example.org", name=None))
        (row,) = await people(desk)
        assert (row["mailbox"], row["name"], row["language"], row["revision"]) == ("neuer@example.org", None, "de", 2)

        await desk.take(contact(PERSON), tombstone(PERSON), contact(PERSON))
        assert await people(desk) == []
        await desk.take(contact(PERSON, address="zurück@example.org"))
        assert await people(desk) == []


ADDRESSES: list[tuple[str, str | None, bool]] = [
    ("Anna@Example.org", "Anna@example.org", False),
    ("anna@bücher.de", "anna@xn--bcher-kva.de", False),
    ("zoë@example.org", "zoë@example.org", True),
    ("a..b@example.org", None, False),
    ("anna@localhost", None, False),
]


async def test_address__is_made_ready_for_mail_at_intake(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        for address, mailbox, needs_utf8 in ADDRESSES:
            await desk.take(contact(PERSON, address=address))
            (row,) = await people(desk)
            assert (row["mailbox"], row["needs_utf8"], row["has_address"]) == (mailbox, needs_utf8, True), address
        await desk.take(no_address())
        (row,) = await people(desk)
        assert (row["mailbox"], row["has_address"]) == (None, False)


def no_address() -> Event:
    """A contact that is known by its id only."""
    return event(ContactSaved(person_id=PERSON), source="portal")


async def test_address_that_no_mail_can_be_sent_to__claimed_without_a_mailbox(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        story = BookingStory(person_id=PERSON)
        await desk.take(offer(), contact(PERSON, address="anna@localhost"), story.confirmed())

        (letter,) = await desk.claim()

        assert letter.contact.mailbox is None


async def test_contact_that_comes_later__its_messages_wait_and_then_go_at_once(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        story = BookingStory(person_id=PERSON)
        await desk.take(offer(), story.confirmed())
        for _ in range(5):
            assert await desk.claim() == []
            desk.later(seconds=2)
        assert (await desk.row(kind="confirmed"))["copy_waited"] == timedelta(seconds=10)

        await desk.take(contact(PERSON))

        (letter,) = await desk.claim()
        assert await desk.send(letter) == "go"


async def test_contact_that_never_comes__suppressed_after_a_minute_of_caught_up_time(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        story = BookingStory(person_id=PERSON)
        await desk.take(offer(), story.confirmed())
        for _ in range(200):  # the readers of the copies lag: this is not waiting
            assert await desk.claim(current=False) == []
            desk.later(seconds=2)
        assert (await desk.row(kind="confirmed"))["state"] == "scheduled"
        for _ in range(31):
            assert await desk.claim() == []
            desk.later(seconds=2)

        row = await desk.row(kind="confirmed")
        assert (row["state"], row["reason"], row["attempts"]) == ("suppressed", "no_contact", 0)
        (fact,) = await desk.facts()
        assert fact.data is not None
        assert (fact.bare_type, fact.data.model_dump()["reason"]) == ("MessageSuppressed", "no_contact")


async def test_contact_that_is_no_more__suppressed_at_once_and_told_apart(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        story = BookingStory(person_id=PERSON)
        await desk.take(offer(), contact(PERSON), tombstone(PERSON), story.confirmed())

        assert await desk.claim() == []

        assert [(row["state"], row["reason"]) for row in await desk.rows(kind="confirmed")] == [("suppressed", "erased")]
        assert await desk.told() == ["MessageSuppressed"]


async def test_offer_that_never_comes__the_mail_goes_without_naming_it(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        story = BookingStory(person_id=PERSON)
        await desk.take(contact(PERSON), story.confirmed())
        for _ in range(30):
            assert await desk.claim() == []
            desk.later(seconds=2)

        (letter,) = await desk.claim()

        assert letter.offer is None


async def test_offers__highest_revision_wins_and_a_withdrawn_one_keeps_its_texts(service_db: ServiceDb) -> None:
    async def now(desk: Bench) -> tuple[int, str, bool]:
        async with db.reading(desk.pool) as conn:
            found = await copies.read_offer(conn, ROOM)
        assert found is not None
        return found.revision, found.title["de"], found.is_withdrawn

    async with bench(service_db("notify")) as desk:
        await desk.take(offer(revision=3, title={"de": "Drei"}), offer(revision=2, title={"de": "Zwei"}))
        assert await now(desk) == (3, "Drei", False)
        await desk.take(offer(revision=1, title={"de": "Eins"}))
        assert await now(desk) == (3, "Drei", False)
        await desk.take(withdrawn(revision=4))
        assert await now(desk) == (4, "Drei", True)
        await desk.take(offer(revision=5, title={"de": "Fünf"}), withdrawn(revision=6))
        assert await now(desk) == (6, "Fünf", True)
        gone = replace(event(offer().data, source="catalog"), key=ROOM, data=None)  # type: ignore[arg-type]
        await desk.take(gone, offer(revision=7, title={"de": "Sieben"}))
        assert await now(desk) == (7, "Sieben", False)
        await desk.take(replace(gone, id=uuid4()))
        assert await now(desk) == (7, "Sieben", True)


async def test_offer_withdrawn_that_was_never_known__names_nothing(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        story = BookingStory(person_id=PERSON)
        await desk.take(withdrawn(), contact(PERSON), story.confirmed())

        (letter,) = await desk.claim()

        assert letter.offer is not None
        assert letter.offer.is_special


async def test_events_that_mean_nothing_here__are_passed_over(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        house, partner = BookingStory(claimant="house"), BookingStory(claimant="partner")
        await desk.take(house.confirmed(), partner.confirmed(), partner.cancelled())

        assert await desk.rows() == []
        assert await desk.letters() == []
        async with db.reading(desk.pool) as conn:
            found = await conn.fetch("SELECT state, was_confirmed, person_id FROM bookings ORDER BY version")
        assert [tuple(row) for row in found] == [("confirmed", True, None), ("cancelled", True, None)]


async def test_zone_that_does_not_exist__dead_letter_and_its_neighbours_are_planned(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        good, bad = BookingStory(), BookingStory(time_zone="Europe/Atlantis")
        await desk.take(good.confirmed(), bad.confirmed())

        assert await desk.letters() == ["schema"]
        assert {row["booking_id"] for row in await desk.rows()} == {good.booking_id}


async def test_same_event_again__changes_nothing_and_another_under_its_id_is_set_aside(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        story = BookingStory()
        first = story.confirmed()
        await desk.take(first)
        before = await desk.rows()
        await desk.take(first, first)
        assert await desk.rows() == before

        await desk.take(replace(BookingStory().confirmed(), id=first.id))
        assert await desk.letters() == ["event_id_reused"]
        assert await desk.rows() == before


async def test_erased_person__no_row_no_log_no_dead_letter_holds_the_address(
    service_db: ServiceDb, caplog: pytest.LogCaptureFixture
) -> None:
    """A marked address through every way in, bad records too; afterwards every column of every table is searched."""
    mark = "mechthild-zwackelmann"
    async with bench(service_db("notify")) as desk:
        with caplog.at_level(logging.DEBUG):
            story = BookingStory(person_id=PERSON)
            hello = contact(PERSON, address=f"{mark}@example.org", name="Mechthild-Zwackelmann")
            await desk.take(offer(), hello, story.confirmed())
            (letter,) = await desk.claim()
            await desk.send(letter)
            spoilt = raw(hello)
            await desk.take_raw(
                "people.contacts.v1",
                [
                    replace(spoilt, value=(spoilt.value or b"").replace(b'"address"', b'"adress"')),
                    replace(spoilt, value=(spoilt.value or b"")[:-20]),
                    replace(spoilt, headers=[*spoilt.headers, ("ce_source", mark.encode())]),
                    Raw(key=str(uuid4()).encode(), headers=spoilt.headers, value=spoilt.value),
                ],
            )
            await desk.take(tombstone(PERSON))
        async with db.reading(desk.pool) as conn:
            tables = await conn.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            holding = [
                row["tablename"]
                for row in tables
                if await conn.fetchval(
                    f'SELECT count(*) FROM "{row["tablename"]}" AS t '  # noqa: S608  names from the catalogue
                    "WHERE t::text ILIKE '%' || $1 || '%' OR t::text ILIKE '%' || $2 || '%'",
                    mark,
                    mark.encode().hex(),
                )
            ]
        assert holding == []
        assert len(tables) > 10
        assert mark not in caplog.text.lower()
        assert (await desk.row(kind="reminder"))["state"] == "suppressed"
        assert len(await desk.letters()) == 4


async def test_tombstone_whose_key_is_no_id__set_aside(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        await desk.take(replace(tombstone(PERSON), key="not-an-id"))

        assert await desk.letters() == ["bad_key"]
        assert topics.PEOPLE_CONTACTS.tombstones


async def test_old_messages_and_bookings__are_deleted_a_year_after_the_booking(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        old = BookingStory(person_id=PERSON)
        young = BookingStory(person_id=PERSON, start=NOW + timedelta(days=300))
        await desk.take(offer(), withdrawn(), contact(PERSON), old.confirmed(), young.confirmed())
        (first, second) = await desk.claim()
        await desk.send(first)
        await desk.send(second)
        desk.clock.instant = old.end + timedelta(days=366)
        await desk.sweep()

        await worker.tidy_up(desk.house, desk.pool)

        assert {row["booking_id"] for row in await desk.rows()} == {young.booking_id}
        async with db.reading(desk.pool) as conn:
            assert await copies.read_offer(conn, ROOM) is None, "withdrawn, and both bookings are over"
            assert await copies.read_booking(conn, old.booking_id) is None
