"""What was taken: the last mails in memory, and a log of everything that is only ever appended to."""

import hashlib
import json
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Final

MAILS_MAX: Final = 1_000
BYTES_MAX: Final = 64 * 1024 * 1024  # of all of them together
_HEADER_BYTES_MAX: Final = 32 * 1024
_MESSAGE_ID: Final = re.compile(rb"^message-id:\s*<([^>\r\n]{1,300})>", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as it came."""

    number: int
    at: datetime
    sender: str
    recipients: tuple[str, ...]
    content: bytes
    message_id: str


@dataclass(slots=True)
class Mailbox:
    """The last mails, newest last; `log` gets one JSON object per line for each mail and each fault."""

    log: IO[str] | None = None
    stored: int = 0
    connections: int = 0
    _mails: deque[Mail] = field(default_factory=lambda: deque(maxlen=MAILS_MAX))
    _bytes: int = 0

    def store(self, sender: str, recipients: Sequence[str], content: bytes) -> Mail:
        """Keep a mail; the oldest ones make room."""
        self.stored += 1
        found = _MESSAGE_ID.search(content[:_HEADER_BYTES_MAX])
        message_id = found[1].decode("utf-8", "replace") if found else ""
        mail = Mail(self.stored, datetime.now(UTC), sender, tuple(recipients), content, message_id)
        if len(self._mails) == MAILS_MAX:
            self._forget()
        self._mails.append(mail)
        self._bytes += len(content)
        while self._bytes > BYTES_MAX and len(self._mails) > 1:
            self._forget()
        self.note(
            "stored",
            message_id=message_id,
            sender=sender,
            recipients=list(recipients),
            bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        return mail

    def note(self, event: str, **fields: object) -> None:
        """Append to the log; the line is there when this returns."""
        if self.log is not None:
            self.log.write(json.dumps({"at": datetime.now(UTC).isoformat(), "event": event, **fields}) + "\n")
            self.log.flush()

    def clear(self) -> None:
        """Forget all mails; the log stays."""
        self._mails.clear()
        self._bytes = 0

    def newest(self) -> Iterator[Mail]:
        """Newest first."""
        return iter([*self._mails][::-1])

    def get(self, number: int) -> Mail | None:
        """One mail, or None if it is gone."""
        return next((mail for mail in self._mails if mail.number == number), None)

    def _forget(self) -> None:
        self._bytes -= len(self._mails.popleft().content)
