"""The calendar entry of a booking: one object with one event (RFC 5545, 5546 iTIP, 6047 iMIP).

UID is the booking, for ever; SEQUENCE and DTSTAMP are version and time of the event that people are told of. Times are UTC:
a single date needs no VTIMEZONE, and the mail's text has the local time. No VALARM, no secret link: calendars are shared.

Written here and not by icalendar, which takes 0.5 ms an entry, as much as all the rest of a mail (measured 2026-11, Python
3.11); that library judges every entry in the tests.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal
from uuid import UUID

from services.notify.domain.wording import clean

Method = Literal["REQUEST", "CANCEL"]
_PRODUCT: Final = "-//Hubnetz//notify//DE"
_LINE_OCTETS: Final = 75
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the calendar is told. `attendee` is left out where the file is fetched and not mailed."""

    method: Method
    booking_id: UUID
    mail_domain: str
    sequence: int
    stamp: datetime
    start: datetime
    end: datetime
    title: str
    location: str
    geo: tuple[float, float] | None
    organizer: str
    organizer_name: str
    attendee: str | None


def render(entry: Entry) -> bytes:
    """The object as UTF-8, CRLF, folded at 75 octets. Errors: ValueError for a value that would make a line of its own."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        f"PRODID:{_PRODUCT}",
        f"METHOD:{entry.method}",
        "BEGIN:VEVENT",
        f"UID:{entry.booking_id}@{entry.mail_domain}",
        f"SEQUENCE:{entry.sequence}",
        f"DTSTAMP:{_utc(entry.stamp)}",
        f"DTSTART:{_utc(entry.start)}",
        f"DTEND:{_utc(entry.end)}",
        f"SUMMARY:{_text(entry.title)}",
        f"STATUS:{'CANCELLED' if entry.method == 'CANCEL' else 'CONFIRMED'}",
        f"ORGANIZER;CN={_parameter(entry.organizer_name)}:mailto:{entry.organizer}",
    ]
    if entry.attendee is not None:
        lines.append(f"ATTENDEE;PARTSTAT=ACCEPTED;RSVP=FALSE:mailto:{entry.attendee}")
    if entry.location:
        lines.append(f"LOCATION:{_text(entry.location)}")
    if entry.geo is not None:
        lines.append(f"GEO:{entry.geo[0]};{entry.geo[1]}")
    return b"".join(_folded(line) for line in (*lines, "END:VEVENT", "END:VCALENDAR"))


def _utc(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _text(value: str) -> str:
    """A TEXT value (RFC 5545 3.3.11), cleaned: it has no line of its own."""
    return clean(value).replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")


def _parameter(value: str) -> str:
    """In quotes; it cannot hold one itself (RFC 5545 3.2), and `^` begins an escape (RFC 6868)."""
    return '"' + clean(value).replace('"', "'").replace("^", "^^") + '"'


def _folded(line: str) -> bytes:
    """Pieces of at most 75 octets, none of which ends within a character (RFC 5545 3.1)."""
    if _CONTROLS.search(line):
        raise ValueError("a value that would make a line of its own")
    octets = line.encode()
    pieces: list[bytes] = []
    start = 0
    while len(octets) - start > _LINE_OCTETS - bool(pieces):
        end = start + _LINE_OCTETS - bool(pieces)
        while octets[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(octets[start:end])
        start = end
    return b"\r\n ".join([*pieces, octets[start:]]) + b"\r\n"
