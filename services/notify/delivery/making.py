"""From a claimed row to the bytes of its mail: words, text, calendar part, headers."""

from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from services.notify import calendar
from services.notify.calendar import Entry, Method
from services.notify.domain import wording
from services.notify.domain.letters import Letter
from services.notify.domain.messages import Kind, MessageClass
from services.notify.domain.offers import Offer, nameable, place_in, position_of, title_in
from services.notify.senders import mail, texts
from services.notify.senders.smtp import Post

_METHODS: Final[dict[Kind, Method]] = {
    Kind.CONFIRMED: "REQUEST",
    Kind.CHANGED: "REQUEST",
    Kind.CANCELLED: "CANCEL",
    Kind.DISPLACED: "CANCEL",
}
_OVER: Final = frozenset({Kind.CANCELLED, Kind.DISPLACED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Who writes: the hub. `is_live` False marks every subject, so that nobody takes a test for the truth."""

    hub_id: str
    hub_name: str
    sender: str
    mail_domain: str
    is_live: bool


@dataclass(frozen=True, slots=True)
class Made:
    """A mail ready to go, the text it was made with, and whether that was another language than wanted."""

    post: Post
    template: str
    fell_back: bool


def make(letter: Letter, desk: Desk) -> Made | None:
    """The mail of a claimed message; None if the person's address is one that no mail can be sent to.

    Errors: `jinja2.TemplateError`, ValueError: a fault of texts or of this code.
    """
    recipient = letter.contact.mailbox
    if recipient is None:
        return None
    chosen = wording.choose(letter.template.partition("/")[0] if letter.resent and letter.template else letter.contact.language)
    words = words_of(letter, desk, chosen.language)
    text = texts.render(letter.kind, chosen.language, words)
    if not desk.is_live:
        text = texts.Text(f"[TEST] {text.subject}", text.plain, text.html)
    envelope = mail.Envelope(
        message_id=letter.message_id,
        mail_domain=desk.mail_domain,
        sender=mail.mailbox(wording.clean(desk.hub_name), desk.sender),
        recipient=recipient,
        reply_to=_reply_to(nameable(letter.offer), desk),
        date=letter.mail_date,
    )
    content = mail.compose(envelope, text, _calendar_part(letter, desk, recipient, chosen.language))
    post = Post(sender=desk.sender, recipient=recipient, needs_utf8=letter.contact.needs_utf8, content=content)
    return Made(post, f"{chosen.language}/{texts.TEMPLATES_VERSION}", chosen.fell_back)


def words_of(letter: Letter, desk: Desk, language: str) -> texts.Words:
    """All that the text says, cleaned, in one language."""
    zone = ZoneInfo(letter.time_zone)
    offer = nameable(letter.offer)
    over = letter.kind in _OVER
    own = wording.span(letter.start, letter.end, zone, language)
    old = ""
    if over:
        old = own
    elif letter.facts.old_start is not None and letter.facts.old_end is not None:
        old = wording.span(letter.facts.old_start, letter.facts.old_end, zone, language)
    contact = letter.contact
    facts = letter.facts
    return texts.Words(
        hub=wording.clean(desk.hub_name),
        name=wording.clean_name(contact.name) if contact.name and contact.verified_at is not None else "",
        is_neutral=offer is None,
        title=title_in(offer, language),
        day=wording.day(letter.start, zone, language),
        when="" if over else own,
        old_when=old,
        place=() if over or offer is None else place_in(offer, language),
        online_url="" if over or offer is None or not offer.is_online else wording.clean(offer.online_url or ""),
        code="" if over or letter.check_in_code is None else f"{letter.check_in_code[:4]}-{letter.check_in_code[4:]}",
        notes=() if over or offer is None else _notes(offer, language),
        telephone=wording.clean(offer.contact_telephone or "") if offer else "",
        alternatives=tuple(wording.span(start, end, zone, language) for start, end in facts.alternatives),
        rebook_by=wording.moment(facts.rebook_by, zone, language) if facts.rebook_by else "",
        caused=wording.day(letter.caused_at, zone, language),
        by_you=letter.message_class is MessageClass.ANSWER,
        told_before=letter.told_before,
        is_confirmed=facts.was_confirmed,
        has_entry=facts.was_confirmed,
    )


def _notes(offer: Offer, language: str) -> tuple[tuple[str, ...], ...]:
    text = wording.clean_notes(wording.text_in(offer.visitor_notes, language))
    return tuple(tuple(paragraph.split("\n")) for paragraph in text.split("\n\n") if paragraph.strip())


def _reply_to(offer: Offer | None, desk: Desk) -> str:
    """The offer's functional contact; this hub for a special or a partner's offer, lest an answer carry an address there."""
    if offer is None or not offer.offer_id.startswith(f"urn:hub:{desk.hub_id}:"):
        return desk.sender
    address = offer.contact_email or ""
    fits = address.isascii() and address.isprintable() and not set(address) & set(' <>,;:"()[]\\')
    return address if address and fits else desk.sender


def _calendar_part(letter: Letter, desk: Desk, recipient: str, language: str) -> mail.CalendarPart | None:
    method = _METHODS.get(letter.kind)
    if method is None or not letter.facts.was_confirmed:
        return None
    offer = nameable(letter.offer)
    entry = Entry(
        method=method,
        booking_id=letter.booking_id,
        mail_domain=desk.mail_domain,
        sequence=letter.version,
        stamp=letter.caused_at,
        start=letter.start,
        end=letter.end,
        title=title_in(offer, language),
        location=", ".join(place_in(offer, language)),
        geo=position_of(offer),
        organizer=desk.sender,
        organizer_name=desk.hub_name,
        attendee=recipient,
    )
    return mail.CalendarPart(method=method, content=calendar.render(entry))
