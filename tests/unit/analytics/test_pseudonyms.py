"""Visitors: the same person within a year, nobody across years; keys in a folder or a file."""

import base64
import hmac
from datetime import date
from pathlib import Path
from uuid import UUID

import pytest

from services.analytics.domain.pseudonyms import Pseudonyms, years_needed
from services.analytics.wire.keys import BadKeys, read_keys, write_key

ANNA, BERND = UUID(int=1), UUID(int=2)
KEYS = {2026: b"a" * 32, 2027: b"b" * 100}


@pytest.mark.parametrize("year", KEYS)
def test_visitor__first_128_bits_of_hmac_sha256(year: int) -> None:
    expected = hmac.new(KEYS[year], ANNA.bytes, "sha256").digest()[:16]
    assert Pseudonyms(KEYS).visitor(ANNA.bytes, year) == expected


def test_visitor__one_within_a_year_another_in_the_next() -> None:
    found = Pseudonyms(KEYS)
    assert found.visitor(ANNA.bytes, 2026) == found.visitor(ANNA.bytes, 2026)
    assert len({found.visitor(ANNA.bytes, 2026), found.visitor(ANNA.bytes, 2027), found.visitor(BERND.bytes, 2026)}) == 3


def test_visitor_of_a_year_without_a_key__key_error() -> None:
    with pytest.raises(KeyError):
        Pseudonyms(KEYS).visitor(ANNA.bytes, 2028)


def test_years_needed__from_the_oldest_fact_kept_to_the_furthest_start() -> None:
    assert list(years_needed(date(2027, 6, 1))) == [2026, 2027, 2028, 2029]
    assert list(years_needed(date(2027, 1, 2))) == [2025, 2026, 2027, 2028, 2029]


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_keys__written_once_and_read_back(tmp_path: Path, kind: str) -> None:
    path = tmp_path if kind == "folder" else tmp_path / "keys"
    for year, key in KEYS.items():
        write_key(path, year, key)
    assert read_keys(path) == KEYS
    with pytest.raises(FileExistsError):
        write_key(path, 2026, b"c" * 32)
    assert read_keys(path) == KEYS


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_keys__readable_by_the_service_only(tmp_path: Path, kind: str) -> None:
    path = tmp_path if kind == "folder" else tmp_path / "keys"
    write_key(path, 2026, b"a" * 32)
    made = path / "2026" if kind == "folder" else path
    assert made.stat().st_mode & 0o777 == 0o600


def test_keys_where_nothing_is__none(tmp_path: Path) -> None:
    assert read_keys(tmp_path / "missing") == {}
    (tmp_path / "README").write_text("no key")
    assert read_keys(tmp_path) == {}


@pytest.mark.parametrize(
    "line", ["2026 short", "2026 " + base64.b64encode(b"a" * 31).decode(), "26 x", "2026", "key 2026", "2026 " + "?" * 44]
)
def test_keys_that_are_none__say_where_and_never_what(tmp_path: Path, line: str) -> None:
    path = tmp_path / "keys"
    path.write_text(f"2025 {base64.b64encode(b'z' * 32).decode()}\n{line}\n")
    with pytest.raises(BadKeys) as caught:
        read_keys(path)
    assert caught.value.where == "line 2"
    assert line.split()[-1] not in str(caught.value)
