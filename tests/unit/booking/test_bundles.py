"""Bundles whose parts share units: if there is any way to serve all of them, one is found."""

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from services.booking.domain.claims import Part
from tests.unit.booking.rules import HOUR, ask, at, component, empty, named, offer, unit, wish

TEN = at("03-02 10:00")
NAMES = ("a", "b", "c", "d")


def test_two_parts__one_leaves_the_other_the_only_unit_that_it_can_have() -> None:
    a, b, c = unit("a"), unit("b"), unit("c")
    of = offer(a, b, c, components=[component("first", a, b), component("second", a, c)])
    occupancy = empty(of)
    occupancy.book(named("x"), TEN, TEN + HOUR, (Part("second", "c", 3, None, 1, TEN, TEN + HOUR),))
    assert ask(of, wish(TEN), occupancy) == []


@settings(max_examples=150, deadline=None)
@given(
    wanted=st.lists(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True), min_size=1, max_size=4),
    busy=st.sets(st.sampled_from(NAMES), max_size=2),
)
def test_parts_that_share_units__can_be_had_if_and_only_if_some_way_of_sharing_serves_all(
    wanted: list[list[str]], busy: set[str]
) -> None:
    units = {name: unit(name) for name in NAMES}
    parts = [component(f"p{n}", *(units[name] for name in names)) for n, names in enumerate(wanted)]
    of = offer(*units.values(), components=parts)
    occupancy = empty(of)
    for number, name in enumerate(NAMES, start=1):
        if name in busy:
            occupancy.book(named(name), TEN, TEN + HOUR, (Part("x", name, number, None, 1, TEN, TEN + HOUR),))
    served = any(len(set(way)) == len(way) and not set(way) & busy for way in product(*wanted))
    assert (ask(of, wish(TEN), occupancy) == []) is served
