"""What a fetch brought, looked through before the Kafka client unpacks it: anybody may write bytes that end a consumer.

The broker checks checksums and lengths, not what a batch unpacks to (6 KB of zstd hold 200 MB, measured 2026-11-24), and not
that header names are UTF-8, on which aiokafka raises. Both would come again after each restart, so they are taken out here.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import cramjam
from aiokafka import ConsumerRecord, TopicPartition, codec
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.util import decode_varint_py

UNPACKED_BYTES_MAX: Final = 4 * 1024 * 1024
"""Of one batch. Java's and librdkafka's producers put at most 1 MB into one unless they were told otherwise."""
FETCHED_BYTES_MAX: Final = 8 * 1024 * 1024
"""Of one partition in one fetch, unpacked; what lies beyond is fetched again."""
# Copies of 64 bytes take 3, so a batch at a topic's limit of 256 KiB stays below 6 MB and needs no trial.
_SNAPPY_RATIO_MAX: Final = 22
_GZIP, _SNAPPY, _LZ4, _ZSTD = 1, 2, 3, 4
_CODEC_MASK: Final = 0x07
# Base offset, length, leader epoch, magic, checksum, attributes, delta of the last offset; then times, producer, count.
_FRAME: Final = struct.Struct(">qiibIhi")
_FRAME_BYTES: Final = 61
_COUNT: Final = struct.Struct(">i")
_LENGTH_COUNTS_FROM: Final = 12
_UNPACK: Final = {
    _GZIP: codec.gzip_decode,
    _SNAPPY: codec.snappy_decode,
    _LZ4: codec.lz4_decode,
    _ZSTD: codec.zstd_decode,
}

ODD_NAME: Final = "a header's name"
"""The detail of a record of which a header's name is no UTF-8."""

Record: TypeAlias = "ConsumerRecord[bytes, bytes]"


@dataclass
class Unreadable(ConsumerRecord[bytes, bytes]):  # type: ignore[misc]
    """A record that breaks the wire's rules below the envelope; as much of it as could be had.

    Odd bytes of a header name stand as `\\xff` in its text. A batch that must not or cannot be unpacked is one such record
    at its last offset, with the packed batch as value.
    """

    reason: str = ""
    detail: str = ""


@dataclass(slots=True)
class Aside:
    """A batch that was taken out; `records` yields what it holds, in log order, and has been read up to `reached`."""

    base_offset: int
    next_offset: int
    records: Iterator[Record]
    reached: int


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where a batch lies in the fetched bytes, and what stands on its outside."""

    start: int
    end: int
    base_offset: int
    next_offset: int
    codec: int


def screen(
    place: TopicPartition, fetched: bytes, *, scratch: bytearray, known: Aside | None, thorough: bool
) -> tuple[bytes, Aside | None]:
    """What may be unpacked, as fetched, up to the first batch that must not be; and that one, taken out.

    `scratch` has `UNPACKED_BYTES_MAX` bytes and any content. `known` was taken out before and came again. `thorough` reads
    each record as aiokafka will; only asked for after that failed, since it is the reading a second time.
    """
    room = FETCHED_BYTES_MAX
    for frame in _frames(fetched):
        if known is not None and frame.base_offset == known.base_offset:
            return fetched[: frame.start], known
        batch = memoryview(fetched)[frame.start : frame.end]
        size = _unpacked_bytes(batch[_FRAME_BYTES:], frame.codec, scratch)
        if size is None:
            return fetched[: frame.start], _whole(place, frame, batch, "too_large", f"over {UNPACKED_BYTES_MAX} bytes unpacked")
        if size > room and frame.start > 0:
            return fetched[: frame.start], None
        room -= size
        if thorough and not _readable(batch):
            return fetched[: frame.start], _taken_out(place, frame, batch)
    return fetched, None


def _frames(fetched: bytes) -> Iterator[_Frame]:
    """The whole batches, in log order; a fetch may end in the middle of one, which is left out."""
    start = 0
    while start + _FRAME_BYTES <= len(fetched):
        base, length, _, _, _, attributes, last_delta = _FRAME.unpack_from(fetched, start)
        end = start + _LENGTH_COUNTS_FROM + length
        if end > len(fetched):
            return
        yield _Frame(start, end, base, base + last_delta + 1, attributes & _CODEC_MASK)
        start = end


def _unpacked_bytes(packed: memoryview, codec_number: int, scratch: bytearray) -> int | None:
    """How many bytes come out, for snappy at most; None if more than `scratch` has room for. Some 20 us for 40 KB."""
    if codec_number == _GZIP:
        return _gunzipped_bytes(bytes(packed), len(scratch))
    if codec_number == _SNAPPY:
        return len(packed) * _SNAPPY_RATIO_MAX
    if codec_number in (_LZ4, _ZSTD):
        unpack_into = cramjam.lz4.decompress_into if codec_number == _LZ4 else cramjam.zstd.decompress_into
        try:
            return int(unpack_into(packed, scratch))
        except cramjam.DecompressionError:
            return None
    return len(packed)


def _gunzipped_bytes(packed: bytes, room: int) -> int | None:
    """gzip may be several streams one behind the other; readers take them as one."""
    found = 0
    while packed:
        stream = zlib.decompressobj(wbits=31)
        try:
            found += len(stream.decompress(packed, room + 1 - found))
        except zlib.error:
            return None
        if found > room or not stream.eof:
            return None
        packed = stream.unused_data
    return found


def _readable(batch: memoryview) -> bool:
    """Whether aiokafka reads it. A wrong checksum is the disk's fault, not the writer's, and is left for aiokafka to tell."""
    read = DefaultRecordBatch(bytes(batch))
    if not read.validate_crc():
        return True
    try:
        for _ in read:
            pass
    except Exception:
        return False
    return True


def _whole(place: TopicPartition, frame: _Frame, batch: memoryview, reason: str, why: str) -> Aside:
    (count,) = _COUNT.unpack_from(batch, _FRAME_BYTES - _COUNT.size)
    record = _record(place, frame.next_offset - 1, None, bytes(batch), (), reason, f"a batch of {count} records, {why}")
    return Aside(frame.base_offset, frame.next_offset, iter([record]), frame.base_offset)


def _taken_out(place: TopicPartition, frame: _Frame, batch: memoryview) -> Aside:
    return Aside(frame.base_offset, frame.next_offset, _records(place, frame, batch), frame.base_offset)


def _records(place: TopicPartition, frame: _Frame, batch: memoryview) -> Iterator[Record]:
    """Each record by itself; from one that does not fit its own lengths on, the whole batch as one."""
    packed = batch[_FRAME_BYTES:]
    try:
        body = bytearray(_UNPACK[frame.codec](packed) if frame.codec else packed)
        position = 0
        while position < len(body):
            length, position = decode_varint_py(body, position)
            yield _read(place, frame.base_offset, body[position : position + length])
            position += length
    except Exception:  # each codec has errors of its own; none of them may end the consumer
        yield from _whole(place, frame, batch, "bad_encoding", "of which some have no readable frame").records


# Numbers are read in Python: aiokafka's compiled reader looks beyond its buffer where a stranger's lengths point, and dies.
def _read(place: TopicPartition, base_offset: int, body: bytearray) -> Record:
    _, position = decode_varint_py(body, 1)  # behind the attributes: the time
    delta, position = decode_varint_py(body, position)
    key, position = _bytes(body, position)
    value, position = _bytes(body, position)
    count, position = decode_varint_py(body, position)
    if count < 0:
        raise ValueError("less than no headers")
    headers: list[tuple[str, bytes | None]] = []
    odd = False
    for _ in range(count):
        raw_name, position = _bytes(body, position)
        content, position = _bytes(body, position)
        name = (raw_name or b"").decode("utf-8", "backslashreplace")
        odd = odd or name.encode() != raw_name
        headers.append((name, content))
    if position != len(body):
        raise ValueError("longer or shorter than it says")
    return _record(place, base_offset + delta, key, value, headers, "bad_encoding" if odd else "", ODD_NAME if odd else "")


def _bytes(body: bytearray, position: int) -> tuple[bytes | None, int]:
    length, position = decode_varint_py(body, position)
    if length < 0:
        return None, position
    return bytes(body[position : position + length]), position + length


def _record(
    place: TopicPartition,
    offset: int,
    key: bytes | None,
    value: bytes | None,
    headers: "list[tuple[str, bytes | None]] | tuple[()]",
    reason: str,
    detail: str,
) -> Record:
    sizes = (-1 if key is None else len(key), -1 if value is None else len(value))
    common = (place.topic, place.partition, offset, -1, 0, key, value, None, *sizes, tuple(headers))
    return Unreadable(*common, reason, detail) if reason else ConsumerRecord(*common)
