"""Places, resources, contacts, terms, closures: saved at once, and every offer that shows them goes out again with them."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from hubkit import ids
from hubkit.db import Tx
from services.catalog.domain import checks, tree
from services.catalog.domain.entities import Blackout, Contact, Place, Problem, Resource, Term
from services.catalog.domain.rows import EntityKind, EntityRow, EntityWrite
from services.catalog.handlers import steps
from services.catalog.handlers.drafts import Exists, Saved
from services.catalog.handlers.publishing import Actor
from services.catalog.handlers.steps import Stale
from services.catalog.limits import REPUBLISH_OFFERS_MAX
from services.catalog.store import entities, offers
from services.catalog.wire import documents, travelling
from services.catalog.wire.documents import BadDocument, Document, JsonObject

Entity = Place | Resource | Contact | Term | Blackout
_Reader = Document[Place] | Document[Resource] | Document[Contact] | Document[Term] | Document[Blackout]


@dataclass(slots=True)
class Touched:
    """What changed, as far as offers can show it."""

    place_ids: set[str] = field(default_factory=set)
    resource_ids: set[str] = field(default_factory=set)
    contact_ids: set[str] = field(default_factory=set)
    offer_ids: set[str] = field(default_factory=set)
    everything: bool = False


@dataclass(frozen=True, slots=True)
class Again:
    """Offers that went out again: their ids, and the job that goes on with the rest, if there is one."""

    offer_ids: tuple[str, ...]
    job_id: UUID | None = None


def read_entity(kind: EntityKind, body: JsonObject) -> Entity:
    """An entity from outside; BadDocument. What leans on others is judged when it is saved."""
    entity = _READERS[kind].read(body)
    problems = [*_PROBLEMS[kind](entity), *travelling.faults(entity)] if kind in _PROBLEMS else travelling.faults(entity)
    if problems:
        raise BadDocument(list(dict.fromkeys(problems)))
    return entity


def _place(entity: Entity) -> Iterator[Problem]:
    assert isinstance(entity, Place), "the reader's kind"
    return checks.place_problems(entity)


def _blackout(entity: Entity) -> Iterator[Problem]:
    assert isinstance(entity, Blackout), "the reader's kind"
    return checks.blackout_problems(entity)


_READERS: Mapping[
    EntityKind, Document[Place] | Document[Resource] | Document[Contact] | Document[Term] | Document[Blackout]
] = {
    "places": documents.PLACES,
    "resources": documents.RESOURCES,
    "contacts": documents.CONTACTS,
    "terms": documents.TERMS,
    "blackouts": documents.BLACKOUTS,
}
_PROBLEMS: Mapping[EntityKind, Callable[[Entity], Iterator[Problem]]] = {"places": _place, "blackouts": _blackout}


def id_of(entity: Entity) -> str:
    """The id under which it is stored; a term's is made of scheme and code."""
    match entity:
        case Place():
            return entity.place_id
        case Resource():
            return entity.resource_id
        case Contact():
            return entity.contact_id
        case Term():
            return f"{entity.scheme}:{entity.code}"
        case Blackout():
            return entity.blackout_id


def document_of(entity: Entity) -> JsonObject:
    """The entity as it is stored and shown to staff."""
    match entity:
        case Place():
            return documents.PLACES.write(entity)
        case Resource():
            return documents.RESOURCES.write(entity)
        case Contact():
            return documents.CONTACTS.write(entity)
        case Term():
            return documents.TERMS.write(entity)
        case Blackout():
            return documents.BLACKOUTS.write(entity)


async def save_entity(
    tx: Tx,
    kind: EntityKind,
    entity: Entity,
    known: EntityRow | None,
    *,
    expected_version: int | None,
    hub_id: str,
    actor: Actor,
    now: datetime,
) -> tuple[Saved, Again] | Exists | Stale:
    """Create (`expected_version` None) or replace one; BadDocument, CannotRepublish. The catalogue's lock is held."""
    document = documents.text(document_of(entity))
    entity_id = id_of(entity)
    if known is not None and json.loads(known.document) == json.loads(document):
        return Saved(entity_id, known.version, created=False, changed=False), Again(())
    if expected_version is None and known is not None:
        return Exists(known.version)
    if expected_version is not None and (known is None or known.version != expected_version):
        return Stale(known.version if known else 0, now, "")
    problems = await _references(tx, entity, known)
    if problems:
        raise BadDocument(problems)
    await entities.save_entities(tx, kind, [EntityWrite(entity_id, document)], source=None, now=now, by=str(actor))
    touched = Touched()
    touch(touched, entity, known)
    again = await publish_again(tx, touched, hub_id=hub_id, actor=actor, now=now)
    return Saved(entity_id, known.version + 1 if known else 1, created=known is None, changed=True), again


async def _references(tx: Tx, entity: Entity, known: EntityRow | None) -> list[Problem]:
    match entity:
        case Place():
            places = [documents.PLACES.parse(each.document) for each in await entities.read_entities(tx, "places")]
            found = tree.misplaced(entity, {each.place_id: each for each in places})
            return [found] if found else []
        case Resource():
            if not await entities.read_some_entities(tx, "places", [entity.place_id]):
                return [Problem("/place_id", "unknown_place")]
            if known is not None and documents.RESOURCES.parse(known.document).kind != entity.kind:
                return [Problem("/kind", "read_only")]  # a resource never changes its kind (booking.md §3)
    return []


def touch(touched: Touched, entity: Entity, known: EntityRow | None) -> None:
    """Note what offers have to be looked at after this entity changed; of a moved closure its former scope too."""
    match entity:
        case Place():
            touched.place_ids.add(entity.place_id)
        case Resource():
            touched.resource_ids.add(entity.resource_id)
        case Contact():
            touched.contact_ids.add(entity.contact_id)
        case Term():
            touched.everything = True
        case Blackout():
            before = documents.BLACKOUTS.parse(known.document) if known else entity
            for each in (entity, before):
                if each.scope == "hub" or each.scope_id is None:
                    touched.everything = True
                else:
                    {"place": touched.place_ids, "resource": touched.resource_ids, "offer": touched.offer_ids}[each.scope].add(
                        each.scope_id
                    )


async def publish_again(tx: Tx, touched: Touched, *, hub_id: str, actor: Actor, now: datetime) -> Again:
    """Publish the live offers that show what changed: up to `REPUBLISH_OFFERS_MAX` here, the rest as a job."""
    if touched.everything:
        shown: Sequence[str] = await offers.live_offers(tx)
    else:
        places = [documents.PLACES.parse(each.document) for each in await entities.read_entities(tx, "places")]
        place_ids = sorted(tree.under(touched.place_ids, places))
        inside = await offers.resources_of_places(tx, place_ids) if place_ids else []
        shown = await offers.offers_showing(
            tx,
            place_ids=place_ids,
            resource_ids=sorted({*touched.resource_ids, *inside}),
            contact_ids=sorted(touched.contact_ids),
            offer_ids=sorted(touched.offer_ids),
        )
    now_done, later = shown[:REPUBLISH_OFFERS_MAX], shown[REPUBLISH_OFFERS_MAX:]
    sent = await steps.republish(tx, now_done, hub_id=hub_id, actor=actor, now=now)
    if not later:
        return Again(tuple(sent))
    job_id = ids.new()
    await offers.insert_job(tx, job_id, later, now=now, by=str(actor))
    return Again(tuple(sent), job_id)
