"""What goes in, what is known, what is kept apart."""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts import topics
from contracts.booking import BookingUnchanged, Reason
from contracts.envelope import Event, encode
from contracts.notify import Channel, MessageClass, MessageKind, MessageSent
from hubkit import db
from services.analytics.ingest.release import release
from services.analytics.store import events
from tests.service.analytics.hub import PRODUCED_MS, Desk
from tests.service.analytics.log import NOW, Claim, booking_event, day, local, named, offer_id, published, rejected, room

MONDAY = "2027-05-03"


def claim(name: str = "b1", **more: Any) -> Claim:
    return Claim(name, local(MONDAY, "09:00"), local(MONDAY, "10:00"), **more)


def altered(event: Event) -> Event:
    """The same id with another content."""
    assert event.data is not None
    return replace(event, data=event.data.model_copy(update={"quantity": 7}))


async def count(desk: Desk, table: str = "events") -> int:
    return int(await desk.value(f"SELECT count(*) FROM {table}"))  # noqa: S608  a name of this file


async def dead_letters(desk: Desk) -> list[str]:
    return [row[0] for row in await desk.fetch("SELECT reason FROM dead_letters ORDER BY record_offset")]


async def test_a_fact__keeps_its_three_times_and_its_place(desk: Desk) -> None:
    await desk.book(claim().confirmed().last, partition=4)
    row = (await desk.fetch("SELECT * FROM events"))[0]
    assert (row["partition"], row["record_offset"]) == (4, 0)
    assert row["occurred_at"] == local(MONDAY, "09:00") - timedelta(days=3)
    assert row["produced_at"] == datetime.fromtimestamp(PRODUCED_MS / 1000, UTC)
    assert row["ingested_at"] is not None
    assert row["visitor"] is not None
    assert row["claimant"] == "person"


async def test_the_same_event_again__is_known(desk: Desk) -> None:
    event = claim().confirmed().last
    await desk.book(event, event)
    await desk.book(event)
    assert await count(desk) == 1
    assert await dead_letters(desk) == []
    assert desk.metrics.value("hubnetz_consumer_known_total", topic="booking.events.v1", by="event_id") == 2


@pytest.mark.parametrize("together", [True, False], ids=["in one poll", "in another poll"])
async def test_the_same_id_with_other_content__dead_letter_and_the_first_stays(desk: Desk, together: bool) -> None:
    event = claim().confirmed().last
    good = claim("b2").confirmed().last
    polls = [[event, altered(event), good]] if together else [[event], [altered(event), good]]
    for poll in polls:
        await desk.book(*poll)
    assert await dead_letters(desk) == ["event_id_reused"]
    assert await desk.value("SELECT quantity FROM events WHERE event_id = $1", event.id) == 1
    assert await count(desk) == 2


async def test_an_id_that_another_transaction_brings_meanwhile__known_at_the_second_look(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking first is not what makes it exact: the unique id is, and the batch is tried again."""
    event, good = claim().confirmed().last, claim("b2").confirmed().last
    await desk.book(event)
    read_hashes, looks = events.read_hashes, 0

    async def too_early(tx: db.Tx, event_ids: Collection[bytes]) -> dict[bytes, bytes]:
        nonlocal looks
        looks += 1
        return {} if looks == 1 else await read_hashes(tx, event_ids)

    monkeypatch.setattr(events, "read_hashes", too_early)
    await desk.book(altered(event), event, good)
    assert looks == 2
    assert await count(desk) == 2
    assert await desk.value("SELECT quantity FROM events WHERE event_id = $1", event.id) == 1
    assert await dead_letters(desk) == ["event_id_reused"]


async def test_records_below_the_stored_offset__are_dropped_by_the_fence(desk: Desk) -> None:
    events = [claim(f"b{n}").confirmed().last for n in range(4)]
    records = [encode(event) for event in events]
    await desk.hand(topics.BOOKING_EVENTS, records[:3], first=10)
    await desk.hand(topics.BOOKING_EVENTS, records[1:], first=11)
    assert await count(desk) == 4
    assert desk.metrics.value("hubnetz_consumer_known_total", topic="booking.events.v1", by="offset") == 2
    assert await desk.value("SELECT next_offset FROM stored_offsets WHERE topic = 'booking.events.v1'") == 14


async def test_marks__own_days_and_those_of_every_known_version(desk: Desk) -> None:
    before = claim().confirmed()
    away = before.moved(local("2027-05-06", "09:00"), local("2027-05-07", "09:00"))
    back = away.moved(local("2027-05-10", "09:00"), local("2027-05-10", "10:00"))
    await desk.book(before.last, away.last)
    await desk.settle()
    assert await count(desk, "dirty_days") == 0
    await desk.book(back.last)
    marked = {row[0] for row in await desk.fetch("SELECT day FROM dirty_days")}
    assert marked == {day(f"2027-05-{n:02}") for n in (3, 6, 7, 10)}


async def test_a_first_version_replayed_late__its_other_days_are_marked_too(desk: Desk) -> None:
    before = claim().confirmed()
    away = before.moved(local("2027-05-06", "09:00"), local("2027-05-06", "10:00"))
    await desk.book(away.last)
    await desk.settle()
    await desk.book(before.last)
    await desk.settle()
    line = await desk.offer(day("2027-05-06"), offer_id("rooms"))
    assert line.leads == (6 * 86_400,)


async def test_types_without_a_figure__are_counted_and_passed_over(desk: Desk) -> None:
    confirmed = claim().confirmed().last
    assert confirmed.data is not None
    fields = {name: getattr(confirmed.data, name) for name in BookingUnchanged.model_fields}
    unchanged = booking_event(BookingUnchanged(**fields), "again", confirmed.time)
    await desk.book(confirmed, unchanged)
    assert await count(desk) == 1
    assert desk.metrics.value("analytics_passed_over_total", type="BookingUnchanged") == 1


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (claim().confirmed(at=NOW + timedelta(minutes=6)).last, "log_ahead"),
        (claim().confirmed(at=NOW - timedelta(days=428)).last, "log_too_old"),
        (Claim("b1", local("2032-01-01"), local("2032-01-02")).confirmed(at=NOW).last, "no_year_key"),
        (Claim("b1", local("2038-01-01"), local("2038-01-02"), partner=True).confirmed(at=NOW).last, "start_too_far"),
        (Claim("b1", NOW, NOW, partner=True).confirmed(at=NOW).last, "span_not_forward"),
        (Claim("b1", NOW, NOW + timedelta(days=500)).confirmed(at=NOW).last, "span_too_long"),
    ],
)
async def test_what_must_not_count__is_quarantined_once(desk: Desk, event: Event, reason: str) -> None:
    good = claim("b9").confirmed().last
    await desk.book(event, good)
    await desk.book(event)
    assert [row["reason"] for row in await desk.fetch("SELECT reason FROM quarantine")] == [reason]
    assert await count(desk) == 1
    assert (await desk.value("SELECT content::text FROM quarantine")).find(str(named("anna"))) == -1


async def test_a_refusal_of_any_age_inside_the_retention__counts(desk: Desk) -> None:
    await desk.book(rejected("r1", Reason.CONFLICT, NOW - timedelta(days=426)))
    assert await count(desk) == 1


async def test_released_from_the_quarantine__counts_as_if_nothing_had_been(desk: Desk) -> None:
    ahead = claim().confirmed(at=NOW + timedelta(hours=1)).last
    await desk.book(ahead)
    await desk.settle()
    entry = await desk.value("SELECT quarantine_id FROM quarantine")
    async with db.transaction(desk.pool) as tx:
        assert await release(tx, entry, "operator/olga") is None
    async with db.transaction(desk.pool) as tx:
        assert await release(tx, entry, "operator/olga") == "not_kept"
        assert await release(tx, named("nobody"), "operator/olga") == "not_found"
    await desk.settle()
    assert (await desk.offer(day(MONDAY), offer_id("rooms"))).made == 1
    assert await desk.value("SELECT ended_by FROM quarantine") == "operator/olga"


async def test_a_span_that_goes_backwards__is_never_released(desk: Desk) -> None:
    await desk.book(Claim("b1", NOW, NOW - timedelta(hours=1), partner=True).confirmed(at=NOW + timedelta(days=1)).last)
    async with db.transaction(desk.pool) as tx:
        assert await release(tx, await tx.fetchval("SELECT quarantine_id FROM quarantine"), "operator/olga") == "not_usable"


async def test_a_state_again_with_other_content__quarantined_and_the_first_stays(desk: Desk) -> None:
    await desk.publish(published("rooms", room()))
    await desk.publish(published("rooms", room(), mode="none"))
    assert [row["reason"] for row in await desk.fetch("SELECT reason FROM quarantine")] == ["revision_conflict"]
    assert await desk.value("SELECT mode FROM offer_states") == "instant"
    async with db.transaction(desk.pool) as tx:
        assert await release(tx, await tx.fetchval("SELECT quarantine_id FROM quarantine"), "operator/olga") is None
    assert await desk.value("SELECT mode FROM offer_states") == "none"


async def test_a_shared_resource_with_other_content__the_first_stays(desk: Desk) -> None:
    await desk.publish(published("rooms", room()), published("hall", room(hours=[])))
    assert await desk.value("SELECT subject FROM quarantine") == f"{offer_id('hall')}/1"
    await desk.settle()
    assert (await desk.resource(day(MONDAY))).bookable_s == 36_000


async def test_a_state_in_a_zone_that_does_not_exist__quarantined(desk: Desk) -> None:
    state = published("rooms", room())
    assert state.data is not None
    await desk.publish(replace(state, data=state.data.model_copy(update={"time_zone": "Europe/Atlantis"})))
    assert [row["reason"] for row in await desk.fetch("SELECT reason FROM quarantine")] == ["unknown_zone"]
    await desk.settle()


async def test_a_state_published_again_unchanged__nothing_is_computed(desk: Desk) -> None:
    await desk.publish(published("rooms", room()))
    await desk.settle()
    watermark = await desk.value("SELECT value FROM watermarks")
    await desk.publish(published("rooms", room(), at=NOW - timedelta(days=1)))
    await desk.settle()
    assert await desk.value("SELECT value FROM watermarks") == watermark
    assert await desk.value("SELECT seen_at FROM offer_states") == NOW - timedelta(days=365)


async def test_a_tombstone__says_nothing_new(desk: Desk) -> None:
    state = published("rooms", room())
    await desk.publish(state, replace(state, id=named("gone"), data=None))
    await desk.settle()
    assert (await desk.resource(day(MONDAY))).bookable_s == 36_000


async def test_deliveries__each_once(desk: Desk) -> None:
    sent = MessageSent(
        message_id=named("m1"), kind=MessageKind.CONFIRMED, message_class=MessageClass.ANSWER, channel=Channel.MAIL,
        booking_id=named("b1"), due_at=NOW, at=NOW, attempts=1,
    )  # fmt: skip
    event = Event(id=named("m1/sent"), source="urn:hub:nord:notify", type=sent.ce_type, time=NOW, key=sent.key(), data=sent)
    other = replace(event, data=sent.model_copy(update={"attempts": 2}))
    await desk.take(topics.NOTIFY_DELIVERIES, [event, event, other])
    await desk.take(topics.NOTIFY_DELIVERIES, [event, replace(event, id=named("ahead"), time=NOW + timedelta(hours=1))])
    assert [dict(row) for row in await desk.fetch("SELECT type, attempts, day FROM deliveries")] == [
        {"type": "MessageSent", "attempts": 1, "day": day("2027-06-01")}
    ]
    assert await dead_letters(desk) == ["event_id_reused"]
    assert await desk.value("SELECT kind FROM quarantine") == "delivery"


async def test_two_hubs_in_one_log__do_not_touch_each_other(desk: Desk) -> None:
    """A booking under another hub's offer marks that hub's days only."""
    await desk.book(claim(hub="sued").confirmed().last, claim("b2").confirmed().last)
    marked = {(row[0], row[1]) for row in await desk.fetch("SELECT hub_id, day FROM dirty_days")}
    assert marked == {("sued", day(MONDAY)), ("nord", day(MONDAY))}
