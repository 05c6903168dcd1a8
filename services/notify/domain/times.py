"""When: wall clock and elapsed time over clock changes, due times and expiry of reminders, quiet hours, back-off."""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from services.notify import limits

_DAYS: Final = re.compile(r"P([1-9][0-9]{0,2})D", re.ASCII)
_TIME: Final = re.compile(r"PT(?:([0-9]{1,4})H)?(?:([0-9]{1,5})M)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class ReminderRule:
    """How long before the start people are reminded, as ISO 8601 writes it.

    `P..D` counts calendar days and keeps the wall-clock time, `PT..` is elapsed time (nominal and exact durations of
    RFC 5545 3.3.6).
    """

    before: str

    def __post_init__(self) -> None:
        days, minutes = self._parts()
        if not 0 < days * 24 * 60 + minutes <= limits.LEAD_MINUTES_MAX:
            raise ValueError("a reminder is due some minutes to some months before the start")

    def _parts(self) -> tuple[int, int]:
        """Calendar days and minutes; one of them is 0."""
        if match := _DAYS.fullmatch(self.before):
            return int(match[1]), 0
        if match := _TIME.fullmatch(self.before):
            return 0, int(match[1] or 0) * 60 + int(match[2] or 0)
        raise ValueError("a rule is P<n>D or PT<n>H<n>M")

    def due(self, start: datetime, zone: ZoneInfo) -> datetime:
        """The instant, UTC. In the spring gap it moves by the gap, in the autumn fold the first counts."""
        days, minutes = self._parts()
        if not days:
            return start - timedelta(minutes=minutes)
        return wall_clock(start.astimezone(zone).replace(tzinfo=None) - timedelta(days=days), zone)


DEFAULT_RULES: Final = (ReminderRule("P1D"),)


def wall_clock(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant, UTC, at which a clock on the wall shows the naive `local`."""
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)


def reminder_expiry(start: datetime, due: datetime) -> datetime:
    """From then on a reminder helps nobody: two hours before the start, or half the lead if that is less."""
    return start - min(limits.REMINDER_EXPIRES_BEFORE, (start - due) / 2)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A span of the day, by the hub's clock, in which nobody is disturbed; it may go over midnight."""

    start: time
    end: time
    zone: ZoneInfo

    def around(self, instant: datetime) -> tuple[datetime, datetime] | None:
        """The quiet span that `instant` lies in, UTC, half-open; None outside."""
        local = instant.astimezone(self.zone)
        clock = local.time()
        today = local.date()
        if self.start < self.end:
            if not self.start <= clock < self.end:
                return None
            first, last = today, today
        elif clock >= self.start:
            first, last = today, today + timedelta(days=1)
        elif clock < self.end:
            first, last = today - timedelta(days=1), today
        else:
            return None
        return self._instant(first, self.start), self._end(last, instant)

    def _instant(self, day: date, clock: time) -> datetime:
        return wall_clock(datetime.combine(day, clock), self.zone)

    def _end(self, day: date, instant: datetime) -> datetime:
        end = self._instant(day, self.end)
        if end > instant:
            return end
        # The hour that is repeated in autumn: the end that comes first has passed already, the second is meant.
        return datetime.combine(day, self.end, tzinfo=self.zone).replace(fold=1).astimezone(UTC)


def outside_quiet(due: datetime, *, expires_at: datetime, caused_at: datetime, quiet: QuietHours | None) -> datetime | None:
    """`due`, moved to the end of the quiet hours; if that is too late, to shortly before them; None if that is too early."""
    span = quiet.around(due) if quiet else None
    if span is None:
        return due
    start, end = span
    if end < expires_at:
        return end
    early = start - limits.BEFORE_QUIET
    return early if early > caused_at else None


def back_off(message_id: UUID, attempts: int) -> timedelta:
    """How long to wait after the counted attempt number `attempts`, from 1; spread by message, the same in each process."""
    minutes = limits.BACK_OFF_MINUTES[min(attempts, len(limits.BACK_OFF_MINUTES)) - 1]
    digest = hashlib.blake2b(message_id.bytes + attempts.to_bytes(2, "big"), digest_size=4).digest()
    share = int.from_bytes(digest, "big") / 2**32
    return timedelta(minutes=minutes * (1 + limits.BACK_OFF_SPREAD * (2 * share - 1)))


def next_attempt(message_id: UUID, *, attempts: int, first_attempt_at: datetime, now: datetime) -> datetime | None:
    """When to try again after `attempts` counted attempts; None if they, or the 24 hours for them, are used up."""
    if attempts >= limits.ATTEMPTS_MAX:
        return None
    again = now + back_off(message_id, attempts)
    return again if again <= first_attempt_at + limits.ATTEMPTS_WITHIN else None


def probe_pause(failures: int) -> timedelta:
    """How long to leave a relay alone after `failures` failed probes in a row."""
    # Bounded before it is doubled: failures of a week would not fit into a number of seconds.
    return min(limits.PROBE_AFTER * (1 << min(failures, 10)), limits.PROBE_AFTER_MAX)


def throttle_pause(throttles: int) -> timedelta:
    """How long to leave a relay alone that has asked for it `throttles` times in a row, from 1."""
    return min(limits.THROTTLE_PAUSE + limits.THROTTLE_PAUSE_STEP * min(throttles, 1_000), limits.THROTTLE_PAUSE_MAX)
