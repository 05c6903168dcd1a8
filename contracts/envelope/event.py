"""The message models' base and the event around them."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final, TypeVar, dataclass_transform
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

RECORD_BYTES_MAX: Final = 256 * 1024
"""`max.message.bytes` of every topic that carries models (dead letters have room for their headers on top)."""
VALUE_BYTES_MAX: Final = 248 * 1024
"""Leaves 8 KiB for key, headers and Kafka's frame; the catalogue's publish gate stops earlier, at 240 KiB."""
KEY_BYTES_MAX: Final = 512
"""The longest key is an offer id with a word behind it, some 90 bytes."""
COMMAND_BYTES_MAX: Final = 64 * 1024
"""Commands come from outside: the longest that the models allow stays well below."""
PROBLEMS_MAX: Final = 20
NULL_IS_A_VALUE: Final = frozenset({"release_after_minutes"})
"""Fields, wherever they stand, whose null says something else than their absence. Of all others null reads as absent."""


T = TypeVar("T")


class BadRecord(ValueError):
    """A record that cannot be read. `reason` is a dead letter code, `detail` never quotes the record."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class Part(BaseModel):
    """A part of a message: closed and strict where it is written, open where it is read (`envelope.decode`)."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        serialize_by_alias=True,
        validate_by_alias=True,
        validate_by_name=True,
        hide_input_in_errors=True,
    )

    def to_json(self) -> bytes:
        """The canonical value: UTF-8, no blanks, fields in the order of the model, without those equal to their default."""
        return self.__pydantic_serializer__.to_json(self, exclude_defaults=True)


class Model(Part):
    """A message; its type is `de.hubnetz.<area>.<class name>.v<major>`."""

    area: ClassVar[str]
    major: ClassVar[int] = 1
    key_field: ClassVar[str]
    key_is_binding: ClassVar[bool] = False
    """True where compaction goes by the key: then another key than the id inside is a bad record."""
    value_bytes_max: ClassVar[int] = VALUE_BYTES_MAX
    ce_type: ClassVar[str]

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        if hasattr(cls, "area"):
            cls.ce_type = f"de.hubnetz.{cls.area}.{cls.__name__}.v{cls.major}"

    @classmethod
    def bare_type(cls) -> str:
        """The name alone, as it stands in derived ids and payload hashes: `BookingConfirmed`."""
        return cls.__name__

    def key(self) -> str:
        """The Kafka key of this message: the text of the id that its topic is ordered by."""
        return str(getattr(self, self.key_field))


@dataclass_transform(frozen_default=True)
def _record(cls: type[T]) -> type[T]:
    return dataclass(slots=True)(cls)


@_record
class Event:
    """One CloudEvent, as received or to be sent. The type checker holds it frozen; at run time that would cost 1.5 us each.

    `data` is None for a tombstone, and for an invalid body where the topic answers those: then `problems` names the JSON
    pointers that failed, at most 20. `value` is what arrived, byte for byte; None on tombstones and on events to be sent.
    """

    id: UUID
    source: str
    type: str
    time: datetime
    key: str
    data: Model | None
    causation_id: UUID | None = None
    expiry_time: datetime | None = None
    traceparent: str | None = None
    tracestate: str | None = None
    value: bytes | None = None
    problems: tuple[str, ...] = ()

    @property
    def bare_type(self) -> str:
        """`RequestBooking` of `de.hubnetz.booking.RequestBooking.v1`; of a foreign type its last part but one."""
        parts = self.type.rsplit(".", 2)
        return parts[-2] if len(parts) > 1 else self.type


def wrong(pointer: str, what: str) -> PydanticCustomError:
    """The error of a rule between fields; `pointer` (from the model that has the rule) is where a person would mend it."""
    return PydanticCustomError("rule", "{what}", {"what": what, "pointer": pointer})
