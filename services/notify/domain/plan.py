"""Who is told what: events in, messages out. One owner per fact, one row of `PLAN` per event that people are told of.

Time is the event's, never the wall clock: a replay plans the same rows, terminal ones included.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from services.notify.domain.bookings import ActorRole, Booking, BookingEvent, BookingState
from services.notify.domain.messages import TOO_LATE, Facts, Kind, Message, MessageClass, State
from services.notify.domain.times import QuietHours, ReminderRule, outside_quiet, reminder_expiry

ALL_KINDS: Final = frozenset(Kind)


@dataclass(frozen=True, slots=True)
class Row:
    """What an event leads to: a message of `kind` that holds while the booking is in one of `states`, reminders, silence.

    `supersedes`: unsent messages of these kinds, of the same booking, have lost their point. `once`: said once per booking,
    whatever its version.
    """

    kind: Kind | None
    states: tuple[BookingState, ...] = ()
    supersedes: frozenset[Kind] = frozenset()
    reminds: bool = False
    once: bool = False


PLAN: Final[Mapping[str, Row]] = {
    # A check-in must not kill a confirmation that is still to be sent.
    "BookingConfirmed": Row(Kind.CONFIRMED, (BookingState.CONFIRMED, BookingState.CHECKED_IN), reminds=True),
    "BookingRescheduled": Row(
        Kind.CHANGED,
        (BookingState.CONFIRMED, BookingState.CHECKED_IN, BookingState.PENDING_APPROVAL),
        frozenset({Kind.CONFIRMED, Kind.CHANGED, Kind.REMINDER}),
        reminds=True,
    ),
    "BookingCancelled": Row(Kind.CANCELLED, (BookingState.CANCELLED,), ALL_KINDS, once=True),
    "BookingDisplaced": Row(
        Kind.DISPLACED, (BookingState.DISPLACED,), frozenset({Kind.CONFIRMED, Kind.CHANGED, Kind.REMINDER})
    ),
    "BookingCheckedIn": Row(None, supersedes=frozenset({Kind.REMINDER})),
    "BookingCompleted": Row(None, supersedes=frozenset({Kind.REMINDER})),
    "BookingNoShow": Row(None, supersedes=frozenset({Kind.REMINDER})),
}
_NOTHING: Final = Row(None)
_HAD_A_PLACE: Final = frozenset({BookingState.CONFIRMED, BookingState.CHECKED_IN, BookingState.DISPLACED})


@dataclass(frozen=True, slots=True)
class Rules:
    """What a hub has decided: when to remind, when to be silent."""

    reminders: tuple[ReminderRule, ...]
    quiet: QuietHours | None


@dataclass(slots=True)
class Planned:
    """What a batch of events leads to, however it was cut into batches.

    `superseded` concerns rows that stand already; `messages` holds each key's final state in the order of first planning.
    """

    bookings: dict[UUID, Booking] = field(default_factory=dict)
    superseded: dict[tuple[UUID, Kind], None] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)
    late: int = 0
    _keys: dict[UUID, list[str]] = field(default_factory=dict)

    def add(self, message: Message) -> None:
        """Plan it, unless its key stands already; one that lost its point meanwhile is planned anew."""
        standing = self.messages.get(message.dedupe_key)
        if standing is None:
            self._keys.setdefault(message.booking_id, []).append(message.dedupe_key)
        if standing is None or standing.state is State.SUPERSEDED:
            self.messages[message.dedupe_key] = message

    def supersede(self, booking_id: UUID, kinds: frozenset[Kind]) -> None:
        """Whatever of these kinds is planned here or stands already and has not been sent."""
        for kind in sorted(kinds):
            self.superseded[booking_id, kind] = None
        for key in self._keys.get(booking_id, ()):
            message = self.messages[key]
            if message.kind in kinds and message.state is State.SCHEDULED:
                self.messages[key] = replace(message, state=State.SUPERSEDED)


def plan(known: Mapping[UUID, Booking], events: Sequence[BookingEvent], rules: Rules) -> Planned:
    """Apply the events in their order; an event whose version is not above the one reached changes and plans nothing."""
    planned = Planned()
    for event in events:
        before = planned.bookings.get(event.booking_id) or known.get(event.booking_id)
        if before is not None and event.version <= before.version:
            planned.late += 1
            continue
        row = PLAN.get(event.type, _NOTHING)
        booking = _after(before, event, row)
        planned.bookings[event.booking_id] = booking
        planned.supersede(event.booking_id, row.supersedes)
        for message in _messages(row, event, booking, rules):
            planned.add(message)
    return planned


def _after(before: Booking | None, event: BookingEvent, row: Row) -> Booking:
    is_told = row.kind is not None or before is None
    return Booking(
        booking_id=event.booking_id,
        version=event.version,
        state=event.state,
        offer_id=event.offer_id,
        person_id=event.person_id,
        start=event.start,
        end=event.end,
        time_zone=event.time_zone,
        was_confirmed=(before is not None and before.was_confirmed)
        or event.state in _HAD_A_PLACE
        or event.from_state in _HAD_A_PLACE,
        check_in_code=event.check_in_code or (before.check_in_code if before else None),
        told_version=event.version if is_told or before is None else before.told_version,
        told_at=event.at if is_told or before is None else before.told_at,
    )


def _messages(row: Row, event: BookingEvent, booking: Booking, rules: Rules) -> list[Message]:
    if event.person_id is None or row.kind is None:
        return []
    # The mail for a command on a whole series comes from its own answer; here only reminders follow.
    by_series = event.is_of_series and not event.answers_request and event.actor_role is not ActorRole.SYSTEM
    found = []
    if not by_series and not (row.kind is Kind.CANCELLED and event.from_state is BookingState.HELD):
        found.append(_news(row, row.kind, event, booking, event.person_id, rules))
    if row.reminds and event.state is BookingState.CONFIRMED:
        found += [_reminder(rule, event, event.person_id, rules) for rule in rules.reminders]
    return found


def _news(row: Row, kind: Kind, event: BookingEvent, booking: Booking, person_id: UUID, rules: Rules) -> Message:
    """The answer or notice about the event itself; both lose their point when the booking is over."""
    by_themselves = event.actor_role is ActorRole.CITIZEN and event.answers_request
    message_class = MessageClass.ANSWER if by_themselves else MessageClass.NOTICE
    due = event.at
    if message_class is MessageClass.NOTICE:
        due = outside_quiet(event.at, expires_at=event.end, caused_at=event.at, quiet=rules.quiet) or event.at
    is_late = event.end <= due
    return Message(
        kind=kind,
        message_class=message_class,
        person_id=person_id,
        booking_id=event.booking_id,
        booking_states=row.states,
        offer_id=event.offer_id,
        version=event.version,
        caused_at=event.at,
        cause_id=event.event_id,
        start=event.start,
        end=event.end,
        time_zone=event.time_zone,
        slot="" if row.once else str(event.version),
        rule=None,
        due_at=due,
        expires_at=event.end,
        state=State.SKIPPED if is_late else State.SCHEDULED,
        reason=TOO_LATE if is_late else None,
        facts=Facts(
            old_start=event.old_start,
            old_end=event.old_end,
            rebook_by=event.rebook_by,
            alternatives=event.alternatives,
            was_confirmed=booking.was_confirmed,
        ),
    )


def _reminder(rule: ReminderRule, event: BookingEvent, person_id: UUID, rules: Rules) -> Message:
    """Its key is the start and the rule: a move makes a new one, moving back finds the old one again."""
    nominal = rule.due(event.start, ZoneInfo(event.time_zone))
    expires_at = reminder_expiry(event.start, nominal)
    due = None
    if nominal > event.at:
        due = outside_quiet(nominal, expires_at=expires_at, caused_at=event.at, quiet=rules.quiet)
    return Message(
        kind=Kind.REMINDER,
        message_class=MessageClass.REMINDER,
        person_id=person_id,
        booking_id=event.booking_id,
        booking_states=(BookingState.CONFIRMED,),
        offer_id=event.offer_id,
        version=event.version,
        caused_at=event.at,
        cause_id=event.event_id,
        start=event.start,
        end=event.end,
        time_zone=event.time_zone,
        slot=f"{_iso(event.start)}/{rule.before}",
        rule=rule.before,
        due_at=due or nominal,
        expires_at=expires_at,
        state=State.SCHEDULED if due else State.SKIPPED,
        reason=None if due else TOO_LATE,
        facts=Facts(was_confirmed=True),
    )


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
