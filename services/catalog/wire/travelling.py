"""Whether an entity would fit the contract once an offer shows it: said when it is saved, not when it is published."""

import json

from pydantic import ValidationError

from contracts import catalog
from contracts.booking import rules
from contracts.envelope import Part
from services.catalog.domain.entities import Blackout, Contact, Json, Place, Problem, Resource, Term
from services.catalog.domain.texts import escaped
from services.catalog.wire import documents


def faults(entity: Place | Resource | Contact | Term | Blackout) -> list[Problem]:
    """What the contract refuses of this entity, with pointers into it."""
    model: type[Part]
    match entity:
        case Place():
            model, body = catalog.Place, _without(documents.PLACES.write(entity), "parent_id", "holidays", "apply_holidays")
        case Resource():
            model, body = rules.Resource, {**_without(documents.RESOURCES.write(entity), "place_id", "name"), "revision": 0}
        case Contact():
            model, body = catalog.Contact, _without(documents.CONTACTS.write(entity), "contact_id")
        case Term():
            model, body = catalog.Term, documents.TERMS.write(entity)
        case Blackout():
            fields = ("scope", "scope_id", "note", "proposed")
            model, body = rules.Blackout, _without(documents.BLACKOUTS.write(entity), *fields)
    try:
        model.model_validate_json(json.dumps(body))
    except ValidationError as exc:
        return [
            Problem(
                "".join(f"/{escaped(str(part))}" for part in error["loc"]) + str(error.get("ctx", {}).get("pointer", "")),
                "bad_value",
            )
            for error in exc.errors(include_url=False, include_input=False)
        ]
    return []


def _without(body: documents.JsonObject, *names: str) -> dict[str, Json]:
    return {name: value for name, value in body.items() if name not in names}
