"""A poll is cut into transactions: one after the other in log order, while the records of the next are read."""

import asyncio

import pytest

from contracts import topics
from contracts.envelope import encode
from hubkit import points
from hubkit.errors import ConsumerStopped
from services.analytics.wire.facts import FactReader
from services.analytics.worker import placing
from tests.service.analytics.hub import Desk, Raw
from tests.service.analytics.log import Claim, local

PER_TRANSACTION = 60


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "EVENTS_PER_TRANSACTION_MAX", PER_TRANSACTION)
    monkeypatch.setattr(placing, "RECORDS_READ_AT_ONCE_MAX", 7)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[points.Point]:
    """The named points, as they are passed."""
    found: list[points.Point] = []
    monkeypatch.setattr(points, "hook", found.append)
    return found


def good(number: int) -> list[Raw]:
    claims = [Claim(f"b{n}", local("2027-05-03", "09:00"), local("2027-05-03", "10:00")) for n in range(number)]
    return [encode(each.confirmed().last) for each in claims]


async def state(desk: Desk) -> tuple[int, int, int]:
    """Events, transactions that brought them, the stored offset."""
    (row,) = await desk.fetch(
        """
        SELECT (SELECT count(*) FROM events), (SELECT count(DISTINCT xmin::text) FROM events),
               (SELECT coalesce(sum(next_offset), 0)::bigint FROM stored_offsets)
        """
    )
    return row[0], row[1], row[2]


async def test_a_poll_beyond_the_limit__several_transactions_one_after_the_other(
    desk: Desk, passes: list[points.Point]
) -> None:
    await desk.take_raw(topics.BOOKING_EVENTS, good(2 * PER_TRANSACTION + 5))
    assert await state(desk) == (2 * PER_TRANSACTION + 5, 3, 2 * PER_TRANSACTION + 5)
    ends = [point for point in passes if point in ("consume.after_offsets", "consume.after_commit")]
    assert ends == ["consume.after_offsets", "consume.after_commit"] * 3


async def test_a_stop_in_the_second_transaction__the_first_stays_and_nothing_follows(desk: Desk) -> None:
    bad = [(key, headers, b"{") for key, headers, _ in good(PER_TRANSACTION)]
    records = [*good(PER_TRANSACTION), *bad, *good(2 * PER_TRANSACTION)[PER_TRANSACTION:]]
    with pytest.raises(ConsumerStopped):
        await desk.take_raw(topics.BOOKING_EVENTS, records)
    assert await state(desk) == (PER_TRANSACTION, 1, PER_TRANSACTION)


async def test_a_poll_that_is_cancelled__its_transaction_ends_with_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    before = asyncio.all_tasks()
    taking: list[asyncio.Task[None]] = []

    def cancel(point: points.Point) -> None:
        if point == "analytics.after_insert":
            taking[0].cancel()

    monkeypatch.setattr(points, "hook", cancel)
    taking.append(asyncio.create_task(desk.take_raw(topics.BOOKING_EVENTS, good(2 * PER_TRANSACTION))))
    with pytest.raises(asyncio.CancelledError):
        await taking[0]
    assert asyncio.all_tasks() - before == set()
    assert (await state(desk))[0] == 0
    monkeypatch.setattr(points, "hook", None)
    await desk.hand(topics.BOOKING_EVENTS, good(2 * PER_TRANSACTION), first=0)
    assert await state(desk) == (2 * PER_TRANSACTION, 2, 2 * PER_TRANSACTION)


async def test_a_bug_of_the_short_way__the_long_way_reads_the_record(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(FactReader, "read_record", broken)
    await desk.take_raw(topics.BOOKING_EVENTS, good(3))
    assert await state(desk) == (3, 1, 3)
