"""The table of edges for each reason code of booking.md §7, in its order: what is asked when, and what has to be answered.

Rows share a service, never an offer, a resource or a person: the row's name is in all of its ids.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from contracts.booking import (
    AcceptWaitlistOffer,
    CancelBooking,
    CheckIn,
    ConfirmBooking,
    DecideApproval,
)
from contracts.booking.commands import Actor
from contracts.booking.vocabulary import Reason
from contracts.catalog import OfferPublished, PartnerMode
from contracts.envelope import Event, Model
from tests.service.booking.hub import (
    HUB,
    NOW,
    at,
    booked,
    citizen,
    command,
    made,
    named,
    offer_id,
    one,
    published,
    room,
    staff,
    wish,
)

SECOND: Final = timedelta(seconds=1)
MS: Final = timedelta(milliseconds=1)
MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Try:
    """One command at one time. `says`: the type of its answer and all reasons; empty: nothing new is to be said.

    `locked_for`: so many attempts are made while somebody else has the row of `locked`.
    """

    event: Event
    says: str = "BookingConfirmed"
    at: datetime = NOW
    value: Callable[[bytes], bytes] = bytes
    locked: str = ""
    locked_for: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One edge: `given` of the tries only set the scene, the others lie just on either side."""

    code: Reason
    edge: str
    offers: tuple[OfferPublished, ...]
    tries: tuple[Try, ...]
    given: int = 0


def asks(
    offer: str, n: str, start: datetime | None, end: datetime | None = None, *, person: str = "", source: str = "",
    expiry_time: datetime | None = None, **more: Any,
) -> Event:  # fmt: skip
    """A wish of somebody whom no other row knows."""
    known = {} if expiry_time is None else {"expiry_time": expiry_time}
    if source:
        known["source"] = source  # type: ignore[assignment]
    body = wish(offer, start, end, person=person or f"{offer} {n}", **more)
    return command(body, f"{offer} {n}", **known)  # type: ignore[arg-type]


def about(
    model: type[Model], offer: str, n: str, request: str, *, by: Actor | None = None, expiry_time: datetime | None = None,
    **more: Any,
) -> Event:  # fmt: skip
    """A command about the booking that `asks(offer, n, ...)` led to, of its owner if nobody else is named."""
    fields = {"offer_id": offer_id(offer), "actor": by or citizen(f"{offer} {n}"), "booking_id": booked(f"{offer} {n}")}
    return command(made(model, **fields | more), f"{offer} {request}", expiry_time=expiry_time)


def two_rooms(name: str, **rules: Any) -> OfferPublished:
    """An offer that can be had twice at a time: what was allowed is not in the way of what has to be refused."""
    return published(name, **one("unit", room(f"{name}-1"), room(f"{name}-2")), **rules)


def one_room(name: str, **rules: Any) -> OfferPublished:
    return published(name, **one("unit", room(name)), **rules)


def pool(name: str, capacity: int) -> dict[str, Any]:
    return {"resource_id": name, "kind": "pool", "revision": 1, "capacity": capacity}


def session(name: str, capacity: int) -> dict[str, Any]:
    span = {"start": "2027-03-10T17:00:00Z", "end": "2027-03-10T19:00:00Z"}
    return {"resource_id": name, "kind": "session", "revision": 1, "capacity": capacity, **span}


def either(name: str) -> OfferPublished:
    return published(name, **one("unit", room(f"{name}-1"), room(f"{name}-2"), choose="either"))


def pair_of_rooms(name: str) -> OfferPublished:
    names = [f"{name}-1", f"{name}-2"]
    parts = [{"component_id": part, "kind": "unit", "resource_ids": names, "choose": "either"} for part in ("a", "b")]
    return published(name, components=parts, resources=[room(n) for n in names])


def partner(name: str, n: int, *, when: datetime, says: str) -> Try:
    """A hold of a minute for a guest of a partner hub."""
    claimant = {"kind": "partner", "hub_id": "sued", "booking_ref": str(named(f"{name} guest {n}"))}
    actor = made(Actor, role="partner", id="sued")
    source = f"urn:hub:{HUB}:federation"
    event = asks(name, str(n), at(9), source=source, claimant=claimant, actor=actor, intent="hold", hold_seconds=60)
    return Try(event, says, when)


def local(day: str, time: str) -> datetime:
    """Wall clock without offset."""
    return datetime.fromisoformat(f"{day}T{time}")


def same_time(key: str, **more: Any) -> dict[str, Any]:
    return {"key": key, "unit": "bookings", "max": 1} | more


REFUSED: Final = "RequestRefused"
REJECTED: Final = "BookingRejected"
SPRING: Final = "2027-03-28"  # 02:00 to 03:00 is no time in Berlin
AUTUMN: Final = "2027-10-31"  # 02:00 to 03:00 comes twice
AHEAD: Final = {"horizon_days": 730}
WEEKLY: Final = {"every": "week", "count": 2, "mode": "all_or_nothing"}
DAY_ENDS: Final = datetime.fromisoformat("2027-03-02T23:00:00Z")  # local midnight
HORIZON_ENDS: Final = datetime.fromisoformat("2027-03-11T23:00:00Z")  # of ten days

ROWS: Final[tuple[Row, ...]] = (
    Row(Reason.INVALID_REQUEST, "whole seconds", (two_rooms("whole"),), (
        Try(asks("whole", "0", at(9))),
        Try(asks("whole", "1", at(9)), f"{REFUSED} invalid_request", value=lambda v: v.replace(b":00:00Z", b":00:00.001Z", 1)),
    )),
    Row(Reason.REQUEST_EXPIRED, "ce_expirytime", (two_rooms("expiry"),), (
        Try(asks("expiry", "0", at(9), expiry_time=NOW + MS)),
        Try(asks("expiry", "1", at(9), expiry_time=NOW), f"{REJECTED} request_expired"),
    )),
    Row(Reason.REQUEST_ID_REUSED, "same id: the same content written otherwise, another", (two_rooms("id"),), (
        Try(asks("id", "0", at(9))),
        Try(asks("id", "0", at(9)), "", value=lambda v: v.replace(b"{", b'{ "quantity": 1, ', 1)),
        Try(asks("id", "0", at(9), quantity=2), f"{REFUSED} request_id_reused"),
    ), given=1),
    Row(Reason.UNKNOWN_OFFER, "an offer that was never published", (two_rooms("known"),), (
        Try(asks("known", "0", at(9))),
        Try(asks("never", "1", at(9)), f"{REJECTED} unknown_offer"),
    )),
    Row(Reason.UNKNOWN_OFFER, "a resource that the offer has not", (either("chosen"),), (
        Try(asks("chosen", "0", at(9), choices={"main": "chosen-2"})),
        Try(asks("chosen", "1", at(9), choices={"main": "chosen-3"}), f"{REJECTED} unknown_offer"),
    )),
    Row(Reason.NOT_BOOKABLE, "bookable_from", (two_rooms("from", bookable_from=NOW + MINUTE),), (
        Try(asks("from", "0", at(9)), f"{REJECTED} not_bookable", at=NOW + MINUTE - MS),
        Try(asks("from", "1", at(9)), at=NOW + MINUTE),
    )),
    Row(Reason.NOT_BOOKABLE, "bookable_until", (two_rooms("until", bookable_until=NOW + MINUTE),), (
        Try(asks("until", "0", at(9)), at=NOW + MINUTE - MS),
        Try(asks("until", "1", at(9)), f"{REJECTED} not_bookable", at=NOW + MINUTE),
    )),
    Row(Reason.REVISION_OUTDATED, "one revision back", (two_rooms("revised", revision=3),), (
        Try(asks("revised", "0", at(9), offer_revision=3)),
        Try(asks("revised", "1", at(9), offer_revision=2), f"{REJECTED} revision_outdated"),
    )),
    Row(Reason.NOT_PERMITTED, "a group", (two_rooms("group", permitted_groups=["club"]),), (
        Try(asks("group", "0", at(9), actor=citizen("member", "club"), person="member")),
        Try(asks("group", "1", at(9), actor=citizen("other", "choir"), person="other"), f"{REJECTED} not_permitted"),
    )),
    Row(Reason.NOT_PERMITTED, "the owner", (two_rooms("owned"),), (
        Try(asks("owned", "0", at(9))),
        Try(about(CancelBooking, "owned", "0", "1", by=citizen("thief")), f"{REFUSED} not_permitted"),
        Try(about(CancelBooking, "owned", "0", "2"), "BookingCancelled"),
    ), given=1),
    Row(Reason.HOLD_EXPIRED, "hold_expires_at", (two_rooms("held", hold_minutes=1),), (
        Try(asks("held", "0", at(9), intent="hold"), "BookingHeld"),
        Try(asks("held", "1", at(9), intent="hold"), "BookingHeld"),
        Try(about(ConfirmBooking, "held", "0", "2"), at=NOW + MINUTE - MS),
        Try(about(ConfirmBooking, "held", "1", "3"), f"{REFUSED} hold_expired", at=NOW + MINUTE),
    ), given=2),
    Row(Reason.OFFER_EXPIRED, "offer_expires_at", (
        published("lapse", **one("session", session("lapse", 2)), waitlist={"mode": "strict", "offer_minutes": 1}),
    ), (
        *(Try(asks("lapse", str(n), None), "BookingConfirmed" if n < 2 else "WaitlistJoined") for n in range(4)),
        *(Try(about(CancelBooking, "lapse", str(n), f"c{n}"), "BookingCancelled") for n in range(2)),
        Try(about(AcceptWaitlistOffer, "lapse", "2", "a2"), at=NOW + MINUTE - MS),
        Try(about(AcceptWaitlistOffer, "lapse", "3", "a3"), f"{REFUSED} offer_expired", at=NOW + MINUTE),
    ), given=6),
    Row(Reason.DEADLINE_PASSED, "the last moment to cancel", (
        two_rooms("late", cancel={"until_minutes": 60, "after": "refuse"}),
    ), (
        Try(asks("late", "0", at(9))),
        Try(asks("late", "1", at(9))),
        Try(about(CancelBooking, "late", "0", "c0"), "BookingCancelled", at=at(8) - MS),
        Try(about(CancelBooking, "late", "1", "c1"), f"{REFUSED} deadline_passed", at=at(8)),
    ), given=2),
    Row(Reason.DEADLINE_PASSED, "the start", (two_rooms("begun"),), (
        Try(asks("begun", "0", at(9))),
        Try(asks("begun", "1", at(9))),
        Try(about(CancelBooking, "begun", "0", "c0"), "BookingCancelled", at=at(9) - MS),
        Try(about(CancelBooking, "begun", "1", "c1"), f"{REFUSED} deadline_passed", at=at(9)),
    ), given=2),
    Row(Reason.DEADLINE_PASSED, "the end of check-in", (two_rooms("came", check_in={"required": True}),), (
        Try(asks("came", "0", at(9))),
        Try(asks("came", "1", at(9))),
        Try(about(CheckIn, "came", "0", "i0", direction="in"), "BookingCheckedIn", at=at(9.25) - MS),
        Try(about(CheckIn, "came", "1", "i1", direction="in"), f"{REFUSED} deadline_passed", at=at(9.25)),
    ), given=2),
    Row(Reason.GONE, "decide_by", (
        two_rooms("decide", mode="request", approval={"decide_within_minutes": 1}),
    ), (
        Try(asks("decide", "0", at(9)), "ApprovalRequested"),
        Try(asks("decide", "1", at(9)), "ApprovalRequested"),
        Try(about(DecideApproval, "decide", "0", "d0", by=staff(), decision="approve"), at=NOW + MINUTE - MS),
        Try(about(DecideApproval, "decide", "1", "d1", by=staff(), decision="approve"), f"{REFUSED} gone", at=NOW + MINUTE),
    ), given=2),
    Row(Reason.STALE_VERSION, "one version back", (two_rooms("stale"),), (
        Try(asks("stale", "0", at(9))),
        Try(about(CancelBooking, "stale", "0", "c0", expected_version=2), f"{REFUSED} stale_version"),
        Try(about(CancelBooking, "stale", "0", "c1", expected_version=1), "BookingCancelled"),
    ), given=1),
    Row(Reason.NONEXISTENT_LOCAL_TIME, "into the gap of spring", (two_rooms("gap"),), (
        Try(asks("gap", "0", local(SPRING, "01:00:00"), local(SPRING, "01:59:59"))),
        Try(asks("gap", "1", local(SPRING, "01:00:00"), local(SPRING, "02:00:00")), f"{REJECTED} nonexistent_local_time"),
    )),
    Row(Reason.NONEXISTENT_LOCAL_TIME, "out of the gap of spring", (two_rooms("gap-end"),), (
        Try(asks("gap-end", "0", local(SPRING, "02:59:59"), local(SPRING, "04:00:00")), f"{REJECTED} nonexistent_local_time"),
        Try(asks("gap-end", "1", local(SPRING, "03:00:00"), local(SPRING, "04:00:00"))),
    )),
    Row(Reason.AMBIGUOUS_LOCAL_TIME, "into the fold of autumn", (two_rooms("fold", **AHEAD),), (
        Try(asks("fold", "0", local(AUTUMN, "01:00:00"), local(AUTUMN, "01:59:59"))),
        Try(asks("fold", "1", local(AUTUMN, "01:00:00"), local(AUTUMN, "02:00:00")), f"{REJECTED} ambiguous_local_time"),
    )),
    Row(Reason.AMBIGUOUS_LOCAL_TIME, "out of the fold of autumn", (two_rooms("fold-end", **AHEAD),), (
        Try(asks("fold-end", "0", local(AUTUMN, "02:59:59"), local(AUTUMN, "04:00:00")), f"{REJECTED} ambiguous_local_time"),
        Try(asks("fold-end", "1", local(AUTUMN, "03:00:00"), local(AUTUMN, "04:00:00"))),
    )),
    Row(Reason.TOO_SHORT, "min_minutes", (two_rooms("short", min_minutes=60),), (
        Try(asks("short", "0", at(9), at(10))),
        Try(asks("short", "1", at(9), at(10) - SECOND), f"{REJECTED} too_short"),
    )),
    Row(Reason.TOO_LONG, "max_minutes", (two_rooms("long", max_minutes=60),), (
        Try(asks("long", "0", at(9), at(10))),
        Try(asks("long", "1", at(9), at(10) + SECOND), f"{REJECTED} too_long"),
    )),
    Row(Reason.OFF_GRID, "a quarter of an hour", (two_rooms("grid", grid_minutes=15),), (
        Try(asks("grid", "0", at(9), at(10))),
        Try(asks("grid", "1", at(9) + SECOND, at(10)), f"{REJECTED} off_grid"),
    )),
    Row(Reason.TOO_SOON, "the lead", (two_rooms("lead", lead={"value": 60, "unit": "minutes"}),), (
        Try(asks("lead", "0", NOW + 60 * MINUTE)),
        Try(asks("lead", "1", NOW + 60 * MINUTE - SECOND), f"{REJECTED} too_soon"),
    )),
    Row(Reason.TOO_FAR_AHEAD, "the end of the last day", (two_rooms("horizon", horizon_days=10),), (
        Try(asks("horizon", "0", HORIZON_ENDS - SECOND)),
        Try(asks("horizon", "1", HORIZON_ENDS), f"{REJECTED} too_far_ahead"),
    )),
    Row(Reason.BLACKOUT, "its beginning", (
        two_rooms("closed", blackouts=[{"blackout_id": "b", "start": at(10), "end": at(12), "cause": "water"}]),
    ), (
        Try(asks("closed", "0", at(9), at(10))),
        Try(asks("closed", "1", at(9), at(10) + SECOND), f"{REJECTED} blackout"),
    )),
    Row(Reason.OUTSIDE_OPENING_HOURS, "closing time", (
        two_rooms("hours", hours=[{"weekday": 2, "from": "09:00", "to": "11:00"}]),
    ), (
        Try(asks("hours", "0", at(9), at(10))),
        Try(asks("hours", "1", at(9), at(10) + SECOND), f"{REJECTED} outside_opening_hours"),
    )),
    Row(Reason.NEEDS_UNMET, "a feature", (published("needs", **one("unit", room("needs", features=["step_free"]))),), (
        Try(asks("needs", "0", at(9), needs=["step_free"])),
        Try(asks("needs", "1", at(12), needs=["step_free", "loop"]), f"{REJECTED} needs_unmet"),
    )),
    Row(Reason.SAME_UNIT_TWICE, "two rooms or one twice", (pair_of_rooms("twice"),), (
        Try(asks("twice", "0", at(9), choices={"a": "twice-1", "b": "twice-2"})),
        Try(asks("twice", "1", at(12), choices={"a": "twice-1", "b": "twice-1"}), f"{REJECTED} same_unit_twice conflict"),
    )),
    Row(Reason.PERSON_LIMIT, "two at the same time", (
        two_rooms("both", limits=[same_time("both", per="person", window="same_time")]),
    ), (
        Try(asks("both", "0", at(9), at(10), person="both")),
        Try(asks("both", "1", at(10), at(11), person="both")),
        Try(asks("both", "2", at(8), at(9) + SECOND, person="both"), f"{REJECTED} person_limit"),
    ), given=1),
    Row(Reason.PERSON_LIMIT, "the fourth hold, until the first has ended", (
        published("holds", hold_minutes=1, **one("pool", pool("holds", 9))),
    ), (
        *(Try(asks("holds", str(n), at(9), person="holds", intent="hold"), "BookingHeld") for n in range(3)),
        Try(asks("holds", "3", at(9), person="holds", intent="hold"), f"{REJECTED} person_limit", at=NOW + MINUTE - MS),
        Try(asks("holds", "4", at(9), person="holds", intent="hold"), "BookingHeld", at=NOW + MINUTE),
    ), given=3),
    Row(Reason.GROUP_QUOTA, "the day's end", (
        two_rooms("quota", limits=[same_time("quota", per="group", group="club", window="day")]),
    ), (
        Try(asks("quota", "0", at(9), actor=citizen("quota 0", "club"))),
        Try(asks("quota", "1", DAY_ENDS - SECOND, actor=citizen("quota 1", "club")), f"{REJECTED} group_quota"),
        Try(asks("quota", "2", DAY_ENDS, actor=citizen("quota 2", "club"))),
    ), given=1),
    Row(Reason.PARTNER_LIMIT, "the hold that is one too many, until the first has ended", (
        published("guests", **one("pool", pool("guests", 40))).model_copy(update={"partner_mode": PartnerMode.FEDERATED}),
    ), (
        *(partner("guests", n, when=NOW, says="BookingHeld") for n in range(20)),
        partner("guests", 20, when=NOW + MINUTE - MS, says=f"{REJECTED} partner_limit"),
        partner("guests", 21, when=NOW + MINUTE, says="BookingHeld"),
    ), given=19),
    Row(Reason.CONFLICT, "the other's start", (one_room("taken"),), (
        Try(asks("taken", "0", at(10), at(11))),
        Try(asks("taken", "1", at(9), at(10) + SECOND), f"{REJECTED} conflict"),
        Try(asks("taken", "2", at(9), at(10))),
    ), given=1),
    Row(Reason.BUFFER, "ten minutes to set up", (published("buffer", **one("unit", room("buffer", setup_minutes=10))),), (
        Try(asks("buffer", "0", at(9), at(10))),
        Try(asks("buffer", "1", at(10) + 10 * MINUTE - SECOND, at(11)), f"{REJECTED} buffer"),
        Try(asks("buffer", "2", at(10) + 10 * MINUTE, at(11))),
    ), given=1),
    Row(Reason.CAPACITY_FULL, "the last of a pool", (published("last", **one("pool", pool("last", 2))),), (
        Try(asks("last", "0", at(9), at(10))),
        Try(asks("last", "1", at(9), at(11))),
        Try(asks("last", "2", at(10) - SECOND, at(11)), f"{REJECTED} capacity_full"),
        Try(asks("last", "3", at(10), at(11))),
    ), given=2),
    Row(Reason.CAPACITY_FULL, "the last place of a session", (published("places", **one("session", session("places", 1))),), (
        Try(asks("places", "0", None)),
        Try(asks("places", "1", None), f"{REJECTED} capacity_full"),
    )),
    Row(Reason.CAPACITY_FULL, "all of several rooms", (two_rooms("all"),), (
        Try(asks("all", "0", at(9))),
        Try(asks("all", "1", at(9))),
        Try(asks("all", "2", at(10) - SECOND), f"{REJECTED} capacity_full"),
    ), given=1),
    # The queue is looked at last: what stands in the way of the wish itself is the first reason.
    Row(Reason.WAITLIST_FULL, "entries whose spans meet", (one_room("queue", waitlist={"mode": "fit", "max_entries": 1}),), (
        Try(asks("queue", "0", at(9), at(13))),
        Try(asks("queue", "1", at(10), at(11)), "WaitlistJoined"),
        Try(asks("queue", "2", at(11), at(12)), "WaitlistJoined"),
        Try(asks("queue", "3", at(9), at(10) + SECOND), f"{REJECTED} conflict waitlist_full"),
    ), given=2),
    Row(Reason.APPROVAL_REQUIRED, "a group that needs none", (
        two_rooms("approve", mode="request", approval={"auto_groups": ["club"]}),
    ), (
        Try(asks("approve", "0", at(9), instant_only=True, actor=citizen("approve 0", "club"))),
        Try(asks("approve", "1", at(9), instant_only=True), f"{REJECTED} approval_required"),
    )),
    Row(Reason.SERIES_INCOMPLETE, "one of two dates", (one_room("series"),), (
        Try(asks("series", "0", at(10, day=7), at(11, day=7))),
        Try(asks("series", "1", at(9), at(10) + SECOND, series=WEEKLY), "SeriesDecided series_incomplete"),
        Try(asks("series", "2", at(9), at(10), series=WEEKLY), "SeriesDecided"),
    ), given=1),
    Row(Reason.BUSY, "the third attempt without the lock; the same id again is decided anew", (one_room("busy"),), (
        Try(asks("busy", "0", at(9)), locked="busy", locked_for=2),
        Try(asks("busy", "1", at(12)), f"{REJECTED} busy", locked="busy", locked_for=3),
        Try(asks("busy", "1", at(12))),
    )),
)  # fmt: skip
