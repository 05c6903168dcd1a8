"""The things of the catalogue, as staff and imports state them (working copies), and what is kept of their dates.

The dataclasses carry the names that travel, so that `wire` reads and writes them without a second definition.
`None` in a field that a place hands down means "as the parent says"; an empty tuple is an answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import ClassVar, Literal
from uuid import UUID

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Texts = Mapping[str, str]  # BCP 47 tag -> text

_STRICT: Mapping[str, object] = {"extra": "forbid"}


def _wire_name(name: str) -> str:
    """`from_` travels as `from`, which Python keeps for itself."""
    return name.rstrip("_")


Answer = Literal["yes", "no", "unknown"]
PlaceKind = Literal["site", "building", "room", "virtual"]
ResourceKind = Literal["unit", "pool", "adviser"]  # sessions are made from occurrences
ComponentKind = Literal["unit", "pool", "session", "adviser"]
OfferKind = Literal["room", "desk", "device", "showroom", "event", "course", "advice", "health", "info"]
Visibility = Literal["local", "partners", "public"]
Attendance = Literal["onsite", "online", "mixed"]
PartnerMode = Literal["none", "redirect", "federated"]
BookingMode = Literal["none", "external", "instant", "request"]
BlackoutScope = Literal["hub", "place", "resource", "offer"]
OccurrenceStatus = Literal["scheduled", "moved", "postponed", "cancelled"]

ACCESSIBILITY_KEYS = (
    "step_free",
    "step_free_toilet",
    "lift",
    "accessible_parking",
    "tactile_guidance",
    "induction_loop",
    "sign_language",
    "easy_language",
    "quiet_room",
    "assistance_dogs",
)
DOOR_WIDTH_KEY = "door_width_cm"
Accessibility = Mapping[str, Answer | int]  # the keys above, and DOOR_WIDTH_KEY with centimetres


@dataclass(frozen=True, slots=True)
class Hours:
    """An opening interval of a week, wall time; `to` may be 24:00."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = {"extra": "forbid", "alias_generator": _wire_name}
    weekday: int
    from_: str
    to: str


@dataclass(frozen=True, slots=True)
class DayHours:
    """An opening interval of one date, wall time."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = {"extra": "forbid", "alias_generator": _wire_name}
    from_: str
    to: str


@dataclass(frozen=True, slots=True)
class DayException:
    """What replaces the week on one date; no hours = closed that day."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT
    date: date
    hours: tuple[DayHours, ...] = ()


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address; `country` is ISO 3166-1 alpha-2."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT
    street: str
    postal_code: str
    city: str
    country: str = "DE"


@dataclass(frozen=True, slots=True)
class Place:
    """A site, building or room; what is missing is taken from the parent."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT
    place_id: str
    kind: PlaceKind
    name: Texts
    parent_id: str | None = None
    address: Address | None = None
    lat: float | None = None
    lon: float | None = None
    hours: tuple[Hours, ...] | None = None
    exceptions: tuple[DayException, ...] | None = None
    accessibility: Accessibility = field(default_factory=dict)
    capacity: int | None = None
    holidays: str | None = None  # ISO 3166-2, DE-SN: whose public holidays are closures here, proposed ones
    apply_holidays: bool = False  # without being asked for


@dataclass(frozen=True, slots=True)
class Resource:
    """A thing that can be booked; an adviser is a role, never a name."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT
    resource_id: str
    kind: ResourceKind
    place_id: str
    name: Texts
    capacity: int | None = None  # a pool has one; of a unit: people
    features: tuple[str, ...] = ()
    hours: tuple[Hours, ...] | None = None
    exceptions: tuple[DayException, ...] | None = None
    setup_minutes: int = 0
    teardown_minutes: int = 0


@dataclass(frozen=True, slots=True)
class Blackout:
    """A closed span, written once and copied into every state it touches; a proposed one into none."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT
    blackout_id: str
    scope: BlackoutScope
    start: datetime
    end: datetime
    cause: str
    scope_id: str | None = None  # none for the whole hub
    note: Texts = field(default_factory=dict)
    proposed: bool = False


@dataclass(frozen=True, slots=True)
class Contact:
    """A functional contact: a desk, never a person."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT
    contact_id: str
    name: Texts
    email: str | None = None
    telephone: str | None = None
    url: str | None = None
    hours: Texts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TermKey:
    """Names a term: the hub's own tree, a LeiKa key, what a visit counts as."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT
    scheme: str
    code: str


@dataclass(frozen=True, slots=True)
class Term:
    """A word of a vocabulary; `parent` is a code of the same scheme."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT
    scheme: str
    code: str
    label: Texts
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """A rule that makes dates (RFC 5545), in wall time; without `rrule` it is the one date `local_start`."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT
    schedule_id: str
    local_start: datetime  # naive: wall time in `time_zone`
    duration_minutes: int
    time_zone: str
    rrule: str | None = None
    exdates: tuple[datetime, ...] = ()
    rdates: tuple[datetime, ...] = ()
    valid_until: date | None = None  # last local day with a date
    capacity: int | None = None
    occupies: tuple[str, ...] = ()  # units that the dates take, as house allocations
    overrides: tuple["Override", ...] = ()  # single dates that the source moved or called off


@dataclass(frozen=True, slots=True)
class Override:
    """One date of a rule, named by the start the rule gives it, held otherwise or not at all."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT
    rule_start: datetime  # naive wall time
    local_start: datetime | None = None  # naive wall time; none = as the rule says
    duration_minutes: int | None = None
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One date. `rule_start` names it for ever: moving it keeps its id."""

    occurrence_id: UUID
    offer_id: str
    schedule_id: str
    rule_start: datetime  # naive wall time, as the rule first said it
    start: datetime
    end: datetime
    time_zone: str
    status: OccurrenceStatus
    capacity: int | None
    occupies: tuple[str, ...]
    sequence: int = 0
    previous_start: datetime | None = None
    public: bool = False  # was in a published state: falls out as cancelled, not silently


@dataclass(frozen=True, slots=True)
class Component:
    """What a booking of the offer takes; the ids of a session component are filled in when the state is built."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT
    component_id: str
    kind: ComponentKind
    resource_ids: tuple[str, ...] = ()
    choose: Literal["any", "named", "either"] = "any"
    optional: bool = False
    setup_minutes: int | None = None
    teardown_minutes: int | None = None


@dataclass(frozen=True, slots=True)
class Booking:
    """The booking part of a working copy: `rules` is carried as stated, its form is the contract's, its meaning booking's."""

    mode: BookingMode = "none"
    components: tuple[Component, ...] = ()
    rules: Mapping[str, object] = field(default_factory=dict)  # JSON


@dataclass(frozen=True, slots=True)
class Price:
    """What it costs, in cents, and for whom."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT
    label: Texts
    amount_minor: int
    currency: str = "EUR"
    eligibility: Texts = field(default_factory=dict)
    valid_from: datetime | None = None
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """A short notice that goes by itself."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT
    text: Texts
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """Who looked when, as a role."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT
    at: datetime
    role: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where an imported offer comes from."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT
    system: str
    id: str
    format: str
    imported_at: datetime


@dataclass(frozen=True, slots=True)
class Offer:
    """The working copy of an offer; its state of the life cycle stands beside it, not in it."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT
    offer_id: str
    kind: OfferKind
    time_zone: str
    visibility: Visibility = "public"
    publish_from: datetime | None = None
    publish_until: datetime | None = None
    title: Texts = field(default_factory=dict)
    teaser: Texts = field(default_factory=dict)
    description: Texts = field(default_factory=dict)
    procedure: Texts = field(default_factory=dict)
    required_documents: Texts = field(default_factory=dict)
    legal_basis: Texts = field(default_factory=dict)
    simple_review: Review | None = None
    alert: Alert | None = None
    delivery_languages: tuple[str, ...] = ()
    place_ids: tuple[str, ...] = ()
    attendance: Attendance = "onsite"
    online_url: str | None = None
    visitor_notes: Texts = field(default_factory=dict)
    accessibility: Accessibility = field(default_factory=dict)
    schedules: tuple[Schedule, ...] = ()  # entities of their own while the offer is edited, frozen with it
    prices: tuple[Price, ...] = ()
    is_free: bool = False
    audience: tuple[str, ...] = ()
    age_min: int | None = None
    age_max: int | None = None
    terms: tuple[TermKey, ...] = ()
    keywords: tuple[str, ...] = ()
    contact_id: str | None = None
    data_category: Literal["normal", "special"] = "normal"
    partner_mode: PartnerMode = "none"
    booking_url: str | None = None
    booking: Booking = field(default_factory=Booking)
    last_verified_at: datetime | None = None
    verified_by_role: str | None = None
    licence: str = "CC-BY-4.0"
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding: where (JSON Pointer) and what (stable code)."""

    pointer: str
    code: str
