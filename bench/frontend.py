"""The client of the benchmarks: produces requests and reads their answers, with as little processor time as it can.

It shares two cores with broker, database and service, so every microsecond here is taken from them: records are encoded
before the clock starts, and librdkafka sends and fetches in threads of its own.
"""

import json
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from confluent_kafka import Consumer, Message, Producer, TopicPartition

from contracts import topics
from contracts.catalog import OfferPublished
from contracts.envelope import Event, encode

QUIET_SECONDS_MAX = 30.0  # without any answer: then what is missing is missing
POLL_SECONDS = 0.1
Headers = list[tuple[str, str | bytes | None]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """One request, ready to be sent."""

    request_id: bytes
    key: bytes
    headers: Headers
    value: bytes


def uuid_of(random: Random) -> UUID:
    """A version 4 UUID from seeded randomness: the same seed plays the same day."""
    return UUID(int=random.getrandbits(128), version=4)


def wanted(
    random: Random, *, source: str, offer_id: str, at: datetime, start: datetime | None, minutes: int, session: str | None
) -> Wanted:
    """A citizen's `RequestBooking`, each from somebody else."""
    request_id = str(uuid_of(random)).encode()
    person = str(uuid_of(random))
    body: dict[str, object] = {
        "offer_id": offer_id,
        "actor": {"role": "citizen", "id": person},
        "claimant": {"kind": "person", "person_id": person},
    }
    if start is not None:
        body |= {"start": _instant(start), "duration_minutes": minutes}
    if session is not None:
        body["choices"] = {"session": session}
    headers: Headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", request_id),
        ("ce_source", source.encode()),
        ("ce_type", b"de.hubnetz.booking.RequestBooking.v1"),
        ("ce_time", _instant(at).encode()),
        ("content-type", b"application/json"),
    ]
    return Wanted(request_id, offer_id.encode(), headers, json.dumps(body, separators=(",", ":")).encode())


def _instant(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(slots=True)
class Answers:
    """What came back: name and arrival (perf_counter) per request, and the answers that came twice under another id."""

    arrived: dict[bytes, float] = field(default_factory=dict)
    event_ids: dict[bytes, bytes] = field(default_factory=dict)
    names: dict[bytes, str] = field(default_factory=dict)  # the event that answered, `BookingConfirmed`
    types: dict[str, int] = field(default_factory=dict)
    doubled: int = 0
    last_at: float = 0.0


class Frontend:
    """One client of a running hub."""

    def __init__(self, kafka: str) -> None:
        base: dict[str, str | int | float | bool] = {"bootstrap.servers": kafka, "log_level": 0}
        self._producer = Producer(
            base
            | {
                "linger.ms": 1,
                "enable.idempotence": True,
                "compression.type": "zstd",
                "queue.buffering.max.messages": 2_000_000,
                "partitioner": "murmur2_random",
            }
        )
        self._consumer = Consumer(
            base | {"group.id": "bench", "enable.auto.commit": False, "fetch.wait.max.ms": 50, "auto.offset.reset": "latest"}
        )
        name = topics.BOOKING_EVENTS.name
        self._partitions = [TopicPartition(name, number) for number in range(topics.BOOKING_EVENTS.partitions)]
        self.answers = Answers()
        self._stop = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        for partition in self._partitions:
            partition.offset = self._consumer.get_watermark_offsets(partition, timeout=10)[1]
        self._consumer.assign(self._partitions)
        self._reader.start()

    def close(self) -> None:
        """Stop reading."""
        self._stop.set()
        self._reader.join()
        self._consumer.close()

    def publish(self, offers: Iterable[OfferPublished], *, source: str, at: datetime, ids: Random) -> None:
        """Write offers as the catalogue would; returns once the broker has them."""
        for offer in offers:
            event = Event(uuid_of(ids), source, offer.ce_type, at, offer.offer_id, offer)
            key, headers, value = encode(event)
            self._producer.produce(topics.CATALOG_OFFERS.name, key=key, value=value, headers=list(headers))
        self._producer.flush(30)

    def send(self, request: Wanted) -> None:
        """Hand one request to the producer."""
        self._producer.produce(topics.BOOKING_REQUESTS.name, key=request.key, value=request.value, headers=request.headers)

    def send_all(self, requests: Sequence[Wanted]) -> float:
        """As fast as the producer takes them; when the first was handed over (perf_counter)."""
        started = time.perf_counter()
        for number, request in enumerate(requests):
            self.send(request)
            if number % 1000 == 0:
                self._producer.poll(0)
        self._producer.flush(60)
        return started

    def send_at_rate(self, requests: Sequence[Wanted], per_second: float) -> dict[bytes, float]:
        """One after the other on a fixed schedule, late ones included (open loop); when each was due."""
        due: dict[bytes, float] = {}
        started = time.perf_counter()
        for number, request in enumerate(requests):
            at = started + number / per_second
            while (left := at - time.perf_counter()) > 0:
                time.sleep(min(left, 0.002))
            due[request.request_id] = at
            self.send(request)
            self._producer.poll(0)
        self._producer.flush(60)
        return due

    def wait_for(self, requests: Sequence[Wanted]) -> list[bytes]:
        """Wait until all are answered, or nothing has come for a while; the ids that were not."""
        missing = {request.request_id for request in requests}
        self.answers.last_at = max(self.answers.last_at, time.perf_counter())
        while missing and time.perf_counter() - self.answers.last_at < QUIET_SECONDS_MAX:
            time.sleep(0.02)
            missing = {request_id for request_id in missing if request_id not in self.answers.arrived}
        return sorted(missing)

    def _read(self) -> None:
        while not self._stop.is_set():
            first = self._consumer.poll(POLL_SECONDS)
            if first is None:
                continue
            now = time.perf_counter()
            for message in (first, *self._consumer.consume(num_messages=500, timeout=0)):  # waiting for more would be our delay
                self._note(message, now)

    def _note(self, message: Message, now: float) -> None:
        headers = dict(message.headers() or [])
        causation, event_id, kind = headers.get("ce_causationid"), headers.get("ce_id"), headers.get("ce_type")
        if not isinstance(causation, bytes) or not isinstance(event_id, bytes) or not isinstance(kind, bytes):
            return
        answers = self.answers
        answers.last_at = now
        known = answers.event_ids.setdefault(causation, event_id)
        if known != event_id:
            answers.doubled += 1
            return
        if causation not in answers.arrived:
            name = kind.decode().rsplit(".", 2)[-2]
            answers.names[causation] = name
            answers.arrived[causation] = now  # last: whoever finds it finds the name too
            answers.types[name] = answers.types.get(name, 0) + 1


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def slots(first: datetime, minutes: int, count: int) -> list[datetime]:
    """`count` starts one after the other, each free of its predecessor."""
    return [first + timedelta(minutes=minutes * number) for number in range(count)]
