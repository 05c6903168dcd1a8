"""The form of a hub file: what a person writes to describe a whole hub. Its own model, not the wire's: names instead of ids,
opening hours as text, wall times, defaults and named sets of rules."""

import re
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from services.catalog.domain.entities import (
    Accessibility,
    Attendance,
    BookingMode,
    DayException,
    DayHours,
    Hours,
    OfferKind,
    PartnerMode,
    PlaceKind,
    ResourceKind,
    Visibility,
)
from services.catalog.domain.texts import normal_tag
from services.catalog.limits import (
    LANGUAGES_MAX,
    LIST_ITEMS_MAX,
    NAME_CHARACTERS_MAX,
    NUMBERED_RESOURCES_MAX,
    OCCURRENCE_MINUTES_MAX,
    SCHEDULES_MAX,
    TEXT_CHARACTERS_MAX,
)

FORMAT = "hubnetz-hub/1"
_DAYS = {name: number for number, name in enumerate("Mo Di Mi Do Fr Sa So".split(), 1)}  # noqa: SIM905 a week reads better so
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00"
_SPAN = re.compile(rf"(?P<from>{_TIME})-(?P<to>{_TIME})")
_WEEK = re.compile(
    rf"(?P<days>[A-Z][a-z](?:[-,][A-Z][a-z])*) (?P<spans>(?:{_TIME})-(?:{_TIME})(?:, ?(?:{_TIME})-(?:{_TIME}))*)"
)


def week_hours(lines: list[str]) -> tuple[Hours, ...]:
    """`Mo-Fr 08:00-18:00`, `Sa,So 10:00-12:00, 13:00-16:00`; ValueError with the line that is none."""
    found: list[Hours] = []
    for line in lines:
        match = _WEEK.fullmatch(line)
        if match is None:
            raise ValueError(f"{line!r} is no opening time like 'Mo-Fr 08:00-18:00'")
        for weekday in _weekdays(match["days"]):
            found += [Hours(weekday, span["from"], span["to"]) for span in _SPAN.finditer(match["spans"])]
    return tuple(sorted(found, key=lambda each: (each.weekday, each.from_)))


def _weekdays(text: str) -> list[int]:
    days: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first not in _DAYS or (last and last not in _DAYS):
            raise ValueError(f"{part!r}: weekdays are {', '.join(_DAYS)}")
        days += range(_DAYS[first], _DAYS[last or first] + 1)
    return days


def day_exceptions(dates: dict[str, list[str]]) -> tuple[DayException, ...]:
    """`2026-12-24: []` (closed) or `["09:00-12:00"]`; ValueError."""
    found: list[DayException] = []
    for day, spans in dates.items():
        matches = [_SPAN.fullmatch(each) for each in spans]
        if not all(matches):
            raise ValueError(f"{day}: hours are written like '09:00-12:00'")
        hours = tuple(DayHours(each["from"], each["to"]) for each in matches if each is not None)
        found.append(DayException(date.fromisoformat(day), hours))
    return tuple(sorted(found, key=lambda each: each.date))


def _checked_week(lines: list[str]) -> list[str]:
    week_hours(lines)
    return lines


def _checked_days(dates: dict[str, list[str]]) -> dict[str, list[str]]:
    day_exceptions(dates)
    return dates


def _tagged(texts: dict[str, str]) -> dict[str, str]:
    for tag in texts:
        if normal_tag(tag) != tag:
            raise ValueError(f"{tag!r} is no language tag like de, en, de-simple")
    return texts


Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,58}[a-z0-9])?$")]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=NAME_CHARACTERS_MAX)]
LocalText = Annotated[str, StringConstraints(pattern=r"^[12][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?$")]
Labels = Annotated[dict[str, Name], Field(max_length=LANGUAGES_MAX), AfterValidator(_tagged)]
LongText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=TEXT_CHARACTERS_MAX)]
Texts = Annotated[dict[str, LongText], Field(max_length=LANGUAGES_MAX), AfterValidator(_tagged)]
Week = Annotated[list[str], Field(max_length=70), AfterValidator(_checked_week)]
Days = Annotated[dict[str, list[str]], Field(max_length=LIST_ITEMS_MAX), AfterValidator(_checked_days)]
Rules = dict[str, object]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class HubPart(_Part):
    """What holds for the whole file; `note` is for its readers."""

    time_zone: str
    note: str = ""


class ContactPart(_Part):
    """A functional contact."""

    name: Labels
    email: str | None = None
    telephone: str | None = None
    url: str | None = None
    hours: Labels = {}


class TermPart(_Part):
    """A word of a vocabulary."""

    label: Labels
    parent: str | None = None


class AddressPart(_Part):
    """A postal address."""

    street: Name
    postal_code: Name
    city: Name
    country: str = "DE"


class PlacePart(_Part):
    """A site, building or room."""

    kind: PlaceKind
    name: Labels
    within: Slug | None = None
    address: AddressPart | None = None
    lat: float | None = None
    lon: float | None = None
    hours: Week | None = None
    exceptions: Days | None = None
    accessibility: Accessibility = {}
    capacity: Annotated[int, Field(ge=0)] | None = None
    holidays: str | None = None
    apply_holidays: bool = False


class ResourcePart(_Part):
    """A thing to book; `count` makes as many of it, numbered, and its name then stands for all of them."""

    kind: ResourceKind
    place: Slug
    name: Labels
    count: Annotated[int, Field(ge=2, le=NUMBERED_RESOURCES_MAX)] | None = None
    capacity: Annotated[int, Field(ge=0)] | None = None
    features: list[str] = []
    hours: Week | None = None
    exceptions: Days | None = None
    setup_minutes: Annotated[int, Field(ge=0)] = 0
    teardown_minutes: Annotated[int, Field(ge=0)] = 0


class BlackoutPart(_Part):
    """A closure, in wall time; at most one of place, resource, offer, none = the whole hub."""

    begin: LocalText
    end: LocalText
    cause: str
    place: Slug | None = None
    resource: Slug | None = None
    offer: Slug | None = None
    note: Texts = {}


class PricePart(_Part):
    """A price in cents."""

    label: Labels
    cents: Annotated[int, Field(ge=0)]
    currency: str = "EUR"
    eligibility: Labels = {}


class SchedulePart(_Part):
    """Dates by a rule; `start` is the first of them and has to fit the rule."""

    start: LocalText
    duration_minutes: Annotated[int, Field(ge=1, le=OCCURRENCE_MINUTES_MAX)]
    rrule: str | None = None
    capacity: Annotated[int, Field(ge=1)] | None = None
    occupies: list[Slug] = []
    without: list[date] = []
    until: date | None = None


class ComponentPart(_Part):
    """What a booking takes; names of numbered resources stand for all of them. A session names none."""

    id: Slug
    kind: Literal["unit", "pool", "session", "adviser"]
    resources: list[Slug] = []
    choose: Literal["any", "named", "either"] = "any"
    optional: bool = False
    setup_minutes: Annotated[int, Field(ge=0)] | None = None
    teardown_minutes: Annotated[int, Field(ge=0)] | None = None


class BookingPart(_Part):
    """How it is booked: named sets of rules in order, then the offer's own."""

    mode: BookingMode
    rules: list[Slug] = []
    own: Rules = {}
    components: list[ComponentPart] = []


class ReviewPart(_Part):
    """Who looked when, as a role."""

    on: date
    role: str


class OfferPart(_Part):
    """An offer, or what offers of the file or of a source have in common."""

    kind: OfferKind | None = None
    visibility: Visibility | None = None
    title: Labels = {}
    teaser: Labels = {}
    description: Texts = {}
    procedure: Texts = {}
    required_documents: Texts = {}
    legal_basis: Texts = {}
    simple_review: ReviewPart | None = None
    verified: ReviewPart | None = None
    languages: list[str] | None = None
    places: list[Slug] | None = None
    attendance: Attendance | None = None
    online_url: str | None = None
    visitor_notes: Texts = {}
    accessibility: Accessibility = {}
    schedules: Annotated[list[SchedulePart], Field(max_length=SCHEDULES_MAX)] = []
    prices: list[PricePart] | None = None
    free: bool | None = None
    audience: list[str] | None = None
    age_min: int | None = None
    age_max: int | None = None
    terms: list[str] | None = None
    keywords: list[str] | None = None
    contact: Slug | None = None
    data_category: Literal["normal", "special"] | None = None
    partner_mode: PartnerMode | None = None
    booking_url: str | None = None
    booking: BookingPart | None = None
    licence: Name | None = None
    publish: bool | None = None


class SourcePart(_Part):
    """A source of imports: what its records do not say themselves."""

    format: Literal["icalendar"]
    trusted: bool = False
    capacity: Annotated[int, Field(ge=1)] | None = None
    occupies: list[Slug] = []
    offer: OfferPart


class HubFile(_Part):
    """A whole hub."""

    format: Literal["hubnetz-hub/1"]
    hub: HubPart
    contacts: dict[Slug, ContactPart] = {}
    terms: dict[str, TermPart] = {}
    places: dict[Slug, PlacePart]
    resources: dict[Slug, ResourcePart] = {}
    blackouts: dict[Slug, BlackoutPart] = {}
    booking_rules: dict[Slug, Rules] = {}
    import_sources: dict[Slug, SourcePart] = {}
    defaults: OfferPart = OfferPart()
    offers: dict[Slug, OfferPart] = {}


def local_time(text: str) -> datetime:
    """A wall time of the file; ValueError if there is no such date."""
    return datetime.fromisoformat(text)
