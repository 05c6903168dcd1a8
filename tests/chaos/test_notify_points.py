"""Notify killed at each named point on the way of a confirmation, from the handled poll to the written result."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.kafka import KafkaServer
from tests.support.mail_sink import MailSink, mail_sink
from tests.support.notify_crash import killed_at
from tests.support.notify_events import NOW
from tests.support.notify_process import FileClock

# Where the process dies -> how many of a confirmation may arrive; two only where the relay's answer was lost with it.
POINTS = {
    "consume.after_handle": 1,
    "consume.after_commit": 1,
    "notify.after_claim": 1,
    "notify.after_mark": 1,
    "notify.on_wire": 1,
    "notify.before_result": 2,
    "notify.after_result": 1,
}


@pytest.fixture(scope="module")
def sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailSink]:
    """What others received is told apart by message."""
    with mail_sink(tmp_path_factory.mktemp("sink")) as one:
        yield one


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.timeout(90)
async def test_killed_at_each_point__everybody_is_told_and_twice_only_where_the_answer_was_lost(
    kafka: KafkaServer, service_db: Callable[[str], str], sink: MailSink, tmp_path: Path, point: str
) -> None:
    clock = FileClock(tmp_path / "clock")
    clock.set(NOW + timedelta(hours=1))

    await killed_at(point, kafka, service_db("notify"), sink, clock, tmp_path, most=POINTS[point])
