"""Broker or database away for a minute, under load: stopped, so that connections are refused, or frozen."""

from collections.abc import Iterator

import pytest

from tests.support.kafka import KafkaServer
from tests.support.outage import Pair, Server, Way, private_pair, survives
from tests.support.postgres import PostgresServer
from tests.support.processes import House
from tests.support.recorder import SERVICE

AWAY_SECONDS = 60


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with private_pair() as made:
        yield made


@pytest.mark.timeout(300, func_only=True)
@pytest.mark.parametrize("way", ["stopped", "frozen"])
@pytest.mark.parametrize("name", ["postgres", "kafka"])
async def test_server_away_for_a_minute_under_load__all_answered_once(pair: Pair, name: Server, way: Way) -> None:
    house = await House.built(KafkaServer(pair.servers.kafka), PostgresServer(pair.servers.postgres).clone(SERVICE))
    try:
        await survives(pair, house, name, way, seconds=AWAY_SECONDS, settle_seconds=120)
    finally:
        await house.stop()
