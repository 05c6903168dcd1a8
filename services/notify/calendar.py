"""The calendar entry of a booking: one object with one event (RFC 5545, 5546 iTIP, 6047 iMIP).

UID is the booking, for ever; SEQUENCE and DTSTAMP are version and time of the event that people are told of. Times are UTC:
a single date needs no VTIMEZONE, and the mail's text has the local time. No VALARM, no secret link: calendars are shared.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Literal
from uuid import UUID

from icalendar import Calendar, Event, vCalAddress, vGeo, vText

from services.notify import limits
from services.notify.domain.wording import clean

Method = Literal["REQUEST", "CANCEL"]
_PRODUCT: Final = "-//Hubnetz//notify//DE"


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
    """The object as UTF-8, CRLF, folded at 75 octets: the bytes that `render_whole` gives.

    The library takes 360 us for an object; what is the same in all of an offer is rendered once (2026-12-01).
    """
    if entry.attendee is not None and not _PLAIN.fullmatch(entry.attendee):
        return render_whole(entry)
    blank = replace(
        entry, booking_id=_NOBODY, sequence=0, stamp=_NEVER, start=_NEVER, end=_NEVER, attendee=entry.attendee and _ANYBODY
    )
    return _form(blank) % {
        b"uid": str(entry.booking_id).encode(),
        b"sequence": b"%d" % entry.sequence,
        b"stamp": _instant(entry.stamp),
        b"start": _instant(entry.start),
        b"end": _instant(entry.end),
        b"attendee": _folded(_ATTENDEE + (entry.attendee or "").encode()),
    }


_NOBODY: Final = UUID(int=0)
_NEVER: Final = datetime(2000, 1, 1, tzinfo=UTC)
_ANYBODY: Final = "x"
_ATTENDEE: Final = b"ATTENDEE;PARTSTAT=ACCEPTED;RSVP=FALSE:mailto:"
# What the library neither refuses nor folds in another way than at a number of octets.
_PLAIN: Final = re.compile(r"[!-\[\]_-~]+")
_FOLD_OCTETS: Final = 74


@lru_cache(maxsize=limits.CALENDAR_FORMS_MAX)
def _form(blank: Entry) -> bytes:
    """The object of an entry in which the blanks are to be filled in; all but the attendee have the length of what comes."""
    form = render_whole(blank).replace(b"%", b"%%")
    for name, empty, filled in (
        (b"UID", str(_NOBODY).encode(), b"%(uid)b"),
        (b"SEQUENCE", b"0", b"%(sequence)b"),
        (b"DTSTAMP", _instant(_NEVER), b"%(stamp)b"),
        (b"DTSTART", _instant(_NEVER), b"%(start)b"),
        (b"DTEND", _instant(_NEVER), b"%(end)b"),
    ):
        # No text is taken for one of these: what is folded goes on with a blank.
        form = form.replace(b"\r\n" + name + b":" + empty, b"\r\n" + name + b":" + filled, 1)
    return form.replace(b"\r\n" + _ATTENDEE + _ANYBODY.encode(), b"\r\n%(attendee)b", 1)


def _instant(instant: datetime) -> bytes:
    return instant.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ").encode()


def _folded(line: bytes) -> bytes:
    return b"\r\n ".join(line[start : start + _FOLD_OCTETS] for start in range(0, len(line), _FOLD_OCTETS))


def render_whole(entry: Entry) -> bytes:
    """The same by the library alone."""
    calendar = Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", entry.method)
    event = Event()
    event.add("uid", f"{entry.booking_id}@{entry.mail_domain}")
    event.add("sequence", entry.sequence)
    event.add("dtstamp", entry.stamp)
    event.add("dtstart", entry.start)
    event.add("dtend", entry.end)
    event.add("summary", clean(entry.title))
    event.add("status", "CANCELLED" if entry.method == "CANCEL" else "CONFIRMED")
    event.add("organizer", _address(entry.organizer, CN=_parameter(entry.organizer_name)))
    if entry.attendee is not None:
        event.add("attendee", _address(entry.attendee, PARTSTAT="ACCEPTED", RSVP="FALSE"))
    if entry.location:
        event.add("location", clean(entry.location))
    if entry.geo is not None:
        event.add("geo", vGeo(entry.geo))
    calendar.add_component(event)
    return bytes(calendar.to_ical())


def _address(mailbox: str, **parameters: str) -> vCalAddress:
    address = vCalAddress(f"mailto:{mailbox}")
    for name, value in parameters.items():
        address.params[name] = vText(value)
    return address


def _parameter(value: str) -> str:
    """A parameter cannot hold a double quote (RFC 5545 3.2); a backslash means nothing there, and readers take it for one."""
    return clean(value).replace('"', "'").replace("\\", "/")
