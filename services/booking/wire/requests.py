"""Commands: from the contract's models to what the domain decides."""

import json
import re
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from contracts.booking import (
    AcceptWaitlistOffer,
    CancelBooking,
    CheckIn,
    ConfirmBooking,
    DecideApproval,
    RequestBooking,
    RescheduleBooking,
)
from contracts.booking.commands import Actor as ContractActor
from contracts.booking.commands import Command as ContractCommand
from contracts.booking.vocabulary import Claimant as ContractClaimant
from contracts.booking.vocabulary import Decision, Direction, Intent, PartnerClaimant, PersonClaimant, SeriesMode
from contracts.envelope import Event
from services.booking.domain.claims import Actor, Claimant, ClaimantKind, Wish
from services.booking.domain.codes import Every, Role
from services.booking.domain.requests import Asked, Command, Move, Named, Request, SeriesRef, SeriesRule

GAVE_UP = "gave_up"  # a partner's reason for returning a place that nobody wants: it passes the deadline (booking.md §11)

_NONE: frozenset[str] = frozenset()
_ABOUT_A_BOOKING = (CancelBooking, ConfirmBooking, AcceptWaitlistOffer, RescheduleBooking, DecideApproval, CheckIn)
_ID = re.compile(r"[A-Za-z0-9._:-]{1,120}", re.ASCII)


def named_offer(event: Event) -> str | None:
    """The offer id in the body, also of a body that fails its model; None if none can be read there."""
    if isinstance(event.data, ContractCommand):
        return event.data.offer_id
    body = json.loads(event.value or b"null")
    offer_id = body.get("offer_id") if isinstance(body, dict) else None
    return offer_id if isinstance(offer_id, str) and _ID.fullmatch(offer_id) else None


def named_booking(event: Event) -> UUID | None:
    """The booking that a valid command is about; None for a wish, a series, or an invalid body."""
    command = event.data
    if type(command) is RequestBooking:  # nearly all; `isinstance` would ask each of the others first
        return None
    return command.booking_id if isinstance(command, _ABOUT_A_BOOKING) else None


def named_actor(event: Event) -> tuple[str | None, str | None]:
    """Role and id of who acts; both None in an invalid body."""
    command = event.data
    return (command.actor.role, command.actor.id) if isinstance(command, ContractCommand) else (None, None)


def occurrences_of(event: Event) -> int:
    """How many bookings a wish may lead to; 0 for any other command."""
    if not isinstance(event.data, RequestBooking):
        return 0
    return 1 if event.data.series is None else event.data.series.count


def request_of(
    event: Event, booking_ids: Sequence[UUID], roles: frozenset[Role], *, series_id: UUID | None = None
) -> Request:  # fmt: skip
    """The command in a valid event; `booking_ids` are what new bookings would get, `roles` what its source may state."""
    command = event.data
    assert isinstance(command, ContractCommand), "booking.requests.v1 has commands only"
    actor = _actor(command.actor, roles)
    body: Asked | Named
    if isinstance(command, RequestBooking):
        body = _asked(command, booking_ids, series_id, actor)
    else:
        body = _named(command, named_booking(event), actor)
    return Request(
        command=Command(event.bare_type),
        offer_id=command.offer_id,
        actor=actor,
        body=body,
        expected_version=command.expected_version,
        expires_at=event.expiry_time,
    )


def claimant_of(claimant: ContractClaimant) -> Claimant:
    """Who a booking is for."""
    if isinstance(claimant, PersonClaimant):
        return Claimant(ClaimantKind.PERSON, person_id=claimant.person_id)
    if isinstance(claimant, PartnerClaimant):
        return Claimant(ClaimantKind.PARTNER, hub_id=claimant.hub_id, booking_ref=claimant.booking_ref)
    return Claimant(ClaimantKind.HOUSE, purpose=claimant.purpose)


def _actor(actor: ContractActor, roles: frozenset[Role]) -> Actor:
    role = Role(actor.role)
    groups = frozenset(actor.groups) if actor.groups else _NONE
    return Actor(role, actor.id, groups, role in roles)


def _asked(command: RequestBooking, booking_ids: Sequence[UUID], series_id: UUID | None, actor: Actor) -> Asked:
    claimant = claimant_of(command.claimant)
    minutes = command.duration_minutes
    wish = Wish(
        start=command.start,
        end=command.end,
        duration=None if minutes is None else timedelta(minutes=minutes),
        quantity=command.quantity,
        quantities=command.quantities or None,
        choices=command.choices or None,
        options=frozenset(command.options) if command.options else _NONE,
        needs=frozenset(command.needs) if command.needs else _NONE,
        groups=actor.groups,
        person_id=claimant.person_id,
        offer_revision=command.offer_revision,
        overbook=command.overbook is not None,
    )
    asked = Asked(
        booking_ids[0], claimant, wish, hold=command.intent is Intent.HOLD, join=command.join_waitlist,
        instant_only=command.instant_only,
    )  # fmt: skip
    if command.hold_seconds is not None:
        asked = asked._replace(hold_for=timedelta(seconds=command.hold_seconds))
    if command.overbook is not None:
        asked = asked._replace(overbook_reason=command.overbook.reason_code)
    if command.add_to is not None:
        asked = asked._replace(add_to=SeriesRef(command.add_to.series_id, command.add_to.n))
    if command.series is not None:
        stated = command.series
        rule = SeriesRule(Every(stated.every), stated.interval, stated.count, stated.mode is SeriesMode.SKIP)
        asked = asked._replace(series=rule, series_id=series_id, occurrence_ids=tuple(booking_ids[1:]))
    return asked


def _named(command: ContractCommand, booking_id: UUID | None, actor: Actor) -> Named:
    """All other commands name a booking, or a series."""
    if isinstance(command, CheckIn):
        return Named(booking_id, code=command.code, coming=command.direction is Direction.IN)
    if isinstance(command, CancelBooking):
        gave_up = actor.role is Role.PARTNER and command.reason_code == GAVE_UP
        return Named(booking_id, gave_up=gave_up, series_id=command.series_id, from_n=command.from_n or 0)
    if isinstance(command, DecideApproval):
        return Named(booking_id, approve=command.decision is Decision.APPROVE, series_id=command.series_id)
    if isinstance(command, RescheduleBooking):
        overbook = None if command.overbook is None else command.overbook.reason_code
        move = Move(command.start, command.end, command.choices or None, command.quantity, overbook)
        return Named(booking_id, move=move)
    return Named(booking_id)
