"""Questions about messages: lists and single ones for operators, the calendar file of a booking for its page."""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, SecretStr

from hubkit.db import Pool, reading, transaction
from hubkit.http import Actor, Problem, actor_with
from services.notify import handlers, limits
from services.notify.calendar import Entry, render
from services.notify.delivery.making import Desk
from services.notify.domain.bookings import Booking, BookingState
from services.notify.domain.messages import State
from services.notify.domain.offers import Offer, nameable, place_in, position_of, title_in
from services.notify.domain.wording import FALLBACK, LANGUAGES
from services.notify.handlers import House
from services.notify.store import copies, lists
from services.notify.store.lists import Act, Attempt, Listed

_OVER = frozenset({BookingState.CANCELLED, BookingState.DISPLACED, BookingState.EXPIRED, BookingState.DECLINED})
Cursor = Annotated[str, Query(pattern="^[A-Za-z0-9_-]*$", max_length=limits.CURSOR_CHARACTERS_MAX)]
Language = Annotated[str, Query(pattern="^[a-z]{2}$", description="of the entry's words: de or en")]


@dataclass(frozen=True, slots=True)
class Page:
    """Messages, newest due first; `next` continues the list."""

    messages: list[Listed]
    next: str | None


@dataclass(frozen=True, slots=True)
class Timeline:
    """One message with what was tried, and what people did."""

    message: Listed
    attempts: list[Attempt]
    acts: list[Act]


class Resolution(BaseModel):
    """What became of an uncertain message."""

    model_config = ConfigDict(extra="forbid")

    state: Literal["sent", "failed"]


@dataclass(frozen=True, slots=True)
class Known:
    """The message that an act led to."""

    message_id: UUID


def routes(house: House, pool: Pool, token: SecretStr, desk: Desk) -> APIRouter:
    """The routes of notify; errors are problem details, addresses are in none of them."""
    router = APIRouter(prefix="/v1")
    operator = Depends(actor_with(token, "operator", "manager"))
    frontend = Depends(actor_with(token))

    @router.get("/messages", dependencies=[operator])
    async def list_messages(
        state: State | None = None,
        booking_id: UUID | None = None,
        cursor: Cursor | None = None,
        limit: Annotated[int, Query(ge=1, le=limits.PAGE_MAX)] = 50,
    ) -> Page:
        """Messages by state and booking."""
        async with reading(pool) as conn:
            found = await lists.read_messages(
                conn, state=state, booking_id=booking_id, after=_place(cursor) if cursor else None, limit=limit
            )
        more = _cursor(found[-1].due_at, found[-1].message_id) if len(found) == limit else None
        return Page(found, more)

    @router.get("/messages/{message_id}", dependencies=[operator])
    async def show_message(message_id: UUID) -> Timeline:
        """One message: its state, what was tried, what was done by hand."""
        async with reading(pool) as conn:
            message = await lists.read_message(conn, message_id)
            if message is None:
                raise Problem(404, "not_found")
            return Timeline(message, await lists.read_attempts(conn, message_id), await lists.read_acts(conn, message_id))

    @router.post("/messages/{message_id}/resolve")
    async def resolve_message(message_id: UUID, resolution: Resolution, actor: Annotated[Actor, operator]) -> Known:
        """Say what became of an uncertain message; it is not sent again then."""
        async with transaction(pool) as tx:
            if not await handlers.resolve_message(house, tx, message_id, State(resolution.state), actor=str(actor)):
                raise Problem(409, "not_uncertain", "only an uncertain message can be resolved")
        return Known(message_id)

    @router.post("/messages/{message_id}/resend", status_code=202)
    async def resend_message(message_id: UUID, actor: Annotated[Actor, operator]) -> Known:
        """Send a message that failed or was missed once more, as a message of its own with the same checks."""
        async with transaction(pool) as tx:
            new_id = await handlers.resend_message(house, tx, message_id, actor=str(actor))
            if new_id is None:
                raise Problem(409, "not_failed", "only a message that did not arrive can be sent again")
        return Known(new_id)

    @router.get("/bookings/{booking_id}/calendar", dependencies=[frontend], response_class=Response)
    async def show_calendar(booking_id: UUID, lang: Language = FALLBACK) -> Response:
        """The entry as it is now, as the last mail would carry it, without the attendee."""
        async with reading(pool) as conn:
            booking = await copies.read_booking(conn, booking_id)
            if booking is None or not booking.was_confirmed:
                raise Problem(404, "no_entry", "this booking is not known, or was never confirmed")
            offer = await copies.read_offer(conn, booking.offer_id)
        entry = _entry(booking, offer, desk, lang if lang in LANGUAGES else FALLBACK)
        return Response(
            render(entry),
            media_type=f'text/calendar; charset="utf-8"; method={entry.method}',
            headers={"Content-Disposition": 'attachment; filename="termin.ics"', "Cache-Control": "no-store"},
        )

    return router


def _entry(booking: Booking, offer: Offer | None, desk: Desk, language: str) -> Entry:
    named = nameable(offer)
    return Entry(
        method="CANCEL" if booking.state in _OVER else "REQUEST",
        booking_id=booking.booking_id,
        mail_domain=desk.mail_domain,
        sequence=booking.told_version,
        stamp=booking.told_at,
        start=booking.start,
        end=booking.end,
        title=title_in(named, language),
        location=", ".join(place_in(named, language)),
        geo=position_of(named),
        organizer=desk.sender,
        organizer_name=desk.hub_name,
        attendee=None,
    )


def _cursor(due_at: datetime, message_id: UUID) -> str:
    return base64.urlsafe_b64encode(f"{due_at.isoformat()}|{message_id}".encode()).decode().rstrip("=")


def _place(cursor: str) -> tuple[datetime, UUID]:
    try:
        due_at, _, message_id = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition("|")
        return datetime.fromisoformat(due_at), UUID(message_id)
    except (ValueError, binascii.Error) as exc:
        raise Problem(422, "bad_cursor", "take `next` of the list before") from exc
