"""Sets of instants."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.analytics.domain.spans import Span, common, seconds, union, without

ZERO = datetime(2027, 1, 1, tzinfo=UTC)


def span(start: int, end: int) -> Span:
    return ZERO + timedelta(seconds=start), ZERO + timedelta(seconds=end)


SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda pair: span(*pair)), max_size=6)


def instants(spans: object) -> set[int]:
    """The seconds that a set of spans covers, one by one."""
    return {
        n for start, end in spans  # type: ignore[attr-defined]
        for n in range((start - ZERO) // timedelta(seconds=1), (end - ZERO) // timedelta(seconds=1))
    }  # fmt: skip


@given(SPANS, SPANS)
def test_sets_of_spans__behave_as_sets_of_seconds(left: list[Span], right: list[Span]) -> None:
    a, b = union(left), union(right)
    assert instants(a) == instants(left)
    assert instants(common(a, b)) == instants(left) & instants(right)
    assert instants(without(a, b)) == instants(left) - instants(right)
    assert seconds(a) == len(instants(left))


@given(SPANS)
def test_union__sorted_and_neither_meets_nor_touches(spans: list[Span]) -> None:
    merged = union(spans)
    assert all(start < end for start, end in merged)
    assert all(before[1] < after[0] for before, after in pairwise(merged))
