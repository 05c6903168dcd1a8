"""The only personal data on the bus: one compacted topic, keyed by a random person id, erased by a tombstone."""

from typing import Annotated, ClassVar

from pydantic import Field

from contracts.envelope.event import Model
from contracts.envelope.values import INT32_MAX, Instant, Label, LanguageTag, Uuid

# One mailbox: dot-atom or quoted forms are left to the mail server; what has to be kept out is a second address, a header.
_ADDRESS_PATTERN = (
    r"^[^\s\u0000-\u0020\u007f-\u009f<>()\[\],;:\\\x22@]{1,64}@[^\s\u0000-\u0020\u007f-\u009f<>()\[\],;:\\\x22@]{1,253}$"
)

MailAddress = Annotated[str, Field(pattern=_ADDRESS_PATTERN, max_length=254)]


class ContactSaved(Model):
    """How a person can be reached: the full state. Links of a lower `link_epoch` are void."""

    area: ClassVar[str] = "people"
    key_field: ClassVar[str] = "person_id"
    key_is_binding: ClassVar[bool] = True

    person_id: Uuid
    name: Label | None = None
    address: MailAddress | None = None
    language: LanguageTag = "de"
    verified_at: Instant | None = None
    link_epoch: Annotated[int, Field(ge=0, le=INT32_MAX)] = 0
