"""Alembic's environment of all services: asyncpg, one advisory lock per database, a transaction per revision."""

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from hubkit.migrations import LOCK_MS_MAX, UPGRADE_LOCK


def _run(connection: Connection) -> None:
    # The lock is taken before lock_timeout is set, which would cut this wait too: a second upgrade shall wait its turn.
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": UPGRADE_LOCK})
    connection.execute(text(f"SET lock_timeout = {LOCK_MS_MAX}"))
    connection.commit()
    context.configure(connection=connection, target_metadata=None, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()


async def _upgrade() -> None:
    url = make_url(context.config.attributes["dsn"]).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_run)
    finally:
        await engine.dispose()


asyncio.run(_upgrade())
