"""Every trap of the images and every bound of ours, as an assertion on the rendered compose files; no Docker needed."""

import copy
import itertools
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

import pytest

from contracts import topics
from deploy.installation import OVERLAYS
from tests.support import compose_rules
from tests.support.compose import MAIN, ROOT, MissingVariable, Project, overlay_files, rendered
from tests.support.compose_rules import RULES, Rule

VARIABLES: Final = {
    "HUBNETZ_HUB_ID": "nord",
    "HUBNETZ_HUB_NAME": "Hub Nord",
    "HUBNETZ_CLUSTER_ID": "AbcdefghijklmnopqrstuA",
    "HUBNETZ_MAIL_SENDER": "hub@nord.example",
    "HUBNETZ_MAIL_DOMAIN": "nord.example",
    "HUBNETZ_SMTP_HOST": "mx.nord.example",
    "HUBNETZ_SMTP_PORT": "587",
    "HUBNETZ_SMTP_SECURITY": "starttls",
}
CHOICES: Final = [names for count in range(len(OVERLAYS) + 1) for names in itertools.combinations(OVERLAYS, count)]
MAIN_LINES_MAX: Final = 200


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("overlays", CHOICES, ids=lambda names: "+".join(names) or "plain")
def test_rule_holds(rule: Rule, overlays: tuple[str, ...]) -> None:
    assert list(rule(rendered(overlay_files(*overlays), VARIABLES))) == []


def _set(*path: str) -> Callable[[object], Callable[[Project], None]]:
    """`_set("services", "kafka", "image")("x")` writes that place of a project."""

    def to(value: object) -> Callable[[Project], None]:
        def plant(project: Project) -> None:
            place = project
            for part in path[:-1]:
                place = place[part]
            place[path[-1]] = value

        return plant

    return to


def _drop(*path: str) -> Callable[[Project], None]:
    def plant(project: Project) -> None:
        place = project
        for part in path[:-1]:
            place = place[part]
        del place[path[-1]]

    return plant


def _broker(variable: str, value: str) -> Callable[[Project], None]:
    return _set("services", "kafka", "environment", variable)(value)


def _service(name: str, key: str, value: object) -> Callable[[Project], None]:
    return _set("services", name, key)(value)


PLANTED: Final[Mapping[str, tuple[Rule, Callable[[Project], None]]]] = {
    "a variable that becomes a property": (compose_rules.kafka_variables, _broker("KAFKA_VERSION", "4.3.1")),
    "scram written with one underscore": (compose_rules.kafka_variables, _broker("KAFKA_LISTENER_SCRAM_JAAS", "x")),
    "a property left to the packaged file": (
        compose_rules.kafka_variables,
        _drop("services", "kafka", "environment", "KAFKA_INTER_BROKER_LISTENER_NAME"),
    ),
    "topics made by whoever asks": (compose_rules.kafka_like_local, _broker("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "true")),
    "the log in the container": (compose_rules.kafka_data, _broker("KAFKA_LOG_DIRS", "/tmp/kafka")),  # noqa: S108
    "no volume": (compose_rules.kafka_data, _service("kafka", "volumes", [])),
    "the public cluster id": (compose_rules.kafka_cluster_id, _broker("CLUSTER_ID", compose_rules.PUBLIC_CLUSTER_ID)),
    "no cluster id": (compose_rules.kafka_cluster_id, _drop("services", "kafka", "environment", "CLUSTER_ID")),
    "a voter elsewhere": (compose_rules.kafka_quorum, _broker("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@broker:9093")),
    "advertised to itself": (compose_rules.kafka_quorum, _broker("KAFKA_ADVERTISED_LISTENERS", "PLAINTEXT://localhost:9092")),
    "sasl without its options": (compose_rules.kafka_plain, _broker("KAFKA_LISTENERS", "SASL_PLAINTEXT://:9092")),
    "anonymous as super user": (compose_rules.kafka_plain, _broker("KAFKA_SUPER_USERS", "User:ANONYMOUS")),
    "the broker's port published": (compose_rules.kafka_plain, _service("kafka", "ports", ["9092:9092"])),
    "a service that leaves security open": (
        compose_rules.kafka_plain,
        _drop("services", "catalog", "environment", "HUBNETZ_KAFKA_SECURITY"),
    ),
    "three copies on one broker": (compose_rules.kafka_copies, _broker("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "3")),
    "a client of another broker": (
        compose_rules.kafka_copies,
        _set("services", "notify", "environment", "HUBNETZ_KAFKA")("kafka-2:9092"),
    ),
    "a read-only broker": (compose_rules.kafka_writable, _service("kafka", "read_only", True)),
    "logs of the collector": (compose_rules.kafka_writable, _drop("services", "kafka", "environment", "EXTRA_ARGS")),
    "the volume of before 18": (
        compose_rules.postgres_data,
        _service("postgres", "volumes", ["postgres:/var/lib/postgresql/data"]),
    ),
    "scripts for an empty volume": (
        compose_rules.postgres_data,
        _service("postgres", "volumes", ["postgres:/var/lib/postgresql", "./sql:/docker-entrypoint-initdb.d"]),
    ),
    "a password in the environment": (
        compose_rules.postgres_login,
        _set("services", "postgres", "environment")({"POSTGRES_PASSWORD": "x"}),
    ),
    "trust": (compose_rules.postgres_login, _set("services", "postgres", "environment", "POSTGRES_HOST_AUTH_METHOD")("trust")),
    "root": (compose_rules.rights, _service("booking", "user", "0:0")),
    "a root that can be written to": (compose_rules.rights, _service("booking", "read_only", False)),
    "no init": (compose_rules.rights, _drop("services", "ops", "init")),
    "memory elsewhere": (compose_rules.rights, _service("notify", "tmpfs", ["/tmp", "/var"])),  # noqa: S108
    "a capability": (compose_rules.rights, _service("catalog", "cap_add", ["NET_ADMIN"])),
    "a writable volume": (compose_rules.rights, _service("catalog", "volumes", ["./data:/data"])),
    "too short a grace": (compose_rules.rights, _service("analytics", "stop_grace_period", "10s")),
    "memory without end": (compose_rules.bounds, _drop("services", "booking", "mem_limit")),
    "logs without end": (compose_rules.bounds, _drop("services", "kafka", "logging")),
    "files without end": (compose_rules.bounds, _drop("services", "booking", "ulimits")),
    "gone after a crash": (compose_rules.life, _service("booking", "restart", "no")),
    "a job for ever": (compose_rules.life, _service("migrate", "restart", "always")),
    "looked at every 30 s from the start": (compose_rules.life, _drop("services", "booking", "healthcheck", "start_interval")),
    "started before the topics": (compose_rules.life, _drop("services", "analytics", "depends_on", "topics")),
    "migrations before the database": (compose_rules.life, _drop("services", "migrate", "depends_on", "postgres")),
    "another health check": (compose_rules.life, _set("services", "booking", "healthcheck", "test")(["CMD", "true"])),
    "a name of its own": (compose_rules.islands, _service("booking", "container_name", "booking")),
    "the engine's socket": (
        compose_rules.islands,
        _service("booking", "volumes", ["/var/run/docker.sock:/var/run/docker.sock:ro"]),
    ),
    "a port for everybody": (compose_rules.islands, _service("booking", "ports", ["8080:8080"])),
    "a way out": (compose_rules.islands, _service("booking", "networks", {"bus": {}, "outside": {}})),
    "a volume named by hand": (compose_rules.islands, _set("volumes", "kafka")({"name": "kafka"})),
    "a bus that others join": (compose_rules.islands, _set("networks", "bus")({})),
    "a token in the environment": (
        compose_rules.secrets,
        _set("services", "booking", "environment", "HUBNETZ_SERVICE_TOKEN")("x"),
    ),
    "somebody else's database": (
        compose_rules.secrets,
        _service("catalog", "secrets", [{"source": "booking-database-url", "target": "database-url"}]),
    ),
    "the administrator's password": (
        compose_rules.secrets,
        _service("catalog", "secrets", [{"source": "postgres-admin", "target": "postgres-admin"}]),
    ),
    "a secret from the environment": (compose_rules.secrets, _set("secrets", "service-token")({"environment": "TOKEN"})),
    "an image without updates": (compose_rules.images, _service("kafka", "image", "bitnami/kafka:4.0")),
    "an image of any version": (compose_rules.images, _service("postgres", "image", "postgres:latest")),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_violation_is_found(name: str) -> None:
    rule, plant = PLANTED[name]
    project = copy.deepcopy(rendered(overlay_files(), VARIABLES))
    plant(project)
    assert list(rule(project)) != []


def test_rules_all__have_a_planted_violation() -> None:
    assert {rule for rule, _ in PLANTED.values()} == set(RULES)


@pytest.mark.parametrize("name", VARIABLES)
def test_variable_missing__compose_says_what_to_run(name: str) -> None:
    with pytest.raises(MissingVariable, match="run hubnetz init"):
        rendered(overlay_files("mailsink"), {key: value for key, value in VARIABLES.items() if key != name})


@pytest.mark.parametrize(
    ("variable", "property_"),
    [
        ("KAFKA_LOG_DIRS", "log.dirs"),
        ("KAFKA_LISTENER_NAME_X_SCRAM___SHA___512_SASL_JAAS_CONFIG", "listener.name.x.scram-sha-512.sasl.jaas.config"),
        ("KAFKA_A__B", "a_b"),
    ],
)
def test_property_of_a_variable(variable: str, property_: str) -> None:
    assert compose_rules.property_name(variable) == property_


def test_sink_chosen__notify_knows_no_relay_and_no_login() -> None:
    login = {"HUBNETZ_SMTP_USER": "hub", "HUBNETZ_SMTP_PASSWORD_FILE": "/run/secrets/smtp-password"}
    plain = rendered(overlay_files(), VARIABLES | login)["services"]["notify"]["environment"]
    sink = rendered(overlay_files("mailsink"), VARIABLES | login)["services"]["notify"]["environment"]
    assert login.items() <= plain.items()
    assert plain["HUBNETZ_DELIVERY"] == "live"
    assert "HUBNETZ_SMTP_USER" not in rendered(overlay_files(), VARIABLES)["services"]["notify"]["environment"]
    assert not login.keys() & sink.keys()
    assert (sink["HUBNETZ_DELIVERY"], sink["HUBNETZ_SMTP_HOST"]) == ("sink", "mailsink")


def test_reconcile__analytics_is_told_whom_to_ask_and_by_which_token() -> None:
    project = rendered(overlay_files(), VARIABLES)["services"]
    told = project["analytics"]["environment"]
    for service in ("booking", "analytics"):
        url = urlsplit(told[f"HUBNETZ_{service.upper()}_URL"])
        assert url.hostname == service
        assert str(url.port) == project[service]["environment"]["HUBNETZ_HTTP_PORT"]
    assert told["HUBNETZ_BOOKING_TOKEN_FILE"] == project["booking"]["environment"]["HUBNETZ_SERVICE_TOKEN_FILE"]
    assert {"source": "service-token", "target": "service-token"} in project["analytics"]["secrets"]
    assert told["HUBNETZ_TIME_ZONE"] == project["ops"]["environment"]["HUBNETZ_TIME_ZONE"]


def test_overlay_ha__its_nodes_differ_in_number_and_name_only() -> None:
    services = rendered(overlay_files("ha"), VARIABLES)["services"]
    first = services["kafka"]
    for number in (2, 3):
        other = services[f"kafka-{number}"]
        as_first = {"KAFKA_NODE_ID": 1, "KAFKA_ADVERTISED_LISTENERS": "PLAINTEXT://kafka:9092"}
        assert other["environment"] | as_first == first["environment"]
        assert other["volumes"] == [f"kafka-{number}:/var/lib/kafka/data"]
        assert {**other, "environment": {}, "volumes": []} == {**first, "environment": {}, "volumes": []}


def test_topics_all__have_a_bound_in_time_or_are_compacted() -> None:
    for topic in topics.ALL:
        assert topic.config().get("retention.ms", "-1") != "-1" or "compact" in topic.config()["cleanup.policy"], topic.name


def test_main_file__stays_a_page_that_is_read() -> None:
    assert len((ROOT / MAIN).read_text("utf-8").splitlines()) < MAIN_LINES_MAX
