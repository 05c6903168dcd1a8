"""The domain has word lists of its own; they must not drift from the contract's."""

from enum import StrEnum

import pytest

from contracts.booking import commands, rules, vocabulary
from services.booking.domain import codes
from services.booking.domain.requests import Command


def test_reasons__are_the_contracts_in_the_same_order() -> None:
    ours = [reason.value for reason in codes.Reason]
    assert ours == [reason.value for reason in vocabulary.Reason if reason is not vocabulary.Reason.UNKNOWN]
    assert sorted(codes.Reason, key=codes.RANK.__getitem__) == list(codes.Reason)


@pytest.mark.parametrize(
    ("ours", "theirs", "only_theirs"),
    [
        (codes.State, vocabulary.State, {"rejected"}),
        (codes.Role, vocabulary.ActorRole, set()),
        (codes.Choose, rules.Choose, set()),
        (codes.Per, rules.LimitPer, set()),
        (codes.Measure, rules.LimitUnit, set()),
        (codes.Window, rules.LimitWindow, set()),
        (codes.Lead, rules.LeadUnit, set()),
    ],
)
def test_word_lists_agree_with_the_contract(ours: type[StrEnum], theirs: type[StrEnum], only_theirs: set[str]) -> None:
    assert {word.value for word in ours} == {word.value for word in theirs} - only_theirs


def test_kinds_of_the_contract__are_all_known_and_two_are_ours_alone() -> None:
    assert {kind.value for kind in codes.Kind} - {kind.value for kind in rules.ResourceKind} == {"allowance", "partner"}
    assert {kind.value for kind in rules.ResourceKind} <= {kind.value for kind in codes.Kind}


def test_commands__are_the_contracts() -> None:
    assert {command.value for command in Command} == {model.__name__ for model in commands.COMMANDS}


def test_states_are_blocking_or_terminal_or_neither__never_both() -> None:
    assert not codes.BLOCKING & codes.TERMINAL
    neither = set(codes.State) - codes.BLOCKING - codes.TERMINAL
    assert neither == {codes.State.WAITLISTED, codes.State.DISPLACED, codes.State.AWAITING_PARTNER}
