"""The record that travels: the contract model has the last word."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from contracts.catalog import OfferPublished
from contracts.envelope import READER
from services.catalog.domain.build import Catalogue, build_state
from services.catalog.domain.entities import Alert, Booking, Component, Occurrence, Offer, Price, Problem
from services.catalog.wire import states
from tests.unit.catalog.build import HUB, NOW, OFFER_ID, catalogue, course, occurrence, offer, place, resource, schedule


def record(
    copy: Offer, dates: Sequence[Occurrence] = (), surroundings: Catalogue | None = None
) -> OfferPublished | tuple[Problem, ...]:
    state = build_state(copy, dates, surroundings or catalogue(), now=NOW)
    return states.record_of(
        state,
        hub_id=HUB,
        status="published",
        sequences={str(each.occurrence_id): 4 for each in dates},
        revisions={each.resource_id: 5 for each in state.resources},
    )


def made(copy: Offer, dates: Sequence[Occurrence] = (), surroundings: Catalogue | None = None) -> OfferPublished:
    found = record(copy, dates, surroundings)
    assert isinstance(found, OfferPublished), found
    return found


def test_record__is_whole_and_readable_by_everybody() -> None:
    found = made(offer(alert=Alert({"de": "Heute geschlossen"}, NOW), prices=(Price({"de": "Stunde"}, 1250),)))
    assert OfferPublished.model_validate_json(found.to_json(), context=READER) == found
    assert found.places[0].name == {"de": "Haus"}
    assert found.contact is not None
    assert found.contact.name == {"de": "Empfang"}
    assert found.prices[0].amount_minor == 1250
    assert found.booking.resources[0].revision == 5


def test_record__says_nothing_of_the_working_copy() -> None:
    text = made(offer()).to_json().decode()
    for name in ("place_ids", "contact_id", "simple_review", "parent_id", "holidays", "edited_by"):
        assert f'"{name}"' not in text


def test_dates__travel_with_their_sequence_and_as_sessions() -> None:
    found = made(course(), [occurrence()])
    assert found.occurrences[0].sequence == 4
    assert found.booking.components[0].resource_ids == (found.occurrences[0].occurrence_id,)
    assert found.booking.resources[0].start == found.occurrences[0].start
    assert found.schedule is not None
    assert found.schedule.rrule == "FREQ=WEEKLY;BYDAY=TU"


def test_empty_texts__are_left_out() -> None:
    assert "teaser" not in made(offer(teaser={"de": ""})).to_json().decode()


def booked(component_id: str = "raum", **rules: object) -> Offer:
    return offer(booking=Booking("instant", (Component(component_id, "unit", ("raum",)),), rules))


@pytest.mark.parametrize(
    ("copy", "problem"),
    [
        (booked(grid_minutes=0), "/booking/grid_minutes"),
        (booked(gitter=5), "/booking/gitter"),
        (booked("Raum A"), "/booking/components/0/component_id"),
        (booked(min_minutes=60, max_minutes=30), "/booking/max_minutes"),
    ],
)
def test_rules_that_the_contract_refuses__are_a_bad_booking(copy: Offer, problem: str) -> None:
    assert record(copy) == (Problem(problem, "bad_booking"),)


@pytest.mark.parametrize(
    ("copy", "problem"),
    [
        (offer(title={"de": "x" * 201}), Problem("/title/de", "bad_value")),
        (offer(booking_url="ftp://beispiel.de"), Problem("/booking_url", "bad_value")),
        (offer(audience=("Alle Leute",)), Problem("/audience/0", "bad_value")),
        (offer(description={}), Problem("/description", "bad_value")),
    ],
)
def test_fields_that_the_contract_refuses__are_told_where_staff_can_mend_them(copy: Offer, problem: Problem) -> None:
    assert record(copy) == (problem,)


def test_state_that_does_not_fit__is_too_large() -> None:
    long = {f"de-x-a{n}": "ä" * 20_000 for n in range(8)}
    assert record(offer(description={"de": "x", **long})) == (Problem("", "too_large"),)


def test_four_hundred_dates__fit() -> None:
    start = occurrence().start
    dates = [_moved(n, start + timedelta(days=n)) for n in range(400)]
    assert len(made(course(schedule(occupies=("raum",))), dates).booking.resources) == 401


def _moved(number: int, start: datetime) -> Occurrence:
    whole = occurrence(f"2027-03-02T{number // 60:02}:{number % 60:02}", occupies=("raum",))
    return replace(whole, start=start, end=start + timedelta(minutes=90))


def test_content__is_the_same_whatever_its_number() -> None:
    found = made(offer())
    assert states.content_of(found) == states.content_of(states.with_revision(found, 7))
    assert states.with_revision(found, 7).revision == 7


def test_kept_state__is_read_back_the_same() -> None:
    found = made(course(), [occurrence()])
    assert states.parsed_state(states.state_text(found)) == found


def test_public_answer__hides_how_to_get_in() -> None:
    body = {"title": {"de": "x"}, "online_url": "https://treffen.example", "visitor_notes": {"de": "Code 1234"}}
    assert states.hidden(body) == {"title": {"de": "x"}}  # type: ignore[arg-type]


def test_withdrawal__names_reason_and_time_and_nothing_else() -> None:
    gone = states.withdrawn(OFFER_ID, hub_id=HUB, revision=3, reason="source", at=NOW)
    assert set(gone.model_dump()) == {"offer_id", "hub_id", "revision", "status", "reason", "withdrawn_at"}


def test_inherited_answers_and_capacity__are_in_the_place() -> None:
    room = replace(place("zimmer"), kind="room", parent_id="haus", accessibility={"lift": "yes"}, capacity=12, hours=None)
    surroundings = catalogue(places=(place(), room), resources=(resource(place_id="zimmer"),))
    found = made(offer(place_ids=("zimmer",)), surroundings=surroundings).places[0]
    assert (found.accessibility.lift, found.accessibility.step_free, found.capacity) == ("yes", "yes", 12)
    assert found.hours[0].weekday == 1
