"""A person as far as mail goes to them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """How a person can be reached.

    `mailbox` has its domain as A-labels; it is None if there is no address (`has_address` False) or none that mail can be sent
    to. `needs_utf8`: the part before the @ is not ASCII, so the relay must know SMTPUTF8.
    """

    person_id: UUID
    name: str | None
    mailbox: str | None
    has_address: bool
    needs_utf8: bool
    language: str
    verified_at: datetime | None
    link_epoch: int
