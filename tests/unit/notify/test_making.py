"""Whole mails: every kind in every language, special offers, attacks through what people and editors typed."""

import email
import email.policy
from dataclasses import replace
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import icalendar
import pytest

from services.notify.delivery.making import make
from services.notify.domain.letters import Letter
from services.notify.domain.messages import Facts, Kind, MessageClass
from services.notify.domain.offers import Place
from services.notify.domain.wording import LANGUAGES
from services.notify.senders import texts
from tests.unit.notify.letters import DESK, NOW, contact, letter, offer

CASES = [(kind, language) for kind in Kind for language in LANGUAGES]
METHODS = {Kind.CONFIRMED: "REQUEST", Kind.CHANGED: "REQUEST", Kind.CANCELLED: "CANCEL", Kind.DISPLACED: "CANCEL"}


class Tags(HTMLParser):
    """Names of elements, and whatever could run or load something."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.risky: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        for name, value in attrs:
            if name.startswith("on") or name in ("style", "src") or "script" in (value or "").lower():
                self.risky.append(f"{tag} {name}={value}")


def mail_of(one: Letter, **desk: Any) -> EmailMessage:
    made = make(one, replace(DESK, **desk))
    assert made is not None
    mail = email.message_from_bytes(made.post.content, policy=email.policy.SMTP)
    assert not [part for part in mail.walk() if part.defects]
    return mail


def bodies(mail: EmailMessage) -> tuple[str, str]:
    """The plain text and the HTML."""
    found = {part.get_content_type(): part.get_content() for part in mail.walk() if part.get_content_maintype() == "text"}
    return found["text/plain"], found["text/html"]


def calendars(mail: EmailMessage) -> list[Any]:
    """The calendar objects in it, read back; their properties have types of their own."""
    parts = [part.get_payload(decode=True) for part in mail.walk() if part.get_content_type() == "text/calendar"]
    return [icalendar.Calendar.from_ical(part) for part in parts if isinstance(part, bytes)]


def everything(mail: EmailMessage) -> str:
    """All that is readable in a mail, calendar included."""
    parts = [part.get_payload(decode=True) for part in mail.walk() if not part.is_multipart()]
    headers = " ".join(str(value) for value in mail.values())
    return headers + " ".join(part.decode() for part in parts if isinstance(part, bytes))


@pytest.mark.parametrize(("kind", "language"), CASES)
def test_mail_of_each_kind__says_what_it_is_about_in_both_forms(kind: Kind, language: str) -> None:
    mail = mail_of(letter(kind, contact=contact(language=language)))
    plain, html = bodies(mail)
    title = {"de": "Besprechungsraum Röder", "en": "Meeting room Roeder"}[language]
    day = {"de": "Dienstag, 10. März 2026", "en": "Tuesday, 10 March 2026"}[language]

    assert title in str(mail["subject"])
    assert day in str(mail["subject"])
    for body in (plain, html):
        assert title in body
        assert day in body
        assert "Anna Beispiel" in body
        assert "Digitaler Hub Großröhrsdorf" in body
        assert "+49 35952 100" in body
        assert ("7K3M-9QXT" in body) == (kind in (Kind.CONFIRMED, Kind.CHANGED, Kind.REMINDER))
        assert ("Rathausplatz 1" in body) == (kind in (Kind.CONFIRMED, Kind.CHANGED, Kind.REMINDER))
        assert "None" not in body
        assert "\n\n\n" not in body.replace("\r\n", "\n")
    assert f'<html lang="{language}">' in html
    tags = Tags()
    tags.feed(html)
    assert not tags.risky
    assert {"html", "body", "p", "title"} <= tags.names


@pytest.mark.parametrize(("kind", "language"), CASES)
def test_calendar_part_of_each_kind__is_the_one_of_the_table(kind: Kind, language: str) -> None:
    mail = mail_of(letter(kind, contact=contact(language=language)))
    parts = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]

    assert [part.get_param("method") for part in parts] == ([METHODS[kind]] if kind in METHODS else [])
    for calendar in calendars(mail):
        assert calendar["method"] == METHODS[kind]
        (event,) = calendar.walk("VEVENT")
        assert (event["sequence"], event["dtstamp"].dt) == (3, NOW)


@pytest.mark.parametrize("kind", [Kind.CHANGED, Kind.CANCELLED, Kind.DISPLACED])
def test_booking_that_was_never_confirmed__has_no_calendar_part(kind: Kind) -> None:
    mail = mail_of(letter(kind, facts=Facts(rebook_by=NOW)))

    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert "termin.ics" not in everything(mail)


@pytest.mark.parametrize(("kind", "language"), CASES)
@pytest.mark.parametrize("known", [True, False])
def test_special_or_unknown_offer__is_named_nowhere(kind: Kind, language: str, known: bool) -> None:
    special = offer(
        is_special=True,
        kind="advice",
        title={"de": "Schuldnerberatung", "en": "Debt advice"},
        place=Place(name={"de": "Beratungsstelle Sucht"}, street="Geheimweg 3"),
        visitor_notes={"de": "Bitte Schuldenunterlagen mitbringen."},
        contact_email="schulden@example.org",
        contact_telephone="+49 111",
        online_url="https://video.example.org/schulden",
        is_online=True,
    )

    mail = mail_of(letter(kind, contact=contact(language=language), offer=special if known else None))
    told = everything(mail)

    for secret in ("chulden", "Debt", "Sucht", "Geheimweg", "+49 111", "video.example"):
        assert secret not in told
    assert {"de": "Ihr Termin", "en": "our appointment"}[language] in str(mail["subject"])
    assert "10" not in str(mail["subject"]), "not even the day"
    assert str(mail["reply-to"]) == "hub@example.org"
    assert {"de": "Dienstag, 10. März 2026", "en": "Tuesday, 10 March 2026"}[language] in told, "but the time is told"


def test_move_of_a_booking_that_was_never_told_of__opens_as_a_confirmation() -> None:
    told = bodies(mail_of(letter(Kind.CHANGED)))[0]
    untold = bodies(mail_of(letter(Kind.CHANGED, told_before=False)))[0]

    assert "Ihre Buchung wurde geändert" in told
    assert "Bisher: Montag, 9. März 2026" in told
    assert "Ihre Buchung ist bestätigt" in untold
    assert "Bisher" not in untold


def test_displaced__offers_other_times_and_says_by_when() -> None:
    plain, html = bodies(mail_of(letter(Kind.DISPLACED)))

    for body in (plain, html):
        assert "Mittwoch, 11. März 2026, 14:00 bis 15:30 Uhr (MEZ)" in body
        assert "Sonntag, 8. März 2026, 14:00 Uhr (MEZ)" in body


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize(
    "attack",
    [
        "</p><script>alert(1)</script>",
        "{{ 7*7 }}{% for x in range(9) %}z{% endfor %}",
        "Raum\r\nBcc: alle@example.org\r\n\r\nText",
        '"><img src=x onerror=alert(1)>',
        "\u202eevil\x00\x1b[0m",
        "BEGIN:VALARM\r\nEND:VALARM",
    ],
)
def test_attack_in_a_text_of_the_offer__stays_text(kind: Kind, attack: str) -> None:
    hostile = offer(
        title={"de": attack},
        place=Place(name={"de": attack}, street=attack, city=attack),
        visitor_notes={"de": attack},
        contact_telephone=attack,
        contact_email=f"raum{attack}@example.org",
    )

    mail = mail_of(letter(kind, offer=hostile), hub_name=attack)
    plain, html = bodies(mail)
    tags = Tags()
    tags.feed(html)

    assert not tags.risky
    assert not {"script", "img"} & tags.names
    assert "bcc" not in {name.lower() for name in mail}
    assert str(mail["reply-to"]) == "hub@example.org"
    assert "49" not in plain.replace("+49", "") or "7*7" in plain, "nothing typed is evaluated"
    assert "\u202e" not in everything(mail)
    assert "\x00" not in everything(mail)
    assert all(len(calendar.walk()) == 2 for calendar in calendars(mail))


@pytest.mark.parametrize("kind", list(Kind))
def test_name_of_a_person__only_once_the_address_is_verified_and_without_links(kind: Kind) -> None:
    unverified = mail_of(letter(kind, contact=contact(verified_at=None)))
    spam = mail_of(letter(kind, contact=contact(name="Gewinn! http://evil.example <b>jetzt</b>")))

    assert "Anna" not in everything(unverified)
    assert "Guten Tag,\r\n" in bodies(unverified)[0]
    assert "evil.example" not in everything(spam)
    assert "<b>" not in bodies(spam)[1]


@pytest.mark.parametrize(
    ("message_class", "expected"),
    [(MessageClass.ANSWER, "weil Sie am Montag, 2. März 2026"), (MessageClass.NOTICE, "weil Digitaler Hub")],
)
def test_footer__says_why_this_mail_came(message_class: MessageClass, expected: str) -> None:
    assert expected in bodies(mail_of(letter(Kind.CONFIRMED, message_class=message_class)))[0]


def test_answers__go_to_the_offers_functional_contact_unless_it_is_a_partners() -> None:
    assert str(mail_of(letter(Kind.CONFIRMED))["reply-to"]) == "raum@hub.example.org"
    partners = offer(offer_id="urn:hub:neighbour:offer:00000000-0000-4000-8000-00000000000a")
    assert str(mail_of(letter(Kind.CONFIRMED, offer=partners))["reply-to"]) == "hub@example.org"
    assert (
        str(mail_of(letter(Kind.CONFIRMED, offer=offer(contact_email="müller@example.org")))["reply-to"]) == "hub@example.org"
    )


@pytest.mark.parametrize("address", [None, "", "ö@hub.example", "Empfang <e@hub.example>"])
def test_answers_to_a_contact_without_a_usable_mailbox__go_to_the_hub(address: str | None) -> None:
    mail = mail_of(letter(Kind.CONFIRMED, offer=offer(contact_email=address)))
    assert mail["Reply-To"] == DESK.sender


def test_resent_mail__has_the_bytes_of_the_first() -> None:
    """Whatever the contact's language is now: Message-ID, Date and text are those of the first."""
    first = make(letter(Kind.CONFIRMED), DESK)
    again = make(letter(Kind.CONFIRMED, resent=True, template="de/1", claim=4, contact=contact(language="en")), DESK)

    assert first is not None
    assert again is not None
    assert again.post.content == first.post.content


def test_mail_outside_of_live__is_marked() -> None:
    mail = mail_of(letter(Kind.CONFIRMED), is_live=False)

    assert str(mail["subject"]).startswith("[TEST] ")


def test_address_that_no_mail_can_be_sent_to__no_mail() -> None:
    assert make(letter(Kind.CONFIRMED, contact=contact(mailbox=None)), DESK) is None


def test_language_that_is_not_ours__falls_back_and_is_noticed() -> None:
    made = make(letter(Kind.CONFIRMED, contact=contact(language="uk")), DESK)

    assert made is not None
    assert (made.template, made.fell_back) == (f"de/{texts.TEMPLATES_VERSION}", True)


def test_online_offer__has_its_address_in_the_mail_and_never_in_the_calendar() -> None:
    """Calendars are shared."""
    mail = mail_of(letter(Kind.CONFIRMED, offer=offer(is_online=True, online_url="https://video.example.org/raum?x=1&y=2")))
    plain, html = bodies(mail)

    assert "https://video.example.org/raum?x=1&y=2" in plain
    assert 'href="https://video.example.org/raum?x=1&amp;y=2"' in html
    for part in mail.walk():
        if part.get_content_type() in ("text/calendar", "application/ics"):
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            assert b"video.example.org" not in content


def test_shipped_templates__all_kinds_in_all_languages_and_nothing_else() -> None:
    folder = Path(texts.__file__).parents[1] / "templates"
    expected = {f"{kind}/{language}.{form}" for kind in Kind for language in LANGUAGES for form in ("subject", "txt", "html")}
    expected |= {f"layout/{language}.{form}" for language in LANGUAGES for form in ("txt", "html")}

    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == expected
