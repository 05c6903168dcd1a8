"""The played day: the same for the same seed, within the opening hours, with a rush on one slot."""

from datetime import UTC, datetime, timedelta

import pytest

from deploy.demo.visitors import CLOSES, OPENS, RUSH_AT, RUSH_VISITORS, Shown, Slot, day

START = datetime(2027, 3, 1, 9, tzinfo=UTC)
ROOM = Shown("room", "Raum", tuple(Slot(START + timedelta(hours=n), 60) for n in range(8)), quantity_max=4)
COURSE = Shown("course", "Kurs", (Slot(None, None, (("place", "s1"),)),))


def test_same_seed__same_day() -> None:
    assert day([ROOM, COURSE], seed=7, visitors=200) == day([ROOM, COURSE], seed=7, visitors=200)
    assert day([ROOM, COURSE], seed=7, visitors=200) != day([ROOM, COURSE], seed=8, visitors=200)


@pytest.mark.parametrize("visitors", [1, 5, 20, 21, 200])
def test_day__has_as_many_visitors_as_asked_for_each_with_an_id_of_its_own(visitors: int) -> None:
    visits = day([ROOM, COURSE], seed=3, visitors=visitors)
    assert len(visits) == visitors
    assert len({visit.request_id for visit in visits}) == visitors
    assert [visit.at for visit in visits] == sorted(visit.at for visit in visits)
    assert all(OPENS <= visit.at < CLOSES for visit in visits)
    assert all(1 <= visit.quantity <= visit.offer.quantity_max for visit in visits)


def test_rush__wants_one_slot_at_one_time() -> None:
    visits = [visit for visit in day([ROOM, COURSE], seed=1, visitors=200) if visit.at == RUSH_AT]
    assert len(visits) == RUSH_VISITORS
    assert len({(visit.offer.offer_id, visit.slot) for visit in visits}) == 1


def test_day__has_everything_that_the_figures_tell_of() -> None:
    visits = day([ROOM, COURSE], seed=7, visitors=200)
    assert any(visit.twice for visit in visits)
    assert any(visit.reused for visit in visits)
    assert any(visit.cancels_after for visit in visits)
    assert {"unknown_offer", "too_long", "far_ahead", "no_body"} <= {visit.odd for visit in visits}
