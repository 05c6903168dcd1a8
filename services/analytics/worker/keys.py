"""The years' keys, read when they are needed first: while one inside the retention is missing, ingestion does not start."""

import logging
from pathlib import Path
from zoneinfo import ZoneInfo

from hubkit import clock
from services.analytics.domain.pseudonyms import Pseudonyms, years_needed
from services.analytics.domain.zones import local_day
from services.analytics.wire.facts import FactReader
from services.analytics.wire.keys import BadKeys, read_keys

log = logging.getLogger(__name__)


class KeysMissing(OSError):
    """A transient error: the batch waits, the service is not ready, and goes on once `new-key` has made the key."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Readers:
    """Makes the reader of facts once, when all keys are there; calling it again gives the same one."""

    def __init__(self, hub_id: str, where: ZoneInfo, path: Path) -> None:
        self._hub_id = hub_id
        self._where = where
        self._path = path
        self._reader: FactReader | None = None

    async def __call__(self) -> FactReader:
        """The reader; KeysMissing while there is none."""
        if self._reader is None:
            self._reader = FactReader(self._hub_id, self._where, self._pseudonyms())
        return self._reader

    def _pseudonyms(self) -> Pseudonyms:
        try:
            keys = read_keys(self._path)
        except BadKeys as bad:
            raise KeysMissing(f"the keys cannot be read: {bad.where}") from bad
        missing = [year for year in years_needed(local_day(clock.wall(), self._where)) if year not in keys]
        if missing:
            raise KeysMissing(f"no key for {', '.join(map(str, missing))}")
        return Pseudonyms(keys)

    async def check(self) -> str:
        """For the health page: why ingestion waits, empty if it does not."""
        try:
            await self()
        except OSError as exc:
            return exc.reason if isinstance(exc, KeysMissing) else "the keys may not be read"
        return ""
