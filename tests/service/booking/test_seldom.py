"""What happens seldom: lengths that nobody judges, long queues, rooms that were not to be had, persons to be forgotten."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from contracts.booking import CancelBooking, CheckIn, RescheduleBooking
from services.booking.handlers import retention
from services.booking.store import retention as store_retention
from tests.service.booking.hub import (
    NOW,
    SESSION,
    Hub,
    about,
    at,
    booked,
    cancel,
    command,
    made,
    named,
    offer_id,
    one,
    published,
    room,
    said,
    staff,
    wish,
)

POOL: dict[str, Any] = {"resource_id": "pool", "kind": "pool", "revision": 1, "capacity": 1}
TWO_WEEKS = {"every": "week", "count": 2, "mode": "skip"}


def closed(start: datetime, end: datetime) -> dict[str, Any]:
    """A blackout as the catalogue publishes it."""
    return {"blackout_id": "b1", "start": start.isoformat(), "end": end.isoformat(), "cause": "water_damage"}


async def test_end_moved_beyond_the_longest_booking_after_check_in__is_too_long(hub: Hub) -> None:
    """Beyond it nobody reads what is taken, so it must not be granted."""
    await hub.publish(published("bikes", max_minutes=120, horizon_days=365, **one("pool", POOL)))
    await hub.ask(command(wish("bikes", at(9)), "r1"), command(wish("bikes", at(9, day=20), person="bob"), "r2"))
    hub.clock.instant = at(9)
    await hub.ask(command(about(CheckIn, "bikes", "r1", direction="in"), "i1"))
    for days, reason in ((21, "capacity_full"), (367, "too_long")):
        moved = about(RescheduleBooking, "bikes", "r1", end=at(9, day=days))
        assert said(await hub.ask(command(moved, f"m{days}"))) == [f"RequestRefused {reason}"]
    assert await hub.violations() == {}


async def test_capacity_raised_by_more_than_a_look_at_the_queue__everybody_who_fits_is_offered(hub: Hub) -> None:
    rules: dict[str, Any] = {"waitlist": {"mode": "strict", "max_entries": 500}}
    await hub.publish(published("talk", **one("session", SESSION), **rules))
    await hub.ask(*[command(wish("talk", None, person=f"p{n}"), f"r{n}") for n in range(51)])
    wider = SESSION | {"revision": 2, "capacity": 51}
    told = await hub.republish(published("talk", revision=2, **one("session", wider), **rules))
    assert [answer.type for answer in told].count("WaitlistOffered") == 50
    assert await hub.violations() == {}


async def test_many_places_given_back_at_once__go_to_as_many_who_wait_before_any_newcomer(hub: Hub) -> None:
    rules: dict[str, Any] = {"waitlist": {"mode": "fit", "max_entries": 500}, "max_quantity": 100}
    await hub.publish(published("talk", **one("session", SESSION | {"capacity": 60}), **rules))
    await hub.ask(command(wish("talk", None, person="club", quantity=60), "club"))
    await hub.ask(*[command(wish("talk", None, person=f"p{n}"), f"r{n}") for n in range(60)])
    told = await hub.ask(command(cancel("talk", booked("club"), person="club"), "c1"))
    assert [answer.type for answer in told].count("WaitlistOffered") == 60
    assert said(await hub.ask(command(wish("talk", None, person="new"), "new"))) == ["WaitlistJoined"]
    assert await hub.violations() == {}


async def test_session_without_its_room__still_waits_for_it_after_a_revision_of_something_else(hub: Hub) -> None:
    await hub.publish(published("hall", **one("unit", room())))
    start, end = at(17, day=8), at(18, day=8)
    await hub.ask(command(wish("hall", start, end), "r1"))
    talk = SESSION | {"occupies": ["room-1"]}
    await hub.republish(published("talk", **one("session", talk)))
    await hub.republish(published("talk", revision=2, **one("session", talk | {"revision": 2, "capacity": 5})))
    told = await hub.ask(command(cancel("hall", booked("r1")), "c1"), command(wish("hall", start, end, person="bob"), "r2"))
    assert said(told) == ["BookingCancelled", "BookingConfirmed", "BookingRejected conflict"]
    assert told[1].data["claimant"] == {"kind": "house", "purpose": "session"}
    assert await hub.violations() == {}


@pytest.mark.parametrize("between", [[], ["suspended"]], ids=["at once", "suspended between"])
async def test_offer_cancelled_and_published_again__its_session_takes_its_room_again(hub: Hub, between: list[str]) -> None:
    await hub.publish(published("hall", **one("unit", room())))
    talk = one("session", SESSION | {"occupies": ["room-1"]})
    await hub.publish(published("talk", **talk))
    states = ["cancelled", *between, "published"]
    for revision, status in enumerate(states * 2, start=2):
        await hub.republish(published("talk", revision=revision, status=status, **talk))
    start, end = at(17, day=8), at(18, day=8)
    told = await hub.ask(command(wish("talk", None), "r1"), command(wish("hall", start, end, person="bob"), "r2"))
    assert said(told) == ["BookingConfirmed", "BookingRejected conflict"]
    assert await hub.violations() == {}


async def test_closure_of_an_offer__displaces_what_staff_booked_for_the_house(hub: Hub) -> None:
    await hub.publish(published("hall", **one("unit", room())))
    team = wish("hall", at(9), actor=staff(), claimant={"kind": "house", "purpose": "team"})
    await hub.ask(command(team, "r1"))
    told = await hub.republish(published("hall", revision=2, blackouts=[closed(at(8), at(12))], **one("unit", room())))
    assert [answer.type for answer in told] == ["BookingDisplaced", "ClosureApplied"]
    assert await hub.violations() == {}


async def test_entry_that_waits_for_one_of_two_rooms__expires_once_both_are_closed(hub: Hub) -> None:
    rules: dict[str, Any] = {"waitlist": {"mode": "fit"}}
    await hub.publish(published("halls", **one("unit", room("a"), room("b")), **rules))
    span = at(9, day=2), at(10, day=2)
    await hub.ask(*[command(wish("halls", *span, person=who), who) for who in ("ann", "bob", "cem")])
    shut = [room(name, revision=2, blackouts=[closed(at(8, day=2), at(12, day=2))]) for name in ("a", "b")]
    told = await hub.republish(published("halls", revision=2, **one("unit", *shut), **rules))
    assert sorted(a.type for a in told if a.type.startswith("Booking")) == ["BookingDisplaced"] * 2 + ["BookingExpired"]
    assert await hub.violations() == {}


async def test_command_on_a_forgotten_booking__does_not_tie_the_person_to_it_again(hub: Hub) -> None:
    await hub.publish(published("hall", retention_days=1, **one("unit", room())))
    await hub.ask(command(wish("hall", at(9)), "r1"))
    await hub.pass_time(at(10))
    hub.clock.instant = at(10, day=1)
    await retention.forget(hub.house, hub.pool)
    assert said(await hub.ask(command(cancel("hall", booked("r1")), "c1"))) == ["RequestRefused gone"]
    assert await hub.fetch("SELECT command FROM requests WHERE actor_id IS NOT NULL") == []


async def test_booking_of_staff_for_the_house__is_forgotten_like_any_other(hub: Hub) -> None:
    await hub.publish(published("hall", retention_days=1, **one("unit", room())))
    await hub.ask(command(wish("hall", at(9), actor=staff(), claimant={"kind": "house", "purpose": "team"}), "r1"))
    await hub.pass_time(at(10))
    hub.clock.instant = at(10, day=1)
    await retention.forget(hub.house, hub.pool)
    [row] = await hub.fetch("SELECT check_in_code, purpose FROM bookings")
    assert (row["check_in_code"], row["purpose"]) == (None, "team")
    assert await hub.fetch("SELECT FROM requests WHERE actor_id IS NOT NULL") == []


async def test_series_with_nothing_but_skipped_dates__a_date_can_be_added_until_it_is_over(hub: Hub) -> None:
    await hub.publish(published("hall", retention_days=1, **one("unit", room())))
    for n, day in enumerate((0, 7)):
        await hub.ask(command(wish("hall", at(9, day=day), person="bob"), f"b{n}"))
    [decided] = await hub.ask(command(wish("hall", at(9), series=TWO_WEEKS), "s1"))
    series_id = decided.data["series_id"]
    await hub.ask(command(cancel("hall", booked("b1"), person="bob"), "c1"))
    await retention.forget(hub.house, hub.pool)
    added = wish("hall", at(9, day=7), add_to={"series_id": series_id, "n": 1})
    assert said(await hub.ask(command(added, "s2"))) == ["BookingConfirmed"]


async def test_answer_to_a_series__names_nobody_once_its_bookings_are_forgotten_and_goes_no_sooner(hub: Hub) -> None:
    await hub.publish(published("hall", retention_days=1, horizon_days=365, **one("unit", room())))
    await hub.ask(command(wish("hall", at(9), series=TWO_WEEKS | {"every": "month", "count": 5}), "s1"))
    answer = "SELECT actor_id, outcome -> 'data' -> 'claimant' AS claimant FROM requests WHERE request_id = $1"
    hub.clock.instant = at(9, day=100)
    await retention.forget(hub.house, hub.pool)
    [row] = await hub.fetch(answer, named("s1"))
    assert None not in tuple(row), "there are dates to come"
    await hub.pass_time(at(9, day=150))
    hub.clock.instant = at(9, day=152)
    assert await retention.forget(hub.house, hub.pool) == 5
    assert [tuple(row) for row in await hub.fetch(answer, named("s1"))] in ([(None, None)], [])


async def test_series_that_is_forgotten__staff_are_told_that_it_is_gone(hub: Hub) -> None:
    await hub.publish(published("hall", retention_days=1, **one("unit", room())))
    [*_, decided] = await hub.ask(command(wish("hall", at(9), series=TWO_WEEKS), "s1"))
    await hub.pass_time(at(10, day=7))
    hub.clock.instant = at(10, day=9)
    await retention.forget(hub.house, hub.pool)
    asked = {"offer_id": offer_id("hall"), "actor": staff(), "series_id": decided.data["series_id"], "from_n": 0}
    assert said(await hub.ask(command(made(CancelBooking, **asked), "c1"))) == ["RequestRefused gone"]
    assert await hub.dead_letters() == []


@pytest.mark.parametrize(
    ("start", "end", "second"),
    [
        (datetime(2027, 3, 26, 22), datetime(2027, 3, 27, 6), "2027-03-28T04:00:00Z"),  # noqa: DTZ001  # by the clock
        (datetime(2027, 3, 27, 1, 30), datetime(2027, 3, 27, 2, 30), "nonexistent_local_time"),  # noqa: DTZ001
        (datetime(2027, 10, 30, 1, 30), datetime(2027, 10, 30, 2, 30), "ambiguous_local_time"),  # noqa: DTZ001
    ],
)
async def test_series_by_the_clock__each_date_has_its_own_end(hub: Hub, start: datetime, end: datetime, second: str) -> None:
    """As a single wish for that date would be answered: never guessed."""
    await hub.publish(published("hall", horizon_days=365, **one("unit", room())))
    daily = {"every": "day", "count": 2, "mode": "skip"}
    [decided, *booked_] = await hub.ask(command(wish("hall", start, end, series=daily), "s1"))
    results = decided.data["results"]
    assert [answer.data["end"] for answer in booked_[1:]] + [r["reason"] for r in results if "reason" in r] == [second]


async def test_place_given_back_above_capacity__the_fact_names_the_command_as_its_cause(hub: Hub) -> None:
    await hub.publish(published("talk", **one("session", SESSION | {"capacity": 3})))
    await hub.ask(*[command(wish("talk", None, person=f"p{n}"), f"r{n}") for n in range(3)])
    await hub.republish(published("talk", revision=2, **one("session", SESSION | {"revision": 2, "capacity": 1})))
    told = await hub.ask(command(cancel("talk", booked("r0"), person="p0"), "c1"))
    assert [(a.type, a.causation_id) for a in told] == [("BookingCancelled", named("c1")), ("CapacityChanged", named("c1"))]


async def test_date_of_a_series_that_is_missing__is_a_violation_like_any_other(hub: Hub) -> None:
    await hub.publish(published("hall", **one("unit", room())))
    await hub.ask(command(wish("hall", at(9), series=TWO_WEEKS), "s1"))
    await hub.pool.raw.execute("DELETE FROM allocations; DELETE FROM bookings")
    assert await hub.violations() == {"booking_missing": 2}


async def test_more_refusals_than_one_transaction_deletes__all_go_in_one_run(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (retention, store_retention):
        monkeypatch.setattr(module, "FORGET_MAX", 4)
    await hub.ask(*[command(wish("nowhere", at(9)), f"x{n}") for n in range(9)])
    hub.clock.instant = NOW + timedelta(days=91)
    await retention.forget(hub.house, hub.pool)
    assert await hub.fetch("SELECT FROM requests") == []
