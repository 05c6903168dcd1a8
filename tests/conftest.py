"""Levels, servers and databases for all tests. Nobody imports from here: what tests import lives in `tests.support`."""

from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.support import servers
from tests.support.kafka import KafkaServer
from tests.support.postgres import PostgresServer
from tests.support.servers import Servers

LEVELS = {
    "unit": "rules as tables and properties: no input or output",
    "contracts": "what travels: examples, topics, schemas",
    "tidy": "rules about the code",
    "service": "one service through its messages and HTTP: real database, broker in memory",
    "integration": "real Kafka and PostgreSQL",
    "e2e": "journeys through a whole hub",
    "chaos": "kill, pause and cut at named points",
    "docker": "the image and the hub of compose.yaml; needs a Docker engine",
}

WITH_SERVERS = ("service", "integration", "e2e", "chaos")
SECONDS_MAX = 90  # of the test alone: the first one that asks for servers waits for their download too


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def pytest_configure(config: pytest.Config) -> None:
    # Examples have no deadline: they run beside everything else and say nothing about speed.
    hypothesis.settings.register_profile("hubnetz", deadline=None)
    hypothesis.settings.load_profile("hubnetz")
    for level, what in LEVELS.items():
        config.addinivalue_line("markers", f"{level}: {what}")
    if not _is_worker(config):
        servers.begin()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not _is_worker(config):
        servers.end()


def pytest_report_header() -> str:
    return f"servers: {servers.described()}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The directory is the level and sets the marker."""
    here = Path(__file__).parent
    for item in items:
        level = item.path.relative_to(here).parts[0]
        assert level in LEVELS, f"{item.path} lies in none of the levels {', '.join(LEVELS)}"
        item.add_marker(level)
        if level in WITH_SERVERS and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(SECONDS_MAX, func_only=True))


class HubsInOneWorker(LoadScopeScheduling):  # type: ignore[misc] # xdist tells no types
    """Tests of whole hubs begin first and go one after the other in one worker; each other test goes to whoever is free.

    Two hubs at a time take longer than one after the other: each has work for two cores.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "e2e" if nodeid.startswith("tests/e2e/") else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> HubsInOneWorker:
    return HubsInOneWorker(config, log)


@pytest.fixture(scope="session")
def test_servers() -> Servers:
    """Broker and database of this run. None is a failure, never a skip."""
    return servers.find()


@pytest.fixture(scope="session")
def postgres_server(test_servers: Servers) -> PostgresServer:
    """The database server; what it clones is dropped after each test by `postgres`."""
    return PostgresServer(test_servers.postgres)


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """The database server; its clones live as long as the test."""
    yield postgres_server
    postgres_server.drop_clones()


@pytest.fixture
def service_db(postgres: PostgresServer) -> Callable[[str], str]:
    """`service_db("booking")` is the address of a fresh database at the newest migrations, for this test alone."""
    return postgres.clone


@pytest.fixture
def kafka(test_servers: Servers) -> Iterator[KafkaServer]:
    """The broker, with a prefix of this test's own; its topics live as long as the test."""
    server = KafkaServer(test_servers.kafka)
    yield server
    server.delete_topics()
