"""Working copies as JSON: one strict reader and one writer per kind of entity, made from the domain's own dataclasses."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from services.catalog.domain.entities import (
    Blackout,
    Component,
    Contact,
    Json,
    Offer,
    Place,
    Problem,
    Resource,
    Schedule,
    Term,
)
from services.catalog.domain.imported import ImportSource
from services.catalog.domain.texts import escaped, faults

T = TypeVar("T")
JsonObject = dict[str, Json]

PROBLEMS_MAX = 50  # listed in one answer


class BadDocument(ValueError):
    """The document does not fit its kind; `problems` says where and how."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(", ".join(f"{each.pointer} {each.code}" for each in problems[:3]))
        self.problems = tuple(problems[:PROBLEMS_MAX])


class Document(Generic[T]):
    """Reader and writer of one kind. What is absent has its default; defaults and nulls are not written."""

    def __init__(self, kind: type[T]) -> None:
        self._adapter: TypeAdapter[T] = TypeAdapter(kind)

    def read(self, body: JsonObject) -> T:
        """From outside: characters, lengths, nesting, form. BadDocument with JSON Pointers."""
        problems = list(faults(body))
        if problems:
            raise BadDocument(problems)
        try:
            return self._adapter.validate_json(json.dumps(body), strict=True)
        except ValidationError as exc:
            raise BadDocument([_problem(each) for each in exc.errors(include_url=False, include_input=False)]) from exc

    def parse(self, text: str) -> T:
        """From our own database."""
        return self._adapter.validate_json(text, strict=True)

    def write(self, entity: T) -> JsonObject:
        """The JSON object, fields in the order of the dataclass."""
        return cast(JsonObject, self._adapter.dump_python(entity, mode="json", by_alias=True, exclude_defaults=True))


def _problem(error: ErrorDetails) -> Problem:
    pointer = "".join(f"/{escaped(str(part))}" for part in error["loc"])
    return Problem(
        pointer, {"missing": "missing", "unexpected_keyword_argument": "unknown_field"}.get(error["type"], "bad_value")
    )


def text(body: Json) -> str:
    """The canonical JSON text: keys sorted, no blanks; equal content is equal text."""
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def fingerprint(body: Json) -> bytes:
    """SHA-256 of the canonical text: tells whether content changed."""
    return hashlib.sha256(text(body).encode()).digest()


class OfferDocument(Document[Offer]):
    """An offer's booking block travels flat: mode, components and rules side by side."""

    def read(self, body: JsonObject) -> Offer:
        """As `Document.read`; schedules are entities of their own and not taken here."""
        if "schedules" in body:
            raise BadDocument([Problem("/schedules", "unknown_field")])
        return super().read(_nested(body))

    def parse(self, text: str) -> Offer:
        """From our own database, with schedules if it was frozen."""
        return self._adapter.validate_json(json.dumps(_nested(json.loads(text))), strict=True)

    def write(self, entity: Offer) -> JsonObject:
        """With schedules, if there are any."""
        body = super().write(entity)
        booking = body.pop("booking", None)
        if isinstance(booking, dict):
            rules = booking.pop("rules", {})
            assert isinstance(rules, dict), "rules are an object"
            body["booking"] = {**booking, **rules}
        return body


_BOOKING_FIELDS = ("mode", "components")


def _nested(body: Mapping[str, Json]) -> JsonObject:
    booking = body.get("booking")
    if not isinstance(booking, dict):
        return dict(body)
    own = {name: value for name, value in booking.items() if name in _BOOKING_FIELDS}
    rules: Json = {name: value for name, value in booking.items() if name not in _BOOKING_FIELDS}
    return {**body, "booking": {**own, "rules": rules}}


PLACES = Document(Place)
RESOURCES = Document(Resource)
BLACKOUTS = Document(Blackout)
CONTACTS = Document(Contact)
TERMS = Document(Term)
SCHEDULES = Document(Schedule)
OFFERS = OfferDocument(Offer)
COMPONENTS = Document(Component)
SOURCES = Document(ImportSource)
