"""The life of bookings through the whole decision: what time, others and the catalogue do to them, rows and events."""

from datetime import timedelta
from typing import Any
from uuid import uuid5

import pytest

from contracts.booking import (
    CancelBooking,
    CheckIn,
    ConfirmBooking,
    DecideApproval,
    RescheduleBooking,
)
from services.booking.handlers import hints, retention
from tests.service.booking.hub import (
    NOW,
    SESSION,
    STRICT,
    Hub,
    about,
    at,
    booked,
    cancel,
    citizen,
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


async def test_hold__expires_at_its_instant_and_frees(hub: Hub) -> None:
    await hub.publish(published("hall", **one("unit", room())))
    [held] = await hub.ask(command(wish("hall", at(9), intent="hold", hold_seconds=60), "r1"))
    assert (held.type, held.data["hold_seconds"], held.data["hold_expires_at"]) == ("BookingHeld", 60, "2027-03-01T09:01:00Z")
    assert said(await hub.ask(command(wish("hall", at(9), person="bob"), "r2"))) == ["BookingRejected conflict"]
    assert await hub.pass_time(NOW + timedelta(seconds=60, milliseconds=-1)) == []
    hub.clock.instant = NOW + timedelta(seconds=60)
    late = await hub.ask(command(about(ConfirmBooking, "hall", "r1"), "k1"), command(wish("hall", at(9), person="bob"), "r3"))
    assert said(late) == ["BookingExpired", "RequestRefused hold_expired", "BookingConfirmed"]
    assert (late[0].causation_id, late[0].id) == (None, uuid5(booked("r1"), "2/BookingExpired"))
    [entry] = await hub.fetch("SELECT * FROM requests WHERE request_id = $1", uuid5(booked("r1"), "2"))
    assert (entry["booking_id"], entry["actor_role"]) == (booked("r1"), "system")
    assert await hub.violations() == {}


async def test_hold__three_open_at_most_and_confirmed(hub: Hub) -> None:
    await hub.publish(published("hall", **one("unit", room())))
    asked = [command(wish("hall", at(9 + n), intent="hold"), f"r{n}") for n in range(4)]
    assert said(await hub.ask(*asked)) == ["BookingHeld"] * 3 + ["BookingRejected person_limit"]
    assert said(await hub.ask(command(about(ConfirmBooking, "hall", "r0"), "k"))) == ["BookingConfirmed"]
    assert said(await hub.ask(command(wish("hall", at(14), intent="hold"), "r5"))) == ["BookingHeld"]
    assert [a.type for a in await hub.pass_time(NOW + timedelta(minutes=10))] == ["BookingExpired"] * 3
    assert await hub.violations() == {}


@pytest.mark.parametrize(("mode", "offered"), [("strict", []), ("fit", ["cem"])])
async def test_waitlist__strict_stops_at_the_first_that_does_not_fit_and_fit_goes_on(
    hub: Hub, mode: str, offered: list[str]
) -> None:
    rules = one("session", SESSION | {"capacity": 2})
    await hub.publish(published("talk", max_quantity=2, waitlist={"mode": mode}, **rules))
    await hub.ask(command(wish("talk", None), "ann"), command(wish("talk", None, person="xen"), "xen"))
    await hub.ask(
        command(wish("talk", None, person="bob", quantity=2), "bob"), command(wish("talk", None, person="cem"), "cem")
    )
    gone = await hub.ask(command(cancel("talk", booked("ann")), "c1"))
    assert [a.key for a in gone if a.type == "WaitlistOffered"] == [str(booked(name)) for name in offered]
    late = await hub.ask(command(wish("talk", None, person="eve", join_waitlist=False), "eve"))
    assert said(late) == ["BookingRejected capacity_full"]
    assert await hub.violations() == {}


async def test_waitlist__interval_is_offered_when_its_span_is_free(hub: Hub) -> None:
    await hub.publish(published("hall", **one("unit", room()), waitlist={"mode": "strict"}))
    await hub.ask(command(wish("hall", at(9), at(12)), "r1"))
    [joined] = await hub.ask(command(wish("hall", at(10), at(11), person="bob"), "r2"))
    assert (joined.type, joined.data["promote_until"]) == ("WaitlistJoined", "2027-03-02T08:00:00Z")
    moved = await hub.ask(command(about(RescheduleBooking, "hall", "r1", start=at(13), end=at(15)), "m1"))
    assert [a.type for a in moved] == ["WaitlistOffered", "BookingRescheduled"] or [a.type for a in moved] == [
        "BookingRescheduled", "WaitlistOffered",
    ]  # fmt: skip
    assert await hub.violations() == {}


@pytest.mark.parametrize("blocks", [True, False])
async def test_approval__blocking_or_competing(hub: Hub, blocks: bool) -> None:
    await hub.publish(published("hall", mode="request", approval={"blocks": blocks}, **one("unit", room())))
    answers = await hub.ask(command(wish("hall", at(9)), "r1"), command(wish("hall", at(9), person="bob"), "r2"))
    assert said(answers) == ["ApprovalRequested", "BookingRejected conflict" if blocks else "ApprovalRequested"]
    assert [a.data.get("competing", 0) for a in answers] == [0, 0 if blocks else 1]
    yes = command(about(DecideApproval, "hall", "r1", by=staff(), decision="approve"), "d1")
    assert said(await hub.ask(yes)) == ["BookingConfirmed"]
    if not blocks:
        second = command(about(DecideApproval, "hall", "r2", by=staff(), decision="approve"), "d2")
        assert said(await hub.ask(second)) == ["BookingDeclined conflict"]
    move = command(about(RescheduleBooking, "hall", "r1", start=at(13), end=at(14)), "m1")
    assert said(await hub.ask(move)) == ["RequestRefused approval_required"]
    by_staff = command(about(RescheduleBooking, "hall", "r1", by=staff(), start=at(13), end=at(14)), "m2")
    assert said(await hub.ask(by_staff)) == ["BookingRescheduled"]
    instant = await hub.ask(command(wish("hall", at(15), instant_only=True), "r3"))
    assert said(instant) == ["BookingRejected approval_required"]
    assert await hub.violations() == {}


async def test_reschedule__old_place_is_free_and_a_swap_passes_the_constraint(hub: Hub) -> None:
    await hub.publish(published("hall", resale_delay_minutes=0, **one("unit", room(), room("room-2"), choose="either")))
    await hub.ask(command(wish("hall", at(9), choices={"main": "room-1"}), "r1"))
    moved = await hub.ask(
        command(about(RescheduleBooking, "hall", "r1", start=at(10), end=at(11)), "m1"),
        command(wish("hall", at(9), person="bob", choices={"main": "room-1"}), "r2"),
        command(about(RescheduleBooking, "hall", "r1", start=at(9), end=at(10), choices={"main": "room-1"}), "m2"),
    )
    assert said(moved) == ["BookingRescheduled", "BookingConfirmed", "RequestRefused conflict"]
    assert moved[0].data["old"]["start"] == "2027-03-02T09:00:00Z"
    assert await hub.violations() == {}


async def test_closure__displaces_with_alternatives_and_lists_all(hub: Hub) -> None:
    await hub.publish(published("hall", **one("unit", room())))
    await hub.ask(
        command(wish("hall", at(9)), "r1"),
        command(wish("hall", at(10), person="bob", intent="hold"), "r2"),
        command(wish("hall", at(15), person="cem"), "r3"),
    )
    closed = room(revision=2, blackouts=[{"blackout_id": "b", "start": at(8), "end": at(12), "cause": "water"}])
    told = await hub.republish(published("hall", revision=2, **one("unit", closed)))
    assert [a.type for a in told] == ["BookingDisplaced", "BookingExpired", "ClosureApplied"]
    displaced, expired, applied = told
    assert displaced.data["alternatives"][0]["start"] == "2027-03-02T12:00:00Z"
    assert len(displaced.data["alternatives"]) == 3
    assert displaced.data["cause"] == applied.data["cause"] == "water"
    assert expired.data["reason"] == "blackout"
    assert applied.data["displaced"] == [str(booked("r1"))]
    assert applied.key == offer_id("hall")
    back = command(about(RescheduleBooking, "hall", "r1", start=at(13), end=at(14)), "m1")
    assert said(await hub.ask(back)) == ["BookingRescheduled"]
    assert await hub.violations() == {}


async def test_closure__displaced_and_not_rebooked_is_cancelled_by_the_system(hub: Hub) -> None:
    await hub.publish(published("hall", rebook_days=1, **one("unit", room())))
    await hub.ask(command(wish("hall", at(9, day=10)), "r1"))
    rules = one("unit", room())
    await hub.publish(published("hall", revision=2, status="cancelled", rebook_days=1, **rules))
    [gone] = await hub.pass_time(NOW + timedelta(days=1))
    assert (gone.type, gone.data["by"], gone.data["from_state"]) == ("BookingCancelled", "system", "displaced")
    assert await hub.violations() == {}


async def test_capacity__a_cut_drops_nobody_and_is_told_until_it_is_gone(hub: Hub) -> None:
    await hub.publish(published("talk", **one("session", SESSION | {"capacity": 3})))
    await hub.ask(*(command(wish("talk", None, person=p), p) for p in ("ann", "bob", "cem")))
    [cut] = await hub.republish(published("talk", revision=2, **one("session", SESSION | {"capacity": 1, "revision": 2})))
    assert (cut.type, cut.data["used"], cut.data["over_capacity"]) == ("CapacityChanged", 3, 2)
    gone = await hub.ask(command(cancel("talk", booked("ann")), "c1"))
    assert [(a.type, a.data.get("over_capacity", 0)) for a in gone] == [("BookingCancelled", 0), ("CapacityChanged", 1)]
    assert said(await hub.ask(command(wish("talk", None, person="eve"), "eve"))) == ["BookingRejected capacity_full"]
    assert await hub.violations() == {}


async def test_capacity__raised_goes_to_the_queue(hub: Hub) -> None:
    await hub.publish(published("talk", **one("session", SESSION), **STRICT))
    await hub.ask(*(command(wish("talk", None, person=p), p) for p in ("ann", "bob")))
    raised = SESSION | {"capacity": 2, "revision": 2}
    told = await hub.republish(published("talk", revision=2, **one("session", raised), **STRICT))
    assert sorted(a.type for a in told) == ["CapacityChanged", "WaitlistOffered"]
    assert await hub.violations() == {}


async def test_session__moved_in_time_takes_its_bookings_along_free_to_cancel(hub: Hub) -> None:
    rules: dict[str, Any] = {"cancel": {"until_minutes": 60 * 24 * 10, "after": "refuse"}}
    await hub.publish(published("talk", **one("session", SESSION), **rules))
    await hub.ask(command(wish("talk", None), "r1"))
    assert said(await hub.ask(command(cancel("talk", booked("r1")), "c1"))) == ["RequestRefused deadline_passed"]
    later = SESSION | {"revision": 2, "start": "2027-03-09T17:00:00Z", "end": "2027-03-09T19:00:00Z"}
    told = await hub.republish(published("talk", revision=2, **one("session", later), **rules))
    assert [(a.type, a.data["start"]) for a in told] == [("BookingRescheduled", "2027-03-09T17:00:00Z")]
    assert said(await hub.ask(command(cancel("talk", booked("r1")), "c2"))) == ["BookingCancelled"]
    assert await hub.violations() == {}


async def test_session__occupies_its_rooms_or_waits_for_them_before_the_queue(hub: Hub) -> None:
    await hub.publish(published("hall", **one("unit", room())))
    start, end = at(17, day=8), at(18, day=8)
    await hub.ask(command(wish("hall", start, end), "r1"))
    talk = published("talk", **one("session", SESSION | {"occupies": ["room-1"]}))
    [unplaced] = await hub.republish(talk)
    assert (unplaced.type, unplaced.data["in_the_way"]) == ("SessionUnplaced", [str(booked("r1"))])
    told = await hub.ask(command(cancel("hall", booked("r1")), "c1"), command(wish("hall", start, end, person="bob"), "r2"))
    assert said(told) == ["BookingCancelled", "BookingConfirmed", "BookingRejected conflict"]
    assert told[1].data["claimant"] == {"kind": "house", "purpose": "session"}
    away = SESSION | {"occupies": ["room-1"], "revision": 2, "status": "cancelled"}
    gone = await hub.republish(published("talk", revision=2, **one("session", away)))
    assert "BookingCancelled" in [a.type for a in gone]
    assert said(await hub.ask(command(wish("hall", start, end, person="bob"), "r3"))) == ["BookingConfirmed"]
    assert await hub.violations() == {}


async def test_session_of_a_cancelled_offer__gives_back_its_rooms(hub: Hub) -> None:
    await hub.publish(published("hall", **one("unit", room())))
    talk = one("session", SESSION | {"occupies": ["room-1"]})
    await hub.publish(published("talk", **talk))
    start, end = at(17, day=8), at(18, day=8)
    assert said(await hub.ask(command(wish("hall", start, end), "r1"))) == ["BookingRejected conflict"]
    gone = await hub.republish(published("talk", revision=2, status="cancelled", **talk))
    assert "BookingCancelled" in [a.type for a in gone]
    assert said(await hub.ask(command(wish("hall", start, end), "r2"))) == ["BookingConfirmed"]
    assert await hub.violations() == {}


async def test_series__wall_clock_over_the_change_skipped_and_added(hub: Hub) -> None:
    await hub.publish(published("hall", **one("unit", room())))
    await hub.ask(command(wish("hall", at(9, day=7), person="bob"), "block"))
    series = {"every": "week", "count": 5, "mode": "skip"}
    told = await hub.ask(command(wish("hall", at(9), series=series), "s1"))
    assert [a.type for a in told] == ["SeriesDecided"] + ["BookingConfirmed"] * 4
    results = told[0].data["results"]
    assert [r.get("reason", r["state"]) for r in results] == ["confirmed", "conflict", "confirmed", "confirmed", "confirmed"]
    assert [r["start"][11:16] for r in results] == ["09:00", "09:00", "09:00", "09:00", "08:00"]  # summer time on 28 March
    await hub.ask(command(cancel("hall", booked("block"), person="bob"), "c0"))
    series_id = told[0].data["series_id"]
    added = await hub.ask(command(wish("hall", at(9, day=7), add_to={"series_id": series_id, "n": 1}), "s2"))
    assert (said(added), added[0].data["occurrence_no"]) == (["BookingConfirmed"], 1)
    fields = {"offer_id": offer_id("hall"), "actor": citizen("ann"), "series_id": series_id, "from_n": 2}
    gone = await hub.ask(command(made(CancelBooking, **fields), "c1"))
    assert [a.type for a in gone] == ["SeriesDecided"] + ["BookingCancelled"] * 3
    assert [r["state"] for r in gone[0].data["results"]] == ["confirmed"] * 2 + ["cancelled"] * 3
    assert await hub.violations() == {}


async def test_series__all_or_nothing_stores_nothing_and_lists_all_reasons(hub: Hub) -> None:
    await hub.publish(published("hall", **one("unit", room())))
    await hub.ask(command(wish("hall", at(9, day=7), person="bob"), "block"))
    series = {"every": "week", "count": 3, "mode": "all_or_nothing"}
    [told] = await hub.ask(command(wish("hall", at(9), series=series), "s1"))
    assert said([told]) == ["SeriesDecided series_incomplete"]
    assert [r.get("reason") for r in told.data["results"]] == [None, "conflict", None]
    assert len(await hub.fetch("SELECT FROM bookings")) == 1
    assert said(await hub.ask(command(wish("hall", at(9), person="cem"), "r2"))) == ["BookingConfirmed"]
    assert await hub.violations() == {}


async def test_group_contingent__counted_over_all_its_members(hub: Hub) -> None:
    limits = [{"key": "k", "per": "group", "group": "club", "unit": "bookings", "window": "day", "max": 2}]
    await hub.publish(published("hall", limits=limits, **one("unit", room())))
    asked = [
        command(wish("hall", at(9 + n), person=f"p{n}", actor=citizen(f"p{n}", "club")), f"r{n}") for n in range(3)
    ]  # fmt: skip
    first = await hub.ask(*asked[:2])
    assert said(first + await hub.ask(asked[2])) == ["BookingConfirmed"] * 2 + ["BookingRejected group_quota"]
    assert said(await hub.ask(command(wish("hall", at(13), person="x"), "rx"))) == ["BookingConfirmed"]


async def test_advisers__the_least_booked_of_the_day(hub: Hub) -> None:
    staffed = [{"resource_id": name, "kind": "adviser", "revision": 1} for name in ("mia", "noa")]
    await hub.publish(published("advice", durations=[30], **one("adviser", *staffed)))
    answers = []
    for n in range(4):
        start = at(9 + n)
        answers += await hub.ask(command(wish("advice", start, start + timedelta(minutes=30), person=f"p{n}"), f"r{n}"))
    assert [a.data["placements"][0]["resource_id"] for a in answers] == ["mia", "noa", "mia", "noa"]
    assert await hub.violations() == {}


async def test_overbook__staff_pass_places_and_it_shows(hub: Hub) -> None:
    await hub.publish(published("talk", **one("session", SESSION)), published("hall", **one("unit", room())))
    await hub.ask(command(wish("talk", None), "r1"), command(wish("hall", at(9)), "h1"))
    over: dict[str, Any] = {"overbook": {"reason_code": "vip"}}
    answers = await hub.ask(
        command(wish("talk", None, person="bob", actor=staff(), **over), "r2"),
        command(wish("talk", None, person="cem", **over), "r3"),
        command(wish("hall", at(9), person="bob", actor=staff(), **over), "h2"),
    )
    assert said(answers) == ["BookingConfirmed", "BookingRejected not_permitted", "BookingRejected conflict"]
    assert answers[0].data["overbook_reason"] == "vip"
    [row] = await hub.fetch("SELECT used, tolerated FROM resources WHERE resource_id = 'course'")
    assert (row["used"], row["tolerated"]) == (2, 1)
    assert await hub.violations() == {}


async def test_check_in_and_out__the_rest_is_free(hub: Hub) -> None:
    await hub.publish(published("hall", check_in={"required": True}, **one("unit", room())))
    [confirmed] = await hub.ask(command(wish("hall", at(9), at(12)), "r1"))
    hub.clock.instant = at(9)
    kiosk = {"role": "citizen"}
    code = confirmed.data["check_in_code"]
    came = command(about(CheckIn, "hall", "r1", by=kiosk, code=code, direction="in"), "i1")
    wrong = command(about(CheckIn, "hall", "r1", by=kiosk, code="00000000", direction="in"), "i0")
    assert said(await hub.ask(wrong, came)) == ["RequestRefused not_permitted", "BookingCheckedIn"]
    hub.clock.instant = at(10)
    left = command(about(CheckIn, "hall", "r1", direction="out"), "o1")
    assert said(await hub.ask(left, command(wish("hall", at(10.5), person="bob"), "r2"))) == [
        "BookingCompleted", "BookingConfirmed",
    ]  # fmt: skip
    told = await hub.pass_time(at(10.75))
    assert [(a.type, a.data["freed_from"]) for a in told] == [("BookingNoShow", "2027-03-02T10:45:00Z")]
    assert await hub.violations() == {}


async def test_retention__the_person_goes_and_the_figures_stay(hub: Hub) -> None:
    await hub.publish(published("hall", retention_days=1, **one("unit", room())))
    await hub.ask(command(wish("hall", at(9)), "r1"), command(wish("hall", at(9), person="bob"), "r2"))
    await hub.pass_time(at(10))
    hub.clock.instant = at(10, day=1) - timedelta(seconds=1)
    assert await retention.forget(hub.house, hub.pool) == 0
    hub.clock.instant = at(10, day=1)
    assert await retention.forget(hub.house, hub.pool) == 1
    [row] = await hub.fetch("SELECT * FROM bookings")
    assert (row["person_id"], row["check_in_code"], row["state"], row["start"]) == (None, None, "completed", at(9))
    for entry in await hub.fetch("SELECT * FROM requests WHERE booking_id IS NOT NULL"):
        assert str(named("ann")) not in str(dict(entry))
    assert said(await hub.ask(command(cancel("hall", booked("r1")), "c1"))) == ["RequestRefused gone"]
    hub.clock.instant = at(10, day=92)
    await retention.forget(hub.house, hub.pool)
    assert await hub.fetch("SELECT FROM requests WHERE request_id = $1", named("r2")) == []
    hub.clock.instant = at(10, day=4 * 365)
    await retention.forget(hub.house, hub.pool)
    assert await hub.fetch("SELECT FROM bookings") == await hub.fetch("SELECT FROM allocations") == []


async def test_hints__everything_once_then_what_changed_and_at_midnight_the_new_day(hub: Hub) -> None:
    hours = [{"weekday": day, "from": "09:00", "to": "10:00"} for day in range(1, 8)]
    await hub.publish(
        published("hall", grid_minutes=60, durations=[60], horizon_days=200, hours=hours, **one("unit", room())),
        published("talk", **one("session", SESSION | {"capacity": 5})),
    )

    async def told() -> dict[str, Any]:
        before = len(await hub.answers())
        await hints.tell_availability(hub.house, hub.pool)
        found = (await hub.answers())[before:]
        assert {a.type for a in found} <= {"AvailabilityChanged"}
        return {a.key: (a.data.get("sessions", []), a.data.get("days", [])) for a in found}

    hall, talk = offer_id("hall"), offer_id("talk")
    whole = await told()
    assert whole[talk] == ([{"resource_id": "course", "free": 5}], [])
    assert [len(whole[hall][0]), len(whole[hall][1]), whole[hall][1][1]] == [0, 92, {"date": "2027-03-02", "free": True}]
    assert await told() == {}
    await hub.ask(command(wish("hall", at(8)), "r1"), command(wish("talk", None), "r2"))
    assert await told() == {
        hall: ([], [{"date": "2027-03-02", "free": False}]), talk: ([{"resource_id": "course", "free": 4}], []),
    }  # fmt: skip
    assert await told() == {}
    hub.clock.instant = at(0) + timedelta(hours=23, minutes=1)  # 3 March in Berlin
    assert [day["date"] for day in (await told())[hall][1]] == ["2027-06-01", "2027-06-02"]
    closed = published("hall", revision=2, status="suspended", durations=[60], **one("unit", room()))
    await hub.publish(closed)
    assert {day["free"] for day in (await told())[hall][1]} == {False}
