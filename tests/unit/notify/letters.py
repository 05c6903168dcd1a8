"""Claimed messages with all that their text needs."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from services.notify.delivery.making import Desk
from services.notify.domain.letters import Letter
from services.notify.domain.messages import Facts, Kind, MessageClass
from services.notify.domain.offers import Offer, Place
from services.notify.domain.people import Contact

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
START = datetime(2026, 3, 10, 13, 0, tzinfo=UTC)
PERSON = UUID("00000000-0000-4000-8000-0000000000c1")
BOOKING = UUID("00000000-0000-4000-8000-0000000000b1")
DESK = Desk(
    hub_id="testhub",
    hub_name="Digitaler Hub Großröhrsdorf",
    sender="hub@example.org",
    mail_domain="hub.example.org",
    is_live=True,
)


def contact(**fields: Any) -> Contact:
    """Anna, verified, German."""
    given: dict[str, Any] = {
        "person_id": PERSON,
        "name": "Anna Beispiel",
        "mailbox": "anna@example.org",
        "has_address": True,
        "needs_utf8": False,
        "language": "de",
        "verified_at": NOW,
        "link_epoch": 0,
    }
    return Contact(**(given | fields))


def offer(**fields: Any) -> Offer:
    """A meeting room."""
    given: dict[str, Any] = {
        "offer_id": "urn:hub:testhub:offer:00000000-0000-4000-8000-00000000000a",
        "revision": 1,
        "kind": "room",
        "is_special": False,
        "is_withdrawn": False,
        "title": {"de": "Besprechungsraum Röder", "en": "Meeting room Roeder"},
        "place": Place(
            name={"de": "Rathaus, Zimmer 12"},
            street="Rathausplatz 1",
            postal_code="01900",
            city="Großröhrsdorf",
            lat=51.14,
            lon=14.01,
        ),
        "visitor_notes": {"de": "Bitte klingeln.\n\nZweiter Stock."},
        "contact_email": "raum@hub.example.org",
        "contact_telephone": "+49 35952 100",
    }
    return Offer(**(given | fields))


def letter(kind: Kind, **fields: Any) -> Letter:
    """A letter about a booking that was confirmed once; moves and displacements know where it was and could be."""
    given: dict[str, Any] = {
        "message_id": UUID("00000000-0000-4000-8000-00000000000d"),
        "claim": 1,
        "kind": kind,
        "message_class": MessageClass.REMINDER if kind is Kind.REMINDER else MessageClass.ANSWER,
        "lane": 1,
        "booking_id": BOOKING,
        "version": 3,
        "caused_at": NOW,
        "start": START,
        "end": START + timedelta(minutes=90),
        "time_zone": "Europe/Berlin",
        "facts": Facts(
            old_start=START - timedelta(days=1) if kind is Kind.CHANGED else None,
            old_end=START - timedelta(days=1) + timedelta(minutes=90) if kind is Kind.CHANGED else None,
            rebook_by=START - timedelta(days=2) if kind is Kind.DISPLACED else None,
            alternatives=((START + timedelta(days=1), START + timedelta(days=1, minutes=90)),)
            if kind is Kind.DISPLACED
            else (),
            was_confirmed=True,
        ),
        "next_at": NOW,
        "attempts": 0,
        "first_attempt_at": None,
        "mail_date": NOW + timedelta(seconds=5),
        "template": None,
        "resent": False,
        "contact": contact(),
        "contact_revision": 1,
        "offer": offer(),
        "check_in_code": "7K3M9QXT",
        "told_before": kind is not Kind.CONFIRMED,
    }
    return Letter(**(given | fields))
