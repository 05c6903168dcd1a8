"""The booking that its events add up to, whatever their order and number."""

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from services.analytics.domain.facts import Fact, fold
from services.analytics.domain.words import Claimant, State

START = datetime(2027, 5, 3, 7, tzinfo=UTC)


def fact(version: int, state: State, *, at: int = 0, **more: object) -> Fact:
    """`at`: hours before the start."""
    occurred = START - timedelta(hours=at)
    plain = Fact(
        event_id=UUID(int=version),
        booking_id=UUID(int=99),
        version=version,
        state=state,
        occurred_at=occurred,
        occurred_day=occurred.date(),
        offer_id="rooms",
        claimant=Claimant.PERSON,
        start=START,
        end=START + timedelta(hours=2),
        placements=(("room-1", 1),),
    )
    return replace(plain, **more)  # type: ignore[arg-type]


LIFE = [
    fact(1, State.HELD, at=50),
    fact(2, State.CONFIRMED, at=49),
    fact(3, State.CONFIRMED, at=20, moved=True, start=START + timedelta(days=1), end=START + timedelta(days=1, hours=1)),
    fact(4, State.CANCELLED, at=10, start=START + timedelta(days=1), end=START + timedelta(days=1, hours=1)),
]


@pytest.mark.parametrize("seed", range(10))
def test_fold_in_any_order_with_repetitions__same_booking(seed: int) -> None:
    rng = random.Random(seed)
    shuffled = LIFE + rng.choices(LIFE, k=3)
    rng.shuffle(shuffled)
    assert fold(shuffled) == fold(LIFE)


def test_fold_of_a_life__state_and_span_of_the_highest_version() -> None:
    booking = fold(LIFE)
    assert (booking.state, booking.start) == (State.CANCELLED, START + timedelta(days=1))
    assert booking.first_confirmed_at == START - timedelta(hours=49)
    assert booking.first_confirmed_day == date(2027, 5, 1)
    assert booking.last_moved_at == START - timedelta(hours=20)


def test_fold_of_what_was_never_confirmed__no_confirmation() -> None:
    assert fold([fact(1, State.HELD), fact(2, State.EXPIRED)]).first_confirmed_at is None


@pytest.mark.parametrize(
    ("given_back", "until"),
    [(None, 120), (-30, 0), (0, 0), (45, 45), (120, 120), (150, 120)],
    ids=["never", "before the start", "at the start", "within", "at the end", "after the end"],
)
def test_fold_with_time_given_back__held_until_then_but_no_longer_than_its_end(given_back: int | None, until: int) -> None:
    at = None if given_back is None else START + timedelta(minutes=given_back)
    booking = fold([fact(1, State.CONFIRMED), fact(2, State.COMPLETED, given_back_at=at)])
    assert booking.until - booking.start == timedelta(minutes=until)


def test_fold_of_two_facts_of_one_version__the_smaller_id_counts() -> None:
    other = replace(fact(1, State.HELD), event_id=UUID(int=0))
    assert fold([fact(1, State.CONFIRMED), other]).state is State.HELD
