"""The demo's count: exactly one answer, whatever the wire repeats; times by nearest rank."""

from uuid import UUID, uuid4

import pytest

from deploy.demo.ledger import Answer, Ledger, percentile, report

REQUEST = uuid4()


def answer(event_id: UUID, *, kind: str = "BookingConfirmed", reason: str | None = None, at: float = 1.0) -> Answer:
    return Answer(event_id, kind, reason, at)


@pytest.fixture
def ledger() -> Ledger:
    made = Ledger()
    made.send(REQUEST, "RequestBooking", now=0.5)
    return made


def test_one_answer__is_right(ledger: Ledger) -> None:
    assert ledger.wrong() == [REQUEST]
    assert ledger.answer(REQUEST, answer(uuid4()))
    assert ledger.wrong() == []
    assert ledger.seconds() == [0.5]


def test_same_event_twice__counts_once(ledger: Ledger) -> None:
    event_id = uuid4()
    assert ledger.answer(REQUEST, answer(event_id))
    assert not ledger.answer(REQUEST, answer(event_id, at=2.0))
    assert ledger.wrong() == []


def test_second_event_for_one_request__is_wrong(ledger: Ledger) -> None:
    ledger.answer(REQUEST, answer(uuid4()))
    ledger.answer(REQUEST, answer(uuid4()))
    assert ledger.wrong() == [REQUEST]


def test_copies_of_one_request__need_one_answer_counted_from_the_first(ledger: Ledger) -> None:
    assert ledger.send(REQUEST, "RequestBooking", now=0.9).copies == 2
    ledger.answer(REQUEST, answer(uuid4()))
    assert ledger.wrong() == []
    assert ledger.seconds() == [0.5]


def test_used_id__needs_its_own_refusal_beside_the_answer(ledger: Ledger) -> None:
    ledger.answer(REQUEST, answer(uuid4()))
    ledger.asked[REQUEST].others = 1
    assert ledger.waiting() == 1
    refusal = uuid4()
    ledger.refuse_other(REQUEST, refusal)
    ledger.refuse_other(REQUEST, refusal)
    assert ledger.wrong() == []


def test_answer_to_a_stranger__counted_apart(ledger: Ledger) -> None:
    assert not ledger.answer(uuid4(), answer(uuid4()))
    ledger.refuse_other(uuid4(), uuid4())
    assert ledger.strangers == 1
    assert ledger.wrong() == [REQUEST]


@pytest.mark.parametrize(("share", "value"), [(0.5, 2), (0.99, 4), (1.0, 4), (0.0, 1), (0.25, 1), (0.26, 2)])
def test_percentile__is_the_nearest_rank(share: float, value: float) -> None:
    assert percentile([1, 2, 3, 4], share) == value


def test_percentile_of_nothing__zero() -> None:
    assert percentile([], 0.5) == 0


def test_number_of__counts_answers_by_type(ledger: Ledger) -> None:
    ledger.answer(REQUEST, answer(uuid4()))
    assert ledger.number_of("BookingConfirmed", "BookingCancelled") == 1
    assert ledger.number_of("BookingCancelled") == 0


def test_report__names_outcomes_reasons_and_figures(ledger: Ledger) -> None:
    other = uuid4()
    ledger.send(other, "CancelBooking", now=0.0)
    ledger.answer(REQUEST, answer(uuid4(), at=0.51))
    ledger.answer(other, answer(uuid4(), kind="RequestRefused", reason="conflict", at=0.02))
    text = "\n".join(report(ledger, violations=0, dead_letters=3))
    assert "2 requests: 1 wishes, 1 cancellations" in text
    assert "BookingConfirmed             1" in text
    assert "refused: conflict            1" in text
    assert "answered exactly once        2 of 2" in text
    assert "p50 10.0 ms   p99 20.0 ms" in text
    assert "dead letters                 3" in text
    assert "invariants violated          0" in text
