"""The life cycle of an offer: which step leads from which state to which."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Status = Literal["draft", "in_review", "scheduled", "published", "suspended", "cancelled", "withdrawn", "archived"]
Step = Literal["publish", "suspend", "resume", "cancel", "withdraw"]
WireStatus = Literal["published", "suspended", "cancelled"]
WithdrawReason = Literal["editor", "publish_until", "source"]

LIVE: frozenset[Status] = frozenset({"published", "suspended", "cancelled"})  # these have a state on the bus
MANAGER_STEPS: frozenset[Step] = frozenset({"cancel"})  # cancelling displaces bookings

_NEXT: Mapping[Step, Mapping[Status, Status]] = {
    "publish": {
        "draft": "published",
        "in_review": "published",
        "scheduled": "published",
        "published": "published",
        "withdrawn": "published",  # a draft again for the moment of the gate; its revisions go on
    },
    "suspend": {"published": "suspended"},
    "resume": {"suspended": "published"},
    "cancel": {"published": "cancelled", "suspended": "cancelled"},
    "withdraw": {"scheduled": "withdrawn", "published": "withdrawn", "suspended": "withdrawn", "cancelled": "withdrawn"},
}
_REACHED: Mapping[Step, Status] = {
    "suspend": "suspended",
    "resume": "published",
    "cancel": "cancelled",
    "withdraw": "withdrawn",
}


@dataclass(frozen=True, slots=True)
class WrongState:
    """The step is not for an offer in this state."""

    status: Status


@dataclass(frozen=True, slots=True)
class AlreadyDone:
    """The step was taken before; taking it again is no error."""

    status: Status


def after(step: Step, status: Status) -> Status | WrongState | AlreadyDone:
    """The state the step leads to. Publishing a published offer is a step: its working copy may have changed."""
    following = _NEXT[step].get(status)
    if following is not None:
        return following
    if _REACHED.get(step) == status:
        return AlreadyDone(status)
    return WrongState(status)


def after_edit(status: Status) -> Status:
    """Editing what was withdrawn makes it a draft again, with the same id and its revisions going on."""
    return "draft" if status == "withdrawn" else status
