"""Renews `pins.toml`: resolves the closures anew, downloads every jar and notes what it is (maintainers only)."""

import hashlib
import tempfile
from pathlib import Path
from typing import Final

from jgo.maven import POM, MavenContext

from deploy.failures import Failure
from deploy.local import fetch, pins

KAFKA: Final = "org.apache.kafka:kafka_2.13:4.3.1"
LOGGING: Final = "org.slf4j:slf4j-simple:1.7.36"
POSTGRESQL: Final = "io.zonky.test.postgres:embedded-postgres-binaries-{platform}:18.4.0"
PLATFORMS: Final = ("linux-amd64", "linux-arm64v8", "darwin-amd64", "darwin-arm64v8")

# What the POMs write, as SPDX expressions. A name that is not here stops the renewal: somebody has to read it first.
_LICENCES: Final = {
    "Apache License, Version 2.0": "Apache-2.0",
    "The Apache License, Version 2.0": "Apache-2.0",
    "The Apache Software License, Version 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache-2.0": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD-2-Clause": "BSD-2-Clause",
    "Public Domain, per Creative Commons CC0": "CC0-1.0",
    "Go License": "BSD-3-Clause",
    "MIT": "MIT",
    "MIT License": "MIT",
    "The MIT License": "MIT",
}
_HEAD: Final = """\
# The jars of the local runner: what they are, never where they come from. Renewed by `hubnetz dev pins`.
# Every byte is checked against the SHA-512 before anything is unpacked or started.
"""


def closure(context: MavenContext, coordinates: str) -> list[str]:
    """The runtime closure as sorted `group:artifact:version`, the root included.

    Each root is resolved by itself: resolved together, the version table of one POM rules over the other's dependencies
    (with a log4j coordinate beside it the resolver silently chose kafka-clients 3.9.1 for a broker 4.x).
    """
    roots, rest = context.resolver.resolve([context.create_dependency(coordinates)])
    return sorted({f"{d.groupId}:{d.artifactId}:{d.version}" for d in [*roots, *rest]})


def refuse_mixed_versions(coordinates: list[str]) -> None:
    """Fail unless all jars of Kafka's own group are of one version."""
    versions = {c.split(":")[2] for c in coordinates if c.startswith("org.apache.kafka:")}
    if len(versions) != 1:
        raise Failure(
            f"The closure mixes jars of Kafka {', '.join(sorted(versions))}.",
            remedy="look which coordinate brings the other version, and resolve that one by itself",
        )


def _licence(context: MavenContext, coordinates: str) -> str:
    group, artifact, version = coordinates.split(":")
    pom: POM | None = context.project(group, artifact).at_version(version).pom()
    while pom is not None:
        found = [e.findtext("name") or e.findtext("{*}name") or "" for e in pom.elements("licenses/license")]
        if found:
            unknown = [name for name in found if name not in _LICENCES]
            if unknown:
                raise Failure(f"{coordinates} names the licence {unknown[0]!r}.", remedy="read it, add it to the table")
            return " OR ".join(dict.fromkeys(_LICENCES[name] for name in found))
        pom = context.pom_parent(pom)
    raise Failure(f"{coordinates} names no licence.", remedy="read its sources, then decide")


def _entry(context: MavenContext, use: str, coordinates: str, platform: str | None = None) -> str:
    group, artifact, version = coordinates.split(":")
    content = Path(context.project(group, artifact).at_version(version).artifact("", "jar").resolve()).read_bytes()
    licence = _licence(context, coordinates)
    if use == "postgresql":  # the POM speaks for the packaging, inside are PostgreSQL's own programs
        licence += " AND PostgreSQL"
    lines = ["[[jar]]", f'use = "{use}"', f'coordinates = "{coordinates}"']
    if platform:
        lines.append(f'platform = "{platform}"')
    lines += [f"size = {len(content)}", f'sha512 = "{hashlib.sha512(content).hexdigest()}"', f'licence = "{licence}"']
    return "\n".join(lines) + "\n"


def renew(path: Path = pins.PINS_FILE) -> int:
    """Write the file anew; the number of jars on return."""
    with tempfile.TemporaryDirectory(prefix="hubnetz-pins-") as scratch:
        context = fetch.maven(Path(scratch))
        broker = closure(context, KAFKA)
        refuse_mixed_versions(broker)
        entries = [_entry(context, "kafka", c) for c in broker]
        entries += [_entry(context, "logging", c) for c in closure(context, LOGGING) if c not in broker]
        entries += [_entry(context, "postgresql", POSTGRESQL.format(platform=p), p) for p in PLATFORMS]
    path.write_text("\n".join([_HEAD, *entries]), encoding="utf-8")
    return len(entries)
