"""What a relay's answer, or the lack of one, says about a mail: the table of reply classes.

SMTP cannot be exactly once: between the final dot and its 250 both sides may own the mail (RFC 1047). Only there, and only
without a valid reply, nobody can know.
"""

import re
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from services.notify import limits


class Phase(StrEnum):
    """How far a delivery was."""

    CONNECT = "connect"
    """TCP, greeting, EHLO, TLS."""
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    """From the command to the reply after the final dot: aiosmtplib does not tell these apart."""


class Effect(Enum):
    """What follows for the message and for the relay."""

    ACCEPTED = "accepted"
    TEMPORARY = "temporary"
    """Certainly not accepted, the message's own trouble: counted, back-off."""
    PERMANENT = "permanent"
    """Certainly not accepted, and never will be."""
    UNKNOWN = "unknown"
    """Perhaps accepted."""
    CUT = "cut"
    """Certainly not sent; a new connection may do."""
    THROTTLED = "throttled"
    """Certainly not accepted, the relay asks for a pause: uncounted."""
    DOWN = "down"
    """No relay to speak to: uncounted."""
    MISCONFIGURED = "misconfigured"
    """The relay refuses us, not the message: uncounted, and people must act."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the relay; `code` is None if there was none, or none that can be read."""

    phase: Phase
    code: int | None
    text: str = ""


_THROTTLE_LIMIT: Final = 432  # 4.3.2 of Exchange Online: too many connections or messages, at any phase
_ADDRESS: Final = re.compile(r"[^\s<>()\[\]\"',;:]+@[^\s<>()\[\]\"',;]+")
_UNPRINTABLE: Final = re.compile(r"[^ -~\u00a1-\u00ac\u00ae-\u024f]+")


def classify(reply: Reply) -> Effect:
    """The effect of a reply in its phase. A code that no command of that phase has counts as no reply."""
    code = reply.code if reply.code is not None and 200 <= reply.code < 600 else None
    if code == _THROTTLE_LIMIT:
        return Effect.THROTTLED
    if reply.phase is Phase.CONNECT:
        return Effect.DOWN
    if reply.phase is Phase.AUTH:
        return Effect.MISCONFIGURED if code is not None and code >= 500 else Effect.DOWN
    if code is None or code < 400:
        return _unexpected(reply.phase, code)
    if reply.phase is Phase.MAIL:
        return Effect.MISCONFIGURED if code >= 500 else Effect.THROTTLED
    return Effect.PERMANENT if code >= 500 else Effect.TEMPORARY


def _unexpected(phase: Phase, code: int | None) -> Effect:
    """No refusal. Only 250 after the final dot says that the relay has it; 354 there, or 250 to DATA, are out of step."""
    if phase is not Phase.DATA:
        return Effect.CUT
    return Effect.ACCEPTED if code == 250 else Effect.UNKNOWN


def ends_connection(reply: Reply) -> bool:
    """Whether the connection is of no further use: the relay closes it, or both sides may be out of step."""
    return reply.code is None or reply.code == 421 or not (250 <= reply.code < 260 or 400 <= reply.code < 600)


def masked(text: str, *, recipient: str) -> str:
    """What may be kept of a reply: addresses are taken out, control characters too, and it is short."""
    text = _UNPRINTABLE.sub(" ", text)
    for secret in (recipient, recipient.partition("@")[0]):
        # A local part of one or two letters would blot out half the text, and alone it says nothing.
        if len(secret) > 2:
            text = _without(text, secret)
    return _ADDRESS.sub("(address)", text).strip()[: limits.REPLY_CHARACTERS_MAX]


def _without(text: str, secret: str) -> str:
    """The text without the secret, in whatever capitals the relay writes it."""
    lower, wanted = text.lower(), secret.lower()
    if wanted not in lower:
        return text
    if len(lower) != len(text):  # capitals that grow: rare, and then rather too little is kept than too much
        return ""
    kept, place = [], 0
    while (found := lower.find(wanted, place)) >= 0:
        kept.append(text[place:found])
        place = found + len(wanted)
    return "(address)".join([*kept, text[place:]])
