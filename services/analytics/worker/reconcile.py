"""Figures against booking's own table: both are asked for the totals of a day, every difference is told (analytics.md §14)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from services.analytics.clients import Asked, Totals


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One number of one resource on one day; `what` is a state, or `booked_seconds`."""

    day: date
    resource_id: str
    what: str
    booking: int
    analytics: int


async def reconcile(booking: Asked, analytics: Asked, days: Sequence[date]) -> list[Disagreement]:
    """Every difference, day by day; empty is as it must be once everything is read and nothing is marked.

    Errors: OSError if one of them does not answer.
    """
    found: list[Disagreement] = []
    for day in days:
        theirs = await booking.read_totals(day)
        ours = await analytics.read_totals(day)
        found += compare(day, theirs, ours)
    return found


def compare(day: date, booking: Totals, analytics: Totals) -> list[Disagreement]:
    """In order of resource and number; a resource or state that one side does not name counts 0 there."""
    found = []
    for resource_id in sorted(booking.keys() | analytics.keys()):
        theirs, ours = booking.get(resource_id, {}), analytics.get(resource_id, {})
        for what in _names(theirs, ours):
            disagreement = Disagreement(day, resource_id, what, theirs.get(what, 0), ours.get(what, 0))
            if disagreement.booking != disagreement.analytics:
                found.append(disagreement)
    return found


def _names(*totals: Mapping[str, int]) -> Iterable[str]:
    return sorted({name for each in totals for name in each})
