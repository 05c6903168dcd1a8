"""A frontend as anybody could write one: commands to `booking.requests.v1`, answers from `booking.events.v1`.

From `notify.deliveries.v1` it learns what became of the mails.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime
from typing import Final, TypeVar
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from contracts import topics
from contracts.booking import Command
from contracts.booking.events import BookingFact
from contracts.booking.vocabulary import ActorRole
from contracts.catalog import OfferPublished
from contracts.envelope import BadRecord, Event, Model, decode, encode
from contracts.people import ContactSaved
from deploy.demo.ledger import Answer, Ledger
from deploy.demo.post import Post
from deploy.hub import Hub

NAME: Final = "frontend-demo"
_POLL_MS: Final = 50
T = TypeVar("T")
_READ: Final = {topic.name: topic for topic in (topics.BOOKING_EVENTS, topics.NOTIFY_DELIVERIES)}


class Frontend:
    """Sends commands and hands back their answers; everything is noted in `ledger`."""

    def __init__(self, hub: Hub, producer: AIOKafkaProducer, ledger: Ledger) -> None:
        self.ledger = ledger
        self.post = Post()
        self.days: set[date] = set()  # that bookings are for, as on the hub's own calendar
        self._source = f"urn:hub:{hub.hub_id}:{NAME}"
        self._portal = f"urn:hub:{hub.hub_id}:portal"
        self._producer = producer
        self._waiting: dict[UUID, asyncio.Future[Event]] = {}
        self._refusals: dict[UUID, asyncio.Future[Event]] = {}
        self._followed: dict[str, list[Event]] = {}
        self._news = asyncio.Event()

    async def ask(self, request_id: UUID, command: Command, *, copies: int = 1) -> Event:
        """Send a command, the same record as often as told, and wait for the event that answers it."""
        key, headers, value = encode(self._event(request_id, command))
        answer = self._wait_for(request_id)
        for _ in range(copies):
            self.ledger.send(request_id, type(command).__name__, now=time.monotonic())
            await self._producer.send(topics.BOOKING_REQUESTS.name, key=key, headers=headers, value=value)
        return await answer

    async def ask_raw(self, request_id: UUID, like: Command, value: bytes) -> Event:
        """Send a body that no model would write, under the envelope of a good one."""
        key, headers, _ = encode(self._event(request_id, like))
        answer = self._wait_for(request_id)
        self.ledger.send(request_id, type(like).__name__, now=time.monotonic())
        await self._producer.send(topics.BOOKING_REQUESTS.name, key=key, headers=headers, value=value)
        return await answer

    async def reuse(self, request_id: UUID, command: Command) -> None:
        """Send other content under the id of a request that was answered, and wait for its refusal."""
        key, headers, value = encode(self._event(request_id, command))
        refusal = self._refusals.setdefault(request_id, asyncio.get_running_loop().create_future())
        self.ledger.asked[request_id].others += 1
        await self._producer.send(topics.BOOKING_REQUESTS.name, key=key, headers=headers, value=value)
        await refusal

    async def introduce(self, person_ids: Sequence[UUID], *, named: str = "Besuch") -> None:
        """Leave contacts of people who do not exist, as the portal would: their mails land in the sink."""
        now = datetime.now(UTC)
        sent = []
        for number, person_id in enumerate(person_ids, 1):
            contact = ContactSaved(
                person_id=person_id,
                name=f"{named} {number}",
                address=f"{named.lower()}-{number}@visitors.example",
                verified_at=now,
            )
            event = Event(uuid5(person_id, "contact"), self._portal, contact.ce_type, now, contact.key(), contact)
            key, headers, value = encode(event)
            sent.append(await self._producer.send(topics.PEOPLE_CONTACTS.name, key=key, headers=headers, value=value))
        await asyncio.gather(*sent)

    async def everybody_told(self) -> None:
        """Until each booking's last word has left."""
        await self.heard(lambda: None if self.post.missing() else True)

    def follow(self, offer_id: str) -> Sequence[Event]:
        """What is told of the offer and of its bookings from now on, each event once; it grows."""
        return self._followed.setdefault(offer_id, [])

    async def heard(self, find: Callable[[], T | None]) -> T:
        """Until `find` finds something in what is known here, asked anew after each event."""
        while (found := find()) is None:
            self._news.clear()
            await self._news.wait()
        return found

    def _wait_for(self, request_id: UUID) -> "asyncio.Future[Event]":
        return self._waiting.setdefault(request_id, asyncio.get_running_loop().create_future())

    def _event(self, request_id: UUID, command: Command) -> Event:
        now = datetime.now(UTC)
        # Only the portal may speak for staff: the demo stands in for it too.
        source = self._portal if command.actor.role is ActorRole.STAFF else self._source
        return Event(request_id, source, command.ce_type, now, command.key(), command)

    def take(self, event: Event, *, at: float) -> None:
        """Look at one event: whose answer is it, and what does it mean for the post?"""
        body = event.data
        if body is None:
            return
        self.post.take(event.bare_type, body)
        followed = self._followed.get(getattr(body, "offer_id", ""))
        if followed is not None and event.id not in [known.id for known in followed]:
            followed.append(event)
        self._news.set()
        if isinstance(body, BookingFact):
            self.days |= {instant.astimezone(ZoneInfo(body.time_zone)).date() for instant in (body.start, body.end)}
        request_id: UUID | None = getattr(body, "request_id", None)
        if request_id is None:
            if event.bare_type == "RequestRefused" and event.causation_id is not None:
                self.ledger.refuse_other(event.causation_id, event.id)
                if future := self._refusals.pop(event.causation_id, None):
                    future.set_result(event)
            return
        reason = getattr(body, "reason", None) if event.bare_type in ("BookingRejected", "RequestRefused") else None
        answer = Answer(event.id, event.bare_type, str(reason) if reason else None, at)
        if self.ledger.answer(request_id, answer) and (future := self._waiting.pop(request_id, None)):
            future.set_result(event)


@asynccontextmanager
async def connected(hub: Hub, ledger: Ledger) -> AsyncIterator[Frontend]:
    """A frontend that reads from now on; events that were there before are not looked at."""
    consumer = AIOKafkaConsumer(*_READ, bootstrap_servers=hub.kafka, group_id=None, auto_offset_reset="latest")
    producer = AIOKafkaProducer(bootstrap_servers=hub.kafka, enable_idempotence=True, compression_type="zstd")
    await consumer.start()
    await producer.start()
    try:
        for partition in consumer.assignment():  # the place is fixed before the first request is sent
            await consumer.position(partition)
        frontend = Frontend(hub, producer, ledger)
        reading = asyncio.create_task(_read(consumer, frontend))
        try:
            yield frontend
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
    finally:
        await producer.stop()
        await consumer.stop()


async def _read(consumer: AIOKafkaConsumer, frontend: Frontend) -> None:
    async for record in consumer:
        at = time.monotonic()
        with suppress(BadRecord):  # a newer hub's event; no answer of ours is among them
            event = decode(_READ[record.topic], key=record.key, headers=record.headers, value=record.value)
            frontend.take(event, at=at)


async def offers(hub: Hub) -> list[OfferPublished]:
    """The offers as they are now, from the start of their topic; of each key the newest record counts."""
    consumer = AIOKafkaConsumer(
        topics.CATALOG_OFFERS.name, bootstrap_servers=hub.kafka, group_id=None, auto_offset_reset="earliest"
    )
    await consumer.start()
    found: dict[str, Model | None] = {}
    try:
        ends = await consumer.end_offsets(list(consumer.assignment()))
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
                for record in records:
                    event = decode(topics.CATALOG_OFFERS, key=record.key, headers=record.headers, value=record.value)
                    found[event.key] = event.data
    finally:
        await consumer.stop()
    return [state for _, state in sorted(found.items()) if isinstance(state, OfferPublished)]
