"""A consumer that remembers where each event of its batch lay: facts keep partition, offset and Kafka's own time."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from contracts.envelope import Event
from hubkit.messaging import Consumer
from hubkit.messaging.letters import Received
from services.analytics.wire.facts import Place


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
    """hubkit's consumer hands over events only; this one notes their places beforehand and else does the same."""

    places: Places

    @classmethod
    def of(cls, consumer: Consumer[Any], places: Places) -> "PlacingConsumer":
        """The same consumer, noting into `places`."""
        placing = cls.__new__(cls)
        for each in fields(consumer):
            setattr(placing, each.name, getattr(consumer, each.name))
        placing.places = places
        return placing

    async def process(self, records: Sequence[Any]) -> None:
        """As hubkit's."""
        try:
            await super().process(records)
        finally:
            self.places.forget()

    def _receive(self, record: Any) -> Received:
        received = super()._receive(record)
        if received.event is not None:
            self.places.note(received.event, Place(record.partition, record.offset, record.timestamp))
        return received
