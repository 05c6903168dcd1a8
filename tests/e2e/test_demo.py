"""The demo as a newcomer runs it: a played day, exactly one answer each, nothing left behind; and a hub that keeps its data."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hub import ROOT, RunningHub
from tests.support.nest import open_nest
from tests.support.waiting import eventually_sync

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def place() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="hubnetz-test-demo-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def test_demo_once__answers_each_request_once_and_leaves_nothing(place: Path) -> None:
    with open_nest() as nest:
        ended = subprocess.run(
            [sys.executable, "-m", "deploy.cli", "demo", "--once", "--visitors", "60"],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(place)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert nest.alive() == {}
    assert list(place.iterdir()) == []
    figures = dict(re.findall(r"^  ([A-Za-z][^0-9]*?)\s+(\d.*)$", ended.stdout, re.MULTILINE))
    once, asked = re.fullmatch(r"(\d+) of (\d+)", figures["answered exactly once"]).groups()  # type: ignore[union-attr]
    assert once == asked
    assert int(asked) >= 60
    assert int(figures["BookingConfirmed"]) > 0
    assert int(figures["refused: conflict"]) > 0
    assert figures["invariants violated"] == "0"
    assert figures["people not told"] == "0"
    assert int(figures["mails in the sink"]) >= int(figures["mails sent"].split()[0]) > 0
    assert "OTHERWISE" not in ended.stdout
    assert re.search(
        r"^  waiting list  .+ position 1, .+\n.+ accepts it\n.+ moves up to position 1: ", ended.stdout, re.MULTILINE
    )
    assert "calendar entry: REQUEST" in ended.stdout
    assert re.fullmatch(
        r"0 differences on \d+ days to booking's own table; everything is read and computed", figures["reconcile"]
    )


def test_demo_killed__hub_ends_and_takes_its_folder_along(place: Path) -> None:
    with open_nest() as nest:
        demo = subprocess.Popen(
            [sys.executable, "-m", "deploy.cli", "demo"],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(place)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually_sync(lambda: list(place.glob("*/kafka/meta.properties")), seconds=60, what="a hub on its way")
        demo.kill()
        demo.wait()
        eventually_sync(lambda: not nest.alive(), seconds=60, what="the end of all processes")
    assert list(place.iterdir()) == []


def test_detached_hub__runs_until_down_and_comes_back_as_it_was(place: Path) -> None:
    hub = RunningHub(place / "hub")
    with open_nest() as nest:
        hub.hubnetz("up", "--detach", "--small", "--hub-name", "Der erste Name")
        before = hub.env()
        hub.hubnetz("seed", "--visitors", "5")
        hub.hubnetz("down")
        hub.hubnetz("down", code=3)
        assert nest.alive() == {}
        hub.hubnetz("up", "--detach", "--small", "--hub-name", "Ein anderer")
        after = hub.env()
        assert after["postgres"] == before["postgres"], "the same ports and passwords"
        assert after["kafka"] == before["kafka"]
        hub.hubnetz("seed", code=1)
        assert "Der erste Name" in (place / "hub" / "hub.json").read_text("utf-8")
        hub.hubnetz("down")
        assert nest.alive() == {}
