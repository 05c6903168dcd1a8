"""The four families of failure (`style.md` §6) and the one place that translates a driver's error into its family.

    Exception
    ├── contracts.envelope.BadRecord   bad message: raw to the dead letter, the offset moves on
    ├── Retry                          a handler's wish, before it wrote anything: roll back and plan again
    │   ├── Replan                     with these further rows locked
    │   └── Repeat                     because another process decided meanwhile
    ├── BackstopHit                    a constraint caught what the lock should have: the service decides again
    ├── ConsumerStopped                the consumer stands still with an alarm until an operator acts
    └── driver errors                  `is_transient`: busy; everything else: a bug

A refusal is no exception but a value: one refusal must not end a batch.
"""

import asyncpg

# SQLSTATE classes and codes that pass by themselves (`bus.md` §3). 57P03 meets everyone who connects while the database
# starts and asyncpg does not count it among connection errors.
_TRANSIENT_CLASSES = ("08", "40", "53", "57")
_TRANSIENT_CODES = frozenset({"25006", "25P03", "25P04", "55P03"})
_LOCK_CODES = frozenset({"40P01", "40001", "55P03", "57014"})
# What a database can meet us with. The last is asyncpg's word for a session that the server cut while it lay idle.
DATABASE_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_DRIVER_TRANSIENT = (
    OSError,  # covers ConnectionError and TimeoutError
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.InvalidCachedStatementError,
)


class Retry(Exception):
    """The handler wrote nothing and wants to be called again after a new plan."""


class Replan(Retry):
    """Rows outside the locked set are needed; `extra` names them for the next plan."""

    def __init__(self, extra: frozenset[str]) -> None:
        super().__init__(f"{len(extra)} further rows")
        self.extra = extra


class Repeat(Retry):
    """Another process decided one of these requests meanwhile; reading again will show it."""


class BackstopHit(Exception):
    """A constraint refused what was decided under the lock: somebody writes without it."""

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


class ConsumerStopped(Exception):
    """Going on could lose or double records; `reason` is what the alarm says and the runbook explains."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def sqlstate(exc: BaseException) -> str:
    """The error's SQLSTATE, or an empty string for what did not come from the server."""
    return (exc.sqlstate or "") if isinstance(exc, asyncpg.PostgresError) else ""


def is_transient(exc: BaseException) -> bool:
    """Whether waiting can help: database or broker away, deadlock, serialisation, a lock not had in time."""
    # asyncpg files a value that does not fit its column (an integer too wide, a lone surrogate) under InterfaceError too.
    # Waiting does not help it: it would be tried for ever and hold up its topic.
    if isinstance(exc, asyncpg.InterfaceError) and isinstance(exc, ValueError):
        return False
    # Before the codes: a statement whose plan a migration made invalid has that of a feature that is not supported.
    if isinstance(exc, _DRIVER_TRANSIENT):
        return True
    code = sqlstate(exc)
    return code[:2] in _TRANSIENT_CLASSES or code in _TRANSIENT_CODES


def is_lock_failure(exc: BaseException) -> bool:
    """Whether a lock or a time limit on one failed: the cases that a service may answer `busy` after some attempts."""
    return sqlstate(exc) in _LOCK_CODES
