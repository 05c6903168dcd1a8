"""The envelope: CloudEvents 1.0 in Kafka's binary binding and in HTTP, one strict parser for both.

`values` (types of the wire), `event` (models' base, `Event`, `BadRecord`), `parser` (rules of the attributes and of the body),
`kafka` (encode, decode), `http` (binary, structured and batched mode).
"""

from contracts.envelope.event import BadRecord, Event, Model, Part
from contracts.envelope.http import decode_http, decode_http_batch, is_batch
from contracts.envelope.kafka import decode, encode
from contracts.envelope.values import READER, BookedTime, Instant, LocalTime, Uuid, WholeInstant

__all__ = [
    "READER",
    "BadRecord",
    "BookedTime",
    "Event",
    "Instant",
    "LocalTime",
    "Model",
    "Part",
    "Uuid",
    "WholeInstant",
    "decode",
    "decode_http",
    "decode_http_batch",
    "encode",
    "is_batch",
]
