"""Between what travels and what notify thinks with: events in, fates out."""

from datetime import datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from email_validator import EmailNotValidError, validate_email

from contracts import notify as messages
from contracts.booking.events import BookingConfirmed, BookingDisplaced, BookingFact, BookingRescheduled
from contracts.booking.vocabulary import PersonClaimant
from contracts.catalog import Attendance, DataCategory, OfferPublished, OfferWithdrawn
from contracts.catalog import Place as PublishedPlace
from contracts.envelope import Event
from contracts.people import ContactSaved
from services.notify import limits
from services.notify.domain.bookings import ActorRole, BookingEvent, BookingState
from services.notify.domain.letters import Fate
from services.notify.domain.messages import State, fact_id
from services.notify.domain.offers import Offer, Place
from services.notify.domain.people import Contact

_FATES: Final[dict[State, type[messages.MessageFate]]] = {
    State.SENT: messages.MessageSent,
    State.FAILED: messages.MessageFailed,
    State.MISSED: messages.MessageFailed,
    State.UNCERTAIN: messages.MessageUncertain,
    State.SUPPRESSED: messages.MessageSuppressed,
}


def is_zone(name: str) -> bool:
    """Whether this machine's time zone data know the name: the contract only says what a name looks like."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError):  # unknown keys raise KeyError's child ZoneInfoNotFoundError
        return False
    except KeyError:
        return False
    return True


def booking_event(event: Event, data: BookingFact) -> BookingEvent:
    """A fact about one booking; its zone has been checked."""
    claimant = data.claimant
    old = data.old if isinstance(data, BookingRescheduled) else None
    displaced = data if isinstance(data, BookingDisplaced) else None
    return BookingEvent(
        type=data.bare_type(),
        event_id=event.id,
        at=event.time,
        booking_id=data.booking_id,
        version=data.version,
        state=BookingState(data.state),
        from_state=BookingState(data.from_state) if data.from_state else None,
        offer_id=data.offer_id,
        person_id=claimant.person_id if isinstance(claimant, PersonClaimant) else None,
        start=data.start,
        end=data.end,
        time_zone=data.time_zone,
        is_of_series=data.series_id is not None,
        actor_role=ActorRole(data.actor_role),
        answers_request=data.request_id is not None,
        check_in_code=data.check_in_code if isinstance(data, BookingConfirmed) else None,
        old_start=old.start if old else None,
        old_end=old.end if old else None,
        rebook_by=displaced.rebook_by if displaced else None,
        alternatives=tuple((a.start, a.end) for a in displaced.alternatives) if displaced else (),
    )


def contact(data: ContactSaved) -> Contact:
    """A contact with its mailbox as mail needs it; one that no mail can be sent to is kept without it."""
    mailbox, needs_utf8 = None, False
    if data.address is not None:
        try:
            parsed = validate_email(data.address, check_deliverability=False, test_environment=True)
        except EmailNotValidError:
            parsed = None
        if parsed is not None:
            needs_utf8 = not parsed.local_part.isascii()
            mailbox = f"{parsed.local_part}@{parsed.ascii_domain}"
    return Contact(
        person_id=data.person_id,
        name=data.name,
        mailbox=mailbox,
        has_address=data.address is not None,
        needs_utf8=needs_utf8,
        language=data.language,
        verified_at=data.verified_at,
        link_epoch=data.link_epoch,
    )


def offer(data: OfferPublished | OfferWithdrawn) -> Offer:
    """What mails need of an offer; one that is withdrawn has no texts."""
    if isinstance(data, OfferWithdrawn):
        return Offer(
            offer_id=data.offer_id, revision=data.revision, kind="other", is_special=True, is_withdrawn=True
        )  # nothing is known of it: neutral
    return Offer(
        offer_id=data.offer_id,
        revision=data.revision,
        kind=data.kind,
        is_special=data.data_category is DataCategory.SPECIAL,
        is_withdrawn=False,
        title=dict(data.title),
        place=_place(data.places[0]) if data.places else None,
        is_online=data.attendance is not Attendance.ONSITE,
        online_url=data.online_url,
        visitor_notes={tag: text[: limits.NOTES_CHARACTERS_MAX] for tag, text in data.visitor_notes.items()},
        contact_email=data.contact.email if data.contact else None,
        contact_telephone=data.contact.telephone if data.contact else None,
    )


def _place(place: PublishedPlace) -> Place:
    address = place.address
    return Place(
        name=dict(place.name),
        street=address.street if address else None,
        postal_code=address.postal_code if address else None,
        city=address.city if address else None,
        lat=place.lat,
        lon=place.lon,
    )


def fate_event(fate: Fate, *, hub_id: str, at: datetime) -> Event:
    """The fact that tells of a fate: under the same id however often it is told."""
    model = _FATES[fate.state]
    fields: dict[str, object] = {
        "message_id": fate.message_id,
        "kind": messages.MessageKind(fate.kind),
        "class": messages.MessageClass(fate.message_class),
        "channel": messages.Channel.MAIL,
        "booking_id": fate.booking_id,
        "due_at": fate.due_at,
        "at": at,
        "attempts": fate.attempts,
        "resent": fate.resent,
    }
    if model is messages.MessageFailed:
        fields["reason"] = messages.FailureReason("missed" if fate.state is State.MISSED else fate.reason or "")
    elif model is messages.MessageSuppressed:
        fields["reason"] = messages.SuppressionReason(fate.reason or "")
    data = model.model_validate(fields)
    return Event(
        id=fact_id(fate.message_id, fate.state, fate.attempts),
        source=f"urn:hub:{hub_id}:notify",
        type=data.ce_type,
        time=at,
        key=data.key(),
        data=data,
        causation_id=fate.cause_id,
    )


def person_id(key: str) -> UUID | None:
    """The person a tombstone is about; None if the key is no id."""
    try:
        found = UUID(key)
    except ValueError:
        return None
    return found if str(found) == key else None
