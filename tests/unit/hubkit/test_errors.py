"""Which failures pass by themselves, by SQLSTATE and by the driver's classes."""

import asyncpg
import pytest

from contracts.envelope import BadRecord
from hubkit.db import NoConnection
from hubkit.errors import BackstopHit, ConsumerStopped, Repeat, Replan, is_lock_failure, is_transient, sqlstate


def from_server(code: str) -> asyncpg.PostgresError:
    """An error as the server sends it: the driver has a class for most codes, not for all."""
    return asyncpg.PostgresError.new({"C": code, "M": "about somebody", "S": "ERROR"})


TRANSIENT = {
    "08000": "connection exception",
    "08006": "connection failure",
    "25006": "read only: the primary has become a standby",
    "25P03": "idle in transaction for too long",
    "25P04": "transaction took too long",
    "40001": "serialization failure",
    "40P01": "deadlock",
    "53100": "disk full",
    "53300": "too many connections",
    "55P03": "lock not had in time",
    "57014": "statement took too long",
    "57P01": "administrator ended the session",
    "57P02": "crash",
    "57P03": "the database starts",
}
BUGS = {
    "22001": "string too long",
    "22021": "NUL in a text",
    "23505": "unique violation",
    "23P01": "exclusion violation",
    "25P02": "transaction is aborted already",
    "42501": "permission denied",
    "42P01": "undefined table",
    "54000": "program limit",
    "55000": "not in the state for this",
    "XX000": "internal error",
}


@pytest.mark.parametrize("code", TRANSIENT)
def test_code_of_something_that_passes__is_transient(code: str) -> None:
    assert is_transient(from_server(code))


@pytest.mark.parametrize("code", BUGS)
def test_code_of_a_bug__is_not_transient(code: str) -> None:
    assert not is_transient(from_server(code))


@pytest.mark.parametrize("code", sorted(TRANSIENT | BUGS))
def test_lock_failure__only_where_a_lock_or_a_time_limit_on_one_failed(code: str) -> None:
    assert is_lock_failure(from_server(code)) == (code in {"40P01", "40001", "55P03", "57014"})


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (ConnectionRefusedError(), True),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (OSError("network is unreachable"), True),
        (NoConnection("database is not accepting connections"), True),
        (asyncpg.InterfaceError("connection is closed"), True),
        (asyncpg.InternalClientError("protocol"), True),
        (asyncpg.exceptions.OutdatedSchemaCacheError("schema"), True),
        (asyncpg.InvalidCachedStatementError("plan"), True),
        (asyncpg.ConnectionDoesNotExistError("gone"), True),
        (asyncpg.exceptions._base.DataError("value out of int32 range"), False),
        (asyncpg.exceptions.ClientConfigurationError("dsn"), False),
        (asyncpg.DataError("22"), False),
        (LookupError(), False),
        (AssertionError(), False),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogate"), False),
        (BadRecord("schema"), False),
        (BackstopHit("no_overlap"), False),
        (ConsumerStopped("dead_letters"), False),
        (Repeat(), False),
        (Replan(frozenset({"a"})), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_errors_without_a_code__transient_only_where_waiting_helps(error: Exception, transient: bool) -> None:
    assert is_transient(error) == transient
    assert not is_lock_failure(error)


def test_code_of_what_did_not_come_from_the_server__is_empty() -> None:
    assert sqlstate(OSError()) == ""
    assert sqlstate(from_server("40001")) == "40001"


def test_replan__names_its_rows_and_says_only_how_many() -> None:
    wish = Replan(frozenset({"room-1", "room-2"}))
    assert wish.extra == {"room-1", "room-2"}
    assert str(wish) == "2 further rows"
