"""1,000 hostile records among 1,000 good ones: the good ones are handled, the others set aside, each with the right reason."""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable

import pytest

from tests.support import frontend, hostile
from tests.support.kafka import KafkaServer, Raw
from tests.support.processes import House
from tests.support.recorder import SERVICE

COUNT = 1_000
SEED = 20261124
pytestmark = pytest.mark.timeout(60, func_only=True)


@pytest.fixture
async def ours(kafka: KafkaServer, service_db: Callable[[str], str]) -> AsyncIterator[House]:
    built = await House.built(kafka, service_db(SERVICE), partitions=6)
    yield built
    await built.stop()


async def test_hostile_records_among_good_ones__sorted_out_and_no_payload_in_any_log(ours: House) -> None:
    good = frontend.requests(COUNT)
    bad = frontend.hostile(COUNT, seed=SEED)
    mixed: list[Raw] = [*good, *(raw for raw, _ in bad)]
    random.Random(SEED).shuffle(mixed)
    running = ours.start()
    await running.port()
    await asyncio.to_thread(hostile.produce, ours.kafka.address, ours.requests, mixed)
    # Below the envelope: names that are no UTF-8, a batch that unpacks to 100 MB.
    for partition in range(6):
        odd = [hostile.Bare(b"k", [(b"\xff", frontend.PERSON.encode())], frontend.PERSON.encode())] * 5
        await hostile.send(ours.kafka.address, ours.requests, partition, hostile.batch(odd, codec=hostile.ZSTD))
    bomb = hostile.batch([hostile.Bare(b"k", [], frontend.PERSON.encode() * 5_000_000)], codec=hostile.ZSTD)
    await hostile.send(ours.kafka.address, ours.requests, 0, bomb)

    await ours.settled(2 * COUNT + 31, seconds=40)
    assert await ours.faults(good) == []
    letters = await ours.fetch("SELECT reason, payload, key, attempts FROM dead_letters")
    wanted = Counter(reason for _, reason in bad) + Counter({"bad_encoding": 30, "too_large": 1})
    assert Counter(row["reason"] for row in letters) == wanted
    assert {row["attempts"] for row in letters} == {1}
    assert len(await ours.kafka.read_all(ours.dead_letters)) == len(letters), "each travels to the topic too"
    by_value = {(raw.key, raw.value): reason for raw, reason in bad if raw.value is not None and reason == "bad_json"}
    for row in letters:
        assert by_value.get((row["key"], row["payload"]), row["reason"]) == row["reason"]

    running.signal(signal.SIGTERM)
    assert await running.ended() == 0
    log = running.log.read_text()
    assert log.count("record set aside") == len(letters)
    assert frontend.PERSON not in log
    assert all(line["level"] in ("info", "warning") for line in running.lines()), "hostile is not broken"
