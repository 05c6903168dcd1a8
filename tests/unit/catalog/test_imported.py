"""Records to working copies: what the source owns, what staff own, and the shift of demonstrations."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from services.catalog.domain.entities import Override, Review
from services.catalog.domain.imported import (
    ImportSource,
    Note,
    Record,
    Report,
    as_json,
    as_lines,
    is_over,
    message,
    schedules_of,
    shifted,
    weeks_to_present,
    working_copy,
)
from services.catalog.limits import SHIFTED_AHEAD
from tests.unit.catalog.build import NOW, OFFER_ID, instant, offer, schedule, wall

SOURCE = ImportSource("kalender", "icalendar", offer(kind="event", title={}, description={}), capacity=12, occupies=("raum",))


def record(start: str = "2018-10-10T18:00", **changes: object) -> Record:
    whole = Record("uid", "1 Kurs", "Kurs", "Text", schedule(None, start))
    return replace(whole, **changes)  # type: ignore[arg-type]


def test_new_record__takes_the_source_s_template() -> None:
    copy = working_copy(record(is_free=True), None, SOURCE, offer_id=OFFER_ID, now=NOW)
    assert (copy.title, copy.description, copy.kind) == ({"de": "Kurs"}, {"de": "Text"}, "event")
    assert (copy.place_ids, copy.contact_id) == (("haus",), "empfang")
    assert copy.source is not None
    assert (copy.source.system, copy.source.id, copy.source.imported_at) == ("kalender", "uid", NOW)


def test_known_record__keeps_what_staff_added() -> None:
    edited = offer(
        title={"de": "Alt", "en": "Course", "de-simple": "Ein Kurs"},
        description={"de": "Alt", "en": "Text"},
        accessibility={"lift": "yes"},
        simple_review=Review(NOW, "editor"),
        place_ids=("anderswo",),
        contact_id="anderer",
    )
    copy = working_copy(record(), edited, SOURCE, offer_id=OFFER_ID, now=NOW)
    assert copy.title == {"de": "Kurs", "en": "Course", "de-simple": "Ein Kurs"}
    assert (copy.accessibility, copy.simple_review) == (edited.accessibility, edited.simple_review)
    assert (copy.place_ids, copy.contact_id, copy.booking) == (edited.place_ids, edited.contact_id, edited.booking)


def test_dates__get_capacity_and_units_of_the_source() -> None:
    (made,) = schedules_of(record(), SOURCE, schedule_id="s")
    assert (made.schedule_id, made.capacity, made.occupies) == ("s", 12, ("raum",))
    assert schedules_of(record(schedule=None), SOURCE, schedule_id="s") == ()


@pytest.mark.parametrize(
    ("entry", "over"),
    [
        (record(), True),
        (record("2027-03-01T18:00"), False),
        (record(schedule=schedule("FREQ=WEEKLY", "2018-01-02T18:00")), False),
        (record(schedule=schedule(None, "2018-01-02T18:00", rdates=(wall("2027-06-01T18:00"),))), False),
        (record(schedule=None, all_day_until=date(2027, 2, 28)), True),
        (record(schedule=None, all_day_until=date(2027, 3, 1)), False),
    ],
)
def test_record_is_over__when_no_date_lies_ahead(entry: Record, over: bool) -> None:
    assert is_over(entry, now=NOW) is over


def test_shift__is_whole_weeks_and_brings_the_last_date_near_its_bound() -> None:
    weekly = record(schedule=schedule("FREQ=WEEKLY", "2018-01-02T18:00"))
    entries = [record("2016-12-03T14:00"), record("2018-10-21T12:00"), weekly]
    weeks = weeks_to_present(entries, now=NOW)
    first, last, series = (shifted(each, weeks).schedule for each in entries)
    assert first is not None
    assert last is not None
    assert (last.local_start.weekday(), last.local_start.time()) == (6, wall("2018-10-21T12:00").time())
    assert (first.local_start.weekday(), first.local_start.time()) == (5, wall("2016-12-03T14:00").time())
    end = NOW + SHIFTED_AHEAD
    assert end - timedelta(weeks=1) <= last.local_start.replace(tzinfo=end.tzinfo) <= end
    assert series == entries[2].schedule, "a rule without an end is present already"


def test_shift__tells_that_it_was_done() -> None:
    assert [(each.code, each.value) for each in shifted(record(), 430).notes] == [("shifted", "430 weeks")]
    assert shifted(record(), 0).notes == ()


def test_shift_of_a_calendar_ahead__is_none() -> None:
    assert weeks_to_present([record("2030-01-01T10:00")], now=NOW) == 0
    assert weeks_to_present([record(schedule=None)], now=NOW) == 0


def test_shift__takes_additions_exclusions_and_overrides_along() -> None:
    made = schedule(
        None,
        "2027-03-02T18:00",
        rdates=(wall("2027-03-03T18:00"),),
        exdates=(wall("2027-03-04T18:00"),),
        overrides=(Override(wall("2027-03-02T18:00"), wall("2027-03-02T19:00")),),
    )
    moved = shifted(record(schedule=made), 2).schedule
    assert moved is not None
    assert (moved.rdates, moved.exdates) == ((wall("2027-03-17T18:00"),), (wall("2027-03-18T18:00"),))
    assert moved.overrides == (Override(wall("2027-03-16T18:00"), wall("2027-03-16T19:00")),)
    assert instant("2027-03-16T17:00Z")


def test_report__counts_each_record_once_and_says_everything() -> None:
    report = Report(published=1, shift_weeks=3)
    report.add("1 Kurs", "created", [Note("SUMMARY", "masked"), Note("", "held_back")])
    report.add("2 Kurs", "unchanged")
    told = as_json(report)
    assert told["records"] == {"created": 1, "unchanged": 1}
    assert as_lines(report) == [
        "created   1 Kurs: SUMMARY Names, addresses or numbers masked",
        "created   1 Kurs:  Draft: to be looked at before it is published",
        "for demonstration only: single dates of this source are moved by 3 whole weeks",
        "1 created, 1 unchanged; 1 events",
    ]


def test_message__exists_in_both_languages() -> None:
    assert message("past") == ("Alle Termine sind vorbei", "All dates are over")
    assert message("of another module") == ("of another module", "of another module")
