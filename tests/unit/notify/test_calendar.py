"""Calendar parts judged by icalendar and opened by recurring-ical-events."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import icalendar
import pytest
import recurring_ical_events
from hypothesis import example, given
from hypothesis import strategies as st

from services.notify.calendar import Entry, Method, render, render_whole
from services.notify.domain.wording import clean

BOOKING = UUID("00000000-0000-4000-8000-0000000000b1")
START = datetime(2026, 3, 10, 13, 0, tzinfo=UTC)
STAMP = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def entry(**fields: Any) -> Entry:
    given_: dict[str, Any] = {
        "method": "REQUEST",
        "booking_id": BOOKING,
        "mail_domain": "hub.example.org",
        "sequence": 1,
        "stamp": STAMP,
        "start": START,
        "end": START + timedelta(minutes=90),
        "title": "Besprechungsraum Röder",
        "location": "Rathaus, Zimmer 12; Rathausplatz 1",
        "geo": (51.14, 14.01),
        "organizer": "hub@example.org",
        "organizer_name": 'Digitaler Hub "Röder"',
        "attendee": "anna@example.org",
    }
    return Entry(**(given_ | fields))


def event_of(content: bytes) -> Any:
    """The event; its properties have types of their own, so they are compared and not declared."""
    calendar = icalendar.Calendar.from_ical(content)
    (event,) = calendar.walk("VEVENT")
    assert not event.errors, event.errors
    return event


@pytest.mark.parametrize(("method", "status"), [("REQUEST", "CONFIRMED"), ("CANCEL", "CANCELLED")])
def test_entry__has_the_properties_of_an_itip_object(method: Method, status: str) -> None:
    content = render(entry(method=method, sequence=7))
    calendar = icalendar.Calendar.from_ical(content)
    event = event_of(content)

    assert (calendar["method"], calendar["version"]) == (method, "2.0")
    assert event["uid"] == f"{BOOKING}@hub.example.org"
    assert (event["sequence"], event["status"]) == (7, status)
    assert (event["dtstamp"].dt, event["dtstart"].dt, event["dtend"].dt) == (STAMP, START, START + timedelta(minutes=90))
    assert event["attendee"] == "mailto:anna@example.org"
    assert dict(event["attendee"].params) == {"PARTSTAT": "ACCEPTED", "RSVP": "FALSE"}
    assert event["organizer"] == "mailto:hub@example.org"
    assert event["organizer"].params["CN"] == "Digitaler Hub 'Röder'"
    assert event["location"] == "Rathaus, Zimmer 12; Rathausplatz 1"
    assert (event["geo"].latitude, event["geo"].longitude) == (51.14, 14.01)
    assert b"DTSTART:20260310T130000Z\r\n" in content
    assert not [name for name in ("url", "valarm", "rrule", "vtimezone") if name in event or name.upper().encode() in content]


def test_entry_without_attendee_place_and_position__leaves_them_out() -> None:
    event = event_of(render(entry(attendee=None, location="", geo=None)))

    assert not {"attendee", "location", "geo"} & {name.lower() for name in event}


def test_move__is_one_entry_with_a_higher_sequence() -> None:
    """What a calendar program does: of the same UID the higher SEQUENCE wins."""
    first = event_of(render(entry(sequence=1)))
    moved = event_of(render(entry(sequence=2, start=START + timedelta(days=1), end=START + timedelta(days=1, hours=1))))
    book: dict[str, Any] = {}
    for event in (moved, first):
        if event["uid"] not in book or book[event["uid"]]["sequence"] < event["sequence"]:
            book[event["uid"]] = event
    shown = icalendar.Calendar()
    for event in book.values():
        shown.add_component(event)

    found = recurring_ical_events.of(shown).between(START - timedelta(days=1), START + timedelta(days=3))

    assert [event["dtstart"].dt for event in found] == [START + timedelta(days=1)]


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=100))
def test_texts_of_any_kind__stay_inside_their_property(title: str, place: str, name: str) -> None:
    title, place, name = (text.encode("utf-8", "replace").decode() for text in (title, place, name))
    content = render(entry(title=f"{title}\r\nATTENDEE:mailto:x@y.de", location=place, organizer_name=name))

    event = event_of(content)

    assert event["attendee"] == "mailto:anna@example.org"
    assert content.count(b"\r\nATTENDEE") == 1
    assert all(len(line) <= 75 for line in content.split(b"\r\n"))
    assert len(icalendar.Calendar.from_ical(content).walk()) == 2


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=100))
@example("", "", "\\")
def test_texts_of_any_kind__read_back_as_they_were(title: str, place: str, name: str) -> None:
    title, place, name = (clean(text.encode("utf-8", "replace").decode()) for text in (title, place, name))

    event = event_of(render(entry(title=title, location=place, organizer_name=name)))

    assert (event["summary"], event.get("location", "")) == (title, place)
    assert event["organizer"].params["CN"] == name.replace('"', "'").replace("\\", "/")


@given(
    title=st.text(max_size=120),
    place=st.text(max_size=120),
    domain=st.text("abc.-", min_size=1, max_size=60),
    attendee=st.none() | st.text(st.characters(min_codepoint=32, max_codepoint=300), min_size=1, max_size=200),
    sequence=st.integers(0, 2**31 - 1),
    start=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001  # aware below
    method=st.sampled_from(["REQUEST", "CANCEL"]),
    booking_id=st.uuids(),
)
@example("50 % off\r\nUID:00000000-0000-0000-0000-000000000000", "%(uid)b", "a.de", "x", 10, START, "REQUEST", BOOKING)
@example("", "", "a.de", "a" * 29, 1, START, "REQUEST", BOOKING)
@example("", "", "a.de", "a" * 30, 1, START, "REQUEST", BOOKING)
@example("", "", "a.de", "a" * 200, 1, START, "CANCEL", BOOKING)
def test_what_is_kept_ready__gives_the_librarys_bytes(
    title: str, place: str, domain: str, attendee: str | None, sequence: int, start: datetime, method: Method, booking_id: UUID
) -> None:
    title, place = (text.encode("utf-8", "replace").decode() for text in (title, place))
    start = start.replace(tzinfo=UTC)
    made = entry(
        title=title, location=place, mail_domain=domain, attendee=attendee, sequence=sequence, start=start,
        end=start + timedelta(hours=1), method=method, booking_id=booking_id,
    )  # fmt: skip

    assert render(made) == render_whole(made)


@pytest.mark.parametrize("field", ["attendee", "organizer"])
def test_address_with_a_line_of_its_own__refused(field: str) -> None:
    with pytest.raises(ValueError, match="CR or LF"):
        render(entry(**{field: "a@b.de\r\nATTENDEE:mailto:x@y.de"}))
