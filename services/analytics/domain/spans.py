"""Sets of instants as sorted half-open spans that neither meet nor touch; what PostgreSQL calls a multirange."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

Span = tuple[datetime, datetime]
Spans = tuple[Span, ...]


def union(spans: Iterable[Span]) -> Spans:
    """All instants in any of the spans, which may come in any order, overlap and be empty."""
    merged: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return tuple(merged)


def common(left: Spans, right: Spans) -> Spans:
    """The instants in both."""
    return union((max(a, c), min(b, d)) for a, b in left for c, d in right)


def without(spans: Spans, taken: Spans) -> Spans:
    """The instants in `spans` that are not in `taken`."""
    left: Sequence[Span] = spans
    for start, end in taken:
        left = [part for a, b in left for part in ((a, min(b, start)), (max(a, end), b)) if part[0] < part[1]]
    return tuple(left)


def seconds(spans: Iterable[Span]) -> int:
    """Elapsed time, not clock face; whole seconds, as all booked times are."""
    return sum((end - start) // timedelta(seconds=1) for start, end in spans)
