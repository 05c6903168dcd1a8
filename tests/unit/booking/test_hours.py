"""Opening hours and blackouts."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.booking.domain.hours import Blackouts, LocalSpan, Opening
from services.booking.domain.zones import zone
from tests.unit.booking.rules import BERLIN, DAY, HOUR, MINUTE, SECOND, at

WEEKDAYS = [[(480, 720), (780, 1080)]] * 5 + [[], []]  # 08-12, 13-18, Monday to Friday


def covers(opening: Opening, start: datetime, end: datetime) -> bool:
    return opening.covers(start, end, start.astimezone(BERLIN).date())


@pytest.mark.parametrize(
    ("start", "end", "open_"),
    [
        ("03-02 08:00", "03-02 12:00", True),
        ("03-02 07:59:59", "03-02 12:00", False),
        ("03-02 08:00", "03-02 12:00:01", False),
        ("03-02 11:00", "03-02 14:00", False),  # over the lunch break
        ("03-02 12:00", "03-02 13:00", False),
        ("03-02 13:00", "03-02 18:00", True),
        ("03-06 09:00", "03-06 10:00", False),  # a Saturday
    ],
)
def test_covers__only_inside_one_interval(start: str, end: str, open_: bool) -> None:
    assert covers(Opening(WEEKDAYS, {}, BERLIN), at(start), at(end)) is open_


@pytest.mark.parametrize(
    ("weekly", "start", "end", "open_"),
    [
        # touching intervals are one, in a day and over midnight
        ([[(480, 720), (720, 1080)]] * 7, "03-02 09:00", "03-02 17:00", True),
        ([[(1080, 1440)], [(0, 120)], [], [], [], [], []], "03-01 20:00", "03-02 02:00", True),
        ([[(1080, 1440)], [(0, 120)], [], [], [], [], []], "03-01 20:00", "03-02 02:00:01", False),
        ([[(1080, 1439)], [(0, 120)], [], [], [], [], []], "03-01 20:00", "03-02 02:00", False),
        ([[(0, 1440)]] * 7, "03-01 20:00", "03-09 02:00", True),
        # overlapping ones too
        ([[(480, 800), (720, 1080)]] * 7, "03-02 09:00", "03-02 17:00", True),
    ],
)
def test_covers__merges_what_touches(weekly: list[list[LocalSpan]], start: str, end: str, open_: bool) -> None:
    assert covers(Opening(weekly, {}, BERLIN), at(start), at(end)) is open_


@pytest.mark.parametrize(
    ("day", "spans", "start", "end", "open_"),
    [
        (date(2027, 3, 2), [], "03-02 09:00", "03-02 10:00", False),  # closed that day
        (date(2027, 3, 2), [(600, 660)], "03-02 10:00", "03-02 11:00", True),
        (date(2027, 3, 2), [(600, 660)], "03-02 09:00", "03-02 10:00", False),
        (date(2027, 3, 6), [(600, 660)], "03-06 10:00", "03-06 11:00", True),  # a Saturday for once
        (date(2027, 3, 2), [(600, 660)], "03-03 09:00", "03-03 10:00", True),
    ],
)
def test_an_exception_replaces_its_date(day: date, spans: list[LocalSpan], start: str, end: str, open_: bool) -> None:
    assert covers(Opening(WEEKDAYS, {day: spans}, BERLIN), at(start), at(end)) is open_


def test_no_weekly_hours_but_an_exception__open_on_all_other_dates() -> None:
    opening = Opening(None, {date(2027, 3, 2): []}, BERLIN)
    assert covers(opening, at("03-01 03:00"), at("03-02 00:00"))
    assert not covers(opening, at("03-01 23:00"), at("03-02 00:00:01"))
    assert not opening.opens_on(date(2027, 3, 2))
    assert opening.opens_on(date(2027, 3, 3))


@pytest.mark.parametrize(
    ("day", "interval", "hours"),
    [
        (date(2027, 3, 28), (60, 240), 2),  # 01-04 local lasts two hours when clocks go forward
        (date(2027, 10, 31), (60, 240), 4),
        (date(2027, 3, 28), (120, 180), 0),  # wholly inside the gap
        (date(2027, 3, 28), (150, 240), 1),  # opens at the first existing instant, 03:00
        (date(2027, 10, 31), (150, 160), 7 / 6),  # from the first 02:30 to the second 02:40
    ],
)
def test_on_a_day_of_a_clock_change(day: date, interval: LocalSpan, hours: float) -> None:
    opening = Opening([[interval]] * 7, {}, BERLIN)
    assert sum((end - start for start, end in opening.on(day)), timedelta()) == timedelta(hours=hours)


def test_the_gap_swallows_a_break__one_interval() -> None:
    opening = Opening([[(60, 120), (180, 240)]] * 7, {}, BERLIN)
    assert opening.on(date(2027, 3, 28)) == ((at("03-28 01:00"), at("03-28 04:00")),)


@pytest.mark.parametrize(
    ("name", "day"),
    [("Asia/Beirut", date(2027, 3, 27)), ("Asia/Beirut", date(2027, 10, 30)), ("Atlantic/Azores", date(2027, 10, 30))],
)
def test_clock_change_at_midnight__the_days_still_touch(name: str, day: date) -> None:
    opening = Opening([[(0, 1440)]] * 7, {}, zone(name))
    start = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    assert opening.covers(start, start + 30 * HOUR, day)


def test_spans__merged_and_cut_to_the_window() -> None:
    opening = Opening([[(0, 120), (1080, 1440)]] * 7, {}, BERLIN)
    assert list(opening.spans(at("03-01 19:00"), at("03-02 19:00"))) == [
        (at("03-01 19:00"), at("03-02 02:00")),
        (at("03-02 18:00"), at("03-02 19:00")),
    ]


intervals = st.lists(st.tuples(st.integers(0, 1439), st.integers(1, 1440)).filter(lambda span: span[0] < span[1]), max_size=3)


@settings(deadline=None)
@given(
    weekly=st.lists(intervals, min_size=7, max_size=7),
    first=st.sampled_from([date(2027, 3, 26), date(2027, 10, 29), date(2027, 6, 1)]),
    minutes=st.integers(0, 4 * 1440),
    length=st.integers(1, 2 * 1440),
)
def test_covers_agrees_with_every_minute_of_the_wall_clock(
    weekly: list[list[LocalSpan]], first: date, minutes: int, length: int
) -> None:
    """Outside of clock changes' own hour a span is open if and only if each of its minutes is."""
    opening = Opening(weekly, {}, BERLIN)
    start = datetime(first.year, first.month, first.day, tzinfo=UTC) + minutes * MINUTE
    end = start + length * MINUTE

    def is_open(moment: datetime) -> bool:
        local = moment.astimezone(BERLIN)
        minute = local.hour * 60 + local.minute
        return any(low <= minute < high for low, high in weekly[local.weekday()])

    moments = [start + n * MINUTE for n in range(length)]
    ambiguous = any(
        m.astimezone(BERLIN).replace(fold=0).utcoffset() != m.astimezone(BERLIN).replace(fold=1).utcoffset() for m in moments
    )
    if not ambiguous:
        assert opening.covers(start, end, start.astimezone(BERLIN).date()) is all(is_open(moment) for moment in moments)


@pytest.mark.parametrize(
    ("start", "end", "hit"),
    [
        ("03-02 09:00", "03-02 10:00", False),
        ("03-02 09:00", "03-02 10:00:01", True),
        ("03-02 12:00", "03-02 13:00", False),
        ("03-02 11:59:59", "03-02 13:00", True),
        ("03-02 10:30", "03-02 10:31", True),
        ("03-01 09:00", "03-05 13:00", True),
        ("03-02 12:30", "03-02 13:00", False),
    ],
)
def test_blackouts_touch__half_open(start: str, end: str, hit: bool) -> None:
    blackouts = Blackouts([(at("03-02 11:00"), at("03-02 12:00")), (at("03-02 10:00"), at("03-02 11:00"))])
    assert blackouts.touch(at(start), at(end)) is hit
    assert blackouts.spans == ((at("03-02 10:00"), at("03-02 12:00")),)


def test_no_blackouts__nothing_is_hit() -> None:
    assert not Blackouts([]).touch(at("03-02 10:00"), at("03-02 10:00") + 9 * DAY - SECOND)
