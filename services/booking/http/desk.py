"""Questions with service token, for the portal's pages and for reconcile: whose a booking is is told here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date as Date
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, params
from pydantic import SecretStr, TypeAdapter, ValidationError

from contracts.envelope import Instant
from contracts.envelope.values import Id
from hubkit.db import Pool, ReadConn, reading
from hubkit.http import Problem, actor_with
from services.booking.domain.claims import Booking
from services.booking.domain.codes import State
from services.booking.domain.zones import DAY, midnight, zone
from services.booking.limits import ASKED_LIST_MAX, YEARS_ASKED
from services.booking.store import bookings as store_bookings
from services.booking.store import desk as store
from services.booking.store import figures

ZoneName = Annotated[str, Query(max_length=60, description="IANA zone in which the date is meant")]
Ids = Annotated[list[Id], Query(max_length=ASKED_LIST_MAX)]
Code = Annotated[str, Path(pattern="^[0-9A-HJKMNP-TV-Z]{8}$")]
_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)
# What `next_due_at` means in each state that has an end (booking.md §2).
_DEADLINES: Mapping[State, str] = {
    State.HELD: "hold_expires_at",
    State.OFFERED: "offer_expires_at",
    State.PENDING_APPROVAL: "decide_by",
    State.WAITLISTED: "promote_until",
    State.DISPLACED: "rebook_by",
    State.AWAITING_PARTNER: "answer_by",
}


@dataclass(frozen=True, slots=True)
class PlacedAt:
    """One component on one resource."""

    component_id: str
    resource_id: str
    quantity: int


@dataclass(frozen=True, slots=True)
class BookingAnswer:
    """A booking as it stands; `deadlines` are those of its state, `competitors` others that wait for the same approval."""

    booking_id: UUID
    offer_id: str
    offer_revision: int
    claimant: dict[str, str]
    state: str
    version: int
    start: datetime
    end: datetime
    time_zone: str
    quantity: int
    needs: list[str]
    placements: list[PlacedAt]
    check_in_code: str | None
    series_id: UUID | None
    occurrence_no: int | None
    overbook_reason: str | None
    anonymised: bool
    deadlines: dict[str, datetime]
    competitors: list[UUID] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BookingsAnswer:
    """A list in the order that its question names."""

    bookings: list[BookingAnswer]


@dataclass(frozen=True, slots=True)
class ResourceTotal:
    """Bookings that start that day, by state, and the seconds booked in it, times quantity."""

    resource_id: str
    bookings: dict[str, int]
    booked_seconds: int


@dataclass(frozen=True, slots=True)
class TotalsAnswer:
    """Every resource on which something is or was booked."""

    date: Date
    resources: list[ResourceTotal]


def add_desk(router: APIRouter, pool: Pool, token: SecretStr) -> None:
    """Routes for those who have the service token and state who asks."""
    reader = Depends(actor_with(token))
    _add_single(router, pool, reader)
    _add_lists(router, pool, reader)

    @router.get("/totals", dependencies=[reader])
    async def show_totals(date: Date, time_zone: ZoneName = "Europe/Berlin") -> TotalsAnswer:
        """What figures are held against: per resource the bookings by state and the booked seconds."""
        low, high = _day(date, time_zone)
        async with reading(pool) as conn:
            totals = await figures.read_totals(conn, low, high)
        return TotalsAnswer(date, [ResourceTotal(*total) for total in totals])


def _add_single(router: APIRouter, pool: Pool, reader: params.Depends) -> None:
    @router.get("/bookings/{booking_id}", dependencies=[reader], responses={404: {"description": "`not_found`"}})
    async def show_booking(booking_id: UUID) -> BookingAnswer:
        """One booking."""
        async with reading(pool) as conn:
            found = await _read(conn, [booking_id])
        if not found:
            raise Problem(404, "not_found")
        return found[0]

    @router.get("/check-in/{code}", dependencies=[reader], responses={404: {"description": "`not_found`"}})
    async def show_by_code(code: Code) -> BookingsAnswer:
        """The bookings that a code at the door may mean."""
        async with reading(pool) as conn:
            found = await _read(conn, await store.read_by_code(conn, code))
        if not found:
            raise Problem(404, "not_found")
        return BookingsAnswer(found)


def _add_lists(router: APIRouter, pool: Pool, reader: params.Depends) -> None:
    @router.get("/bookings", dependencies=[reader])
    async def list_of_person(person_id: UUID) -> BookingsAnswer:
        """A person's bookings, the latest first."""
        async with reading(pool) as conn:
            return BookingsAnswer(await _read(conn, await store.read_of_person(conn, person_id)))

    @router.get("/day", dependencies=[reader])
    async def show_day(date: Date, time_zone: ZoneName = "Europe/Berlin") -> BookingsAnswer:
        """Everything that takes place on a local date, waiting entries included, by start."""
        low, high = _day(date, time_zone)
        async with reading(pool) as conn:
            return BookingsAnswer(await _read(conn, await store.read_of_day(conn, low, high)))

    @router.get("/affected", dependencies=[reader])
    async def list_affected(
        from_: Annotated[str, Query(alias="from", max_length=40)],
        to: Annotated[str, Query(max_length=40)],
        resource_ids: Ids = [],  # noqa: B006  FastAPI copies defaults
        offer_ids: Ids = [],  # noqa: B006
    ) -> BookingsAnswer:
        """What a closure would displace or let expire."""
        low, high = _instant("from", from_), _instant("to", to)
        async with reading(pool) as conn:
            return BookingsAnswer(await _read(conn, await store.read_affected(conn, resource_ids, offer_ids, low, high)))

    @router.get("/displaced", dependencies=[reader])
    async def list_displaced() -> BookingsAnswer:
        """The re-booking list, the most urgent first."""
        async with reading(pool) as conn:
            return BookingsAnswer(await _read(conn, await store.read_in_state(conn, State.DISPLACED)))

    @router.get("/approvals", dependencies=[reader])
    async def list_approvals() -> BookingsAnswer:
        """What waits for staff, the most urgent first, with those who compete for the same."""
        async with reading(pool) as conn:
            booking_ids = await store.read_in_state(conn, State.PENDING_APPROVAL)
            others = await store.read_competitors(conn, booking_ids)
            return BookingsAnswer(await _read(conn, booking_ids, others))


async def _read(
    conn: ReadConn, booking_ids: Sequence[UUID], competitors: Mapping[UUID, list[UUID]] | None = None
) -> list[BookingAnswer]:  # fmt: skip
    """The bookings in the order of their ids."""
    found = {booking.booking_id: booking for booking in await store_bookings.read_bookings(conn, booking_ids)}
    others = competitors or {}
    return [_shown(found[booking_id], others.get(booking_id, [])) for booking_id in booking_ids if booking_id in found]


def _shown(booking: Booking, competitors: list[UUID]) -> BookingAnswer:
    name = _DEADLINES.get(booking.state)
    return BookingAnswer(
        booking_id=booking.booking_id,
        offer_id=booking.offer_id,
        offer_revision=booking.offer_revision,
        claimant={name: str(value) for name, value in booking.claimant._asdict().items() if value is not None},
        state=booking.state,
        version=booking.version,
        start=booking.start,
        end=booking.end,
        time_zone=booking.time_zone,
        quantity=booking.quantity,
        needs=sorted(booking.needs),
        placements=[PlacedAt(part.component_id, part.resource_id, part.quantity) for part in booking.parts],
        check_in_code=booking.check_in_code,
        series_id=booking.series_id,
        occurrence_no=booking.occurrence_no,
        overbook_reason=booking.overbook_reason,
        anonymised=booking.anonymised,
        deadlines={} if name is None or booking.due_at is None else {name: booking.due_at},
        competitors=competitors,
    )


def _day(date: Date, time_zone: str) -> tuple[datetime, datetime]:
    if date.year not in YEARS_ASKED:
        raise Problem(422, "invalid_request", errors=[{"pointer": "/query/date", "code": "value"}])
    try:
        where = zone(time_zone)
    except LookupError:
        raise Problem(422, "invalid_request", errors=[{"pointer": "/query/time_zone", "code": "value"}]) from None
    return midnight(date, where), midnight(date + DAY, where)


def _instant(name: str, text: str) -> datetime:
    try:
        return _INSTANT.validate_strings(text)
    except ValidationError:
        pointer = f"/query/{name}"
        raise Problem(422, "invalid_request", errors=[{"pointer": pointer, "code": "value"}]) from None
