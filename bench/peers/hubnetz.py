"""Hubnetz in the same loop: so many people at once, over the bus that it is asked on, the answer read there too."""

import time
from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Final

from bench.bookings import Town
from bench.frontend import Frontend, Wanted
from bench.peers.loop import ANSWER_SECONDS_MAX, Answer, Run
from bench.peers.peer import Counts, counted

_LOOK_SECONDS: Final = 0.0005
_MEANS: Final = {"BookingConfirmed": Answer.CONFIRMED, "BookingRejected": Answer.REFUSED}
# The session's claims beyond its places and the pairs of claims on one unit that overlap, counted from the claims alone.
_COUNTS: Final = """
SELECT
    (SELECT count(*) FROM bookings WHERE state = 'confirmed')::int,
    (
        SELECT coalesce(sum(greatest(0, taken - capacity)), 0)
        FROM (
            SELECT r.capacity, sum(a.quantity) AS taken
            FROM resources AS r
            JOIN allocations AS a ON a.resource_id = r.resource_id AND a.blocking
            WHERE r.kind = 'session'
            GROUP BY r.resource_id
        ) AS s
    )::int,
    (
        SELECT count(*)
        FROM allocations AS a
        JOIN allocations AS b ON b.unit_no = a.unit_no AND b.occupied && a.occupied AND b.booking_id > a.booking_id
        WHERE a.blocking AND b.blocking
    )::int
"""


async def counts(dsn: str) -> Counts:
    """Read from booking's tables."""
    sold, oversold, doubled = await counted(dsn, _COUNTS)
    return Counts(sold=sold, oversold=oversold, doubled=doubled)


class SmallTown(Town):
    """The town of the other benchmarks, with fewer places in its session than will be asked for."""

    def __init__(self, seed: int, now: datetime, places: int) -> None:
        super().__init__(seed, now)
        self.places = places

    def _session(self) -> dict[str, object]:
        booking = super()._session()
        resources = booking["resources"]
        assert isinstance(resources, list)
        return booking | {"resources": [resource | {"capacity": self.places} for resource in resources]}


def closed(frontend: Frontend, requests: Sequence[Wanted], at_once: int) -> Run:
    """Each person sends the next request when the last was answered; one that is never answered has failed."""
    answers = frontend.answers
    waiting = iter(requests)
    sent: dict[bytes, float] = {}
    each: list[tuple[float, Answer]] = []
    started = time.perf_counter()
    deadline = started + ANSWER_SECONDS_MAX
    for request in islice(waiting, at_once):
        sent[request.request_id] = time.perf_counter()
        frontend.send(request)
    while sent and time.perf_counter() < deadline:
        for request_id in [one for one in sent if one in answers.arrived]:
            each.append(
                (
                    (answers.arrived[request_id] - sent.pop(request_id)) * 1000,
                    _MEANS.get(answers.names[request_id], Answer.FAILED),
                )
            )
            for request in islice(waiting, 1):
                sent[request.request_id] = time.perf_counter()
                frontend.send(request)
        time.sleep(_LOOK_SECONDS)
    each.extend((ANSWER_SECONDS_MAX * 1000, Answer.FAILED) for _ in sent)
    return Run(max([started, *(answers.arrived.get(r.request_id, 0.0) for r in requests)]) - started, each)
