"""Any run of wishes and cancellations, against a plain list that is counted at every edge of a span."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.booking.domain.claims import Reasons
from services.booking.domain.decisions import Desk, decide
from services.booking.domain.offers import Offer
from services.booking.domain.requests import Asked, Cancelled, Command, Confirmed, Named, Outcome, Refused, Rejected, Request
from tests.unit.booking.rules import MINUTE, NOW, citizen, empty, named, offer, person, pool, session, unit, wish

STEP = 10 * MINUTE
LIMIT = {"key": "k", "per": "person", "unit": "bookings", "window": "active", "max": 3}
OFFERS = {
    name: replace(of, offer_id=name)
    for name, of in {
        "room": offer(unit("a", setup_minutes=10, teardown_minutes=20), unit("b"), max_quantity=2, limits=[LIMIT]),
        "desks": offer(pool("desks", 3, setup_minutes=10), max_quantity=3, limits=[LIMIT]),
        "course": offer(session("course", "2027-03-01T11:00:00Z", "2027-03-01T13:00:00Z", capacity=4), max_quantity=3),
    }.items()
}
BUFFERS = {"a": (1, 2), "b": (0, 0), "desks": (1, 0), "course": (0, 0)}
CAPACITY = {"desks": 3, "course": 4}


@dataclass(frozen=True)
class Step:
    """Either a wish, or to cancel the booking of an earlier step; then the clock moves."""

    offer: str
    start: int
    length: int
    quantity: int
    person: str
    cancels: int | None
    later: int


@dataclass
class Claim:
    """A claim in the naive list, in ten-minute steps."""

    resource: str
    start: int
    end: int
    quantity: int
    person: str
    offer: str
    active: bool = True


@dataclass
class Naive:
    """The rules said once more, as plainly as possible."""

    claims: dict[int, Claim] = field(default_factory=dict)

    def wish(self, number: int, step: Step, now: int) -> list[str]:
        start, end = (12, 24) if step.offer == "course" else (step.start, step.start + step.length)
        found = ["too_soon"] if start < now else []
        limited = step.offer != "course"
        mine = [c for c in self.claims.values() if c.active and c.person == step.person and c.offer != "course" and c.end > now]
        if limited and len(mine) >= 3:
            found.append("person_limit")
        place = self._place(step, start, end)
        if place in ("conflict", "buffer", "capacity_full"):
            found.append(place)
        if not found:
            self.claims[number] = Claim(place, start, end, step.quantity, step.person, step.offer)
        order = ["too_soon", "person_limit", "conflict", "buffer", "capacity_full"]
        return sorted(found, key=order.index)

    def _place(self, step: Step, start: int, end: int) -> str:
        if step.offer == "room":
            for name in ("a", "b"):
                if not any(self._meets(c, name, start, end) for c in self.claims.values() if c.active):
                    return name
            return "capacity_full"
        name = step.offer
        before, after = BUFFERS[name]
        for edge in range(start - before, end + after):
            if self._level(name, edge) + step.quantity > CAPACITY[name]:
                return "capacity_full"
        return name

    def _meets(self, claim: Claim, name: str, start: int, end: int) -> bool:
        before, after = BUFFERS[name]
        return claim.resource == name and claim.start - before < end + after and claim.end + after > start - before

    def _level(self, name: str, edge: int) -> int:
        before, after = BUFFERS[name]
        held = [c for c in self.claims.values() if c.active and c.resource == name]
        return sum(c.quantity for c in held if c.start - before <= edge < c.end + after)

    def cancel(self, number: int, who: str, now: int) -> str:
        claim = self.claims.get(number)
        if claim is None:
            return "gone"
        if claim.person != who:
            return "not_permitted"
        if not claim.active:
            return "unchanged"
        if now >= claim.start:
            return "deadline_passed"
        claim.active = False
        return "cancelled"


steps = st.builds(
    Step,
    offer=st.sampled_from(list(OFFERS)),
    start=st.integers(0, 30),
    length=st.integers(1, 9),
    quantity=st.integers(1, 2),
    person=st.sampled_from(["ann", "bob", "cem"]),
    cancels=st.none() | st.none() | st.integers(0, 20),
    later=st.integers(0, 1),
)


def request(number: int, step: Step) -> Request:
    actor = citizen(step.person)
    if step.cancels is not None:
        return Request(Command.CANCEL, step.offer, actor, Named(booking_id(step.cancels)))
    start = None if step.offer == "course" else instant(step.start)
    end = None if start is None else start + step.length * STEP
    asked = wish(start, end, quantity=step.quantity, person_id=named(step.person))
    return Request(Command.REQUEST, step.offer, actor, Asked(booking_id(number), person(step.person), asked))


def booking_id(number: int) -> UUID:
    return named(f"booking {number}")


def instant(step: int) -> datetime:
    return NOW + step * STEP


def said(outcome: Outcome) -> str | list[str]:
    if isinstance(outcome, Confirmed):
        return []
    if isinstance(outcome, Rejected):
        return list(dict.fromkeys(why.code.value for why in outcome.reasons.items))
    if isinstance(outcome, Refused):
        return str(outcome.reasons.first)
    return "cancelled" if isinstance(outcome, Cancelled) else "unchanged"


def desk() -> Desk:
    offers: dict[str, Offer] = dict(OFFERS)
    occupancy = empty(OFFERS["room"])
    for each in OFFERS.values():
        more = empty(each)
        occupancy.sessions |= more.sessions
        occupancy.known |= more.known
    return Desk(offers, {}, occupancy, b"a key of at least sixteen bytes")


@settings(max_examples=300, deadline=None)
@given(run=st.lists(steps, max_size=40))
def test_decide_agrees_with_a_plain_list(run: list[Step]) -> None:
    one, naive, clock = desk(), Naive(), 0
    for number, step in enumerate(run):
        clock += step.later
        outcome = said(decide(request(number, step), one, instant(clock)))
        if step.cancels is not None:
            assert outcome == naive.cancel(step.cancels, step.person, clock)
        else:
            assert outcome == naive.wish(number, step, clock)
    for number, claim in naive.claims.items():
        assert one.bookings[booking_id(number)].version == (1 if claim.active else 2)
    course = sum(claim.quantity for claim in naive.claims.values() if claim.active and claim.offer == "course")
    assert one.occupancy.sessions["course"].used == course


@settings(max_examples=50, deadline=None)
@given(run=st.lists(steps, max_size=25))
def test_the_same_run_twice__the_same_outcomes(run: list[Step]) -> None:
    first, second = desk(), desk()
    for number, step in enumerate(run):
        one, two = (decide(request(number, step), each, NOW) for each in (first, second))
        assert one == two
        if isinstance(one, Rejected):
            assert isinstance(one.reasons, Reasons)
