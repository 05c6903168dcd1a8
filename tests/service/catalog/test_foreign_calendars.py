"""Calendars not written by us, read from the wheels that bring them: some broken, some hostile, each gets an answer."""

import importlib.metadata
import re
from pathlib import Path

import pytest

from services.catalog.formats.calendar_file import Unreadable, read_calendar
from services.catalog.formats.recurrence import dates_of
from tests.service.catalog.hub import NOW

FILES = [
    Path(str(each.locate()))
    for package in ("icalendar", "recurring-ical-events")
    for each in importlib.metadata.files(package) or []
    if each.suffix == ".ics"
]
LARGE_BYTES = 200_000  # some hold a thousand entries: they would take seconds and show nothing more


def test_calendars__are_there() -> None:
    assert len(FILES) >= 150


@pytest.mark.timeout(120)
def test_every_foreign_calendar__is_read_or_refused_as_a_whole() -> None:
    outcomes = {"records": 0, "failures": 0, "refused": 0}
    for path in FILES:
        data = path.read_bytes()
        if len(data) > LARGE_BYTES:
            continue
        try:
            parsed = read_calendar(data, "Europe/Berlin")
        except Unreadable:
            outcomes["refused"] += 1
            continue
        outcomes["failures"] += len(parsed.failures)
        outcomes["records"] += len(parsed.records)
        for record in parsed.records:
            if record.schedule is not None:
                dates_of(record.schedule, now=NOW)
            assert not re.search(r"[\w.]+@[\w-]+\.[a-z]{2,}", record.title + record.description), path.name
    assert outcomes["records"] > 150, outcomes
    assert outcomes["failures"] > 50, outcomes
