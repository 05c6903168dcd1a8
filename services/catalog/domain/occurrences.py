"""From the dates of a rule to occurrences that keep their ids, whatever is moved, called off or imported again."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from services.catalog.domain.entities import Occurrence, OccurrenceStatus, Schedule
from services.catalog.domain.wall_time import Oddity, end_of, resolve_generated
from services.catalog.limits import OCCURRENCES_MAX, PAST_KEPT

DeriveId = Callable[[UUID, str], UUID]  # uuid5, given by the caller: a rule makes no ids


@dataclass(frozen=True, slots=True)
class ScheduleDates:
    """A schedule with the starts its rule gives in the horizon: naive wall times, ascending, none twice."""

    schedule: Schedule
    starts: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class OddDate:
    """A date whose wall time the clock change skipped or repeated; `start` is what was taken."""

    local: datetime
    start: datetime
    oddity: Oddity


@dataclass(frozen=True, slots=True)
class Calendar:
    """An offer's dates after a reconciliation.

    `occurrences` is all that is kept, ascending by start; `removed` the ids of dates that were never public.
    """

    occurrences: tuple[Occurrence, ...]
    removed: tuple[UUID, ...]
    odd: tuple[OddDate, ...]


def offer_uuid(offer_id: str) -> UUID:
    """The UUID part of an offer id, the namespace of the ids of its dates; ValueError if there is none."""
    return UUID(offer_id.rsplit(":", 1)[-1])


def occurrence_key(local: datetime) -> str:
    """The name of a date inside its offer: its first start by the rule, as wall time."""
    return local.isoformat(timespec="seconds")


def reconcile(
    offer_id: str,
    dates: Iterable[ScheduleDates],
    known: Collection[Occurrence],
    *,
    now: datetime,
    derive: DeriveId,
) -> Calendar:
    """Bring the known dates of an offer in line with its rules.

    Dates that began before `now` are history and stay as they are. A date that falls out is removed if nobody ever saw
    it, else cancelled with all its data. Cut to the next `OCCURRENCES_MAX` dates, past ones of `PAST_KEPT` included.
    """
    by_id = {each.occurrence_id: each for each in known}
    kept = {key: each for key, each in by_id.items() if each.start <= now and each.end > now - PAST_KEPT}
    odd: list[OddDate] = []
    wanted: dict[UUID, Occurrence] = {}
    for group in dates:
        first_start = _single_identity(group.schedule, known)
        for rule_start in group.starts:
            fresh, odd_date = _occurrence(offer_id, group.schedule, rule_start, first_start, derive)
            if odd_date is not None:
                odd.append(odd_date)
            if fresh.occurrence_id in kept or fresh.occurrence_id in wanted:
                continue
            if fresh.start <= now and fresh.occurrence_id not in by_id:
                continue  # a date in the past that nobody announced
            wanted[fresh.occurrence_id] = _carried_on(by_id.get(fresh.occurrence_id), fresh)
    fallen = [each for key, each in by_id.items() if key not in kept and key not in wanted and each.end > now]
    cancelled = [replace(each, status="cancelled") for each in fallen if each.public]
    ahead = sorted((*wanted.values(), *cancelled), key=_order)[: max(0, OCCURRENCES_MAX - len(kept))]
    occurrences = tuple(sorted((*kept.values(), *ahead), key=_order))
    stay = {each.occurrence_id for each in occurrences}
    removed = tuple(key for key, each in by_id.items() if key not in stay and (not each.public or each.end <= now))
    return Calendar(occurrences, removed, tuple(odd))


def _order(each: Occurrence) -> tuple[datetime, UUID]:
    return each.start, each.occurrence_id


def _single_identity(schedule: Schedule, known: Iterable[Occurrence]) -> datetime | None:
    """A single date keeps the name of its first start, also after it was moved."""
    if schedule.rrule is not None or schedule.rdates:
        return None
    return min((each.rule_start for each in known if each.schedule_id == schedule.schedule_id), default=None)


def _occurrence(
    offer_id: str, schedule: Schedule, rule_start: datetime, first_start: datetime | None, derive: DeriveId
) -> tuple[Occurrence, OddDate | None]:
    override = next((each for each in schedule.overrides if each.rule_start == rule_start), None)
    local, minutes = rule_start, schedule.duration_minutes
    status: OccurrenceStatus = "scheduled"
    if override is not None:
        local = override.local_start or rule_start
        minutes = override.duration_minutes or minutes
        status = "cancelled" if override.cancelled else "scheduled"
    zone = ZoneInfo(schedule.time_zone)
    resolved = resolve_generated(local, zone)
    identity = first_start or rule_start
    previous = None
    if local != identity and status == "scheduled":
        previous, status = resolve_generated(identity, zone).instant, "moved"
    occurrence = Occurrence(
        occurrence_id=derive(offer_uuid(offer_id), occurrence_key(identity)),
        offer_id=offer_id,
        schedule_id=schedule.schedule_id,
        rule_start=identity,
        start=resolved.instant,
        end=end_of(resolved.instant, minutes),
        time_zone=schedule.time_zone,
        status=status,
        capacity=schedule.capacity,
        occupies=schedule.occupies,
        previous_start=previous,
    )
    return occurrence, OddDate(local, resolved.instant, resolved.oddity) if resolved.oddity else None


def _carried_on(before: Occurrence | None, fresh: Occurrence) -> Occurrence:
    """What a date keeps of its life so far: its count of changes and that it was seen."""
    if before is None:
        return fresh
    return replace(fresh, sequence=before.sequence, public=before.public)


def any_ahead(occurrences: Sequence[Occurrence], *, now: datetime) -> bool:
    """Whether a date that takes place ends after `now`."""
    return any(each.end > now and each.status in ("scheduled", "moved") for each in occurrences)
