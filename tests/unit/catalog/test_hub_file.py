"""A hub file: what it may say, and how its faults are told."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from hubkit import ids
from services.catalog.domain.entities import Booking, Component, DayException, DayHours, Hours, Place
from services.catalog.formats import public_holidays
from services.catalog.formats.hub_file import BadHubFile, read_hub_file
from services.catalog.formats.hub_reading import Hub
from services.catalog.formats.yaml_file import BadYaml, read_yaml
from services.catalog.limits import HORIZON
from tests.unit.catalog.build import NOW, instant, wall

WHOLE = """
format: hubnetz-hub/1
hub: {time_zone: Europe/Berlin}
contacts:
  empfang: {name: {de: Empfang}}
terms:
  hub:lernen: {label: {de: Lernen}}
places:
  haus:
    kind: site
    name: {de: Haus}
    hours: ["Mo-Mi,Fr 08:00-12:00, 13:00-18:00", "Sa 10:00-24:00"]
    exceptions: {2027-12-24: [], 2027-12-31: ["09:00-12:00"]}
    accessibility: {step_free: yes, lift: no, door_width_cm: 95}
  raum: {kind: room, within: haus, name: {de: Raum}}
resources:
  saal: {kind: unit, place: raum, name: {de: Saal}}
  tisch: {kind: unit, place: raum, name: {de: Tisch, en: Desk}, count: 3}
  laptop: {kind: pool, place: haus, name: {de: Laptops}, capacity: 4}
blackouts:
  umbau: {place: raum, begin: 2027-04-01T08:00, end: 2027-04-02T08:00, cause: works}
booking_rules:
  raum: {grid_minutes: 15, horizon_days: 60}
import_sources:
  kalender: {format: icalendar, trusted: true, capacity: 9, offer: {kind: event, places: [haus]}}
defaults:
  contact: empfang
  free: true
  verified: {on: 2027-02-01, role: editor}
offers:
  saal:
    kind: room
    title: {de: Saal}
    description: {de: Groß.}
    places: [raum]
    terms: [hub:lernen]
    booking:
      mode: instant
      rules: [raum]
      own: {horizon_days: 90}
      components: [{id: raum, kind: unit, resources: [saal, tisch]}]
  kurs:
    kind: course
    title: {de: Kurs}
    description: {de: Lernen.}
    places: [raum]
    publish: false
    schedules:
      - {start: "2027-01-05T18:00", rrule: "FREQ=WEEKLY;BYDAY=TU", duration_minutes: 90, capacity: 8, without: [2027-03-09]}
"""


def read(text: str = WHOLE) -> Hub:
    return read_hub_file(text.encode(), hub_id="nord", derive=ids.derived)


def faults(text: str) -> list[str]:
    with pytest.raises(BadHubFile) as caught:
        read(text)
    return list(caught.value.faults)


def test_places__have_hours_exceptions_and_answers() -> None:
    house, room = read().places
    assert house.hours is not None
    assert house.hours[:2] == (Hours(1, "08:00", "12:00"), Hours(1, "13:00", "18:00"))
    assert [each.weekday for each in house.hours] == [1, 1, 2, 2, 3, 3, 5, 5, 6]
    assert house.exceptions == (
        DayException(date(2027, 12, 24)),
        DayException(date(2027, 12, 31), (DayHours("09:00", "12:00"),)),
    )
    assert house.accessibility == {"step_free": "yes", "lift": "no", "door_width_cm": 95}, "yes is a word here, no boolean"
    assert (room.parent_id, room.hours) == ("haus", None)


def test_numbered_resources__are_made_and_stand_under_their_common_name() -> None:
    hub = read()
    assert [each.resource_id for each in hub.resources] == ["saal", "tisch-1", "tisch-2", "tisch-3", "laptop"]
    assert hub.resources[2].name == {"de": "Tisch 2", "en": "Desk 2"}
    assert hub.offers[0].offer.booking == Booking(
        "instant",
        (Component("raum", "unit", ("saal", "tisch-1", "tisch-2", "tisch-3")),),
        {"grid_minutes": 15, "horizon_days": 90},
    )


def test_ids__are_the_same_with_every_reading_and_differ_between_hubs() -> None:
    first, again = read().offers[0].offer.offer_id, read().offers[0].offer.offer_id
    elsewhere = read_hub_file(WHOLE.encode(), hub_id="sued", derive=ids.derived).offers[0].offer.offer_id
    assert first == again
    assert first.startswith("urn:hub:nord:offer:")
    assert first.rsplit(":", 1)[1] != elsewhere.rsplit(":", 1)[1]


def test_defaults__stand_where_an_offer_says_nothing() -> None:
    room, course = read().offers
    assert (room.offer.contact_id, room.offer.is_free, room.publish, course.publish) == ("empfang", True, True, False)
    assert room.offer.last_verified_at == datetime(2027, 2, 1, 12, tzinfo=UTC)


def test_schedule__is_in_wall_time_with_its_exclusions() -> None:
    (schedule,) = read().offers[1].offer.schedules
    assert (schedule.local_start, schedule.time_zone, schedule.capacity) == (wall("2027-01-05T18:00"), "Europe/Berlin", 8)
    assert schedule.exdates == (wall("2027-03-09T18:00"),)


def test_closure__is_resolved_in_the_hub_s_zone() -> None:
    (works,) = read().blackouts
    assert (works.scope, works.scope_id, works.start) == ("place", "raum", instant("2027-04-01T06:00Z"))


def test_source__does_not_say_that_somebody_looked_at_foreign_entries() -> None:
    (source,) = read().sources
    assert (source.system, source.trusted, source.capacity) == ("kalender", True, 9)
    assert source.template.last_verified_at is None
    assert source.template.contact_id == "empfang"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("title: {de: Saal}", "titel: {de: Saal}"), "offers.saal.titel: Extra inputs are not permitted"),
        (("    kind: room\n    title", "    kind: halle\n    title"), "offers.saal.kind: Input should be 'room', 'desk'"),
        (("places: [raum]\n    terms", "places: [reum]\n    terms"), "offers.saal.places: 'reum' stands nowhere in this file"),
        (("terms: [hub:lernen]", "terms: [hub:laufen]"), "offers.saal.terms: 'hub:laufen' stands nowhere in this file"),
        (("resources: [saal, tisch]", "resources: [tische]"), "components.0.resources: 'tische' stands nowhere"),
        (("rules: [raum]", "rules: [halle]"), "offers.saal.booking.rules: 'halle' stands nowhere in this file"),
        (("within: haus", "within: hof"), "places.raum.within: 'hof' stands nowhere in this file"),
        (("within: haus", "within: raum"), "places.raum: /parent_id circle"),
        (("Mo-Mi,Fr 08", "Mo-Mi,Xx 08"), "places.haus.hours: 'Xx': weekdays are Mo, Di"),
        (("Sa 10:00-24:00", "Sa 10-24"), "'Sa 10-24' is no opening time like"),
        (("Sa 10:00-24:00", "Sa 10:00-10:00"), "places.haus: /hours/8/to bad_value"),
        (("capacity: 4}", "features: []}"), "resources.laptop: a pool has a capacity"),
        (("Europe/Berlin", "Europe/Grossroehrsdorf"), "hub.time_zone: no such time zone"),
        (("FREQ=WEEKLY;BYDAY=TU", "FREQ=HOURLY"), "offers.kurs.schedules.0.rrule: rule_too_frequent"),
        (("begin: 2027-04-01T08:00", "begin: 2027-03-28T02:30"), "2027-03-28T02:30 does not exist that day"),
        (("begin: 2027-04-01T08:00", "begin: 2027-04-31T08:00"), "blackouts.umbau.begin"),
        (("place: raum, begin", "place: raum, offer: saal, begin"), "blackouts.umbau: a closure has one scope"),
        (("title: {de: Kurs}", "title: {deutsch: Kurs}"), "offers.kurs.title: 'deutsch' is no language tag"),
        (("format: hubnetz-hub/1", "format: hubnetz-hub/9"), "format: Input should be 'hubnetz-hub/1'"),
        (("lift: no", "rampe: no"), "places.haus: /accessibility/rampe"),
        (("{de: Groß.}", '{de: "Gro\\u202e"}'), "offers.saal.description.de: bad_characters"),
    ],
)
def test_fault__is_told_with_line_and_path(change: tuple[str, str], told: str) -> None:
    text = WHOLE.replace(*change)
    assert text != WHOLE
    found = faults(text)
    assert any(told in each for each in found), found
    assert all(each.startswith("line ") for each in found)


def test_fault__names_the_very_line() -> None:
    text = WHOLE.replace("title: {de: Saal}", "titel: {de: Saal}")
    line = text.split("\n").index("    titel: {de: Saal}") + 1
    assert faults(text)[0].startswith(f"line {line}: offers.saal.titel")


def test_several_faults__are_told_at_once() -> None:
    text = WHOLE.replace("within: haus", "within: hof").replace("rules: [raum]", "rules: [halle]")
    assert len(faults(text)) >= 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\na: 2", "line 2: a stands here twice"),
        ("a: &x 1\nb: *x", "anchors, aliases and tags are not read"),
        ("a: !!python/object:os.system 1", "anchors, aliases and tags are not read"),
        ("a: [", "line "),
        ("a: " + "[" * 100_000, "nest"),
        ("? [a]\n: b", "line 1: a key is a word"),
        ("a: " + "[" * 60 + "]" * 60, "nested too deeply"),
    ],
)
def test_yaml_that_is_not_read__says_where(text: str, told: str) -> None:
    with pytest.raises(BadYaml) as caught:
        read_yaml(text.encode())
    assert told in str(caught.value)


def test_yaml_that_is_not_utf8__says_so() -> None:
    with pytest.raises(BadYaml, match="not UTF-8"):
        read_yaml("größe: 1".encode("latin-1"))


def test_plain_values__are_what_they_look_like() -> None:
    document, lines = read_yaml(b"a: yes\nb: 10:00\nc: 2027-01-06\nd: 01900\ne: 12\nf: -1.5\ng: true\nh:\ni: 0x10\n")
    assert document == {
        "a": "yes",
        "b": "10:00",
        "c": "2027-01-06",
        "d": "01900",
        "e": 12,
        "f": -1.5,
        "g": True,
        "h": None,
        "i": "0x10",
    }
    assert lines[("c",)] == 3


def test_holidays_of_saxony__are_closures_of_whole_local_days() -> None:
    place = Place("haus", "site", {}, holidays="DE-SN", apply_holidays=True)
    zone = ZoneInfo("Europe/Berlin")
    first, last = public_holidays.horizon_days(NOW, HORIZON, zone)
    found = {each.blackout_id: each for each in public_holidays.closures(place, first=first, last=last, zone=zone)}
    repentance = found["holiday-haus-2027-11-17"]
    assert repentance.note["de"] == "Buß- und Bettag"
    assert (repentance.start, repentance.end) == (instant("2027-11-16T23:00Z"), instant("2027-11-17T23:00Z"))
    assert (repentance.scope, repentance.scope_id, repentance.proposed) == ("place", "haus", False)
    assert "holiday-haus-2027-06-03" not in found, "Corpus Christi is none in Großröhrsdorf"
    assert "holiday-haus-2027-10-31" in found, "Reformation Day, on which the clocks go back"
    assert (found["holiday-haus-2027-10-31"].end - found["holiday-haus-2027-10-31"].start).total_seconds() == 25 * 3600


def test_holidays__are_proposed_unless_the_place_applies_them() -> None:
    place = Place("haus", "site", {}, holidays="DE-SN")
    zone = ZoneInfo("Europe/Berlin")
    found = public_holidays.closures(place, first=date(2027, 1, 1), last=date(2027, 12, 31), zone=zone)
    assert {each.proposed for each in found} == {True}
    assert public_holidays.closures(Place("h", "site", {}), first=date(2027, 1, 1), last=date(2027, 12, 31), zone=zone) == []


@pytest.mark.parametrize(("code", "known"), [("DE", True), ("DE-SN", True), ("DE-XX", False), ("Sachsen", False), ("", False)])
def test_region__is_one_that_the_package_knows(code: str, known: bool) -> None:
    assert public_holidays.is_region(code) is known
