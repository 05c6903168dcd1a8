"""Any run of commands, clock steps and changes of the catalogue: what booking answers and what the naive town answers."""

import copy
from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.booking.domain.claims import Placement, Wish
from services.booking.domain.closures import Closure
from services.booking.domain.codes import Every
from services.booking.domain.requests import Asked, Command, Move, Named, Rejected, Request, SeriesRef, SeriesRule
from tests.unit.booking.naive_house import CANCELLABLE, Naive
from tests.unit.booking.naive_life import claim_id
from tests.unit.booking.naive_rules import BEFORE_MIDNIGHT, DAY, NEVER, PARTNER, STEP, Ask, Claim, Place, day_of, groups_of
from tests.unit.booking.ours import Ours, actor_of, claimant_of, instant, minute, offers_of, wish_of
from tests.unit.booking.rules import MINUTE, named, person
from tests.unit.booking.told import of_booking, of_claim, of_outcome
from tests.unit.booking.towns import PEOPLE, lengths, mine, offers, people, people_or_staff, picks, starts, towns

heard = Counter[str]()  # what was answered, so that a long run can show that it was one


class Booking(RuleBasedStateMachine):
    """One town, its naive twin, and a clock in steps of five minutes."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    @initialize(town=towns())
    def open(self, town: Naive) -> None:
        self.town = copy.deepcopy(town)
        self.ours = Ours(offers_of(self.town))
        self._furnish()

    def _furnish(self) -> None:
        """The course comes, and takes its rooms."""
        number = self._numbers(1)
        self.town.furnish(number)
        self._catalogue(offers_of(self.town), furnish=claim_id(number))

    # wishes

    @rule(
        offer=offers, who=people, staff=st.sampled_from((False, False, True)), start=starts, length=lengths,
        quantity=st.sampled_from((1, 1, 2, 3)), hold=st.sampled_from((False, False, True)), join=st.sampled_from((True, False)),
        option=st.booleans(), named_unit=st.sampled_from((None, None, "a", "b")), needs=st.sampled_from((False, False, True)),
        overbook=st.sampled_from((False, False, False, True)),
    )  # fmt: skip
    def wish(self, **how: Any) -> None:
        """Anything at all."""
        self._wish(**how | {"start": self._soon(how["start"])})

    def _soon(self, offset: int) -> int:
        return (self.town.now // 60 + 1) * 60 + offset

    def _wish(
        self, offer: str, who: str, staff: bool, start: int, length: int, *, quantity: int = 1, hold: bool = False,
        join: bool = True, option: bool = False, named_unit: str | None = None, needs: bool = False, overbook: bool = False,
        hold_for: int | None = None,
    ) -> None:  # fmt: skip
        ask = Ask(
            start, start + length, quantity, None if who == PARTNER else who,
            frozenset({"beamer"}) if option and offer == "hall" else frozenset(),
            {"main": named_unit} if named_unit and offer == "room" else {},
            frozenset({"step_free"}) if needs and offer == "room" else frozenset(),
            staff and overbook,
            frozenset() if staff else groups_of(who),
        )  # fmt: skip
        number = self._numbers(1)
        wish = wish_of(offer, ask)
        asked = Asked(claim_id(number), claimant_of(who, number), wish, hold=hold, join=join)
        asked = asked._replace(hold_for=None if hold_for is None else hold_for * MINUTE)
        asked = asked._replace(overbook_reason="crowd" if ask.overbook else None)
        before = self.ours.look(offer, wish)
        outcome = self.ours.decide(Request(Command.REQUEST, offer, actor_of("staff" if staff else who), asked))
        if isinstance(outcome, Rejected) and not isinstance(before, Placement):  # what `check` says is what is refused
            added = {"person_limit", "waitlist_full"}
            assert {w.code.value for w in before.items} <= {w.code.value for w in outcome.reasons.items}
            added |= {"partner_limit", "not_permitted"} if who == PARTNER else set()
            assert {w.code.value for w in outcome.reasons.items} - added <= {w.code.value for w in before.items}
        if isinstance(outcome, Rejected) and outcome.next_start is not None:
            later = minute(outcome.next_start)
            assert later > start
            judged = self.town.judge(self.town.offers[offer], Ask(
                later, later + length, quantity, ask.who, ask.options, ask.choice, ask.needs, ask.overbook, ask.groups,
            ))  # fmt: skip
            assert isinstance(judged, Place), judged
        said = self.town.request(number, offer, who, ask, hold=hold, join=join, hold_for=min(hold_for or 10, 30))
        self._same(of_outcome(outcome), said)

    @rule(offer=offers, who=people, slot=st.integers(0, 4), hold=st.sampled_from((False, False, False, True)))
    def plain_wish(self, offer: str, who: str, slot: int, hold: bool) -> None:
        """What people mostly ask for: an hour that begins soon."""
        self._wish(offer, who, False, self._soon(slot * 60), 60, hold=hold)

    @rule(
        offer=st.sampled_from(("room", "desk", "desk", "course", "hall")), slot=st.integers(0, 4),
        times=st.sampled_from((1, 1, 1, 2, 7, 21)), hold=st.sampled_from((True, True, True, False)),
        hold_for=st.sampled_from((None, 30, 30, 60)),
    )  # fmt: skip
    def partner(self, offer: str, slot: int, times: int, hold: bool, hold_for: int | None) -> None:
        """A partner hub asks for its guests."""
        for n in range(times):
            start = self._soon((slot + n) * 60)
            self._wish(offer, PARTNER, False, start, 60, hold=hold, hold_for=hold_for)

    @precondition(lambda self: any(claim.who == PARTNER for claim in self.town.claims.values()))
    @rule(pick=picks, gave_up=st.booleans())
    def partner_gives_up(self, pick: int, gave_up: bool) -> None:
        theirs = [claim for claim in self.town.claims.values() if claim.who == PARTNER]
        claim = theirs[pick % len(theirs)]
        outcome = self.ours.command(Command.CANCEL, PARTNER, Named(claim_id(claim.number), gave_up=gave_up))
        said = self.town.about(
            "cancel", claim.number, PARTNER, lambda one: self.town.cancel(one, PARTNER, gave_up=gave_up), CANCELLABLE
        )  # fmt: skip
        self._same(of_outcome(outcome), said)

    @rule(
        offer=st.sampled_from(("course", "course", "hall", "desk", "room")),
        first=st.integers(0, 5),
        n=st.integers(2, 6),
        slot=st.integers(0, 2),
    )
    def crowd(self, offer: str, first: int, n: int, slot: int) -> None:
        """Several want the same at once."""
        for turn, who in enumerate((*PEOPLE, *PEOPLE)[first:][:n], start=first):
            self._wish(offer, who, False, self._soon(slot * 60), 60, quantity=1 + turn % 3 // 2)

    @precondition(lambda self: len(self.town.series) < 2)
    @rule(offer=st.sampled_from(("room", "desk", "advice")), who=people, start=starts, length=lengths,
          times=st.integers(2, 4), skip=st.booleans())  # fmt: skip
    def book_series(self, offer: str, who: str, start: int, length: int, times: int, skip: bool) -> None:
        ask = Ask(self._soon(start), self._soon(start) + length, 1, who, groups=groups_of(who))
        number = self._numbers(times)
        asked = Asked(
            claim_id(number), person(who), wish_of(offer, ask), series=SeriesRule(Every.DAY, 1, times, skip),
            series_id=named(f"series {number}"), occurrence_ids=tuple(claim_id(number + n) for n in range(1, times)),
        )  # fmt: skip
        outcome = self.ours.decide(Request(Command.REQUEST, offer, actor_of(who), asked))
        self._same(of_outcome(outcome), self.town.book_series(number, offer, who, ask, times, skip=skip))

    @precondition(lambda self: any(None in series.numbers for series in self.town.series.values()))
    @rule(pick=picks, n=st.integers(0, 3), who=people)
    def add_to_series(self, pick: int, n: int, who: str) -> None:
        first = self._series(pick)
        series = self.town.series[first]
        n = min(n, len(series.numbers) - 1)
        number = self._numbers(1)
        ask = Ask(series.ask.start + n * DAY, series.ask.end + n * DAY, 1, who, groups=groups_of(who))
        add_to = SeriesRef(named(f"series {first}"), n)
        asked = Asked(claim_id(number), person(who), wish_of(series.offer, ask), add_to=add_to)
        outcome = self.ours.decide(Request(Command.REQUEST, series.offer, actor_of(who), asked))
        self._same(of_outcome(outcome), self.town.add_to_series(number, first, n, who))

    @precondition(lambda self: self.town.series and self.count % 3 == 0)
    @rule(pick=picks, from_n=st.integers(0, 3), who=people_or_staff)
    def cancel_series(self, pick: int, from_n: int, who: str) -> None:
        first = self._series(pick)
        outcome = self.ours.command(Command.CANCEL, who, Named(None, series_id=named(f"series {first}"), from_n=from_n))
        said = of_outcome(outcome)
        self._same(said[:1] if said[0] == "series" else said, self.town.cancel_series(first, from_n, who))

    # commands about a claim

    @precondition(lambda self: self.town.claims)
    @rule(pick=picks, who=people_or_staff, mine=mine)
    def cancel(self, pick: int, who: str, mine: bool) -> None:
        self._about("cancel", Command.CANCEL, pick, who, mine, self.town.cancel, named_more={}, with_who=True)

    @precondition(lambda self: self._any("confirmed"))
    @rule(pick=picks)
    def give_back(self, pick: int) -> None:
        """The owner cancels what they have."""
        self._about("cancel", Command.CANCEL, pick, "", True, self.town.cancel, prefer="confirmed", with_who=True)

    @precondition(lambda self: self._any("held"))
    @rule(pick=picks, who=people_or_staff, mine=mine)
    def confirm(self, pick: int, who: str, mine: bool) -> None:
        self._about("confirm", Command.CONFIRM, pick, who, mine, self.town.confirm, prefer="held")

    @precondition(lambda self: self._any("offered"))
    @rule(pick=picks, who=people_or_staff, mine=mine)
    def accept(self, pick: int, who: str, mine: bool) -> None:
        self._about("accept", Command.ACCEPT, pick, who, mine, self.town.confirm, prefer="offered")

    @precondition(lambda self: self._any("pending_approval"))
    @rule(pick=picks, who=st.sampled_from(("staff", "staff", "ann")), approve=st.booleans())
    def decide(self, pick: int, who: str, approve: bool) -> None:
        name = "approve" if approve else "decline"
        self._about(
            name, Command.DECIDE, pick, who, False, lambda claim: self.town.decide(claim, approve=approve),
            prefer="pending_approval", named_more={"approve": approve},
        )  # fmt: skip

    @precondition(lambda self: self._any("confirmed"))
    @rule(pick=picks, who=people_or_staff, mine=mine)
    def check_in(self, pick: int, who: str, mine: bool) -> None:
        self._about(
            "check_in", Command.CHECK_IN, pick, who, mine, self.town.check_in, prefer="confirmed", named_more={"coming": True}
        )

    @precondition(lambda self: self._any("checked_in"))
    @rule(pick=picks, who=people_or_staff, mine=mine)
    def check_out(self, pick: int, who: str, mine: bool) -> None:
        self._about("check_out", Command.CHECK_IN, pick, who, mine, self.town.check_out, prefer="checked_in")

    @precondition(lambda self: self._any("confirmed", "displaced"))
    @rule(pick=picks, by=st.sampled_from((-30, 15, 30, 60)), state=st.sampled_from(("confirmed", "displaced")))
    def shift(self, pick: int, by: int, state: str) -> None:
        """The owner moves what they have a little."""
        claim = self._claim(pick, state)
        start = claim.start + by if claim.offer != "course" else None
        quantity = None if start is not None else 1
        place = Move(None if start is None else instant(start), None, None, quantity, None)
        self._about(
            "move", Command.RESCHEDULE, pick, "", True, lambda one: self.town.move(one, one.who, start, None, quantity),
            prefer=state, named_more={"move": place},
        )  # fmt: skip

    @precondition(lambda self: self._any("confirmed", "pending_approval", "displaced", "checked_in"))
    @rule(pick=picks, who=people_or_staff, mine=mine, by=st.sampled_from((None, None, 0, -60, -30, 15, 30, 60, DAY)),
          longer=st.sampled_from((None, None, 0, -30, 30, 60)), quantity=st.sampled_from((None, None, 1, 2)))  # fmt: skip
    def move(self, pick: int, who: str, mine: bool, by: int | None, longer: int | None, quantity: int | None) -> None:
        claim = self._claim(pick, None)
        start = None if by is None else claim.start + by
        end = None if longer is None else claim.end + (by or 0) + longer
        if start is not None and end is not None and end <= start:
            return  # the contract refuses it
        place = Move(None if start is None else instant(start), None if end is None else instant(end), None, quantity, None)
        actor = claim.who if mine else who
        self._about(
            "move", Command.RESCHEDULE, pick, who, mine, lambda one: self.town.move(one, actor, start, end, quantity),
            named_more={"move": place},
        )  # fmt: skip

    # time and the catalogue

    @rule(minutes=st.sampled_from((0, 0, 5, 10, 10, 15, 15, 30, 60, DAY // 2)))
    def pass_time(self, minutes: int) -> None:
        self.town.now += minutes
        self.town.lapse()
        self.ours.poll(self.town.now)

    @precondition(lambda self: self.town.claims)
    @rule(pick=picks, edge=st.sampled_from(("start", "start", "end", "due")), by=st.sampled_from((-40, -15, -5, 0, 0, 5, 15)))
    def wait_for(self, pick: int, edge: str, by: int) -> None:
        """Time passes until something begins, ends or runs out."""
        until = getattr(self._claim(pick, "confirmed"), edge)
        if until is not None and 0 < until + by - self.town.now < 2 * DAY:
            self.pass_time(until + by - self.town.now)

    def next_poll(self) -> None:
        self.town.lapse()  # what lasts until this very instant
        self.ours.poll(self.town.now)

    @rule(name=st.sampled_from(("a", "b", "desks", "hall", "x", "c1")), start=starts, length=lengths)
    def close(self, name: str, start: int, length: int) -> None:
        start = self._soon(start)
        self.town.close(name, None, start, start + length)
        closure = Closure(None, name, "water", instant(start), instant(start + length))
        self._catalogue(offers_of(self.town), [closure])

    @rule(name=st.sampled_from(("a", "b", "desks", "hall", "x", "c1")))
    def reopen(self, name: str) -> None:
        if self.town.things[name].closed:
            self.town.things[name].closed.pop()
            self.town.promote({name})
            self._catalogue(offers_of(self.town), freed={name})

    @rule(
        kind=st.sampled_from(("capacity", "capacity", "session", "status", "off")), name=st.sampled_from(("desks", "c1")),
        capacity=st.integers(0, 4), start=starts, offer=offers, status=st.sampled_from(("published", "suspended")),
        rare=st.integers(0, 4),
    )  # fmt: skip
    def change_catalogue(self, kind: str, name: str, capacity: int, start: int, offer: str, status: str, rare: int) -> None:
        """Other capacity, another time of the course, an offer suspended or back again, or (rarely) called off for good."""
        if kind == "capacity":
            self._change_capacity(name, capacity)
        elif kind == "session":
            self._move_session(self._soon(abs(start) % 240))
        elif kind == "status":
            self._publish(offer, status)
        elif not rare:
            self._call_off(offer)

    def _change_capacity(self, name: str, capacity: int) -> None:
        thing = self.town.things[name]
        freed = {name} if capacity > (thing.capacity or 0) else set[str]()
        thing.capacity = capacity
        self.town.promote(freed)
        self._catalogue(offers_of(self.town), freed=freed)

    def _move_session(self, start: int) -> None:
        if start == self.town.things["c1"].start:
            return
        number = self._numbers(1)
        self.town.move_session("c1", start, number)
        made = offers_of(self.town)
        session = made["course"].session
        assert session is not None
        self._catalogue(made, moved=session.resources[0], freed={"c1"}, furnish=claim_id(number))

    def _publish(self, offer: str, status: str) -> None:
        terms = self.town.offers[offer]
        back = status == "published" and terms.status != "published"
        terms.status = status
        freed = {name for role in terms.roles for name in role.things} if back else set[str]()
        self.town.promote(freed)
        self._catalogue(offers_of(self.town), freed=freed)

    def _call_off(self, offer: str) -> None:
        self.town.offers[offer].status = "cancelled"
        self.town.close(None, offer, -NEVER, NEVER)
        closure = Closure(offer, None, "offer_cancelled", instant(-200 * DAY), instant(200 * DAY))
        self._catalogue(offers_of(self.town), [closure])

    # what is free

    @rule(offer=offers, who=people, length=lengths, quantity=st.integers(1, 2), ahead=st.integers(0, 4), known=st.booleans())
    def look_at_a_day(self, offer: str, who: str, length: int, quantity: int, ahead: int, known: bool) -> None:
        """A day says free if and only if one of its starts can be booked, and says which is the first."""
        low = (day_of(self.town.now) + ahead) * DAY - BEFORE_MIDNIGHT
        terms, course, groups = self.town.offers[offer], offer == "course", groups_of(who) if known else None
        wish = Wish(
            None, None, None if course else length * MINUTE, quantity, groups=groups, person_id=named(who), undecided=True
        )
        found = self.ours.free(offer, wish, low, low + DAY)
        starts_found = [minute(s) for s in (*found.starts, *(s.start for s in found.sessions if s.bookable))]
        session = self.town.things["c1"].start
        moments = range(low, low + DAY, STEP) if not course else [session] if low <= session < low + DAY else []
        good = (
            at
            for at in moments
            if isinstance(self.town.judge(terms, Ask(at, at + length, quantity, who, groups=groups)), Place)
        )
        assert next(good, None) == min(starts_found, default=None)

    # what is the same after each step

    @invariant()
    def same_claims(self) -> None:
        if not hasattr(self, "town"):
            return
        bookings = {number: self.ours.desk.bookings.get(claim_id(number)) for number in range(self.count)}
        ours = {number: of_booking(booking) for number, booking in bookings.items() if booking is not None}
        assert ours == {number: of_claim(claim) for number, claim in self.town.claims.items()}

    def teardown(self) -> None:
        if hasattr(self, "town"):
            self.next_poll()  # laid out anew, it is the same
            self.same_claims()

    def _catalogue(self, *changes: Any, **more: Any) -> None:
        self.ours.catalogue(*changes, **more)
        self.town.lapse()

    def _numbers(self, many: int) -> int:
        self.count += many
        return self.count - many

    def _any(self, *states: str) -> bool:
        return any(claim.state in states for claim in self.town.claims.values())

    def _series(self, pick: int) -> int:
        return list(self.town.series)[pick % len(self.town.series)]

    def _claim(self, pick: int, prefer: str | None) -> Claim:
        claims = list(self.town.claims.values())
        preferred = [claim for claim in claims if claim.state == prefer]
        chosen = preferred if preferred and pick % 4 else claims
        return chosen[-1 - pick % len(chosen)]

    def _about(
        self, name: str, command: Command, pick: int, who: str, mine: bool, act: Callable[..., Any], *,
        prefer: str | None = None, named_more: dict[str, Any] | None = None, with_who: bool = False,
    ) -> None:  # fmt: skip
        claim = self._claim(pick, prefer)
        actor = claim.who if mine else who
        outcome = self.ours.command(command, actor, Named(claim_id(claim.number), **(named_more or {})))
        expected = {
            "cancel": {"held", "pending_approval", "offered", "confirmed", "waitlisted", "displaced"},
            "confirm": {"held"}, "accept": {"offered"}, "approve": {"pending_approval"}, "decline": {"pending_approval"},
            "check_in": {"confirmed"}, "check_out": {"checked_in"},
            "move": {"confirmed", "pending_approval", "checked_in", "displaced"},
        }[name]  # fmt: skip
        said = self.town.about(name, claim.number, actor, (lambda c: act(c, actor)) if with_who else act, expected)
        self._same(of_outcome(outcome), said)

    @staticmethod
    def _same(ours: tuple[object, ...], naive: tuple[object, ...]) -> None:
        why = ours[1] if len(ours) > 1 and isinstance(ours[1], list) else ()
        heard[" ".join(map(str, (ours[0], *why[:1])))] += 1
        assert ours == naive
