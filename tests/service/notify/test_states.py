"""The delivery state machine step by step: each transition, and who may still change what."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from services.notify import limits
from services.notify.domain.replies import Phase, Reply
from tests.service.notify.house import ACCEPTED, LOST, bench, fact_of, side_by_side
from tests.support.notify_events import BookingStory, contact, offer

ServiceDb = Callable[[str], str]


async def test_answer_that_the_relay_takes__sent_and_told_once(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        story = BookingStory()
        await desk.take(offer(), contact(story.person_id), story.confirmed())
        (letter,) = await desk.claim()

        assert await desk.send(letter) == "go"

        row = await desk.row(kind="confirmed")
        assert (row["state"], row["attempts"], row["claim"], row["template"]) == ("sent", 1, 1, "de/1")
        (fact,) = await desk.facts()
        assert fact.id == fact_of(letter.message_id, "sent/1")
        assert fact.data is not None
        assert fact.data.model_dump(mode="json", by_alias=True, exclude={"at"}) == {
            "message_id": str(letter.message_id),
            "kind": "confirmed",
            "class": "answer",
            "channel": "mail",
            "booking_id": str(story.booking_id),
            "due_at": "2026-03-02T09:00:00Z",
            "attempts": 1,
            "resent": False,
        }
        assert fact.key == str(story.booking_id)


async def test_row_that_is_claimed__is_not_claimed_by_another(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        stories = [BookingStory() for _ in range(20)]
        await desk.take(offer(), *(contact(s.person_id) for s in stories), *(s.confirmed() for s in stories))

        claims = await side_by_side(*(desk.claim(process, rows=7) for process in (1, 2, 3, 4)))

        ids = [letter.message_id for claim in claims for letter in claim]
        assert len(ids) == len(set(ids)) == 20


REPLIES: list[tuple[Reply, str, int, list[str]]] = [
    (ACCEPTED, "sent", 1, ["MessageSent"]),
    (Reply(Phase.DATA, 451), "scheduled", 1, []),
    (Reply(Phase.RCPT, 450), "scheduled", 1, []),
    (Reply(Phase.DATA, 554), "failed", 1, ["MessageFailed"]),
    (Reply(Phase.RCPT, 550), "failed", 1, ["MessageFailed"]),
    (LOST, "uncertain", 1, ["MessageUncertain"]),
    (Reply(Phase.MAIL, 451), "scheduled", 0, []),
    (Reply(Phase.MAIL, 550), "scheduled", 0, []),
    (Reply(Phase.RCPT, None), "scheduled", 0, []),
    (Reply(Phase.DATA, 432), "scheduled", 0, []),
    (Reply(Phase.CONNECT, 421), "scheduled", 0, []),
]


async def test_reply_of_the_relay__decides_state_and_whether_it_counts(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        await desk.take(offer())
        for reply, state, attempts, told in REPLIES:
            story = BookingStory()
            await desk.take(contact(story.person_id), story.confirmed())
            letter = next(one for one in await desk.claim() if one.booking_id == story.booking_id)

            await desk.send(letter, reply)

            row = await desk.row(kind="confirmed", booking_id=story.booking_id)
            assert (row["state"], row["attempts"]) == (state, attempts), reply
            assert [fact.bare_type for fact in await desk.facts() if fact.key == str(story.booking_id)] == told, reply
            timeline = (await desk.client.get(f"/v1/messages/{letter.message_id}")).json()
            tried = [(attempt["phase"], attempt["code"], attempt["counted"]) for attempt in timeline["attempts"]]
            assert tried == [(reply.phase, reply.code, attempts == 1)], reply


async def test_temporary_refusals__back_off_and_fail_with_the_ninth(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        story = BookingStory()
        await desk.take(offer(), contact(story.person_id), story.confirmed())
        pauses = []
        for _ in range(limits.ATTEMPTS_MAX):
            (letter,) = await desk.claim()
            await desk.send(letter, Reply(Phase.DATA, 451))
            row = await desk.row(kind="confirmed")
            if row["state"] == "scheduled":
                pauses.append((row["next_at"] - desk.now).total_seconds() / 60)
                assert await desk.claim() == [], "not before its back-off is over"
                desk.clock.instant = row["next_at"]

        assert (row["state"], row["reason"], row["attempts"]) == ("failed", "attempts", 9)
        assert all(0.8 * n <= pause <= 1.2 * n for n, pause in zip(limits.BACK_OFF_MINUTES, pauses, strict=True))
        assert await desk.told() == ["MessageFailed"]


async def test_attempts__end_24_hours_after_the_first(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        story = BookingStory()
        await desk.take(offer(), contact(story.person_id), story.confirmed())
        (letter,) = await desk.claim()
        await desk.send(letter, Reply(Phase.DATA, 451))
        desk.later(hours=24)
        (letter,) = await desk.claim()

        await desk.send(letter, Reply(Phase.DATA, 451))

        row = await desk.row(kind="confirmed")
        assert (row["state"], row["reason"], row["attempts"]) == ("failed", "attempts", 2)


async def test_claim_whose_lease_runs_out__is_free_again_uncounted(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        story = BookingStory()
        await desk.take(offer(), contact(story.person_id), story.confirmed())
        (sleeper,) = await desk.claim(1)
        desk.later(seconds=61)
        await desk.sweep()
        (other,) = await desk.claim(2)

        assert await desk.mark(sleeper) == [None], "who slept past the lease marks nothing"
        assert await desk.send(other) == "go"

        row = await desk.row(kind="confirmed")
        assert (row["state"], row["attempts"], row["claim"]) == ("sent", 1, 2)


async def test_lease_that_is_renewed__does_not_run_out(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        story = BookingStory()
        await desk.take(offer(), contact(story.person_id), story.confirmed())
        (letter,) = await desk.claim(1)
        for _ in range(4):
            desk.later(seconds=50)
            assert await desk.renew(1) == 1
            await desk.sweep()

        assert await desk.send(letter) == "go"
        desk.later(seconds=61)
        assert await desk.renew(1) == 0


async def test_sending_whose_lease_runs_out__uncertain_and_sent_once_more_with_the_same_date(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        story = BookingStory()
        await desk.take(offer(), contact(story.person_id), story.confirmed())
        (letter,) = await desk.claim(1)
        await desk.mark(letter)
        desk.later(seconds=61)
        await desk.sweep()
        row = await desk.row(kind="confirmed")
        assert (row["state"], row["reason"], row["attempts"]) == ("uncertain", "lease", 1)
        assert await desk.claim(2) == []

        desk.later(seconds=30)
        await desk.sweep()
        (again,) = await desk.claim(2)
        assert (again.resent, again.mail_date, again.template) == (True, letter.mail_date, "de/1")
        await desk.send(again)

        row = await desk.row(kind="confirmed")
        assert (row["state"], row["attempts"], row["resent"]) == ("sent", 2, True)
        facts = await desk.facts()
        assert [fact.id for fact in facts] == [fact_of(letter.message_id, name) for name in ("uncertain/1", "sent/2")]


async def test_second_uncertainty__stays(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        story = BookingStory()
        await desk.take(offer(), contact(story.person_id), story.confirmed())
        for _ in range(2):
            (letter,) = await desk.claim()
            await desk.send(letter, LOST)
            desk.later(minutes=1)
            await desk.sweep()

        row = await desk.row(kind="confirmed")
        assert (row["state"], row["attempts"], row["resent"], row["resend_at"]) == ("uncertain", 2, True, None)
        desk.later(hours=5)
        await desk.sweep()
        assert await desk.claim() == []
        assert await desk.told() == ["MessageUncertain", "MessageUncertain"]


@pytest.mark.parametrize(("special", "again"), [(False, False), (True, True)])
async def test_reminder_that_became_uncertain__sent_again_only_where_somebody_waits(
    service_db: ServiceDb, special: bool, again: bool
) -> None:
    async with bench(service_db("notify")) as desk:
        story = BookingStory()
        await desk.take(offer(special=special), contact(story.person_id), story.confirmed())
        desk.clock.instant = story.start - timedelta(hours=20)
        letters = {str(letter.kind): letter for letter in await desk.claim()}
        await desk.send(letters["reminder"], LOST)
        desk.later(seconds=31)
        await desk.sweep()

        row = await desk.row(kind="reminder")
        assert (row["state"], row["resent"]) == (("scheduled", True) if again else ("uncertain", False))


async def test_late_reply_to_the_same_claim__settles_what_was_uncertain(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        story = BookingStory()
        await desk.take(offer(), contact(story.person_id), story.confirmed())
        (letter,) = await desk.claim(1)
        await desk.mark(letter)
        desk.later(seconds=61)
        await desk.sweep()

        await desk.settle(letter, ACCEPTED)

        row = await desk.row(kind="confirmed")
        assert (row["state"], row["attempts"], row["resend_at"]) == ("sent", 1, None)
        desk.later(seconds=31)
        await desk.sweep()
        assert await desk.claim() == []
        assert await desk.told() == ["MessageUncertain", "MessageSent"]


async def test_late_reply_after_it_was_scheduled_again__changes_nothing(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        story = BookingStory()
        await desk.take(offer(), contact(story.person_id), story.confirmed())
        (letter,) = await desk.claim(1)
        await desk.mark(letter)
        desk.later(seconds=61)
        await desk.sweep()
        desk.later(seconds=31)
        await desk.sweep()

        await desk.settle(letter, ACCEPTED)
        assert (await desk.row(kind="confirmed"))["state"] == "scheduled"
        (again,) = await desk.claim(2)
        await desk.settle(letter, Reply(Phase.DATA, 554))

        assert (await desk.row(kind="confirmed"))["state"] == "claimed"
        assert await desk.send(again) == "go"


async def test_message_past_its_expiry__missed_also_while_the_relay_is_down(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        story = BookingStory()
        await desk.take(offer(), contact(story.person_id), story.confirmed())
        (letter,) = await desk.claim()
        await desk.send(letter)
        await desk.execute("UPDATE relays SET state = 'open', reason = 'down', probe_at = now()")
        desk.clock.instant = story.start - timedelta(hours=2)
        assert await desk.claim() == []

        await desk.sweep()

        row = await desk.row(kind="reminder")
        assert (row["state"], row["attempts"]) == ("missed", 0)
        fact = (await desk.facts())[-1]
        assert (fact.bare_type, fact.id) == ("MessageFailed", fact_of(row["message_id"], "missed/0"))


async def test_relay_that_is_open_or_paused__gives_nothing(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        story = BookingStory()
        await desk.take(offer(), contact(story.person_id), story.confirmed())

        await desk.execute("UPDATE relays SET paused_until = $1", desk.now + timedelta(seconds=1))
        assert await desk.claim() == []
        desk.later(seconds=1)
        assert len(await desk.claim()) == 1


async def test_order_of_sending__lane_then_due_then_id_with_one_in_ten_for_the_others(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        stories = [BookingStory(at=desk.now - timedelta(days=8, minutes=n)) for n in range(30)]
        await desk.take(offer(), *(contact(s.person_id) for s in stories), *(s.confirmed() for s in stories))
        desk.clock.instant = stories[0].start - timedelta(hours=12)

        first = await desk.claim(rows=20, kept=2)
        rest = await desk.claim(rows=100)

        assert [letter.lane for letter in first] == [1] * 18 + [3] * 2
        assert [letter.lane for letter in rest] == [1] * 12 + [3] * 28
        for claim in (first, rest):
            order = [(letter.lane, letter.next_at, letter.message_id) for letter in claim]
            assert order == sorted(order)
