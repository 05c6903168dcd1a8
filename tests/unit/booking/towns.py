"""Towns as hypothesis draws them: a room, desks, a course, advisers and a hall, each with its rules; and who wants what."""

from typing import Any

from hypothesis import strategies as st

from tests.unit.booking.naive_house import Naive
from tests.unit.booking.naive_rules import DAY, Role, Terms, Thing

PEOPLE = ("ann", "bob", "cem", "dan", "eve", "fay")
people = st.sampled_from(PEOPLE)
people_or_staff = st.sampled_from(("staff", "staff", "staff", "ann"))
offers = st.sampled_from(("room", "room", "desk", "desk", "course", "course", "advice", "hall"))
# from the next full hour on: mostly where others are too
starts = st.sampled_from((0, 0, 0, 60, 60, 120, 30, 15, 45, 5, -60, -90, 240, 600, DAY, DAY + 60, 4 * DAY))
lengths = st.sampled_from((30, 60, 60, 120, 45, 5, 300))
picks = st.integers(0, 40)
mine = st.sampled_from((True, True, False))
_approval = st.sampled_from((None, None, None, "blocks", "competes"))
_quotas = st.sampled_from(((), (), ("g",), ("h",), ("g", "i")))
_common = {
    "shared": st.sampled_from((True, True, False)),
    "resale": st.sampled_from((0, 60)),
    "cancel_ahead": st.sampled_from((0, 60)),
    "cancel_late": st.sampled_from((True, False)),
    "required": st.sampled_from((False, False, True)),
    "release": st.sampled_from((15, None)),
    "lead": st.sampled_from((0, 0, 30)),
    "hours": st.sampled_from((False, False, True)),
    "grid": st.sampled_from((None, None, None, 30)),
    "horizon": st.sampled_from((3, 3, 3, 1)),
    "offer_lasts": st.sampled_from((20, 60)),
}


@st.composite
def towns(draw: Any) -> Naive:
    """A town in which nothing is booked yet."""
    buffers = st.sampled_from((0, 0, 10, 20))

    def thing(name: str, kind: str, capacity: int | None = None, **more: Any) -> Thing:
        return Thing(name, kind, capacity, draw(buffers), draw(buffers), **more)

    things = [
        thing("a", "unit", features=frozenset({"step_free"})), thing("b", "unit"), thing("desks", "pool", 3),
        thing("hall", "unit"), thing("beamer", "unit"), thing("x", "adviser"), thing("y", "adviser"),
        Thing("c1", "session", draw(st.sampled_from((2, 1, 3))), start=120, end=240,
              rooms=draw(st.sampled_from(((), ("b",), ("b", "hall"), ("hall",))))),
    ]  # fmt: skip

    def terms(name: str, *roles: Role, queues: tuple[str, ...] = ("fit", "fit", "off"), **more: Any) -> Terms:
        drawn = {key: draw(strategy) for key, strategy in _common.items() if key not in more}
        return Terms(name, roles, queue=draw(st.sampled_from(queues)), **drawn, **more)

    offers = [
        terms("room", Role("main", ("a", "b")), approval=draw(_approval),
              limits=draw(st.sampled_from(((), ("k",), ("k", "t")))), quotas=draw(_quotas),
              permitted=draw(st.sampled_from((None, None, None, "club", "board")))),
        terms("desk", Role("main", ("desks",)), most=2, limits=draw(st.sampled_from(((), ("k",), ("m",)))),
              quotas=draw(_quotas)),
        terms("course", Role("main", ("c1",)), queues=("strict", "fit", "strict", "off"), most=2, hours=False, grid=None,
              approval=draw(_approval), quotas=draw(_quotas), permitted=draw(st.sampled_from((None, None, None, "board")))),
        terms("advice", Role("main", ("x", "y")), lengths=(30, 60), limits=draw(st.sampled_from(((), ("t",))))),
        terms("hall", Role("hall", ("hall",)), Role("seats", ("desks",)), Role("beamer", ("beamer",), optional=True), most=2,
              approval=draw(_approval)),
    ]  # fmt: skip
    return Naive({one.name: one for one in things}, {one.name: one for one in offers})
