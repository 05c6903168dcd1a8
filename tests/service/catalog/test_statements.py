"""Every statement of the store is one that PostgreSQL takes."""

import pkgutil
from collections.abc import Iterator
from importlib import import_module

import asyncpg

from hubkit.db import reading
from services.catalog import store
from services.catalog.store.entities import STATEMENTS
from tests.service.catalog.hub import Hub


def statements() -> Iterator[tuple[str, str]]:
    for module in pkgutil.iter_modules(store.__path__):
        for name, value in vars(import_module(f"{store.__name__}.{module.name}")).items():
            if name.isupper() and isinstance(value, str):
                yield f"{module.name}.{name}", value
    for kind, some in STATEMENTS.items():
        for name in ("read_all", "read_some", "upsert"):
            yield f"{kind}.{name}", getattr(some, name)


ALL = dict(statements())


def test_statements__are_found() -> None:
    assert len(ALL) >= 45


async def test_every_statement__is_prepared(hub: Hub) -> None:
    refused = {}
    for name, statement in ALL.items():
        async with reading(hub.pool) as conn:
            try:
                await conn.prepare(statement)
            except asyncpg.PostgresError as exc:
                refused[name] = str(exc)
    assert refused == {}
