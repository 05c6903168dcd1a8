"""The offer on `catalog.offers.v1`: full state, self-contained, inheritance resolved. Null, empty and default are left out."""

from enum import StrEnum
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from contracts.booking.rules import SESSIONS_MAX, BookingRules, Exceptions, Hours
from contracts.envelope.event import Model, Part, wrong
from contracts.envelope.values import (
    INT64_MAX,
    Code,
    Count,
    HubId,
    Id,
    Instant,
    Label,
    LanguageTag,
    LocalTime,
    LongText,
    MapForm,
    Minutes,
    OpenEnum,
    Revision,
    Sha256,
    TimeZone,
    WebAddress,
    WholeInstant,
    at_most,
)

OFFER_ID_PATTERN: Final = "^urn:hub:[a-z0-9-]{2,32}:offer:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
LANGUAGES_MAX: Final = 30

OfferId = Annotated[str, Field(pattern=OFFER_ID_PATTERN)]
Labels = Annotated[dict[LanguageTag, Label], MapForm(LANGUAGES_MAX)]
"""Text map of plain lines: BCP 47 tag to text; `de-simple` is Leichte Sprache."""
Texts = Annotated[dict[LanguageTag, LongText], MapForm(LANGUAGES_MAX)]
"""Text map of CommonMark without raw HTML."""


class OfferKind(StrEnum):
    """What sort of thing is offered."""

    ROOM = "room"
    DESK = "desk"
    DEVICE = "device"
    SHOWROOM = "showroom"
    EVENT = "event"
    COURSE = "course"
    ADVICE = "advice"
    HEALTH = "health"
    INFO = "info"
    OTHER = "other"
    """Only readers have it: a kind that is newer than they are."""


OpenOfferKind = Annotated[OfferKind, OpenEnum(OfferKind.OTHER)]


class OfferStatus(StrEnum):
    """How an offer stands, as its readers see it."""

    PUBLISHED = "published"
    SUSPENDED = "suspended"
    CANCELLED = "cancelled"
    WITHDRAWN = "withdrawn"


class Visibility(StrEnum):
    """How far an offer goes: this hub, every active partner hub, open feeds too."""

    LOCAL = "local"
    PARTNERS = "partners"
    PUBLIC = "public"


class Attendance(StrEnum):
    """Where one takes part."""

    ONSITE = "onsite"
    ONLINE = "online"
    MIXED = "mixed"


class DataCategory(StrEnum):
    """`special`: the offer itself reveals something (GDPR Art. 9)."""

    NORMAL = "normal"
    SPECIAL = "special"


class PartnerMode(StrEnum):
    """How guests of partner hubs book."""

    NONE = "none"
    REDIRECT = "redirect"
    FEDERATED = "federated"


class PlaceKind(StrEnum):
    """From the whole site down to the room."""

    SITE = "site"
    BUILDING = "building"
    ROOM = "room"
    VIRTUAL = "virtual"
    OTHER = "other"


OpenPlaceKind = Annotated[PlaceKind, OpenEnum(PlaceKind.OTHER)]


class OccurrenceStatus(StrEnum):
    """What became of one date."""

    SCHEDULED = "scheduled"
    MOVED = "moved"
    POSTPONED = "postponed"
    CANCELLED = "cancelled"


class WithdrawReason(StrEnum):
    """Why an offer is gone."""

    EDITOR = "editor"
    PUBLISH_UNTIL = "publish_until"
    SOURCE = "source"


class Answer(StrEnum):
    """`unknown` never counts as yes."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Accessibility(Part):
    """Answers of a place or an offer; a missing one is unknown."""

    step_free: Answer = Answer.UNKNOWN
    step_free_toilet: Answer = Answer.UNKNOWN
    lift: Answer = Answer.UNKNOWN
    accessible_parking: Answer = Answer.UNKNOWN
    tactile_guidance: Answer = Answer.UNKNOWN
    induction_loop: Answer = Answer.UNKNOWN
    sign_language: Answer = Answer.UNKNOWN
    easy_language: Answer = Answer.UNKNOWN
    quiet_room: Answer = Answer.UNKNOWN
    assistance_dogs: Answer = Answer.UNKNOWN
    door_width_cm: Annotated[int, Field(ge=1, le=1000)] | None = None


class Address(Part):
    """Postal address of a place."""

    street: Label | None = None
    postal_code: Label | None = None
    city: Label | None = None
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] = "DE"


class Place(Part):
    """A place with everything that it inherits already in it; the first of an offer is the one on the map."""

    place_id: Id
    kind: OpenPlaceKind
    name: Labels = Field(default_factory=dict)
    address: Address | None = None
    lat: Annotated[float, Field(ge=-90, le=90)] | None = None
    lon: Annotated[float, Field(ge=-180, le=180)] | None = None
    hours: Hours = ()
    exceptions: Exceptions = ()
    accessibility: Accessibility = Accessibility()
    capacity: Count | None = None


class Alert(Part):
    """A short notice, shown until it is over."""

    text: Labels
    until: Instant | None = None


class Occurrence(Part):
    """One date; its id stays when it is moved or called off."""

    occurrence_id: Id
    start: WholeInstant
    end: WholeInstant
    time_zone: TimeZone
    status: OccurrenceStatus = OccurrenceStatus.SCHEDULED
    previous_start: WholeInstant | None = None
    capacity: Count | None = None
    sequence: Annotated[int, Field(ge=0, le=INT64_MAX)] = 0

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.end <= self.start:
            raise wrong("/end", "the end has to be after the start")
        return self


class Schedule(Part):
    """The rule behind the dates, as information only."""

    rrule: Annotated[str, Field(pattern="^[A-Z0-9=;,:+-]{1,500}$")] | None = None
    local_start: LocalTime
    duration_minutes: Annotated[Minutes, Field(ge=1)]
    time_zone: TimeZone
    exdates: Annotated[tuple[LocalTime, ...], at_most(400)] = ()
    rdates: Annotated[tuple[LocalTime, ...], at_most(400)] = ()


class Price(Part):
    """A price in cents, for whom and how long."""

    label: Labels = Field(default_factory=dict)
    amount_minor: Annotated[int, Field(ge=0, le=INT64_MAX)]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "EUR"
    eligibility: Labels = Field(default_factory=dict)
    valid_from: Instant | None = None
    valid_until: Instant | None = None


class Term(Part):
    """A word of a vocabulary."""

    scheme: Code
    code: Annotated[str, Field(pattern="^[!-~]{1,200}$")]
    label: Labels = Field(default_factory=dict)
    parent: Annotated[str, Field(pattern="^[!-~]{1,200}$")] | None = None


class Contact(Part):
    """A functional contact, never a person's own mailbox."""

    name: Labels = Field(default_factory=dict)
    email: Annotated[str, Field(pattern="^[^@ ]{1,64}@[^@ ]{1,253}$", max_length=254)] | None = None
    telephone: Annotated[str, Field(pattern="^[0-9+()/ -]{3,40}$")] | None = None
    url: WebAddress | None = None
    hours: Labels = Field(default_factory=dict)


class FocalPoint(Part):
    """What must stay visible when a picture is cut, as shares of width and height."""

    x: Annotated[float, Field(ge=0, le=1)]
    y: Annotated[float, Field(ge=0, le=1)]


class Image(Part):
    """A picture by its hash; its bytes are at the catalogue."""

    sha256: Sha256
    width: Annotated[int, Field(ge=1, le=20_000)]
    height: Annotated[int, Field(ge=1, le=20_000)]
    alt: Labels
    licence: Label
    credit: Label | None = None
    focal_point: FocalPoint | None = None


class Source(Part):
    """Where an imported offer came from."""

    system: Label
    id: Label
    format: Code
    imported_at: Instant


class OfferPublished(Model):
    """The state of an offer that visitors may see: everything, never a difference."""

    area: ClassVar[str] = "catalog"
    key_field: ClassVar[str] = "offer_id"
    key_is_binding: ClassVar[bool] = True

    offer_id: OfferId
    hub_id: HubId
    revision: Revision
    kind: OpenOfferKind
    status: Literal[OfferStatus.PUBLISHED, OfferStatus.SUSPENDED, OfferStatus.CANCELLED]
    visibility: Visibility = Visibility.PUBLIC
    publish_from: Instant | None = None
    publish_until: Instant | None = None
    title: Labels
    teaser: Labels = Field(default_factory=dict)
    description: Texts
    procedure: Texts = Field(default_factory=dict)
    required_documents: Texts = Field(default_factory=dict)
    legal_basis: Texts = Field(default_factory=dict)
    alert: Alert | None = None
    delivery_languages: Annotated[tuple[LanguageTag, ...], at_most(LANGUAGES_MAX)] = ()
    places: Annotated[tuple[Place, ...], at_most(50)] = ()
    attendance: Attendance = Attendance.ONSITE
    online_url: WebAddress | None = None
    visitor_notes: Texts = Field(default_factory=dict)
    accessibility: Accessibility = Accessibility()
    occurrences: Annotated[tuple[Occurrence, ...], at_most(SESSIONS_MAX)] = ()
    schedule: Schedule | None = None
    prices: Annotated[tuple[Price, ...], at_most(50)] = ()
    is_free: bool = False
    audience: Annotated[tuple[Code, ...], at_most(20)] = ()
    age_min: Annotated[int, Field(ge=0, le=120)] | None = None
    age_max: Annotated[int, Field(ge=0, le=120)] | None = None
    terms: Annotated[tuple[Term, ...], at_most(100)] = ()
    keywords: Annotated[tuple[Label, ...], at_most(20)] = ()
    contact: Contact | None = None
    images: Annotated[tuple[Image, ...], at_most(20)] = ()
    data_category: DataCategory = DataCategory.NORMAL
    partner_mode: PartnerMode = PartnerMode.NONE
    booking_url: WebAddress | None = None
    time_zone: TimeZone = "Europe/Berlin"
    booking: BookingRules = BookingRules()
    last_verified_at: Instant | None = None
    verified_by_role: Code | None = None
    licence: Label = "CC-BY-4.0"
    source: Source | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.offer_id.startswith(f"urn:hub:{self.hub_id}:"):
            raise wrong("/offer_id", "an offer's id names its hub")
        for name, texts in (("title", self.title), ("description", self.description)):
            if "de" not in texts:
                raise wrong(f"/{name}", "a German text is required")
        if self.data_category is DataCategory.SPECIAL and self.partner_mode is PartnerMode.FEDERATED:
            raise wrong("/partner_mode", "a special offer is not booked across hubs")
        if self.kind is OfferKind.HEALTH and self.data_category is not DataCategory.SPECIAL:
            raise wrong("/data_category", "health offers are special")
        return self


class OfferWithdrawn(Model):
    """An offer is gone; bookings stand. A tombstone follows when every reader had time to see this."""

    area: ClassVar[str] = "catalog"
    key_field: ClassVar[str] = "offer_id"
    key_is_binding: ClassVar[bool] = True

    offer_id: OfferId
    hub_id: HubId
    revision: Revision
    status: Literal[OfferStatus.WITHDRAWN]
    reason: WithdrawReason
    withdrawn_at: Instant
