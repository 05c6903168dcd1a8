"""The only place that draws random ids, and what chance decides besides."""

import os
import time
from hashlib import sha1
from uuid import UUID

_OPEN_BITS = ~(0xF << 76 | 0x3 << 62)  # all but version and variant
_VERSION_5 = 5 << 76 | 2 << 62


def new() -> UUID:
    """A UUIDv7 (RFC 9562 §5.7): 48 bits of milliseconds, then random, so that indexes grow at their end."""
    milliseconds = time.time_ns() // 1_000_000
    noise = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & (1 << 48) - 1) << 80
    value |= 7 << 76 | (noise >> 68) << 64  # version, 12 random bits
    value |= 2 << 62 | noise & (1 << 62) - 1  # variant, 62 random bits
    return UUID(int=value)


def derived(namespace: UUID, name: str) -> UUID:
    """The id that a repeat yields again: version 5 of RFC 9562, with UUIDs and hashes in `name` lower case (`bus.md` §1)."""
    digest = sha1(namespace.bytes + name.encode(), usedforsecurity=False).digest()
    value = int.from_bytes(digest[:16], "big")
    return UUID(int=value & _OPEN_BITS | _VERSION_5)  # `uuid.uuid5` takes half as long again


def between(low: float, high: float) -> float:
    """A random number in `[low, high)`: for pauses that must not fall together."""
    return low + (high - low) * int.from_bytes(os.urandom(4), "big") / (1 << 32)
