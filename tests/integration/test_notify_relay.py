"""When the relay is in trouble: down for an hour, throttling, losing its answers, cutting connections, without TLS."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from contracts import topics
from services.notify import limits
from tests.support.kafka import KafkaServer
from tests.support.mail_sink import MailSink, mail_sink
from tests.support.notify_events import NOW, BookingStory, contact, offer, raw
from tests.support.notify_stand import MovableClock, Stand, notifying
from tests.support.waiting import eventually

ServiceDb = Callable[[str], str]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailSink]:
    with mail_sink(tmp_path_factory.mktemp("sink")) as one:
        yield one


@pytest.fixture
def sink(running: MailSink) -> MailSink:
    """Open, without a script; what others received is told apart by message."""
    running.script()
    running.listen(True)
    return running


@pytest.fixture
def clock() -> MovableClock:
    moved = MovableClock()
    moved.set(NOW + timedelta(hours=1))
    return moved


async def one_booking(stand: Stand) -> BookingStory:
    story = BookingStory()
    await stand.send(offer(), contact(story.person_id), story.confirmed())
    return story


async def relay(stand: Stand) -> dict[str, Any]:
    (row,) = await stand.fetch("SELECT * FROM relays")
    return dict(row)


async def opened(stand: Stand) -> dict[str, Any]:
    """Wait until the breaker is open; the relay's row."""

    async def there() -> bool:
        return bool((await relay(stand))["state"] == "open")

    await eventually(there, what="an open breaker")
    return await relay(stand)


def taken(sink: MailSink, rows: list[Any]) -> list[UUID]:
    """Of these messages, what the sink took, in its order, repeats too."""
    ids = {row["message_id"] for row in rows}
    return [one for line in sink.logged() if (one := UUID(line["message_id"].partition("@")[0])) in ids]


async def test_relay_down_for_an_hour__no_attempt_used_all_sent_once_in_order_and_expired_ones_missed(
    kafka: KafkaServer, service_db: ServiceDb, sink: MailSink, clock: MovableClock
) -> None:
    async with notifying(kafka, service_db("notify"), sink, clock=clock, smtp_connections=1) as stand:
        start = NOW + timedelta(days=2)
        # Reminders fall due in the hour to come: 0, 2, 4 ... minutes after the outage began.
        waiting = [BookingStory(start=start + timedelta(hours=1, minutes=2 * n)) for n in range(20)]
        # Booked at short notice: over, and with it its answer and its reminder, before the hour is.
        over = BookingStory(start=NOW + timedelta(days=1, hours=1, minutes=50), minutes=5)
        clock.set(NOW + timedelta(days=1, hours=1))
        sink.listen(False)
        people = [raw(contact(story.person_id)) for story in (*waiting, over)]
        await kafka.produce(kafka.name(topics.PEOPLE_CONTACTS.name), people)
        await stand.send(offer())
        await kafka.produce(kafka.name(topics.BOOKING_EVENTS.name), [raw(s.confirmed()) for s in (*waiting, over)])
        row = await opened(stand)
        assert row["reason"] == "down connect"

        for _ in range(6):
            clock.forward(minutes=10)
            probes = (await relay(stand))["failures"]

            async def probed(before: int = probes) -> bool:
                return bool((await relay(stand))["failures"] > before)

            await eventually(probed, what="another probe")
        missed = await stand.reached("missed", count=2)
        rows = await stand.messages()
        assert {row["attempts"] for row in rows} == {0}
        assert {row["state"] for row in rows} == {"scheduled", "missed"}
        assert {(row["booking_id"], row["kind"]) for row in missed} == {
            (over.booking_id, "confirmed"),
            (over.booking_id, "reminder"),
        }

        sink.listen(True)
        clock.forward(minutes=6)
        await stand.probed()
        sent = await stand.reached("sent", count=40, seconds=25)

        assert {row["attempts"] for row in sent} == {1}
        order = [row["message_id"] for row in sorted(sent, key=lambda r: (r["lane"], r["due_at"], r["message_id"]))]
        got = taken(sink, rows)
        assert len(got) == len(set(got)) == 40
        by_lane = [[one for one in got if one in lane] for lane in (set(order[:20]), set(order[20:]))]
        assert by_lane == [order[:20], order[20:]], "each lane in its order; one in ten goes to the later lanes"
        assert [fact.bare_type for fact in await stand.facts(count=42)].count("MessageFailed") == 2


@pytest.mark.parametrize("action", ["cut", "garbage"])
async def test_answer_lost_after_the_final_dot__uncertain_and_sent_once_more_with_the_same_bytes(
    kafka: KafkaServer, service_db: ServiceDb, sink: MailSink, clock: MovableClock, action: str
) -> None:
    sink.script({"command": "dot", "action": action, "times": 1})
    async with notifying(kafka, service_db("notify"), sink, clock=clock) as stand:
        await one_booking(stand)
        (row,) = await stand.reached("uncertain")
        assert (row["reason"], row["attempts"], row["resent"]) == ("no_reply", 1, False)
        clock.forward(seconds=31)
        (row,) = await stand.reached("sent")

        assert (row["attempts"], row["resent"]) == (2, True)
        lines = [line for line in sink.logged() if line["message_id"].startswith(str(row["message_id"]))]
        assert len(lines) == 2
        assert lines[0]["sha256"] == lines[1]["sha256"]
        assert [fact.bare_type for fact in await stand.facts(count=2)] == ["MessageUncertain", "MessageSent"]


async def test_answer_slower_than_we_wait__uncertain(
    kafka: KafkaServer, service_db: ServiceDb, sink: MailSink, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DATA_SECONDS_MAX", 0.3)
    sink.script({"command": "dot", "action": "slow", "seconds": 3, "times": 1})
    async with notifying(kafka, service_db("notify"), sink, clock=clock) as stand:
        await one_booking(stand)
        (row,) = await stand.reached("uncertain")

        assert row["reason"] == "no_reply"
        assert taken(sink, [row]) == [row["message_id"]]


@pytest.mark.parametrize("action", ["cut", "cut_inside", "garbage"])
async def test_connection_lost_at_data__uncertain_though_nothing_arrived(
    kafka: KafkaServer, service_db: ServiceDb, sink: MailSink, clock: MovableClock, action: str
) -> None:
    """aiosmtplib does not tell the two halves of DATA apart: rather one mail too many than one too few."""
    sink.script({"command": "data", "action": action, "times": 1})
    async with notifying(kafka, service_db("notify"), sink, clock=clock) as stand:
        await one_booking(stand)
        (row,) = await stand.reached("uncertain")
        assert taken(sink, [row]) == []
        clock.forward(seconds=31)
        (row,) = await stand.reached("sent")

        assert taken(sink, [row]) == [row["message_id"]]


FAULTS: list[tuple[dict[str, Any], str, int]] = [
    ({"command": "mail", "action": "cut"}, "sent", 1),
    ({"command": "rcpt", "action": "cut"}, "sent", 1),
    ({"command": "rcpt", "action": "garbage"}, "sent", 1),
    ({"command": "rcpt", "action": "reply", "reply": "550 5.1.1 <nobody@example.org> unknown"}, "failed", 1),
    ({"command": "dot", "action": "reply", "reply": "554 5.7.1 spam"}, "failed", 1),
    ({"command": "data", "action": "reply", "reply": "554 5.5.1 no"}, "failed", 1),
]


async def test_faults_at_each_command__certain_ones_never_make_a_doubt(
    kafka: KafkaServer, service_db: ServiceDb, sink: MailSink, clock: MovableClock
) -> None:
    async with notifying(kafka, service_db("notify"), sink, clock=clock) as stand:
        await stand.send(offer())
        for rule, state, attempts in FAULTS:
            story = BookingStory()
            sink.script({**rule, "times": 1})
            await stand.send(contact(story.person_id), story.confirmed())
            (row,) = await stand.reached(state, booking_id=story.booking_id, kind="confirmed")

            assert row["attempts"] == attempts, rule
            assert len(taken(sink, [row])) == (1 if state == "sent" else 0), rule
        replies = [row["reply"] for row in await stand.fetch("SELECT reply FROM attempts WHERE effect = 'permanent'")]
        assert "nobody@" not in " ".join(replies)
        assert "5.1.1 <(address)> unknown" in " ".join(replies)


async def test_temporary_refusal__back_off_then_sent(
    kafka: KafkaServer, service_db: ServiceDb, sink: MailSink, clock: MovableClock
) -> None:
    sink.script({"command": "dot", "action": "reply", "reply": "451 4.3.0 later", "times": 2})
    async with notifying(kafka, service_db("notify"), sink, clock=clock) as stand:
        await one_booking(stand)
        for attempts in (1, 2):

            async def refused(number: int = attempts) -> bool:
                return [row["attempts"] for row in await stand.messages(kind="confirmed")] == [number]

            await eventually(refused, what=f"refusal {attempts}")
            clock.forward(minutes=3)
        (row,) = await stand.reached("sent")

        assert (row["attempts"], taken(sink, [row])) == (3, [row["message_id"]])


async def test_throttled_relay__pauses_longer_each_time_and_uses_no_attempt(
    kafka: KafkaServer, service_db: ServiceDb, sink: MailSink, clock: MovableClock
) -> None:
    sink.script({"command": "mail", "action": "reply", "reply": "451 4.7.1 slow down", "times": 2})
    async with notifying(kafka, service_db("notify"), sink, clock=clock, smtp_connections=1) as stand:
        await one_booking(stand)
        for throttles in (1, 2):

            async def paused(number: int = throttles) -> bool:
                return bool((await relay(stand))["throttles"] == number)

            await eventually(paused, what=f"pause {throttles}")
            await stand.reached("scheduled", kind="confirmed")
            clock.forward(seconds=29)
            await asyncio.sleep(0.3)  # what must not happen has no condition to wait for
            assert sink.used() == [throttles]
            clock.forward(seconds=12)
        (row,) = await stand.reached("sent")

        assert row["attempts"] == 1
        assert (await relay(stand))["state"] == "closed", "a pause is no outage"


@pytest.mark.parametrize(
    ("rule", "reason", "more"),
    [
        ({"command": "connect", "action": "reply", "reply": "421 4.3.2 closing"}, "down connect 421", {}),
        ({"command": "mail", "action": "reply", "reply": "550 5.7.1 not you"}, "misconfigured mail 550", {}),
        (
            {"command": "auth", "action": "reply", "reply": "535 5.7.8 wrong"},
            "misconfigured auth 535",
            {"smtp_user": "hub", "smtp_password": "wrong-password"},
        ),
        ({"command": "rcpt", "action": "cut"}, "cut rcpt", {}),
    ],
)
async def test_relay_that_refuses_us__breaker_opens_uncounted_and_one_probe_at_a_time_closes_it(
    kafka: KafkaServer,
    service_db: ServiceDb,
    sink: MailSink,
    clock: MovableClock,
    rule: dict[str, Any],
    reason: str,
    more: dict[str, Any],
) -> None:
    sink.script(rule)
    async with notifying(kafka, service_db("notify"), sink, clock=clock, **more) as stand:
        await one_booking(stand)
        assert (await opened(stand))["reason"] == reason
        assert [row["attempts"] for row in await stand.messages(kind="confirmed")] == [0]
        async with stand.http() as client:
            await asyncio.sleep(0.1)
            assert 'notify_breaker_open{relay="main"} 1.0' in (await client.get("/metrics")).text

        sink.script()
        connections = sink.connections()
        clock.forward(seconds=31)
        await stand.probed()
        (row,) = await stand.reached("sent")

        assert row["attempts"] == 1
        assert sink.connections() - connections <= 2, "one probe and the line that sends"


async def test_relay_without_starttls__is_not_used_in_the_clear(
    kafka: KafkaServer, service_db: ServiceDb, sink: MailSink, clock: MovableClock
) -> None:
    async with notifying(kafka, service_db("notify"), sink, clock=clock, smtp_security="starttls") as stand:
        await one_booking(stand)
        assert (await opened(stand))["reason"] == "down connect"

        assert taken(sink, await stand.messages()) == []


async def test_relay_with_starttls__its_certificate_is_checked(
    kafka: KafkaServer, service_db: ServiceDb, clock: MovableClock, tmp_path: Path
) -> None:
    here = Path(__file__).parents[1] / "support" / "certificates"
    flags = ("--tls-certificate", str(here / "localhost.pem"), "--tls-key", str(here / "localhost.key"))
    dsn = service_db("notify")
    with mail_sink(tmp_path, *flags) as secure:
        async with notifying(kafka, dsn, secure, clock=clock, smtp_security="starttls", smtp_host="localhost") as stand:
            await one_booking(stand)
            assert (await opened(stand))["reason"] == "down connect", "nobody here knows who signed it"
        more: dict[str, Any] = {
            "smtp_security": "starttls",
            "smtp_host": "localhost",
            "smtp_ca_file": str(here / "localhost.pem"),
        }
        clock.forward(minutes=6)
        async with notifying(kafka, dsn, secure, clock=clock, prepare=False, **more) as stand:
            await stand.probed()
            (row,) = await stand.reached("sent")

            assert taken(secure, [row]) == [row["message_id"]]
