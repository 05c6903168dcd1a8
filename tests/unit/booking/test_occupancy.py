"""Track and step function against a plain list, counted at every edge."""

from datetime import datetime
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.booking.domain.codes import Reason
from services.booking.domain.occupancy import Occupancy, Places, Profile, Track
from tests.unit.booking.rules import MINUTE, NOW, booking, named, offer, pool, session, unit

minutes = st.integers(0, 200)
lengths = st.integers(1, 60)
claims = st.lists(st.tuples(minutes, lengths, st.integers(0, 9), st.integers(0, 9), st.integers(1, 5)), max_size=25)


def t(minute: int) -> datetime:
    return NOW + minute * MINUTE


@settings(deadline=None)
@given(
    claims=claims,
    gone=st.sets(st.integers(0, 24)),
    low=minutes,
    length=lengths,
    before=st.integers(0, 9),
    after=st.integers(0, 9),
)
def test_track_clash_agrees_with_a_list(
    claims: list[tuple[int, int, int, int, int]], gone: set[int], low: int, length: int, before: int, after: int
) -> None:
    track = Track()
    for number, (start, long, setup, teardown, _) in enumerate(claims):
        track.add((t(start - setup), t(start + long + teardown), t(start), t(start + long), UUID(int=number), False))
    for number in gone:
        track.remove(UUID(int=number))
    left = [claim for number, claim in enumerate(claims) if number not in gone]
    booked = any(start < low + length and start + long > low for start, long, _, _, _ in left)
    occupied = any(
        start - setup < low + length + after and start + long + teardown > low - before
        for start, long, setup, teardown, _ in left
    )
    expected = Reason.CONFLICT if booked else Reason.BUFFER if occupied else None
    assert track.clash(t(low - before), t(low + length + after), t(low), t(low + length)) == expected


@settings(deadline=None)
@given(claims=claims, gone=st.sets(st.integers(0, 24)), low=minutes, length=lengths)
def test_profile_peak_is_the_maximum_at_every_edge(
    claims: list[tuple[int, int, int, int, int]], gone: set[int], low: int, length: int
) -> None:
    profile = Profile()
    for start, long, _, _, quantity in claims:
        profile.add(t(start), t(start + long), quantity)
    for number, (start, long, _, _, quantity) in enumerate(claims):
        if number in gone:
            profile.add(t(start), t(start + long), -quantity)
    left = [claim for number, claim in enumerate(claims) if number not in gone]

    def level(minute: int) -> int:
        return sum(quantity for start, long, _, _, quantity in left if start <= minute < start + long)

    assert profile.peak(t(low), t(low + length)) == max(level(minute) for minute in range(low, low + length))
    assert profile.highest() == max((level(minute) for minute in range(300)), default=0)


def test_occupied__in_the_order_of_their_starts() -> None:
    track = Track()
    track.add((t(0), t(10), t(0), t(10), UUID(int=1), False))
    track.add((t(20), t(30), t(20), t(30), UUID(int=2), False))
    assert list(track.occupied(t(5), t(25))) == [(t(0), t(10)), (t(20), t(30))]
    assert list(track.occupied(t(10), t(20))) == []


def test_free__what_is_kept_from_newcomers_stays_taken() -> None:
    for resource in (unit("x"), pool("x", 1), session("x", capacity=1)):
        of = offer(resource)
        held = booking(of, t(0), t(60))
        for kept in (False, True):
            occupancy = Occupancy()
            occupancy.sessions["x"] = Places(0)
            occupancy.book(held.booking_id, held.start, held.end, held.parts)
            before = occupancy.changes
            occupancy.free(held.booking_id, held.parts)
            if kept:
                occupancy.keep(held.booking_id, held.start, held.end, held.parts)
            assert occupancy.changes > before
            if resource["kind"] == "unit":
                taken = occupancy.units["x"].clash(t(0), t(9), t(0), t(9)) is not None
            elif resource["kind"] == "pool":
                taken = occupancy.pools["x"].peak(t(0), t(9)) == 1
            else:
                taken = occupancy.sessions["x"].taken == 1
            assert taken is kept
            # whoever waits already does not find it taken
            assert occupancy.peak("x", t(0), t(9), queued=True) == 0
            if resource["kind"] == "unit":
                assert occupancy.units["x"].clash(t(0), t(9), t(0), t(9), queued=True) is None
            assert occupancy.sessions["x"].used == 0


def test_knows__only_inside_one_window() -> None:
    occupancy = Occupancy()
    occupancy.known["x"] = [(t(0), t(10)), (t(10), t(20))]
    assert occupancy.knows("x", t(0), t(10))
    assert not occupancy.knows("x", t(5), t(15))
    assert not occupancy.knows("y", t(0), t(1))


def test_uncount__a_person_who_had_nothing() -> None:
    occupancy = Occupancy()
    occupancy.uncount(named("ann"), "k", named("b"))
    assert occupancy.people[named("ann"), "k"] == []
