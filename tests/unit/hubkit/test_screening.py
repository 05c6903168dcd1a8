"""Looking through fetched bytes: what may be unpacked, what is taken out, and how much of it can be had."""

import pytest
from aiokafka import TopicPartition
from hypothesis import given, settings
from hypothesis import strategies as st

from hubkit.messaging.screening import FETCHED_BYTES_MAX, UNPACKED_BYTES_MAX, Aside, Unreadable, screen
from tests.support import hostile
from tests.support.hostile import GZIP, LZ4, NONE, SNAPPY, ZSTD, Bare

PLACE = TopicPartition("t", 3)
CODECS = [NONE, GZIP, SNAPPY, LZ4, ZSTD]
SCRATCH = bytearray(UNPACKED_BYTES_MAX)
GOOD = Bare(b"k", [(b"h", b"v")], b"value")
ODD = Bare(b"odd", [(b"na\xffme", b"v"), ("ü".encode(), None)], b"value")


def at(batch: bytes, offset: int) -> bytes:
    """The batch as the broker stores it at that offset."""
    return offset.to_bytes(8, "big") + batch[8:]


def look(fetched: bytes, *, known: Aside | None = None, thorough: bool = False) -> tuple[bytes, Aside | None]:
    return screen(PLACE, fetched, scratch=SCRATCH, known=known, thorough=thorough)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("thorough", [True, False])
def test_good_batches__left_as_fetched(codec: int, thorough: bool) -> None:
    fetched = at(hostile.batch([GOOD] * 5, codec=codec), 0) + at(hostile.batch([GOOD], codec=codec), 5)
    assert look(fetched, thorough=thorough) == (fetched, None)


def test_last_batch_cut_off_by_the_fetch__left_as_fetched() -> None:
    whole = at(hostile.batch([GOOD]), 0)
    for length in (0, 5, 60, 61, len(whole) - 1):
        fetched = whole + whole[:length]
        assert look(fetched, thorough=True) == (fetched, None)


@pytest.mark.parametrize("codec", CODECS)
def test_odd_header_name__taken_out_record_by_record(codec: int) -> None:
    first, odd = at(hostile.batch([GOOD], codec=codec), 0), at(hostile.batch([GOOD, ODD, GOOD], codec=codec), 1)
    clean, aside = look(first + odd + at(hostile.batch([GOOD]), 4), thorough=True)
    assert clean == first
    assert aside is not None
    assert (aside.base_offset, aside.next_offset) == (1, 4)
    one, two, three = aside.records
    assert [(r.topic, r.partition, r.offset) for r in (one, two, three)] == [("t", 3, 1), ("t", 3, 2), ("t", 3, 3)]
    assert not isinstance(one, Unreadable)
    assert not isinstance(three, Unreadable)
    assert (one.key, one.value, one.headers) == (b"k", b"value", (("h", b"v"),))
    assert isinstance(two, Unreadable)
    assert (two.reason, two.key, two.value) == ("bad_encoding", b"odd", b"value")
    assert two.headers == (("na\\xffme", b"v"), ("ü", None))


def test_odd_header_name__not_looked_for_unless_asked() -> None:
    """It is the reading a second time: only after aiokafka has failed."""
    fetched = at(hostile.batch([ODD]), 0)
    assert look(fetched) == (fetched, None)


@pytest.mark.parametrize(("codec", "size"), [(GZIP, 30_000_000), (LZ4, 20_000_000), (ZSTD, 200_000_000)])
def test_batch_that_unpacks_to_too_much__kept_packed_as_one_record(codec: int, size: int) -> None:
    first = at(hostile.batch([GOOD]), 6)
    bomb = at(hostile.batch([GOOD, Bare(b"k", [], bytes(size))], codec=codec), 7)
    clean, aside = look(first + bomb)
    assert clean == first
    assert aside is not None
    assert (aside.base_offset, aside.next_offset) == (7, 9)
    (record,) = aside.records
    assert isinstance(record, Unreadable)
    assert (record.offset, record.reason, record.key, record.value) == (8, "too_large", None, bomb)


def test_gzip_of_many_streams__counted_together() -> None:
    half = bytes(UNPACKED_BYTES_MAX * 2 // 3)
    body = hostile.batch([Bare(None, [], half)], codec=NONE)[61:]
    packed = hostile.packed(body[:100], GZIP) + hostile.packed(body[100:], GZIP)
    allowed = at(hostile.framed(packed, count=1, codec=GZIP), 0)
    assert look(allowed) == (allowed, None)
    twice = at(hostile.framed(packed + packed, count=1, codec=GZIP), 0)
    assert look(twice)[0] == b""


@pytest.mark.parametrize("codec", CODECS)
def test_batch_at_the_limit__allowed(codec: int) -> None:
    fetched = at(hostile.batch([Bare(b"", [], bytes(UNPACKED_BYTES_MAX - 100))], codec=codec), 0)
    assert look(fetched) == (fetched, None)


def test_more_than_a_fetch_may_unpack_to__the_rest_is_left_for_the_next() -> None:
    one = hostile.batch([Bare(b"", [], bytes(3_000_000))], codec=ZSTD)
    fetched = b"".join(at(one, offset) for offset in range(10))
    clean, aside = look(fetched)
    assert (len(clean), aside) == (len(one) * (FETCHED_BYTES_MAX // 3_000_000), None)
    # The first is always let through, else nothing would ever move.
    big = at(hostile.batch([Bare(b"", [], bytes(3_900_000))], codec=SNAPPY), 0)
    assert look(big) == (big, None)


def test_batch_that_was_taken_out_before__is_the_same_again() -> None:
    fetched = at(hostile.batch([GOOD]), 0) + at(hostile.batch([ODD]), 1)
    _, aside = look(fetched, thorough=True)
    assert aside is not None
    clean, again = look(fetched, known=aside)
    assert clean == at(hostile.batch([GOOD]), 0)
    assert again is aside


@pytest.mark.parametrize(
    "body",
    [
        b"\x7f",
        b"\x02\x00",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x0c\x00\x00\x00\x00\x00\x7f",
        b"\x0e\x00\x00\x00\x01\x01\x00\x00",
    ],
)
def test_records_that_do_not_fit_their_own_lengths__one_record_for_the_batch(body: bytes) -> None:
    """A broker refuses them; if one does not, this must not end the consumer either."""
    batch = at(hostile.sealed(body, count=1, codec=NONE), 4)
    clean, aside = look(batch, thorough=True)
    assert clean == b""
    assert aside is not None
    found = list(aside.records)
    assert isinstance(found[-1], Unreadable)
    assert (found[-1].offset, found[-1].reason, found[-1].value) == (4, "bad_encoding", batch)


def test_wrong_checksum__left_for_aiokafka_to_tell() -> None:
    """The disk's fault and not a writer's: setting it aside would hide it."""
    broken = bytearray(at(hostile.batch([GOOD]), 0))
    broken[-1] ^= 1
    assert look(bytes(broken), thorough=True) == (bytes(broken), None)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_any_bytes__do_not_raise(fetched: bytes, thorough: bool) -> None:
    clean, aside = look(fetched, thorough=thorough)
    assert fetched.startswith(clean)
    if aside is not None:
        list(aside.records)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(CODECS), st.integers(0, 5))
def test_any_records_in_a_sound_frame__do_not_raise(body: bytes, codec: int, count: int) -> None:
    fetched = at(hostile.framed(body, count=count, codec=codec), 9)
    clean, aside = look(fetched, thorough=True)
    assert clean in (b"", fetched)
    if aside is not None:
        assert all(record.partition == 3 for record in aside.records)
