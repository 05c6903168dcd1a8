"""What a frontend sends: requests as raw records, good ones and one of each bad kind."""

import json
import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from tests.support.kafka import Headers, Raw

SOURCE: Final = b"urn:hub:test:frontend-kiosk"
TYPE: Final = b"de.hubnetz.booking.RequestBooking.v1"
PERSON: Final = "Mechthild-Zwackelmann"  # stands in bodies and headers; no log line may ever show it


def request(event_id: UUID | None = None, *, offer: str = "urn:hub:test:offer:1", minutes: int = 60) -> Raw:
    """A request that booking could read; keyed by its offer."""
    event_id = event_id or uuid.uuid4()
    return Raw(key=offer.encode(), headers=headers(event_id), value=body(offer, minutes=minutes))


def requests(count: int, *, offers: int = 40) -> list[Raw]:
    """Requests with ids of their own, spread over so many offers and thereby over the partitions."""
    return [request(offer=f"urn:hub:test:offer:{number % offers}") for number in range(count)]


def headers(event_id: UUID) -> list[tuple[str, bytes | None]]:
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(event_id).encode()),
        ("ce_source", SOURCE),
        ("ce_type", TYPE),
        ("ce_time", b"2026-11-24T09:00:00Z"),
        ("content-type", b"application/json"),
    ]


def body(offer: str, *, minutes: int = 60) -> bytes:
    actor = {"role": "citizen", "id": "00000000-0000-4000-8000-000000000001"}
    claimant = {"kind": "person", "person_id": "00000000-0000-4000-8000-000000000001"}
    fields = {"offer_id": offer, "actor": actor, "claimant": claimant, "start": "2026-12-01T10:00:00Z"}
    return json.dumps(fields | {"duration_minutes": minutes}).encode()


def event_id(record: Raw) -> UUID:
    """The id that a good record carries."""
    return UUID(bytes.decode(dict(record.headers)["ce_id"] or b""))


@dataclass(frozen=True, slots=True)
class Bad:
    """A way to be wrong, and the reason that the dead letter has to give."""

    reason: str
    spoil: Callable[[Raw], Raw]


def _set(name: str, value: bytes | None) -> Callable[[Raw], Raw]:
    def spoil(record: Raw) -> Raw:
        return replace(record, headers=[(n, value if n == name else v) for n, v in record.headers])

    return spoil


def _without(name: str) -> Callable[[Raw], Raw]:
    return lambda record: replace(record, headers=[(n, v) for n, v in record.headers if n != name])


def _add(name: str, value: bytes | None) -> Callable[[Raw], Raw]:
    return lambda record: replace(record, headers=[*record.headers, (name, value)])


def _value(value: bytes | None) -> Callable[[Raw], Raw]:
    return lambda record: replace(record, value=value)


_MARK: Final = PERSON.encode()
BAD: Final[Sequence[Bad]] = (
    Bad("too_large", _value(b'{"note":"' + _MARK * 4_000 + b'"}')),
    Bad("duplicate_header", _add("ce_source", _MARK)),
    Bad("bad_encoding", _set("ce_source", b"\xff\xfe" + _MARK)),
    Bad("bad_encoding", _set("ce_source", None)),
    Bad("bad_encoding", lambda record: replace(record, key=b"\xff" + _MARK)),
    *(Bad(f"missing_{name}", _without(f"ce_{name}")) for name in ("specversion", "id", "source", "type", "time")),
    Bad("bad_specversion", _set("ce_specversion", b"0.3")),
    Bad("bad_id", _set("ce_id", _MARK)),
    Bad("bad_id", _set("ce_id", b"0")),
    Bad("bad_source", _set("ce_source", b"not a uri " + _MARK)),
    Bad("bad_source", _set("ce_source", b"urn:x\x00")),
    Bad("bad_type", _set("ce_type", b"with a blank " + _MARK)),
    Bad("bad_time", _set("ce_time", b"yesterday")),
    Bad("bad_time", _set("ce_time", b"2026-06-31T00:00:00Z")),
    Bad("bad_datacontenttype", _set("content-type", b"application/cloudevents+json")),
    Bad("bad_causationid", _add("ce_causationid", _MARK)),
    Bad("bad_expirytime", _add("ce_expirytime", b"soon")),
    Bad("null_value", _value(None)),
    Bad("null_value", lambda record: replace(record, key=None, value=None)),
    Bad("unknown_type", _set("ce_type", b"de.hubnetz.booking.RequestHolidays.v1")),
    Bad("unknown_type", _set("ce_type", b"de.hubnetz.booking.RequestBooking.v9")),
)
"""Of these, `booking.requests.v1` answers nothing: their envelope cannot be read."""

_BODY: Final = body("urn:hub:test:offer:1").decode()
BAD_BODIES: Final[Sequence[bytes]] = (
    b"",
    b"\x00",
    b"not json " + _MARK,
    b"\xef\xbb\xbf" + _BODY.encode(),
    b'{"offer_id":"' + _MARK,
    b"[" * 20_000,
    b'{"a":' * 3_000 + b"1" + b"}" * 3_000,
    _BODY.replace("}", ',"later":NaN}', 1).encode(),
    _BODY.replace("60", "Infinity").encode(),
    b'"' + _MARK + b'"',
    b"\xff\xfe" + _MARK,
)
"""No JSON object at all: `bad_json`, on every topic."""


def hostile(count: int, *, seed: int) -> list[tuple[Raw, str]]:
    """Bad records with the reason each has to get, every kind about equally often."""
    draw = random.Random(seed)
    kinds = [*BAD, *(Bad("bad_json", _value(content)) for content in BAD_BODIES)]
    chosen = [kinds[number % len(kinds)] for number in range(count)]
    draw.shuffle(chosen)
    return [(bad.spoil(request(offer=f"urn:hub:test:offer:{draw.randrange(40)}")), bad.reason) for bad in chosen]


def same(sent: Headers, received: Headers) -> bool:
    """Whether headers came through, in their order; names and values, null ones too."""
    return [(name, value) for name, value in sent] == [(name, value) for name, value in received]
