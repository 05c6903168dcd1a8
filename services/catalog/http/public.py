"""What everybody may read: published offers, places, terms. How to get in is told only to people who booked."""

import json
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from contracts.catalog import OfferKind
from hubkit.db import Pool, reading
from hubkit.http import Problem
from services.catalog.domain.texts import pick
from services.catalog.handlers.house import House
from services.catalog.http.requests import Id
from services.catalog.limits import OFFSET_MAX, PAGE_MAX
from services.catalog.store import entities, offers
from services.catalog.wire import states

Language = Annotated[str, Query(max_length=35, pattern="^[A-Za-z0-9-]+$", description="BCP 47; falls back to German")]


def routes(house: House, pool: Pool) -> APIRouter:
    """Reading without a login."""
    router = APIRouter(tags=["public"])

    @router.get("/v1/offers")
    async def list_offers(
        kind: OfferKind | None = None,
        lang: Language = "de",
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50,
        offset: Annotated[int, Query(ge=0, le=OFFSET_MAX)] = 0,
    ) -> dict[str, Any]:
        """Published offers by title; suspended and cancelled ones are marked and last."""
        async with reading(pool) as conn:
            now = await house.clock.now(conn)
            total, found = await offers.list_live(conn, kind=kind.value if kind else None, limit=limit, offset=offset)
        return {"total": total, "hits": [_hit(json.loads(each), house, lang, now) for each in found]}

    @router.get("/v1/offers/{offer_id}")
    async def show_offer(offer_id: Id) -> JSONResponse:
        """One published offer as it stands on the bus, without how to get in."""
        async with reading(pool) as conn:
            text = await offers.read_state(conn, offer_id)
        if text is None:
            raise Problem(404, "not_found")
        state = json.loads(text)
        return JSONResponse(states.hidden(state), headers={"ETag": f'"{state["revision"]}"'})

    @router.get("/v1/places")
    async def list_places() -> dict[str, Any]:
        """All places as stated, without what they inherit."""
        async with reading(pool) as conn:
            rows = await entities.read_entities(conn, "places")
        return {"places": [json.loads(each.document) for each in rows]}

    @router.get("/v1/places/{place_id}")
    async def show_place(place_id: Id) -> JSONResponse:
        """One place as stated."""
        async with reading(pool) as conn:
            row = (await entities.read_some_entities(conn, "places", [place_id])).get(place_id)
        if row is None:
            raise Problem(404, "not_found")
        return JSONResponse(json.loads(row.document), headers={"ETag": f'"{row.version}"'})

    @router.get("/v1/terms")
    async def list_terms() -> dict[str, Any]:
        """The vocabularies of this hub."""
        async with reading(pool) as conn:
            rows = await entities.read_entities(conn, "terms")
        return {"terms": [json.loads(each.document) for each in rows]}

    @router.get("/v1/terms/{term_id}")
    async def show_term(term_id: Id) -> JSONResponse:
        """One word, by `<scheme>:<code>`."""
        async with reading(pool) as conn:
            row = (await entities.read_some_entities(conn, "terms", [term_id])).get(term_id)
        if row is None:
            raise Problem(404, "not_found")
        return JSONResponse(json.loads(row.document), headers={"ETag": f'"{row.version}"'})

    return router


def _hit(state: dict[str, Any], house: House, lang: str, now: datetime) -> dict[str, Any]:
    """One line of a list, in the reader's language as far as there is a text."""
    title = pick(state["title"], lang)
    teaser = pick(state.get("teaser", {}), lang)
    place = state["places"][0] if state.get("places") else None
    hit: dict[str, Any] = {
        "offer_id": state["offer_id"],
        "hub_id": state["hub_id"],
        "hub_name": house.hub_name,
        "kind": state["kind"],
        "status": state["status"],
        "title": title[1] if title else "",
        "teaser": teaser[1] if teaser else "",
        "lang": title[0] if title else "de",
        "is_free": state.get("is_free", False),
        "partner_mode": state.get("partner_mode", "none"),
    }
    if place is not None:
        name = pick(place.get("name", {}), lang)
        hit["place"] = {"place_id": place["place_id"], "name": name[1] if name else ""}
    starts = [
        each["start"]
        for each in state.get("occurrences", ())
        if each.get("status", "scheduled") in ("scheduled", "moved") and datetime.fromisoformat(each["start"]) > now
    ]
    if starts:
        hit["next_start"] = min(starts)
    return hit
