"""What of a working copy and its surroundings is in a state."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.catalog.domain.build import Catalogue, build_resource, build_state, with_reviewed_texts
from services.catalog.domain.entities import Booking, Component, Hours, Place, Review
from tests.unit.catalog.build import (
    NOW,
    OFFER_ID,
    blackout,
    catalogue,
    course,
    instant,
    occurrence,
    offer,
    place,
    resource,
    schedule,
)

ROOM_PLACE = Place("zimmer", "room", {"de": "Zimmer"}, "haus", accessibility={"lift": "yes"})


def test_resource_without_hours__takes_those_of_its_place() -> None:
    assert build_resource(resource(), catalogue(), now=NOW).hours == (Hours(1, "08:00", "18:00"),)


def test_resource_with_hours__keeps_its_own_also_none() -> None:
    own = (Hours(2, "10:00", "12:00"),)
    assert build_resource(resource(hours=own), catalogue(), now=NOW).hours == own
    assert build_resource(resource(hours=()), catalogue(), now=NOW).hours == (), "always open"


def test_resource_features__are_its_own_and_every_yes_of_its_place() -> None:
    surroundings = catalogue(places=(place(), ROOM_PLACE))
    built = build_resource(resource(place_id="zimmer", features=("beamer", "lift")), surroundings, now=NOW)
    assert built.features == ("step_free", "lift", "beamer")


@pytest.mark.parametrize(
    ("scope", "scope_id", "hits"),
    [
        ("hub", None, True),
        ("place", "haus", True),
        ("place", "anderswo", False),
        ("resource", "raum", True),
        ("resource", "saal", False),
        ("offer", OFFER_ID, False),
    ],
)
def test_closure__is_copied_into_the_resources_it_touches(scope: str, scope_id: str | None, hits: bool) -> None:
    built = build_resource(resource(), catalogue(blackout(scope, scope_id)), now=NOW)
    assert [each.blackout_id for each in built.blackouts] == (["zu"] if hits else [])


def test_closure_of_a_site__reaches_rooms_below() -> None:
    surroundings = catalogue(blackout(), places=(place(), ROOM_PLACE))
    assert build_resource(resource(place_id="zimmer"), surroundings, now=NOW).blackouts


def test_proposed_closure__is_copied_nowhere() -> None:
    assert not build_resource(resource(), catalogue(blackout(proposed=True)), now=NOW).blackouts


def test_closure_long_past__is_left_behind() -> None:
    over = blackout(start=NOW - timedelta(days=40), end=NOW - timedelta(days=31))
    recent = blackout(start=NOW - timedelta(days=3), end=NOW - timedelta(days=2))
    assert not build_resource(resource(), catalogue(over), now=NOW).blackouts
    assert build_resource(resource(), catalogue(recent), now=NOW).blackouts


def test_closure_of_the_offer__stands_in_its_block_only() -> None:
    state = build_state(offer(), [], catalogue(blackout("offer", OFFER_ID)), now=NOW)
    assert [each.blackout_id for each in state.blackouts] == ["zu"]
    assert not state.resources[0].blackouts


def test_dates_that_are_booked__become_sessions_and_fill_the_component() -> None:
    date = occurrence()
    state = build_state(course(), [date], catalogue(), now=NOW)
    (session,) = state.resources
    assert (session.kind, session.resource_id) == ("session", str(date.occurrence_id))
    assert (session.start, session.end, session.status, session.capacity) == (date.start, date.end, "scheduled", 10)
    assert state.components[0].resource_ids == (session.resource_id,)


def test_dates_that_are_only_announced__are_no_resources() -> None:
    announced = replace(course(), booking=Booking())
    state = build_state(announced, [occurrence()], catalogue(), now=NOW)
    assert state.resources == ()
    assert len(state.occurrences) == 1


@pytest.mark.parametrize(
    ("status", "built"),
    [("scheduled", "scheduled"), ("moved", "scheduled"), ("postponed", "cancelled"), ("cancelled", "cancelled")],
)
def test_status_of_a_date__is_told_to_booking_as_it_understands_it(status: str, built: str) -> None:
    state = build_state(course(), [occurrence(status=status)], catalogue(), now=NOW)
    assert state.resources[0].status == built


def test_session__carries_only_closures_that_touch_it() -> None:
    date = occurrence("2027-03-09T18:00")
    touching = blackout()
    before = blackout(blackout_id="vorher", start=instant("2027-03-09T16:00Z"), end=date.start)
    state = build_state(course(), [date], catalogue(touching, before), now=NOW)
    assert [each.blackout_id for each in state.resources[0].blackouts] == ["zu"]


def test_offers_own_answers__enter_its_sessions_and_no_shared_resource() -> None:
    mixed = replace(
        course(schedule(occupies=("raum",)), accessibility={"sign_language": "yes", "step_free": "no"}),
        booking=Booking("instant", (Component("platz", "session"),)),
    )
    state = build_state(mixed, [occurrence(occupies=("raum",))], catalogue(), now=NOW)
    shared, session = state.resources
    assert shared.features == ("step_free",)
    assert session.features == ("sign_language",)


def test_units_that_only_a_date_occupies__are_in_the_state() -> None:
    state = build_state(course(), [occurrence(occupies=("raum",))], catalogue(), now=NOW)
    assert [each.resource_id for each in state.resources if each.kind == "unit"] == ["raum"]


def test_shared_resource__reads_the_same_in_every_state() -> None:
    surroundings: Catalogue = catalogue(blackout("resource", "raum"))
    alone = build_state(offer(), [], surroundings, now=NOW).resources[0]
    beside = build_state(offer(accessibility={"step_free": "no"}, place_ids=()), [], surroundings, now=NOW).resources[0]
    assert alone == beside


def test_health_offer__is_special_whatever_the_copy_says() -> None:
    assert with_reviewed_texts(offer(kind="health")).data_category == "special"
    assert with_reviewed_texts(offer()).data_category == "normal"


def test_simple_language__is_published_once_somebody_reviewed_it() -> None:
    written = offer(title={"de": "Raum", "de-simple": "Ein Raum"}, description={"de": "Groß", "de-simple": "Groß."})
    assert "de-simple" not in with_reviewed_texts(written).title
    reviewed = replace(written, simple_review=Review(NOW, "editor"))
    assert with_reviewed_texts(reviewed).title["de-simple"] == "Ein Raum"


def test_ids_that_lead_nowhere__are_left_out() -> None:
    lost = offer(place_ids=("weg", "haus"), contact_id="niemand", booking=Booking("instant", (Component("r", "unit", ("x",)),)))
    state = build_state(lost, [], catalogue(), now=NOW)
    assert [each.place_id for each in state.places] == ["haus"]
    assert (state.contact, state.resources) == (None, ())
