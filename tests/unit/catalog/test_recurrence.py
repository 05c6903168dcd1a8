"""Which rules are taken, and which dates they give."""

import time
from datetime import date

import pytest

from services.catalog.formats.recurrence import BadRule, checked_rule, dates_of
from tests.unit.catalog.build import NOW, schedule, wall


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("FREQ=HOURLY", "rule_too_frequent"),
        ("FREQ=MINUTELY;INTERVAL=1440", "rule_too_frequent"),
        ("FREQ=SECONDLY", "rule_too_frequent"),
        ("FREQ=DAILY;BYHOUR=9,10,11", "rule_too_frequent"),
        ("FREQ=DAILY;BYSECOND=1", "rule_too_frequent"),
        ("", "bad_rule"),
        ("Jeden Dienstag", "bad_rule"),
        ("FREQ=WEEKLY;BYDAY=XX", "bad_rule"),
        ("FREQ=DAILY;COUNT=0", "bad_rule"),
        ("FREQ=DAILY;COUNT=100000000", "bad_rule"),
        ("FREQ=DAILY;INTERVAL=0", "bad_rule"),
        ("FREQ=DAILY;UNTIL=irgendwann", "bad_rule"),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "bad_rule"),
        ("FREQ=DAILY;BYSETPOS=2", "bad_rule"),
        ("FREQ=DAILY;X-FOO=1", "bad_rule"),
        ("FREQ=YEARLY;BYYEARDAY=" + ",".join(str(n) for n in range(1, 100)), "rule_too_large"),
        ("FREQ=DAILY;" + "BYDAY=MO;" * 100, "rule_too_large"),
    ],
)
def test_rule_that_is_not_taken__says_why(rule: str, code: str) -> None:
    with pytest.raises(BadRule) as caught:
        checked_rule(rule)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("rule", "start", "first_three"),
    [
        ("FREQ=WEEKLY;BYDAY=TU,TH", "2027-03-02T18:00", ["2027-03-02", "2027-03-04", "2027-03-09"]),
        ("FREQ=MONTHLY;BYDAY=1SA", "2027-01-02T18:00", ["2027-02-06", "2027-03-06", "2027-04-03"]),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", "2027-01-31T18:00", ["2027-01-31", "2027-02-28", "2027-03-31"]),
        ("FREQ=DAILY;INTERVAL=10", "2027-01-01T18:00", ["2027-01-31", "2027-02-10", "2027-02-20"]),
        ("FREQ=YEARLY", "2020-05-01T18:00", ["2027-05-01"]),
    ],
)
def test_rule__gives_its_dates_from_thirty_days_ago_on(rule: str, start: str, first_three: list[str]) -> None:
    found = dates_of(schedule(checked_rule(rule), start), now=NOW).starts
    assert [each.date().isoformat() for each in found[: len(first_three)]] == first_three
    assert {each.time() for each in found} == {wall(start).time()}


@pytest.mark.parametrize(
    ("rule", "last"),
    [
        ("FREQ=WEEKLY;UNTIL=20270316T170000Z", "2027-03-16T18:00"),
        ("FREQ=WEEKLY;UNTIL=20270316T165959Z", "2027-03-09T18:00"),
        ("FREQ=WEEKLY;UNTIL=20270316", "2027-03-16T18:00"),
        ("FREQ=WEEKLY;COUNT=2", "2027-03-09T18:00"),
    ],
)
def test_rule_with_an_end__ends_there(rule: str, last: str) -> None:
    assert dates_of(schedule(checked_rule(rule)), now=NOW).starts[-1] == wall(last)


def test_count__is_counted_from_the_first_date_not_from_the_window() -> None:
    long_ago = schedule(checked_rule("FREQ=WEEKLY;COUNT=3"), "2026-03-03T18:00")
    assert dates_of(long_ago, now=NOW).starts == ()


def test_valid_until__includes_its_day() -> None:
    found = dates_of(schedule(valid_until=date(2027, 3, 9)), now=NOW).starts
    assert [each.date() for each in found] == [date(2027, 3, 2), date(2027, 3, 9)]


def test_additional_and_excluded_dates__are_put_in_and_left_out() -> None:
    made = schedule(
        checked_rule("FREQ=WEEKLY;COUNT=2"), rdates=(wall("2027-03-20T11:00"),), exdates=(wall("2027-03-09T18:00"),)
    )
    assert dates_of(made, now=NOW).starts == (wall("2027-03-02T18:00"), wall("2027-03-20T11:00"))


def test_single_date__is_its_own_rule() -> None:
    assert dates_of(schedule(None), now=NOW).starts == (wall("2027-03-02T18:00"),)


def test_horizon__is_twelve_months() -> None:
    assert dates_of(schedule("FREQ=DAILY"), now=NOW).starts[-1] == wall("2028-02-29T18:00")
    assert dates_of(schedule("FREQ=DAILY", "2027-03-02T08:00"), now=NOW).starts[-1] == wall("2028-03-01T08:00")


@pytest.mark.parametrize("rule", ["FREQ=DAILY", "FREQ=DAILY;INTERVAL=7;BYDAY=MO", "FREQ=MONTHLY;BYDAY=5MO;BYMONTHDAY=1"])
def test_rule_from_long_ago_or_without_a_match__ends_in_time(rule: str) -> None:
    began = time.process_time()
    dates_of(schedule(checked_rule(rule), "1990-01-02T18:00"), now=NOW)
    assert time.process_time() - began < 4.0


def test_rule_from_before_the_bound__gives_nothing() -> None:
    assert dates_of(schedule("FREQ=DAILY", "0001-01-01T00:00"), now=NOW).starts == ()
