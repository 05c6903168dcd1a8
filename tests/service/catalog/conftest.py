"""One catalogue per test."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator

import asyncpg
import pytest

from deploy import migrate
from services.catalog.handlers.publishing import Actor
from services.catalog.worker import imports
from tests.service.catalog.hub import SEED, TODAY, Hub
from tests.support.postgres import PostgresServer
from tests.support.servers import Servers

SEEDED = "grossroehrsdorf"


@pytest.fixture
async def hub(service_db: Callable[[str], str]) -> AsyncIterator[Hub]:
    """An empty catalogue."""
    opened = await Hub.open(service_db("catalog"))
    yield opened
    await opened.close()


@pytest.fixture
async def furnished(hub: Hub) -> Hub:
    """With a house, a room and a reception."""
    await hub.furnish()
    return hub


@pytest.fixture(scope="session")
def seed_database(test_servers: Servers) -> Iterator[str]:
    """The name of a database with the seed imported once; tests work on copies of it."""
    server = PostgresServer(test_servers.postgres)
    dsn = server.clone("catalog")

    async def fill() -> None:
        opened = await Hub.open(dsn, hub_id=SEEDED, now=TODAY)
        await imports.import_hub(opened.house, opened.pool, SEED.read_bytes(), actor=Actor("operator", "test"))
        await opened.close()

    asyncio.run(fill())
    yield dsn.rsplit("/", 1)[1]
    server.drop_clones()


@pytest.fixture
async def seeded(seed_database: str, postgres: PostgresServer) -> AsyncIterator[Hub]:
    """The catalogue of the seed, its messages still in the outbox."""
    name = f"t_{uuid.uuid4().hex[:16]}"
    admin = await asyncpg.connect(postgres.dsn)
    try:
        await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{seed_database}" OWNER catalog')
        dsn = migrate.dsn_for(postgres.dsn, database=name, role="catalog", password=postgres.password("catalog"))
        opened = await Hub.open(dsn, hub_id=SEEDED, now=TODAY)
        yield opened
        await opened.close()
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await admin.close()
