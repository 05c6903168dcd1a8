"""What is done to many claims at once, said once more on `naive_life`: series, closures, a session that moves."""

from dataclasses import dataclass, field, replace

from tests.unit.booking.naive_life import Life, Said, claim_id
from tests.unit.booking.naive_rules import DAY, HOUSE, OVER, Ask

REBOOK = 14 * DAY
CANCELLABLE = {"held", "pending_approval", "offered", "confirmed", "waitlisted", "displaced"}


@dataclass(repr=False)
class Series:
    """Per occurrence its start and the claim that it led to."""

    offer: str
    who: str
    ask: Ask
    numbers: list[int | None]


@dataclass(repr=False)
class Naive(Life):
    """What a town hall with paper and patience would answer."""

    series: dict[int, Series] = field(default_factory=dict)

    def book_series(self, number: int, offer: str, who: str, ask: Ask, times: int, *, skip: bool) -> Said:
        """Daily at the same time; `number` and those that follow are the claims."""
        results: list[str] = []
        for n in range(times):
            shifted = replace(ask, start=ask.start + n * DAY, end=ask.end + n * DAY)
            said = self.request(number + n, offer, who, shifted, join=False, series=(number, n))
            results.append(said[1][0] if said[0] == "rejected" and isinstance(said[1], list) else str(said[0]))
        made = [number + n if number + n in self.claims else None for n in range(times)]
        if not skip and None in made:
            for one in made:
                if one is not None:
                    del self.claims[one]
            return "series", False, None
        self.series[number] = Series(offer, who, ask, made)
        return "series", True, results

    def add_to_series(self, number: int, first: int, n: int, who: str) -> Said:
        """A date that was skipped, later."""
        series = self.series[first]
        if who != series.who or series.numbers[n] is not None or any(c.series == (first, n) for c in self.claims.values()):
            return "rejected", ["gone"]
        ask = replace(series.ask, start=series.ask.start + n * DAY, end=series.ask.end + n * DAY)
        return self.request(number, series.offer, who, ask, join=False, series=(first, n))

    def cancel_series(self, first: int, from_n: int, who: str) -> Said:
        """From an occurrence on."""
        series = self.series[first]
        if who not in ("staff", series.who):
            return "refused", ["not_permitted"]
        for n, number in enumerate(series.numbers):
            claim = None if number is None else self.claims[number]
            if claim is None:
                claim = next((c for c in self.claims.values() if c.series == (first, n)), None)
            if claim is not None and n >= from_n and claim.state in CANCELLABLE:
                self.cancel(claim, who)
        return ("series",)

    def close(self, thing: str | None, offer: str | None, start: int, end: int) -> None:
        """A closure: of a thing in a span, or of an offer for good."""
        if thing is not None:
            self.things[thing].closed.append((start, end))
        freed: set[str] = set()
        for claim in sorted(self.claims.values(), key=lambda claim: (claim.start, claim_id(claim.number))):
            names = {piece.thing for piece in claim.pieces} or set(claim.waits_for)
            mine = claim.offer == offer if thing is None else (thing in names and (bool(claim.pieces) or names == {thing}))
            if claim.who == HOUSE and thing is None and claim.state == "confirmed":
                freed |= self.change(claim, "cancelled") if claim.offer == offer else set()
                continue
            if not mine or claim.end <= self.now or not (claim.start < end and claim.end > start):
                continue
            if claim.state in ("confirmed", "pending_approval"):
                freed |= self.change(claim, "displaced", due=self.now + REBOOK, competing=False)
            elif claim.state in ("held", "offered", "waitlisted"):
                freed |= self.change(claim, "expired")
        self.promote(freed)

    def furnish(self, number: int) -> set[str]:
        """The course wants its rooms anew, under that number; what it leaves."""
        freed: set[str] = set()
        for claim in list(self.claims.values()):
            if claim.who == HOUSE and claim.state not in OVER:
                freed |= self.change(claim, "cancelled")
        self.roomless = number if self.things["c1"].rooms else None
        self.take_rooms()
        return freed

    def move_session(self, name: str, start: int, number: int) -> None:
        """A session takes its bookings along, and looks for its rooms anew."""
        session = self.things[name]
        session.start, session.end = start, start + session.end - session.start
        freed = {name}
        for claim in sorted(self.claims.values(), key=lambda claim: (claim.start, claim_id(claim.number))):
            names = {piece.thing for piece in claim.pieces} or claim.waits_for
            goes = name in names and claim.state not in OVER | {"displaced"}
            if not goes or (claim.start, claim.end) == (session.start, session.end):
                continue
            pieces = tuple(replace(piece, low=session.start, high=session.end) for piece in claim.pieces)
            more = {"start": session.start, "end": session.end, "pieces": pieces, "free_to_cancel": True}
            freed |= self.change(claim, claim.state, **more)
            if claim.state in ("confirmed", "checked_in"):
                claim.due = self.due_of(claim) if claim.state == "confirmed" else claim.end
            elif claim.state == "waitlisted":
                claim.due = start - self.offers[claim.offer].ahead
            else:
                assert claim.due is not None
                claim.due = min(claim.due, start)
        self.promote(freed | self.furnish(number))
