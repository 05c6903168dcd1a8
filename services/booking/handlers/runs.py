"""One run of decisions as its handlers pass it on: what is locked, what was found, what is to be said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.booking.domain.claims import Booking
from services.booking.domain.codes import Role
from services.booking.domain.desk import Desk
from services.booking.domain.offers import Offer
from services.booking.domain.requests import Outcome, Series
from services.booking.handlers.telling import Case
from services.booking.store.resources import Locked


@dataclass(frozen=True, slots=True)
class Locks:
    """The rows that are locked, and the rules that were found to be current under these locks."""

    rows: Mapping[str, Locked]
    offers: Mapping[str, Offer]
    now: datetime


class Said(NamedTuple):
    """One event to come, in the order in which things happened: the answer to `case`, or what followed from it.

    `case` None: from time or the catalogue. `outcome` None: an answer to a body that could not be decided.
    """

    case: Case | None
    outcome: Outcome | None
    role: Role
    is_answer: bool


@dataclass(slots=True)
class Run:
    """One pass over some cases: the state as it was found, the desk that the decisions changed, and what is to be said.

    `placed_before` are the sessions that lacked their rooms.
    """

    found: Mapping[UUID, Booking]
    desk: Desk
    said: list[Said]
    series: Mapping[UUID, Series]
    placed_before: Sequence[str] = ()
