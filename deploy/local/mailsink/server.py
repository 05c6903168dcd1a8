"""The SMTP side: aiosmtpd, with the script's faults put in before each answer."""

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import Any, Final

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from deploy.local.mailsink.mailbox import Mailbox
from deploy.local.mailsink.script import Command, Rule, Script

MAIL_BYTES_MAX: Final = 2 * 1024 * 1024
_GARBAGE: Final = b"\xff\xfe no such thing as SMTP\r\n"
_CUT_SECONDS: Final = 30.0  # until the lost connection cancels the session


@dataclass(slots=True)
class SmtpServer:
    """Listens on one port; can stop listening for a while, so that connections are refused by the machine itself."""

    mailbox: Mailbox
    script: Script
    host: str
    port: int
    tls: ssl.SSLContext | None = None
    _server: asyncio.Server | None = None
    _sessions: set["SinkSession"] = field(default_factory=set)

    async def listen(self) -> None:
        """Open the port; the one of last time if it was drawn."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: SinkSession(self, loop), self.host, self.port, reuse_address=True)
            self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Close the port and all connections."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for session in [*self._sessions]:
            if session.transport is not None:
                session.transport.close()

    @property
    def listens(self) -> bool:
        """Whether connections are taken."""
        return self._server is not None

    def add(self, session: "SinkSession") -> None:
        """Note a connection."""
        self._sessions.add(session)
        self.mailbox.connections += 1

    def remove(self, session: "SinkSession") -> None:
        """Forget a connection."""
        self._sessions.discard(session)


class _Handler:
    """Takes each mail, then does what the script says about the final dot."""

    async def handle_DATA(self, server: "SinkSession", session: Session, envelope: Envelope) -> str:
        """The reply after the final dot."""
        content = envelope.content
        assert isinstance(content, bytes), "decode_data is off"
        rule = server.sink.script.take("dot", envelope.rcpt_tos)
        if rule is not None and rule.action == "reply":
            server.note(rule)
            return rule.reply
        server.sink.mailbox.store(envelope.mail_from or "", envelope.rcpt_tos, content)
        if rule is not None:
            await server.fault(rule)
        return "250 2.0.0 kept"


class SinkSession(SMTP):
    """One connection."""

    def __init__(self, sink: SmtpServer, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            _Handler(),
            data_size_limit=MAIL_BYTES_MAX,
            enable_SMTPUTF8=True,
            hostname="mailsink",
            ident="keeps mails, delivers none",
            tls_context=sink.tls,
            auth_require_tls=False,
            authenticator=_let_in,
            loop=loop,
        )
        self.sink = sink

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self.sink.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """It is gone."""
        self.sink.remove(self)
        super().connection_lost(error)

    async def _handle_client(self) -> None:
        rule = self.sink.script.take("connect")
        if rule is not None and not await self.fault(rule):
            await self.push(rule.reply)
            self._hang_up()
            return
        await super()._handle_client()

    async def fault(self, rule: Rule) -> bool:
        """Do what the rule says; True: go on as usual, False: the caller answers with the rule's reply."""
        self.note(rule)
        if rule.action == "slow":
            await asyncio.sleep(rule.seconds)
            return True
        if rule.action in ("cut", "cut_inside"):
            self._hang_up()
            await asyncio.sleep(_CUT_SECONDS)
            return True
        if rule.action == "garbage":
            self._writer.write(_GARBAGE)
            await self._writer.drain()
            self._hang_up()
            await asyncio.sleep(_CUT_SECONDS)
            return True
        return False

    def note(self, rule: Rule) -> None:
        """Into the log: what went wrong on purpose."""
        self.sink.mailbox.note("fault", command=rule.command, action=rule.action, reply=rule.reply)

    def _hang_up(self) -> None:
        if self.transport is not None:
            self.transport.close()

    async def _goes_wrong(self, command: Command, recipients: list[str] | None = None) -> bool:
        """Whether the script answered this command."""
        rule = self.sink.script.take(command, recipients or [])
        if rule is None or await self.fault(rule):
            return False
        await self.push(rule.reply)
        if rule.reply.startswith("421"):
            self._hang_up()
        return True

    async def smtp_EHLO(self, hostname: str) -> None:
        """Greeting."""
        if not await self._goes_wrong("ehlo"):
            await super().smtp_EHLO(hostname)

    async def smtp_AUTH(self, arg: str) -> None:
        """Login: everybody is let in, unless the script says otherwise."""
        if not await self._goes_wrong("auth"):
            await super().smtp_AUTH(arg)

    async def smtp_MAIL(self, arg: str | None) -> None:
        """A transaction begins."""
        if not await self._goes_wrong("mail"):
            await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg: str | None) -> None:
        """Its recipient."""
        if not await self._goes_wrong("rcpt", [arg or ""]):
            await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg: str) -> None:
        """Its content."""
        recipients = self.envelope.rcpt_tos if self.envelope else []
        rule = self.sink.script.take("data", recipients)
        if rule is not None and rule.action == "cut_inside":
            await self.push("354 go on, for a moment")
            await self._reader.readuntil(b"\r\n")
            await self.fault(rule)
        elif rule is None or await self.fault(rule):
            await super().smtp_DATA(arg)
        else:
            await self.push(rule.reply)

    async def smtp_RSET(self, arg: str) -> None:
        """The transaction is forgotten."""
        if not await self._goes_wrong("rset"):
            await super().smtp_RSET(arg)

    async def smtp_NOOP(self, arg: str) -> None:
        """Nothing."""
        if not await self._goes_wrong("noop"):
            await super().smtp_NOOP(arg)


def _let_in(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=True)
