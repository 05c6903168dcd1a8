"""The life of bookings said once more, on `naive_rules`: commands, time, the queue; one plain list of claims."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from uuid import UUID

from tests.unit.booking.naive_rules import (
    HOUSE,
    NEVER,
    OVER,
    PARTNER,
    STEP,
    TAKEN,
    Ask,
    Claim,
    Kept,
    Piece,
    Place,
    Terms,
    Town,
    counted_groups,
    groups_of,
    in_order,
)
from tests.unit.booking.rules import named

Said = tuple[object, ...]


def claim_id(number: int) -> UUID:
    """The booking's id, which settles ties in time."""
    return named(f"claim {number}")


@dataclass(repr=False)
class Life(Town):
    """One claim after the other."""

    ranks: int = 0
    roomless: int | None = None  # the claim that takes the rooms of the course, once they are free

    def request(
        self, number: int, offer: str, who: str, ask: Ask, *, hold: bool = False, join: bool = True,
        series: tuple[int, int] | None = None, hold_for: int = 10,
    ) -> Said:  # fmt: skip
        """A wish."""
        terms = self.offers[offer]
        answer = self.judge(terms, ask)
        holds = sum(claim.state == "held" for claim in self.claims.values() if claim.who == who)
        if who == PARTNER and not terms.shared:
            return "rejected", in_order([*(answer if isinstance(answer, list) else []), "not_permitted"])
        if hold and holds >= (20 if who == PARTNER else 3):
            limit = "partner_limit" if who == PARTNER else "person_limit"
            answer = in_order([*(answer if isinstance(answer, list) else []), limit])
        if isinstance(answer, Place):
            return self._grant(number, terms, who, ask, answer, hold=hold_for if hold else 0, series=series)
        join = join and who != PARTNER
        if join and not hold and not ask.overbook and series is None and terms.queue != "off" and set(answer) <= TAKEN:
            return self._join(number, terms, who, ask, answer)
        return "rejected", answer

    def _grant(
        self, number: int, terms: Terms, who: str, ask: Ask, place: Place, *, hold: int, series: tuple[int, int] | None
    ) -> Said:  # fmt: skip
        claim = Claim(
            number,
            terms.name,
            who,
            "confirmed",
            ask,
            place.start,
            place.end,
            ask.quantity,
            place.pieces,
            None,
            series=series,
            groups=counted_groups(terms, ask.groups),
        )
        self.claims[number] = claim
        if hold:
            claim.state, claim.due, claim.hold_until = "held", self.now + hold, self.now + hold
            return "held", claim.due
        if terms.approval:
            claim.state, claim.competing = "pending_approval", terms.approval == "competes"
            claim.due = min(self.now + terms.within, claim.start)
            return "pending_approval", self._competitors(claim)
        claim.due = self.due_of(claim)
        return "confirmed", claim.start - terms.cancel_ahead

    def _join(self, number: int, terms: Terms, who: str, ask: Ask, answer: list[str]) -> Said:
        session = next((t for r in terms.roles if (t := self.things[r.things[0]]).kind == "session"), None)
        start, end = (ask.start, ask.end) if session is None else (session.start, session.end)
        if self.now >= start - terms.ahead:
            return "rejected", answer
        names = {
            name for role in terms.roles if not role.optional or role.name in ask.options
            for name in role.things if ask.choice.get(role.name, name) == name
        }  # fmt: skip
        before = [
            claim for claim in self.claims.values()
            if claim.state == "waitlisted" and claim.offer == terms.name and claim.waits_for & names
            and claim.start < end and claim.end > start
        ]  # fmt: skip
        if any((claim.who, claim.start, claim.end) == (who, start, end) for claim in before):
            return "rejected", in_order([*answer, "person_limit"])
        if len(before) >= terms.entries:
            return "rejected", in_order([*answer, "waitlist_full"])
        self.ranks += 1
        self.claims[number] = Claim(
            number, terms.name, who, "waitlisted", ask, start, end, ask.quantity, (), start - terms.ahead,
            rank=self.ranks, waits_for=frozenset(names),
            groups=counted_groups(terms, ask.groups),
        )  # fmt: skip
        return "waitlisted", len(before) + 1

    def _competitors(self, claim: Claim) -> int:
        return len(self.competing_with(claim.pieces, claim.number)) if claim.competing else 0

    def due_of(self, claim: Claim) -> int:
        """When time alone ends a confirmed claim."""
        terms = self.offers[claim.offer]
        if claim.who == HOUSE or not terms.required or terms.release is None:
            return claim.end
        return min(claim.end, claim.start + terms.release)

    def change(self, claim: Claim, state: str, **more: object) -> set[str]:
        """The next version; what it lets go of."""
        blocked, pieces, span = claim.blocking, claim.pieces, (claim.start, claim.end)
        let_by = set(claim.waits_for) if claim.state == "waitlisted" and state in OVER else set()
        for name, value in more.items():
            setattr(claim, name, value)
        claim.state, claim.version = state, claim.version + 1
        if state != "pending_approval":
            claim.competing = False
        if state in OVER:
            claim.due, claim.waits_for = None, frozenset()
        stays = claim.blocking and (claim.pieces, claim.start, claim.end) == (pieces, *span)
        return {piece.thing for piece in pieces} if blocked and not stays else let_by

    def promote(self, freed: Iterable[str]) -> None:
        """The course that lacks its rooms is first; then whoever waits for one of these is looked at, by rank."""
        names, stopped = set(freed), set[str]()
        if names & set(self.things["c1"].rooms):
            self.take_rooms()
        for claim in sorted((c for c in self.claims.values() if c.state == "waitlisted"), key=lambda claim: claim.rank):
            terms = self.offers[claim.offer]
            assert claim.due is not None
            if not claim.waits_for & names or claim.waits_for & stopped:
                continue
            if self.now >= claim.due or terms.status != "published":
                continue
            place = self.judge(terms, claim.ask, settled=True, queued=True)
            if isinstance(place, Place):
                until = min(self.now + terms.offer_lasts, claim.due)
                self.change(
                    claim, "offered", pieces=place.pieces, due=until, offer_until=until, waits_for=frozenset()
                )  # fmt: skip
            elif terms.queue == "strict" and set(place) <= TAKEN:
                stopped |= {name for name in claim.waits_for if self.things[name].kind == "session"}

    def take_rooms(self) -> None:
        """The course moves into its rooms, into all or none, if nobody is in the way."""
        course = self.things["c1"]
        if self.roomless is None or course.end <= self.now or self.offers["course"].status == "cancelled":
            return
        pieces = tuple(
            Piece("rooms", room.name, course.start - room.before, course.end + room.after, 1)
            for room in (self.things[name] for name in course.rooms)
        )
        if any(
            a.thing == b.thing and a.low < b.high and a.high > b.low
            for claim in self.claims.values() if claim.blocking for a in claim.pieces for b in pieces
        ):  # fmt: skip
            return
        ask = Ask(course.start, course.end, 1, None)
        self.claims[self.roomless] = Claim(
            self.roomless, "course", HOUSE, "confirmed", ask, course.start, course.end, 1, pieces, course.end
        )
        self.roomless = None

    def lapse(self) -> None:
        """Everything ends whose time is past, oldest first."""
        late = [c for c in self.claims.values() if c.due is not None and c.due <= self.now]
        for claim in sorted(late, key=lambda claim: (claim.due, claim_id(claim.number))):
            terms = self.offers[claim.offer]
            if claim.state == "confirmed":
                state = "no_show" if terms.required and claim.who != HOUSE else "completed"
            else:
                state = {"checked_in": "completed", "displaced": "cancelled"}.get(claim.state, "expired")
            self.promote(self.change(claim, state))

    def about(self, command: str, number: int, who: str, act: Callable[[Claim], Said], expected: set[str]) -> Said:
        """A command about a claim: who may, then where it stands."""
        claim = self.claims.get(number)
        if claim is None:
            return "refused", ["gone"]
        theirs = who == claim.who and who != HOUSE
        if (who != "staff" and not theirs) or (command in ("approve", "decline") and who != "staff"):
            return "refused", ["not_permitted"]
        if claim.who == HOUSE and command != "cancel":
            return "refused", ["not_permitted"]
        target = {"cancel": "cancelled", "decline": "declined", "check_out": "completed"}.get(command)
        if claim.state == target:
            return "unchanged", claim.state
        if claim.state in OVER:
            return "refused", [self._too_late(command, claim)]
        return act(claim) if claim.state in expected else ("unchanged", claim.state)

    def _too_late(self, command: str, claim: Claim) -> str:
        for name, until in (("confirm", claim.hold_until), ("accept", claim.offer_until)):
            if command == name and claim.state == "expired" and until is not None and self.now >= until:
                return "hold_expired" if name == "confirm" else "offer_expired"
        late = claim.state == "no_show" and command in ("cancel", "check_in", "check_out")
        return "deadline_passed" if late else "gone"

    def cancel(self, claim: Claim, who: str, *, gave_up: bool = False) -> Said:
        """Give it up; a partner hub that says so is never late."""
        terms, owner = self.offers[claim.offer], who != "staff"
        late = claim.state == "confirmed" and self.now >= claim.start - (0 if claim.free_to_cancel else terms.cancel_ahead)
        over = self.now >= claim.end or (owner and self.now >= claim.start)
        if (late and not terms.cancel_late and owner and not gave_up) or (over and claim.state != "displaced"):
            return "refused", ["deadline_passed"]
        freed, pieces, before = claim.blocking and bool(claim.pieces), claim.pieces, claim.state
        citizen = owner and who != PARTNER
        until = self.now + terms.resale if freed and citizen and terms.resale else None
        given = self.change(claim, "cancelled")
        if until is not None:
            self._keep(claim, claim.start, claim.end, pieces, (), until)
        self.promote(given)
        return "cancelled", before, late, freed, until

    def _keep(
        self, claim: Claim, start: int, end: int, old: tuple[Piece, ...], new: tuple[Piece, ...], until: int
    ) -> None:  # fmt: skip
        """What was given up, minute by minute, is not for newcomers until then."""
        for piece in old:
            still = next((p for p in new if (p.role, p.thing) == (piece.role, piece.thing)), None)
            if self.things[piece.thing].kind in ("unit", "adviser") and still is not None:
                if (still.low, still.high) == (piece.low, piece.high):
                    continue
                still = None
            at = {
                moment: piece.quantity - (still.quantity if still and still.low <= moment < still.high else 0)
                for moment in range(piece.low, piece.high, STEP)
            }
            at = {moment: quantity for moment, quantity in at.items() if quantity > 0}
            if at:
                self.kept.append(Kept(claim.number, piece.thing, start, end, piece.low, piece.high, at, until))

    def confirm(self, claim: Claim) -> Said:
        """A hold, or what the queue offered, becomes a booking or a request for approval."""
        terms, before = self.offers[claim.offer], claim.state
        claim.hold_until = claim.offer_until = None
        if terms.approval:
            until = min(self.now + terms.within, claim.start)
            self.promote(self.change(claim, "pending_approval", due=until, competing=terms.approval == "competes"))
            return "pending_approval", self._competitors(claim)
        self.change(claim, "confirmed", due=self.due_of(claim))
        return "confirmed", claim.start - terms.cancel_ahead, before

    def decide(self, claim: Claim, *, approve: bool) -> Said:
        """Staff approve or decline."""
        terms = self.offers[claim.offer]
        if not approve:
            self.promote(self.change(claim, "declined"))
            return "declined", None
        pieces = claim.pieces
        if claim.competing:
            ask = replace(claim.ask, start=claim.start, end=claim.end, who=None, groups=None)
            place = self.judge(terms, ask, settled=True)
            if isinstance(place, list):
                self.change(claim, "declined")
                return "declined", "conflict" if place[0] in TAKEN else place[0]
            pieces = place.pieces
        self.change(claim, "confirmed", pieces=pieces, due=self.due_of(claim))
        return "confirmed", claim.start - terms.cancel_ahead, "pending_approval"

    def check_in(self, claim: Claim) -> Said:
        """The claimant came."""
        terms = self.offers[claim.offer]
        closes = claim.end if terms.release is None else min(claim.end, claim.start + terms.release)
        if not claim.start - 15 <= self.now < closes:
            return "refused", ["too_soon" if self.now < closes else "deadline_passed"]
        self.change(claim, "checked_in", due=claim.end)
        return "checked_in", self.now

    def check_out(self, claim: Claim) -> Said:
        """The claimant left."""
        self.promote(self.change(claim, "completed"))
        return "completed", self.now

    def move(self, claim: Claim, who: str, start: int | None, end: int | None, quantity: int | None) -> Said:
        """Elsewhere, longer, with fewer or more: the new claim passes without the old one, or the old one stays."""
        terms, owner = self.offers[claim.offer], who != "staff"
        session = any(self.things[role.things[0]].kind == "session" for role in terms.roles)
        if claim.state == "checked_in" and (start not in (None, claim.start) or quantity not in (None, claim.quantity)):
            return "refused", ["invalid_request"]
        if claim.state != "checked_in" and session and (start is not None or end is not None):
            return "refused", ["invalid_request"]
        found = []
        if owner and claim.state in ("confirmed", "pending_approval"):
            late = self.now >= claim.start - terms.cancel_ahead and not terms.cancel_late and not claim.free_to_cancel
            found += ["deadline_passed"] if late or self.now >= claim.start else []
        if owner and terms.approval and claim.state in ("confirmed", "displaced"):
            found.append("approval_required")
        ask = self._ask_of_move(terms, claim, who, start, end, quantity)
        stays = start in (None, claim.start) and end in (None, claim.end) and claim.state != "displaced"
        if stays and quantity is not None and quantity <= claim.quantity:
            pieces = tuple(replace(p, quantity=quantity) if p.quantity == claim.quantity else p for p in claim.pieces)
            place: Place | list[str] = Place(claim.start, claim.end, pieces)
        else:
            place = self.judge(terms, ask, settled=claim.state == "checked_in", but=claim.number)
        if isinstance(place, list):
            return "refused", in_order([*found, *place])
        if claim.state == "checked_in" and place.end <= self.now:
            found.append("too_soon")
        if found:
            return "refused", in_order(found)
        return self._put(claim, who, ask, place)

    def _put(self, claim: Claim, who: str, ask: Ask, place: Place) -> Said:
        """Into effect."""
        terms, before = self.offers[claim.offer], claim.state
        old = (claim.start, claim.end, claim.pieces)
        if (place.start, place.end, place.pieces) == old and ask.quantity == claim.quantity and before != "displaced":
            return "unchanged", before
        blocked, due = claim.blocking, claim.due
        fields = {"start": place.start, "end": place.end, "pieces": place.pieces, "quantity": ask.quantity, "ask": ask}
        if before == "displaced":
            fields["free_to_cancel"] = False
        freed = self.change(claim, "confirmed" if before == "displaced" else before, **fields)
        if claim.state == "confirmed":
            claim.due = self.due_of(claim)
        else:
            claim.due = claim.end if claim.state == "checked_in" else min(due if due is not None else NEVER, claim.start)
        if blocked and freed and who not in ("staff", PARTNER) and terms.resale:
            self._keep(claim, old[0], old[1], old[2], place.pieces, self.now + terms.resale)
        self.promote(freed)
        return "moved", before

    def _ask_of_move(
        self, terms: Terms, claim: Claim, who: str, start: int | None, end: int | None, quantity: int | None
    ) -> Ask:  # fmt: skip
        roles = {role.name: role for role in terms.roles}
        choice = {
            piece.role: piece.thing
            for piece in claim.pieces
            if self.things[piece.thing].kind == "session"
            or (start is None and end is None)
            or len(roles[piece.role].things) == 1
        }
        begin = claim.start if start is None else start
        if end is None:
            end = claim.end if start is None else begin + claim.end - claim.start
        options = frozenset(piece.role for piece in claim.pieces if roles[piece.role].optional)
        admitted = who == "staff" or terms.permitted in groups_of(who)
        return Ask(
            begin, end, quantity or claim.quantity, claim.ask.who, options, choice, claim.ask.needs, groups=claim.groups,
            admitted=admitted,
        )  # fmt: skip
