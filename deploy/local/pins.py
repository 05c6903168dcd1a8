"""What the local runner downloads, pinned by coordinates, size and SHA-512 in `pins.toml`; never where it comes from."""

import platform
import sys
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, cast

from deploy.failures import MISSING, Failure

PINS_FILE: Final = Path(__file__).with_name("pins.toml")
Use = Literal["kafka", "logging", "postgresql"]

_SYSTEMS: Final = {"linux": "linux", "darwin": "darwin"}
_MACHINES: Final = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64v8", "arm64": "arm64v8"}


@dataclass(frozen=True, slots=True)
class Pin:
    """One jar: Maven coordinates `group:artifact:version`, the platform it is for (None: any), and what it must be."""

    use: Use
    coordinates: str
    platform: str | None
    size: int
    sha512: str
    licence: str

    @property
    def artifact(self) -> str:
        return self.coordinates.split(":")[1]

    @property
    def version(self) -> str:
        return self.coordinates.split(":")[2]

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


def this_platform() -> str:
    """The platform's name in `pins.toml`, e.g. `linux-amd64`."""
    system, machine = _SYSTEMS.get(sys.platform), _MACHINES.get(platform.machine().lower())
    if system is None or machine is None:
        raise Failure(
            f"No server binaries are pinned for {sys.platform} on {platform.machine()}.",
            remedy="point HUBNETZ_KAFKA and HUBNETZ_POSTGRES to servers of your own, or use compose.yaml (Windows: WSL)",
            code=MISSING,
        )
    return f"{system}-{machine}"


@lru_cache(maxsize=4)
def read(path: Path = PINS_FILE) -> tuple[Pin, ...]:
    """All pins, in the order of the file."""
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["jar"]
    return tuple(
        Pin(
            use=cast(Use, row["use"]),
            coordinates=row["coordinates"],
            platform=row.get("platform"),
            size=row["size"],
            sha512=row["sha512"],
            licence=row["licence"],
        )
        for row in rows
    )


def kafka() -> tuple[Pin, ...]:
    """The broker's class path: Kafka's runtime closure and the logging binding."""
    return tuple(pin for pin in read() if pin.use in ("kafka", "logging"))


def postgresql() -> Pin:
    """The database server for this platform."""
    wanted = this_platform()
    return next(pin for pin in read() if pin.use == "postgresql" and pin.platform == wanted)


def kafka_version() -> str:
    """The broker's version, e.g. `4.3.1`."""
    return next(pin.version for pin in read() if pin.artifact == "kafka_2.13")
