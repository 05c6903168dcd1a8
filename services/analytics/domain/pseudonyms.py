"""Who is who within a calendar year, without knowing who (analytics.md §8).

A daily key would count one person on five days as five, a permanent one would link for ever.
"""

import hashlib
from collections.abc import Collection, Mapping
from datetime import date

from services.analytics.limits import KEYS_AHEAD, RETENTION, VISITORS_CACHED_MAX

_BLOCK = 64  # of SHA-256, in bytes
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class Pseudonyms:
    """Makes visitors of person ids; person ids are kept in memory only, as keys of a bounded cache."""

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        self._years = {year: _Year(key) for year, key in keys.items()}

    @property
    def years(self) -> Collection[int]:
        """The years that there is a key for."""
        return self._years.keys()

    def visitor(self, person_id: bytes, year: int) -> bytes:
        """The first 128 bits of HMAC-SHA-256 under the key of that year over the id's 16 bytes; KeyError without a key."""
        return self._years[year].visitor(person_id)


class _Year:
    """HMAC (RFC 2104) with both halves of the key hashed once: half the time of a whole one."""

    def __init__(self, key: bytes) -> None:
        padded = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(padded.translate(_INNER))
        self._outer = hashlib.sha256(padded.translate(_OUTER))
        self._known: dict[bytes, bytes] = {}

    def visitor(self, person_id: bytes) -> bytes:
        known = self._known.get(person_id)
        if known is None:
            if len(self._known) >= VISITORS_CACHED_MAX:
                self._known.clear()
            inner, outer = self._inner.copy(), self._outer.copy()
            inner.update(person_id)
            outer.update(inner.digest())
            known = self._known[person_id] = outer.digest()[:16]
        return known


def years_needed(today: date) -> range:
    """The years whose key has to be there: from the oldest fact that is kept to the furthest start that can be booked."""
    return range((today - RETENTION).year, (today + KEYS_AHEAD).year + 1)
