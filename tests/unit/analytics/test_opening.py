"""Open days from revisions: what is in force when, what counts whenever it was entered, what is gone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from services.analytics.domain.opening import (
    History,
    LocalSpan,
    OfferRevision,
    ResourceRevision,
    Session,
    open_days,
    session_of,
    standing,
)
from services.analytics.domain.spans import Span, seconds
from services.analytics.domain.words import Kind
from services.analytics.domain.zones import zone

BERLIN = zone("Europe/Berlin")
FIRST, LAST = date(2027, 5, 1), date(2027, 5, 31)
HOUR = 3600
EVERY_DAY: Mapping[int, Sequence[LocalSpan]] = {day: [(480, 1080)] for day in range(1, 8)}


def on(day: int, hour: int = 0) -> datetime:
    """An instant of May 2027, by the clock in Berlin."""
    return datetime(2027, 5, day, hour, tzinfo=BERLIN).astimezone(UTC)


def resource(revision: int = 1, at: datetime | None = None, **more: Any) -> ResourceRevision:
    plain = ResourceRevision("r", revision, at or on(1) - timedelta(days=30), Kind.UNIT, BERLIN, weekly=EVERY_DAY)
    return replace(plain, **more)


def offer(revision: int = 1, at: datetime | None = None, **more: Any) -> OfferRevision:
    held = frozenset({"r"})
    return replace(OfferRevision("o", revision, at or on(1) - timedelta(days=30), True, True, held, held), **more)


def hours(history: History) -> dict[int, float]:
    """Hours open by day of May; days that do not count are left out."""
    return {
        day.day: seconds(each.open) / HOUR for day, each in open_days(history, first=FIRST, last=LAST, where=BERLIN).items()
    }


def of(*revisions: ResourceRevision, offers: Sequence[OfferRevision] = (), **more: Any) -> History:
    return History("r", revisions, [offers or [offer()]], **more)


def test_open_days_of_a_room__every_day_by_its_week() -> None:
    monday_only = resource(weekly={1: [(480, 720), (780, 1080)]})
    found = hours(of(monday_only))
    assert found[3] == 9  # a Monday
    assert found[4] == 0  # counts, though it is closed
    assert len(found) == 31


def test_open_days_without_hours__open_all_day() -> None:
    assert set(hours(of(resource(weekly={}))).values()) == {24}


def test_open_days_after_a_change_of_hours__the_past_stays_as_it_was() -> None:
    longer = resource(2, at=on(10, 12), weekly={day: [(480, 1200)] for day in range(1, 8)})
    found = hours(of(resource(), longer))
    assert (found[9], found[10], found[11]) == (10, 12, 12)


def test_open_days_after_a_change_of_capacity__by_the_end_of_the_day() -> None:
    small, large = resource(kind=Kind.POOL, units=4), resource(2, at=on(10, 23), kind=Kind.POOL, units=6)
    found = open_days(of(small, large), first=FIRST, last=LAST, where=BERLIN)
    assert [found[date(2027, 5, day)].units for day in (9, 10, 11)] == [4, 6, 6]


def test_open_days_of_a_unit__one_unit_whatever_its_capacity() -> None:
    found = open_days(of(resource(units=12)), first=FIRST, last=LAST, where=BERLIN)
    assert found[FIRST].units == 1


def test_closure_entered_afterwards__counts_for_its_date() -> None:
    late = resource(2, at=on(20), blackouts={"b": (on(5, 8), on(5, 13))})
    assert hours(of(resource(), late))[5] == 5


@pytest.mark.parametrize(("lifted", "left"), [(on(5, 12), 10), (on(5, 13), 5), (on(20), 5)])
def test_closure_that_disappears__is_gone_only_if_it_was_not_over(lifted: datetime, left: int) -> None:
    closed = resource(2, at=on(2), blackouts={"b": (on(5, 8), on(5, 13))})
    assert hours(of(resource(), closed, resource(3, at=lifted)))[5] == left


def test_closure_in_its_newest_version__counts() -> None:
    first = resource(1, blackouts={"b": (on(5, 8), on(5, 13))})
    moved = resource(2, at=on(2), blackouts={"b": (on(6, 8), on(6, 9))})
    found = hours(of(first, moved))
    assert (found[5], found[6]) == (10, 9)


@pytest.mark.parametrize(("lifted", "left"), [(on(5, 12), 10), (on(6, 0), 2)])
def test_exception_that_disappears__is_gone_only_if_its_date_was_not_over(lifted: datetime, left: int) -> None:
    special = resource(2, at=on(2), exceptions={date(2027, 5, 5): [(600, 720)]})
    assert hours(of(resource(), special, resource(3, at=lifted)))[5] == left


def test_overlapping_closures__are_taken_off_once() -> None:
    both = resource(blackouts={"a": (on(5, 10), on(5, 13)), "b": (on(5, 12), on(5, 15))})
    assert hours(of(both))[5] == 5


def test_resource_counts_from_its_first_revision__to_its_withdrawal() -> None:
    shown = [offer(1, at=on(5, 12)), offer(2, at=on(9, 12), live=False, resource_ids=frozenset(), bookable_ids=frozenset())]
    assert sorted(hours(of(resource(at=on(5, 12)), offers=shown))) == [5, 6, 7, 8, 9]


def test_resource_booked_before_its_first_revision__counts_from_the_booking() -> None:
    found = hours(of(resource(at=on(5, 12)), offers=[offer(1, at=on(5, 12))], first_booked=date(2027, 5, 3)))
    assert sorted(found)[0] == 3
    assert found[3] == 10


def test_resource_back_after_a_break__does_not_count_between() -> None:
    none: frozenset[str] = frozenset()
    gone = offer(2, at=on(5, 12), resource_ids=none, bookable_ids=none)
    back = offer(3, at=on(8, 12))
    assert sorted(hours(of(resource(), offers=[offer(), gone, back])))[:6] == [1, 2, 3, 4, 5, 8]


@pytest.mark.parametrize(
    "state",
    [offer(bookable=False), offer(live=False), offer(bookable_ids=frozenset())],
    ids=["mode none or external", "withdrawn or cancelled", "in no component"],
)
def test_resource_that_nobody_can_book__does_not_count(state: OfferRevision) -> None:
    assert hours(of(resource(), offers=[state])) == {}


def test_resource_in_two_offers__counts_while_one_of_them_has_it() -> None:
    gone = offer(2, at=on(5), live=False)
    history = History("r", [resource()], [[offer(), gone], [replace(offer(), offer_id="p")]])
    assert len(hours(history)) == 31


def test_open_hours_in_a_zone_of_their_own__fall_on_the_hubs_days() -> None:
    """Eight to six in Lisbon is nine to seven in Berlin; from eleven in the evening the night belongs to the next day."""
    lisbon = resource(where=zone("Europe/Lisbon"), weekly={day: [(1320, 1440)] for day in range(1, 8)})
    assert hours(of(lisbon))[5] == 2  # 23 to 24 of this day, and 0 to 1 of the night before


def course(
    at: datetime | None = None, revision: int = 1, *, start: datetime, end: datetime, scheduled: bool = True
) -> ResourceRevision:
    held = Session(start=start, end=end, scheduled=scheduled, occupies=frozenset({"hall"}))
    return resource(revision, at, kind=Kind.SESSION, units=10, weekly={}, session=held)


def test_session__open_for_its_length_on_its_days() -> None:
    found = open_days(of(course(start=on(5, 22), end=on(6, 1))), first=FIRST, last=LAST, where=BERLIN)
    assert {day.day: (seconds(each.open), each.units) for day, each in found.items()} == {5: (2 * HOUR, 10), 6: (HOUR, 10)}


def test_session_moved__counts_where_it_is_now() -> None:
    moved = course(on(2), 2, start=on(7, 9), end=on(7, 10))
    assert hours(of(course(start=on(5, 9), end=on(5, 10)), moved)) == {7: 1}


@pytest.mark.parametrize(("dropped", "left"), [(on(5, 9), {}), (on(5, 10), {5: 1.0})])
def test_session_that_disappears__is_gone_only_if_it_was_not_over(dropped: datetime, left: dict[int, float]) -> None:
    none: frozenset[str] = frozenset()
    states = [offer(), offer(2, at=dropped, resource_ids=none, bookable_ids=none)]
    assert hours(of(course(start=on(5, 9), end=on(5, 10)), offers=states)) == left


def test_session_called_off__does_not_count() -> None:
    assert hours(of(course(start=on(5, 9), end=on(5, 10), scheduled=False))) == {}


def test_closure_of_the_offer__touches_its_session_and_not_the_room() -> None:
    closed: Mapping[str, Span] = {"b": (on(5, 9), on(5, 10))}
    states = [offer(blackouts=closed)]
    assert hours(of(course(start=on(5, 9), end=on(5, 11)), offers=states)) == {5: 1}
    assert hours(of(resource(), offers=states))[5] == 10


def test_session_of_an_offer_that_takes_no_bookings__still_takes_its_hall() -> None:
    history = of(course(start=on(5, 9), end=on(5, 10)), offers=[offer(bookable=False)])
    assert session_of(history, to_be_booked=True) is None
    assert session_of(history, to_be_booked=False) is not None


def test_standing__newest_version_of_each() -> None:
    ends = {"a": on(5), "b": on(9)}
    found = standing([(on(1), {"a": 1, "b": 1}), (on(6), {"b": 2}), (on(7), {})], lambda key, _: ends[key])
    assert found == {"a": 1}
