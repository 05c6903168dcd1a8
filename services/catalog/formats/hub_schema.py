"""The form of a hub file: what a person writes to describe a whole hub. Its own model, not the wire's: names instead of ids,
opening hours as text, wall times, defaults and named sets of rules."""

import re
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from services.catalog.domain.entities import (
    Answer,
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
    ADDRESS_CHARACTERS_MAX,
    AGE_MAX,
    ID_CHARACTERS_MAX,
    LANGUAGES_MAX,
    LIST_ITEMS_MAX,
    NAME_CHARACTERS_MAX,
    NUMBERED_RESOURCES_MAX,
    OCCURRENCE_MINUTES_MAX,
    PERSONS_MAX,
    PRICE_CENTS_MAX,
    SCHEDULES_MAX,
    TEXT_CHARACTERS_MAX,
)

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
Word = Annotated[str, StringConstraints(min_length=1, max_length=ID_CHARACTERS_MAX)]
"""A code, a tag, a date or an hour: what it means is looked at further on."""
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=NAME_CHARACTERS_MAX)]
LongText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=TEXT_CHARACTERS_MAX)]
Address = Annotated[str, StringConstraints(max_length=ADDRESS_CHARACTERS_MAX)]
LocalText = Annotated[str, StringConstraints(pattern=r"^[12][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?$")]
Labels = Annotated[dict[Word, Name], Field(max_length=LANGUAGES_MAX), AfterValidator(_tagged)]
Texts = Annotated[dict[Word, LongText], Field(max_length=LANGUAGES_MAX), AfterValidator(_tagged)]
Slugs = Annotated[list[Slug], Field(max_length=LIST_ITEMS_MAX)]
Words = Annotated[list[Word], Field(max_length=LIST_ITEMS_MAX)]
Week = Annotated[list[Word], Field(max_length=LIST_ITEMS_MAX), AfterValidator(_checked_week)]
Days = Annotated[dict[Word, Words], Field(max_length=LIST_ITEMS_MAX), AfterValidator(_checked_days)]
Dates = Annotated[list[date], Field(max_length=LIST_ITEMS_MAX)]
Minutes = Annotated[int, Field(ge=0, le=OCCURRENCE_MINUTES_MAX)]
Persons = Annotated[int, Field(ge=0, le=PERSONS_MAX)]
Age = Annotated[int, Field(ge=0, le=AGE_MAX)]
Cents = Annotated[int, Field(ge=0, le=PRICE_CENTS_MAX)]
Centimetres = Annotated[int, Field(ge=1, le=1000)]
Answers = Annotated[dict[Word, Answer | Centimetres], Field(max_length=LIST_ITEMS_MAX)]
Rules = Annotated[dict[Word, object], Field(max_length=LIST_ITEMS_MAX)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class HubPart(_Part):
    """What holds for the whole file; `note` is for its readers."""

    time_zone: Word
    note: LongText | None = None


class ContactPart(_Part):
    """A functional contact."""

    name: Labels
    email: Address | None = None
    telephone: Word | None = None
    url: Address | None = None
    hours: Labels = {}


class TermPart(_Part):
    """A word of a vocabulary."""

    label: Labels
    parent: Word | None = None


class AddressPart(_Part):
    """A postal address."""

    street: Name
    postal_code: Name
    city: Name
    country: Word = "DE"


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
    accessibility: Answers = {}
    capacity: Persons | None = None
    holidays: Word | None = None
    apply_holidays: bool = False


class ResourcePart(_Part):
    """A thing to book; `count` makes as many of it, numbered, and its name then stands for all of them."""

    kind: ResourceKind
    place: Slug
    name: Labels
    count: Annotated[int, Field(ge=2, le=NUMBERED_RESOURCES_MAX)] | None = None
    capacity: Persons | None = None
    features: Words = []
    hours: Week | None = None
    exceptions: Days | None = None
    setup_minutes: Minutes = 0
    teardown_minutes: Minutes = 0


class BlackoutPart(_Part):
    """A closure, in wall time; at most one of place, resource, offer, none = the whole hub."""

    begin: LocalText
    end: LocalText
    cause: Word
    place: Slug | None = None
    resource: Slug | None = None
    offer: Slug | None = None
    note: Texts = {}


class PricePart(_Part):
    """A price in cents."""

    label: Labels
    cents: Cents
    currency: Word = "EUR"
    eligibility: Labels = {}


class SchedulePart(_Part):
    """Dates by a rule; `start` is the first of them and has to fit the rule."""

    start: LocalText
    duration_minutes: Annotated[int, Field(ge=1, le=OCCURRENCE_MINUTES_MAX)]
    rrule: Address | None = None
    capacity: Persons | None = None
    occupies: Slugs = []
    without: Dates = []
    until: date | None = None


class ComponentPart(_Part):
    """What a booking takes; names of numbered resources stand for all of them. A session names none."""

    id: Slug
    kind: Literal["unit", "pool", "session", "adviser"]
    resources: Slugs = []
    choose: Literal["any", "named", "either"] = "any"
    optional: bool = False
    setup_minutes: Minutes | None = None
    teardown_minutes: Minutes | None = None


class BookingPart(_Part):
    """How it is booked: named sets of rules in order, then the offer's own."""

    mode: BookingMode
    rules: Slugs = []
    own: Rules = {}
    components: Annotated[list[ComponentPart], Field(max_length=LIST_ITEMS_MAX)] = []


class ReviewPart(_Part):
    """Who looked when, as a role."""

    on: date
    role: Word


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
    languages: Words | None = None
    places: Slugs | None = None
    attendance: Attendance | None = None
    online_url: Address | None = None
    visitor_notes: Texts = {}
    accessibility: Answers = {}
    schedules: Annotated[list[SchedulePart], Field(max_length=SCHEDULES_MAX)] = []
    prices: Annotated[list[PricePart], Field(max_length=LIST_ITEMS_MAX)] | None = None
    free: bool | None = None
    audience: Words | None = None
    age_min: Age | None = None
    age_max: Age | None = None
    terms: Words | None = None
    keywords: Words | None = None
    contact: Slug | None = None
    data_category: Literal["normal", "special"] | None = None
    partner_mode: PartnerMode | None = None
    booking_url: Address | None = None
    booking: BookingPart | None = None
    licence: Name | None = None
    publish: bool | None = None


class SourcePart(_Part):
    """A source of imports: what its records do not say themselves."""

    format: Literal["icalendar"]
    trusted: bool = False
    capacity: Persons | None = None
    occupies: Slugs = []
    offer: OfferPart


class HubFile(_Part):
    """A whole hub."""

    format: Literal["hubnetz-hub/1"]
    hub: HubPart
    contacts: Annotated[dict[Slug, ContactPart], Field(max_length=LIST_ITEMS_MAX)] = {}
    terms: Annotated[dict[Word, TermPart], Field(max_length=LIST_ITEMS_MAX)] = {}
    places: Annotated[dict[Slug, PlacePart], Field(max_length=LIST_ITEMS_MAX)]
    resources: Annotated[dict[Slug, ResourcePart], Field(max_length=LIST_ITEMS_MAX)] = {}
    blackouts: Annotated[dict[Slug, BlackoutPart], Field(max_length=LIST_ITEMS_MAX)] = {}
    booking_rules: Annotated[dict[Slug, Rules], Field(max_length=LIST_ITEMS_MAX)] = {}
    import_sources: Annotated[dict[Slug, SourcePart], Field(max_length=LIST_ITEMS_MAX)] = {}
    defaults: OfferPart = OfferPart()
    offers: Annotated[dict[Slug, OfferPart], Field(max_length=LIST_ITEMS_MAX)] = {}


def local_time(text: str) -> datetime:
    """A wall time of the file; ValueError if there is no such date."""
    return datetime.fromisoformat(text)
