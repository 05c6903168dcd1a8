"""The rules of booking said once more, as plainly as possible: whole minutes, plain lists, counted at every step of time.

Minute 0 is `rules.NOW`, a Monday at 10:00; nothing here knows of instants, zones, indexes or profiles.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

STEP = 5  # minutes: every time in the model is a multiple
DAY = 1440
BEFORE_MIDNIGHT = 600  # minute 0 is 10:00: a local day ends at 840, it began at -600
OPEN, CLOSE = -120, 600  # 8:00 to 20:00
NEVER = 10**9
HOUSE = "house"  # whose claim on the rooms of a session it is
PARTNER = "west"  # a partner hub; it is its guests' claimant, and has no groups and no limits but its own
COMPETING_MOST = 20

ORDER = [
    "invalid_request", "not_bookable", "not_permitted", "hold_expired", "offer_expired", "deadline_passed", "gone",
    "too_short", "too_long", "off_grid", "too_soon", "too_far_ahead", "blackout", "outside_opening_hours", "needs_unmet",
    "person_limit", "group_quota", "partner_limit", "conflict", "buffer", "capacity_full", "waitlist_full", "approval_required",
]  # fmt: skip
TAKEN = {"conflict", "buffer", "capacity_full"}
BLOCKING = {"held", "pending_approval", "offered", "confirmed", "checked_in"}
OVER = {"completed", "no_show", "cancelled", "declined", "expired"}
LIMITS = {"k": ("bookings", "active", 3), "m": ("minutes", "day", 240), "t": ("bookings", "same_time", 1)}
QUOTAS = {
    "g": ("club", "bookings", "active", 2), "h": ("club", "places", "day", 3), "i": ("board", "minutes", "same_time", 90),
}  # fmt: skip
GROUPS = {"ann": frozenset({"club"}), "bob": frozenset({"club", "board"}), "cem": frozenset({"board"})}


@dataclass
class Thing:
    """A resource; `before`, `after` are its buffers, `start`, `end` those of a session."""

    name: str
    kind: str
    capacity: int | None = None
    before: int = 0
    after: int = 0
    features: frozenset[str] = frozenset()
    closed: list[tuple[int, int]] = field(default_factory=list)
    start: int = 0
    end: int = 0
    rooms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Role:
    """A component."""

    name: str
    things: tuple[str, ...]
    optional: bool = False


@dataclass
class Terms:
    """An offer. `approval` is None, `blocks` or `competes`; `release` None: not freed early."""

    name: str
    roles: tuple[Role, ...]
    hours: bool = False
    grid: int | None = None
    lead: int = 0
    horizon: int = 3
    shortest: int = 5
    longest: int = 240
    lengths: tuple[int, ...] | None = None
    most: int = 1
    limits: tuple[str, ...] = ()
    quotas: tuple[str, ...] = ()
    permitted: str | None = None
    shared: bool = False
    resale: int = 0
    queue: str = "off"
    offer_lasts: int = 60
    ahead: int = 30
    entries: int = 3
    approval: str | None = None
    within: int = 300
    cancel_ahead: int = 0
    cancel_late: bool = True
    required: bool = False
    release: int | None = 15
    status: str = "published"


@dataclass(frozen=True)
class Ask:
    """A wish; of a session without times. `who` None: nobody's limits. `groups` of who asks, None: they are not looked at.

    `admitted`: the group that an offer is for is not looked at.
    """

    start: int
    end: int
    quantity: int
    who: str | None
    options: frozenset[str] = frozenset()
    choice: Mapping[str, str] = field(default_factory=dict)
    needs: frozenset[str] = frozenset()
    overbook: bool = False
    groups: frozenset[str] | None = None
    admitted: bool = False


@dataclass(frozen=True)
class Piece:
    """One thing for one span, buffers included."""

    role: str
    thing: str
    low: int
    high: int
    quantity: int


@dataclass(frozen=True)
class Place:
    """What a wish gets, in the order of the offer's components."""

    start: int
    end: int
    pieces: tuple[Piece, ...]


@dataclass
class Claim:
    """A booking."""

    number: int
    offer: str
    who: str
    state: str
    ask: Ask
    start: int
    end: int
    quantity: int
    pieces: tuple[Piece, ...]
    due: int | None
    version: int = 1
    competing: bool = False
    rank: int = 0
    waits_for: frozenset[str] = frozenset()
    hold_until: int | None = None
    offer_until: int | None = None
    free_to_cancel: bool = False
    series: tuple[int, int] | None = None
    groups: frozenset[str] = frozenset()

    @property
    def blocking(self) -> bool:
        """Whether others find its things taken."""
        return self.state in BLOCKING and not self.competing


@dataclass(frozen=True)
class Kept:
    """What was given back and is not for newcomers until then: one thing, at each of these minutes so many."""

    number: int
    thing: str
    start: int
    end: int
    low: int
    high: int
    at: Mapping[int, int]
    until: int


@dataclass
class Town:
    """Everything there is, and the rules that say what of it can be had."""

    things: dict[str, Thing]
    offers: dict[str, Terms]
    claims: dict[int, Claim] = field(default_factory=dict)
    kept: list[Kept] = field(default_factory=list)
    now: int = 0

    def judge(
        self, terms: Terms, ask: Ask, *, settled: bool = False, queued: bool = False, but: int | None = None
    ) -> Place | list[str]:  # fmt: skip
        """A place, or every reason why not. `but`: a claim that does not count."""
        roles = [role for role in terms.roles if not role.optional or role.name in ask.options]
        session = next((self.things[r.things[0]] for r in roles if self.things[r.things[0]].kind == "session"), None)
        start, end = (ask.start, ask.end) if session is None else (session.start, session.end)
        found = list(self._of_the_offer(terms, ask, roles, settled=settled))
        found += self._times(terms, ask, start, end, fixed=session is not None, settled=settled)
        pieces: dict[str, Piece] = {}
        for role in sorted(roles, key=lambda role: 1 if role.name in ask.choice else len(role.things)):
            given = self._pick(terms, role, ask, start, end, list(pieces.values()), queued=queued, but=but)
            if isinstance(given, Piece):
                pieces[role.name] = given
            else:
                found += given
        if ask.who is not None and not ask.overbook and any(self._passed(key, ask, start, end, but) for key in terms.limits):
            found.append("person_limit")
        if ask.groups and not ask.overbook and any(self._spent(key, ask, start, end, but) for key in terms.quotas):
            found.append("group_quota")
        if not found and terms.approval == "competes" and not settled and not ask.overbook:
            found += ["capacity_full"] if len(self.competing_with(pieces.values(), but)) >= COMPETING_MOST else []
        if found:
            return in_order(found)
        return Place(start, end, tuple(pieces[role.name] for role in roles))

    def competing_with(self, pieces: Iterable[Piece], but: int | None) -> list[int]:
        """Who else waits for approval of something that meets one of the pieces, without blocking it."""
        return [
            claim.number for claim in self.claims.values()
            if claim.competing and claim.number != but
            and any(a.thing == b.thing and a.low < b.high and a.high > b.low for a in pieces for b in claim.pieces)
        ]  # fmt: skip

    def _of_the_offer(self, terms: Terms, ask: Ask, roles: Sequence[Role], *, settled: bool) -> Iterator[str]:
        if terms.status != "published" and not settled:
            yield "not_bookable"
        if terms.permitted is not None and ask.groups is not None and not ask.admitted and terms.permitted not in ask.groups:
            yield "not_permitted"
        if ask.quantity > terms.most and not ask.overbook:
            yield "person_limit"
        if ask.needs - {feature for role in roles for name in role.things for feature in self.things[name].features}:
            yield "needs_unmet"

    def _times(self, terms: Terms, ask: Ask, start: int, end: int, *, fixed: bool, settled: bool) -> Iterator[str]:
        judged = not settled and not ask.overbook
        length = end - start
        if not fixed:
            if length <= 0 or (judged and length < terms.shortest):
                yield "too_short"
            if judged and (length > terms.longest or (terms.lengths is not None and length not in terms.lengths)):
                yield "too_long"
            if judged and terms.grid and (start % terms.grid or end % terms.grid):
                yield "off_grid"
        if (judged and start < self.now + terms.lead) or (ask.overbook and not settled and start < self.now):
            yield "too_soon"
        if judged and start >= (day_of(self.now) + terms.horizon + 1) * DAY - BEFORE_MIDNIGHT:
            yield "too_far_ahead"
        if not fixed and not ask.overbook and terms.hours and not is_open(start, end):
            yield "outside_opening_hours"

    def _pick(
        self, terms: Terms, role: Role, ask: Ask, start: int, end: int, mine: Sequence[Piece], *, queued: bool, but: int | None
    ) -> Piece | list[str]:  # fmt: skip
        things = [self.things[name] for name in role.things if ask.choice.get(role.name, name) == name]
        if things[0].kind == "adviser":
            things.sort(key=lambda thing: self._booked_that_day(thing.name, start, but))
        features = {feature for name in role.things for feature in self.things[name].features}
        faults: list[str] = []
        fit: list[str] = []
        all_taken: list[str] = []
        for thing in things:
            low, high = start - thing.before, end + thing.after
            fault = ["blackout"] if any(a < end and b > start for a, b in thing.closed) else []
            fault += ["needs_unmet"] if (ask.needs & features) - thing.features else []
            why = self._taken(terms, thing, ask, (start, end), (low, high), mine, queued=queued, but=but)
            if why == "buffer" and ask.overbook:
                shorter = self._shorten(thing.name, start, end, low, high, but)
                why, (low, high) = (why, (low, high)) if shorter is None else (None, shorter)
            if not fault and why is None:
                return Piece(role.name, thing.name, low, high, ask.quantity)
            faults += fault
            all_taken += [why] if why else []
            fit += [why] if why and not fault else []
        if fit:
            return [fit[0] if len(fit) == 1 else "capacity_full"]
        if len(all_taken) < len(things):
            return faults
        return [*faults, all_taken[0] if len(all_taken) == 1 else "capacity_full"]

    def _taken(
        self, terms: Terms, thing: Thing, ask: Ask, booked: tuple[int, int], span: tuple[int, int], mine: Sequence[Piece], *,
        queued: bool, but: int | None,
    ) -> str | None:  # fmt: skip
        start, end = booked
        low, high = span
        others = [c for c in self.claims.values() if c.blocking and c.number != but]
        kept = [k for k in self.kept if k.thing == thing.name and k.until > self.now and not queued]
        if thing.kind in ("unit", "adviser"):
            spans = [(c.start, c.end, p.low, p.high) for c in others for p in c.pieces if p.thing == thing.name]
            spans += [(k.start, k.end, k.low, k.high) for k in kept if k.number != but]
            met = [span for span in spans if span[2] < high and span[3] > low]
            if any(span[0] < end and span[1] > start for span in met) or any(p.thing == thing.name for p in mine):
                return "conflict"
            return "buffer" if met else None
        if ask.overbook:
            return None
        wanted = ask.quantity + sum(p.quantity for p in mine if p.thing == thing.name)
        pieces = [p for c in others for p in c.pieces if p.thing == thing.name]
        assert thing.capacity is not None
        if thing.kind == "session":
            first = any(c.state == "waitlisted" and thing.name in c.waits_for for c in self.claims.values())
            if terms.queue == "strict" and first and not queued:
                return "capacity_full"
            used = sum(p.quantity for p in pieces) + sum(max(k.at.values()) for k in kept)
            return "capacity_full" if used + wanted > thing.capacity else None
        for moment in range(low, high, STEP):
            used = sum(p.quantity for p in pieces if p.low <= moment < p.high)
            used += sum(k.at.get(moment, 0) for k in kept if k.number != but)
            if used + wanted > thing.capacity:
                return "capacity_full"
        return None

    def _shorten(self, name: str, start: int, end: int, low: int, high: int, but: int | None) -> tuple[int, int] | None:
        """The buffers that the neighbours leave, for staff who overbook."""
        spans = [(p.low, p.high) for c in self.claims.values() if c.blocking and c.number != but for p in c.pieces
                 if p.thing == name]  # fmt: skip
        spans += [(k.low, k.high) for k in self.kept if k.thing == name and k.until > self.now and k.number != but]
        if any(a < end and b > start for a, b in spans):
            return None
        return max([low, *(b for _, b in spans if b <= start)]), min([high, *(a for a, _ in spans if a >= end)])

    def _booked_that_day(self, name: str, start: int, but: int | None) -> int:
        first = day_of(start) * DAY - BEFORE_MIDNIGHT
        return sum(
            max(0, min(c.end, first + DAY) - max(c.start, first))
            for c in self.claims.values()
            if c.blocking and c.number != but and any(p.thing == name for p in c.pieces)
        )

    def _passed(self, key: str, ask: Ask, start: int, end: int, but: int | None) -> bool:
        """Whether the asker would have more than a limit allows."""
        mine = [c for c in self.claims.values() if c.who == ask.who and c.number != but and key in self.offers[c.offer].limits]
        return self._over(*LIMITS[key], mine, ask, start, end)

    def _spent(self, key: str, ask: Ask, start: int, end: int, but: int | None) -> bool:
        """Whether a group that the asker belongs to would have more than its contingent."""
        group, measure, window, most = QUOTAS[key]
        if group not in (ask.groups or ()):
            return False
        ours = [c for c in self.claims.values() if group in c.groups and c.number != but and key in self.offers[c.offer].quotas]
        return self._over(measure, window, most, ours, ask, start, end)

    def _over(
        self, measure: str, window: str, most: int, claims: Sequence[Claim], ask: Ask, start: int, end: int
    ) -> bool:  # fmt: skip
        def weight(quantity: int, length: int) -> int:
            return {"bookings": 1, "places": quantity, "minutes": length}[measure]

        wanted = weight(ask.quantity, end - start)
        if window == "active":
            counted = [c for c in claims if c.state in BLOCKING and c.end > self.now]
        elif window == "day":
            counted = [c for c in claims if c.state in BLOCKING | {"completed", "no_show"} and day_of(c.start) == day_of(start)]
        else:
            standing = [c for c in claims if c.state in BLOCKING]
            return any(
                wanted + sum(weight(c.quantity, c.end - c.start) for c in standing if c.start <= moment < c.end) > most
                for moment in range(start, max(end, start + 1), STEP)
            )
        return wanted + sum(weight(c.quantity, c.end - c.start) for c in counted) > most


def in_order(found: Sequence[str]) -> list[str]:
    """Each reason once, in the order of booking.md §7."""
    return sorted(set(found), key=ORDER.index)


def counted_groups(terms: Terms, groups: frozenset[str] | None) -> frozenset[str]:
    """Under whose contingents somebody of these groups counts."""
    return frozenset(QUOTAS[key][0] for key in terms.quotas) & (groups or frozenset())


def groups_of(who: str) -> frozenset[str]:
    """The groups that somebody belongs to."""
    return GROUPS.get(who, frozenset())


def day_of(minute: int) -> int:
    """The local date: 0 is that of minute 0."""
    return (minute + BEFORE_MIDNIGHT) // DAY


def is_open(start: int, end: int) -> bool:
    """Whether it lies between opening and closing of one day."""
    day = day_of(start)
    return day * DAY + OPEN <= start and end <= day * DAY + CLOSE
