"""The pinned downloads: what does not agree with its SHA-512 is neither kept nor unpacked."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.failures import Failure
from deploy.local import fetch, pins, renew
from deploy.local.pins import Pin

GOOD = b"the right bytes " * 100


class Registry:
    """A registry on this machine that answers every path with the same bytes."""

    def __init__(self) -> None:
        self.content = GOOD
        self.asked: list[str] = []
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.asked.append(self.path)
                found = self.path.endswith(".jar")
                self.send_response(200 if found else 404)
                self.send_header("Content-Length", str(len(registry.content) if found else 0))
                self.end_headers()
                if found:
                    self.wfile.write(registry.content)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: the test looks at `asked`."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Registry]:
    """The registry as the mirror, and an empty cache."""
    made = Registry()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.02,))
    thread.start()
    monkeypatch.setenv("HUBNETZ_MAVEN_MIRROR", made.address)
    monkeypatch.setattr(fetch, "cache_folder", lambda: tmp_path)
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture
def pin() -> Pin:
    return Pin("kafka", "org.example:thing:1.0", None, len(GOOD), hashlib.sha512(GOOD).hexdigest(), "MIT")


def test_download_with_the_pinned_bytes__is_kept_and_not_fetched_again(registry: Registry, pin: Pin, tmp_path: Path) -> None:
    (path,) = fetch.jars([pin], what="thing")
    assert path.read_bytes() == GOOD
    asked = len(registry.asked)
    assert fetch.jars([pin], what="thing") == [path]
    assert len(registry.asked) == asked
    assert "/org/example/thing/1.0/thing-1.0.jar" in registry.asked


@pytest.mark.parametrize("damaged", [GOOD[:-1], GOOD[:-1] + b"!", b"", GOOD + b"!"], ids=["short", "other", "empty", "long"])
def test_download_with_other_bytes__refused_and_nothing_kept(
    registry: Registry, pin: Pin, tmp_path: Path, damaged: bytes
) -> None:
    registry.content = damaged
    with pytest.raises(Failure, match="refused") as told:
        fetch.jars([pin], what="thing")
    assert "HUBNETZ_MAVEN_MIRROR" in told.value.remedy
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "lock"]
    registry.content = GOOD
    assert fetch.jars([pin], what="thing")[0].read_bytes() == GOOD


def test_jar_changed_in_the_cache__fetched_again(registry: Registry, pin: Pin) -> None:
    (path,) = fetch.jars([pin], what="thing")
    path.write_bytes(GOOD[:-1] + b"?")
    assert fetch.jars([pin], what="thing")[0].read_bytes() == GOOD


def test_damaged_archive_of_the_database__never_unpacked(registry: Registry, pin: Pin, tmp_path: Path) -> None:
    registry.content = b"PK damaged"
    with pytest.raises(Failure, match="refused"):
        fetch.unpacked_postgresql(replace(pin, use="postgresql"))
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(("postgresql", ".part"))]


def test_leftover_of_a_killed_fetch__cleaned_up(registry: Registry, pin: Pin, tmp_path: Path) -> None:
    (tmp_path / "jars" / ".part-old").mkdir(parents=True)
    fetch.jars([pin], what="thing")
    assert not (tmp_path / "jars" / ".part-old").exists()


def test_registry_away__failure_names_the_ways_out(
    monkeypatch: pytest.MonkeyPatch, registry: Registry, pin: Pin, tmp_path: Path
) -> None:
    monkeypatch.setenv("HUBNETZ_MAVEN_MIRROR", "http://127.0.0.1:9")
    with pytest.raises(Failure) as told:
        fetch.jars([pin], what="thing")
    assert "HUBNETZ_KAFKA" in told.value.remedy


def test_pins__hold_one_kafka_and_a_database_for_each_platform() -> None:
    all_pins = pins.read()
    renew.refuse_mixed_versions([pin.coordinates for pin in all_pins])
    assert {pin.platform for pin in all_pins if pin.use == "postgresql"} == set(renew.PLATFORMS)
    assert all(len(pin.sha512) == 128 and pin.size > 0 and pin.licence for pin in all_pins)
    assert renew.KAFKA in {pin.coordinates for pin in all_pins}
    assert [pin.coordinates for pin in all_pins if pin.use == "logging"] == [renew.LOGGING]


def test_closure_of_two_kafkas__refused() -> None:
    with pytest.raises(Failure, match=r"3\.9\.1, 4\.3\.1"):
        renew.refuse_mixed_versions(["org.apache.kafka:kafka_2.13:4.3.1", "org.apache.kafka:kafka-clients:3.9.1"])
