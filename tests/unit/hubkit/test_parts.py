"""Halving a batch: nothing lost, order kept, what was tried is remembered."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from hubkit.messaging.consumer import Part
from hubkit.messaging.letters import Received


def records(number: int) -> list[Received]:
    return [Received(0, offset, None, (), None, None) for offset in range(number)]


@settings(deadline=None)
@given(st.integers(2, 600))
def test_halves__hold_the_same_records_in_their_order(number: int) -> None:
    whole = Part(records(number))
    first, second = whole.halves()
    assert [*first.records, *second.records] == whole.records
    assert 0 <= len(second.records) - len(first.records) <= 1
    assert first.records, "an empty half would be tried for ever"


@settings(deadline=None)
@given(st.integers(1, 500))
def test_halving__comes_down_to_single_records(number: int) -> None:
    parts, rounds = [Part(records(number))], 0
    while any(len(part.records) > 1 for part in parts):
        parts = [half for part in parts for half in (part.halves() if len(part.records) > 1 else [part])]
        rounds += 1
    assert [part.records[0].offset for part in parts] == list(range(number))
    assert rounds == (number - 1).bit_length()


def test_halves__remember_what_was_tried() -> None:
    whole = Part(records(4), lock_failures=2, repeats=1, extra=frozenset({"room"}))
    assert [replace(half, records=whole.records) for half in whole.halves()] == [whole, whole]
