"""A move, a cancellation, an erasure, a check-in while a message is in each of its states."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from contracts.booking.vocabulary import ActorRole
from hubkit import db
from services.notify import handlers
from services.notify.domain.letters import Letter
from services.notify.store import queue
from services.notify.store.queue import Mark
from tests.service.notify.house import ACCEPTED, LOST, Bench, bench, made_of
from tests.support.notify_events import BookingStory, contact, offer, tombstone

ServiceDb = Callable[[str], str]
# How far the confirmation is when something happens, and what becomes of it by (move, cancellation, erasure).
STEPS = {
    "scheduled": ("superseded", "superseded", "suppressed"),
    "claimed": ("superseded", "superseded", "suppressed"),
    "sending": ("sent", "sent", "sent"),
    "uncertain": ("uncertain", "uncertain", "uncertain"),
    "again": ("uncertain", "uncertain", "uncertain"),
    "again claimed": ("uncertain", "uncertain", "uncertain"),
    "sent": ("sent", "sent", "sent"),
}


async def bring(desk: Bench, step: str) -> Letter | None:
    """The confirmation as far as `step` says; the letter that a process holds."""
    if step == "scheduled":
        return None
    (letter,) = await desk.claim()
    if step == "claimed":
        return letter
    if step == "sent":
        await desk.send(letter)
        return None
    if step == "sending":
        await desk.mark(letter)
        return letter
    await desk.send(letter, LOST)
    if step == "uncertain":
        return None
    desk.later(seconds=31)
    await desk.sweep()
    return (await desk.claim())[0] if step == "again claimed" else None


async def end(desk: Bench, letter: Letter | None) -> None:
    """Everything that delivery would still do: the held letter goes on, timers run, what is due is sent."""
    if letter is not None:
        if (await desk.row(message_id=letter.message_id))["state"] == "sending":
            await desk.settle(letter, ACCEPTED)
        else:
            await desk.send(letter)
    for _ in range(3):
        desk.later(seconds=40)
        await desk.sweep()
        for due in await desk.claim():
            await desk.send(due)


@pytest.mark.parametrize("change", ["move", "cancel", "erase"])
async def test_change_at_each_state__old_news_is_never_sent_after_it(service_db: ServiceDb, change: str) -> None:
    async with bench(service_db("notify")) as desk:
        await desk.take(offer())
        for step, outcomes in STEPS.items():
            story = BookingStory()
            await desk.take(contact(story.person_id), story.confirmed())
            letter = await bring(desk, step)

            if change == "move":
                await desk.take(story.moved(story.start + timedelta(days=2)))
            elif change == "cancel":
                await desk.take(story.cancelled())
            else:
                await desk.take(tombstone(story.person_id))
            await end(desk, letter)

            rows = await desk.rows(booking_id=story.booking_id)
            states = {row["kind"]: row["state"] for row in rows}
            expected = {"move": {"changed": "sent"}, "cancel": {"cancelled": "sent"}, "erase": {"reminder": "suppressed"}}
            assert states["confirmed"] == outcomes[["move", "cancel", "erase"].index(change)], step
            assert {kind: states[kind] for kind in expected[change]} == expected[change], step
            assert not {"claimed", "sending"} & set(states.values()), step
        assert set(await desk.told()) <= {"MessageSent", "MessageUncertain", "MessageSuppressed"}


async def test_check_in__keeps_the_unsent_confirmation_and_ends_the_reminder(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        story = BookingStory()
        await desk.take(offer(), contact(story.person_id), story.confirmed())
        (letter,) = await desk.claim()
        await desk.take(story.checked_in())

        assert await desk.send(letter) == "go"
        assert dict(await desk.states()) == {"confirmed": "sent", "reminder": "superseded"}


async def test_cancelling_twice__says_it_once(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        story = BookingStory()
        await desk.take(offer(), contact(story.person_id), story.confirmed())
        await desk.take(story.cancelled())
        await desk.take(story.cancelled(ActorRole.STAFF))
        assert [row["version"] for row in await desk.rows(kind="cancelled")] == [3]
        await end(desk, None)
        await desk.take(story.cancelled())
        await end(desk, None)

        assert [row["attempts"] for row in await desk.rows(kind="cancelled")] == [1]


async def test_move_and_back__revives_the_reminder_only_if_it_was_not_sent(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        story = BookingStory()
        first = story.start
        await desk.take(offer(), contact(story.person_id), story.confirmed())
        await desk.take(story.moved(first + timedelta(days=3)))
        assert [row["state"] for row in await desk.rows(kind="reminder")] == ["superseded", "scheduled"]

        await desk.take(story.moved(first))
        states = {row["start"]: (row["state"], row["version"]) for row in await desk.rows(kind="reminder")}
        assert states == {first: ("scheduled", 3), first + timedelta(days=3): ("superseded", 2)}

        desk.clock.instant = first - timedelta(hours=23)
        for due in await desk.claim():
            await desk.send(due)
        story.at = desk.now
        await desk.take(story.moved(first + timedelta(days=3)))
        await desk.take(story.moved(first))
        states = {row["start"]: (row["state"], row["version"]) for row in await desk.rows(kind="reminder")}
        assert states == {first: ("sent", 3), first + timedelta(days=3): ("superseded", 4)}


async def test_move_that_commits_during_the_mark__wins_or_comes_after_but_never_between(service_db: ServiceDb) -> None:
    """The mark waits for the row that the move holds, and judges what the move left."""
    async with bench(service_db("notify")) as desk:
        story = BookingStory()
        await desk.take(offer(), contact(story.person_id), story.confirmed())
        (letter,) = await desk.claim()
        moved = story.moved(story.start + timedelta(days=1))

        async with db.transaction(desk.pool) as tx:
            await handlers.take_bookings(desk.house, tx, [moved], None)
            marking = asyncio.create_task(desk.mark(letter))
            await asyncio.sleep(0.3)
            assert not marking.done()

        assert await marking == [None]
        assert dict(await desk.states())["confirmed"] == "superseded"


async def test_booking_that_changed_behind_the_plan__is_still_found_by_the_recheck(service_db: ServiceDb) -> None:
    """The comparison with the booking alone, without the plan having touched the message."""
    async with bench(service_db("notify")) as desk:
        story = BookingStory()
        await desk.take(offer(), contact(story.person_id), story.confirmed())
        for change in (
            "UPDATE bookings SET state = 'cancelled'",
            "UPDATE bookings SET state = 'confirmed', start = start + interval '1 hour'",
            "UPDATE bookings SET start = start - interval '1 hour', told_version = 2",
        ):
            await desk.execute("UPDATE messages SET state = 'scheduled', lease_until = NULL WHERE kind = 'confirmed'")
            (letter,) = await desk.claim()
            await desk.execute(change)
            assert await desk.mark(letter) == ["superseded"], change


async def test_contact_that_changed_after_the_mail_was_made__it_is_made_again(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        story = BookingStory()
        await desk.take(offer(), contact(story.person_id), story.confirmed())
        (letter,) = await desk.claim()
        await desk.take(contact(story.person_id, address="neu@example.org"))

        assert await desk.mark(letter) == ["again"]
        (letter,) = await desk.claim()
        assert letter.contact.mailbox == "neu@example.org"
        assert await desk.send(letter) == "go"


async def test_recheck_off__the_old_time_is_sent(service_db: ServiceDb, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: what the re-check and the row's state prevent happens as soon as both are left out."""

    async def unchecked(tx: db.Tx, marks: list[Mark], **_: object) -> list[queue.Judged]:
        await tx.execute(
            "UPDATE messages SET state = 'sending', lease_until = now() + interval '1 day' WHERE message_id = ANY ($1)",
            [mark.message_id for mark in marks],
        )
        return [queue.Judged(mark.message_id, "go", None) for mark in marks]

    async with bench(service_db("notify")) as desk:
        story = BookingStory()
        await desk.take(offer(), contact(story.person_id), story.confirmed())
        (letter,) = await desk.claim()
        await desk.take(story.moved(story.start + timedelta(days=2)))
        assert await desk.mark(letter) == [None]
        monkeypatch.setattr(queue, "mark_sending", unchecked)

        assert await desk.send(letter) == "go"

        row = await desk.row(kind="confirmed")
        assert (row["state"], row["start"]) == ("sent", letter.start)
        assert row["start"] != story.start, "people were told of a time that was over already"


async def test_sending_queued_again_after_its_lease__is_sent_twice(service_db: ServiceDb) -> None:
    """Negative control: a lost `sending` treated like a lost claim doubles the mail, and nothing says so."""
    async with bench(service_db("notify")) as desk:
        story = BookingStory()
        await desk.take(offer(), contact(story.person_id), story.confirmed())
        wire: list[bytes] = []
        (letter,) = await desk.claim(1)
        await desk.mark(letter)
        wire.append(letter.message_id.bytes)
        desk.later(seconds=61)
        await desk.execute(
            "UPDATE messages SET state = 'scheduled', lease_until = NULL WHERE state = 'sending' AND lease_until < $1", desk.now
        )
        (again,) = await desk.claim(2)
        await desk.mark(again)
        wire.append(again.message_id.bytes)
        await desk.settle(again, ACCEPTED)

        assert wire == [letter.message_id.bytes] * 2
        assert not again.resent
        assert (await desk.row(kind="confirmed"))["attempts"] == 1
        assert made_of(again) == made_of(letter)
