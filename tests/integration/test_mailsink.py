"""The mail sink: keeps mails, shows them safely, fails as the script says."""

import asyncio
import io
import smtplib
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from deploy.local.mailsink.mailbox import BYTES_MAX, MAILS_MAX, Mailbox
from tests.support.mail_sink import MailSink, mail_sink

MAIL = (
    "From: hub@example.org\r\nTo: anna@example.org\r\nSubject: =?utf-8?q?Best=C3=A4tigung?=\r\n"
    "Message-ID: <eins@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=x\r\n\r\n"
    '--x\r\nContent-Type: text/plain; charset="utf-8"\r\n\r\nHallo <script>alert(1)</script>\r\n.Punkt\r\n'
    '--x\r\nContent-Type: text/html; charset="utf-8"\r\n\r\n<p onclick="x()">Hallo<script>alert(1)</script></p>\r\n--x--\r\n'
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailSink]:
    with mail_sink(tmp_path_factory.mktemp("sink")) as one:
        yield one


@pytest.fixture
def sink(running: MailSink) -> MailSink:
    """The sink without mails and script; its log and its count go on."""
    running.script()
    running.listen(True)
    httpx.delete(f"{running.http}/api/mails")
    return running


def send(sink: MailSink, recipient: str = "anna@example.org", *, seconds: float = 5) -> tuple[int, bytes]:
    """One mail by the standard library; the last reply, or -1 where the connection was cut or nobody answered in time."""
    try:
        with smtplib.SMTP("127.0.0.1", sink.smtp_port, timeout=seconds) as client:
            client.ehlo("test")
            for code, text in (client.mail("hub@example.org"), client.rcpt(recipient)):
                if code != 250:
                    return code, text
            return client.data(MAIL.encode())
    except smtplib.SMTPDataError as refused:
        return refused.smtp_code, b""
    except (smtplib.SMTPServerDisconnected, OSError, smtplib.SMTPConnectError) as cut:
        return getattr(cut, "smtp_code", -1), b""


def test_mail__is_kept_logged_and_read_back(sink: MailSink) -> None:
    assert send(sink)[0] == 250

    (mail,) = sink.mails()
    assert (mail["subject"], mail["recipients"], mail["sender"]) == ("Bestätigung", ["anna@example.org"], "hub@example.org")
    assert mail["parts"][0]["text"].startswith("Hallo <script>")
    assert ".Punkt" in mail["parts"][0]["text"]
    line = sink.logged()[-1]
    assert (line["message_id"], line["recipients"]) == ("eins@example.org", ["anna@example.org"])
    assert sink.mails(recipient="bob") == []
    assert len(sink.mails(message_id="eins@example.org")) == 1


def test_pages__show_a_hostile_mail_without_running_it(sink: MailSink) -> None:
    send(sink)
    number = sink.numbers()
    with httpx.Client(base_url=sink.http) as client:
        listed, shown, part = client.get("/"), client.get(f"/mails/{number}"), client.get(f"/mails/{number}/parts/1")
        source, beyond = client.get(f"/mails/{number}/raw"), client.get(f"/mails/{number}/parts/7")
        missing = client.get("/mails/999999")
        foreign = client.get("/", headers={"Host": "evil.example:80"})
        style = client.get("/style.css")

    assert "Bestätigung" in listed.text
    assert "<script>" not in shown.text
    assert "&lt;script&gt;alert(1)" in shown.text
    assert "<iframe sandbox " in shown.text
    assert part.headers["content-security-policy"].startswith("sandbox;")
    for page in (listed, shown):
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert page.headers["x-content-type-options"] == "nosniff"
    assert source.headers["content-type"].startswith("text/plain")
    assert (missing.status_code, beyond.status_code, foreign.status_code) == (404, 404, 421)
    assert style.headers["content-type"].startswith("text/css")


FAULTS: list[tuple[dict[str, Any], int, int]] = [
    # Rule, last code at the client (-1: none), mails stored.
    ({"command": "connect", "action": "reply", "reply": "421 4.3.2 closing"}, 421, 0),
    ({"command": "connect", "action": "cut"}, -1, 0),
    ({"command": "ehlo", "action": "cut"}, -1, 0),
    ({"command": "mail", "action": "reply", "reply": "451 4.7.1 slow down"}, 451, 0),
    ({"command": "mail", "action": "cut"}, -1, 0),
    ({"command": "mail", "action": "garbage"}, -1, 0),
    ({"command": "rcpt", "action": "reply", "reply": "550 5.1.1 unknown"}, 550, 0),
    ({"command": "rcpt", "action": "cut"}, -1, 0),
    ({"command": "data", "action": "reply", "reply": "554 5.7.1 no"}, 554, 0),
    ({"command": "data", "action": "cut"}, -1, 0),
    ({"command": "data", "action": "cut_inside"}, -1, 0),
    ({"command": "data", "action": "garbage"}, -1, 0),
    ({"command": "dot", "action": "reply", "reply": "452 4.3.1 full"}, 452, 0),
    ({"command": "dot", "action": "cut"}, -1, 1),
    ({"command": "dot", "action": "garbage"}, -1, 1),
    ({"command": "dot", "action": "slow", "seconds": 0.9}, -1, 1),
    ({"command": "rcpt", "action": "slow", "seconds": 0.2}, 250, 1),
]


def test_faults__each_at_its_place_and_only_as_often_as_said(sink: MailSink) -> None:
    stored, faults, lines = sink.numbers(), len(sink.logged("fault")), len(sink.logged())
    before = stored
    for rule, code, kept in FAULTS:
        sink.script({**rule, "times": 1})

        assert send(sink, seconds=0.6)[0] == code, rule
        stored += kept
        assert sink.numbers() == stored, rule
        assert sink.used() == [1]
        assert send(sink)[0] == 250, f"only once: {rule}"
        stored += 1
    assert len(sink.logged("fault")) - faults == len(FAULTS)
    assert len(sink.logged()) - lines == stored - before


def test_fault_for_one_recipient__leaves_the_others_alone(sink: MailSink) -> None:
    sink.script({"command": "rcpt", "action": "reply", "reply": "550 5.1.1 unknown", "match": "bob@"})

    assert [send(sink, name)[0] for name in ("anna@example.org", "bob@example.org", "bob@example.org")] == [250, 550, 550]


def test_port_that_is_closed__refuses_and_opens_again_under_the_same_number(sink: MailSink) -> None:
    sink.listen(False)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", sink.smtp_port), timeout=1)
    sink.listen(True)

    assert send(sink)[0] == 250


@pytest.mark.parametrize(
    "rules",
    [
        [{"command": "dot", "action": "cut_inside"}],
        [{"command": "nonsense", "action": "cut"}],
        [{"command": "mail", "action": "reply", "reply": "451 two\r\nlines"}],
        [{"command": "mail", "action": "cut", "more": 1}],
    ],
)
def test_script_that_makes_no_sense__refused(sink: MailSink, rules: list[dict[str, Any]]) -> None:
    assert httpx.put(f"{sink.http}/api/script", json={"rules": rules}).status_code == 422


def test_more_mails_than_are_kept__the_oldest_make_room() -> None:
    log = io.StringIO()
    box = Mailbox(log)
    for number in range(MAILS_MAX + 5):
        box.store("hub@example.org", ["anna@example.org"], b"Message-ID: <%d@example.org>\r\n\r\nx\r\n" % number)

    kept = [mail.message_id for mail in box.newest()]
    assert (box.stored, len(kept), kept[0], kept[-1]) == (1_005, 1_000, "1004@example.org", "5@example.org")
    assert box.get(5) is None
    assert len(log.getvalue().splitlines()) == 1_005
    box.store("hub@example.org", ["anna@example.org"], b"x" * (BYTES_MAX + 1))
    assert len(list(box.newest())) == 1, "and not more bytes than memory should hold"


async def test_many_senders_at_once__every_mail_is_kept(sink: MailSink) -> None:
    codes = await asyncio.gather(*(asyncio.to_thread(send, sink, f"p{n}@example.org") for n in range(20)))

    assert [code for code, _ in codes] == [250] * 20
    assert sorted(line["recipients"][0] for line in sink.logged()[-20:]) == sorted(f"p{n}@example.org" for n in range(20))
