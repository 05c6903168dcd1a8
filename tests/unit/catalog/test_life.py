"""Every step from every state."""

from typing import get_args

import pytest

from services.catalog.domain import life
from services.catalog.domain.life import AlreadyDone, Status, Step, WrongState

LEADS = {
    ("publish", "draft"): "published",
    ("publish", "in_review"): "published",
    ("publish", "scheduled"): "published",
    ("publish", "published"): "published",
    ("publish", "withdrawn"): "published",
    ("suspend", "published"): "suspended",
    ("resume", "suspended"): "published",
    ("cancel", "published"): "cancelled",
    ("cancel", "suspended"): "cancelled",
    ("withdraw", "scheduled"): "withdrawn",
    ("withdraw", "published"): "withdrawn",
    ("withdraw", "suspended"): "withdrawn",
    ("withdraw", "cancelled"): "withdrawn",
}
DONE = {("suspend", "suspended"), ("resume", "published"), ("cancel", "cancelled"), ("withdraw", "withdrawn")}


@pytest.mark.parametrize("step", get_args(Step))
@pytest.mark.parametrize("status", get_args(Status))
def test_step__leads_where_the_table_says_and_nowhere_else(step: Step, status: Status) -> None:
    outcome = life.after(step, status)
    if (step, status) in LEADS:
        assert outcome == LEADS[step, status]
    elif (step, status) in DONE:
        assert outcome == AlreadyDone(status), "repeating a done step is no error"
    else:
        assert outcome == WrongState(status)


@pytest.mark.parametrize(("status", "after"), [("withdrawn", "draft"), ("published", "published"), ("draft", "draft")])
def test_edit__makes_a_withdrawn_offer_a_draft_again(status: Status, after: Status) -> None:
    assert life.after_edit(status) == after
