"""Value types of the wire: what a text, an id, an instant may look like.

PostgreSQL refuses NUL inside text and jsonb, and pydantic's own `datetime` takes local times, blanks and strings of digits
even in strict mode: a value that gets past here into a service must never fail behind the parser.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

READER: Final = {"reader": True}
"""Validation context of a reader: open enums map what they do not know instead of refusing it."""

INT32_MAX: Final = 2**31 - 1
INT64_MAX: Final = 2**63 - 1

UUID_PATTERN: Final = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
DATE_PATTERN: Final = "^[12][0-9]{3}-[0-9]{2}-[0-9]{2}$"
# Years 1000 to 2999: whatever the offset, the instant stays within what datetime and PostgreSQL can hold.
_CLOCK: Final = "[12][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
_OFFSET: Final = "(Z|[+-][0-9]{2}:[0-9]{2})"
INSTANT_PATTERN: Final = rf"^{_CLOCK}(\.[0-9]{{1,9}})?{_OFFSET}$"
WHOLE_INSTANT_PATTERN: Final = f"^{_CLOCK}{_OFFSET}$"
LOCAL_TIME_PATTERN: Final = f"^{_CLOCK}$"
BOOKED_TIME_PATTERN: Final = f"^{_CLOCK}{_OFFSET}?$"

# No C0, no C1 (NUL and DEL among them), no bidirectional embedding, override or isolate.
_LINE_PATTERN: Final = "^[^\\u0000-\\u001f\\u007f-\\u009f\\u202a-\\u202e\\u2066-\\u2069]*$"
# Long texts are CommonMark and need line feed and tab.
_TEXT_PATTERN: Final = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u202a-\\u202e\\u2066-\\u2069]*$"


def parse_instant(text: str) -> datetime:
    """Read an instant with any offset as aware UTC, cut to microseconds; ValueError if there is no such instant."""
    value = datetime.fromisoformat(text)
    return value if value.tzinfo is UTC else value.astimezone(UTC)


@lru_cache(maxsize=4096)
def _parse_booked(text: str) -> datetime:
    """Booked times repeat: they lie on a grid, within weeks."""
    value = datetime.fromisoformat(text)
    return value if value.tzinfo is UTC or value.tzinfo is None else value.astimezone(UTC)


def _readable(value: datetime) -> datetime:
    """What is written can be read: the patterns take the years 1000 to 2999."""
    if not 1000 <= value.year <= 2999:
        raise PydanticCustomError("year", "years have four digits and begin with 1 or 2")
    return value


def _instant_of(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise PydanticCustomError("instant", "an instant needs an offset")
    return _readable(value if value.tzinfo is UTC else _readable(value).astimezone(UTC))


def _whole(value: datetime) -> datetime:
    if value.microsecond:
        raise PydanticCustomError("whole_seconds", "booked times are whole seconds")
    return _readable(value)


def _whole_instant_of(value: datetime) -> datetime:
    if value.tzinfo is not UTC:
        value = _instant_of(value)
    return _whole(value)


def _local_of(value: datetime) -> datetime:
    if value.tzinfo is not None:
        raise PydanticCustomError("local_time", "a local time has no offset")
    return _whole(value)


def _booked_of(value: datetime) -> datetime:
    return _whole(value) if value.tzinfo is None else _whole_instant_of(value)


@dataclass(frozen=True, slots=True)
class _TimeForm:
    """How a time is read from JSON text (pattern, then `parse`) and from Python (`check`); the year is bounded in both."""

    pattern: str
    parse: Callable[[str], datetime]
    check: Callable[[datetime], datetime]
    format: str

    def __get_pydantic_core_schema__(self, source: type[datetime], handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        bounds = core_schema.datetime_schema(strict=True)
        return core_schema.json_or_python_schema(
            json_schema=core_schema.no_info_after_validator_function(self.parse, core_schema.str_schema(pattern=self.pattern)),
            python_schema=core_schema.no_info_after_validator_function(self.check, bounds),
            serialization=core_schema.simple_ser_schema("datetime"),
        )

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": self.pattern} | ({"format": self.format} if self.format else {})


Instant = Annotated[datetime, _TimeForm(INSTANT_PATTERN, parse_instant, _instant_of, "date-time")]
"""Aware UTC; written with `Z`, read with any offset."""
WholeInstant = Annotated[datetime, _TimeForm(WHOLE_INSTANT_PATTERN, _parse_booked, _whole_instant_of, "date-time")]
"""An instant in whole seconds, as all booked times are."""
LocalTime = Annotated[datetime, _TimeForm(LOCAL_TIME_PATTERN, datetime.fromisoformat, _local_of, "")]
"""Wall clock without offset, whole seconds; a naive `datetime`."""
BookedTime = Annotated[datetime, _TimeForm(BOOKED_TIME_PATTERN, _parse_booked, _booked_of, "")]
"""A `WholeInstant` (aware) or a `LocalTime` (naive), to be resolved in the offer's zone."""


class _UuidForm:
    """Read in lower case with hyphens only: one id has one spelling, in keys, in hashes, in derived ids."""

    def __get_pydantic_core_schema__(self, source: type[UUID], handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        text = core_schema.str_schema(pattern=UUID_PATTERN)
        return core_schema.json_or_python_schema(
            json_schema=core_schema.chain_schema([text, core_schema.uuid_schema(strict=False)]),
            python_schema=core_schema.uuid_schema(strict=True),
            serialization=core_schema.simple_ser_schema("uuid"),
        )

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "format": "uuid", "pattern": UUID_PATTERN}


Uuid = Annotated[UUID, _UuidForm()]


class _DateForm:
    def __get_pydantic_core_schema__(self, source: type[date], handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        text = core_schema.str_schema(pattern=DATE_PATTERN)
        return core_schema.json_or_python_schema(
            json_schema=core_schema.no_info_after_validator_function(date.fromisoformat, text),
            python_schema=core_schema.date_schema(strict=True),
            serialization=core_schema.simple_ser_schema("date"),
        )

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "format": "date", "pattern": DATE_PATTERN}


Day = Annotated[date, _DateForm()]
"""A local date, `YYYY-MM-DD`."""


def _normalised(value: str) -> str:
    if not value.isascii() and not unicodedata.is_normalized("NFC", value):
        raise PydanticCustomError("not_nfc", "text has to be in Unicode normal form C")
    return value


@dataclass(frozen=True, slots=True)
class _TextForm:
    """Bounded text for people, in characters; never empty: a text without content is left out."""

    length_max: int
    pattern: str = _LINE_PATTERN

    def __get_pydantic_core_schema__(self, source: type[str], handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        text = core_schema.str_schema(strict=True, min_length=1, max_length=self.length_max, pattern=self.pattern)
        return core_schema.no_info_after_validator_function(_normalised, text)


Label = Annotated[str, _TextForm(200)]
"""One line."""
LongText = Annotated[str, _TextForm(20_000, _TEXT_PATTERN)]
"""CommonMark; a whole offer has to fit into one record, which its writer checks."""

Id = Annotated[str, Field(pattern="^[A-Za-z0-9._:-]{1,120}$")]
"""Id of an offer, resource, place, staff member: no `/`, which separates the parts of derived ids."""
HubId = Annotated[str, Field(pattern="^[a-z0-9-]{2,32}$")]
Code = Annotated[str, Field(pattern="^[a-z0-9_-]{1,40}$")]
"""A word of a vocabulary that the hub itself keeps: a group, a feature, a cause."""
ReasonCode = Annotated[str, Field(pattern="^[a-z_]{1,40}$")]
TypeName = Annotated[str, Field(pattern="^[A-Z][A-Za-z0-9]{0,59}$")]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
TimeZone = Annotated[str, Field(pattern="^[A-Za-z0-9_+-]{1,30}(/[A-Za-z0-9_+-]{1,30}){0,2}$")]
"""IANA name; whether the zone exists is for the reader's tzdata to say."""
TimeOfDay = Annotated[str, Field(pattern="^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]
LanguageTag = Annotated[str, Field(pattern="^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}$")]
WebAddress = Annotated[str, Field(pattern="^https?://[!-~]{1,1000}$")]

Count = Annotated[int, Field(ge=0, le=INT32_MAX)]
Quantity = Annotated[int, Field(ge=1, le=500)]
Revision = Annotated[int, Field(ge=0, le=INT64_MAX)]
Version = Annotated[int, Field(ge=1, le=INT32_MAX)]
Minutes = Annotated[int, Field(ge=0, le=366 * 24 * 60)]


def at_most(length_max: int, *, at_least: int = 0) -> FieldInfo:
    """Bounds of a list. It is read to its first bad entry: one pointer, and a hostile list costs no more than a good one."""
    info: FieldInfo = Field(min_length=at_least or None, max_length=length_max, fail_fast=True)
    return info


@dataclass(frozen=True, slots=True)
class MapForm:
    """A map of at most so many entries, counted before they are read; `is_sorted` gives it one written form."""

    length_max: int
    is_sorted: bool = False

    def _bounded(self, entries: object) -> object:
        if not isinstance(entries, dict):
            return entries  # for the schema below to refuse
        if len(entries) > self.length_max:
            raise PydanticCustomError("too_long", "more entries than the map may have")
        return dict(sorted(entries.items())) if self.is_sorted and len(entries) > 1 else entries

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        schema = handler(source)
        assert schema["type"] == "dict"
        return core_schema.no_info_before_validator_function(self._bounded, {**schema, "max_length": self.length_max})


_OPEN_VALUE: Final = re.compile("[a-z][a-z0-9_-]{0,59}", re.ASCII)


class OpenEnum:
    """Annotation of an enum that may grow within a major: readers map a new value to `fallback`, writers may not write that."""

    def __init__(self, fallback: StrEnum) -> None:
        self._fallback = fallback
        self._members = {member.value: member for member in type(fallback) if member is not fallback}

    def _read(self, value: object, info: core_schema.ValidationInfo) -> StrEnum:
        member = self._members.get(value) if isinstance(value, str) else None
        if member is not None:
            return member
        if info.context == READER and isinstance(value, str) and _OPEN_VALUE.fullmatch(value):
            return self._fallback
        raise PydanticCustomError("enum", "not one of the values of this field")

    def _written(self, value: StrEnum) -> StrEnum:
        if value is self._fallback:
            raise PydanticCustomError("enum", "this value stands for what a reader does not know")
        return value

    def __get_pydantic_core_schema__(self, source: type[StrEnum], handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.json_or_python_schema(
            json_schema=core_schema.with_info_plain_validator_function(self._read),
            python_schema=core_schema.no_info_after_validator_function(self._written, core_schema.is_instance_schema(source)),
            serialization=core_schema.simple_ser_schema("str"),
        )

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "enum": list(self._members), "x-open": True}
