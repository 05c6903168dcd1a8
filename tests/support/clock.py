"""A clock that a test holds."""

from datetime import datetime

from hubkit.db import ReadConn, Tx


class FixedClock:
    """A clock that stands where a test puts it."""

    def __init__(self, instant: datetime) -> None:
        self.instant = instant

    async def now(self, conn: Tx | ReadConn) -> datetime:
        """The instant last set; `conn` is not asked."""
        return self.instant
