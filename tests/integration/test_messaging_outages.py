"""Broker or database away for some seconds, under load: everything is answered afterwards, once. A minute: tests/chaos."""

from collections.abc import Iterator

import pytest

from tests.support.kafka import KafkaServer
from tests.support.outage import Pair, Server, private_pair, survives
from tests.support.postgres import PostgresServer
from tests.support.processes import House
from tests.support.recorder import SERVICE

AWAY_SECONDS = 4


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with private_pair() as made:
        yield made


@pytest.mark.timeout(120, func_only=True)
@pytest.mark.parametrize("name", ["postgres", "kafka"])
async def test_server_stopped_for_some_seconds_under_load__all_answered_once(pair: Pair, name: Server) -> None:
    house = await House.built(KafkaServer(pair.servers.kafka), PostgresServer(pair.servers.postgres).clone(SERVICE))
    try:
        await survives(pair, house, name, "stopped", seconds=AWAY_SECONDS, settle_seconds=45)
    finally:
        await house.stop()
