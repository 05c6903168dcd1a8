from collections.abc import AsyncIterator, Callable

import pytest

from tests.service.booking.hub import Hub


@pytest.fixture
async def hub(service_db: Callable[[str], str]) -> AsyncIterator[Hub]:
    """Booking on a database of its own, without a broker."""
    opened = await Hub.open(service_db("booking"))
    yield opened
    await opened.close()
