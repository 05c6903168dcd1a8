"""The database server: PostgreSQL on 127.0.0.1, by the pinned binaries, never as root."""

import os
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from deploy.local import accounts, fetch, pins
from deploy.local.accounts import Account
from deploy.local.folder import DataFolder
from deploy.local.process import Spec

READY_SECONDS: Final = 60
ADMIN: Final = "postgres"
_STATUS_LINE: Final = 7  # of postmaster.pid, from 0: `ready`, `starting`, `stopping`
# For data that is thrown away with its folder: nothing survives a crash of the machine, and nothing waits for the disk.
_THROW_AWAY: Final = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


@dataclass(frozen=True, slots=True)
class Postgres:
    """One database server in a data folder. `durable` is off for throw-away data only."""

    folder: DataFolder
    port: int
    durable: bool = True
    connections_max: int = 200

    @property
    def data(self) -> Path:
        return self.folder.path / "postgres"

    @property
    def log(self) -> Path:
        return self.folder.log_of("postgres")

    def dsn(self, database: str = "postgres", user: str = ADMIN, password: str | None = None) -> str:
        """Address with the password, that of the administrator if no other is given."""
        secret = quote(password or self.folder.secret("postgres-admin"), safe="")
        return f"postgresql://{user}:{secret}@127.0.0.1:{self.port}/{database}"

    def initdb_spec(self) -> Spec | None:
        """The one-shot that makes the cluster; None: it is there.

        Made in a folder beside its place and renamed by `adopt`, so that a half made one is never started.
        """
        if (self.data / "PG_VERSION").exists():
            return None
        account = accounts.database_account()
        making = self._making
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700)
        password = making.with_name("postgres.password")
        password.touch(mode=0o600)
        password.write_text(self.folder.secret("postgres-admin"), encoding="utf-8")
        if account:
            os.chown(making, account.uid, account.gid)
            os.chown(password, account.uid, account.gid)
        # The locale is PostgreSQL's own, the same on every system; only the character classes come from the machine.
        ctype = "C.UTF-8" if sys.platform == "linux" else "en_US.UTF-8"
        options = (
            f"--pgdata={making.resolve()}",
            f"--username={ADMIN}",
            f"--pwfile={password.resolve()}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            f"--lc-ctype={ctype}",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-instructions",
            *(() if self.durable else ("--no-sync",)),
        )
        return self._spec("postgres-initdb", "initdb", options, account)

    def adopt(self) -> None:
        """Give the new cluster its place; the password file goes."""
        self._making.with_name("postgres.password").unlink(missing_ok=True)
        self._making.rename(self.data)

    @property
    def _making(self) -> Path:
        return self.folder.path / "postgres.new"

    def spec(self) -> Spec:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",  # socket paths end at 107 bytes
            "max_connections": str(self.connections_max),
            "password_encryption": "scram-sha-256",
            "timezone": "UTC",
            "log_timezone": "UTC",
            **({} if self.durable else _THROW_AWAY),
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return self._spec("postgres", "postgres", ("-D", str(self.data.resolve()), *options), accounts.database_account())

    def _spec(self, name: str, program: str, options: tuple[str, ...], account: Account | None) -> Spec:
        home = fetch.unpacked_postgresql(pins.postgresql())
        return Spec(
            name=name,
            argv=(str(home / "bin" / program), *options),
            cwd=self.folder.path,
            env={"LC_ALL": "C", "PATH": os.defpath, "TZ": "UTC"},
            account=account,
            stop_signal=signal.SIGINT,  # fast shutdown: SIGTERM would wait for the last client
            stop_seconds=30,
        )

    def ready(self, pid: int) -> bool:
        """Whether the server of that process says of itself that it takes connections; a file of an older one is not asked."""
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except (FileNotFoundError, PermissionError):
            return False
        return len(lines) > _STATUS_LINE and lines[0] == str(pid) and lines[_STATUS_LINE].strip() == "ready"
