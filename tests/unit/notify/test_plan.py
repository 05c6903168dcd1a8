"""Who is told what: the plan as a table over every event about a booking."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from contracts.booking.events import FACTS
from contracts.booking.vocabulary import ActorRole as ContractRole
from contracts.booking.vocabulary import State as ContractState
from contracts.notify import MessageClass as ContractClass
from contracts.notify import MessageKind as ContractKind
from services.notify.domain.bookings import ActorRole, BookingState
from services.notify.domain.messages import Kind, MessageClass, State, id_of, resend_key
from services.notify.domain.plan import PLAN
from services.notify.domain.times import QuietHours
from tests.unit.notify.stories import BOOKING, NOW, PERSON, START, STATES, event, messages, planned

# Event, from state -> (kind, class, state) of each message. Whatever is not here leads to nothing.
TABLE: dict[tuple[str, str | None], list[tuple[str, str, str]]] = {
    ("BookingConfirmed", None): [("confirmed", "answer", "scheduled"), ("reminder", "reminder", "scheduled")],
    ("BookingConfirmed", "held"): [("confirmed", "answer", "scheduled"), ("reminder", "reminder", "scheduled")],
    ("BookingRescheduled", "confirmed"): [("changed", "answer", "scheduled"), ("reminder", "reminder", "scheduled")],
    ("BookingRescheduled", "displaced"): [("changed", "answer", "scheduled"), ("reminder", "reminder", "scheduled")],
    ("BookingCancelled", "confirmed"): [("cancelled", "answer", "scheduled")],
    ("BookingCancelled", "waitlisted"): [("cancelled", "answer", "scheduled")],
    ("BookingCancelled", "held"): [],
    ("BookingDisplaced", "confirmed"): [("displaced", "answer", "scheduled")],
}
CASES = [*TABLE.items(), *(((name, "confirmed"), []) for name in STATES if name not in PLAN)]


@pytest.mark.parametrize(("case", "expected"), CASES, ids=[f"{name} from {before}" for (name, before), _ in CASES])
def test_plan_of_each_event__is_as_the_table_says(case: tuple[str, str | None], expected: list[tuple[str, str, str]]) -> None:
    name, before = case
    found = messages(event(name, 2, from_state=BookingState(before) if before else None))

    assert [(m.kind, m.message_class, m.state) for m in found] == expected
    assert {m.person_id for m in found} <= {PERSON}


def test_table_of_events__knows_every_fact_of_the_contract() -> None:
    assert set(STATES) == {model.bare_type() for model in FACTS}
    assert set(PLAN) <= set(STATES)


def test_enums_of_the_domain__are_those_of_the_contract() -> None:
    assert {str(state) for state in BookingState} == {str(state) for state in ContractState}
    assert {str(role) for role in ActorRole} == {str(role) for role in ContractRole}
    assert {str(kind) for kind in Kind} == {str(kind) for kind in ContractKind} - {"other"}
    assert {str(one) for one in MessageClass} == {str(one) for one in ContractClass} - {"other"}


@pytest.mark.parametrize("name", sorted(STATES))
def test_each_event__supersedes_what_has_lost_its_point(name: str) -> None:
    expected = {
        "BookingRescheduled": {Kind.CONFIRMED, Kind.CHANGED, Kind.REMINDER},
        "BookingDisplaced": {Kind.CONFIRMED, Kind.CHANGED, Kind.REMINDER},
        "BookingCancelled": set(Kind),
        "BookingCheckedIn": {Kind.REMINDER},
        "BookingCompleted": {Kind.REMINDER},
        "BookingNoShow": {Kind.REMINDER},
    }.get(name, set())

    found = planned(event(name, 3, from_state=BookingState.CONFIRMED))

    assert {kind for _, kind in found.superseded} == expected


@pytest.mark.parametrize(
    ("role", "answers", "expected"),
    [
        (ActorRole.CITIZEN, True, MessageClass.ANSWER),
        (ActorRole.CITIZEN, False, MessageClass.NOTICE),
        (ActorRole.STAFF, True, MessageClass.NOTICE),
        (ActorRole.SYSTEM, False, MessageClass.NOTICE),
        (ActorRole.PARTNER, True, MessageClass.NOTICE),
    ],
)
def test_class_of_a_message__answer_only_to_the_persons_own_act(role: ActorRole, answers: bool, expected: MessageClass) -> None:
    (first, _) = messages(event("BookingConfirmed", actor_role=role, answers_request=answers))

    assert first.message_class is expected


def test_partners_citizen_and_house__are_told_nothing() -> None:
    found = planned(event("BookingConfirmed", person_id=None))

    assert not found.messages
    assert found.bookings[BOOKING].state is BookingState.CONFIRMED, "but the booking is kept"


def test_command_on_a_series__leads_to_reminders_only() -> None:
    of_series: dict[str, Any] = {"is_of_series": True, "answers_request": False}

    assert [m.kind for m in messages(event("BookingConfirmed", **of_series))] == [Kind.REMINDER]
    assert messages(event("BookingCancelled", 2, from_state=BookingState.CONFIRMED, **of_series)) == []


@pytest.mark.parametrize(("role", "answers"), [(ActorRole.SYSTEM, False), (ActorRole.CITIZEN, True)])
def test_single_date_of_a_series_changed_later__is_told(role: ActorRole, answers: bool) -> None:
    found = messages(event("BookingCancelled", 2, is_of_series=True, actor_role=role, answers_request=answers))

    assert [m.kind for m in found] == [Kind.CANCELLED]


def test_event_whose_version_was_reached__changes_and_plans_nothing() -> None:
    later = planned(event("BookingCancelled", 3))
    known = later.bookings[BOOKING]

    for version in (1, 2, 3):
        late = planned(event("BookingConfirmed", version), known=known)
        assert (late.bookings, late.superseded, late.messages, late.late) == ({}, {}, {}, 1)


def test_move_within_a_batch__supersedes_what_the_batch_itself_planned() -> None:
    found = messages(event("BookingConfirmed"), event("BookingRescheduled", 2, start=START + timedelta(days=1)))

    assert [(m.kind, m.state, m.version) for m in found] == [
        ("confirmed", "superseded", 1),
        ("reminder", "superseded", 1),
        ("changed", "scheduled", 2),
        ("reminder", "scheduled", 2),
    ]


def test_move_and_back__finds_the_old_reminder_again() -> None:
    moved = event("BookingRescheduled", 2, start=START + timedelta(days=1))
    back = event("BookingRescheduled", 3)

    found = messages(event("BookingConfirmed"), moved, back)
    reminders = [m for m in found if m.kind is Kind.REMINDER]

    assert [(m.start, m.state, m.version) for m in reminders] == [
        (START, "scheduled", 3),
        (START + timedelta(days=1), "superseded", 2),
    ]


def test_cancelled_twice__has_one_key() -> None:
    first = messages(event("BookingCancelled", 2))
    second = messages(event("BookingCancelled", 5))

    assert first[0].message_id == second[0].message_id
    assert messages(event("BookingConfirmed"))[0].message_id != messages(event("BookingConfirmed", 2))[0].message_id


def test_keys__are_made_of_ids_and_instants() -> None:
    confirmed, reminder = messages(event("BookingConfirmed"))

    assert confirmed.dedupe_key == f"confirmed:{BOOKING}:1:{PERSON}:mail"
    assert reminder.dedupe_key == f"reminder:{BOOKING}:2026-03-10T13:00:00Z/P1D:{PERSON}:mail"
    assert confirmed.message_id == id_of(confirmed.dedupe_key)
    assert resend_key(reminder.dedupe_key, 1) == f"reminder:{BOOKING}:2026-03-10T13:00:00Z/P1D/resend/1:{PERSON}:mail"
    assert resend_key(resend_key(confirmed.dedupe_key, 1), 2) == f"confirmed:{BOOKING}:1/resend/2:{PERSON}:mail"


@pytest.mark.parametrize(
    ("booked_before_start", "expected"),
    [(timedelta(days=8), State.SCHEDULED), (timedelta(days=1), State.SKIPPED), (timedelta(hours=2), State.SKIPPED)],
)
def test_booked_inside_the_lead_time__no_reminder(booked_before_start: timedelta, expected: State) -> None:
    found = messages(event("BookingConfirmed", at=START - booked_before_start))

    assert [(m.kind, m.state, m.reason) for m in found if m.kind is Kind.REMINDER] == [
        (Kind.REMINDER, expected, None if expected is State.SCHEDULED else "too_late")
    ]


def test_news_about_a_booking_that_is_over__is_not_sent() -> None:
    (found,) = messages(event("BookingCancelled", 2, at=START + timedelta(hours=3), from_state=BookingState.DISPLACED))

    assert (found.state, found.reason) == (State.SKIPPED, "too_late")


def test_expiry__end_of_the_booking_or_two_hours_before_its_start() -> None:
    confirmed, reminder = messages(event("BookingConfirmed"))

    assert confirmed.expires_at == START + timedelta(minutes=90)
    assert reminder.expires_at == START - timedelta(hours=2)


@pytest.mark.parametrize(
    ("state", "before", "expected"),
    [
        (BookingState.CONFIRMED, None, True),
        (BookingState.PENDING_APPROVAL, BookingState.PENDING_APPROVAL, False),
        (BookingState.PENDING_APPROVAL, BookingState.CONFIRMED, True),
    ],
)
def test_calendar_entry__only_where_the_booking_was_ever_confirmed(
    state: BookingState, before: BookingState | None, expected: bool
) -> None:
    found = messages(event("BookingRescheduled", 2, state=state, from_state=before, old_start=START, old_end=START))

    assert found[0].facts.was_confirmed is expected
    assert [m.kind for m in found if m.kind is Kind.REMINDER] == ([Kind.REMINDER] if state == "confirmed" else [])


def test_what_people_were_told_last__keeps_its_version_over_a_check_in() -> None:
    booking = planned(event("BookingConfirmed"), event("BookingCheckedIn", 2)).bookings[BOOKING]

    assert (booking.version, booking.told_version, booking.told_at) == (2, 1, NOW)
    coded = planned(event("BookingConfirmed", check_in_code="7K3M9QXT"), event("BookingCheckedIn", 2)).bookings[BOOKING]
    assert coded.check_in_code == "7K3M9QXT"


QUIET = QuietHours(time(22), time(7), ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("at", "role", "expected"),
    [
        # 23:30 in Berlin: by staff it waits for the morning, by the person it does not.
        (datetime(2026, 3, 2, 22, 30, tzinfo=UTC), ActorRole.STAFF, datetime(2026, 3, 3, 6, 0, tzinfo=UTC)),
        (datetime(2026, 3, 2, 22, 30, tzinfo=UTC), ActorRole.CITIZEN, datetime(2026, 3, 2, 22, 30, tzinfo=UTC)),
        (datetime(2026, 3, 3, 3, 0, tzinfo=UTC), ActorRole.STAFF, datetime(2026, 3, 3, 6, 0, tzinfo=UTC)),
        (datetime(2026, 3, 3, 12, 0, tzinfo=UTC), ActorRole.STAFF, datetime(2026, 3, 3, 12, 0, tzinfo=UTC)),
    ],
)
def test_quiet_hours__hold_up_what_somebody_else_caused(at: datetime, role: ActorRole, expected: datetime) -> None:
    found = messages(event("BookingCancelled", 2, at=at, actor_role=role), quiet=QUIET)

    assert [m.due_at for m in found] == [expected]


def test_notice_that_the_quiet_hours_would_make_useless__goes_at_once() -> None:
    start = datetime(2026, 3, 3, 5, 0, tzinfo=UTC)  # 06:00 in Berlin
    at = datetime(2026, 3, 2, 22, 30, tzinfo=UTC)

    (found,) = messages(
        event("BookingCancelled", 2, at=at, start=start, end=start + timedelta(minutes=30), actor_role=ActorRole.STAFF),
        quiet=QUIET,
    )

    assert (found.due_at, found.state) == (at, State.SCHEDULED)


@pytest.mark.parametrize(
    ("start", "booked", "due"),
    [
        # Appointment at 23:00: due 23:00 the day before, moved to 07:00 of the day.
        (datetime(2026, 3, 10, 22, 0, tzinfo=UTC), NOW, datetime(2026, 3, 10, 6, 0, tzinfo=UTC)),
        # At 05:00: 07:00 of the day before is after 05:00 of the day before.
        (datetime(2026, 3, 10, 4, 0, tzinfo=UTC), NOW, datetime(2026, 3, 9, 6, 0, tzinfo=UTC)),
        (datetime(2026, 3, 10, 13, 0, tzinfo=UTC), NOW, datetime(2026, 3, 9, 13, 0, tzinfo=UTC)),
    ],
)
def test_reminder_in_the_quiet_hours__waits_for_the_morning(start: datetime, booked: datetime, due: datetime) -> None:
    found = messages(event("BookingConfirmed", at=booked, start=start, end=start + timedelta(hours=1)), quiet=QUIET)

    assert [m.due_at for m in found if m.kind is Kind.REMINDER] == [due]
