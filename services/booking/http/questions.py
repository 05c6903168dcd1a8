"""Questions that frontends ask booking, read only: what became of a request, what is free, why not."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import TypeAdapter, ValidationError

from contracts.envelope import BookedTime, Instant
from contracts.envelope.values import Id
from hubkit.db import Pool, reading
from hubkit.http import Problem
from services.booking.domain.availability import FreeSession, FreeSpan
from services.booking.domain.claims import Placement, Wish
from services.booking.handlers import questions
from services.booking.handlers.house import House
from services.booking.handlers.questions import Checked
from services.booking.limits import ASKED_LIST_MAX, FREE_WINDOW_DAYS_MAX, MINUTES_MAX, QUANTITY_MAX, YEARS_ASKED
from services.booking.store import requests as store_requests

_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)
_UNKNOWN_OFFER: dict[int | str, dict[str, Any]] = {404: {"description": "`unknown_offer`"}}
_BOOKED_TIME: TypeAdapter[datetime] = TypeAdapter(BookedTime)

Code = Annotated[str, Query(pattern="^[a-z0-9_-]{1,40}$")]
Codes = Annotated[list[Code], Query(max_length=ASKED_LIST_MAX)]
Choices = Annotated[
    list[Annotated[str, Query(pattern="^[a-z0-9_-]{1,40}=[A-Za-z0-9._:-]{1,120}$")]],
    Query(max_length=ASKED_LIST_MAX, description="component_id=resource_id"),
]
Minutes = Annotated[int, Query(ge=1, le=MINUTES_MAX)]
Quantity = Annotated[int, Query(ge=1, le=QUANTITY_MAX)]
Time = Annotated[str, Query(max_length=40, description="an instant; in `check` also a local time without offset")]


@dataclass(frozen=True, slots=True)
class Decided:
    """The stored outcome of a request: the event that answered it."""

    request_id: UUID
    payload_hash: str
    type: str
    time: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FreeAnswer:
    """What is free as of an instant; `more`: the lists end at their bounds, ask for a shorter window."""

    offer_id: str
    as_of: datetime
    starts: Sequence[datetime]
    spans: Sequence[FreeSpan]
    sessions: Sequence[FreeSession]
    more: bool


@dataclass(frozen=True, slots=True)
class DayAnswer:
    """A local date; `free` if and only if booking one of its `count` starts or sessions would succeed."""

    date: date
    free: bool
    first_start: datetime | None
    count: int


@dataclass(frozen=True, slots=True)
class DaysAnswer:
    """Every date that was asked for, as of an instant."""

    offer_id: str
    as_of: datetime
    days: list[DayAnswer]


@dataclass(frozen=True, slots=True)
class Why:
    """A reason code of booking.md §7, and the component it is about."""

    code: str
    component_id: str | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """What a booking would get for one component."""

    component_id: str
    resource_id: str
    quantity: int


@dataclass(frozen=True, slots=True)
class CheckAnswer:
    """Whether a request would be confirmed now: with what, or all reasons why not, in their order."""

    offer_id: str
    as_of: datetime
    ok: bool
    start: datetime | None = None
    end: datetime | None = None
    placements: list[Placed] = field(default_factory=list)
    reasons: list[Why] = field(default_factory=list)
    detail: list[str] = field(default_factory=list)
    next_start: datetime | None = None


def add_questions(router: APIRouter, house: House, pool: Pool) -> None:
    """Routes for every frontend: they never tell whose a span is."""

    @router.get("/requests/{request_id}", responses={404: {"description": "`not_decided_yet`"}})
    async def show_request(request_id: UUID) -> Decided:
        """The outcome of a request; a refusal is an outcome too, only `busy` is none."""
        async with reading(pool) as conn:
            entry = await store_requests.read_entry(conn, request_id)
        if entry is None:
            raise Problem(404, "not_decided_yet", "no outcome is known for this request", headers={"Retry-After": "1"})
        return Decided(request_id=request_id, payload_hash=entry.payload_hash, **json.loads(entry.outcome))

    @router.get("/offers/{offer_id}/free", response_model_exclude_none=True, responses=_UNKNOWN_OFFER)
    async def show_free(
        offer_id: Id,
        from_: Annotated[Time, Query(alias="from")],
        to: Time,
        duration: Minutes | None = None,
        quantity: Quantity = 1,
        needs: Codes = [],  # noqa: B006  FastAPI copies defaults
        group: Codes = [],  # noqa: B006
        choice: Choices = [],  # noqa: B006
        option: Codes = [],  # noqa: B006
        person_id: UUID | None = None,
        ignore: UUID | None = None,
    ) -> FreeAnswer:
        """Free starts and maximal free spans per resource, or sessions with their places; at most 92 days."""
        low, high = _instant("from", from_), _instant("to", to)
        if not low < high <= low + timedelta(days=FREE_WINDOW_DAYS_MAX):
            raise _wrong("to", f"after `from`, at most {FREE_WINDOW_DAYS_MAX} days")
        length = None if duration is None else timedelta(minutes=duration)
        wish = _wish(length, quantity, needs, group, choice, option, person_id, undecided=True)
        async with reading(pool) as conn:
            found = await questions.list_free(house, conn, offer_id, wish, low, high, ignore)
        if found is None:
            raise Problem(404, "unknown_offer")
        as_of, free = found
        return FreeAnswer(offer_id, as_of, free.starts, free.spans, free.sessions, free.more)

    _add_days(router, house, pool)
    _add_check(router, house, pool)


def _add_days(router: APIRouter, house: House, pool: Pool) -> None:
    @router.get("/offers/{offer_id}/days", response_model_exclude_none=True, responses=_UNKNOWN_OFFER)
    async def show_days(
        offer_id: Id,
        from_: Annotated[date, Query(alias="from")],
        to: Annotated[date, Query(description="the last date asked for")],
        duration: Minutes | None = None,
        quantity: Quantity = 1,
        needs: Codes = [],  # noqa: B006
        group: Codes = [],  # noqa: B006
        choice: Choices = [],  # noqa: B006
        option: Codes = [],  # noqa: B006
        person_id: UUID | None = None,
        ignore: UUID | None = None,
    ) -> DaysAnswer:
        """Per local date whether something is free, the first start and how many; at most 92 days."""
        if from_.year not in YEARS_ASKED or to.year not in YEARS_ASKED:
            raise _wrong("from", f"a year from {YEARS_ASKED[0]} to {YEARS_ASKED[-1]}")
        if not from_ <= to < from_ + timedelta(days=FREE_WINDOW_DAYS_MAX):
            raise _wrong("to", f"not before `from`, at most {FREE_WINDOW_DAYS_MAX} days")
        length = None if duration is None else timedelta(minutes=duration)
        wish = _wish(length, quantity, needs, group, choice, option, person_id, undecided=True)
        async with reading(pool) as conn:
            found = await questions.list_days(house, conn, offer_id, wish, from_, to + timedelta(days=1), ignore)
        if found is None:
            raise Problem(404, "unknown_offer")
        as_of, days = found
        return DaysAnswer(offer_id, as_of, [DayAnswer(day.date, day.count > 0, day.first_start, day.count) for day in days])


def _add_check(router: APIRouter, house: House, pool: Pool) -> None:
    @router.get("/offers/{offer_id}/check", response_model_exclude_none=True, responses=_UNKNOWN_OFFER)
    async def check(
        offer_id: Id,
        start: Time | None = None,
        end: Time | None = None,
        duration: Minutes | None = None,
        quantity: Quantity = 1,
        needs: Codes = [],  # noqa: B006
        group: Codes = [],  # noqa: B006
        choice: Choices = [],  # noqa: B006
        option: Codes = [],  # noqa: B006
        person_id: UUID | None = None,
        offer_revision: Annotated[int | None, Query(ge=0, le=2**63 - 1)] = None,
        ignore: UUID | None = None,
    ) -> CheckAnswer:
        """Why not: what a request with these wishes would be answered now."""
        length = None if duration is None else timedelta(minutes=duration)
        wish = _wish(
            length, quantity, needs, group, choice, option, person_id,
            start=_booked("start", start), end=_booked("end", end), offer_revision=offer_revision,
        )  # fmt: skip
        async with reading(pool) as conn:
            checked = await questions.check(house, conn, offer_id, wish, ignore)
        if checked is None:
            raise Problem(404, "unknown_offer")
        return _check_answer(offer_id, checked)


def _wish(
    duration: timedelta | None, quantity: int, needs: Sequence[str], groups: Sequence[str], choices: Sequence[str],
    options: Sequence[str], person_id: UUID | None, *, start: datetime | None = None, end: datetime | None = None,
    offer_revision: int | None = None, undecided: bool = False,
) -> Wish:  # fmt: skip
    """The wish behind a question. Without groups it is not known who asks: then none is missed."""
    return Wish(
        start=start,
        end=end,
        duration=duration,
        quantity=quantity,
        choices=dict(_pair(choice) for choice in choices) or None,
        options=frozenset(options),
        needs=frozenset(needs),
        groups=frozenset(groups) if groups else None,
        person_id=person_id,
        offer_revision=offer_revision,
        undecided=undecided,
    )


def _pair(choice: str) -> tuple[str, str]:
    component_id, _, resource_id = choice.partition("=")
    return component_id, resource_id


def _instant(name: str, text: str) -> datetime:
    try:
        instant = _INSTANT.validate_strings(text)
    except ValidationError:
        raise _wrong(name, "an instant with offset, YYYY-MM-DDTHH:MM:SSZ") from None
    if instant.year not in YEARS_ASKED:
        raise _wrong(name, f"a year from {YEARS_ASKED[0]} to {YEARS_ASKED[-1]}")
    return instant


def _booked(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return _BOOKED_TIME.validate_strings(text)
    except ValidationError:
        raise _wrong(name, "an instant, or a local time without offset, in whole seconds") from None


def _wrong(name: str, detail: str) -> Problem:
    return Problem(422, "invalid_request", detail, errors=[{"pointer": f"/query/{name}", "code": "value"}])


def _check_answer(offer_id: str, checked: Checked) -> CheckAnswer:
    answer = checked.answer
    if isinstance(answer, Placement):
        placements = [
            Placed(component_id=part.component_id, resource_id=part.resource_id, quantity=part.quantity)
            for part in answer.parts
        ]
        return CheckAnswer(
            offer_id=offer_id, as_of=checked.as_of, ok=True, start=answer.start, end=answer.end, placements=placements
        )
    return CheckAnswer(
        offer_id=offer_id,
        as_of=checked.as_of,
        ok=False,
        start=answer.start,
        end=answer.end,
        reasons=[Why(code=why.code, component_id=why.component_id) for why in answer.items],
        detail=list(answer.detail),
        next_start=checked.next_start,
    )
