"""A desk on a database of its own, for each test that asks."""

from collections.abc import AsyncIterator, Callable

import pytest

from tests.service.analytics.hub import Desk


@pytest.fixture
async def desk(service_db: Callable[[str], str]) -> AsyncIterator[Desk]:
    desk = await Desk.open(service_db("analytics"))
    yield desk
    await desk.close()
