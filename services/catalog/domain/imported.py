"""What an import brings, whatever its format: records, what is reported about them, and how they become working copies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from services.catalog.domain.entities import Json, Offer, Override, Schedule, Source
from services.catalog.domain.texts import MAIN_LANGUAGE
from services.catalog.domain.wall_time import end_of, resolve_generated
from services.catalog.limits import KEYWORDS_MAX, SHIFTED_AHEAD

Outcome = Literal["created", "updated", "unchanged", "skipped", "failed", "withdrawn"]


@dataclass(frozen=True, slots=True)
class Note:
    """Something about a record that people should know; `value` is masked and short."""

    field: str
    code: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a report; a record has one, and one more for each further note."""

    position: str
    outcome: Outcome
    field: str = ""
    code: str = ""
    value: str = ""


@dataclass(slots=True)
class Report:
    """What an import did. `records` counts each record once, by outcome; `published` counts the events that went out."""

    rows: list[Row] = field(default_factory=list)
    records: dict[str, int] = field(default_factory=dict)
    published: int = 0
    shift_weeks: int = 0

    def add(self, position: str, outcome: Outcome, notes: Sequence[Note] = ()) -> None:
        """One record with what there is to say about it."""
        self.records[outcome] = self.records.get(outcome, 0) + 1
        self.rows += [Row(position, outcome, each.field, each.code, each.value) for each in notes] or [Row(position, outcome)]

    def remark(self, position: str, outcome: Outcome, note: Note) -> None:
        """Something more about a record that is counted already."""
        self.rows.append(Row(position, outcome, note.field, note.code, note.value))


@dataclass(frozen=True, slots=True)
class Record:
    """One offer of a source: its texts masked and clean, its dates in wall time.

    `hold_back`: codes for which a person should look before it is published, also of a trusted source.
    """

    source_id: str
    position: str
    title: str
    description: str
    schedule: Schedule | None
    all_day_until: date | None = None  # last day of an event without times
    keywords: tuple[str, ...] = ()
    is_free: bool | None = None
    notes: tuple[Note, ...] = ()
    hold_back: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """A record that could not be read."""

    source_id: str
    position: str
    note: Note
    outcome: Literal["skipped", "failed"] = "failed"


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file: its records in order, those that failed, and every id that was named in it, so that gaps can be told."""

    records: tuple[Record, ...]
    failures: tuple[Failure, ...]
    source_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class ImportSource:
    """What the records of a source do not say. `template` is an offer without id, texts and dates."""

    system: str
    format: str
    template: Offer
    trusted: bool = False
    capacity: int | None = None
    occupies: tuple[str, ...] = field(default=())


def working_copy(record: Record, existing: Offer | None, source: ImportSource, *, offer_id: str, now: datetime) -> Offer:
    """The offer as the source says it, without schedules; what staff add (simple language, accessibility, rules) stays."""
    base = existing or replace(source.template, offer_id=offer_id)
    return replace(
        base,
        title={**base.title, MAIN_LANGUAGE: record.title},
        description={**base.description, MAIN_LANGUAGE: record.description},
        keywords=record.keywords[:KEYWORDS_MAX] or base.keywords,
        is_free=base.is_free if record.is_free is None else record.is_free,
        prices=() if record.is_free else base.prices,
        source=Source(source.system, record.source_id[:200], source.format, now),
    )


def schedules_of(record: Record, source: ImportSource, *, schedule_id: str) -> tuple[Schedule, ...]:
    """The record's dates with the capacity and the units that the source gives to all of its dates."""
    if record.schedule is None:
        return ()
    schedule = replace(record.schedule, schedule_id=schedule_id, capacity=source.capacity, occupies=source.occupies)
    return (schedule,)


def is_over(record: Record, *, now: datetime) -> bool:
    """Whether nothing of the record can lie ahead; a rule without an end is never over."""
    last = last_end(record)
    return last is not None and last <= now


def last_end(record: Record) -> datetime | None:
    """The end of the last single date; none for a rule, whose dates the horizon finds, and for a record without dates."""
    schedule = record.schedule
    if schedule is None and record.all_day_until is not None:
        return datetime.combine(record.all_day_until + timedelta(days=1), datetime.min.time(), UTC)
    if schedule is None or schedule.rrule is not None:
        return None
    zone = ZoneInfo(schedule.time_zone)
    starts = [schedule.local_start, *schedule.rdates]
    starts += [each.local_start for each in schedule.overrides if each.local_start is not None]
    return end_of(resolve_generated(max(starts), zone).instant, schedule.duration_minutes)


def weeks_to_present(records: Sequence[Record], *, now: datetime) -> int:
    """By how many whole weeks single dates have to be moved so that the last one lies `SHIFTED_AHEAD` ahead; never back."""
    ends = [end for each in records if (end := last_end(each)) is not None]
    if not ends:
        return 0
    return max(0, (now + SHIFTED_AHEAD - max(ends)) // timedelta(weeks=1))


def shifted(record: Record, weeks: int) -> Record:
    """The record with its single dates moved by whole weeks: weekday and local time stay. Rules stay where they are."""
    schedule = record.schedule
    if schedule is None or schedule.rrule is not None or weeks == 0:
        return record
    by = timedelta(weeks=weeks)
    overrides = tuple(
        Override(
            each.rule_start + by,
            each.local_start + by if each.local_start is not None else None,
            each.duration_minutes,
            each.cancelled,
        )
        for each in schedule.overrides
    )
    moved = replace(
        schedule,
        local_start=schedule.local_start + by,
        rdates=tuple(each + by for each in schedule.rdates),
        exdates=tuple(each + by for each in schedule.exdates),
        overrides=overrides,
    )
    note = Note("DTSTART", "shifted", f"{weeks} weeks")
    return replace(record, schedule=moved, notes=(*record.notes, note))


MESSAGES: Mapping[str, tuple[str, str]] = {
    "past": ("Alle Termine sind vorbei", "All dates are over"),
    "shifted": (
        "Vorführung: um ganze Wochen in die Gegenwart verschoben",
        "Demonstration: moved to the present by whole weeks",
    ),
    "no_time_zone": ("Zeit ohne Zone, als Zeit dieses Hubs gelesen", "Time without zone, read as this hub's"),
    "unknown_time_zone": (
        "Unbekannte Zeitzone, in die Zeit dieses Hubs umgerechnet",
        "Unknown zone, converted to this hub's time",
    ),
    "all_day": ("Ganztägig: braucht Zeiten, bevor es gebucht werden kann", "All day: needs times before it can be booked"),
    "looks_like_notice": (
        "Liest sich wie ein Hinweis (fällt aus, geschlossen, verschoben), nicht wie ein Angebot",
        "Reads like a notice (called off, closed, moved), not like an offer",
    ),
    "masked": ("Namen, Adressen oder Nummern unkenntlich gemacht", "Names, addresses or numbers masked"),
    "missing_title": ("Kein Titel", "No title"),
    "missing_description": ("Keine Beschreibung, der Titel steht dafür", "No description, the title stands for it"),
    "missing_start": ("Kein Beginn", "No start"),
    "missing_uid": ("Keine Kennung (UID)", "No identifier (UID)"),
    "bad_value": ("Wert nicht lesbar", "Value cannot be read"),
    "bad_end": ("Ende nicht nach dem Beginn", "End not after the start"),
    "no_end": ("Kein Ende", "No end"),
    "too_long": ("Zu lang", "Too long"),
    "too_many": ("Zu viele", "Too many"),
    "bad_rule": ("Wiederholungsregel nicht lesbar", "Recurrence rule cannot be read"),
    "rule_too_frequent": ("Wiederholung häufiger als täglich", "Recurrence more often than daily"),
    "rule_too_large": ("Wiederholungsregel zu groß", "Recurrence rule too large"),
    "duplicate_uid": ("Kennung kommt mehrfach vor, die erste gilt", "Identifier occurs twice, the first one counts"),
    "private": ("Als vertraulich gekennzeichnet", "Marked as private"),
    "cancelled_at_source": ("In der Quelle abgesagt", "Cancelled at the source"),
    "override_without_master": ("Einzelner Termin einer Reihe, die fehlt", "Single date of a series that is missing"),
    "gate": ("Nicht veröffentlicht, bleibt Entwurf", "Not published, stays a draft"),
    "not_trusted": ("Entwurf: diese Quelle darf nicht selbst veröffentlichen", "Draft: this source may not publish by itself"),
    "held_back": ("Entwurf: erst nach Durchsicht veröffentlichen", "Draft: to be looked at before it is published"),
    "gone": ("In der Quelle nicht mehr vorhanden", "No longer in the source"),
}


def message(code: str) -> tuple[str, str]:
    """What a code says to people, German and English; the code itself if it is another module's."""
    return MESSAGES.get(code, (code, code))


def as_json(report: Report) -> dict[str, Json]:
    """The report for machines: each row with its message in German and English."""
    return {
        "records": dict(report.records),
        "published": report.published,
        "shift_weeks": report.shift_weeks,
        "rows": [
            {
                "position": each.position,
                "outcome": each.outcome,
                "field": each.field,
                "code": each.code,
                "message": dict(zip(("de", "en"), message(each.code), strict=True)) if each.code else {},
                "value": each.value,
            }
            for each in report.rows
        ],
    }


def as_lines(report: Report) -> list[str]:
    """The report for people: what there is to say about records, then the sums."""
    lines = [
        f"{each.outcome:9} {each.position}: {each.field} {message(each.code)[1]}{f' ({each.value})' if each.value else ''}"
        for each in report.rows
        if each.code
    ]
    if report.shift_weeks:
        lines.append(f"for demonstration only: single dates of this source are moved by {report.shift_weeks} whole weeks")
    counts = ", ".join(f"{number} {outcome}" for outcome, number in report.records.items()) or "nothing"
    return [*lines, f"{counts}; {report.published} events"]
