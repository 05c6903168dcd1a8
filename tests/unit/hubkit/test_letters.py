"""What of a record is kept and what travels; how many are too many."""

from datetime import UTC, datetime

import pytest

from contracts import topics
from hubkit import outbox
from hubkit.errors import ConsumerStopped
from hubkit.messaging import letters
from hubkit.messaging.letters import LETTERS_MAX, TOPIC_BYTES_MAX, WINDOW_SECONDS, Allowance, Received

TOPIC = topics.BOOKING_REQUESTS.name
Headers = tuple[tuple[str, bytes | None], ...]


def received(
    key: bytes | None = b"k", headers: Headers = (("h", b"v"),), value: bytes | None = b"value", reason: str = "schema"
) -> Received:
    return Received(3, 17, key, headers, value, None, reason, "/offer_id")


def travelling(record: Received, topic: str = TOPIC) -> tuple[bytes | None, list[tuple[str, bytes | None]], bytes | None]:
    key, headers, value = letters.message(letters.letter("booking." + topic, topic, record, attempts=2))
    return key, outbox.unpack_headers(headers), value


def test_letter__says_where_it_lay_and_why_it_was_set_aside() -> None:
    row = letters.letter("booking." + TOPIC, TOPIC, received(), attempts=2)
    assert (row.topic, row.partition, row.record_offset, row.reason, row.attempts) == (TOPIC, 3, 17, "schema", 2)
    assert (row.key, row.payload, outbox.unpack_headers(row.headers)) == (b"k", b"value", [("h", b"v")])
    assert (row.state, row.created_at.tzinfo) == ("kept", UTC)
    _, headers, _ = travelling(received())
    ours = {name: (value or b"").decode() for name, value in headers if name.startswith("dl_")}
    assert datetime.fromisoformat(ours.pop("dl_at")).tzinfo is not None
    assert len(ours.pop("dl_id")) == 36
    assert ours == {
        "dl_reason": "schema", "dl_attempts": "2", "dl_topic": TOPIC, "dl_partition": "3", "dl_offset": "17",
    }  # fmt: skip


def test_headers_named_as_ours__replaced_and_all_others_kept_in_order() -> None:
    theirs: Headers = (("b", None), ("dl_reason", b"none"), ("a", b"\xff"), ("a", b""), ("dl_", b"x"))
    _, headers, _ = travelling(received(headers=theirs))
    assert headers[:3] == [("b", None), ("a", b"\xff"), ("a", b"")]
    assert [name for name, _ in headers].count("dl_reason") == 1
    assert "dl_" not in dict(headers)


@pytest.mark.parametrize("record", [received(key=None), received(value=None), received(key=None, value=None, headers=())])
def test_null_key_or_value__travels_as_null(record: Received) -> None:
    key, headers, value = travelling(record)
    assert (key, value) == (record.key, record.value)
    assert "dl_sha256" not in dict(headers)


@pytest.mark.parametrize(
    "record",
    [
        received(value=bytes(TOPIC_BYTES_MAX)),
        received(key=bytes(TOPIC_BYTES_MAX)),
        received(headers=(("h", bytes(TOPIC_BYTES_MAX)),)),
        received(headers=(("h" * TOPIC_BYTES_MAX, None),)),
        received(headers=(("", None),) * (TOPIC_BYTES_MAX // 5)),
    ],
    ids=["value", "key", "header", "header's name", "many headers"],
)
def test_record_that_does_not_fit_into_the_topic__stays_in_its_row(record: Received) -> None:
    key, headers, value = travelling(record)
    assert (key, value) == (None, None)
    assert all(name.startswith("dl_") for name, _ in headers)
    assert "dl_sha256" in dict(headers)
    row = letters.letter("booking." + TOPIC, TOPIC, record, attempts=1)
    assert (row.key, row.payload) == (record.key, record.value)


def test_personal_record__only_key_and_hash_are_kept() -> None:
    topic = topics.PEOPLE_CONTACTS.name
    row = letters.letter("notify." + topic, topic, received(), attempts=1)
    assert (row.key, row.payload, outbox.unpack_headers(row.headers)) == (b"k", None, [])
    assert row.payload_sha256 is not None
    key, headers, value = travelling(received(), topic)
    assert (key, value) == (b"k", None)
    assert dict(headers)["dl_sha256"] == row.payload_sha256.hex().encode()


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(letters, "time", made)
    return made


BUG, BAD = received(reason="bug"), received(reason="bad_json")


@pytest.mark.parametrize(
    ("counts_all", "record", "counted"), [(True, BUG, 1), (True, BAD, 1), (False, BUG, 1), (False, BAD, 0)]
)
def test_allowance__counts_bugs_everywhere_and_bad_records_of_our_own_services(
    clock: Clock, counts_all: bool, record: Received, counted: int
) -> None:
    assert Allowance(counts_all).check([record]) == counted


def test_allowance_used_up__stops_until_the_window_has_passed(clock: Clock) -> None:
    allowance = Allowance(counts_all=True)
    allowance.use(allowance.check([BAD] * LETTERS_MAX))
    with pytest.raises(ConsumerStopped, match="dead_letters"):
        allowance.check([BAD])
    clock.now += WINDOW_SECONDS - 0.1
    with pytest.raises(ConsumerStopped, match="dead_letters"):
        allowance.check([BAD])
    clock.now += 0.2
    assert allowance.check([BAD] * LETTERS_MAX) == LETTERS_MAX


def test_more_at_once_than_a_window_allows__stops(clock: Clock) -> None:
    with pytest.raises(ConsumerStopped, match="dead_letters"):
        Allowance(counts_all=True).check([BAD] * (LETTERS_MAX + 1))


def test_checked_but_not_committed__does_not_count(clock: Clock) -> None:
    allowance = Allowance(counts_all=True)
    for _ in range(10):
        assert allowance.check([BUG] * LETTERS_MAX) == LETTERS_MAX


def test_hostile_records_of_frontends__never_stop(clock: Clock) -> None:
    allowance = Allowance(counts_all=False)
    for _ in range(100):
        allowance.use(allowance.check([BAD] * 500))
    assert allowance.check([BAD] * 500) == 0
