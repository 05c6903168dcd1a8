"""What is asked of each peer, and what is read from its database afterwards."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from bench.peers.loop import Answer, Ask, Line, Run, crowd

AT_ONCE: Final = 16  # people; more only make the queue in front of the workers longer
CROWD: Final = 100  # who want the same last thing
LAST: Final = 5  # last things, one crowd each


@dataclass(frozen=True, slots=True)
class Size:
    """How much is asked of one system; the same shares for all: a sixth of the hot session's requests gets a no."""

    places: int
    spread: int
    alone: int

    @property
    def hot(self) -> int:
        """Requests for the hot session."""
        return self.places * 6 // 5


@dataclass(frozen=True, slots=True)
class Counts:
    """What the database holds when all is over: of the things that have an end, how much too much was given."""

    sold: int
    oversold: int  # places beyond what a session or quota has
    doubled: int  # pairs of bookings of one room that overlap

    @property
    def well(self) -> bool:
        """Nothing that cannot be kept was promised."""
        return not (self.oversold or self.doubled)


@dataclass(frozen=True, slots=True)
class Shop:
    """A peer that takes orders over HTTP: where, and how its answers are read."""

    port: int
    headers: dict[str, str]
    judge: Callable[[int, bytes], Answer]

    def run(self, asks: Sequence[Ask], at_once: int) -> Run:
        """All requests by so many people at once."""
        return crowd(asks, [Line(self.port, self.headers, self.judge) for _ in range(at_once)])


async def counted(dsn: str, query: str) -> tuple[int, ...]:
    """The one row of numbers that the query comes to."""
    connection = await asyncpg.connect(dsn)
    try:
        row = await connection.fetchrow(query)
    finally:
        await connection.close()
    assert row is not None, "an aggregate has a row"
    return tuple(row)


def encoded(path: str, body: object) -> Ask:
    """A request with its JSON."""
    return Ask(path, json.dumps(body, separators=(",", ":")).encode())
