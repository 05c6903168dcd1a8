"""Alembic with plain SQL: one environment for all services, hubkit's own tables as a branch that theirs depends on.

Revisions go forward only. A service's first one says `down_revision = None`, `branch_labels = ("<service>",)` and
`depends_on = ("hubkit_0001",)`; its files are `services/<service>/migrations/<service>_<nnnn>_<expand|contract>_<what>.py`.
"""

import asyncio
import runpy
import threading
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

# Alembic and SQLAlchemy take a quarter of a service's start to load. It asks what is `missing` only; who upgrades loads them.
if TYPE_CHECKING:
    from alembic.config import Config

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
    from alembic import op
    from sqlalchemy.util import await_only

    connection = op.get_bind()
    connection.exec_driver_sql("SELECT 1")  # opens SQLAlchemy's transaction, which the script then joins
    driver = connection.connection.driver_connection
    assert isinstance(driver, asyncpg.Connection), "the environment connects through asyncpg"
    await_only(driver.execute(script))


def _locations(service: str) -> tuple[Path, Path]:
    return _HERE / "versions", _SERVICES / service / "migrations"


def _config(service: str, dsn: str) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_HERE).replace("%", "%%"))
    config.set_main_option("version_locations", "\n".join(str(path).replace("%", "%%") for path in _locations(service)))
    config.set_main_option("path_separator", "newline")
    config.attributes["dsn"] = dsn  # never in the option file: a `%` in a password breaks it
    return config


async def upgrade(dsn: str, service: str) -> None:
    """Bring the database of `service` to the newest revisions; committed revision by revision, harmless when repeated.

    Errors: the driver's; a revision that fails is undone, those before it stay.
    """
    await asyncio.to_thread(_upgrade, _config(service, dsn))


def _upgrade(config: "Config") -> None:
    from alembic import command

    with _ONE_AT_A_TIME:
        command.upgrade(config, "heads")


async def missing(connection: asyncpg.Connection, service: str) -> frozenset[str]:
    """Revisions that the code knows and the database has not; empty = at head."""
    known = _known(service)
    applied: set[str] = set()
    if await connection.fetchval("SELECT to_regclass('alembic_version')") is not None:
        due = [row["version_num"] for row in await connection.fetch("SELECT version_num FROM alembic_version")]
        while due:  # the table names the newest only: what they follow and what they depend on is in it too
            name = due.pop()
            if name in known and name not in applied:
                due += known[name]
            applied.add(name)
    return frozenset(known) - applied


def _known(service: str) -> dict[str, list[str]]:
    """Each revision in the code, and those that it follows or depends on."""
    known: dict[str, list[str]] = {}
    for path in (path for folder in _locations(service) for path in folder.glob("*.py") if path.name != "__init__.py"):
        names = runpy.run_path(str(path))
        known[names["revision"]] = [*_names(names["down_revision"]), *_names(names.get("depends_on"))]
    return known


def _names(revisions: str | Collection[str] | None) -> Collection[str]:
    return (revisions,) if isinstance(revisions, str) else revisions or ()
