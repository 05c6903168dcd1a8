"""The mail as bytes: parsed back by the standard library, whatever stands in it."""

import email
import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.wording import clean
from services.notify.senders.mail import CalendarPart, Envelope, UnfitForHeader, compose, encoded, mailbox
from services.notify.senders.texts import Text

MESSAGE = UUID("00000000-0000-4000-8000-00000000000d")


def envelope(**fields: str) -> Envelope:
    given_: dict[str, str] = {
        "sender": mailbox("Hub", "hub@example.org"),
        "recipient": "anna@example.org",
        "reply_to": "r@x.de",
    }
    return Envelope(
        message_id=MESSAGE, mail_domain="hub.example.org", date=datetime(2026, 3, 2, 9, tzinfo=UTC), **(given_ | fields)
    )


def parsed(content: bytes) -> EmailMessage:
    mail = email.message_from_bytes(content, policy=email.policy.SMTP)
    assert not [part for part in mail.walk() if part.defects], "the standard library finds fault with it"
    return mail


def mail_of(text: Text, calendar: CalendarPart | None = None, **fields: str) -> EmailMessage:
    return parsed(compose(envelope(**fields), text, calendar))


def test_mail_with_a_calendar__has_the_parts_of_an_imip_message() -> None:
    mail = mail_of(Text("Betreff", "Text\n", "<p>Text</p>\n"), CalendarPart(method="REQUEST", content=b"BEGIN:VCALENDAR\r\n"))

    assert [(part.get_content_type(), part.get_content_disposition()) for part in mail.walk()] == [
        ("multipart/mixed", None),
        ("multipart/alternative", None),
        ("text/plain", None),
        ("text/html", None),
        ("text/calendar", None),
        ("application/ics", "attachment"),
    ]
    calendar, attachment = list(mail.walk())[4:]
    assert calendar.get_param("method") == "REQUEST"
    assert attachment.get_filename() == "termin.ics"
    assert calendar.get_payload(decode=True) == attachment.get_payload(decode=True) == b"BEGIN:VCALENDAR\r\n"


def test_headers__say_who_writes_and_that_no_person_does() -> None:
    mail = mail_of(Text("Betreff", "Text\n", "<p>Text</p>\n"))

    assert {name.lower(): str(value) for name, value in mail.items()} == {
        "from": "Hub <hub@example.org>",
        "to": "anna@example.org",
        "reply-to": "r@x.de",
        "subject": "Betreff",
        "date": "Mon, 02 Mar 2026 09:00:00 +0000",
        "message-id": f"<{MESSAGE}@hub.example.org>",
        "auto-submitted": "auto-generated",
        "x-auto-response-suppress": "All",
        "mime-version": "1.0",
        "content-type": mail["content-type"],
    }


def test_same_message__has_the_same_bytes() -> None:
    text = Text("Bestätigung", "Größe\n", "<p>Größe</p>\n")

    assert compose(envelope(), text, None) == compose(envelope(), text, None)


@given(st.text(min_size=1, max_size=300))
def test_subject_of_any_kind__comes_through_and_stays_one_header(subject: str) -> None:
    subject = clean(subject.encode("utf-8", "replace").decode()) or "x"

    mail = mail_of(Text(subject, "x\n", "x\n"))

    assert " ".join(str(mail["subject"]).split()) == " ".join(subject.split())
    assert len(mail.keys()) == 10


@given(st.text(max_size=500), st.text(max_size=500))
def test_bodies_of_any_kind__come_through(plain: str, html: str) -> None:
    plain, html = (text.encode("utf-8", "replace").decode().replace("\r", "") + "\n" for text in (plain, html))

    mail = mail_of(Text("Betreff", plain, html))
    bodies = [part.get_payload(decode=True) for part in mail.walk() if not part.is_multipart()]

    assert bodies == [plain.replace("\n", "\r\n").encode(), html.replace("\n", "\r\n").encode()]


@given(st.text(max_size=400))
def test_line_of_any_mail__is_short_ascii(text: str) -> None:
    subject = clean(text.encode("utf-8", "replace").decode()) or "x"
    content = compose(envelope(), Text(subject, f"{text.encode('utf-8', 'replace').decode()}\n", "x\n"), None)

    assert content.isascii()
    assert all(len(line) <= 998 for line in content.split(b"\r\n"))
    assert b"\n" not in content.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("recipient", "anna@example.org\r\nBcc: alle@example.org"),
        ("recipient", "anna@example.org\nX: y"),
        ("recipient", ""),
        ("reply_to", "r@x.de\r\n\r\n<html>"),
        ("reply_to", "r\x00@x.de"),
        ("reply_to", "rö@x.de"),
        ("sender", "Hub\r\nBcc: a@b.de"),
    ],
)
def test_value_that_was_not_cleaned__makes_no_mail(field: str, value: str) -> None:
    with pytest.raises(UnfitForHeader):
        compose(envelope(**{field: value}), Text("Betreff", "x\n", "x\n"), None)


def test_subject_that_was_not_cleaned__makes_no_header_of_its_own() -> None:
    """Subjects are cleaned where they are rendered; one that is not is encoded as a whole, line break and all."""
    content = compose(envelope(), Text("Betreff\r\nBcc: alle@example.org", "x\n", "x\n"), None)

    assert b"\r\nBcc:" not in content


@pytest.mark.parametrize(
    "name",
    ["Hub", "Digitaler Hub Großröhrsdorf", 'Der "Hub", GmbH', "Hub (Mitte)", "a@b", "Hub\\Haus", "=?utf-8?q?x?=", "Ж" * 80],
)
def test_display_name_of_any_kind__comes_back_with_its_address(name: str) -> None:
    mail = mail_of(Text("Betreff", "x\n", "x\n"), sender=mailbox(name, "hub@example.org"))

    (address,) = mail["from"].addresses
    # Python 3.11 puts a blank between two encoded words of a display name, which RFC 2047 6.2 leaves out.
    assert (address.display_name.replace(" ", ""), address.addr_spec) == (name.replace(" ", ""), "hub@example.org")


def test_long_word__is_cut_between_characters() -> None:
    for length in range(1, 130):
        word = "ä€𝄞"[length % 3] * length
        for line in encoded(word).split("\r\n "):
            assert len(line) <= 75
        assert str(mail_of(Text(word, "x\n", "x\n"))["subject"]) == word


def test_mail_for_an_address_beyond_ascii__is_utf8() -> None:
    content = compose(envelope(recipient="zoë@xn--bcher-kva.de"), Text("Betreff", "x\n", "x\n"), None)

    assert "To: zoë@xn--bcher-kva.de\r\n".encode() in content


def test_mail_beyond_the_limit__is_not_made() -> None:
    with pytest.raises(ValueError, match="larger"):
        compose(envelope(), Text("Betreff", "x" * 1_100_000, "x\n"), None)
