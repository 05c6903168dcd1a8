"""An offer as far as mails speak of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from services.notify.domain.wording import clean, text_in

_NEUTRAL_TITLES: Final = {"de": "Ihr Termin", "en": "Your appointment"}


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
    """Texts by language, BCP 47. `is_special`: its name alone reveals something, so mails stay neutral (GDPR Art. 9).

    `is_online`: one can take part online, perhaps beside the place.
    """

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


def nameable(offer: Offer | None) -> Offer | None:
    """The offer if it may be named in a mail: mail is a postcard, so not a special one, and not one that is unknown."""
    return None if offer is None or offer.is_special or not offer.title else offer


def title_in(offer: Offer | None, language: str) -> str:
    """The name of a nameable offer; a neutral one otherwise."""
    return clean(text_in(offer.title, language)) if offer else _NEUTRAL_TITLES[language]


def place_in(offer: Offer | None, language: str) -> tuple[str, ...]:
    """Where a nameable offer takes place: name, street, postal code with town, what is known of them."""
    place = offer.place if offer else None
    if place is None:
        return ()
    town = " ".join(part for part in (place.postal_code, place.city) if part)
    lines = (text_in(place.name, language), place.street or "", town)
    return tuple(cleaned for line in lines if (cleaned := clean(line)))


def position_of(offer: Offer | None) -> tuple[float, float] | None:
    """Latitude and longitude of a nameable offer's place, if they are known."""
    place = offer.place if offer else None
    return (place.lat, place.lon) if place and place.lat is not None and place.lon is not None else None
