"""Places, resources, contacts, terms and closures: what offers lean on. A change goes out with every offer that shows it."""

import json
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from pydantic import SecretStr

from hubkit.db import Pool, reading
from hubkit.http import Actor, Problem, actor_with
from services.catalog.domain.rows import EntityKind
from services.catalog.handlers import entities as handlers
from services.catalog.handlers import steps
from services.catalog.handlers.drafts import Saved
from services.catalog.handlers.house import House, changing
from services.catalog.http import requests
from services.catalog.http.drafts import EDITORS
from services.catalog.http.requests import Document, Id, IfMatch, IfNoneMatch
from services.catalog.store import entities, offers
from services.catalog.wire.documents import BadDocument

_ID_FIELDS: dict[EntityKind, str] = {
    "places": "place_id",
    "resources": "resource_id",
    "contacts": "contact_id",
    "terms": "code",
    "blackouts": "blackout_id",
}
WRITERS: dict[EntityKind, tuple[str, ...]] = {"blackouts": ("manager",)}  # a closure displaces bookings
_PUBLIC: tuple[EntityKind, ...] = ("places", "terms")  # `http.public` lists these


def routes(house: House, pool: Pool, token: SecretStr) -> APIRouter:
    """Reading for staff, writing for editors, closures for managers."""
    router = APIRouter(tags=["things"])
    reader = Depends(actor_with(token, *EDITORS, "desk", "operator"))
    for kind in _ID_FIELDS:
        if kind not in _PUBLIC:
            _add_reading(router, pool, kind, reader)
        _add_writing(router, house, pool, kind, Depends(actor_with(token, *WRITERS.get(kind, EDITORS))))

    @router.get("/v1/jobs/{job_id}", dependencies=[reader])
    async def show_job(job_id: UUID) -> dict[str, Any]:
        """How far a large republishing is."""
        async with reading(pool) as conn:
            job = await offers.read_job(conn, job_id)
        if job is None:
            raise Problem(404, "not_found")
        return {"state": job.state, "done": job.done, "total": job.total}

    return router


def _add_reading(router: APIRouter, pool: Pool, kind: EntityKind, reader: Any) -> None:
    @router.get(f"/v1/{kind}", dependencies=[reader], name=f"list_{kind}")
    async def list_things() -> dict[str, Any]:
        """All of a kind as stated, with their versions."""
        async with reading(pool) as conn:
            rows = await entities.read_entities(conn, kind)
        return {kind: [{**json.loads(each.document), "version": each.version} for each in rows]}

    @router.get(f"/v1/{kind}/{{thing_id}}", dependencies=[reader], name=f"show_{kind}")
    async def show_thing(thing_id: Id) -> JSONResponse:
        """One as stated."""
        async with reading(pool) as conn:
            row = (await entities.read_some_entities(conn, kind, [thing_id])).get(thing_id)
        if row is None:
            raise Problem(404, "not_found")
        return JSONResponse(json.loads(row.document), headers={"ETag": f'"{row.version}"'})


def _add_writing(router: APIRouter, house: House, pool: Pool, kind: EntityKind, writer: Any) -> None:
    @router.put(f"/v1/{kind}/{{thing_id}}", name=f"put_{kind}")
    async def put_thing(
        thing_id: Id,
        body: Document,
        actor: Annotated[Actor, writer],
        if_match: IfMatch = None,
        if_none_match: IfNoneMatch = None,
    ) -> JSONResponse:
        """Create or replace one; the answer lists the offers that went out again, and the job that does the rest."""
        expected = None if requests.is_creation(if_match, if_none_match) else requests.version_of(if_match)
        return await _put(house, pool, kind, thing_id, body, expected, actor)


async def _put(
    house: House, pool: Pool, kind: EntityKind, thing_id: str, body: dict[str, Any], expected: int | None, actor: Actor
) -> JSONResponse:
    if kind != "terms":
        body.setdefault(_ID_FIELDS[kind], thing_id)
    try:
        entity = handlers.read_entity(kind, body)
        if handlers.id_of(entity) != thing_id:
            raise Problem(422, "bad_document", errors=[{"pointer": f"/{_ID_FIELDS[kind]}", "code": "other_id"}])
        async with changing(house, pool) as (tx, now):
            known = (await entities.read_some_entities(tx, kind, [thing_id])).get(thing_id)
            outcome = await handlers.save_entity(
                tx,
                kind,
                entity,
                known,
                expected_version=expected,
                hub_id=house.hub_id,
                actor=requests.actor_of(actor),
                now=now,
            )
    except BadDocument as exc:
        raise requests.bad_document(exc) from exc
    except steps.CannotRepublish as exc:
        raise requests.would_break(exc) from exc
    if not isinstance(outcome, tuple):
        raise requests.refused(outcome)
    saved, again = outcome
    assert isinstance(saved, Saved), "what is no refusal was saved"
    answer = {"id": saved.id, "version": saved.version, "changed": saved.changed, "offers": list(again.offer_ids)}
    if again.job_id is not None:
        answer["job_id"] = str(again.job_id)
    status = 202 if again.job_id is not None else 201 if saved.created else 200
    return JSONResponse(answer, status, headers={"ETag": f'"{saved.version}"'})
