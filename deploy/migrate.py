"""The migrate job: roles, databases, passwords and extensions, then each service's migrations. Harmless when repeated."""

from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from hubkit import migrations

EXTENSIONS: Final = ("pg_trgm", "unaccent")
# One job at a time per server: two that start together would both find the role missing. Session lock of the admin database.
_JOB_LOCK: Final = 7_235_081_316


def dsn_for(admin_dsn: str, *, database: str, role: str | None = None, password: str | None = None) -> str:
    """The administrator's address turned to another database, and to another login if one is given."""
    parts = urlsplit(admin_dsn)
    place = parts.netloc.rpartition("@")[2]
    login = f"{role}:{quote(password or '', safe='')}" if role else parts.netloc.rpartition("@")[0]
    return urlunsplit((parts.scheme, f"{login}@{place}" if login else place, f"/{database}", parts.query, ""))


async def migrate(admin_dsn: str, *, service: str, password: str, database: str | None = None) -> str:
    """Bring one service's database to the newest state, made if it is missing; its address for the service.

    `database` differs from the service's name only where tests make many of them.
    """
    name = database or service
    admin = await asyncpg.connect(admin_dsn)
    try:
        await admin.execute("SELECT pg_advisory_lock($1)", _JOB_LOCK)
        await _role(admin, service, password)
        await _database(admin, name, owner=service)
        await _extensions(dsn_for(admin_dsn, database=name))
    finally:
        await admin.close()  # and with the session goes the lock
    dsn = dsn_for(admin_dsn, database=name, role=service, password=password)
    await migrations.upgrade(dsn, service)
    return dsn


# Utility commands take no parameters: the server itself quotes the words and hands the command back.
_CREATE_ROLE: Final = (
    "SELECT format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD %L', $1::text, $2::text)"
)
_ALTER_ROLE: Final = "SELECT format('ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD %L', $1::text, $2::text)"
_CREATE_DATABASE: Final = "SELECT format('CREATE DATABASE %I OWNER %I', $1::text, $2::text)"
_ALTER_DATABASE: Final = "SELECT format('ALTER DATABASE %I OWNER TO %I', $1::text, $2::text)"
_REVOKE_CONNECT: Final = "SELECT format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', $1::text)"
_CREATE_EXTENSION: Final = "SELECT format('CREATE EXTENSION IF NOT EXISTS %I', $1::text)"


async def _role(admin: asyncpg.Connection, role: str, password: str) -> None:
    """Make the login if it is missing; its password is set each time, since a lost one could not be read back."""
    known = await admin.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = $1", role)
    await admin.execute(await admin.fetchval(_ALTER_ROLE if known else _CREATE_ROLE, role, password))


async def _database(admin: asyncpg.Connection, name: str, *, owner: str) -> None:
    """Make the database if it is missing; it is its service's, and nobody else may connect."""
    known = await admin.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", name)
    await admin.execute(await admin.fetchval(_ALTER_DATABASE if known else _CREATE_DATABASE, name, owner))
    await admin.execute(await admin.fetchval(_REVOKE_CONNECT, name))


async def _extensions(admin_dsn: str) -> None:
    """What services may rely on, and what only an administrator may add."""
    admin = await asyncpg.connect(admin_dsn)
    try:
        for extension in EXTENSIONS:
            await admin.execute(await admin.fetchval(_CREATE_EXTENSION, extension))
    finally:
        await admin.close()
