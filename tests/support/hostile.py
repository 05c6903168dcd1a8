"""Record batches built byte by byte: what a client can send that no decent library would."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import aiokafka.codec
from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.util import calc_crc32c, encode_varint
from confluent_kafka import Producer

from tests.support.kafka import Raw

NONE: Final = 0
GZIP: Final = 1
SNAPPY: Final = 2
LZ4: Final = 3
ZSTD: Final = 4
_TIMESTAMP_MS: Final = 1_000_000_000_000  # of 2001: a broker that went by it would delete the record within minutes
_TIMEOUT_MS: Final = 15_000


@dataclass(frozen=True, slots=True)
class Bare:
    """A record whose header names are bytes too."""

    key: bytes | None
    headers: Sequence[tuple[bytes, bytes | None]]
    value: bytes | None


def batch(records: Sequence[Bare], *, codec: int = NONE) -> bytes:
    """A batch of format 2, its checksum right whatever is inside."""
    body = bytearray()
    for delta, record in enumerate(records):
        body += _record(delta, record)
    return sealed(bytes(body), count=len(records), codec=codec)


def sealed(body: bytes, *, count: int, codec: int) -> bytes:
    """Records that are already bytes, packed and given the frame of a batch."""
    return framed(packed(body, codec), count=count, codec=codec)


def framed(packed: bytes, *, count: int, codec: int) -> bytes:
    """Bytes that pass for packed records, in a frame with the right checksum."""
    rest = struct.pack(">hiqqqhii", codec, count - 1, _TIMESTAMP_MS, _TIMESTAMP_MS, -1, -1, -1, count) + packed
    checked = struct.pack(">ibI", -1, 2, calc_crc32c(rest)) + rest
    return struct.pack(">qi", 0, len(checked)) + checked


def _record(delta: int, record: Bare) -> bytes:
    body = bytearray(b"\x00")  # attributes
    _varint(body, 0)  # timestamp delta
    _varint(body, delta)
    _bytes(body, record.key)
    _bytes(body, record.value)
    _varint(body, len(record.headers))
    for name, content in record.headers:
        _bytes(body, name)
        _bytes(body, content)
    whole = bytearray()
    _varint(whole, len(body))
    return bytes(whole + body)


def _varint(to: bytearray, number: int) -> None:
    encode_varint(number, to.append)


def _bytes(to: bytearray, content: bytes | None) -> None:
    _varint(to, -1 if content is None else len(content))
    to += content or b""


def packed(body: bytes, codec: int) -> bytes:
    """The bytes packed as Kafka has it."""
    pack = {GZIP: aiokafka.codec.gzip_encode, SNAPPY: aiokafka.codec.snappy_encode, LZ4: aiokafka.codec.lz4_encode}
    if codec == ZSTD:
        return bytes(aiokafka.codec.zstd_encode(body, 19))
    return bytes(pack[codec](body)) if codec else body


async def send(address: str, topic: str, partition: int, bytes_of_batch: bytes) -> int:
    """Hand one batch to the broker as it is; the offset of its first record. AssertionError if the broker refuses it."""
    client = AIOKafkaClient(bootstrap_servers=address, client_id="hostile")
    await client.bootstrap()
    try:
        await client._wait_on_metadata(topic)
        leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
        request = ProduceRequest(None, 1, _TIMEOUT_MS, [(topic, [(partition, bytes_of_batch)])])
        answer = await client.send(leader, request)
        (_, ((_, error, offset, *_),)) = answer.topics[0]
        assert error == 0, f"the broker refused the batch with error {error}"
        return int(offset)
    finally:
        await client.close()


def produce(address: str, topic: str, records: Sequence[Raw]) -> None:
    """Send in order by librdkafka, which sends a null key with a null value too; aiokafka's producer refuses that."""
    failed: list[str] = []
    producer = Producer(
        {"bootstrap.servers": address, "enable.idempotence": True, "partitioner": "murmur2_random", "batch.size": 131_072}
    )
    for record in records:
        producer.produce(
            topic,
            key=record.key,
            value=record.value,
            headers=[(name, value) for name, value in record.headers],
            on_delivery=lambda error, _: failed.append(str(error)) if error else None,
        )
        producer.poll(0)
    assert producer.flush(_TIMEOUT_MS / 1000) == 0, "the broker took none or only some"
    assert not failed, failed[:3]
