"""What `evaluate` says of the place of a wish: candidates, buffers, quantities, needs, bundles."""

from typing import Any

import pytest

from services.booking.domain.claims import Placement, Reasons, Wish
from services.booking.domain.evaluation import candidates, evaluate, windows
from services.booking.domain.occupancy import Occupancy
from services.booking.domain.offers import Offer
from tests.unit.booking.rules import (
    HOUR,
    MINUTE,
    NOW,
    SECOND,
    ask,
    at,
    codes,
    component,
    empty,
    named,
    offer,
    placed_on,
    pool,
    session,
    taken,
    unit,
    wish,
)

TEN, ELEVEN = at("03-02 10:00"), at("03-02 11:00")


def why(of: Offer, what: Wish, occupancy: Occupancy | None = None) -> list[tuple[str, str | None]]:
    answer = evaluate(of, what, occupancy or empty(of), NOW)
    return [] if isinstance(answer, Placement) else [(item.code.value, item.component_id) for item in answer.items]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (TEN - HOUR, TEN, []),
        (TEN - HOUR, TEN + SECOND, ["conflict"]),
        (ELEVEN - SECOND, ELEVEN + HOUR, ["conflict"]),
        (ELEVEN, ELEVEN + HOUR, []),
        (TEN + MINUTE, ELEVEN - MINUTE, ["conflict"]),
        (TEN - HOUR, ELEVEN + HOUR, ["conflict"]),
    ],
)
def test_unit__exclusive_in_time(start: Any, end: Any, expected: list[str]) -> None:
    of = offer(unit())
    assert ask(of, wish(start, end), taken(of, (wish(TEN), "a"))) == expected


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        # 10:00-11:00 occupies 09:50-11:20; ours does the same around itself: 30 minutes are needed in between
        (TEN - HOUR - 30 * MINUTE, TEN - 30 * MINUTE, []),
        (TEN - HOUR, TEN - 30 * MINUTE + SECOND, ["buffer"]),
        (TEN - HOUR, TEN, ["buffer"]),
        (TEN - HOUR, TEN + SECOND, ["conflict"]),
        (ELEVEN + 30 * MINUTE, ELEVEN + HOUR, []),
        (ELEVEN + 30 * MINUTE - SECOND, ELEVEN + HOUR, ["buffer"]),
    ],
)
@pytest.mark.parametrize("whose", ["resource", "component"])
def test_buffers__count_against_other_occupied_spans_only(whose: str, start: Any, end: Any, expected: list[str]) -> None:
    if whose == "resource":
        of = offer(unit(setup_minutes=10, teardown_minutes=20))
    else:  # a component's own override the resource's
        room = unit(setup_minutes=55, teardown_minutes=55)
        of = offer(room, components=[component("main", room, setup_minutes=10, teardown_minutes=20)])
    assert ask(of, wish(start, end), taken(of, (wish(TEN), "a"))) == expected


def test_any__the_first_free_in_list_order() -> None:
    of = offer(unit("b"), unit("a"), unit("c"))
    occupancy = empty(of)
    for expected in ("b", "a", "c"):
        answer = evaluate(of, wish(TEN), occupancy, NOW)
        assert placed_on(answer) == {"main": expected}
        assert isinstance(answer, Placement)
        occupancy.book(named(expected), answer.start, answer.end, answer.parts)
    assert ask(of, wish(TEN), occupancy) == ["capacity_full"]


@pytest.mark.parametrize(
    ("choose", "choices", "outcome"),
    [
        ("any", None, "a"),
        ("any", {"main": "b"}, "/choices/main"),
        ("either", None, "a"),
        ("either", {"main": "b"}, "b"),
        ("either", {"main": "elsewhere"}, "unknown_offer"),
        ("named", None, "/choices/main"),
        ("named", {"main": "b"}, "b"),
        ("named", {"main": "elsewhere"}, "unknown_offer"),
        ("named", {"other": "b"}, "/choices/other"),
    ],
)
def test_choices(choose: str, choices: dict[str, str] | None, outcome: str) -> None:
    of = offer(unit("a"), unit("b"), choose=choose)
    answer = evaluate(of, wish(TEN, choices=choices), empty(of), NOW)
    if isinstance(answer, Placement):
        assert placed_on(answer) == {"main": outcome}
    elif outcome.startswith("/"):
        assert codes(answer) == ["invalid_request"]
        assert outcome in answer.detail
    else:
        assert codes(answer) == [outcome]


def test_named_with_a_single_resource__need_not_be_named() -> None:
    assert ask(offer(unit(), choose="named"), wish(TEN)) == []


def test_named_resource_is_taken__conflict_though_another_is_free() -> None:
    of = offer(unit("a"), unit("b"), choose="either")
    assert ask(of, wish(TEN, choices={"main": "a"}), taken(of, (wish(TEN), "x"))) == ["conflict"]


def test_only_one_of_two_is_large_enough_and_taken__its_own_reason() -> None:
    of = offer(unit("small", capacity=2), unit("large", capacity=9), max_quantity=9)
    occupancy = taken(of, (wish(TEN, quantity=5), "x"))
    assert ask(of, wish(TEN, quantity=5), occupancy) == ["conflict"]
    assert ask(of, wish(TEN, quantity=2), occupancy) == []


@pytest.mark.parametrize(("people", "expected"), [(4, []), (5, ["capacity_full"])])
def test_unit__people_are_held_against_its_capacity(people: int, expected: list[str]) -> None:
    assert ask(offer(unit(capacity=4), max_quantity=9), wish(TEN, quantity=people)) == expected
    assert ask(offer(unit(), max_quantity=9), wish(TEN, quantity=people)) == []


@pytest.mark.parametrize(("places", "expected"), [(3, []), (4, ["person_limit", "capacity_full"])])
def test_max_quantity__one_claim_takes_no_more(places: int, expected: list[str]) -> None:
    assert ask(offer(pool(capacity=3), max_quantity=3), wish(TEN, quantity=places)) == expected


@pytest.mark.parametrize(
    ("start", "end", "quantity", "expected"),
    [
        (TEN, ELEVEN, 1, []),
        (TEN, ELEVEN, 2, ["capacity_full"]),
        # 10-11 holds two, 11-12 one, both meet a wish over both: the most at any instant counts, not the sum
        (TEN, ELEVEN + HOUR, 1, []),
        (ELEVEN, ELEVEN + HOUR, 2, []),
        (ELEVEN - SECOND, ELEVEN + HOUR, 2, ["capacity_full"]),
        (TEN - HOUR, TEN, 3, []),
        (TEN - HOUR, TEN + SECOND, 3, ["capacity_full"]),
    ],
)
def test_pool__the_most_at_any_instant(start: Any, end: Any, quantity: int, expected: list[str]) -> None:
    of = offer(pool(capacity=3), max_quantity=3)
    occupancy = taken(of, (wish(TEN), "a"), (wish(TEN), "b"), (wish(ELEVEN), "c"))
    assert ask(of, wish(start, end, quantity=quantity), occupancy) == expected


def test_pool__a_short_peak_between_the_probes_counts() -> None:
    of = offer(pool(capacity=2))
    occupancy = taken(of, (wish(TEN + 10 * MINUTE, TEN + 12 * MINUTE), "a"), (wish(TEN + 11 * MINUTE, TEN + 13 * MINUTE), "b"))
    assert ask(of, wish(TEN), occupancy) == ["capacity_full"]
    assert ask(of, wish(TEN + 12 * MINUTE, ELEVEN), occupancy) == []


def test_pool__after_a_cut_nothing_is_free_until_less_is_taken_than_there_is() -> None:
    before = offer(pool(capacity=3), max_quantity=3)
    occupancy = taken(before, (wish(TEN, quantity=3), "a"))
    after = offer(pool(capacity=2), max_quantity=3)
    assert ask(after, wish(TEN), occupancy) == ["capacity_full"]


def test_session__places_are_counted_and_the_span_is_its_own() -> None:
    of = offer(session(capacity=2), max_quantity=2)
    answer = evaluate(of, wish(quantity=2), empty(of), NOW)
    assert isinstance(answer, Placement)
    assert (answer.start, answer.end) == (at("03-10 18:00"), at("03-10 20:00"))
    occupancy = taken(of, (wish(), "a"))
    assert ask(of, wish(), occupancy) == []
    assert ask(of, wish(quantity=2), occupancy) == ["capacity_full"]
    occupancy.sessions["course"].kept = 1
    assert ask(of, wish(), occupancy) == ["capacity_full"]


def test_session__called_off__not_bookable() -> None:
    assert ask(offer(session(status="cancelled")), wish()) == ["not_bookable"]


@pytest.mark.parametrize("more", [{"start": TEN}, {"start": TEN, "end": ELEVEN}])
def test_session__with_a_time_of_its_own__invalid(more: dict[str, Any]) -> None:
    of = offer(session())
    answer = evaluate(of, Wish(more.get("start"), more.get("end"), None), empty(of), NOW)
    assert codes(answer) == ["invalid_request"]
    assert isinstance(answer, Reasons) and answer.detail == tuple(f"/{name}" for name in more)


def test_unit__without_a_time__invalid() -> None:
    of = offer(unit())
    answer = evaluate(of, wish(), empty(of), NOW)
    assert isinstance(answer, Reasons) and (codes(answer), answer.detail) == (["invalid_request"], ("/start", "/end"))


def test_several_sessions__the_one_named_or_the_first_that_fits() -> None:
    first, second = session("one"), session("two", "2027-03-11T17:00:00Z", "2027-03-11T19:00:00Z")
    any_ = offer(first, second)
    assert placed_on(evaluate(any_, wish(), empty(any_), NOW)) == {"main": "one"}
    full = taken(any_, (wish(), "a"), (wish(), "b"))
    answer = evaluate(any_, wish(), full, NOW)
    assert placed_on(answer) == {"main": "two"}
    assert answer.start == at("03-11 18:00")
    named = offer(first, second, choose="named")
    assert ask(named, wish(choices={"main": "one"}), full) == ["capacity_full"]
    all_full = taken(any_, *((wish(), name) for name in "abcd"))
    assert ask(any_, wish(), all_full) == ["capacity_full"]


@pytest.mark.parametrize(
    ("needs", "outcome"),
    [
        ([], "plain"),
        (["step_free"], "ramp"),
        (["step_free", "induction_loop"], "both"),
        (["piano"], "needs_unmet"),
        (["step_free", "piano"], "needs_unmet"),
    ],
)
def test_needs__a_candidate_has_to_have_them_all(needs: list[str], outcome: str) -> None:
    of = offer(unit("plain"), unit("ramp", features=["step_free"]), unit("both", features=["step_free", "induction_loop"]))
    answer = evaluate(of, wish(TEN, needs=needs), empty(of), NOW)
    if outcome == "needs_unmet":
        assert codes(answer) == ["needs_unmet"]
    else:
        assert placed_on(answer) == {"main": outcome}


def test_needs__each_in_another_candidate__unmet() -> None:
    of = offer(unit("a", features=["step_free"]), unit("b", features=["induction_loop"]))
    assert ask(of, wish(TEN, needs=["step_free", "induction_loop"])) == ["needs_unmet"]


ROOM, PROJECTOR, INTERPRETER = unit("room", features=["step_free"]), unit("projector", setup_minutes=15), unit("interpreter")
BUNDLE = [component("room", ROOM), component("projector", PROJECTOR), component("interpreter", INTERPRETER, optional=True)]


def bundle(**rules: Any) -> Offer:
    return offer(ROOM, PROJECTOR, INTERPRETER, components=BUNDLE, **rules)


def test_bundle__takes_all_parts_that_are_not_optional_with_their_own_buffers() -> None:
    of = bundle()
    answer = evaluate(of, wish(TEN), empty(of), NOW)
    assert placed_on(answer) == {"room": "room", "projector": "projector"}
    assert isinstance(answer, Placement)
    assert [part.occupied_start for part in answer.parts] == [TEN, TEN - 15 * MINUTE]
    more = evaluate(of, wish(TEN, options=["interpreter"]), empty(of), NOW)
    assert placed_on(more) == {"room": "room", "projector": "projector", "interpreter": "interpreter"}


@pytest.mark.parametrize("option", ["room", "piano"])
def test_bundle__an_option_that_is_none__invalid(option: str) -> None:
    of = bundle()
    answer = evaluate(of, wish(TEN, options=[option]), empty(of), NOW)
    assert isinstance(answer, Reasons) and answer.detail == ("/options",)


def test_bundle__all_or_nothing_and_the_reasons_name_the_part() -> None:
    of = bundle()
    occupancy = taken(of, (wish(TEN, options=["interpreter"]), "a"))
    assert why(of, wish(TEN), occupancy) == [("conflict", "room"), ("conflict", "projector")]
    assert why(of, wish(ELEVEN), occupancy) == [("buffer", "projector")]


def test_bundle__needs_are_asked_of_the_parts_that_know_them() -> None:
    of = bundle()
    assert ask(of, wish(TEN, needs=["step_free"])) == []
    assert why(of, wish(TEN, needs=["piano"])) == [("needs_unmet", None)]


def test_bundle__quantities_per_part_and_unknown_parts_are_invalid() -> None:
    room, desks = unit("room", capacity=10), pool("desks", 4)
    of = offer(room, desks, components=[component("room", room), component("desks", desks)], max_quantity=10)
    answer = evaluate(of, wish(TEN, quantity=8, quantities={"desks": 4}), empty(of), NOW)
    assert isinstance(answer, Placement) and [part.quantity for part in answer.parts] == [8, 4]
    assert why(of, wish(TEN, quantity=8, quantities={"desks": 5})) == [("capacity_full", "desks")]
    wrong = evaluate(of, wish(TEN, quantities={"piano": 1}), empty(of), NOW)
    assert isinstance(wrong, Reasons) and wrong.detail == ("/quantities/piano",)


def test_bundle__each_part_sees_what_the_others_take() -> None:
    a, b = unit("a"), unit("b")
    two = offer(a, b, components=[component("x", a, b), component("y", a)])
    # y can only have `a`, so x takes `b` although `a` comes first in its list
    assert placed_on(evaluate(two, wish(TEN), empty(two), NOW)) == {"x": "b", "y": "a"}
    one = offer(a, components=[component("x", a), component("y", a)])
    assert why(one, wish(TEN)) == [("conflict", "y")]
    desks = pool("desks", 3)
    shared = offer(desks, components=[component("x", desks), component("y", desks)], max_quantity=3)
    assert ask(shared, wish(TEN, quantities={"x": 1, "y": 2})) == []
    assert why(shared, wish(TEN, quantities={"x": 2, "y": 2})) == [("capacity_full", "y")]


def test_bundle__one_unit_named_twice() -> None:
    a, b = unit("a"), unit("b")
    of = offer(a, b, components=[component("x", a, b, choose="either"), component("y", a, b, choose="either")])
    assert why(of, wish(TEN, choices={"x": "a", "y": "a"}))[0] == ("same_unit_twice", "y")
    assert ask(of, wish(TEN, choices={"x": "a", "y": "b"})) == []


def test_bundle_with_a_session__the_session_sets_the_span_and_the_unit_must_be_free_then() -> None:
    course, room = session("course"), unit("room")
    of = offer(course, room, components=[component("course", course), component("room", room)])
    answer = evaluate(of, wish(), empty(of), NOW)
    assert placed_on(answer) == {"course": "course", "room": "room"}
    assert why(of, wish(), taken(of, (wish(), "a"))) == [("conflict", "room")]


def test_windows_and_candidates__what_has_to_be_read_and_locked() -> None:
    of = bundle()
    asked = wish(TEN, options=["interpreter"])
    assert [(resource.resource_id, low, high) for resource, low, high in windows(of, asked)] == [
        ("room", TEN, ELEVEN), ("projector", TEN - 15 * MINUTE, ELEVEN), ("interpreter", TEN, ELEVEN),
    ]  # fmt: skip
    assert [resource.resource_id for resource in candidates(of, asked)] == ["room", "projector", "interpreter"]
    sessions = offer(session())
    assert list(windows(sessions, wish())) == []
    assert [resource.resource_id for resource in candidates(sessions, wish())] == ["course"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"status": "suspended"}, ["not_bookable"]),
        ({"status": "withdrawn"}, ["not_bookable"]),
        ({"mode": "none"}, ["not_bookable"]),
        ({"mode": "external"}, ["not_bookable"]),
        ({"mode": "request"}, []),
        ({"mode": "telepathy"}, ["not_bookable"]),
        ({"zone_name": "Mars/Olympus"}, ["not_bookable"]),
        ({"permitted_groups": ["club"]}, ["not_permitted"]),
        ({"permitted_groups": ["staff", "club"]}, ["not_permitted"]),
        ({"permitted_groups": ["choir"]}, []),
        (
            {"limits": [{"key": "k", "per": "group", "group": "choir", "unit": "bookings", "window": "day", "max": 0}]},
            ["group_quota"],
        ),
        ({"limits": [{"key": "k", "per": "group", "group": "club", "unit": "bookings", "window": "day", "max": 0}]}, []),
    ],
)
def test_offer__whether_it_can_be_booked_at_all(more: dict[str, Any], expected: list[str]) -> None:
    assert ask(offer(unit(), **more), wish(TEN, groups=["choir"])) == expected


def test_groups_unknown__not_looked_at() -> None:
    assert ask(offer(unit(), permitted_groups=["club"]), wish(TEN)) == []


def test_offer__of_unknown_kinds_or_with_two_sessions__not_bookable() -> None:
    adviser = {"resource_id": "desk", "kind": "adviser", "revision": 1}
    assert ask(offer(adviser), wish(TEN)) == []
    assert ask(offer(unit("x", kind="robot")), wish(TEN)) == ["not_bookable"]
    one, two = session("one"), session("two")
    assert ask(offer(one, two, components=[component("x", one), component("y", two)]), wish()) == ["not_bookable"]


def test_offer__whose_component_has_no_resource_left__not_bookable() -> None:
    assert why(offer(components=[component("main")]), wish(TEN)) == [("not_bookable", "main")]


@pytest.mark.parametrize(
    ("revision", "expected"), [(None, []), (7, []), (6, ["revision_outdated"]), (8, ["revision_outdated"])]
)
def test_offer_revision(revision: int | None, expected: list[str]) -> None:
    assert ask(offer(unit()), wish(TEN, offer_revision=revision)) == expected
