"""Working copies of offers and the steps of their life cycle; for staff with a service token."""

import json
import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse
from pydantic import SecretStr

from hubkit.db import Pool, reading
from hubkit.http import Actor, Problem, actor_with
from services.catalog.domain.life import MANAGER_STEPS, Status, Step
from services.catalog.domain.rows import OfferRow
from services.catalog.handlers import drafts, steps
from services.catalog.handlers.house import House, changing
from services.catalog.http import requests
from services.catalog.http.requests import Document, Id, IfMatch, IfNoneMatch
from services.catalog.limits import PAGE_MAX
from services.catalog.store import dates, offers
from services.catalog.wire.documents import BadDocument

EDITORS = ("editor", "manager")


def routes(house: House, pool: Pool, token: SecretStr) -> APIRouter:
    """Writing and reading of working copies."""
    router = APIRouter(tags=["drafts"])
    editor = Depends(actor_with(token, *EDITORS))
    reader = Depends(actor_with(token, *EDITORS, "desk", "operator"))
    _add_reading(router, house, pool, reader)
    _add_editing(router, house, pool, editor)
    _add_steps(router, house, pool, editor)
    _add_schedules(router, house, pool, editor)
    return router


def _add_reading(router: APIRouter, house: House, pool: Pool, reader: Any) -> None:
    @router.get("/v1/drafts", dependencies=[reader])
    async def list_drafts(
        status: Status | None = None,
        after: Annotated[str, Query(max_length=120)] = "",
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50,
    ) -> dict[str, Any]:
        """Working copies by id, archived ones only when asked for; `next` continues the list."""
        async with reading(pool) as conn:
            rows = await offers.list_drafts(conn, status=status, after=after, limit=limit)
        listed = [
            {"offer_id": each.offer_id, **_state_of(each), "title": json.loads(each.document).get("title", {})} for each in rows
        ]
        return {"drafts": listed, "next": rows[-1].offer_id if len(rows) == limit else None}

    @router.get("/v1/drafts/{offer_id}", dependencies=[reader])
    async def show_draft(offer_id: Id) -> JSONResponse:
        """One working copy with its schedules and what the gate would say."""
        async with reading(pool) as conn:
            row = await _known(conn, offer_id)
            schedules = await dates.read_schedules(conn, [offer_id])
            findings = await steps.check(conn, row, hub_id=house.hub_id, now=await house.clock.now(conn))
        body = {
            **_state_of(row),
            "offer": json.loads(row.document),
            "schedules": [json.loads(each.document) for each in schedules],
            "errors": requests.told(findings.errors),
            "warnings": requests.told(findings.warnings),
        }
        return JSONResponse(body, headers={"ETag": f'"{row.version}"'})


def _add_editing(router: APIRouter, house: House, pool: Pool, editor: Any) -> None:
    @router.put("/v1/offers/{offer_id}")
    async def create_offer(
        offer_id: Id, body: Document, actor: Annotated[Actor, editor], if_none_match: IfNoneMatch = None
    ) -> JSONResponse:
        """Create a draft; the client made its id, so a repeat is harmless."""
        if not requests.is_creation(None, if_none_match):
            raise Problem(428, "precondition_required", "If-None-Match: * creates; PATCH changes")
        if body.setdefault("offer_id", offer_id) != offer_id:
            raise Problem(422, "bad_document", errors=[{"pointer": "/offer_id", "code": "other_id"}])
        try:
            offer = drafts.read_offer(body, hub_id=house.hub_id)
        except BadDocument as exc:
            raise requests.bad_document(exc) from exc
        async with changing(house, pool) as (tx, now):
            outcome = await drafts.create_offer(tx, offer, actor=requests.actor_of(actor), now=now)
        return _saved(outcome)

    @router.patch("/v1/offers/{offer_id}")
    async def patch_offer(
        offer_id: Id, body: Document, actor: Annotated[Actor, editor], if_match: IfMatch = None
    ) -> JSONResponse:
        """Change the working copy by JSON Merge Patch; what is published stays as it is."""
        version = requests.version_of(if_match)
        try:
            async with changing(house, pool) as (tx, now):
                row = await _locked(tx, offer_id)
                outcome = await drafts.patch_offer(
                    tx,
                    row,
                    body,
                    expected_version=version,
                    hub_id=house.hub_id,
                    actor=requests.actor_of(actor),
                    now=now,
                )
        except BadDocument as exc:
            raise requests.bad_document(exc) from exc
        return _saved(outcome)


def _add_steps(router: APIRouter, house: House, pool: Pool, editor: Any) -> None:
    @router.post("/v1/offers/{offer_id}/check", dependencies=[editor])
    async def check_offer(offer_id: Id) -> dict[str, Any]:
        """What the gate would say to a publish now."""
        async with reading(pool) as conn:
            row = await _known(conn, offer_id)
            findings = await steps.check(conn, row, hub_id=house.hub_id, now=await house.clock.now(conn))
        return {"errors": requests.told(findings.errors), "warnings": requests.told(findings.warnings)}

    @router.post("/v1/offers/{offer_id}/{step}")
    async def take_step(
        offer_id: Id,
        step: Literal["publish", "suspend", "resume", "cancel", "withdraw"],
        actor: Annotated[Actor, editor],
        if_match: IfMatch = None,
    ) -> dict[str, Any]:
        """Publish the working copy, suspend and resume, cancel (managers: bookings are displaced), withdraw."""
        version = requests.version_of(if_match)
        if step in MANAGER_STEPS and actor.role != "manager":
            raise Problem(403, "not_permitted", "the role manager is needed")
        return await _take(house, pool, step, offer_id, version, actor)


async def _take(house: House, pool: Pool, step: Step, offer_id: str, version: int, actor: Actor) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        async with changing(house, pool) as (tx, now):
            row = await _locked(tx, offer_id)
            outcome = await steps.take(
                tx,
                step,
                row,
                expected_version=version,
                hub_id=house.hub_id,
                actor=requests.actor_of(actor),
                now=now,
            )
    except steps.CannotRepublish as exc:
        raise requests.would_break(exc) from exc
    if isinstance(outcome, steps.Closed):
        for error in outcome.findings.errors:
            house.metrics.add("catalog_gate_errors_total", code=error.code)
    if not isinstance(outcome, steps.Done):
        raise requests.refused(outcome)
    house.metrics.observe("catalog_publish_seconds", time.perf_counter() - started)
    warnings = requests.told(outcome.findings.warnings)
    return {"offer_id": offer_id, "status": outcome.status, "revision": outcome.revision, "warnings": warnings}


def _add_schedules(router: APIRouter, house: House, pool: Pool, editor: Any) -> None:
    @router.put("/v1/offers/{offer_id}/schedules/{schedule_id}")
    async def put_schedule(
        offer_id: Id,
        schedule_id: Id,
        body: Document,
        actor: Annotated[Actor, editor],
        if_match: IfMatch = None,
        if_none_match: IfNoneMatch = None,
    ) -> JSONResponse:
        """Create or replace a rule of the working copy; its dates appear with the next publish."""
        creating = requests.is_creation(if_match, if_none_match)
        if body.setdefault("schedule_id", schedule_id) != schedule_id:
            raise Problem(422, "bad_document", errors=[{"pointer": "/schedule_id", "code": "other_id"}])
        try:
            schedule = drafts.read_schedule(body)
            async with changing(house, pool) as (tx, now):
                await _locked(tx, offer_id)
                known = await dates.read_schedule(tx, schedule_id)
                if known is not None and known.offer_id != offer_id:
                    raise Problem(409, "other_offer", "the schedule is another offer's")
                if not creating and (known is None or known.version != requests.version_of(if_match)):
                    raise Problem(412, "stale_version", version=known.version if known else 0)
                outcome = await drafts.save_schedule(
                    tx, offer_id, schedule, known, creating=creating, actor=requests.actor_of(actor), now=now
                )
        except BadDocument as exc:
            raise requests.bad_document(exc) from exc
        return _saved(outcome)


async def _known(conn: Any, offer_id: str) -> OfferRow:
    rows = await offers.read_offers(conn, [offer_id])
    if not rows:
        raise Problem(404, "not_found")
    return rows[0]


async def _locked(tx: Any, offer_id: str) -> OfferRow:
    rows = await offers.lock_offers(tx, [offer_id])
    if not rows:
        raise Problem(404, "not_found")
    return rows[0]


def _state_of(row: OfferRow) -> dict[str, Any]:
    return {
        "status": row.status,
        "version": row.version,
        "revision": row.revision,
        "edited_at": row.edited_at.isoformat(),
        "edited_by": row.edited_by,
    }


def _saved(outcome: drafts.Saved | drafts.Exists | steps.Stale) -> JSONResponse:
    if not isinstance(outcome, drafts.Saved):
        raise requests.refused(outcome)
    body = {"id": outcome.id, "version": outcome.version, "changed": outcome.changed}
    return JSONResponse(body, 201 if outcome.created else 200, headers={"ETag": f'"{outcome.version}"'})
