"""Dead letters on their way out: how many are too many, what of a record is kept, what travels to the topic."""

import hashlib
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from contracts import topics
from contracts.envelope import Event
from hubkit import clock, ids, outbox
from hubkit.errors import ConsumerStopped
from hubkit.inbox import DeadLetter

LETTERS_MAX: Final = 50  # within the window; more means a bad release, which must not drain a topic
WINDOW_SECONDS: Final = 60.0
TOPIC_BYTES_MAX: Final = topics.DEAD_LETTER_BYTES_MAX - 2_048
"""Of a record without our own headers and Kafka's frame, which come on top: a relay that cannot send a row sticks at it."""

Headers = Sequence[tuple[str, bytes | None]]


@dataclass(slots=True)
class Received:
    """A record as it came, and what it was read as: an event, or the reason why not.

    Nobody changes one; frozen, making it took four times as long (1.1 us of each record, 2026-12-01).
    """

    partition: int
    offset: int
    key: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    value: bytes | None
    event: Event | None
    reason: str = ""
    detail: str = ""

    def refused(self, reason: str, detail: str = "") -> "Received":
        """The same record as a bad one."""
        return replace(self, event=None, reason=reason, detail=detail)


@dataclass(slots=True)
class Allowance:
    """Bugs and our own services' bad records in the last minute. A hostile frontend's are not counted: it must not stop us."""

    counts_all: bool
    _times: deque[float] = field(default_factory=deque)

    def check(self, refused: Sequence[Received]) -> int:
        """How many of these count; raises `ConsumerStopped` if they are too many, before anything is written."""
        counted = sum(self.counts_all or record.reason == "bug" for record in refused)
        now = time.monotonic()
        while self._times and self._times[0] < now - WINDOW_SECONDS:
            self._times.popleft()
        if counted and len(self._times) + counted > LETTERS_MAX:
            raise ConsumerStopped("dead_letters")
        return counted

    def use(self, counted: int) -> None:
        """Note what `check` counted, once it is committed: a commit that failed is tried again and must not count twice."""
        self._times.extend([time.monotonic()] * counted)


def is_personal(topic_name: str) -> bool:
    """Contacts are the only personal data on the bus: their value stays in its topic alone, where it can be erased."""
    return topic_name == topics.PEOPLE_CONTACTS.name


def letter(consumer: str, topic_name: str, record: Received, attempts: int) -> DeadLetter:
    """The row of a record that is set aside."""
    personal = is_personal(topic_name)
    return DeadLetter(
        dead_letter_id=ids.new(),
        consumer=consumer,
        topic=topic_name,
        partition=record.partition,
        record_offset=record.offset,
        key=record.key,
        headers=outbox.pack_headers(() if personal else record.headers),
        payload=None if personal else record.value,
        payload_sha256=None if record.value is None else hashlib.sha256(record.value).digest(),
        reason=record.reason,
        detail=record.detail,
        attempts=attempts,
        state="kept",
        created_at=clock.wall(),
    )


def message(row: DeadLetter) -> tuple[bytes | None, bytes, bytes | None]:
    """Key, packed headers and value for the dead-letter topic: the record as it came, and `dl_*` headers of ours.

    A record that was small only while it was packed stays in its row: it would not fit into the topic.
    """
    headers = [(name, value) for name, value in outbox.unpack_headers(row.headers) if not name.startswith("dl_")]
    ours = {
        "dl_id": str(row.dead_letter_id),
        "dl_reason": row.reason,
        "dl_attempts": str(row.attempts),
        "dl_topic": row.topic,
        "dl_partition": str(row.partition),
        "dl_offset": str(row.record_offset),
        "dl_at": row.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    key, value = row.key, row.payload
    if _bytes(key, headers, value) > TOPIC_BYTES_MAX:
        key, headers, value = None, [], None
    if value is None and row.payload_sha256 is not None:
        ours["dl_sha256"] = row.payload_sha256.hex()
    return key, outbox.pack_headers([*headers, *((name, text.encode()) for name, text in ours.items())]), value


def _bytes(key: bytes | None, headers: Headers, value: bytes | None) -> int:
    """At most what Kafka makes of it: each length is a number of up to 5 bytes."""
    size = 15 + len(key or b"") + len(value or b"")
    return size + sum(10 + len(name.encode()) + len(content or b"") for name, content in headers)
