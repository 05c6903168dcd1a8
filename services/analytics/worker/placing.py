"""The consumer of this service: it remembers where each event lay, and reads the next records while the last are written.

hubkit's transaction stays what it is. Facts keep partition, offset and Kafka's own time; a backlog's facts are read straight
into rows (`wire.lean`), since nothing else of them is needed.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from contracts import topics
from contracts.envelope import Event
from hubkit.messaging import Consumer
from hubkit.messaging.consumer import Part
from hubkit.messaging.letters import Received
from hubkit.messaging.screening import Unreadable
from services.analytics.ingest.facts import Readers
from services.analytics.limits import EVENTS_PER_TRANSACTION_MAX, RECORDS_READ_AT_ONCE_MAX
from services.analytics.wire.facts import FactReader, Place

log = logging.getLogger(__name__)


class Places:
    """Event, by identity, to its place in the log; empty between batches. A replayed event has none."""

    def __init__(self) -> None:
        self._known: dict[int, Place] = {}

    def __call__(self, event: Event) -> Place | None:
        return self._known.get(id(event))

    def note(self, event: Event, place: Place) -> None:
        """Until the batch is through."""
        self._known[id(event)] = place

    def forget(self) -> None:
        """The events of the batch are gone, their identities may be used again."""
        self._known.clear()


class PlacingConsumer(Consumer[Any]):
    """hubkit's consumer with a poll cut into transactions: while one is with the database, the records of the next are read."""

    places: Places
    readers: Readers
    reader: FactReader | None

    @classmethod
    def of(cls, consumer: Consumer[Any], places: Places, readers: Readers) -> "PlacingConsumer":
        """The same consumer, noting into `places`."""
        placing = cls.__new__(cls)
        for each in fields(consumer):
            setattr(placing, each.name, getattr(consumer, each.name))
        placing.places, placing.readers, placing.reader = places, readers, None
        return placing

    async def _go_through(self, records: Sequence[Any]) -> None:
        """Several transactions, one after the other in log order."""
        await self._find_reader()
        writing: asyncio.Task[None] | None = None
        try:
            for start in range(0, len(records), EVENTS_PER_TRANSACTION_MAX):
                part = Part(await self._read(records[start : start + EVENTS_PER_TRANSACTION_MAX]))
                if writing is not None:
                    await writing
                writing = asyncio.create_task(self._finish(part))
            if writing is not None:
                await writing
        finally:
            if writing is not None and not writing.done():  # we were cancelled, and so is what we started
                writing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await writing
            self.places.forget()

    async def _read(self, records: Sequence[Any]) -> list[Received]:
        """Some at a time: between them the transaction in hand gets its turn, and the database waits for us a ms at most."""
        read: list[Received] = []
        for start in range(0, len(records), RECORDS_READ_AT_ONCE_MAX):
            if start:
                await asyncio.sleep(0)
            read += [self._receive(record) for record in records[start : start + RECORDS_READ_AT_ONCE_MAX]]
        return read

    async def _find_reader(self) -> None:
        """While keys are missing there is none: then `prepare` says so, and the batch waits."""
        if self.reader is None and self.subscription.topic is topics.BOOKING_EVENTS:
            with contextlib.suppress(OSError):
                self.reader = await self.readers()

    def _receive(self, record: Any) -> Received:
        place = Place(record.partition, record.offset, record.timestamp)
        if self.reader is not None and not isinstance(record, Unreadable):
            try:
                fact = self.reader.read_record(record.key, record.headers, record.value, place)
            except Exception as exc:  # tidy: blind-except a bug of the short way is the long way's to settle, record by record
                log.error("record could not be read", exc_info=exc, extra={"action": "consume", "offset": record.offset})
                fact = None
            if fact is not None:
                return Received(record.partition, record.offset, record.key, record.headers, record.value, fact)
        received = super()._receive(record)
        if received.event is not None:
            self.places.note(received.event, place)
        return received
