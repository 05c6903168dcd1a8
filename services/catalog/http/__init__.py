"""Questions and changes by HTTP: `public` reads what is published, `drafts` works on offers, `things` on what they lean on."""

from fastapi import APIRouter
from pydantic import SecretStr

from hubkit.db import Pool
from services.catalog.handlers.house import House
from services.catalog.http import drafts, public, things


def routes(house: House, pool: Pool, token: SecretStr) -> APIRouter:
    """All paths of the catalogue."""
    router = APIRouter()
    router.include_router(public.routes(house, pool))
    router.include_router(drafts.routes(house, pool, token))
    router.include_router(things.routes(house, pool, token))
    return router
