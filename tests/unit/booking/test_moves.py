"""What moves, closures and additions leave behind for others, and what of it is in nobody's way."""

from datetime import datetime
from typing import Any

import pytest

from services.booking.domain.availability import free
from services.booking.domain.claims import Actor
from services.booking.domain.closures import Closure, close, take_along
from services.booking.domain.codes import Every, State
from services.booking.domain.decisions import Desk, decide
from services.booking.domain.desk import Rooms
from services.booking.domain.occupancy import Counted
from services.booking.domain.offers import Offer
from services.booking.domain.promotion import place_session, promote
from services.booking.domain.requests import (
    Asked,
    Command,
    Move,
    Moved,
    Named,
    Outcome,
    Refused,
    Rejected,
    Request,
    SeriesDecided,
    SeriesRef,
    SeriesRule,
)
from tests.unit.booking.rules import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    STAFF,
    at,
    citizen,
    component,
    empty,
    named,
    offer,
    person,
    pool,
    session,
    unit,
    wish,
)

TEN = at("03-02 10:00")
KEY = b"check-in-key-of-tests"


def desk(*offers: Offer) -> Desk:
    """Nothing is taken of these offers."""
    one = Desk({of.offer_id: of for of in offers}, {}, empty(offers[0]), KEY, queue_numbers=iter(range(1, 1_000)))
    for more in map(empty, offers[1:]):
        one.occupancy.sessions |= more.sessions
        one.occupancy.known |= more.known
    return one


def ask(
    one: Desk, name: str, start: datetime | None, *, who: str = "ann", actor: Actor | None = None, offer_id: str = "offer",
    body: dict[str, Any] | None = None, **more: Any,
) -> Outcome:  # fmt: skip
    """Somebody's wish, at once."""
    actor = actor or citizen(who)
    asked = Asked(named(name), person(who), wish(start, person_id=named(who), groups=actor.groups, **more), **(body or {}))
    return decide(Request(Command.REQUEST, offer_id, actor, asked), one, NOW)


def move(
    one: Desk, name: str, start: datetime | None = None, end: datetime | None = None, *, quantity: int | None = None,
    actor: Actor | None = None, now: datetime = NOW,
) -> Outcome:  # fmt: skip
    """Ann moves it."""
    body = Named(named(name), move=Move(start, end, None, quantity, None))
    return decide(Request(Command.RESCHEDULE, "offer", actor or citizen("ann"), body), one, now)


def said(outcome: Outcome) -> str | list[str]:
    if isinstance(outcome, Rejected | Refused):
        return [why.code.value for why in outcome.reasons.items]
    return type(outcome).__name__


def test_displaced__stays_so_if_it_only_gives_back_places() -> None:
    of = offer(pool("desks", 3), max_quantity=3)
    one = desk(of)
    ask(one, "b1", TEN, quantity=2)
    close(one, [Closure(None, "desks", "water", TEN, TEN + HOUR)], NOW)
    ask(one, "b2", TEN, who="bob", quantity=3)
    assert said(move(one, "b1", quantity=1)) == ["capacity_full"]
    assert one.bookings[named("b1")].state is State.DISPLACED


@pytest.mark.parametrize(("groups", "expected"), [(("club",), "Moved"), ((), ["approval_required"])])
def test_move__of_those_who_need_no_approval(groups: tuple[str, ...], expected: str | list[str]) -> None:
    of = offer(unit(), mode="request", approval={"auto_groups": ["club"]})
    one = desk(of)
    ask(one, "b1", TEN, actor=citizen("ann", "club"))
    assert said(move(one, "b1", TEN + HOUR, actor=citizen("ann", *groups))) == expected


def test_checked_in__to_a_local_end_in_the_past__too_soon() -> None:
    of = offer(unit())
    one = desk(of)
    ask(one, "b1", TEN)
    one.bookings[named("b1")] = one.bookings[named("b1")]._replace(state=State.CHECKED_IN)
    local = (TEN + 20 * MINUTE).astimezone(of.where).replace(tzinfo=None)
    assert said(move(one, "b1", end=local, now=TEN + 30 * MINUTE)) == ["too_soon"]
    assert said(move(one, "b1", end=local + 11 * MINUTE, now=TEN + 30 * MINUTE)) == "Moved"


def test_moved_twice__newcomers_still_find_the_first_place_taken() -> None:
    one = desk(offer(unit(), resale_delay_minutes=60))
    ask(one, "b1", TEN)
    assert said(move(one, "b1", TEN + 2 * HOUR)) == "Moved"
    assert said(move(one, "b1", TEN + 4 * HOUR)) == "Moved"
    assert said(ask(one, "b2", TEN, who="bob")) == ["conflict"]
    assert said(ask(one, "b3", TEN + 2 * HOUR, who="bob")) == ["conflict"]


@pytest.mark.parametrize("what", [unit(), pool("desks", 1)])
def test_moved_back__what_it_left_is_free_to_itself(what: dict[str, Any]) -> None:
    one = desk(offer(what, resale_delay_minutes=60))
    ask(one, "b1", TEN)
    assert said(move(one, "b1", TEN + 2 * HOUR)) == "Moved"
    assert said(ask(one, "b2", TEN, who="bob")) == [("conflict" if what["kind"] == "unit" else "capacity_full")]
    assert said(move(one, "b1", TEN + HOUR // 2)) == "Moved"


@pytest.mark.parametrize("what", [pool("desks", 4), session("desks", TEN.isoformat(), (TEN + HOUR).isoformat(), capacity=4)])
def test_fewer_places__only_those_given_back_are_kept_from_newcomers(what: dict[str, Any]) -> None:
    one = desk(offer(what, max_quantity=4, resale_delay_minutes=60))
    start = TEN if what["kind"] == "pool" else None
    ask(one, "b1", start, quantity=3)
    assert said(move(one, "b1", quantity=2)) == "Moved"
    assert [[part.quantity for part in left.parts] for left in one.left] == [[3], [1]]
    assert [left.resale_after for left in one.left] == [None, NOW + HOUR]
    assert said(ask(one, "b2", start, who="bob", quantity=2)) == ["capacity_full"]
    assert said(ask(one, "b3", start, who="bob")) == "Confirmed"


def test_moved_by_half_its_length__a_pool_keeps_only_what_was_left() -> None:
    one = desk(offer(pool("desks", 2), resale_delay_minutes=60))
    ask(one, "b1", TEN)
    assert said(move(one, "b1", TEN + HOUR // 2)) == "Moved"
    assert said(ask(one, "b2", TEN, who="bob", duration=90 * MINUTE)) == "Confirmed"
    assert said(ask(one, "b3", TEN, who="cem", duration=15 * MINUTE)) == ["capacity_full"]


def waiting(one: Desk, name: str, start: datetime, **more: Any) -> None:
    assert said(ask(one, name, start, who=name, **more)) == "Joined"


def test_closure__the_rest_of_a_displaced_booking_goes_to_those_who_wait() -> None:
    of = offer(unit(), waitlist={"mode": "fit"})
    one = desk(of)
    ask(one, "b1", TEN, duration=3 * HOUR)
    waiting(one, "w1", TEN)
    waiting(one, "w2", TEN + 2 * HOUR)
    shut = offer(unit(blackouts=[blackout(TEN, TEN + HOUR)], revision=2), waitlist={"mode": "fit"})
    one.offers = {shut.offer_id: shut}
    close(one, [Closure(None, "room", "water", TEN, TEN + HOUR)], NOW)
    promote(one, one.freed, NOW)
    states = {name: one.bookings[named(name)].state.value for name in ("b1", "w1", "w2")}
    assert states == {"b1": "displaced", "w1": "expired", "w2": "offered"}


def blackout(start: datetime, end: datetime) -> dict[str, Any]:
    return {"blackout_id": "x", "start": start.isoformat(), "end": end.isoformat(), "cause": "water"}


def test_session_moved__a_hold_that_cannot_follow_expires() -> None:
    def bundle(start: datetime) -> Offer:
        parts = [session("course", start.isoformat(), (start + HOUR).isoformat()), unit("hall")]
        return offer(*parts, components=[component("course", parts[0]), component("hall", parts[1])])

    of = bundle(TEN)
    one = desk(of, bundle(TEN + 5 * HOUR))
    one.offers = {"offer": of}
    ask(one, "b1", None, body={"hold": True})
    assert one.bookings[named("b1")].state is State.HELD
    later = bundle(TEN + 5 * HOUR)
    one.offers = {"offer": later}
    hall = later.components[1].resources[0]
    one.occupancy.take(
        "hall", hall.kind, (TEN + 5 * HOUR, TEN + 6 * HOUR, TEN + 5 * HOUR, TEN + 6 * HOUR, named("x"), False), 1
    )
    assert later.session is not None
    take_along(one, later.session.resources[0], NOW)
    assert one.bookings[named("b1")].state is State.EXPIRED
    assert one.freed == {"course", "hall"}


def series_with_a_gap(one: Desk) -> None:
    """Ann's desk on three days; on the second all were taken."""
    ask(one, "b0", TEN + DAY, who="bob", quantity=2)
    rule = SeriesRule(every=Every.DAY, interval=1, times=3, skip=True)
    body = {"series": rule, "series_id": named("s"), "occurrence_ids": (named("s1"), named("s2"))}
    decided = ask(one, "s0", TEN, body=body)
    assert isinstance(decided, SeriesDecided)
    assert [result.state for result in decided.series.results] == [State.CONFIRMED, None, State.CONFIRMED]
    decide(Request(Command.CANCEL, "offer", STAFF, Named(named("b0"))), one, NOW)


def test_add_to__a_skipped_date_is_added_once_only_and_within_its_offer() -> None:
    of = offer(pool("desks", 2), max_quantity=2)
    other = offer(pool("tables", 2))
    object.__setattr__(other, "offer_id", "other")
    one = desk(of, other)
    series_with_a_gap(one)
    body = {"add_to": SeriesRef(named("s"), 1)}
    assert said(ask(one, "a1", TEN + DAY, body=body, offer_id="other")) == ["gone"]
    assert said(ask(one, "a2", TEN + DAY, body=body)) == "Confirmed"
    assert said(ask(one, "a3", TEN + DAY, body=body)) == ["gone"]


def test_competing__a_full_span_is_not_free_and_who_is_in_it_may_move_within() -> None:
    of = offer(unit(), mode="request", approval={"blocks": False})
    one = desk(of)
    for n in range(20):
        assert said(ask(one, f"b{n}", TEN, who="ann" if n == 0 else f"p{n}")) == "ApprovalRequested"
    assert said(ask(one, "b20", TEN, who="bob")) == ["capacity_full"]
    found = free(of, wish(duration=HOUR), TEN - HOUR // 2, TEN + 2 * HOUR, one.occupancy, NOW)
    assert list(found.starts) == [TEN + HOUR]
    assert said(move(one, "b0", TEN + HOUR // 2)) == "Moved"
    assert said(ask(one, "b21", TEN, who="bob", duration=HOUR // 2)) == "ApprovalRequested"


def test_free__behind_what_the_asker_has_elsewhere_at_the_same_time() -> None:
    limit = {"key": "k", "per": "person", "unit": "bookings", "window": "same_time", "max": 1}
    of = offer(unit(), limits=[limit], hours=[{"weekday": 2, "from": "10:00", "to": "12:00"}])
    occupancy = empty(of)
    counted = Counted(named("x"), TEN - HOUR, TEN + 20 * MINUTE, 1, State.CONFIRMED)
    occupancy.count(named("ann"), "k", counted)
    found = free(of, wish(duration=HOUR, person_id=named("ann")), TEN, TEN + DAY, occupancy, NOW)
    assert list(found.starts) == [TEN + 20 * MINUTE]


def test_moved__of_is_told_with_where_it_was() -> None:
    one = desk(offer(unit()))
    ask(one, "b1", TEN)
    outcome = move(one, "b1", TEN + HOUR)
    assert isinstance(outcome, Moved)
    assert (outcome.old_start, outcome.old_end, outcome.booking.start) == (TEN, TEN + HOUR, TEN + HOUR)


ONE_FOR_THE_CLUB = {"key": "g", "per": "group", "group": "club", "unit": "bookings", "window": "active", "max": 1}


@pytest.mark.parametrize(
    ("booked_by", "moved_by", "expected"),
    [
        (citizen("ann", "board", "club"), citizen("ann", "board", "club"), "Moved"),
        (citizen("ann", "board", "club"), citizen("ann", "board"), "Moved"),
        (citizen("ann", "board", "club"), citizen("ann"), ["not_permitted"]),
        (citizen("ann", "board", "club"), STAFF, "Moved"),  # it counts under the club, and the offer is for the board
        (citizen("ann", "board"), citizen("ann", "board", "club"), "Moved"),  # it never counted under the club
    ],
)
def test_move_of_an_offer_for_some_groups__asks_for_the_owners_and_counts_as_before(
    booked_by: Actor, moved_by: Actor, expected: str | list[str]
) -> None:  # fmt: skip
    one = desk(offer(unit("a"), unit("b"), permitted_groups=["board"], limits=[ONE_FOR_THE_CLUB], grid_minutes=60))
    assert said(ask(one, "b1", TEN, actor=booked_by)) == "Confirmed"
    if "club" not in booked_by.groups:
        assert said(ask(one, "b2", TEN, who="bob", actor=citizen("bob", "board", "club"))) == "Confirmed"
    assert said(move(one, "b1", TEN + HOUR, actor=moved_by)) == expected


def test_rooms_of_a_session__moved_by_staff__not_permitted_and_stay() -> None:
    course = offer(session("course", occupies=["room"]), max_quantity=3)
    room = offer(unit("room")).components[0].resources[0]
    one = desk(course)
    assert course.session is not None
    rooms = Rooms(named("b1"), "offer", course.session.resources[0], (room,))
    one.unplaced.append(rooms)
    assert place_session(one, rooms, NOW)
    before = one.bookings[named("b1")]
    assert said(move(one, "b1", quantity=2, actor=STAFF)) == ["not_permitted"]
    assert one.bookings[named("b1")] == before
    assert one.occupancy.sessions["course"].used == 0
