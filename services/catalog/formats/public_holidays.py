"""Public holidays of a region as closures of a place."""

from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays

from services.catalog.domain.entities import Blackout, Place
from services.catalog.domain.wall_time import day_span

CAUSE = "public_holiday"


def is_region(code: str) -> bool:
    """Whether the package knows the region (`DE`, `DE-SN`). Only that country's module is loaded: all of them take 0.4 s."""
    country, dash, subdivision = code.partition("-")
    if len(country) != 2 or (dash and not subdivision):
        return False
    try:
        holidays.country_holidays(country, subdiv=subdivision or None)
    except NotImplementedError:  # tidy: unfinished it is how the package says that it does not know the region
        return False
    return True


def closures(place: Place, *, first: date, last: date, zone: ZoneInfo) -> list[Blackout]:
    """The holidays of the place's region from `first` to `last` as whole local days; none without a region.

    Proposed ones, unless the place applies them without asking. Their ids tell place and date, so that a repeat finds them.
    """
    if place.holidays is None:
        return []
    found = []
    for day, names in sorted(_names(place.holidays, first.year, last.year).items()):
        if not first <= day <= last:
            continue
        start, end = day_span(day, zone)
        found.append(
            Blackout(
                blackout_id=f"holiday-{place.place_id}-{day.isoformat()}",
                scope="place",
                scope_id=place.place_id,
                start=start,
                end=end,
                cause=CAUSE,
                note=dict(names),
                proposed=not place.apply_holidays,
            )
        )
    return found


@lru_cache(maxsize=32)
def _names(region: str, first_year: int, last_year: int) -> dict[date, tuple[tuple[str, str], ...]]:
    country, _, subdivision = region.partition("-")
    years = range(first_year, last_year + 1)
    names: dict[date, dict[str, str]] = {}
    for language in ("de", "en_US"):
        calendar = holidays.country_holidays(country, subdiv=subdivision or None, years=years, language=language)
        for day, name in calendar.items():
            names.setdefault(day, {})[language[:2]] = name
    return {day: tuple(each.items()) for day, each in names.items()}


def horizon_days(now: datetime, horizon: timedelta, zone: ZoneInfo) -> tuple[date, date]:
    """First and last local day of the horizon."""
    return now.astimezone(zone).date(), (now + horizon).astimezone(zone).date()
