"""Three brokers by the overlay: every log on all of them, and one may go."""

import re
from collections.abc import Iterator

import pytest

from contracts import topics
from tests.docker.test_kills import assert_settled, kill_each
from tests.support import compose_hub
from tests.support.compose_hub import ComposeHub

pytestmark = pytest.mark.timeout(1500)
TOPICS = "/opt/kafka/bin/kafka-topics.sh"


@pytest.fixture(scope="module")
def hub(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeHub]:
    """A hub on three brokers."""
    with compose_hub.hub(tmp_path_factory.mktemp("ha"), "ha", "ha", "mailsink") as running:
        yield running


def test_logs_of_three_brokers__are_on_all_and_two_acknowledge(hub: ComposeHub) -> None:
    assert {state for name, state in hub.states().items() if name.startswith("kafka")} == {"running healthy"}
    told = hub.compose(
        "exec", "-T", "-e", "KAFKA_HEAP_OPTS=-Xmx128m", "kafka", TOPICS, "--bootstrap-server", "kafka:9092", "--describe"
    )
    found = dict(re.findall(r"^Topic: (\S+)\s.*?ReplicationFactor: (\d+)", told, re.MULTILINE))
    ours = {topic.name for topic in topics.ALL}
    assert ours <= found.keys()
    assert set(found.values()) == {"3"}
    assert all(len(isr.split(",")) == 3 for isr in re.findall(r"Isr: (\S+)", told))


def test_record_on_one_broker_only__is_not_acknowledged(hub: ComposeHub) -> None:
    code = (
        "from confluent_kafka.admin import AdminClient, ConfigResource; from deploy import hub\n"
        "admin = AdminClient(hub.running(None).admin_settings())\n"
        "asked = [ConfigResource('TOPIC', name) for name in admin.list_topics(timeout=10).topics]\n"
        "print({told.result(10)['min.insync.replicas'].value for told in admin.describe_configs(asked).values()})"
    )
    assert hub.ops("python", "-c", code).strip() == "{'2'}"


def test_each_broker_killed_under_load__nothing_lost_or_doubled(hub: ComposeHub) -> None:
    outcome = kill_each(hub, "kafka", "kafka-2", "kafka-3")
    assert outcome["asked"] > 50
    assert outcome["wrong"] == outcome["strangers"] == outcome["unmailed"] == 0
    assert_settled(hub)
