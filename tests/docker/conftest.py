"""One image for the run; a hub for each module that asks."""

from collections.abc import Iterator

import pytest

from tests.support import compose_hub
from tests.support.compose_hub import ComposeHub


@pytest.fixture(scope="session")
def image() -> str:
    """The image of this tree, by name."""
    compose_hub.build()
    return compose_hub.IMAGE


@pytest.fixture(scope="module")
def hub(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeHub]:
    """A hub with the mail sink, healthy and empty."""
    folder = tmp_path_factory.mktemp("hub")
    with compose_hub.hub(folder, "tests", "mailsink") as running:
        yield running
