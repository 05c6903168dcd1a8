"""The side-by-side run: what an answer means, what a run counts, and that nothing else is installed than what is locked."""

from datetime import date, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from bench.__main__ import Table
from bench.peers import indico, places, pretix
from bench.peers.loop import Answer, Run
from bench.peers.peer import Counts, Size
from bench.peers.side_by_side import Measured, told
from deploy.failures import Failure

LOCKS = Path(places.__file__).parent / "locks"


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (201, b'{"code": "ABC"}', Answer.CONFIRMED),
        (400, b'{"positions": [{"item": ["There is not enough quota available on quota \\"x\\""]}]}', Answer.REFUSED),
        (400, b'{"positions": [{"item": ["This product is inactive."]}]}', Answer.FAILED),
        (409, b'{"detail": "The server was too busy"}', Answer.BUSY),
        (500, b"", Answer.FAILED),
    ],
)
def test_pretix_answer(status: int, body: bytes, answer: Answer) -> None:
    assert pretix.judge(status, body) is answer


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (200, b'{"booking": {"id": 1}}', Answer.CONFIRMED),
        (200, b"<html>", Answer.FAILED),
        (418, b'{"message": "Reservation has no valid occurrences"}', Answer.REFUSED),
        (403, b"", Answer.FAILED),
    ],
)
def test_indico_answer(status: int, body: bytes, answer: Answer) -> None:
    assert indico.judge(status, body) is answer


def test_slots_of_indico__on_one_day_each_and_apart() -> None:
    starts = [indico.slot_start(date(2026, 1, 1), number) for number in range(100)]

    assert starts[0] == datetime(2026, 1, 1)  # noqa: DTZ001 - the house's clock face
    assert all(late - early >= indico.SLOT for early, late in pairwise(starts))
    assert all(start.date() == (start + indico.SLOT).date() for start in starts)


def test_run__counts_decisions_and_not_what_was_busy_or_failed() -> None:
    run = Run(2.0, [(10.0, Answer.CONFIRMED), (20.0, Answer.REFUSED), (30.0, Answer.BUSY), (40.0, Answer.FAILED)])

    assert run.decided == 2
    assert run.per_second == 1.0
    assert run.taken(0.99) == 40.0


def test_hot_session__a_sixth_is_refused() -> None:
    assert Size(places=500, spread=0, alone=0).hot == 600


@pytest.mark.parametrize(
    ("counts", "well"),
    [
        (Counts(sold=2, oversold=0, doubled=0), True),
        (Counts(sold=3, oversold=0, doubled=0), False),
        (Counts(sold=2, oversold=1, doubled=0), False),
        (Counts(sold=2, oversold=0, doubled=1), False),
    ],
)
def test_count_of_the_database__held_against_the_answers(counts: Counts, well: bool) -> None:
    table = Table()
    measured = Measured("x", table.add)
    measured.run("y", Run(1.0, [(1.0, Answer.CONFIRMED), (1.0, Answer.CONFIRMED), (1.0, Answer.REFUSED)]))

    assert measured.counted(counts) is well
    assert (table.rows[-1]["value"], table.rows[-1]["told"]) == (counts.sold, 2)
    assert (table.rows[-1]["oversold"], table.rows[-1]["double_booked"]) == (counts.oversold, counts.doubled)


@pytest.mark.parametrize("name", places.WANTED)
def test_lock_of_a_peer__holds_what_is_wanted_with_hashes(name: str) -> None:
    text = (LOCKS / f"{name}.lock").read_text("utf-8")
    pinned = [wanted for wanted in places.WANTED[name] if "==" in wanted]

    assert all(f"{wanted} \\\n    --hash=sha256:" in text for wanted in pinned)


def test_peer_that_cannot_be_installed__a_line_that_says_why() -> None:
    table = Table()

    def fails(_: str) -> None:
        raise Failure("wants Python < 3.12", remedy="another Python")

    told(table.add, "x 1.0", fails)

    assert [(row["name"], row["why"]) for row in table.rows] == [
        ("x 1.0: NOT MEASURED, it could not be run here", "wants Python < 3.12")
    ]
