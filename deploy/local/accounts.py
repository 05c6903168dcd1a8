"""Who runs the database: PostgreSQL refuses root, so root hands it to an account that may do less."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.failures import MISSING, Failure

_CANDIDATES: Final = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine by number, with its groups."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]

    def may_pass(self, folder: Path) -> bool:
        """Whether every folder from the root down to `folder` lets this account through, by mode bits alone.

        Folders that do not exist yet are taken as passable: whoever makes them sets their mode.
        """
        resolved = folder.resolve()
        return all(self._may_enter(place) for place in (resolved, *resolved.parents) if place.exists())

    def _may_enter(self, place: Path) -> bool:
        facts = place.stat()
        if facts.st_uid == self.uid:
            return bool(facts.st_mode & 0o100)
        if facts.st_gid in self.groups:
            return bool(facts.st_mode & 0o010)
        return bool(facts.st_mode & 0o001)


def database_account() -> Account | None:
    """The account for `initdb` and `postgres`; None: the caller is no root and runs them itself."""
    if os.geteuid() != 0:
        return None
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        groups = tuple(os.getgrouplist(name, entry.pw_gid))
        return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid, groups=groups)
    raise Failure(
        "PostgreSQL refuses to run as root, and this machine knows neither the user postgres nor nobody.",
        remedy="run as an ordinary user, or add one of the two to /etc/passwd",
        code=MISSING,
    )
