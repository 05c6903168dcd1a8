"""An offer as far as mails speak of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one goes; texts by language."""

    name: Mapping[str, str] = field(default_factory=dict)
    street: str | None = None
    postal_code: str | None = None
    city: str | None = None
    lat: float | None = None
    lon: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Texts by language, BCP 47. `is_special`: its name alone reveals something, so mails stay neutral (GDPR Art. 9)."""

    offer_id: str
    revision: int
    kind: str
    is_special: bool
    is_withdrawn: bool
    title: Mapping[str, str] = field(default_factory=dict)
    place: Place | None = None
    is_online: bool = False
    online_url: str | None = None
    visitor_notes: Mapping[str, str] = field(default_factory=dict)
    contact_email: str | None = None
    contact_telephone: str | None = None
