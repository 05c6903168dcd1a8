"""The calendar entry of a booking: one object with one event (RFC 5545, 5546 iTIP, 6047 iMIP).

UID is the booking, for ever; SEQUENCE and DTSTAMP are version and time of the event that people are told of. Times are UTC:
a single date needs no VTIMEZONE, and the mail's text has the local time. No VALARM, no secret link: calendars are shared.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from icalendar import Calendar, Event, vCalAddress, vGeo, vText

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
    """The object as UTF-8, CRLF, folded at 75 octets."""
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
