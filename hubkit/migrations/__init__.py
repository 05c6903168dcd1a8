"""Alembic with plain SQL: one environment for all services, hubkit's own tables as a branch that theirs depends on.

Revisions go forward only. A service's first one says `down_revision = None`, `branch_labels = ("<service>",)` and
`depends_on = ("hubkit_0001",)`; its files are `services/<service>/migrations/<service>_<nnnn>_<expand|contract>_<what>.py`.
"""

import asyncio
import threading
from collections.abc import Collection
from pathlib import Path

import asyncpg
from alembic import command, op
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.util import await_only

_HERE = Path(__file__).parent
_SERVICES = _HERE.parent.parent / "services"
# One upgrade per database at a time. Any constant does; this is "hubnetz" read as a number in base 36.
UPGRADE_LOCK = 38_287_437_251
# Alembic keeps the context of a run in its module: two threads would use, and remove, each other's.
_ONE_AT_A_TIME = threading.Lock()
LOCK_MS_MAX = 5_000  # a migration that waits longer for a table would stop the service behind it


def sql(script: str) -> None:
    """Run a script of several commands inside the revision's transaction: if one fails, the whole revision is undone.

    `op.execute` would make a prepared statement, which takes one command only, and would read `:name` as a parameter.
    """
    connection = op.get_bind()
    connection.exec_driver_sql("SELECT 1")  # opens SQLAlchemy's transaction, which the script then joins
    driver = connection.connection.driver_connection
    assert isinstance(driver, asyncpg.Connection), "the environment connects through asyncpg"
    await_only(driver.execute(script))


def _config(service: str, dsn: str) -> Config:
    config = Config()
    locations = [_HERE / "versions", _SERVICES / service / "migrations"]
    config.set_main_option("script_location", str(_HERE).replace("%", "%%"))
    config.set_main_option("version_locations", "\n".join(str(path).replace("%", "%%") for path in locations))
    config.set_main_option("path_separator", "newline")
    config.attributes["dsn"] = dsn  # never in the option file: a `%` in a password breaks it
    return config


async def upgrade(dsn: str, service: str) -> None:
    """Bring the database of `service` to the newest revisions; committed revision by revision, harmless when repeated.

    Errors: the driver's; a revision that fails is undone, those before it stay.
    """
    await asyncio.to_thread(_upgrade, _config(service, dsn))


def _upgrade(config: Config) -> None:
    with _ONE_AT_A_TIME:
        command.upgrade(config, "heads")


async def missing(connection: asyncpg.Connection, service: str) -> frozenset[str]:
    """Revisions that the code knows and the database has not; empty = at head."""
    script = ScriptDirectory.from_config(_config(service, ""))
    known = {revision.revision: revision for revision in script.walk_revisions()}
    applied: set[str] = set()
    if await connection.fetchval("SELECT to_regclass('alembic_version')") is not None:
        due = [row["version_num"] for row in await connection.fetch("SELECT version_num FROM alembic_version")]
        while due:  # the table names the newest only: what they follow and what they depend on is in it too
            name = due.pop()
            if name in known and name not in applied:
                due += [*_names(known[name].down_revision), *_names(known[name].dependencies)]
            applied.add(name)
    return frozenset(known) - applied


def _names(revisions: str | Collection[str] | None) -> Collection[str]:
    return (revisions,) if isinstance(revisions, str) else revisions or ()
