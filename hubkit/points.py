"""Named points where a test can end the process: what a crash there loses or doubles is then seen, not argued.

In production `reached` compares one module attribute with None. Only test entry points set `hook`.
"""

from collections.abc import Callable
from typing import Literal

Point = Literal[
    "consume.after_poll",
    "consume.after_offsets",
    "consume.after_handle",
    "consume.after_commit",
    "consume.after_acknowledge",
    "relay.after_select",
    "relay.after_send",
    "relay.after_delete",
    "booking.after_lock",
    "booking.after_decide",
    "booking.after_write",
    "notify.after_claim",
    "notify.after_mark",
    "notify.on_wire",
    "notify.before_result",
    "notify.after_result",
    "analytics.after_known",
    "analytics.after_insert",
    "analytics.after_marks",
    "analytics.after_calendar",
    "analytics.after_delete",
    "analytics.after_recompute",
]

hook: Callable[[Point], None] | None = None


def reached(point: Point) -> None:
    """Tell the test hook, if there is one, that `point` was passed."""
    if hook is not None:
        hook(point)
