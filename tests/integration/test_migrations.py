"""Migrations on the real database: from nothing to the newest, again, side by side, and undone whole where they fail."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.exc import SQLAlchemyError

from deploy import migrate
from hubkit import migrations
from tests.support.hub import ROOT
from tests.support.postgres import PostgresServer
from tests.support.waiting import eventually

REVISION = '''"""{name}."""

from hubkit.migrations import sql

revision = "{name}"
down_revision = {down}
branch_labels = {labels}
depends_on = {depends}


def upgrade() -> None:
    """Run the script."""
    sql("""{script}""")
'''


def write(folder: Path, number: int, script: str) -> None:
    """A revision of the service `trial`, as services have them."""
    name = f"trial_{number:04}"
    down = None if number == 1 else f"trial_{number - 1:04}"
    labels, depends = (("trial",), ("hubkit_0001",)) if number == 1 else (None, None)
    text = REVISION.format(name=name, down=repr(down), labels=repr(labels), depends=repr(depends), script=script)
    (folder / f"{name}_expand_x.py").write_text(text)


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a made-up service's migrations."""
    folder = tmp_path / "trial" / "migrations"
    folder.mkdir(parents=True)
    monkeypatch.setattr(migrations, "_SERVICES", tmp_path)
    return folder


async def fetch(dsn: str, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn)
    try:
        return list(await connection.fetch(query))
    finally:
        await connection.close()


async def missing(dsn: str, service: str) -> frozenset[str]:
    connection = await asyncpg.connect(dsn)
    try:
        return await migrations.missing(connection, service)
    finally:
        await connection.close()


TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"


async def tables(dsn: str) -> set[str]:
    return {row["tablename"] for row in await fetch(dsn, TABLES)}


OURS = {"outbox", "sent", "inbox", "stored_offsets", "dead_letters", "alembic_version"}


async def test_empty_database__brought_to_the_newest_and_harmless_again(postgres: PostgresServer, trial: Path) -> None:
    dsn = postgres.empty()
    write(trial, 1, "CREATE TABLE one (id integer); CREATE TABLE two (id integer);")
    assert await missing(dsn, "trial") == {"hubkit_0001", "trial_0001"}
    await migrations.upgrade(dsn, "trial")
    assert await tables(dsn) == OURS | {"one", "two"}
    assert await missing(dsn, "trial") == frozenset()
    before = await fetch(dsn, "SELECT * FROM alembic_version")
    await migrations.upgrade(dsn, "trial")
    assert await fetch(dsn, "SELECT * FROM alembic_version") == before


async def test_database_of_the_last_release__gets_what_is_new(postgres: PostgresServer, trial: Path) -> None:
    dsn = postgres.empty()
    write(trial, 1, "CREATE TABLE one (id integer)")
    await migrations.upgrade(dsn, "trial")
    write(trial, 2, "CREATE TABLE two (id integer)")
    write(trial, 3, "CREATE TABLE three (id integer)")
    assert await missing(dsn, "trial") == {"trial_0002", "trial_0003"}
    await migrations.upgrade(dsn, "trial")
    assert await tables(dsn) == OURS | {"one", "two", "three"}


async def test_script_that_fails__undone_whole_and_those_before_it_stay(postgres: PostgresServer, trial: Path) -> None:
    """Several commands in one script: what the first ones did must not be left behind without the last."""
    dsn = postgres.empty()
    write(trial, 1, "CREATE TABLE one (id integer)")
    write(trial, 2, "CREATE TABLE two (id integer); INSERT INTO one VALUES (1); SELECT no_such_function();")
    with pytest.raises((asyncpg.UndefinedFunctionError, SQLAlchemyError)):
        await migrations.upgrade(dsn, "trial")
    assert await tables(dsn) == OURS | {"one"}
    assert await fetch(dsn, "SELECT * FROM one") == []
    assert await missing(dsn, "trial") == {"trial_0002"}
    write(trial, 2, "CREATE TABLE two (id integer)")
    await migrations.upgrade(dsn, "trial")
    assert await missing(dsn, "trial") == frozenset()


async def test_script_with_signs_that_drivers_read_as_parameters__run_as_it_stands(
    postgres: PostgresServer, trial: Path
) -> None:
    dsn = postgres.empty()
    write(trial, 1, "CREATE TABLE one (at text DEFAULT '12:30 :name %(x)s 100% $1 ?');")
    await migrations.upgrade(dsn, "trial")
    (row,) = await fetch(dsn, "INSERT INTO one DEFAULT VALUES RETURNING at")
    assert row["at"] == "12:30 :name %(x)s 100% $1 ?"


async def test_two_processes_upgrade_one_database_at_once__second_waits_and_finds_it_done(postgres: PostgresServer) -> None:
    """Two containers start together. Both are made to wait here, so that neither can be through before the other asks."""
    dsn = postgres.empty()
    code = "import asyncio, sys; from hubkit import migrations; asyncio.run(migrations.upgrade(sys.argv[1], 'trial'))"
    holder = await asyncpg.connect(dsn)
    try:
        await holder.execute("SELECT pg_advisory_lock($1)", migrations.UPGRADE_LOCK)
        both = [await asyncio.create_subprocess_exec(sys.executable, "-c", code, dsn) for _ in range(2)]

        async def waiting() -> bool:
            waiters = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            return int(await holder.fetchval(waiters)) == 2

        await eventually(waiting, seconds=20)
    finally:
        await holder.close()
    assert [await one.wait() for one in both] == [0, 0]
    assert await tables(dsn) == OURS


async def test_upgrades_of_two_databases_in_one_process__do_not_disturb_each_other(
    postgres: PostgresServer, trial: Path
) -> None:
    """Alembic keeps its context in its module: two runs in two threads would use each other's."""
    first, second = postgres.empty(), postgres.empty()
    write(trial, 1, "SELECT pg_sleep(0.3); CREATE TABLE one (id integer)")
    await asyncio.gather(migrations.upgrade(first, "trial"), migrations.upgrade(second, "trial"))
    assert await tables(first) == await tables(second) == OURS | {"one"}


async def test_table_that_is_in_use__given_up_after_a_bounded_wait(
    postgres: PostgresServer, trial: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration that queues for a table stops everybody behind it."""
    monkeypatch.setattr(migrations, "LOCK_MS_MAX", 200)
    dsn = postgres.empty()
    write(trial, 1, "CREATE TABLE one (id integer)")
    await migrations.upgrade(dsn, "trial")
    write(trial, 2, "ALTER TABLE one ADD COLUMN more integer")
    user = await asyncpg.connect(dsn)
    try:
        async with user.transaction():
            await user.execute("LOCK TABLE one IN ACCESS SHARE MODE")
            with pytest.raises((asyncpg.LockNotAvailableError, SQLAlchemyError)):
                await asyncio.wait_for(migrations.upgrade(dsn, "trial"), 10)
    finally:
        await user.close()
    assert await missing(dsn, "trial") == {"trial_0002"}


async def test_password_with_every_awkward_sign__reaches_the_database(postgres: PostgresServer) -> None:
    """A `%` breaks what goes through an option file, a `/`, `@` or `:` what is put into an address unquoted."""
    password = "100%/s@:#? ü\\'\""  # noqa: S105 - made up
    dsn = postgres.empty()
    name = dsn.rsplit("/", 1)[1].partition("?")[0]
    role = f"r_{name}"
    admin = await asyncpg.connect(postgres.dsn)
    try:
        quoted = await admin.fetchval("SELECT format('CREATE ROLE %I LOGIN PASSWORD %L', $1::text, $2::text)", role, password)
        await admin.execute(quoted)
        await admin.execute(f'ALTER DATABASE "{name}" OWNER TO "{role}"')
        theirs = migrate.dsn_for(postgres.dsn, database=name, role=role, password=password)
        await migrations.upgrade(theirs, "trial-without-files")
        assert await tables(theirs) == OURS
    finally:
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await admin.execute(f'DROP ROLE "{role}"')
        await admin.close()


@pytest.mark.parametrize("service", [path.parent.name for path in Path("services").glob("*/migrations")])
async def test_services__start_at_head_and_depend_on_ours(service: str, service_db: Callable[[str], str]) -> None:
    dsn = service_db(service)
    assert await missing(dsn, service) == frozenset()
    assert await tables(dsn) >= OURS


def test_start_of_a_service__loads_neither_alembic_nor_sqlalchemy() -> None:
    """A third of each start's processor time; they are for who upgrades."""
    apps = ", ".join(f"services.{name}.app" for name in ("booking", "catalog", "notify", "analytics"))
    program = f"import sys, {apps}; print({{'alembic', 'sqlalchemy'}} & {{*sys.modules}})"
    said = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout == "set()\n"
