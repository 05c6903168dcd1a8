"""Deciding requests one after the other on one state: what a poll does between its locks and its writes.

Each decision is applied to the desk at once, so the next request finds what the last one left. Nothing here waits, reads
or writes: the same requests on the same state at the same time give the same outcomes.
"""

from datetime import datetime

from services.booking.domain.claiming import decide_request
from services.booking.domain.claims import Reasons, Why
from services.booking.domain.codes import Reason
from services.booking.domain.commands import decide_named
from services.booking.domain.desk import Desk, check_in_code
from services.booking.domain.requests import Asked, Outcome, Refused, Rejected, Request
from services.booking.domain.series import decide_on_series, decide_series

__all__ = ["Desk", "check_in_code", "decide"]


def decide(request: Request, desk: Desk, now: datetime) -> Outcome:
    """Answer one request at `now` and apply the answer to the desk; what follows for others is in `desk.told`."""
    body = request.body
    if request.expires_at is not None and request.expires_at <= now:
        expired = Reasons((Why(Reason.REQUEST_EXPIRED),))
        return Rejected(expired) if isinstance(body, Asked) else Refused(expired)
    if isinstance(body, Asked):
        return decide_request(request, body, desk, now) if body.series is None else decide_series(request, body, desk, now)
    if body.series_id is not None:
        return decide_on_series(request, body, desk, now)
    return decide_named(request, body, desk, now)
