"""iCalendar files (RFC 5545) to records: one per UID, single dates of a series as its overrides.

The libraries read what is written; what is taken of it is decided here: no attendees, no organisers, no addresses, wall time
in a named zone, rules not below DAILY. A bad event never stops the others; an unreadable file gives nothing.
"""

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import x_wr_timezone
from icalendar import Calendar, Event, vRecur
from icalendar.prop.broken import vBroken

from services.catalog.domain.entities import Override, Schedule
from services.catalog.domain.imported import Failure, Note, Parsed, Record
from services.catalog.domain.wall_time import local_of
from services.catalog.formats.masking import masked, names_in, shortened
from services.catalog.formats.plain_text import commonmark, one_line
from services.catalog.formats.recurrence import BadRule, checked_rule
from services.catalog.limits import (
    ID_CHARACTERS_MAX,
    IMPORT_FILE_BYTES_MAX,
    IMPORT_RECORDS_MAX,
    LIST_ITEMS_MAX,
    NAME_CHARACTERS_MAX,
    OCCURRENCE_MINUTES_MAX,
    OCCURRENCES_MAX,
    REPORT_VALUE_CHARACTERS_MAX,
    TEXT_CHARACTERS_MAX,
)

_NOTICE = re.compile(
    r"\b(?:fällt\s+(?:leider\s+)?aus|entfällt|abgesagt|verschoben|geschlossen|cancell?ed|postponed|closed)\b", re.IGNORECASE
)
_FREE = frozenset({"free", "kostenlos", "frei"})
_PEOPLE = ("CONTACT", "ORGANIZER", "ATTENDEE")
# What the libraries raise for broken files, and datetime for years that leave its range.
_BROKEN = (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError)


class Unreadable(ValueError):
    """The file as a whole is not taken; `code` says why: file_too_large, too_many_records, no_calendar, not_a_calendar."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _Bad(Exception):
    """This event is not taken."""

    def __init__(self, field_name: str, code: str, value: object = "", *, skipped: bool = False) -> None:
        super().__init__(code)
        self.note = Note(field_name, code, shortened(str(value), REPORT_VALUE_CHARACTERS_MAX))
        self.skipped = skipped


@dataclass(slots=True)
class _Reading:
    """What is known while one event is read."""

    zone: str
    names: frozenset[str]
    notes: list[Note] = field(default_factory=list)
    hold_back: list[str] = field(default_factory=list)


def read_calendar(data: bytes, zone: str) -> Parsed:
    """All events of the file; times without a known zone are taken in `zone`. Unreadable."""
    if len(data) > IMPORT_FILE_BYTES_MAX:
        raise Unreadable("file_too_large")
    try:
        with warnings.catch_warnings(action="ignore"):  # the libraries guess at odd zone names aloud
            parsed = Calendar.from_ical(data, multiple=True)
            calendars = [x_wr_timezone.to_standard(each) for each in parsed if isinstance(each, Calendar)]
    except _BROKEN as exc:
        raise Unreadable("not_a_calendar") from exc
    events = [each for calendar in calendars for each in calendar.walk("VEVENT") if isinstance(each, Event)]
    if not calendars:
        raise Unreadable("no_calendar")
    if len(events) > IMPORT_RECORDS_MAX:
        raise Unreadable("too_many_records")
    names = frozenset(name for event in events for part in _PEOPLE for value in _all(event, part) for name in _names(value))
    return _parsed(events, zone, names)


def _parsed(events: Sequence[Event], zone: str, names: frozenset[str]) -> Parsed:
    groups: dict[str, list[tuple[str, Event]]] = {}
    failures: list[Failure] = []
    for number, event in enumerate(events, 1):
        uid = _text(event, "UID")[:TEXT_CHARACTERS_MAX]
        if uid:
            # A UID often looks like an address and would be masked: people find the entry by number and title.
            position = shortened(f"{number} {_text(event, 'SUMMARY')}", REPORT_VALUE_CHARACTERS_MAX)
            groups.setdefault(uid, []).append((position, event))
        else:
            failures.append(Failure("", str(number), Note("UID", "missing_uid")))
    records: list[Record] = []
    for uid, group in groups.items():
        masters = [each for each in group if each[1].get("RECURRENCE-ID") is None]
        singles = [event for _, event in group if event.get("RECURRENCE-ID") is not None]
        if not masters:
            failures.append(Failure(uid, group[0][0], Note("RECURRENCE-ID", "override_without_master")))
            continue
        position, master = masters[0]
        try:
            record = _record(uid, position, master, singles, _Reading(zone, names))
        except _BROKEN as exc:
            failures.append(Failure(uid, position, Note("", "bad_value", type(exc).__name__)))
            continue
        except _Bad as bad:
            failures.append(Failure(uid, position, bad.note, "skipped" if bad.skipped else "failed"))
            continue
        records.append(record)
        failures += [Failure(uid, where, Note("UID", "duplicate_uid"), "skipped") for where, _ in masters[1:]]
    return Parsed(tuple(records), tuple(failures), frozenset(groups))


def _record(uid: str, position: str, event: Event, singles: Sequence[Event], reading: _Reading) -> Record:
    if _text(event, "CLASS").upper() in ("PRIVATE", "CONFIDENTIAL"):
        raise _Bad("CLASS", "private", skipped=True)
    if _text(event, "STATUS").upper() == "CANCELLED":
        raise _Bad("STATUS", "cancelled_at_source", skipped=True)
    title = _masked_text(one_line(_text(event, "SUMMARY")), "SUMMARY", reading)
    if not title:
        raise _Bad("SUMMARY", "missing_title")
    if len(title) > NAME_CHARACTERS_MAX:
        raise _Bad("SUMMARY", "too_long", title)
    if _NOTICE.search(title):
        reading.hold_back.append("looks_like_notice")
    description = _description(event, title, reading)
    schedule = _schedule(event, singles, reading)
    if schedule is None:
        reading.hold_back.append("all_day")
    notes = (*reading.notes, *(Note("SUMMARY" if code != "all_day" else "DTSTART", code) for code in reading.hold_back))
    keywords = [one_line(str(word)) for value in _all(event, "CATEGORIES") for word in getattr(value, "cats", ())]
    return Record(
        source_id=uid,
        position=position,
        title=title,
        description=description,
        schedule=schedule,
        all_day_until=_last_day(event) if schedule is None else None,
        keywords=tuple(masked(each, reading.names) for each in dict.fromkeys(keywords) if 0 < len(each) <= ID_CHARACTERS_MAX),
        is_free=True if _text(event, "X-COST-TYPE").lower() in _FREE else None,
        notes=notes,
        hold_back=tuple(reading.hold_back),
    )


def _description(event: Event, title: str, reading: _Reading) -> str:
    body = commonmark(_text(event, "DESCRIPTION")) or commonmark(_text(event, "X-ALT-DESC").replace("\\n", "\n"))
    if not body:
        reading.notes.append(Note("DESCRIPTION", "missing_description"))
        body = title
    parts = [_masked_text(body, "DESCRIPTION", reading)]
    location = _masked_text(one_line(_text(event, "LOCATION")), "LOCATION", reading)
    if location:
        parts.append(f"Ort laut Kalender: {location}")
    address = _text(event, "URL").strip()
    if re.fullmatch(r"https?://[!-~]{1,500}", address):
        parts.append(f"Quelle: <{address}>")
    text = "\n\n".join(parts)
    if len(text) > TEXT_CHARACTERS_MAX:
        raise _Bad("DESCRIPTION", "too_long", text)
    return text


def _schedule(event: Event, singles: Sequence[Event], reading: _Reading) -> Schedule | None:
    """The event's dates in wall time; none for an all-day event."""
    start = _time(event, "DTSTART")
    if start is None:
        raise _Bad("DTSTART", "missing_start")
    if not isinstance(start, datetime):
        return None
    rules = _all(event, "RRULE")
    if len(rules) > 1:
        raise _Bad("RRULE", "bad_rule", "several")
    rule = _rule(rules[0]) if rules else None
    zone = _zone_of(start, event, reading, recurring=rule is not None or bool(_all(event, "RDATE")))
    wall = ZoneInfo(zone)
    overrides = [_override(each, wall) for each in singles]
    exdates = _times(event, "EXDATE", wall, start)
    rdates = _times(event, "RDATE", wall, start)
    if max(len(exdates), len(rdates), len(overrides)) > OCCURRENCES_MAX:
        raise _Bad("EXDATE", "too_many")
    return Schedule(
        schedule_id="imported",  # its real one is made with the offer's
        local_start=_wall(start, wall),
        duration_minutes=_minutes(event, start),
        time_zone=zone,
        rrule=rule,
        exdates=tuple(exdates),
        rdates=tuple(rdates),
        overrides=tuple(overrides),
    )


def _last_day(event: Event) -> date | None:
    """The last day of an all-day event: DTEND is the day after (RFC 5545 3.6.1)."""
    start, end = _time(event, "DTSTART"), _time(event, "DTEND")
    if end is None or isinstance(end, datetime):
        return start
    return max(start, end - timedelta(days=1)) if start is not None else None


def _rule(value: object) -> str:
    if not isinstance(value, vRecur):
        raise _Bad("RRULE", "bad_rule")
    try:
        return checked_rule(value.to_ical().decode())  # type: ignore[no-untyped-call]
    except BadRule as exc:
        raise _Bad("RRULE", exc.code, exc) from exc


def _zone_of(start: datetime, event: Event, reading: _Reading, *, recurring: bool) -> str:
    """The zone in which the event's wall clock runs. UTC of a single date becomes local time, of a series it is its truth."""
    named = getattr(start.tzinfo, "key", None)
    zone_id = shortened(str(_parameters(_value(event, "DTSTART")).get("TZID", "")), REPORT_VALUE_CHARACTERS_MAX)
    if start.tzinfo is None:
        reading.notes.append(Note("DTSTART", "unknown_time_zone" if zone_id else "no_time_zone", zone_id))
        return reading.zone
    if named is None and start.tzinfo is not UTC:
        reading.notes.append(Note("DTSTART", "unknown_time_zone", zone_id))
        return reading.zone
    if named in (None, "UTC", "Etc/UTC"):
        return "UTC" if recurring else reading.zone
    return str(named)


def _wall(value: datetime, zone: ZoneInfo) -> datetime:
    local = value if value.tzinfo is None else local_of(value, zone)
    return local.replace(microsecond=0)


def _minutes(event: Event, start: datetime) -> int:
    """Elapsed minutes, whole ones: the end counts in UTC."""
    end = _time(event, "DTEND")
    if isinstance(end, datetime):
        if (end.tzinfo is None) != (start.tzinfo is None):
            raise _Bad("DTEND", "bad_value")
        elapsed = end - start if start.tzinfo is None else end.astimezone(UTC) - start.astimezone(UTC)
    elif end is not None:
        raise _Bad("DTEND", "bad_value")
    else:
        duration = _value(event, "DURATION")
        elapsed = getattr(duration, "dt", None) or timedelta(0)
        if not isinstance(elapsed, timedelta):
            raise _Bad("DURATION", "bad_value")
        if elapsed == timedelta(0):
            raise _Bad("DTEND", "no_end")
    minutes = elapsed // timedelta(minutes=1)
    if minutes < 1:
        raise _Bad("DTEND", "bad_end")
    if minutes > OCCURRENCE_MINUTES_MAX:
        raise _Bad("DTEND", "too_long", f"{minutes} min")
    return minutes


def _override(event: Event, zone: ZoneInfo) -> Override:
    """A single date of a series; which one, is the start that the rule gave it."""
    rule_start = _time(event, "RECURRENCE-ID")
    if not isinstance(rule_start, datetime):
        raise _Bad("RECURRENCE-ID", "bad_value")
    start = _time(event, "DTSTART")
    return Override(
        rule_start=_wall(rule_start, zone),
        local_start=_wall(start, zone) if isinstance(start, datetime) else None,
        duration_minutes=_minutes(event, start) if isinstance(start, datetime) else None,
        cancelled=_text(event, "STATUS").upper() == "CANCELLED",
    )


def _times(event: Event, name: str, zone: ZoneInfo, start: datetime) -> list[datetime]:
    """EXDATE or RDATE as wall times; of a period its start, a date stands for the start's time of day."""
    found: list[datetime] = []
    for value in _all(event, name):
        for each in getattr(value, "dts", ()):
            moment = each.dt[0] if isinstance(each.dt, tuple) else each.dt
            if isinstance(moment, datetime):
                found.append(_wall(moment, zone))
            elif isinstance(moment, date):
                found.append(datetime.combine(moment, _wall(start, zone).time()))
            if len(found) > LIST_ITEMS_MAX:
                raise _Bad(name, "too_many")
    return sorted(set(found))


def _all(event: Event, name: str) -> list[object]:
    """All values of a property; _Bad if one could not be read and the property matters."""
    value = event.get(name)
    values = value if isinstance(value, list) else [] if value is None else [value]
    if any(isinstance(each, vBroken) for each in values) and name not in _PEOPLE:
        raise _Bad(name, "bad_value", values[0])
    return list(values)


def _value(event: Event, name: str) -> object | None:
    values = _all(event, name)
    return values[0] if values else None


def _text(event: Event, name: str) -> str:
    value = event.get(name)
    value = value[0] if isinstance(value, list) and value else value
    return "" if value is None or isinstance(value, list) else str(value)


def _time(event: Event, name: str) -> date | datetime | None:
    value = _value(event, name)
    moment = getattr(value, "dt", None)
    if value is not None and not isinstance(moment, date):
        raise _Bad(name, "bad_value", value)
    return moment


def _names(value: object) -> Iterable[str]:
    return names_in(f"{value};{_parameters(value).get('CN', '')}")


def _parameters(value: object) -> Mapping[str, object]:
    parameters = getattr(value, "params", None)
    return parameters if isinstance(parameters, Mapping) else {}


def _masked_text(text: str, name: str, reading: _Reading) -> str:
    result = masked(text, reading.names)
    if result != text:
        reading.notes.append(Note(name, "masked"))
    return result
