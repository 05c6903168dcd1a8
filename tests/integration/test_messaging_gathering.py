"""Who is in no hurry takes what trickles in as few batches, and a backlog without a rest."""

import time
from collections.abc import Callable

from contracts import topics
from hubkit.messaging import BATCH_RECORDS_MAX, Subscription, no_plan
from tests.support import frontend
from tests.support.consuming import Seen, consuming, prepare
from tests.support.kafka import KafkaServer

REQUESTS = topics.BOOKING_REQUESTS
REST_SECONDS = 4.0


async def test_records_that_come_one_by_one_meanwhile__few_batches(
    kafka: KafkaServer, service_db: Callable[[str], str]
) -> None:
    dsn, seen, sent = service_db("notify"), Seen(), frontend.requests(21, offers=1)
    await prepare(kafka, dsn, REQUESTS)
    async with consuming(kafka, dsn, Subscription(REQUESTS, seen.handle, no_plan, gather_seconds=REST_SECONDS)) as stand:
        await kafka.produce(stand.topic, sent[:1])
        await stand.reached(1)
        for raw in sent[1:]:
            await kafka.produce(stand.topic, [raw])
        await stand.reached(21)
        assert len(seen.batches) <= 3  # aiokafka reads ahead once: what was there when the rest began comes before the others
        assert seen.ids() == [frontend.event_id(raw) for raw in sent]


async def test_backlog__no_rest_before_its_end(kafka: KafkaServer, service_db: Callable[[str], str]) -> None:
    dsn, seen, sent = service_db("notify"), Seen(), frontend.requests(2 * BATCH_RECORDS_MAX + 1, offers=1)
    await prepare(kafka, dsn, REQUESTS)
    await kafka.produce(kafka.name(REQUESTS.name), sent)
    async with consuming(kafka, dsn, Subscription(REQUESTS, seen.handle, no_plan, gather_seconds=REST_SECONDS)) as stand:
        await stand.reached(BATCH_RECORDS_MAX)
        first = time.monotonic()
        await stand.reached(len(sent))
        assert time.monotonic() - first < REST_SECONDS
