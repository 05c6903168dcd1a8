"""The tree of places: what is handed down, and which positions are none."""

from datetime import date

import pytest

from services.catalog.domain import tree
from services.catalog.domain.entities import Address, DayException, Hours, Place
from services.catalog.limits import PLACE_LEVELS_MAX
from tests.unit.catalog.build import place

SITE = place("ort", address=Address("Weg 1", "01900", "Großröhrsdorf"), lat=51.1, lon=14.0, capacity=200)
FLOOR = Place("flur", "building", {"de": "Flur"}, "ort", accessibility={"lift": "no"})
ROOM = Place("raum", "room", {"de": "Raum"}, "flur", hours=(), accessibility={"induction_loop": "yes", "door_width_cm": 90})
ALL = {each.place_id: each for each in (SITE, FLOOR, ROOM)}


def test_resolved_place__takes_what_is_missing_from_the_nearest_parent() -> None:
    found = tree.resolved(ROOM, ALL)
    assert (found.address, found.lat, found.lon, found.capacity) == (SITE.address, 51.1, 14.0, 200)
    assert found.name == {"de": "Raum"}


def test_resolved_place__keeps_an_empty_answer_of_its_own() -> None:
    assert tree.resolved(ROOM, ALL).hours == (), "no hours stated is an answer, not a gap"
    assert tree.resolved(FLOOR, ALL).hours == (Hours(1, "08:00", "18:00"),)


def test_resolved_place__takes_accessibility_key_by_key() -> None:
    answers = tree.resolved(ROOM, ALL).accessibility
    assert (answers["step_free"], answers["lift"], answers["induction_loop"]) == ("yes", "no", "yes")
    assert answers["door_width_cm"] == 90


def test_exceptions__are_inherited_apart_from_hours() -> None:
    closed = (DayException(date(2027, 12, 24)),)
    places = {**ALL, "ort": place("ort", exceptions=closed)}
    assert tree.resolved(ROOM, places).exceptions == closed


def test_under__is_the_place_and_all_below() -> None:
    assert tree.under(["flur"], ALL.values()) == {"flur", "raum"}
    assert tree.under(["ort"], ALL.values()) == {"ort", "flur", "raum"}


@pytest.mark.parametrize(
    ("moved", "code"),
    [
        (Place("raum", "room", {"de": "Raum"}, "nirgends"), "unknown_place"),
        (Place("ort", "site", {"de": "Ort"}, "raum"), "circle"),
        (Place("ort", "site", {"de": "Ort"}, "ort"), "circle"),
    ],
)
def test_position_that_is_none__is_told(moved: Place, code: str) -> None:
    found = tree.misplaced(moved, {**ALL, moved.place_id: moved})
    assert found is not None
    assert (found.pointer, found.code) == ("/parent_id", code)


def test_depth__is_counted_through_the_children() -> None:
    line = [Place(f"p{n}", "room", {"de": "P"}, f"p{n - 1}" if n else None) for n in range(PLACE_LEVELS_MAX)]
    places = {each.place_id: each for each in line}
    assert tree.misplaced(line[-1], places) is None
    top = Place("oben", "site", {"de": "Oben"})
    lifted = Place("p0", "site", {"de": "P"}, "oben")
    found = tree.misplaced(lifted, {**places, "oben": top, "p0": lifted})
    assert found is not None
    assert found.code == "too_deep"


def test_circle_in_the_store__ends_all_the_same() -> None:
    places = {"a": Place("a", "room", {}, "b"), "b": Place("b", "room", {}, "a")}
    assert len(list(tree.ancestors(places["a"], places))) == PLACE_LEVELS_MAX
    assert tree.under(["a"], places.values()) == {"a", "b"}


def test_unanswered__unknown_is_an_answer() -> None:
    assert tree.unanswered(tree.resolved(ROOM, ALL)) == []
    assert "step_free" in tree.unanswered(FLOOR)


@pytest.mark.parametrize(("answer", "counts"), [("yes", True), ("no", False), ("unknown", False)])
def test_features__only_a_yes_counts(answer: str, counts: bool) -> None:
    assert ("lift" in tree.features_of({"lift": answer})) is counts
