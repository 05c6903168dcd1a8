"""The tree of places: what a place hands down, and what lies under it."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from services.catalog.domain.entities import ACCESSIBILITY_KEYS, Place, Problem
from services.catalog.limits import PLACE_LEVELS_MAX


def ancestors(place: Place, places: Mapping[str, Place]) -> Iterator[Place]:
    """The place itself, then its parents upwards; ends at an unknown parent, and at the bound if somebody made a circle."""
    current: Place | None = place
    for _ in range(PLACE_LEVELS_MAX):
        if current is None:
            return
        yield current
        current = places.get(current.parent_id) if current.parent_id is not None else None


def resolved(place: Place, places: Mapping[str, Place]) -> Place:
    """The place with everything its parents hand down; accessibility is taken key by key."""
    line = list(ancestors(place, places))
    located = next((each for each in line if each.lat is not None and each.lon is not None), None)
    accessibility = {key: value for each in reversed(line) for key, value in each.accessibility.items()}
    return replace(
        place,
        address=next((each.address for each in line if each.address is not None), None),
        lat=located.lat if located else None,
        lon=located.lon if located else None,
        hours=next((each.hours for each in line if each.hours is not None), None),
        exceptions=next((each.exceptions for each in line if each.exceptions is not None), None),
        accessibility=dict(sorted(accessibility.items())),
        capacity=next((each.capacity for each in line if each.capacity is not None), None),
    )


def under(place_ids: Collection[str], places: Iterable[Place]) -> frozenset[str]:
    """The given places and all that lie under them: what a change there can be seen in."""
    found = set(place_ids)
    known = list(places)
    for _ in range(PLACE_LEVELS_MAX):
        found.update(each.place_id for each in known if each.parent_id in found)
    return frozenset(found)


def misplaced(place: Place, places: Mapping[str, Place]) -> Problem | None:
    """What is wrong with the place's position in the tree: unknown parent, circle, too deep (its children counted)."""
    if place.parent_id is None:
        above = 0
    elif place.parent_id not in places:
        return Problem("/parent_id", "unknown_place")
    else:
        line = [place.place_id]
        parent: Place | None = places[place.parent_id]
        while parent is not None:
            if parent.place_id in line:
                return Problem("/parent_id", "circle")
            line.append(parent.place_id)
            parent = places.get(parent.parent_id) if parent.parent_id is not None else None
        above = len(line) - 1
    if above + _height(place.place_id, places) > PLACE_LEVELS_MAX:
        return Problem("/parent_id", "too_deep")
    return None


def _height(place_id: str, places: Mapping[str, Place]) -> int:
    """Levels from the place downwards, itself included."""
    level, height = {place_id}, 0
    while level and height <= PLACE_LEVELS_MAX:
        height += 1
        level = {each.place_id for each in places.values() if each.parent_id in level}
    return height


def unanswered(place: Place) -> list[str]:
    """The accessibility keys that a resolved place leaves open; `unknown` is an answer."""
    return [key for key in ACCESSIBILITY_KEYS if key not in place.accessibility]


def features_of(accessibility: Mapping[str, str | int]) -> list[str]:
    """The keys answered with yes: what booking's `needs` are matched with. Unknown never counts as yes."""
    return [key for key in ACCESSIBILITY_KEYS if accessibility.get(key) == "yes"]
