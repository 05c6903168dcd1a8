"""Every code of the publish gate."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.catalog.domain import gate
from services.catalog.domain.build import Catalogue
from services.catalog.domain.entities import Booking, Component, Occurrence, Offer, Price, Review
from services.catalog.domain.occurrences import OddDate
from tests.unit.catalog.build import (
    NOW,
    catalogue,
    course,
    instant,
    occurrence,
    offer,
    place,
    resource,
    schedule,
    wall,
)

OPEN = place(accessibility={"step_free": "yes"})


def errors(copy: Offer, *dates: Occurrence, surroundings: Catalogue | None = None) -> list[tuple[str, str]]:
    found = gate.examine(copy, dates, (), surroundings or catalogue(), now=NOW)
    return [(each.pointer, each.code) for each in found.errors]


def unit(*resource_ids: str, kind: str = "unit") -> Booking:
    return Booking("instant", (Component("raum", kind, resource_ids),))  # type: ignore[arg-type]


def test_whole_offer__passes() -> None:
    assert errors(offer()) == []
    assert errors(course(), occurrence()) == []


@pytest.mark.parametrize(
    ("copy", "expected"),
    [
        (offer(title={"en": "A room"}), ("/title/de", "missing_text")),
        (offer(title={"de": "  "}), ("/title/de", "missing_text")),
        (offer(description={}), ("/description/de", "missing_text")),
        (offer(place_ids=()), ("/place_ids", "missing_place")),
        (offer(place_ids=("haus", "weg")), ("/place_ids/1", "missing_place")),
        (offer(contact_id=None), ("/contact_id", "missing_contact")),
        (offer(contact_id="niemand"), ("/contact_id", "missing_contact")),
        (offer(is_free=False), ("/prices", "missing_price")),
        (offer(kind="health", partner_mode="federated"), ("/partner_mode", "special_needs_redirect")),
        (offer(data_category="special", partner_mode="federated"), ("/partner_mode", "special_needs_redirect")),
        (offer(booking=Booking("instant")), ("/booking/components", "bad_booking")),
        (offer(booking=unit("unbekannt")), ("/booking/components/0/resource_ids/0", "bad_booking")),
        (offer(booking=unit("raum", "unbekannt")), ("/booking/components/0/resource_ids/1", "bad_booking")),
        (offer(booking=unit("raum", kind="pool")), ("/booking/components/0/resource_ids/0", "bad_booking")),
        (offer(booking=unit()), ("/booking/components/0/resource_ids", "bad_booking")),
        (offer(booking=unit(kind="session")), ("/booking/components/0", "bad_booking")),
    ],
)
def test_missing_or_wrong__is_named_with_its_place(copy: Offer, expected: tuple[str, str]) -> None:
    assert errors(copy) == [expected]


@pytest.mark.parametrize(
    "copy",
    [
        offer(attendance="online", place_ids=()),
        offer(is_free=False, prices=(Price({"de": "Stunde"}, 0),)),
        offer(kind="health", partner_mode="redirect"),
        offer(kind="health", partner_mode="none"),
        offer(booking=Booking()),
        offer(booking=Booking("external")),
        offer(partner_mode="federated"),
    ],
)
def test_what_is_allowed__passes(copy: Offer) -> None:
    assert errors(copy) == []


def test_place_that_leaves_questions_open__is_told_key_by_key() -> None:
    found = errors(offer(), surroundings=catalogue(places=(OPEN,)))
    assert ("/accessibility/lift", "accessibility_unanswered") in found
    assert ("/accessibility/step_free", "accessibility_unanswered") not in found
    assert len(found) == 9


def test_offer_that_answers_for_its_place__passes() -> None:
    answers = dict.fromkeys(place().accessibility, "no")
    assert errors(offer(accessibility=answers), surroundings=catalogue(places=(OPEN,))) == []


def test_dates_all_over__nothing_ahead() -> None:
    over = occurrence("2027-02-02T18:00")
    assert errors(course(), over) == [("/schedules", "nothing_ahead")]
    assert errors(course(), over, occurrence(status="cancelled")) == [("/schedules", "nothing_ahead")]
    assert errors(course()) == [("/schedules", "nothing_ahead")]


def test_stated_ids_of_a_session_component__are_refused() -> None:
    stated = replace(course(), booking=Booking("instant", (Component("platz", "session", ("erfunden",)),)))
    assert errors(stated, occurrence()) == [("/booking/components/0/resource_ids", "bad_booking")]


def test_dates_without_places__cannot_be_booked() -> None:
    assert errors(course(schedule(capacity=None)), occurrence(capacity=None)) == [("/schedules", "bad_booking")]


@pytest.mark.parametrize("resource_id", ["unbekannt", "vorrat"])
def test_dates_that_occupy_what_cannot_be_occupied__are_refused(resource_id: str) -> None:
    surroundings = catalogue(resources=(resource(), resource("vorrat", kind="pool", capacity=3)))
    found = errors(course(schedule(occupies=("raum", resource_id))), occurrence(), surroundings=surroundings)
    assert found == [("/schedules/0/occupies/1", "bad_booking")]


def test_several_faults__are_all_named() -> None:
    codes = [code for _, code in errors(offer(title={}, contact_id=None, is_free=False))]
    assert codes == ["missing_text", "missing_contact", "missing_price"]


@pytest.mark.parametrize(
    ("copy", "code"),
    [
        (offer(title={"de": "Raum"}), "no_english"),
        (offer(), "no_simple_language"),
        (offer(description={"de": "x", "en": "x", "de-simple": "x"}), "no_simple_language"),
        (offer(last_verified_at=None), "not_verified"),
        (offer(last_verified_at=NOW - timedelta(days=366)), "not_verified"),
    ],
)
def test_warnings__do_not_close_the_gate(copy: Offer, code: str) -> None:
    found = gate.examine(copy, (), (), catalogue(), now=NOW)
    assert found.errors == ()
    assert code in {each.code for each in found.warnings}


def test_whole_and_reviewed_offer__has_no_warning() -> None:
    copy = offer(description={"de": "x", "en": "x", "de-simple": "x"}, simple_review=Review(NOW, "editor"))
    assert gate.examine(copy, (), (), catalogue(), now=NOW).warnings == ()


def test_date_in_a_clock_change__is_a_warning_with_the_date() -> None:
    odd = OddDate(wall("2027-03-28T02:30"), instant("2027-03-28T01:30Z"), "gap")
    found = gate.examine(course(), [occurrence()], [odd], catalogue(), now=NOW)
    assert ("/schedules/2027-03-28T02:30:00", "date_in_gap") in {(each.pointer, each.code) for each in found.warnings}
