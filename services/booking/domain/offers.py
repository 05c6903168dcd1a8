"""An offer as its publisher described it, made ready for deciding: parsed once, asked thousands of times."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from services.booking.domain.codes import BOOKED_KINDS, Choose, Kind, Lead, Measure, Per, Queue, Window
from services.booking.domain.hours import Blackouts, Opening, local_date
from services.booking.domain.zones import DAY, MINUTE, midnight
from services.booking.limits import LOOKAHEAD_DAYS_MAX

NOTHING = timedelta()


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """One scarce thing with its own rules, seen in the zone of the offer that contains it.

    `unit_no` guards a unit by the constraint, `pool_no` only finds a pool's claims; both were drawn once. `start` and `end`
    belong to a session; `scheduled` is false once it was called off.
    """

    resource_id: str
    kind: Kind
    revision: int
    capacity: int | None
    opening: Opening | None
    blackouts: Blackouts
    setup: timedelta
    teardown: timedelta
    features: frozenset[str]
    unit_no: int | None = None
    pool_no: int | None = None
    start: datetime | None = None
    end: datetime | None = None
    scheduled: bool = True
    occupies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Approval:
    """How staff decide: requests that do not block compete for the same span."""

    blocks: bool = True
    within: timedelta = timedelta(minutes=2880)
    auto_groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Waitlist:
    """The queue for what is full; promotion ends `ahead` before the start."""

    mode: Queue = Queue.OFF
    offer_lasts: timedelta = timedelta(minutes=1440)
    ahead: timedelta = timedelta(minutes=120)
    entries_max: int = 50


@dataclass(frozen=True, slots=True)
class CheckInRules:
    """Whether one has to appear. `release` None: never freed early; absence is recorded at the end."""

    required: bool = False
    opens: timedelta = timedelta(minutes=15)
    release: timedelta | None = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, eq=False)
class Component:
    """One part of an offer: which resources can serve it, in list order, and the buffers around the booked span.

    `features` are those that any of the resources has.
    """

    component_id: str
    kind: Kind
    resources: tuple[Resource, ...]
    choose: Choose
    optional: bool
    setup: timedelta | None
    teardown: timedelta | None
    features: frozenset[str]

    def find(self, resource_id: str) -> Resource | None:
        """The candidate of that id."""
        return next((resource for resource in self.resources if resource.resource_id == resource_id), None)

    def buffers(self, resource: Resource) -> tuple[timedelta, timedelta]:
        """Set-up and tear-down: the component's own, else the resource's."""
        return (
            resource.setup if self.setup is None else self.setup,
            resource.teardown if self.teardown is None else self.teardown,
        )


@dataclass(frozen=True, slots=True)
class Limit:
    """How much one person or group may take under a key that several offers can share."""

    key: str
    per: Per
    group: str | None
    measure: Measure
    window: Window
    most: int


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """What can be booked and under which rules; compared by identity, as each revision is built once.

    `served`: it is booked here, and of kinds that are known. `approval` is None where no approval is needed. `session` is
    the component whose sessions set the span, if there is one; `optional`: some component may be left out; `named`: of some
    component one of several resources has to be named.
    """

    offer_id: str
    revision: int
    where: ZoneInfo
    published: bool
    served: bool
    federated: bool
    components: tuple[Component, ...]
    opening: Opening | None
    blackouts: Blackouts
    bookable_from: datetime | None
    bookable_until: datetime | None
    lead: int
    lead_unit: Lead
    horizon_days: int
    grid: timedelta | None
    shortest: timedelta
    longest: timedelta
    lengths: frozenset[timedelta] | None
    quantity_most: int
    permitted_groups: frozenset[str] | None
    limits: tuple[Limit, ...]
    cancel_ahead: timedelta
    cancel_late: bool
    resale_delay: timedelta
    approval: Approval | None = None
    waitlist: Waitlist = Waitlist()
    check_in: CheckInRules = CheckInRules()
    hold: timedelta = timedelta(minutes=10)
    rebook: timedelta = timedelta(days=14)
    cancelled: bool = False
    session: Component | None = field(init=False)
    optional: bool = field(init=False)
    named: bool = field(init=False)

    def __post_init__(self) -> None:
        session = next((part for part in self.components if part.kind is Kind.SESSION), None)
        object.__setattr__(self, "session", session)
        object.__setattr__(self, "optional", any(part.optional for part in self.components))
        named = any(part.choose is Choose.NAMED and len(part.resources) > 1 for part in self.components)
        object.__setattr__(self, "named", named)


def serves(mode: str, components: Sequence[Component]) -> bool:
    """Whether bookings of such an offer are decided here: instant or by request, of known kinds, one session at most."""
    sessions = sum(part.kind is Kind.SESSION for part in components)
    known = bool(components) and all(part.kind in BOOKED_KINDS for part in components)
    return mode in ("instant", "request") and known and sessions <= 1


@lru_cache(maxsize=4_096)
def reach(offer: Offer, now: datetime) -> tuple[datetime, datetime]:
    """(first instant that is not too soon, first instant that is too far ahead) for a start; never before `now`."""
    today = local_date(now, offer.where)
    too_far = midnight(today + (offer.horizon_days + 1) * DAY, offer.where)
    if offer.lead_unit is Lead.MINUTES:
        return now + offer.lead * MINUTE, too_far
    day = today + offer.lead * DAY if offer.lead_unit is Lead.DAYS else _working_day(offer, today)
    return max(now, midnight(day, offer.where)), too_far


def _working_day(offer: Offer, today: date) -> date:
    """The `lead`-th working day after `today`; the end of the look-ahead if there are not so many."""
    day = today
    missing = offer.lead
    last = today + LOOKAHEAD_DAYS_MAX * DAY
    while missing and day < last:
        day += DAY
        if _is_working_day(offer, day):
            missing -= 1
    return day


def _is_working_day(offer: Offer, day: date) -> bool:
    """Whether something can be had on that date: offer and a candidate of each part open; sessions Monday to Friday."""
    if offer.session is not None:
        return day.weekday() < 5
    if offer.opening is not None and not offer.opening.opens_on(day):
        return False
    return all(
        any(resource.opening is None or resource.opening.opens_on(day) for resource in part.resources)
        for part in offer.components
        if not part.optional
    )
