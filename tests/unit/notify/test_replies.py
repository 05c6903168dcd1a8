"""What a relay's answer means: the table, and what is kept of its words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify import limits
from services.notify.domain.replies import Effect, Phase, Reply, classify, ends_connection, masked

TABLE = [
    (Phase.CONNECT, None, Effect.DOWN),
    (Phase.CONNECT, 421, Effect.DOWN),
    (Phase.CONNECT, 554, Effect.DOWN),
    (Phase.CONNECT, 432, Effect.THROTTLED),
    (Phase.AUTH, None, Effect.DOWN),
    (Phase.AUTH, 454, Effect.DOWN),
    (Phase.AUTH, 535, Effect.MISCONFIGURED),
    (Phase.AUTH, 432, Effect.THROTTLED),
    (Phase.MAIL, None, Effect.CUT),
    *((Phase.MAIL, code, Effect.THROTTLED) for code in (421, 432, 450, 451, 452, 454)),
    (Phase.MAIL, 550, Effect.MISCONFIGURED),
    (Phase.MAIL, 503, Effect.MISCONFIGURED),
    (Phase.RCPT, None, Effect.CUT),
    (Phase.RCPT, 421, Effect.TEMPORARY),
    (Phase.RCPT, 450, Effect.TEMPORARY),
    (Phase.RCPT, 432, Effect.THROTTLED),
    (Phase.RCPT, 550, Effect.PERMANENT),
    (Phase.DATA, 250, Effect.ACCEPTED),
    (Phase.DATA, 451, Effect.TEMPORARY),
    (Phase.DATA, 421, Effect.TEMPORARY),
    (Phase.DATA, 432, Effect.THROTTLED),
    (Phase.DATA, 554, Effect.PERMANENT),
    (Phase.DATA, None, Effect.UNKNOWN),
    (Phase.DATA, 354, Effect.UNKNOWN),
    (Phase.DATA, 251, Effect.UNKNOWN),
    (Phase.DATA, 999, Effect.UNKNOWN),
    (Phase.DATA, 42, Effect.UNKNOWN),
    (Phase.RCPT, 999, Effect.CUT),
]


@pytest.mark.parametrize(("phase", "code", "effect"), TABLE)
def test_reply__has_the_effect_of_its_phase(phase: Phase, code: int | None, effect: Effect) -> None:
    assert classify(Reply(phase, code)) is effect


@given(st.sampled_from(Phase), st.one_of(st.none(), st.integers(-1, 1200)))
def test_only_250_after_the_dot__counts_as_accepted(phase: Phase, code: int | None) -> None:
    effect = classify(Reply(phase, code))

    assert (effect is Effect.ACCEPTED) == (phase is Phase.DATA and code == 250)
    assert (effect is Effect.UNKNOWN) <= (phase is Phase.DATA), "before DATA nothing can have been accepted"
    assert (effect is Effect.UNKNOWN) <= (code is None or not 400 <= code < 600), "a refusal is never a doubt"


@pytest.mark.parametrize(
    ("code", "expected"), [(None, True), (421, True), (354, True), (220, True), (250, False), (451, False), (550, False)]
)
def test_connection__is_dropped_where_both_sides_may_be_out_of_step(code: int | None, expected: bool) -> None:
    assert ends_connection(Reply(Phase.RCPT, code)) is expected


@pytest.mark.parametrize(
    "text",
    [
        "5.1.1 <anna.beispiel@example.org>: Recipient address rejected",
        "5.1.1 ANNA.BEISPIEL@EXAMPLE.ORG unknown",
        "5.1.1 user Anna.Beispiel not known here",
        "2.0.0 queued for anna.beispiel@example.org and kept for bob@example.com",
        'mailbox "anna.beispiel"@example.org full',
    ],
)
def test_reply_text__is_kept_without_addresses(text: str) -> None:
    kept = masked(text, recipient="anna.beispiel@example.org")

    assert "anna.beispiel" not in kept.lower()
    assert "bob@" not in kept
    assert kept[:3] == text[:3]


@given(st.text(max_size=400), st.emails())
def test_reply_text_of_any_kind__never_holds_the_address(noise: str, recipient: str) -> None:
    kept = masked(f"{noise}{recipient}{noise}", recipient=recipient)

    assert recipient.lower() not in kept.lower()
    assert len(kept) <= limits.REPLY_CHARACTERS_MAX
    assert kept.isprintable()
    kept.encode()  # no lone surrogates: the database could not hold them


def test_reply_text_of_an_undecodable_line__can_be_stored() -> None:
    kept = masked(b"5.0.0 \xff\xfe broken \x00".decode("utf-8", "surrogateescape"), recipient="a@b.de")

    assert kept == "5.0.0   broken"
