"""aiokafka's consumer, made to survive what any client may write, and to lose nothing when a poll fails."""

import asyncio
import logging
import time
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import ConnectionGroup
from aiokafka.errors import CorruptRecordException, KafkaError
from aiokafka.protocol.fetch import FetchRequest

from hubkit.messaging.screening import UNPACKED_BYTES_MAX, Aside, Record, screen

log = logging.getLogger(__name__)

AGAIN_SECONDS: Final = 0.1  # what fails for another reason than its writer's shall not fill the log with lines
RECORDS_MAX: Final = 500  # of a batch taken out, at a time, if the caller names no bound

Polled = dict[TopicPartition, list[Record]]


class Reader(AIOKafkaConsumer):  # type: ignore[misc]
    """Looks through each fetch before it is unpacked (`screening`), and hands over what was taken out as records of its own.

    A poll that raises has moved the positions of partitions whose records it then threw away: they are put back.
    """

    def __init__(self, *topics: str, **settings: Any) -> None:
        super().__init__(*topics, **settings)
        self.polled_at = time.monotonic()
        self.handed_over = False  # whether the last poll's records may still be in work: true until the next poll begins
        self._ask = self._client.send
        self._client.send = self._ask_and_screen  # the only place that fetched bytes pass before they are unpacked
        self._asides: dict[TopicPartition, Aside] = {}
        self._scratch = bytearray(UNPACKED_BYTES_MAX)
        self._thorough = False

    async def getmany(self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None) -> Polled:
        """As aiokafka's. Records that it cannot read come as `Unreadable`, alone in their poll."""
        self.handed_over = False
        before = self._places()
        found = self._from_asides(max_records or RECORDS_MAX)
        if not found:
            try:
                found = await super().getmany(*partitions, timeout_ms=timeout_ms, max_records=max_records)
            except BaseException as exc:
                self._put_back(before)
                corrupt = isinstance(exc, CorruptRecordException) or not isinstance(exc, KafkaError)
                if not isinstance(exc, Exception) or not corrupt:
                    raise
                # aiokafka has no error of its own for a header name that is no UTF-8: it raises Python's.
                log.warning("poll failed, looking closer", extra={"action": "poll", "error": type(exc).__name__})
                self._thorough = True
                await asyncio.sleep(AGAIN_SECONDS)
                return {}
        self.polled_at = time.monotonic()
        self.handed_over = bool(found)
        return found

    def consumed_to(self, place: TopicPartition) -> int | None:
        """The offset behind the last record handed over and behind what no reader sees, as transaction markers; or None."""
        return self._places().get(place)

    def _places(self) -> dict[TopicPartition, int]:
        subscription = self._subscription.subscription
        assignment = subscription.assignment if subscription else None
        if assignment is None:
            return {}
        states = ((place, assignment.state_value(place)) for place in assignment.tps)
        return {place: state.position for place, state in states if state.has_valid_position}

    def _put_back(self, before: dict[TopicPartition, int]) -> None:
        for place in self._places().keys() & before.keys():
            self.seek(place, before[place])

    async def _ask_and_screen(self, node: int, request: Any, *, group: Any = ConnectionGroup.DEFAULT) -> Any:
        answer = await self._ask(node, request, group=group)
        if isinstance(request, FetchRequest):
            answer.topics = [
                (topic, [(*facts[:-1], self._screened(TopicPartition(topic, facts[0]), facts[-1])) for facts in partitions])
                for topic, partitions in answer.topics
            ]
        return answer

    def _screened(self, place: TopicPartition, fetched: bytes) -> bytes:
        if not fetched:
            return fetched
        clean, aside = screen(place, fetched, scratch=self._scratch, known=self._asides.get(place), thorough=self._thorough)
        if aside is not None:
            self._asides[place] = aside
            self._thorough = False
        return clean

    def _from_asides(self, records_max: int) -> Polled:
        """Records of a batch that was taken out, once all before it were handed over."""
        places = self._places()
        for place, aside in list(self._asides.items()):
            position = places.get(place)
            if position is None or position >= aside.next_offset:
                del self._asides[place]
            elif aside.base_offset <= position < aside.reached:
                # Somebody went back to records that were handed over: this one is fetched and looked through again.
                del self._asides[place]
                self._thorough = True
                self.seek(place, position)
            elif position >= aside.base_offset:
                return self._next_of(place, aside, position, records_max)
        return {}

    def _next_of(self, place: TopicPartition, aside: Aside, position: int, records_max: int) -> Polled:
        taken: list[Record] = []
        for record in aside.records:
            aside.reached = record.offset + 1
            if record.offset >= position:
                taken.append(record)
            if len(taken) == records_max:
                self.seek(place, aside.reached)
                return {place: taken}
        del self._asides[place]
        self.seek(place, aside.next_offset)
        return {place: taken} if taken else {}
