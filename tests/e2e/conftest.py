"""The hub that the journeys share."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hub import RunningHub, started


@pytest.fixture(scope="package")
def hub() -> Iterator[RunningHub]:
    """A whole hub with all services and no offers, for all tests here that ask for it; it ends with the last of them."""
    place = Path(tempfile.mkdtemp(prefix="hubnetz-test-hub-"))
    place.chmod(0o755)
    with started(place / "hub") as running:
        yield running
    shutil.rmtree(place)
