"""From dates to occurrences: ids that last, what is kept, what falls out."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from uuid import UUID, uuid5

import pytest
from hypothesis import given, settings, strategies

from services.catalog.domain.entities import Occurrence, Override, Schedule
from services.catalog.domain.occurrences import Calendar, any_ahead, occurrence_key, reconcile
from services.catalog.formats.recurrence import dates_of
from services.catalog.limits import OCCURRENCES_MAX
from tests.unit.catalog.build import NOW, OFFER_ID, derive, instant, last_sundays, schedule, wall


def planned(*schedules: Schedule, known: tuple[Occurrence, ...] = (), now: datetime = NOW) -> Calendar:
    return reconcile(OFFER_ID, [dates_of(each, now=now) for each in schedules], known, now=now, derive=derive)


def public(calendar: Calendar) -> tuple[Occurrence, ...]:
    return tuple(replace(each, public=True) for each in calendar.occurrences)


def test_new_dates__have_the_ids_of_their_first_starts() -> None:
    first = planned(schedule()).occurrences[0]
    assert first.start == instant("2027-03-02T17:00Z")
    assert first.end == instant("2027-03-02T18:30Z")
    assert first.occurrence_id == uuid5(UUID(OFFER_ID.rsplit(":", 1)[1]), "2027-03-02T18:00:00")
    assert occurrence_key(wall("2027-03-28T18:00")) == "2027-03-28T18:00:00"


def test_dates_again__are_the_same() -> None:
    known = public(planned(schedule()))
    again = planned(schedule(), known=known)
    assert again.occurrences == known
    assert again.removed == ()


@pytest.mark.parametrize(("forward", "back"), last_sundays())
def test_weekly_dates_over_both_changes__keep_wall_time_and_length(forward: date, back: date) -> None:
    now = instant(f"{forward - timedelta(days=30)}T00:00Z")
    evening = schedule(start=f"{forward - timedelta(days=26)}T18:00", rrule="FREQ=WEEKLY")
    made = planned(evening, now=now).occurrences
    offsets = {(each.rule_start - each.start.replace(tzinfo=None)) for each in made}
    assert {each.rule_start.hour for each in made} == {18}
    assert offsets == {timedelta(hours=1), timedelta(hours=2)}
    assert {each.end - each.start for each in made} == {timedelta(minutes=90)}
    assert any(each.rule_start.date() > back for each in made)


@pytest.mark.parametrize(("forward", "back"), last_sundays())
def test_dates_in_gap_and_fold__are_told(forward: date, back: date) -> None:
    now = instant(f"{forward - timedelta(days=10)}T00:00Z")
    night = schedule(start=f"{forward}T02:30", rrule=None, rdates=(wall(f"{back}T02:30"),))
    calendar = planned(night, now=now)
    assert [(each.local, each.oddity) for each in calendar.odd] == [
        (wall(f"{forward}T02:30"), "gap"),
        (wall(f"{back}T02:30"), "fold"),
    ]
    assert [each.start for each in calendar.occurrences] == [instant(f"{forward}T01:30Z"), instant(f"{back}T00:30Z")]


def test_date_moved_by_an_override__keeps_its_id_and_tells_where_it_was() -> None:
    known = public(planned(schedule()))
    moved = schedule(overrides=(Override(wall("2027-03-09T18:00"), wall("2027-03-10T19:00"), 60),))
    changed = next(each for each in planned(moved, known=known).occurrences if each.status == "moved")
    assert changed.occurrence_id == known[1].occurrence_id
    assert (changed.start, changed.end) == (instant("2027-03-10T18:00Z"), instant("2027-03-10T19:00Z"))
    assert changed.previous_start == known[1].start


def test_date_called_off_by_an_override__is_cancelled_in_its_place() -> None:
    known = public(planned(schedule()))
    called_off = schedule(overrides=(Override(wall("2027-03-09T18:00"), cancelled=True),))
    changed = planned(called_off, known=known).occurrences[1]
    assert (changed.occurrence_id, changed.status, changed.start) == (known[1].occurrence_id, "cancelled", known[1].start)


def test_single_date_moved__keeps_the_name_of_its_first_start() -> None:
    known = public(planned(schedule(rrule=None)))
    later = planned(schedule(rrule=None, start="2027-03-05T20:00"), known=known)
    (only,) = later.occurrences
    assert only.occurrence_id == known[0].occurrence_id
    assert (only.status, only.start, only.previous_start) == ("moved", instant("2027-03-05T19:00Z"), known[0].start)
    assert later.removed == ()


def test_excluded_date_nobody_saw__is_removed() -> None:
    known = planned(schedule()).occurrences
    calendar = planned(schedule(exdates=(wall("2027-03-09T18:00"),)), known=known)
    assert calendar.removed == (known[1].occurrence_id,)
    assert known[1].occurrence_id not in {each.occurrence_id for each in calendar.occurrences}


def test_excluded_date_that_was_public__stays_as_cancelled_with_its_data() -> None:
    known = public(planned(schedule()))
    calendar = planned(schedule(exdates=(wall("2027-03-09T18:00"),)), known=known)
    assert calendar.removed == ()
    assert calendar.occurrences[1] == replace(known[1], status="cancelled")


def test_past_dates__stay_for_thirty_days_as_they_were_and_are_then_removed() -> None:
    known = public(planned(schedule()))
    later = NOW + timedelta(days=15)
    calendar = planned(schedule(start="2027-03-02T17:00"), known=known, now=later)
    assert calendar.occurrences[:2] == known[:2], "another time of day does not rewrite history"
    much_later = planned(schedule(), known=known, now=NOW + timedelta(days=45))
    assert known[0].occurrence_id in much_later.removed


def test_first_plan__has_no_dates_that_nobody_announced() -> None:
    assert planned(schedule(start="2027-01-05T18:00")).occurrences[0].start > NOW


def test_daily_dates_over_a_long_time__are_cut_at_the_bound() -> None:
    calendar = planned(schedule("FREQ=DAILY", "2027-03-02T18:00"), schedule("FREQ=DAILY", "2027-03-02T10:00"))
    assert len(calendar.occurrences) == OCCURRENCES_MAX
    assert list(calendar.occurrences) == sorted(calendar.occurrences, key=lambda each: each.start)


@pytest.mark.parametrize(
    ("status", "ahead"), [("scheduled", True), ("moved", True), ("cancelled", False), ("postponed", False)]
)
def test_any_ahead__counts_dates_that_take_place(status: str, ahead: bool) -> None:
    made = planned(schedule(rrule=None)).occurrences
    assert any_ahead([replace(made[0], status=status)], now=NOW) is ahead  # type: ignore[arg-type]
    assert any_ahead(made, now=made[0].end) is False, "at its end a date is over"


PICKED = strategies.sets(strategies.integers(0, 20), max_size=6)


@settings(deadline=None, max_examples=50)
@given(excluded=PICKED, moved=PICKED, called_off=PICKED, seen=PICKED, days_later=strategies.integers(0, 60))
def test_any_edit__loses_no_date_that_somebody_saw(
    excluded: set[int], moved: set[int], called_off: set[int], seen: set[int], days_later: int
) -> None:
    first = planned(schedule()).occurrences
    known = tuple(replace(each, public=n in seen) for n, each in enumerate(first))
    overrides = [Override(first[n].rule_start, first[n].rule_start + timedelta(hours=1)) for n in moved - called_off]
    overrides += [Override(first[n].rule_start, cancelled=True) for n in called_off]
    edited = schedule(exdates=tuple(first[n].rule_start for n in excluded), overrides=tuple(overrides))
    now = NOW + timedelta(days=days_later)
    calendar = planned(edited, known=known, now=now)
    ids = [each.occurrence_id for each in calendar.occurrences]
    assert len(ids) == len(set(ids))
    assert not set(ids) & set(calendar.removed)
    for each in known:
        if each.public and each.end > now:
            assert each.occurrence_id in ids
    again = planned(edited, known=calendar.occurrences, now=now)
    assert again.occurrences == calendar.occurrences, "a second look finds nothing to do"
