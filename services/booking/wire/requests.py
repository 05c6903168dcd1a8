"""Commands: from the contract's models to what the domain decides."""

import json
import re
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
from contracts.booking.vocabulary import PartnerClaimant, PersonClaimant
from contracts.envelope import Event
from services.booking.domain.claims import Actor, Claimant, ClaimantKind, Wish
from services.booking.domain.codes import Role
from services.booking.domain.requests import Asked, Command, Named, Request
from services.booking.domain.served import serves_wish

GAVE_UP = "gave_up"  # a partner's reason for returning a place that nobody wants: it passes the deadline (booking.md §11)

_NO_GROUPS: frozenset[str] = frozenset()
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


def request_of(event: Event, booking_id: UUID, roles: frozenset[Role]) -> Request:
    """The command in a valid event; `booking_id` is what a new booking would get, `roles` what its source may state."""
    command = event.data
    assert isinstance(command, ContractCommand), "booking.requests.v1 has commands only"
    actor = _actor(command.actor, roles)
    body: Asked | Named
    if isinstance(command, RequestBooking):
        body = _asked(command, booking_id, actor)
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
    groups = frozenset(actor.groups) if actor.groups else _NO_GROUPS
    return Actor(role, actor.id, groups, role in roles)


def _asked(command: RequestBooking, booking_id: UUID, actor: Actor) -> Asked:
    claimant = claimant_of(command.claimant)
    minutes = command.duration_minutes
    wish = Wish(
        start=command.start,
        end=command.end,
        duration=None if minutes is None else timedelta(minutes=minutes),
        quantity=command.quantity,
        quantities=command.quantities or None,
        choices=command.choices or None,
        options=frozenset(command.options),
        needs=frozenset(command.needs),
        groups=actor.groups,
        person_id=claimant.person_id,
        offer_revision=command.offer_revision,
        unserved=not serves_wish(
            intent=command.intent,
            series=command.series is not None or command.add_to is not None,
            overbook=command.overbook is not None,
        ),
    )
    return Asked(booking_id, claimant, wish)


def _named(command: ContractCommand, booking_id: UUID | None, actor: Actor) -> Named:
    """All other commands name a booking, or a series."""
    if isinstance(command, CheckIn):
        return Named(booking_id, code=command.code)
    if isinstance(command, CancelBooking):
        return Named(booking_id, gave_up=actor.role is Role.PARTNER and command.reason_code == GAVE_UP)
    return Named(booking_id)
