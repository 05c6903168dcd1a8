"""One connection to a relay: aiosmtplib, command by command, each with its own time-out.

Nothing here raises for what a relay does or fails to do: every way to end is a `Reply` with the phase that was reached.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Final, Literal

import aiosmtplib
from aiosmtplib import SMTPException, SMTPResponse, SMTPResponseException

from services.notify import limits
from services.notify.domain.replies import Phase, Reply, ends_connection

Security = Literal["none", "starttls", "tls"]
_BROKEN: Final = (SMTPException, OSError, TimeoutError, ssl.SSLError)  # all that a connection can end with


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayAddress:
    """Where a relay listens and how to speak to it; `name` is its row in the database."""

    name: str
    host: str
    port: int
    security: Security
    client_name: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """What goes over the wire."""

    sender: str
    recipient: str
    needs_utf8: bool
    content: bytes


@dataclass(slots=True)
class Connection:
    """Serial: one command at a time. Carries up to `CONNECTION_MAILS_MAX` mails, then it wants to be made anew."""

    relay: RelayAddress
    _client: aiosmtplib.SMTP | None = None
    _sent: int = 0

    @property
    def is_open(self) -> bool:
        """Whether a further mail may be sent over it."""
        return self._client is not None and self._client.is_connected and self._sent < limits.CONNECTION_MAILS_MAX

    @property
    def knows_utf8(self) -> bool:
        """Whether the relay takes addresses that are not ASCII (SMTPUTF8)."""
        return self._client is not None and self._client.supports_extension("smtputf8")

    async def open(self) -> Reply | None:
        """Connect, greet, encrypt, log in; None when that is done, otherwise what went wrong."""
        await self.close()
        try:
            async with asyncio.timeout(limits.CONNECT_SECONDS_MAX):
                sock = await _connected(self.relay.host, self.relay.port)
        except (OSError, TimeoutError):
            return Reply(Phase.CONNECT, None)
        client = aiosmtplib.SMTP(
            hostname=self.relay.host,
            sock=sock,
            local_hostname=self.relay.client_name,
            use_tls=self.relay.security == "tls",
            start_tls=self.relay.security == "starttls",
            tls_context=self.relay.tls,
            timeout=limits.LOGIN_SECONDS_MAX,
        )
        phase = Phase.CONNECT
        try:
            async with asyncio.timeout(limits.LOGIN_SECONDS_MAX):
                await client.connect()
                await client.ehlo()
                if self.relay.user is not None:
                    phase = Phase.AUTH
                    await client.login(self.relay.user, self.relay.password or "")
        except _BROKEN as exc:
            client.close()
            sock.close()
            return _refusal(phase, exc)
        except BaseException:
            client.close()
            sock.close()
            raise
        self._client, self._sent = client, 0
        return None

    async def send(self, post: Post) -> Reply:
        """One mail transaction with one recipient; the reply that decided it. A connection of no further use is dropped."""
        client = self._client
        assert client is not None, "opened before it is used"
        self._sent += 1
        encoding = "utf-8" if post.needs_utf8 else "ascii"
        options = ["SMTPUTF8", "BODY=8BITMIME"] if post.needs_utf8 else []
        seconds = limits.COMMAND_SECONDS_MAX
        reply = await _ask(Phase.MAIL, client.mail(post.sender, options=options, encoding=encoding, timeout=seconds))
        if reply.code == 250:
            reply = await _ask(Phase.RCPT, client.rcpt(post.recipient, encoding=encoding, timeout=seconds))
        if reply.code in (250, 251):
            reply = await _ask(Phase.DATA, client.data(post.content, timeout=limits.DATA_SECONDS_MAX))
        if ends_connection(reply):
            self.drop()
        elif reply.code != 250:
            await self._reset()
        return reply

    async def check(self) -> Reply | None:
        """Whether an open connection answers; None if it does."""
        client = self._client
        assert client is not None, "opened before it is used"
        reply = await _ask(Phase.CONNECT, client.noop(timeout=limits.SHORT_COMMAND_SECONDS_MAX))
        return None if reply.code == 250 else reply

    async def _reset(self) -> None:
        """After a refusal: the relay forgets the transaction, or we the relay."""
        client = self._client
        assert client is not None, "opened before it is used"
        reply = await _ask(Phase.MAIL, client.rset(timeout=limits.SHORT_COMMAND_SECONDS_MAX))
        if reply.code != 250:
            self.drop()

    async def close(self) -> None:
        """Say goodbye if there is anybody to say it to."""
        client, self._client = self._client, None
        if client is not None and client.is_connected:
            with contextlib.suppress(*_BROKEN):
                await client.quit(timeout=limits.SHORT_COMMAND_SECONDS_MAX)
            client.close()

    def drop(self) -> None:
        """Throw the connection away without a word."""
        client, self._client = self._client, None
        if client is not None:
            client.close()


async def _connected(host: str, port: int) -> socket.socket:
    """A socket connected to the first address that answers. Raises the last address's OSError."""
    loop = asyncio.get_running_loop()
    failure: OSError = OSError("no address")
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)
        try:
            await loop.sock_connect(sock, address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as exc:
            sock.close()
            failure = exc
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure


async def _ask(phase: Phase, command: Awaitable[SMTPResponse]) -> Reply:
    """The answer to one command as a reply."""
    try:
        response = await command
    except _BROKEN as exc:
        return _refusal(phase, exc)
    return Reply(phase, response.code, response.message)


def _refusal(phase: Phase, exc: BaseException) -> Reply:
    """What an exception of the library says: a refusal, or no answer that can be relied on.

    It raises too for 250 instead of 354, and for 354 after the final dot: then both sides are out of step.
    """
    if isinstance(exc, SMTPResponseException) and 400 <= exc.code < 600:
        return Reply(phase, exc.code, exc.message)
    return Reply(phase, None)
