"""The copies of what the catalogue publishes, and that new claims obey every change at once."""

import json
from typing import Any

import pytest

from contracts import topics
from contracts.catalog import OfferWithdrawn
from contracts.envelope import Event, encode
from tests.service.booking.hub import (
    HUB,
    NOW,
    Hub,
    at,
    booked,
    cancel,
    catalogue_event,
    command,
    made,
    named,
    offer_id,
    one,
    published,
    room,
    wish,
)

POOL = {"resource_id": "desks", "kind": "pool", "revision": 1, "capacity": 3}
SESSION = {
    "resource_id": "course", "kind": "session", "revision": 1, "capacity": 3,
    "start": "2027-03-10T17:00:00Z", "end": "2027-03-10T19:00:00Z",
}  # fmt: skip


async def ask(hub: Hub, offer: str, number: int, hour: float | None = 9, **more: Any) -> str:
    """The reason, or an empty string for a booking."""
    start = None if hour is None else at(hour)
    [answer] = await hub.ask(command(wish(offer, start, person=f"p{number}", **more), f"r{number}"))
    return str(answer.data.get("reason", ""))


def withdrawn(name: str, revision: int) -> Event:
    return catalogue_event(
        made(
            OfferWithdrawn,
            offer_id=offer_id(name), hub_id=HUB, revision=revision, status="withdrawn", reason="editor", withdrawn_at=NOW,
        )
    )  # fmt: skip


def tombstone(name: str) -> Event:
    return Event(named(f"gone {name}"), f"urn:hub:{HUB}:catalog", OfferWithdrawn.ce_type, NOW, offer_id(name), None)


async def test_newer_wins_older_is_ignored__also_within_a_poll(hub: Hub) -> None:
    rules = one("unit", room())
    await hub.publish(published("hall", revision=2, grid_minutes=60, **rules), published("hall", revision=1, **rules))
    assert await ask(hub, "hall", 1, 9.5) == "off_grid"
    await hub.publish(published("hall", revision=1, grid_minutes=30, **rules))
    assert await ask(hub, "hall", 2, 9.5) == "off_grid"
    await hub.publish(published("hall", revision=3, grid_minutes=30, **rules))
    assert await ask(hub, "hall", 3, 9.5) == ""
    assert await hub.dead_letters() == []


async def test_same_revision__again_is_nothing__with_other_content_a_dead_letter(hub: Hub) -> None:
    state = published("hall", revision=2, **one("unit", room()))
    await hub.publish(state)
    # written again with another event id, as `republish` does
    await hub.take(topics.CATALOG_OFFERS, [catalogue_event(state, name="again")])
    assert await hub.dead_letters() == []
    await hub.publish(
        published("hall", revision=2, grid_minutes=60, **one("unit", room())), published("other", **one("unit", room("o")))
    )
    assert await hub.dead_letters() == ["revision_conflict"]
    assert await ask(hub, "hall", 1, 9.5) == ""
    assert await ask(hub, "other", 2) == ""  # its neighbour in the poll was taken


async def test_shared_resource__highest_revision_wins_for_all_its_offers(hub: Hub) -> None:
    await hub.publish(published("a", **one("unit", room())), published("b", **one("unit", room())))
    assert await ask(hub, "b", 1) == ""
    closed = room(revision=2, exceptions=[{"date": "2027-03-03", "hours": []}])
    await hub.publish(published("a", revision=2, **one("unit", closed)))
    assert await ask(hub, "b", 2, 9 + 24) == "outside_opening_hours"  # though `b` itself was not published again
    await hub.publish(published("b", revision=2, **one("unit", room())))
    assert await ask(hub, "b", 3, 9 + 24) == "outside_opening_hours"  # an older copy of it changes nothing
    assert await hub.dead_letters() == []
    [row] = await hub.fetch("SELECT unit_no, revision FROM resources")
    assert (row["unit_no"], row["revision"]) == (1, 2)


@pytest.mark.parametrize("other", [room(capacity=9), room(revision=2) | {"kind": "pool", "capacity": 3}])
async def test_resource__same_revision_with_other_content_or_another_kind__dead_letter(hub: Hub, other: dict[str, Any]) -> None:
    await hub.publish(published("a", **one("unit", room())))
    await hub.publish(published("b", **one("unit", other, room("new"))))
    assert await hub.dead_letters() == ["revision_conflict"]
    assert await ask(hub, "b", 1) == "unknown_offer"
    assert [row["resource_id"] for row in await hub.fetch("SELECT resource_id FROM resources")] == ["room-1"]


async def test_withdrawn_and_tombstoned__no_new_claims_and_bookings_stand(hub: Hub) -> None:
    await hub.publish(published("hall", **one("unit", room()), cancel={"until_minutes": 60, "after": "refuse"}))
    assert await ask(hub, "hall", 1) == ""
    await hub.take(topics.CATALOG_OFFERS, [withdrawn("hall", 2)])
    assert await ask(hub, "hall", 2, 12) == "not_bookable"
    await hub.take(topics.CATALOG_OFFERS, [tombstone("hall"), tombstone("never-seen")])
    assert await ask(hub, "hall", 3, 12) == "not_bookable"
    hub.clock.instant = at(8.5)
    [answer] = await hub.ask(command(cancel("hall", booked("r1"), person="p1"), "c1"))
    assert answer.data["reason"] == "deadline_passed"  # its rules are still known
    hub.clock.instant = NOW
    await hub.publish(published("hall", revision=3, **one("unit", room())))
    assert await ask(hub, "hall", 4, 12) == ""


async def test_withdrawn_before_it_was_seen__an_older_state_does_not_come_alive(hub: Hub) -> None:
    await hub.take(topics.CATALOG_OFFERS, [withdrawn("hall", 2)])
    await hub.publish(published("hall", revision=1, **one("unit", room())))
    assert await ask(hub, "hall", 1) == "not_bookable"


@pytest.mark.parametrize("status", ["suspended", "cancelled"])
async def test_status__takes_no_new_claims(hub: Hub, status: str) -> None:
    await hub.publish(published("hall", **one("unit", room()), status=status))
    assert await ask(hub, "hall", 1) == "not_bookable"


async def test_resource_that_an_offer_no_longer_has__takes_no_new_claims_there(hub: Hub) -> None:
    await hub.publish(published("hall", **one("unit", room("a"), room("b"), choose="either")))
    assert await ask(hub, "hall", 1, choices={"main": "a"}) == ""
    await hub.publish(published("hall", revision=2, **one("unit", room("b"), choose="either")))
    assert await ask(hub, "hall", 2, 12, choices={"main": "a"}) == "unknown_offer"
    assert await ask(hub, "hall", 3, 12) == ""


async def test_blackout__new_claims_obey_it_at_once(hub: Hub) -> None:
    await hub.publish(published("hall", **one("unit", room())))
    assert await ask(hub, "hall", 1, 9) == ""
    repair = {"blackout_id": "x", "start": at(8), "end": at(20), "cause": "repair"}
    await hub.publish(published("hall", revision=2, **one("unit", room(revision=2, blackouts=[repair]))))
    assert await ask(hub, "hall", 2, 12) == "blackout"
    assert await hub.violations() == {}


@pytest.mark.parametrize("kind", ["session", "pool"])
async def test_capacity_cut__nobody_is_dropped_and_nothing_is_free_until_it_is_positive(hub: Hub, kind: str) -> None:
    resource, hour = (SESSION, None) if kind == "session" else (POOL, 9)
    await hub.publish(published("it", **one(kind, resource)))
    assert [await ask(hub, "it", n, hour) for n in range(3)] == ["", "", ""]
    await hub.publish(published("it", revision=2, **one(kind, resource | {"revision": 2, "capacity": 1})))
    assert await tolerated(hub) == 2
    assert await hub.violations() == {}
    for n, left in ((0, 1), (1, 0), (2, 0)):
        assert await ask(hub, "it", 10 + n, hour) == "capacity_full"
        await hub.ask(command(cancel("it", booked(f"r{n}"), person=f"p{n}"), f"c{n}"))
        assert await tolerated(hub) == left
    assert await ask(hub, "it", 20, hour) == ""
    assert await ask(hub, "it", 21, hour) == "capacity_full"
    await hub.publish(published("it", revision=3, **one(kind, resource | {"revision": 3, "capacity": 2})))
    assert await ask(hub, "it", 22, hour) == ""
    assert await hub.violations() == {}


async def tolerated(hub: Hub) -> int:
    [row] = await hub.fetch("SELECT tolerated FROM resources")
    return int(row["tolerated"])


async def test_capacity_cut__of_a_pool_counts_the_most_at_once_not_all_that_lies_ahead(hub: Hub) -> None:
    await hub.publish(published("it", **one("pool", POOL)))
    assert [await ask(hub, "it", n, hour) for n, hour in enumerate((9, 10, 11))] == ["", "", ""]
    await hub.publish(published("it", revision=2, **one("pool", POOL | {"revision": 2, "capacity": 1})))
    assert await tolerated(hub) == 0


async def test_unit_no__drawn_once_for_units_and_pools_each(hub: Hub) -> None:
    bundle: dict[str, Any] = {
        "components": [
            {"component_id": "room", "kind": "unit", "resource_ids": ["room-1", "room-2"]},
            {"component_id": "desks", "kind": "pool", "resource_ids": ["desks"]},
        ],
        "resources": [room(), room("room-2"), POOL],
    }
    await hub.publish(published("a", **bundle))
    before = await hub.fetch("SELECT resource_id, unit_no, pool_no FROM resources ORDER BY resource_id")
    assert [(row["unit_no"] is None, row["pool_no"] is None) for row in before] == [(True, False), (False, True), (False, True)]
    newer = [room(revision=2), room("room-2", revision=2), POOL | {"revision": 2}]
    await hub.publish(published("a", revision=2, **bundle | {"resources": newer}))
    assert await hub.fetch("SELECT resource_id, unit_no, pool_no FROM resources ORDER BY resource_id") == before


async def test_unknown_words__kept_and_not_bookable(hub: Hub) -> None:
    state = json.loads(published("hall", **one("unit", room())).to_json())
    state["booking"]["mode"] = "telepathy"
    state["booking"]["resources"][0]["kind"] = "robot"
    key, headers, _ = encode(catalogue_event(published("hall", **one("unit", room())), name="new words"))
    await hub.take_raw(topics.CATALOG_OFFERS, [(key, headers, json.dumps(state).encode())])
    assert await hub.dead_letters() == []
    assert await ask(hub, "hall", 1) == "not_bookable"


async def test_rules_in_memory__that_are_outdated_are_planned_again(hub: Hub) -> None:
    """Another process applied the change: this one's memory is only good for revisions that it checks under the locks."""
    await hub.publish(published("hall", **one("unit", room())))
    assert await ask(hub, "hall", 1, 9) == ""
    old = dict(hub.house.shelf._offers)
    await hub.publish(published("hall", revision=2, grid_minutes=60, **one("unit", room(revision=2))))
    hub.house.shelf._offers.update(old)
    assert await ask(hub, "hall", 2, 12.5) == "off_grid"
    assert hub.house.metrics.value("booking_plan_repeats_total") == 1
    hub.house.shelf._offers.clear()
