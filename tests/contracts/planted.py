"""Planted changes of schemas: breaking ones with those they break, and allowed ones."""

import copy
from dataclasses import dataclass
from typing import Any, Literal

from contracts.compatibility import READERS, WRITERS

HELD = "BookingHeld.v1"
REQUEST = "RequestBooking.v1"
OFFER = "OfferPublished.v1"
BOTH = frozenset({READERS, WRITERS})
ROBOT = {"type": "object", "properties": {"kind": {"const": "robot"}}}
RELEASE = "$defs/CheckInRules/properties/release_after_minutes"


@dataclass(frozen=True)
class Change:
    """One edit at `path` (members by `/`): `set` or `drop` the member, `add` or `take` an entry of the list."""

    what: str
    schema: str
    edit: Literal["set", "drop", "add", "take"]
    path: str
    value: Any = None
    breaks: frozenset[str] = frozenset()

    def of(self, schemas: dict[str, Any]) -> dict[str, Any]:
        """The schemas with this change, the others untouched."""
        document = copy.deepcopy(schemas[self.schema])
        *steps, last = self.path.split("/")
        node = document
        for step in steps:
            node = node[step]
        if self.edit == "set":
            node[last] = self.value
        elif self.edit == "drop":
            del node[last]
        elif self.edit == "add":
            node[last].append(self.value)
        else:
            node[last].remove(self.value)
        return {**schemas, self.schema: document}


def _held(what: str, edit: Literal["set", "drop", "add", "take"], path: str, value: Any = None, *breaks: str) -> Change:
    return Change(what, HELD, edit, path, value, frozenset(breaks))


CHANGES = (
    _held("a field is removed", "drop", "properties/hold_seconds", None, READERS),
    _held("an optional field is removed", "drop", "properties/series_id", None, READERS),
    _held("a part's field is removed", "drop", "$defs/PersonClaimant/properties/person_id", None, READERS),
    _held("a field becomes required", "add", "required", "reason", WRITERS),
    _held("an unknown field becomes required", "add", "required", "x", WRITERS),
    _held("a field becomes optional", "take", "required", "state", READERS),
    _held("a type changes", "set", "properties/version/type", "string", *BOTH),
    _held("an item's type changes", "set", "$defs/Placement/properties/quantity/type", "string", *BOTH),
    _held("a number has to be smaller", "set", "properties/hold_seconds/maximum", 30, WRITERS),
    _held("a number has to be larger", "set", "properties/hold_seconds/minimum", 30, WRITERS),
    _held("a number may be larger", "set", "properties/hold_seconds/maximum", 9999, READERS),
    _held("a number may be smaller", "set", "properties/hold_seconds/minimum", 0, READERS),
    _held("a bound is dropped", "drop", "properties/hold_seconds/maximum", None, READERS),
    _held("a bound comes", "set", "properties/placements/minItems", 1, WRITERS),
    _held("a list may be longer", "set", "properties/placements/maxItems", 5000, READERS),
    _held("a pattern changes", "set", "properties/offer_id/pattern", "^.+$", *BOTH),
    _held("a format changes", "set", "properties/booking_id/format", "uri", *BOTH),
    _held("a closed list of values grows", "add", "$defs/State/enum", "beamed", READERS),
    _held("a value is gone", "take", "$defs/State/enum", "held", WRITERS),
    _held("a list of values is dropped", "drop", "$defs/State/enum", None, READERS),
    _held("a list of values comes", "set", "properties/time_zone/enum", ["Europe/Berlin"], WRITERS),
    _held("an open list loses a value", "take", "properties/reason/enum", "busy", WRITERS),
    _held("a kind of claimant is new", "add", "properties/claimant/oneOf", ROBOT, READERS),
    _held("a kind of claimant is gone", "take", "properties/claimant/oneOf", {"$ref": "#/$defs/HouseClaimant"}, WRITERS),
    Change("a default changes", REQUEST, "set", "properties/quantity/default", 2, BOTH),
    Change("a map's values change", REQUEST, "set", "properties/choices/additionalProperties/type", "integer", BOTH),
    Change("a map's names change", REQUEST, "set", "properties/choices/propertyNames/pattern", "^x$", BOTH),
    Change("a default changes deep inside", OFFER, "set", "$defs/Waitlist/properties/max_entries/default", 10, BOTH),
    Change("null is no value any more", OFFER, "take", f"{RELEASE}/anyOf", {"type": "null"}, frozenset({WRITERS})),
    Change("a default of alternatives changes", OFFER, "set", f"{RELEASE}/default", 15, frozenset({READERS})),
    Change("a text gets shorter", OFFER, "set", "properties/title/additionalProperties/maxLength", 9, frozenset({WRITERS})),
    # Allowed: they break nobody.
    _held("a new optional field", "set", "properties/x", {"type": "string"}),
    _held("a new value in an open list", "add", "properties/reason/enum", "too_cold"),
    _held("a list of values opens", "set", "$defs/State/x-open", True),
    _held("another description", "set", "description", "Kept."),
    Change("a longer text", OFFER, "set", "properties/title/additionalProperties/maxLength", 300),
    Change("a new optional field of a part", OFFER, "set", "$defs/Waitlist/properties/x", {"type": "null"}),
)
