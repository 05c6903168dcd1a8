"""The pair of servers that tests run against: a clone per test, topics of its own, records as they were sent."""

import asyncpg

from tests.support.kafka import KafkaServer, Raw
from tests.support.postgres import PostgresServer


async def test_two_clones_of_one_template__do_not_see_each_other(postgres: PostgresServer) -> None:
    first, second = postgres.empty(), postgres.empty()
    one, two = await asyncpg.connect(first), await asyncpg.connect(second)
    try:
        await one.execute("CREATE TABLE only_here (id integer)")
        assert await two.fetchval("SELECT to_regclass('only_here')") is None
    finally:
        await one.close()
        await two.close()


async def test_records_with_any_bytes__come_back_as_they_were_sent(kafka: KafkaServer) -> None:
    topic = kafka.name("bytes")
    kafka.create(topic, partitions=2)
    sent = [
        Raw(key=b"\xff", headers=[("h", b"\xfe"), ("h", None)], value=None, partition=1),
        Raw(key=None, headers=[], value=b"\x00", partition=0),
    ]
    assert await kafka.produce(topic, sent) == [(1, 0), (0, 0)]
    read = await kafka.read(topic, count=2)
    assert [(r.partition, r.key, list(r.headers), r.value) for r in read] == [
        (0, None, [], b"\x00"),
        (1, b"\xff", [("h", b"\xfe"), ("h", None)], None),
    ]
    assert read == await kafka.read_all(topic)
