"""Differences between two totals."""

from datetime import date

from services.analytics.worker.reconcile import Disagreement, compare

DAY = date(2027, 5, 3)


def test_equal_totals__no_difference() -> None:
    totals = {"room-1": {"confirmed": 2, "booked_seconds": 7200}}
    assert compare(DAY, totals, dict(totals)) == []


def test_what_one_side_does_not_name__counts_as_zero() -> None:
    booking = {"room-1": {"confirmed": 2, "booked_seconds": 7200}, "room-2": {"cancelled": 1}}
    analytics = {"room-1": {"confirmed": 1, "completed": 1, "booked_seconds": 7200}, "room-3": {"booked_seconds": 60}}
    assert compare(DAY, booking, analytics) == [
        Disagreement(DAY, "room-1", "completed", 0, 1),
        Disagreement(DAY, "room-1", "confirmed", 2, 1),
        Disagreement(DAY, "room-2", "cancelled", 1, 0),
        Disagreement(DAY, "room-3", "booked_seconds", 0, 60),
    ]
