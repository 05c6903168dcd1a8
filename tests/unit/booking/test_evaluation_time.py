"""What `evaluate` says of the time of a wish: each rule with its edge one second either side."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from services.booking.domain.claims import Reasons
from services.booking.domain.codes import Reason
from services.booking.domain.evaluation import evaluate
from services.booking.domain.offers import reach
from tests.unit.booking.rules import DAY, HOUR, MINUTE, NOW, SECOND, ask, at, empty, offer, session, unit, wish

S = SECOND
ROOM = unit()


@pytest.mark.parametrize(
    ("rules", "length", "expected"),
    [
        ({"min_minutes": 30}, 30 * MINUTE, []),
        ({"min_minutes": 30}, 30 * MINUTE - S, ["too_short"]),
        ({"max_minutes": 120}, 120 * MINUTE, []),
        ({"max_minutes": 120}, 120 * MINUTE + S, ["too_long"]),
        ({}, MINUTE, []),
        ({}, MINUTE - S, ["too_short"]),
        ({}, DAY, []),
        ({}, DAY + S, ["too_long"]),
        ({"durations": [30, 60]}, 30 * MINUTE, []),
        ({"durations": [30, 60]}, 45 * MINUTE, ["too_long"]),
        ({"durations": [30, 60]}, 60 * MINUTE, []),
        ({"durations": [30], "min_minutes": 20}, 10 * MINUTE, ["too_short", "too_long"]),
    ],
)
def test_length(rules: dict[str, Any], length: timedelta, expected: list[str]) -> None:
    start = at("03-02 10:00")
    assert ask(offer(ROOM, **rules), wish(start, start + length)) == expected
    assert ask(offer(ROOM, **rules), wish(start, duration=length)) == expected


@pytest.mark.parametrize(
    ("start", "minutes", "wall_minutes", "expected"),
    [("03-28 01:30", 60, 120, []), ("10-31 01:30", 60, 60, []), ("10-31 01:30", 180, 120, ["too_long"])],
)
def test_length_over_a_clock_change__counts_elapsed_minutes(
    start: str, minutes: int, wall_minutes: int, expected: list[str]
) -> None:
    of = offer(ROOM, durations=[60])
    answer = evaluate(of, wish(at(start), duration=minutes * MINUTE), empty(of), NOW)
    assert ([] if not isinstance(answer, Reasons) else [why.code.value for why in answer.items]) == expected
    assert answer.start is not None and answer.end is not None
    local = answer.end.astimezone(of.where).replace(tzinfo=None) - answer.start.astimezone(of.where).replace(tzinfo=None)
    assert local == wall_minutes * MINUTE


def test_end_not_after_the_start_once_local_times_are_resolved__too_short_only() -> None:
    """The contract compares what it can; 02:30 in summer time is before 02:00 in winter time on the wall, not in truth."""
    start = at("03-02 10:00")
    assert ask(offer(ROOM, hours=[{"weekday": 1, "from": "00:00", "to": "01:00"}]), wish(start, start - HOUR))[0] == "too_short"


@pytest.mark.parametrize(
    ("grid", "start", "end", "expected"),
    [
        (15, "03-02 10:15", "03-02 11:00", []),
        (15, "03-02 10:15:01", "03-02 11:00", ["off_grid"]),
        (15, "03-02 10:14:59", "03-02 11:00", ["off_grid"]),
        (15, "03-02 10:15", "03-02 11:00:01", ["off_grid"]),
        (15, "03-02 10:15", "03-02 11:10", ["off_grid"]),
        (90, "03-02 10:30", "03-02 12:00", []),  # anchored at local midnight: 09:00, 10:30, 12:00
        (90, "03-02 10:00", "03-02 11:30", ["off_grid"]),
        (60, "03-02 23:00", "03-03 00:00", []),
        (None, "03-02 10:14:59", "03-02 11:00:01", []),
        # clock changes: the grid is what the clock on the wall shows
        (60, "03-28 01:00", "03-28 03:00", []),
        (90, "03-28 03:00", "03-28 04:30", []),
        (90, "03-28 01:30", "03-28 04:00", ["off_grid"]),
        (60, "10-31 01:00", "10-31 04:00", []),
    ],
)
def test_grid(grid: int | None, start: str, end: str, expected: list[str]) -> None:
    assert ask(offer(ROOM, grid_minutes=grid), wish(at(start), at(end))) == expected


def test_grid_in_a_zone_with_a_half_hour_shift__on_the_wall_clock() -> None:
    of = offer(ROOM, grid_minutes=60, zone_name="Australia/Lord_Howe")
    assert ask(of, wish(at("2027-10-03 03:00", "Australia/Lord_Howe"), duration=HOUR)) == []
    assert ask(of, wish(at("2027-10-03 03:00", "Australia/Lord_Howe") + 30 * MINUTE, duration=HOUR)) == ["off_grid"]


WEEKDAYS = [{"weekday": day, "from": "08:00", "to": "18:00"} for day in range(1, 6)]


@pytest.mark.parametrize(
    ("lead", "first"),
    [
        ((0, "minutes"), "03-01 10:00"),  # now
        ((90, "minutes"), "03-01 11:30"),
        ((0, "days"), "03-01 10:00"),
        ((1, "days"), "03-02 00:00"),
        ((3, "days"), "03-04 00:00"),
        ((0, "working_days"), "03-01 10:00"),
        ((1, "working_days"), "03-02 00:00"),
        ((4, "working_days"), "03-05 00:00"),
        ((5, "working_days"), "03-08 00:00"),  # the weekend does not count
        ((6, "working_days"), "03-09 00:00"),
    ],
)
def test_lead__the_first_instant_that_is_not_too_soon(lead: tuple[int, str], first: str) -> None:
    of = offer(ROOM, hours=WEEKDAYS, lead={"value": lead[0], "unit": lead[1]})
    always = offer(ROOM, lead={"value": lead[0], "unit": lead[1] if lead[1] != "working_days" else "minutes"})
    assert reach(of, NOW)[0] == at(first)
    if lead[1] != "working_days":
        assert ask(always, wish(at(first))) == []
        assert ask(always, wish(at(first) - S)) == ["too_soon"]
    else:
        assert "too_soon" in ask(of, wish(at(first) - S))
        assert "too_soon" not in ask(of, wish(at(first)))


def test_working_days__need_an_open_interval_of_the_offer_and_of_a_candidate_of_each_part() -> None:
    closed_tuesdays = unit("b", hours=[{"weekday": day, "from": "08:00", "to": "18:00"} for day in (1, 3, 4, 5)])
    lead = {"value": 1, "unit": "working_days"}
    assert reach(offer(closed_tuesdays, lead=lead), NOW)[0] == at("03-03 00:00")
    assert reach(offer(ROOM, closed_tuesdays, lead=lead), NOW)[0] == at("03-02 00:00")
    assert reach(offer(session(), lead={"value": 5, "unit": "working_days"}), NOW)[0] == at("03-08 00:00")
    never = [{"date": str((NOW + n * DAY).date()), "hours": []} for n in range(390)]
    assert (
        reach(offer(unit(hours=[{"weekday": 7, "from": "08:00", "to": "09:00"}], exceptions=never), lead=lead), NOW)[0]
        > NOW + 390 * DAY
    )


@pytest.mark.parametrize(
    ("now", "today"), [("2027-03-27 23:59:59", "03-27"), ("2027-03-28 00:00", "03-28"), ("2027-10-31 23:59:59", "10-31")]
)
def test_lead_in_days__counts_local_dates_over_clock_changes(now: str, today: str) -> None:
    of = offer(ROOM, lead={"value": 1, "unit": "days"}, horizon_days=2)
    first, too_far = reach(of, at(now))
    assert first == at(f"{today} 00:00") + DAY + timedelta(hours=_longer(today))
    assert too_far.astimezone(of.where).hour == 0


def _longer(day: str) -> int:
    return {"03-28": -1, "10-31": 1}.get(day, 0)


@pytest.mark.parametrize(
    ("horizon", "start", "expected"),
    [
        (1, "03-02 23:59:59", []),
        (1, "03-03 00:00", ["too_far_ahead"]),
        (30, "03-31 23:59:59", []),
        (30, "04-01 00:00", ["too_far_ahead"]),
    ],
)
def test_horizon__counts_local_dates(horizon: int, start: str, expected: list[str]) -> None:
    assert ask(offer(ROOM, horizon_days=horizon), wish(at(start))) == expected


def test_in_the_past__too_soon() -> None:
    assert ask(offer(ROOM), wish(NOW - S)) == ["too_soon"]
    assert ask(offer(ROOM), wish(NOW)) == []


@pytest.mark.parametrize(
    ("rules", "now", "expected"),
    [
        ({"bookable_from": "2027-03-01T09:00:00Z"}, NOW, []),
        ({"bookable_from": "2027-03-01T09:00:00Z"}, NOW - S, ["not_bookable"]),
        ({"bookable_until": "2027-03-01T09:00:00Z"}, NOW - S, []),
        ({"bookable_until": "2027-03-01T09:00:00Z"}, NOW, ["not_bookable"]),
    ],
)
def test_sale__from_the_release_moment_until_its_end(rules: dict[str, Any], now: datetime, expected: list[str]) -> None:
    assert ask(offer(ROOM, **rules), wish(at("03-02 10:00")), now=now) == expected


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("03-02 08:00", "03-02 18:00", []),
        ("03-02 07:59:59", "03-02 09:00", ["outside_opening_hours"]),
        ("03-02 17:00", "03-02 18:00:01", ["outside_opening_hours"]),
        ("03-06 09:00", "03-06 10:00", ["outside_opening_hours"]),
    ],
)
def test_opening_hours_of_the_offer(start: str, end: str, expected: list[str]) -> None:
    assert ask(offer(ROOM, hours=WEEKDAYS), wish(at(start), at(end))) == expected


def test_opening_hours__offer_and_resource_must_both_be_open() -> None:
    of = offer(unit(hours=[{"weekday": 2, "from": "09:00", "to": "20:00"}]), hours=WEEKDAYS)
    assert ask(of, wish(at("03-02 09:00"), at("03-02 18:00"))) == []
    assert ask(of, wish(at("03-02 08:59:59"), at("03-02 18:00"))) == ["outside_opening_hours"]
    assert ask(of, wish(at("03-02 17:00"), at("03-02 18:00:01"))) == ["outside_opening_hours"]


def test_buffers__may_run_past_closing() -> None:
    of = offer(unit(setup_minutes=60, teardown_minutes=60), hours=WEEKDAYS)
    assert ask(of, wish(at("03-02 08:00"), at("03-02 18:00"))) == []


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("03-02 09:00", "03-02 10:00", []),
        ("03-02 09:00", "03-02 10:00:01", ["blackout"]),
        ("03-02 11:59:59", "03-02 13:00", ["blackout"]),
        ("03-02 12:00", "03-02 13:00", []),
    ],
)
@pytest.mark.parametrize("whose", ["offer", "resource"])
def test_blackout(whose: str, start: str, end: str, expected: list[str]) -> None:
    blackouts = [{"blackout_id": "x", "start": "2027-03-02T09:00:00Z", "end": "2027-03-02T11:00:00Z", "cause": "repair"}]
    of = offer(ROOM, blackouts=blackouts) if whose == "offer" else offer(unit(blackouts=blackouts))
    assert ask(of, wish(at(start), at(end))) == expected


def test_a_session__ignores_hours_grid_and_length_but_obeys_lead_horizon_and_blackouts() -> None:
    closed = [{"date": "2027-03-10", "hours": []}]
    assert ask(offer(session(), exceptions=closed, grid_minutes=45, max_minutes=5), wish()) == []
    assert ask(offer(session(), lead={"value": 10, "unit": "days"}), wish()) == ["too_soon"]
    assert ask(offer(session(), horizon_days=8), wish()) == ["too_far_ahead"]
    hit = [{"blackout_id": "x", "start": "2027-03-10T18:59:59Z", "end": "2027-03-10T20:00:00Z", "cause": "repair"}]
    assert ask(offer(session(), blackouts=hit), wish()) == ["blackout"]
    assert ask(offer(session(blackouts=hit)), wish()) == ["blackout"]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2027-03-28T01:59:59", "2027-03-28T04:00:00", []),
        ("2027-03-28T01:00:00", "2027-03-28T03:00:00", []),
        ("2027-03-28T02:00:00", "2027-03-28T04:00:00", ["nonexistent_local_time"]),
        ("2027-03-28T01:00:00", "2027-03-28T02:59:59", ["nonexistent_local_time"]),
        ("2027-10-31T02:00:00", "2027-10-31T04:00:00", ["ambiguous_local_time"]),
        ("2027-10-31T01:00:00", "2027-10-31T02:59:59", ["ambiguous_local_time"]),
        ("2027-10-31T01:59:59", "2027-10-31T03:00:00", []),
        ("2027-03-28T02:30:00", "2027-10-31T02:30:00", ["nonexistent_local_time", "ambiguous_local_time"]),
    ],
)
def test_local_times__are_resolved_in_the_offers_zone_or_refused(start: str, end: str, expected: list[str]) -> None:
    asked = wish(datetime.fromisoformat(start), datetime.fromisoformat(end))
    assert ask(offer(ROOM), asked) == expected


def test_local_times_in_a_zone_without_clock_changes__resolved() -> None:
    of = offer(ROOM, zone_name="Asia/Kolkata")
    answer = evaluate(of, wish(datetime.fromisoformat("2027-03-28T02:30:00"), duration=HOUR), empty(of), NOW)
    assert answer.start == at("2027-03-28 02:30", "Asia/Kolkata")


def test_reasons__all_that_apply_in_the_order_of_the_codes() -> None:
    of = offer(
        unit(features=["step_free"], capacity=1),
        hours=WEEKDAYS,
        grid_minutes=30,
        max_minutes=60,
        lead={"value": 10, "unit": "days"},
        blackouts=[{"blackout_id": "x", "start": "2027-03-06T09:00:00Z", "end": "2027-03-07T11:00:00Z", "cause": "repair"}],
        permitted_groups=["club"],
        status="suspended",
    )
    asked = wish(at("03-06 10:10"), at("03-06 11:40"), groups=["none"], needs=["piano"], quantity=2, offer_revision=6)
    assert ask(of, asked) == [
        "not_bookable", "revision_outdated", "not_permitted", "too_long", "off_grid", "too_soon", "blackout",
        "outside_opening_hours", "needs_unmet", "person_limit", "capacity_full",
    ]  # fmt: skip
    assert [Reason(code) for code in dict.fromkeys(ask(of, asked))] == sorted(
        {Reason(code) for code in ask(of, asked)}, key=list(Reason).index
    )
