"""What a service says of a topic that it reads: the handler and what belongs to it."""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from contracts.envelope import Event
from contracts.topics import Topic
from hubkit.db import Pool, Tx

BATCH_RECORDS_MAX = 500  # beyond, latency grows and throughput hardly (booking.md §8)

PlanT = TypeVar("PlanT")
PlanT_contra = TypeVar("PlanT_contra", contravariant=True)
PlanT_co = TypeVar("PlanT_co", covariant=True)


class Handle(Protocol[PlanT_contra]):
    """The service's part: read, decide, bulk write, `outbox.put`, all through `tx`; never commits itself."""

    def __call__(self, tx: Tx, batch: Sequence[Event], plan: PlanT_contra, /) -> Awaitable[Mapping[int, str] | None]:
        """{position in the batch: reason} of single events for the dead letter; None or empty if there are none."""


class Prepare(Protocol[PlanT_co]):
    """Runs before the transaction and again with each repetition; `extra` are the rows that `Replan` asked for."""

    def __call__(self, pool: Pool, batch: Sequence[Event], extra: frozenset[str], /) -> Awaitable[PlanT_co]:
        """The plan that `handle` gets."""


class Busy(Protocol):
    """Answers commands whose locks were not had in three attempts; what it writes is committed with their offsets."""

    def __call__(self, tx: Tx, batch: Sequence[Event], /) -> Awaitable[None]:
        """Writes the answers."""


async def no_plan(pool: Pool, batch: Sequence[Event], extra: frozenset[str]) -> None:
    """For handlers that need none."""


@dataclass(frozen=True, slots=True)
class Subscription(Generic[PlanT]):
    """What a service wants of one topic."""

    topic: Topic
    handle: Handle[PlanT]
    prepare: Prepare[PlanT]
    busy: Busy | None = None
    remembers: bool = True  # False: the handler tells repeats apart itself (booking's ledger)
    records_max: int = BATCH_RECORDS_MAX
    after: tuple[Topic, ...] = ()  # consumed only once these have caught up
    gather_seconds: float = 0.0  # who is in no hurry rests this long after a poll of few records: one transaction, not ten
