"""Offers, wishes and occupancy for unit tests, in as few words as a table has room for."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from contracts.booking.rules import BookingRules
from services.booking.domain.claims import Actor, Booking, Claimant, ClaimantKind, Part, Placement, Reasons, Wish
from services.booking.domain.codes import Role, State
from services.booking.domain.copies import OfferCopy, Status
from services.booking.domain.evaluation import evaluate
from services.booking.domain.occupancy import Occupancy, Places
from services.booking.domain.offers import Offer
from services.booking.domain.zones import zone
from services.booking.wire.offers import offer_of, resource_copy

BERLIN = zone("Europe/Berlin")
NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)  # a Monday, 10:00 in Berlin
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
IDS = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")


def named(name: str) -> UUID:
    """The id that a test calls by a name."""
    return uuid5(IDS, name)


def at(text: str, zone_name: str = "Europe/Berlin") -> datetime:
    """The instant of a wall clock, which must be unambiguous: `03-02 10:00[:30]`, in 2027 unless a year leads."""
    if text[4] != "-":
        text = f"2027-{text}"
    local = datetime.fromisoformat(text)
    instant = local.replace(tzinfo=zone(zone_name)).astimezone(UTC)
    assert instant.astimezone(zone(zone_name)).replace(tzinfo=None) == local, f"{text} does not exist"
    return instant


def unit(name: str = "room", **more: Any) -> dict[str, Any]:
    """A unit."""
    return {"resource_id": name, "kind": "unit", "revision": 1} | more


def pool(name: str = "desks", capacity: int = 3, **more: Any) -> dict[str, Any]:
    """A pool."""
    return {"resource_id": name, "kind": "pool", "revision": 1, "capacity": capacity} | more


def session(
    name: str = "course", start: str = "2027-03-10T17:00:00Z", end: str = "2027-03-10T19:00:00Z", **more: Any
) -> dict[str, Any]:
    """A session with two places."""
    return {"resource_id": name, "kind": "session", "revision": 1, "capacity": 2, "start": start, "end": end} | more


def component(name: str, *resources: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A component that these resources serve; its kind is theirs."""
    kind = resources[0]["kind"] if resources else "unit"
    return {"component_id": name, "kind": kind, "resource_ids": [r["resource_id"] for r in resources]} | more


def offer(
    *resources: dict[str, Any],
    components: Iterable[dict[str, Any]] | None = None,
    choose: str = "any",
    status: str = "published",
    zone_name: str = "Europe/Berlin",
    partner_mode: str = "none",
    **rules: Any,
) -> Offer:
    """An offer of instant booking; without `components`, one called `main` that all resources serve."""
    parts = list(components) if components is not None else [component("main", *resources, choose=choose)]
    fields = {"mode": "instant", "components": parts, "resources": list(resources), "horizon_days": 365} | rules
    parsed = BookingRules.model_validate_json(json.dumps(fields), extra="ignore", context={"reader": True})
    copies = {}
    for number, resource in enumerate(parsed.resources, start=1):
        copy = resource_copy(resource)
        numbers = {"unit": (number, None), "adviser": (number, None), "pool": (None, number)}.get(resource.kind, (None, None))
        copies[copy.resource_id] = replace(copy, unit_no=numbers[0], pool_no=numbers[1])
    body = parsed.model_copy(update={"resources": ()}).to_json().decode()
    whole = OfferCopy(
        "offer", "nord", 7, Status(status), zone_name, partner_mode, body, b"",
        [name for part in parts for name in part["resource_ids"]], [limit.key for limit in parsed.limits],
    )  # fmt: skip
    return offer_of(whole, copies)


def wish(start: datetime | None = None, end: datetime | None = None, **more: Any) -> Wish:
    """A wish for one hour unless an end or a duration is given."""
    if start is not None and end is None and "duration" not in more:
        end = start + HOUR
    more.setdefault("duration", None)
    for name in ("options", "needs", "groups"):
        if more.get(name) is not None:
            more[name] = frozenset(more[name])
    return Wish(start=start, end=end, **more)


def empty(of: Offer) -> Occupancy:
    """Nothing is taken."""
    occupancy = Occupancy()
    for part in of.components:
        for resource in part.resources:
            occupancy.sessions[resource.resource_id] = Places(0)
            occupancy.known[resource.resource_id] = [(NOW - 30 * DAY, NOW + 60 * DAY)]
    return occupancy


def taken(of: Offer, *placed: tuple[Wish, str], now: datetime = NOW) -> Occupancy:
    """What is taken after these wishes were granted under the names given."""
    occupancy = empty(of)
    for each, name in placed:
        answer = evaluate(of, each, occupancy, now)
        assert isinstance(answer, Placement), answer
        occupancy.book(named(name), answer.start, answer.end, answer.parts)
    return occupancy


def codes(answer: Placement | Reasons) -> list[str]:
    """The reasons, empty for a placement."""
    return [] if isinstance(answer, Placement) else [str(why.code) for why in answer.items]


def ask(of: Offer, what: Wish, occupancy: Occupancy | None = None, now: datetime = NOW) -> list[str]:
    """The reasons against a wish; empty = it can be had."""
    return codes(evaluate(of, what, empty(of) if occupancy is None else occupancy, now))


def placed_on(answer: Placement | Reasons) -> dict[str, str]:
    """Component to resource."""
    assert isinstance(answer, Placement), answer
    return {part.component_id: part.resource_id for part in answer.parts}


def person(name: str = "ann") -> Claimant:
    """A person."""
    return Claimant(ClaimantKind.PERSON, person_id=named(name))


def citizen(name: str | None = "ann", *groups: str, permitted: bool = True) -> Actor:
    """A citizen; None = a kiosk."""
    return Actor(Role.CITIZEN, None if name is None else str(named(name)), frozenset(groups), permitted)


STAFF = Actor(Role.STAFF, "staff-1", frozenset(), True)


def booking(
    of: Offer, start: datetime, end: datetime, *, name: str = "b1", state: State = State.CONFIRMED, **more: Any
) -> Booking:
    """A booking of the offer's first resource."""
    part = of.components[0]
    resource = part.resources[0]
    setup, teardown = part.buffers(resource)
    held = Part(part.component_id, resource.resource_id, resource.unit_no, resource.pool_no, 1, start - setup, end + teardown)
    fields: dict[str, Any] = {
        "claimant": person(), "version": 1, "quantity": 1, "needs": frozenset(), "check_in_code": "ABCDEFGH", "parts": (held,),
    }  # fmt: skip
    return Booking(
        booking_id=named(name), offer_id=of.offer_id, offer_revision=of.revision, state=state, start=start, end=end,
        time_zone=of.where.key, **(fields | more),
    )  # fmt: skip
