"""What must hold in every rendered compose project of ours: the traps of the images, the rights of our containers, the bounds.

Each rule yields what is wrong in words, nothing if all is well. `tests/integration/test_compose_rules.py` plants a violation of
every one.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from deploy.local.folder import DataFolder
from deploy.local.kafka import Kafka, settings
from tests.support.compose import ONE_SHOTS, Project, brokers, own

# Variables of the broker's container that are no properties: the image and Kafka's own scripts take them.
_SPARED: Final = frozenset(
    {"KAFKA_HEAP_OPTS", "KAFKA_OPTS", "KAFKA_JMX_OPTS", "KAFKA_JVM_PERFORMANCE_OPTS", "KAFKA_GC_LOG_OPTS"}
)
# What the local runner's broker is told, and what three brokers need besides.
_LOCAL: Final = frozenset(settings(Kafka(DataFolder(Path("unused")), 1, 2)))
KNOWN_PROPERTIES: Final = _LOCAL | {"default.replication.factor", "min.insync.replicas"}
PUBLIC_CLUSTER_ID: Final = "5L6g3nShT-eMCtK--X86sw"  # the image's default, the same for everybody
_MEMORY: Final = {"kafka": "1g", "postgres": "768m", "topics": "128m"}
_OUTSIDE: Final = frozenset({"catalog", "notify", "mailsink"})
_SECRET_WORDS: Final = re.compile(r"TOKEN|KEY|PASSWORD|SECRET|DATABASE_URL|DSN")
_BOUNDED_LOGS: Final = {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}}


def property_name(variable: str) -> str:
    """The broker property that the image makes of a variable: `KAFKA_A_B__C___D` is `a.b_c-d`."""
    text = variable.removeprefix("KAFKA_").lower()
    return text.replace("___", "-").replace("__", "\0").replace("_", ".").replace("\0", "_")


def properties(broker: Project) -> dict[str, str]:
    """What the broker is told, by the names of its own documentation."""
    told = {name: value for name, value in broker["environment"].items() if name.startswith("KAFKA_") and name not in _SPARED}
    return {property_name(name): str(value) for name, value in told.items()}


def kafka_variables(project: Project) -> Iterator[str]:
    """Any KAFKA_A_B becomes a property, also one that was meant for something else; and one throws the packaged file away."""
    for name, broker in brokers(project).items():
        told = properties(broker).keys()
        yield from (f"{name}: {each} is no property that we know" for each in sorted(told - KNOWN_PROPERTIES))
        yield from (f"{name}: {each} is missing, and its default is not ours" for each in sorted(KNOWN_PROPERTIES - told))


def kafka_like_local(project: Project) -> Iterator[str]:
    """What has nothing to do with addresses, number of brokers and folders is the same as in the local runner."""
    addresses = re.compile(r"listeners|voters|log\.dirs|node\.id|replication\.factor|min\.isr|min\.insync")
    local = settings(Kafka(DataFolder(Path("unused")), 1, 2))
    for name, broker in brokers(project).items():
        told = properties(broker)
        for each, value in local.items():
            if not addresses.search(each) and told.get(each) != value:
                yield f"{name}: {each} is {told.get(each)}, locally {value}"


def kafka_data(project: Project) -> Iterator[str]:
    """The default folder is /tmp, which goes with the container."""
    for name, broker in brokers(project).items():
        folder = properties(broker).get("log.dirs", "/tmp")  # noqa: S108 - the image's default
        if folder not in _mounts(broker):
            yield f"{name}: {folder} is on no volume"


def kafka_cluster_id(project: Project) -> Iterator[str]:
    """Equal ids would hide crossed wires between hubs; all brokers of one have the same."""
    ids = {broker["environment"].get("CLUSTER_ID") for broker in brokers(project).values()}
    if len(ids) != 1 or ids & {None, "", PUBLIC_CLUSTER_ID}:
        yield f"cluster ids {sorted(map(str, ids))}"


def kafka_quorum(project: Project) -> Iterator[str]:
    """The image formats with id and configuration only, so voters are static: each broker of the project and nobody else."""
    nodes = brokers(project)
    wanted = {f"{properties(each).get('node.id')}@{name}:9093" for name, each in nodes.items()}
    for name, broker in nodes.items():
        if set(properties(broker).get("controller.quorum.voters", "").split(",")) != wanted:
            yield f"{name}: voters are not {sorted(wanted)}"
        if properties(broker).get("advertised.listeners") != f"PLAINTEXT://{name}:9092":
            yield f"{name}: other containers do not find it by what it advertises"


def kafka_plain(project: Project) -> Iterator[str]:
    """SASL and TLS want files and options that only their overlay brings; the log is reached from inside alone."""
    for name, broker in brokers(project).items():
        told = " ".join(properties(broker).values())
        if re.search(r"SASL|SSL|ANONYMOUS", told):
            yield f"{name}: speaks of SASL, TLS or anonymous users"
        if set(broker["networks"]) != {"bus"} or broker.get("ports"):
            yield f"{name}: can be reached from outside the network of the hub"
    for name, service in own(project).items():
        environment = service.get("environment", {})
        if "HUBNETZ_KAFKA" in environment and environment.get("HUBNETZ_KAFKA_SECURITY") != "plaintext-internal":
            yield f"{name}: does not say how to speak to the broker"


def kafka_copies(project: Project) -> Iterator[str]:
    """As many copies as there are brokers up to three, and one less has to acknowledge; clients know all brokers."""
    nodes = brokers(project)
    factor = min(3, len(nodes))
    for name, broker in nodes.items():
        for each, value in properties(broker).items():
            wanted = factor if each.endswith("replication.factor") else max(1, factor - 1)
            if re.search(r"replication\.factor$|min\.isr$|min\.insync", each) and value != str(wanted):
                yield f"{name}: {each} is {value}, not {wanted}"
    for name, service in own(project).items():
        told = service.get("environment", {}).get("HUBNETZ_KAFKA")
        if told is not None and told != ",".join(f"{node}:9092" for node in sorted(nodes)):
            yield f"{name}: knows only {told}"


def kafka_writable(project: Project) -> Iterator[str]:
    """The image writes its configuration and its logs where a read-only root would forbid it."""
    for name, broker in brokers(project).items():
        memory = {entry.partition(":")[0] for entry in broker.get("tmpfs", [])}
        if broker.get("read_only") and not {"/opt/kafka/config", "/opt/kafka/logs"} <= memory:
            yield f"{name}: read-only without memory at /opt/kafka/config and /opt/kafka/logs"
        if "-loggc" in broker["environment"].get("EXTRA_ARGS", "-loggc"):
            yield f"{name}: logs of the garbage collector grow to 1 GB in the container"


def postgres_data(project: Project) -> Iterator[str]:
    """Since 18 the volume belongs at /var/lib/postgresql; with .../data the image refuses to start."""
    mounts = _mounts(project["services"]["postgres"])
    if "/var/lib/postgresql" not in mounts:
        yield "nothing is mounted at /var/lib/postgresql"
    if any(mount.startswith("/var/lib/postgresql/") for mount in mounts):
        yield "a volume below /var/lib/postgresql"
    if any("docker-entrypoint-initdb.d" in mount for mount in mounts):
        yield "scripts that run on an empty volume only: that is the work of `migrate`"


def postgres_login(project: Project) -> Iterator[str]:
    """No password in the environment, and no trust beyond the socket."""
    environment = project["services"]["postgres"]["environment"]
    if environment.get("POSTGRES_PASSWORD_FILE") != "/run/secrets/postgres-admin":
        yield "the administrator's password is not read from its file"
    if environment.get("POSTGRES_HOST_AUTH_METHOD", "scram-sha-256") != "scram-sha-256":
        yield "logins without a password"


def rights(project: Project) -> Iterator[str]:
    """Our processes may do nothing but compute, talk, and write to memory."""
    wanted: dict[str, Any] = {
        "user": "10001:10001",
        "read_only": True,
        "init": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "pids_limit": 200,
        "stop_grace_period": "40s",
    }
    for name, service in own(project).items():
        yield from (f"{name}: {key} is {service.get(key)}" for key, value in wanted.items() if service.get(key) != value)
        if [entry.partition(":")[0] for entry in service.get("tmpfs", [])] != ["/tmp"]:  # noqa: S108 - the folder of processes
            yield f"{name}: memory to write to is not /tmp alone"
        if service.get("cap_add") or service.get("privileged"):
            yield f"{name}: has rights of its own"
        if any(volume for volume in service.get("volumes", []) if not (isinstance(volume, dict) and volume.get("read_only"))):
            yield f"{name}: has a volume that it may write to"


def bounds(project: Project) -> Iterator[str]:
    """Memory, files, logs: everything has a limit."""
    for name, service in project["services"].items():
        memory = _MEMORY.get(name, "1g" if name in brokers(project) else "256m")
        if service.get("mem_limit") != memory:
            yield f"{name}: memory {service.get('mem_limit')}, not {memory}"
        if service.get("logging") != _BOUNDED_LOGS:
            yield f"{name}: logs without a bound"
    for name, service in own(project).items():
        if not str(service.get("ulimits", {}).get("nofile", "")).isdecimal():
            yield f"{name}: any number of open files"


def life(project: Project) -> Iterator[str]:
    """What serves comes back by itself and says how it is; jobs run once, services wait for both."""
    jobs = {"migrate": "service_completed_successfully", "topics": "service_completed_successfully"}
    for name, service in project["services"].items():
        if service.get("restart") != ("no" if name in ONE_SHOTS else "always"):
            yield f"{name}: restart is {service.get('restart')}"
        health = service.get("healthcheck", {})
        if name not in ONE_SHOTS and not {"test", "start_period", "start_interval"} <= health.keys():
            yield f"{name}: no health check that looks often at the start"
        conditions = {other: each.get("condition") for other, each in service.get("depends_on", {}).items()}
        if "services." in " ".join(service.get("command", [])):
            if not jobs.items() <= conditions.items():
                yield f"{name}: starts before migrations and topics are there"
            if health.get("test", [])[1:] != ["python", "-m", "hubkit.health"]:
                yield f"{name}: is not asked whether it is ready"
    for job, servers in (("migrate", {"postgres"}), ("topics", set(brokers(project)))):
        conditions = project["services"][job].get("depends_on", {})
        if {name for name, each in conditions.items() if each.get("condition") == "service_healthy"} != servers:
            yield f"{job}: does not wait for {sorted(servers)}"


def islands(project: Project) -> Iterator[str]:
    """A second project fits beside this one, and only what has to leaves the internal network."""
    for name, service in project["services"].items():
        if "container_name" in service:
            yield f"{name}: a name of its own"
        if any("docker.sock" in mount for mount in _mounts(service)):
            yield f"{name}: the engine's socket"
        yield from (f"{name}: port {port} is open to everybody" for port in service.get("ports", []) if not _is_local(port))
        if set(service["networks"]) != ({"bus", "outside"} if name in _OUTSIDE else {"bus"}):
            yield f"{name}: is in {sorted(service['networks'])}"
    for kind in ("volumes", "networks"):
        yield from (f"{kind}: {name} is named by hand" for name, each in project[kind].items() if "name" in (each or {}))
    if project["networks"]["bus"] != {"internal": True}:
        yield "the bus is no internal network"


def secrets(project: Project) -> Iterator[str]:
    """A secret is a file that only its readers get; none is in an environment, which too many tools show."""
    known = project["secrets"]
    for name, service in project["services"].items():
        for variable, value in service.get("environment", {}).items():
            if _SECRET_WORDS.search(variable) and not str(value).startswith("/run/secrets"):
                yield f"{name}: {variable} is in the environment"
        yield from (f"{name}: unknown secret {s['source']}" for s in service.get("secrets", []) if s["source"] not in known)
        sources = {secret["source"] for secret in service.get("secrets", [])}
        if name not in ONE_SHOTS and name not in brokers(project):
            foreign = {each for each in sources if each.endswith("-database-url") and not each.startswith(f"{name}-")}
            yield from (
                f"{name}: has {each}"
                for each in sorted(foreign | (sources & {"postgres-admin"} if name != "postgres" else set()))
            )
    yield from (f"secret {name} is no file" for name, each in known.items() if set(each) != {"file"})


def images(project: Project) -> Iterator[str]:
    """Three images, by version; none that gets no updates any more."""
    for name, service in project["services"].items():
        image = service["image"]
        if not re.fullmatch(r"(hubnetz|postgres|apache/kafka):\d+\.\d+(\.\d+)?", image):
            yield f"{name}: {image} is no exact version of an image that we know"


def _mounts(service: Project) -> set[str]:
    """Paths inside the container, and host paths of binds."""
    found = set()
    for volume in service.get("volumes", []):
        parts = [volume["source"], volume["target"]] if isinstance(volume, dict) else volume.split(":")[:2]
        found |= {part for part in parts if part.startswith("/")}
    return found


def _is_local(port: object) -> bool:
    return str(port).startswith("127.0.0.1:")


Rule = Callable[[Project], Iterator[str]]
RULES: Final[tuple[Rule, ...]] = (
    kafka_variables,
    kafka_like_local,
    kafka_data,
    kafka_cluster_id,
    kafka_quorum,
    kafka_plain,
    kafka_copies,
    kafka_writable,
    postgres_data,
    postgres_login,
    rights,
    bounds,
    life,
    islands,
    secrets,
    images,
)
