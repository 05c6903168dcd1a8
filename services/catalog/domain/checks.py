"""What a working copy must fulfil to be stored at all: ids, zones, times. Whether it may be published is the gate's."""

import re
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.catalog.domain.entities import (
    ACCESSIBILITY_KEYS,
    DOOR_WIDTH_KEY,
    Accessibility,
    Blackout,
    Offer,
    Place,
    Problem,
    Schedule,
    Texts,
)
from services.catalog.domain.texts import SIMPLE, normal_tag
from services.catalog.limits import KEYWORDS_MAX, LANGUAGES_MAX, OCCURRENCE_MINUTES_MAX

_OFFER_ID = re.compile(
    r"urn:hub:(?P<hub>[a-z0-9-]{2,32}):offer:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII
)


def offer_problems(offer: Offer, *, hub_id: str) -> Iterator[Problem]:
    """Faults of an offer's working copy."""
    match = _OFFER_ID.fullmatch(offer.offer_id)
    if match is None:
        yield Problem("/offer_id", "bad_id")
    elif match["hub"] != hub_id:
        yield Problem("/offer_id", "other_hub")
    if not zone_exists(offer.time_zone):
        yield Problem("/time_zone", "unknown_time_zone")
    for name, texts in offer_texts(offer).items():
        yield from _tags(texts, f"/{name}")
    yield from _accessibility(offer.accessibility)
    if len(offer.keywords) > KEYWORDS_MAX:
        yield Problem("/keywords", "too_many")
    if offer.age_min is not None and offer.age_max is not None and offer.age_min > offer.age_max:
        yield Problem("/age_max", "bad_order")
    yield from _instants({"publish_from": offer.publish_from, "publish_until": offer.publish_until})
    if offer.publish_from is not None and offer.publish_until is not None and offer.publish_from >= offer.publish_until:
        yield Problem("/publish_until", "bad_order")


def place_problems(place: Place) -> Iterator[Problem]:
    """Faults of a place but for its position in the tree (`tree.misplaced`) and what travels (the contract's)."""
    yield from _tags(place.name, "/name")
    yield from _accessibility(place.accessibility)
    if (place.lat is None) != (place.lon is None):
        yield Problem("/lon", "missing")


def blackout_problems(blackout: Blackout) -> Iterator[Problem]:
    """Faults of a closure."""
    yield from _instants({"start": blackout.start, "end": blackout.end})
    if blackout.start.tzinfo is not None and blackout.end.tzinfo is not None and blackout.start >= blackout.end:
        yield Problem("/end", "bad_order")
    if (blackout.scope == "hub") != (blackout.scope_id is None):
        yield Problem("/scope_id", "bad_scope")
    yield from _tags(blackout.note, "/note")


def schedule_problems(schedule: Schedule) -> Iterator[Problem]:
    """Faults of a schedule but for its rule (`formats.recurrence`)."""
    if not zone_exists(schedule.time_zone):
        yield Problem("/time_zone", "unknown_time_zone")
    if not 1 <= schedule.duration_minutes <= OCCURRENCE_MINUTES_MAX:
        yield Problem("/duration_minutes", "out_of_range")
    local = {"local_start": [schedule.local_start], "exdates": schedule.exdates, "rdates": schedule.rdates}
    for name, times in local.items():
        if any(each.tzinfo is not None or each.microsecond for each in times):
            yield Problem(f"/{name}", "not_local_time")


def offer_texts(offer: Offer) -> dict[str, Texts]:
    """The text maps of an offer by field name."""
    return {
        "title": offer.title,
        "teaser": offer.teaser,
        "description": offer.description,
        "procedure": offer.procedure,
        "required_documents": offer.required_documents,
        "legal_basis": offer.legal_basis,
        "visitor_notes": offer.visitor_notes,
    }


def simple_texts(offer: Offer) -> dict[str, str]:
    """What of an offer is in Leichte Sprache: a review covers exactly this."""
    return {name: texts[SIMPLE] for name, texts in offer_texts(offer).items() if SIMPLE in texts}


def zone_exists(name: str) -> bool:
    """Whether the pinned tzdata knows the zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a name that is a directory of the package
        return False
    return True


def _tags(texts: Texts, pointer: str) -> Iterator[Problem]:
    if len(texts) > LANGUAGES_MAX:
        yield Problem(pointer, "too_many")
    for tag in texts:
        if normal_tag(tag) != tag:
            yield Problem(f"{pointer}/{tag}", "bad_language_tag")


def _accessibility(answers: Accessibility) -> Iterator[Problem]:
    for key, value in answers.items():
        if key == DOOR_WIDTH_KEY:
            if not isinstance(value, int) or not 1 <= value <= 1000:
                yield Problem(f"/accessibility/{key}", "bad_value")
        elif key not in ACCESSIBILITY_KEYS:
            yield Problem(f"/accessibility/{key}", "unknown_field")
        elif isinstance(value, int):
            yield Problem(f"/accessibility/{key}", "bad_value")


def _instants(values: dict[str, datetime | None]) -> Iterator[Problem]:
    for name, value in values.items():
        if value is not None and value.tzinfo is None:
            yield Problem(f"/{name}", "no_offset")
