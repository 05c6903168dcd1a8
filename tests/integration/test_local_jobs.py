"""The migrate and topics jobs: harmless when repeated, never destructive, and telling what is left."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from contracts import topics as catalogue
from contracts.topics import Topic
from deploy import migrate, topics
from deploy.failures import Failure
from tests.support.kafka import KafkaServer
from tests.support.postgres import PostgresServer

ROOT = Path(__file__).parents[2]


def table(kafka: KafkaServer) -> list[Topic]:
    """The catalogue under this test's own names."""
    return [replace(topic, name=kafka.name(topic.name)) for topic in catalogue.ALL]


def remove(kafka: KafkaServer, wanted: list[Topic]) -> None:
    for topic in wanted:
        kafka.delete(topic.name)


def test_topics_applied__nothing_left_to_plan(kafka: KafkaServer) -> None:
    wanted = table(kafka)
    admin = topics.admin_of({"bootstrap.servers": kafka.address})
    planned = topics.plan(admin, wanted)
    assert [(change.what, change.topic) for change in planned] == [("create", topic.name) for topic in wanted]
    assert topics.apply(admin, wanted, replication=1) == []
    assert topics.plan(admin, wanted) == []
    assert topics.apply(admin, wanted, replication=1) == []
    assert [kafka.partitions(topic.name) for topic in wanted] == [topic.partitions for topic in wanted]
    remove(kafka, wanted)


def test_topic_differs__settings_altered_partitions_only_on_demand(kafka: KafkaServer) -> None:
    (topic,) = table(kafka)[:1]
    admin = topics.admin_of({"bootstrap.servers": kafka.address})
    topics.apply(admin, [topic], replication=1)
    other = replace(topic, retention_ms=86_400_000, partitions=topic.partitions + 1)
    assert [str(c).removeprefix(topic.name) for c in topics.plan(admin, [other])] == [
        ": retention.ms 1209600000 -> 86400000",
        ": partitions 6 -> 7 (keys move: only with --repartition)",
    ]
    left = topics.apply(admin, [other], replication=1)
    assert [change.what for change in left] == ["partitions"]
    assert kafka.partitions(topic.name) == topic.partitions
    assert topics.apply(admin, [other], replication=1, repartition=True) == []
    assert kafka.partitions(topic.name) == topic.partitions + 1
    assert [change.what for change in topics.apply(admin, [topic], replication=1, repartition=True)] == ["fewer"]
    remove(kafka, [topic])


def test_topic_that_the_table_does_not_know__left_alone(kafka: KafkaServer) -> None:
    stranger = kafka.name("stranger")
    kafka.create(stranger)
    admin = topics.admin_of({"bootstrap.servers": kafka.address})
    (topic,) = table(kafka)[:1]
    topics.apply(admin, [topic], replication=1)
    assert kafka.partitions(stranger) == 1
    remove(kafka, [topic])


def test_broker_away__failure_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "_SECONDS", 1.0)
    with pytest.raises(Failure, match="does not list its topics"):
        topics.plan(topics.admin_of({"bootstrap.servers": "127.0.0.1:9"}), catalogue.ALL)


async def test_migrate__makes_what_is_missing_and_repeats_harmlessly(postgres: PostgresServer) -> None:
    name = postgres.empty().rpartition("/")[2]
    first = await migrate.migrate(postgres.dsn, service="booking", password=postgres.password("booking"), database=name)
    again = await migrate.migrate(postgres.dsn, service="booking", password=postgres.password("booking"), database=name)
    assert first == again
    connection = await asyncpg.connect(first)
    try:
        assert await connection.fetchval("SELECT count(*) FROM outbox") == 0
        installed = {row["extname"] for row in await connection.fetch("SELECT extname FROM pg_extension")}
        assert set(migrate.EXTENSIONS) <= installed
        assert await connection.fetchval("SELECT unaccent('Großröhrsdorf')") == "Grossrohrsdorf"
    finally:
        await connection.close()


async def test_three_migrate_jobs_at_once__all_end_well(postgres: PostgresServer) -> None:
    name = postgres.empty().rpartition("/")[2]
    code = "import asyncio, sys; from deploy import migrate as m; dsn, password, name = sys.argv[1:]; "
    code += "asyncio.run(m.migrate(dsn, service='booking', password=password, database=name))"
    command = [sys.executable, "-c", code, postgres.dsn, postgres.password("booking"), name]
    jobs = [await asyncio.create_subprocess_exec(*command, cwd=ROOT, stderr=asyncio.subprocess.PIPE) for _ in range(3)]
    told = [(await job.communicate())[1].decode() for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0, 0], "\n".join(told)


@pytest.mark.parametrize("password", ["a%b", "a'b", 'a"b', "a@b/c:d", "ä ö", "a\\b"])
async def test_password_with_odd_characters__the_service_gets_in(postgres: PostgresServer, password: str) -> None:
    role = f"odd_{postgres.empty().rpartition('/')[2]}"
    admin = await asyncpg.connect(postgres.dsn)
    try:
        await admin.execute(await admin.fetchval(migrate._CREATE_ROLE, role, password))
        dsn = migrate.dsn_for(postgres.dsn, database="postgres", role=role, password=password)
        connection = await asyncpg.connect(dsn)
        assert await connection.fetchval("SELECT current_user") == role
        await connection.close()
        await admin.execute(f'DROP ROLE "{role}"')
    finally:
        await admin.close()


def test_clone__is_the_services_own_and_at_head(postgres: PostgresServer) -> None:
    assert postgres.clone("booking").startswith("postgresql://booking:")
    assert postgres.clone("booking") != postgres.clone("booking")
