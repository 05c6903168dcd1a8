"""Headers as one value of the outbox: whatever bytes they were."""

from hypothesis import given, settings
from hypothesis import strategies as st

from hubkit.outbox import pack_headers, unpack_headers

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
HEADERS = st.lists(st.tuples(NAMES, st.none() | st.binary(max_size=40)), max_size=8)


@settings(deadline=None)
@given(HEADERS)
def test_packed_headers__come_out_as_they_went_in(headers: list[tuple[str, bytes | None]]) -> None:
    assert unpack_headers(pack_headers(headers)) == headers


def test_awkward_headers__come_out_as_they_went_in() -> None:
    headers: list[tuple[str, bytes | None]] = [
        ("", None), ("", b""), ("ce_id", bytes(range(256))), ("ce_id", b"again"), ("ü\x00\"\\", b"\xff\xfe"), ("null", None),
    ]  # fmt: skip
    assert unpack_headers(pack_headers(headers)) == headers
    assert unpack_headers(pack_headers(())) == []
