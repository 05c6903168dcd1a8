"""What people and tests see of the sink: a list, one mail with its parts, the script; HTML and JSON.

A mail's HTML is somebody else's: it is shown in a sandbox without scripts, and nothing is loaded from anywhere.
"""

import email
import email.policy
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Annotated, Final

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from jinja2 import DictLoader, Environment, StrictUndefined
from pydantic import BaseModel, ConfigDict, Field
from starlette.middleware.base import RequestResponseEndpoint

from deploy.local.mailsink.mailbox import MAILS_MAX, Mail
from deploy.local.mailsink.script import RULES_MAX, Rule
from deploy.local.mailsink.server import SmtpServer

_TEXT_CHARACTERS_MAX: Final = 200_000
_PAGE_POLICY: Final = "default-src 'none'; frame-src 'self'; style-src 'self'; form-action 'none'; base-uri 'none'"
_PART_POLICY: Final = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_LOCAL_NAMES: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
_STYLE: Final = """
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #ccc; vertical-align: top; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #f4f4f4; padding: 1rem; }
iframe { width: 100%; height: 30rem; border: 1px solid #ccc; }
"""
_PAGES: Final = {
    "frame": """<!doctype html>
<html lang="de"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{% block title %}Postfach{% endblock %}</title><link rel="stylesheet" href="/style.css"></head>
<body><main>{% block main %}{% endblock %}</main></body></html>""",
    "list": """{% extends "frame" %}{% block main %}<h1>Postfach</h1>
<p>{{ stored }} Mails angenommen, die letzten {{ mails | length }} sind hier. Zugestellt wird keine.</p>
<table><thead><tr><th>Zeit (UTC)</th><th>An</th><th>Betreff</th></tr></thead><tbody>
{% for mail in mails %}<tr><td>{{ mail.at }}</td><td>{{ mail.recipients | join(", ") }}</td>
<td><a href="/mails/{{ mail.number }}">{{ mail.subject or "(ohne Betreff)" }}</a></td></tr>
{% else %}<tr><td colspan="3">Noch keine Mail.</td></tr>{% endfor %}</tbody></table>{% endblock %}""",
    "mail": """{% extends "frame" %}{% block title %}{{ subject }}{% endblock %}
{% block main %}<p><a href="/">Postfach</a></p><h1>{{ subject or "(ohne Betreff)" }}</h1>
<table><tbody>
{% for name, value in headers %}<tr><th scope="row">{{ name }}</th><td>{{ value }}</td></tr>
{% endfor %}</tbody></table>
{% for part in parts %}<h2>{{ part.type }}{% if part.file_name %}: {{ part.file_name }}{% endif %}</h2>
{% if part.type == "text/html" %}
<iframe sandbox src="/mails/{{ number }}/parts/{{ part.number }}" title="HTML-Fassung"></iframe>
{% else %}<pre>{{ part.text }}</pre>{% endif %}
<p><a href="/mails/{{ number }}/parts/{{ part.number }}">Teil öffnen</a> ({{ part.bytes }} Bytes)</p>{% endfor %}
<p><a href="/mails/{{ number }}/raw">Quelltext</a></p>{% endblock %}""",
}


@dataclass(frozen=True, slots=True)
class Part:
    """A leaf of a mail; `text` is empty for what is no text."""

    number: int
    type: str
    file_name: str
    bytes: int
    text: str


class Listening(BaseModel):
    """Whether the SMTP port is open."""

    model_config = ConfigDict(extra="forbid")

    on: bool


class Rules(BaseModel):
    """The script."""

    model_config = ConfigDict(extra="forbid")

    rules: Annotated[list[Rule], Field(max_length=RULES_MAX)]


def create_pages(server: SmtpServer, *, only_local: bool) -> FastAPI:
    """The web side. `only_local`: only under a loopback name, so that a foreign page cannot read it through its own name."""
    mailbox = server.mailbox
    app = FastAPI(title="Mail sink", docs_url=None, redoc_url=None, openapi_url=None)
    jinja = Environment(loader=DictLoader(_PAGES), autoescape=True, undefined=StrictUndefined)

    @app.middleware("http")
    async def guard(request: Request, call_next: RequestResponseEndpoint) -> Response:
        host = request.headers.get("host", "").rpartition(":")[0] or request.headers.get("host", "")
        if only_local and host not in _LOCAL_NAMES:
            return JSONResponse({"code": "foreign_host"}, 421)
        answer = await call_next(request)
        answer.headers.setdefault("Content-Security-Policy", _PAGE_POLICY)
        answer.headers.setdefault("X-Content-Type-Options", "nosniff")
        answer.headers.setdefault("Referrer-Policy", "no-referrer")
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer

    def find(number: int) -> Mail:
        mail = mailbox.get(number)
        if mail is None:
            raise HTTPException(404, "this mail is gone")
        return mail

    @app.get("/", response_class=HTMLResponse)
    async def show_list() -> str:
        mails = [_summary(mail) for mail in mailbox.newest()]
        return jinja.get_template("list").render(mails=mails, stored=mailbox.stored)

    @app.get("/style.css")
    async def show_style() -> Response:
        return Response(_STYLE, media_type="text/css")

    @app.get("/mails/{number}", response_class=HTMLResponse)
    async def show_mail(number: int) -> str:
        parsed = _parsed(find(number))
        headers = [(name, str(value)) for name, value in parsed.items()]
        subject = str(parsed.get("subject", ""))
        return jinja.get_template("mail").render(number=number, subject=subject, headers=headers, parts=list(_parts(parsed)))

    @app.get("/mails/{number}/parts/{position}")
    async def show_part(number: int, position: int) -> Response:
        leaves = list(_leaves(_parsed(find(number))))
        if not 0 <= position < len(leaves):
            raise HTTPException(404, "no such part")
        leaf = leaves[position]
        shown = leaf.get_content_type() if leaf.get_content_type() in ("text/html", "text/plain") else "text/plain"
        content = leaf.get_payload(decode=True)
        return Response(
            content if isinstance(content, bytes) else b"",
            media_type=f"{shown}; charset=utf-8",
            headers={"Content-Security-Policy": _PART_POLICY},
        )

    @app.get("/mails/{number}/raw")
    async def show_raw(number: int) -> Response:
        return Response(find(number).content, media_type="text/plain; charset=utf-8")

    _add_json(app, server)
    return app


def _add_json(app: FastAPI, server: SmtpServer) -> None:
    mailbox = server.mailbox

    @app.get("/api/mails")
    async def list_mails(
        recipient: Annotated[str, Query(max_length=254)] = "",
        message_id: Annotated[str, Query(max_length=300)] = "",
        limit: Annotated[int, Query(ge=1, le=MAILS_MAX)] = MAILS_MAX,
    ) -> dict[str, object]:
        """Newest first; `recipient` is a part of the address, `message_id` the whole id."""
        found = [
            mail
            for mail in mailbox.newest()
            if (not recipient or any(recipient in one for one in mail.recipients))
            and (not message_id or mail.message_id == message_id)
        ]
        return {"stored": mailbox.stored, "mails": [_summary(mail) for mail in found[:limit]]}

    @app.get("/api/mails/{number}")
    async def read_mail(number: int) -> dict[str, object]:
        mail = mailbox.get(number)
        if mail is None:
            raise HTTPException(404, "this mail is gone")
        parsed = _parsed(mail)
        headers = {name.lower(): str(value) for name, value in parsed.items()}
        return _summary(mail) | {"sender": mail.sender, "headers": headers, "parts": list(_parts(parsed))}

    @app.delete("/api/mails")
    async def clear_mails() -> dict[str, int]:
        mailbox.clear()
        return {"stored": mailbox.stored}

    @app.get("/api/script")
    async def read_script() -> dict[str, object]:
        return {"rules": server.script.rules, "used": server.script.used, "connections": mailbox.connections}

    # A body of JSON, which no form of a foreign page can send without asking first.
    @app.put("/api/script")
    async def write_script(wanted: Rules) -> dict[str, object]:
        server.script.replace(wanted.rules)
        return {"rules": server.script.rules}

    @app.put("/api/listening")
    async def write_listening(wanted: Listening) -> Listening:
        """Off: connections are refused, those that stand are cut."""
        await (server.listen() if wanted.on else server.refuse())
        return Listening(on=server.listens)


def _parsed(mail: Mail) -> EmailMessage:
    return email.message_from_bytes(mail.content, policy=email.policy.default)


def _summary(mail: Mail) -> dict[str, object]:
    head = email.message_from_bytes(mail.content.partition(b"\r\n\r\n")[0], policy=email.policy.default)
    return {
        "number": mail.number,
        "at": mail.at.strftime("%Y-%m-%d %H:%M:%S"),
        "recipients": list(mail.recipients),
        "subject": str(head.get("subject", "")),
        "message_id": mail.message_id,
    }


def _leaves(parsed: EmailMessage) -> Iterator[EmailMessage]:
    for leaf in parsed.walk():
        if not leaf.is_multipart():
            yield leaf


def _parts(parsed: EmailMessage) -> Iterator[Part]:
    for number, leaf in enumerate(_leaves(parsed)):
        content = leaf.get_payload(decode=True)
        raw = content if isinstance(content, bytes) else b""
        is_text = leaf.get_content_maintype() == "text" or leaf.get_content_type() == "application/ics"
        text = raw.decode("utf-8", "replace")[:_TEXT_CHARACTERS_MAX] if is_text else ""
        yield Part(number, leaf.get_content_type(), leaf.get_filename() or "", len(raw), text)
