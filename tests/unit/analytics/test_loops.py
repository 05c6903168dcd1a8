"""Timed work stops turning once little is found: under load there is always something."""

from zoneinfo import ZoneInfo

import pytest

from hubkit.clock import DatabaseClock
from hubkit.db import new_pool
from hubkit.telemetry import Metrics
from services.analytics.limits import DAYS_ONE_BY_ONE_MAX, DAYS_PER_TURN_MAX, TURNS_MAX
from services.analytics.recompute import turns
from services.analytics.worker import loops

MANY, FEW = DAYS_PER_TURN_MAX, DAYS_ONE_BY_ONE_MAX - 1


def work() -> loops.Work:
    """With connections that are never made."""
    return loops.Work("test", ZoneInfo("UTC"), new_pool("postgresql://nowhere", name="test"), DatabaseClock(), Metrics())


@pytest.mark.parametrize(
    ("found", "turned"),
    [([0], 1), ([FEW, FEW], 1), ([MANY, FEW, FEW], 2), ([MANY] * 2 * TURNS_MAX, TURNS_MAX)],
    ids=["nothing", "few", "many, then few", "many without end"],
)
async def test_days__turn_after_turn_while_many_are_found(
    monkeypatch: pytest.MonkeyPatch, found: list[int], turned: int
) -> None:
    left = list(found)

    async def turn(*_: object) -> int:
        return left.pop(0)

    monkeypatch.setattr(turns, "recompute_days", turn)
    await loops.recompute_days(work())
    assert len(found) - len(left) == turned


async def test_days__at_most_a_quarter_of_the_time() -> None:
    (days,) = (loop for loop in loops.loops(work()) if loop.name == "days")
    assert [days.rest(took) for took in (0.01, 1.0)] == [0.25, 3.0]
