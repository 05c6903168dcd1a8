"""iCalendar: what is taken, what is reported, what is refused."""

from datetime import date

import pytest

from services.catalog.domain.entities import Override
from services.catalog.domain.imported import Parsed, Record
from services.catalog.formats import calendar_file
from services.catalog.formats.calendar_file import Unreadable, read_calendar
from tests.unit.catalog.build import BERLIN, wall


def event(*lines: str, uid: str = "a", title: str = "Kurs", times: tuple[str, ...] | None = None) -> str:
    default = ("DTSTART;TZID=Europe/Berlin:20270302T180000", "DTEND;TZID=Europe/Berlin:20270302T193000")
    parts = ["BEGIN:VEVENT", f"UID:{uid}", f"SUMMARY:{title}", *(default if times is None else times), *lines, "END:VEVENT"]
    return "\r\n".join(parts)


def calendar(*events: str, head: tuple[str, ...] = ()) -> bytes:
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//", *head, *events, "END:VCALENDAR", ""]).encode()


def read(*events: str, head: tuple[str, ...] = ()) -> Parsed:
    return read_calendar(calendar(*events, head=head), BERLIN)


def one(*lines: str, times: tuple[str, ...] | None = None, title: str = "Kurs") -> Record:
    parsed = read(event(*lines, times=times, title=title))
    assert parsed.failures == ()
    return parsed.records[0]


def codes(record: Record) -> list[str]:
    return [each.code for each in record.notes]


def test_event__is_a_record_in_wall_time() -> None:
    record = one("DESCRIPTION:Wir lernen\\, wie es geht.", "LOCATION:Saal", "CATEGORIES:Lernen,Technik", "X-COST-TYPE:free")
    assert record.schedule is not None
    assert (record.schedule.local_start, record.schedule.duration_minutes) == (wall("2027-03-02T18:00"), 90)
    assert record.schedule.time_zone == BERLIN
    assert record.description == "Wir lernen, wie es geht.\n\nOrt laut Kalender: Saal"
    assert (record.keywords, record.is_free) == (("Lernen", "Technik"), True)


def test_people__are_dropped_and_masked_everywhere() -> None:
    record = one(
        "ORGANIZER;CN=Xqzw Beispiel:mailto:xqzw@beispiel.de",
        "ATTENDEE;CN=Abcde Probe:mailto:abcde@beispiel.de",
        "CONTACT:Fghij Muster\\; fghij@beispiel.de",
        "DESCRIPTION:Xqzw Beispiel und Abcde Probe zeigen es\\, Fragen an fghij@beispiel.de oder 0351 1234567.",
        title="Kurs mit Fghij Muster",
    )
    everything = f"{record.title} {record.description} {record.notes}"
    for secret in ("Xqzw", "Abcde", "Fghij", "beispiel.de", "1234567"):
        assert secret not in everything
    assert codes(record).count("masked") == 2


@pytest.mark.parametrize(
    ("times", "minutes"),
    [
        (("DTSTART;TZID=Europe/Berlin:20270302T180000", "DURATION:PT1H30M"), 90),
        (("DTSTART:20270302T170000Z", "DTEND:20270302T180000Z"), 60),
        (("DTSTART;TZID=Europe/Berlin:20270328T010000", "DTEND;TZID=Europe/Berlin:20270328T040000"), 120),
        (("DTSTART;TZID=Europe/Berlin:20271031T010000", "DTEND;TZID=Europe/Berlin:20271031T040000"), 240),
    ],
)
def test_length__is_elapsed_time_also_over_a_clock_change(times: tuple[str, ...], minutes: int) -> None:
    record = one(times=times)
    assert record.schedule is not None
    assert record.schedule.duration_minutes == minutes


@pytest.mark.parametrize(
    ("start", "zone", "local", "note"),
    [
        ("DTSTART:20270302T180000", BERLIN, "2027-03-02T18:00", "no_time_zone"),
        ("DTSTART;TZID=Nirgends/Ort:20270302T180000", BERLIN, "2027-03-02T18:00", "unknown_time_zone"),
        ("DTSTART;TZID=W. Europe Standard Time:20270302T180000", "Europe/Berlin", "2027-03-02T18:00", None),
        ("DTSTART;TZID=America/New_York:20270302T120000", "America/New_York", "2027-03-02T12:00", None),
        ("DTSTART:20270302T170000Z", BERLIN, "2027-03-02T18:00", None),
    ],
)
def test_zone__is_the_event_s_own_or_the_hub_s_and_then_told(start: str, zone: str, local: str, note: str | None) -> None:
    record = one(times=(start, "DURATION:PT1H"))
    assert record.schedule is not None
    assert (record.schedule.time_zone, record.schedule.local_start) == (zone, wall(local))
    assert codes(record) == ["missing_description", *([note] if note else [])]


def test_calendar_s_default_zone__is_applied_to_times_in_utc() -> None:
    parsed = read(event(times=("DTSTART:20270302T170000Z", "DURATION:PT1H")), head=("X-WR-TIMEZONE:America/New_York",))
    schedule = parsed.records[0].schedule
    assert schedule is not None
    assert (schedule.time_zone, schedule.local_start) == ("America/New_York", wall("2027-03-02T12:00"))


def test_series_in_utc__runs_in_utc() -> None:
    record = one("RRULE:FREQ=WEEKLY", times=("DTSTART:20270302T170000Z", "DURATION:PT1H"))
    assert record.schedule is not None
    assert (record.schedule.time_zone, record.schedule.local_start) == ("UTC", wall("2027-03-02T17:00"))


def test_series__has_rule_exclusions_additions_and_moved_dates() -> None:
    moved = "\r\n".join(
        [
            "BEGIN:VEVENT",
            "UID:a",
            "SUMMARY:Kurs",
            "RECURRENCE-ID;TZID=Europe/Berlin:20270309T180000",
            "DTSTART;TZID=Europe/Berlin:20270310T190000",
            "DTEND;TZID=Europe/Berlin:20270310T200000",
            "END:VEVENT",
        ]
    )
    off = moved.replace("20270309", "20270323").replace("END:VEVENT", "STATUS:CANCELLED\r\nEND:VEVENT")
    series = event(
        "RRULE:FREQ=WEEKLY;BYDAY=TU",
        "EXDATE;TZID=Europe/Berlin:20270316T180000",
        "RDATE;TZID=Europe/Berlin:20270320T110000",
    )
    (record,) = read(series, moved, off).records
    assert record.schedule is not None
    assert record.schedule.rrule == "FREQ=WEEKLY;BYDAY=TU"
    assert record.schedule.exdates == (wall("2027-03-16T18:00"),)
    assert record.schedule.rdates == (wall("2027-03-20T11:00"),)
    assert record.schedule.overrides == (
        Override(wall("2027-03-09T18:00"), wall("2027-03-10T19:00"), 60),
        Override(wall("2027-03-23T18:00"), wall("2027-03-10T19:00"), 60, cancelled=True),
    )


def test_all_day_event__has_no_times_and_waits_for_a_person() -> None:
    record = one(times=("DTSTART;VALUE=DATE:20270302", "DTEND;VALUE=DATE:20270304"))
    assert (record.schedule, record.hold_back) == (None, ("all_day",))
    assert record.all_day_until == date(2027, 3, 3)


@pytest.mark.parametrize("title", ["Der Computer-Treff fällt aus", "Lab geschlossen", "Achtung, verschoben: Lab", "Abgesagt"])
def test_notice__is_held_back(title: str) -> None:
    assert one(title=title).hold_back == ("looks_like_notice",)


@pytest.mark.parametrize(
    ("broken", "code", "outcome"),
    [
        (event(title=""), "missing_title", "failed"),
        (event(title="x" * 201), "too_long", "failed"),
        (event(times=()), "missing_start", "failed"),
        (event(times=("DTSTART:irgendwann",)), "bad_value", "failed"),
        (event(times=("DTSTART;TZID=Europe/Berlin:20270302T180000",)), "no_end", "failed"),
        (event(times=("DTSTART:20270302T180000Z", "DTEND:20270302T170000Z")), "bad_end", "failed"),
        (event(times=("DTSTART:20270302T180000Z", "DTEND:20280302T170000Z")), "too_long", "failed"),
        (event("RRULE:FREQ=SECONDLY"), "rule_too_frequent", "failed"),
        (event("RRULE:FREQ=DAILY;BYHOUR=1,2,3"), "rule_too_frequent", "failed"),
        (event("RRULE:FREQ=FORTNIGHTLY"), "bad_value", "failed"),
        (event("RRULE:FREQ=DAILY", "RRULE:FREQ=WEEKLY"), "bad_rule", "failed"),
        (event("DESCRIPTION:" + "x" * 20_001), "too_long", "failed"),
        (event("CLASS:PRIVATE"), "private", "skipped"),
        (event("CLASS:CONFIDENTIAL"), "private", "skipped"),
        (event("STATUS:CANCELLED"), "cancelled_at_source", "skipped"),
        (event("RECURRENCE-ID:20270302T180000Z"), "override_without_master", "failed"),
    ],
)
def test_bad_event__is_told_and_never_stops_the_others(broken: str, code: str, outcome: str) -> None:
    parsed = read(broken, event(uid="gut"))
    assert [each.source_id for each in parsed.records] == ["gut"]
    assert [(each.note.code, each.outcome) for each in parsed.failures] == [(code, outcome)]
    assert parsed.source_ids == {"a", "gut"}, "it is in the file, so it has not vanished"


def test_event_without_uid__is_told_by_its_number() -> None:
    parsed = read(event(uid="gut"), event(uid=""))
    assert [(each.position, each.note.code) for each in parsed.failures] == [("2", "missing_uid")]


def test_same_uid_twice__the_first_counts() -> None:
    parsed = read(event(title="erster"), event(title="zweiter"))
    assert [each.title for each in parsed.records] == ["erster"]
    assert [(each.note.code, each.outcome) for each in parsed.failures] == [("duplicate_uid", "skipped")]


def test_event_without_description__has_its_title_for_one() -> None:
    record = one("URL:https://beispiel.de/kurs")
    assert record.description == "Kurs\n\nQuelle: <https://beispiel.de/kurs>"
    assert codes(record) == ["missing_description"]


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"kein Kalender", "not_a_calendar"), (b"", "no_calendar"), (b"\xff\xfe\x00", "not_a_calendar")],
)
def test_file_that_is_no_calendar__gives_nothing(data: bytes, code: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_calendar(data, BERLIN)
    assert caught.value.code == code


def test_file_over_its_bounds__gives_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calendar_file, "IMPORT_RECORDS_MAX", 1)
    with pytest.raises(Unreadable, match="too_many_records"):
        read(event(uid="a"), event(uid="b"))
    monkeypatch.setattr(calendar_file, "IMPORT_FILE_BYTES_MAX", 10)
    with pytest.raises(Unreadable, match="file_too_large"):
        read(event())
