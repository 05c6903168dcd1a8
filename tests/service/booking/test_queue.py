"""Waiting lists through the whole decision: who moves up when, and who is told."""

from datetime import timedelta

from contracts.booking import (
    AcceptWaitlistOffer,
    RescheduleBooking,
)
from tests.service.booking.hub import (
    NOW,
    SESSION,
    STRICT,
    Hub,
    about,
    booked,
    cancel,
    citizen,
    command,
    named,
    one,
    published,
    said,
    wish,
)


async def test_waitlist_strict__moves_up_in_order_and_newcomers_queue_behind(hub: Hub) -> None:
    await hub.publish(published("talk", **one("session", SESSION), **STRICT))
    people = ["ann", "bob", "cem", "dia"]
    answers = await hub.ask(*(command(wish("talk", None, person=p), p) for p in people))
    assert [a.type for a in answers] == ["BookingConfirmed"] + ["WaitlistJoined"] * 3
    assert [a.data["position"] for a in answers[1:]] == [1, 2, 3]
    again = await hub.ask(command(wish("talk", None, person="bob"), "bob2"))
    assert said(again) == ["BookingRejected capacity_full"] or said(again) == ["BookingRejected person_limit"]
    gone = await hub.ask(command(cancel("talk", booked("ann")), "c1"), command(wish("talk", None, person="eve"), "eve"))
    assert [a.type for a in gone] == ["BookingCancelled", "WaitlistOffered", "WaitlistJoined"]
    assert gone[1].causation_id == named("c1")
    assert "request_id" not in gone[1].data
    assert gone[1].key == str(booked("bob"))
    accepted = await hub.ask(command(about(AcceptWaitlistOffer, "talk", "bob", by=citizen("bob")), "a1"))
    assert said(accepted) == ["BookingConfirmed"]
    assert await hub.violations() == {}


async def test_waitlist_strict__whoever_leaves_its_head_lets_the_next_one_by(hub: Hub) -> None:
    await hub.publish(published("talk", max_quantity=2, **one("session", SESSION | {"capacity": 2}), **STRICT))
    asked = [command(wish("talk", None, person=who, quantity=n), who) for who, n in (("ann", 2), ("bob", 2), ("cem", 1))]
    assert said(await hub.ask(*asked)) == ["BookingConfirmed", "WaitlistJoined", "WaitlistJoined"]
    fewer = await hub.ask(command(about(RescheduleBooking, "talk", "ann", quantity=1), "m1"))
    assert said(fewer) == ["BookingRescheduled"], "the one place is not enough for the first, and the second has to wait"
    gone = await hub.ask(command(cancel("talk", booked("bob"), person="bob"), "c1"))
    assert [a.type for a in gone] == ["BookingCancelled", "WaitlistOffered"]
    assert gone[1].key == str(booked("cem"))
    assert await hub.violations() == {}


async def test_waitlist__an_offer_that_lapses_goes_to_the_next_in_the_same_transaction(hub: Hub) -> None:
    await hub.publish(published("talk", **one("session", SESSION), **STRICT))
    await hub.ask(*(command(wish("talk", None, person=p), p) for p in ("ann", "bob", "cem")))
    await hub.ask(command(cancel("talk", booked("ann")), "c1"))
    lapsed = await hub.pass_time(NOW + timedelta(days=1))
    assert [(a.type, a.key) for a in lapsed] == [
        ("WaitlistOfferExpired", str(booked("bob"))), ("WaitlistOffered", str(booked("cem"))),
    ]  # fmt: skip
    late = await hub.ask(command(about(AcceptWaitlistOffer, "talk", "bob", by=citizen("bob")), "a1"))
    assert said(late) == ["RequestRefused offer_expired"]
    assert await hub.violations() == {}
