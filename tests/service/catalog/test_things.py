"""Places, resources, closures, contacts: a change goes out with every offer that shows it, and with no other."""

from datetime import timedelta

import pytest

from contracts.booking.rules import BLACKOUTS_MAX
from services.catalog.domain.entities import Blackout
from services.catalog.domain.rows import EntityWrite
from services.catalog.handlers import entities as handlers
from services.catalog.handlers.house import changing
from services.catalog.store import entities
from services.catalog.wire import documents
from services.catalog.worker import loops
from tests.service.catalog.hub import CONTACT, NOW, OFFER, PLACE, ROOM, Body, Hub, offer_id, problem

CLOSED: Body = {
    "scope": "place",
    "scope_id": "haus",
    "start": "2027-03-08T23:00:00Z",
    "end": "2027-03-09T23:00:00Z",
    "cause": "works",
}


async def test_closure__reaches_offers_and_raises_the_resource(furnished: Hub) -> None:
    await furnished.published()
    answer = await furnished.call("PUT", "/v1/blackouts/zu", CLOSED, If_None_Match="*")
    assert (answer.status_code, answer.json()["offers"]) == (201, [offer_id()])
    (state,) = await furnished.states()
    (room,) = state.booking.resources
    assert (state.revision, room.revision) == (2, 2)
    assert [each.blackout_id for each in room.blackouts] == ["zu"]


async def test_proposed_closure__reaches_nobody_until_it_is_accepted(furnished: Hub) -> None:
    await furnished.published()
    await furnished.create("/v1/blackouts/zu", {**CLOSED, "proposed": True})
    assert await furnished.messages() == []
    await furnished.call("PUT", "/v1/blackouts/zu", CLOSED, If_Match='"1"')
    (state,) = await furnished.states()
    assert state.booking.resources[0].blackouts


async def test_moved_closure__leaves_where_it_was(furnished: Hub) -> None:
    await furnished.create("/v1/resources/saal", {**ROOM, "name": {"de": "Saal"}})
    await furnished.published()
    await furnished.create("/v1/blackouts/zu", {**CLOSED, "scope": "resource", "scope_id": "raum"})
    await furnished.messages()
    await furnished.call("PUT", "/v1/blackouts/zu", {**CLOSED, "scope": "resource", "scope_id": "saal"}, If_Match='"1"')
    (state,) = await furnished.states()
    assert state.booking.resources[0].blackouts == ()
    assert state.booking.resources[0].revision == 3


async def test_closures__need_a_manager(furnished: Hub) -> None:
    answer = await furnished.call("PUT", "/v1/blackouts/zu", CLOSED, If_None_Match="*", role="editor")
    assert problem(answer)[:2] == (403, "not_permitted")


async def test_shared_resource__reads_the_same_in_both_states(furnished: Hub) -> None:
    await furnished.published("a")
    await furnished.published("b")
    await furnished.call("PUT", "/v1/resources/raum", {**ROOM, "capacity": 10}, If_Match='"1"')
    first, second = await furnished.states()
    assert first.booking.resources == second.booking.resources
    assert (first.booking.resources[0].revision, first.booking.resources[0].capacity) == (2, 10)


async def test_change_that_nobody_can_see__is_no_event(furnished: Hub) -> None:
    await furnished.published()
    answer = await furnished.call("PUT", "/v1/resources/raum", {**ROOM, "name": {"de": "Anders"}}, If_Match='"1"')
    assert (answer.status_code, answer.json()["offers"]) == (200, [])
    assert await furnished.messages() == []


async def test_change_of_a_parent__reaches_rooms_below(furnished: Hub) -> None:
    await furnished.create("/v1/places/zimmer", {"kind": "room", "name": {"de": "Zimmer"}, "parent_id": "haus"})
    await furnished.published("a", {**OFFER, "place_ids": ["zimmer"], "booking": {"mode": "none"}})
    await furnished.published("b", {**OFFER, "place_ids": ["haus"], "booking": {"mode": "none"}})
    await furnished.create("/v1/places/anderswo", PLACE)
    await furnished.published("c", {**OFFER, "place_ids": ["anderswo"], "booking": {"mode": "none"}})
    await furnished.call("PUT", "/v1/places/haus", {**PLACE, "capacity": 50}, If_Match='"1"')
    states = {each.offer_id: each for each in await furnished.states()}
    assert set(states) == {offer_id("a"), offer_id("b")}
    assert states[offer_id("a")].places[0].capacity == 50


async def test_change_of_a_contact__reaches_its_offers(furnished: Hub) -> None:
    await furnished.published()
    answer = await furnished.call("PUT", "/v1/contacts/empfang", {**CONTACT, "telephone": "+49 30 23125 000"}, If_Match='"1"')
    assert answer.json()["offers"] == [offer_id()]
    (state,) = await furnished.states()
    assert state.contact is not None
    assert state.contact.telephone == "+49 30 23125 000"


async def test_draft__is_not_sent_by_a_change_elsewhere(furnished: Hub) -> None:
    await furnished.create(f"/v1/offers/{offer_id()}", OFFER)
    await furnished.create("/v1/blackouts/zu", CLOSED)
    assert await furnished.messages() == []


async def test_more_offers_than_one_transaction_takes__go_on_as_a_job(furnished: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        await furnished.published(name)
    monkeypatch.setattr(handlers, "REPUBLISH_OFFERS_MAX", 1)
    answer = await furnished.call("PUT", "/v1/blackouts/zu", CLOSED, If_None_Match="*")
    assert (answer.status_code, len(answer.json()["offers"])) == (202, 1)
    job = f"/v1/jobs/{answer.json()['job_id']}"
    assert (await furnished.call("GET", job)).json() == {"state": "running", "done": 0, "total": 2}
    assert len(await furnished.messages()) == 1
    await loops.work_on_jobs(furnished.house, furnished.pool)
    assert (await furnished.call("GET", job)).json() == {"state": "done", "done": 2, "total": 2}
    assert len(await furnished.messages()) == 2


NO_THINGS: tuple[tuple[str, Body, tuple[str, str]], ...] = (
    ("places/raum", {**PLACE, "parent_id": "weg"}, ("/parent_id", "unknown_place")),
    ("places/haus", {**PLACE, "place_id": "anders"}, ("/place_id", "other_id")),
    ("places/raum", {**PLACE, "hours": [{"weekday": 1, "from": "10:00", "to": "09:00"}]}, ("/hours/0/to", "bad_value")),
    ("places/raum", {**PLACE, "lat": 51.0}, ("/lon", "missing")),
    ("resources/neu", {**ROOM, "place_id": "weg"}, ("/place_id", "unknown_place")),
    ("resources/neu", {**ROOM, "kind": "pool", "capacity": None}, ("/capacity", "bad_value")),
    ("resources/neu", {**ROOM, "kind": "session"}, ("/kind", "bad_value")),
    ("contacts/neu", {**CONTACT, "email": "keine Adresse"}, ("/email", "bad_value")),
    ("blackouts/neu", {**CLOSED, "end": CLOSED["start"]}, ("/end", "bad_order")),
    ("blackouts/neu", {**CLOSED, "note": {"de": "x\u0000"}}, ("/note/de", "bad_characters")),
)


async def test_thing_that_is_none__is_refused_with_its_place(furnished: Hub) -> None:
    for path, body, expected in NO_THINGS:
        status, code, errors = problem(await furnished.call("PUT", f"/v1/{path}", body, If_None_Match="*"))
        assert (status, code, errors[0]) == (422, "bad_document", expected)


async def test_resource__never_changes_its_kind(furnished: Hub) -> None:
    answer = await furnished.call("PUT", "/v1/resources/raum", {**ROOM, "kind": "pool"}, If_Match='"1"')
    assert problem(answer) == (422, "bad_document", [("/kind", "read_only")])


async def test_place_under_itself__is_refused(furnished: Hub) -> None:
    await furnished.create("/v1/places/zimmer", {"kind": "room", "name": {"de": "Zimmer"}, "parent_id": "haus"})
    answer = await furnished.call("PUT", "/v1/places/haus", {**PLACE, "parent_id": "zimmer"}, If_Match='"1"')
    assert problem(answer) == (422, "bad_document", [("/parent_id", "circle")])


async def test_closure_too_many_for_a_published_offer__is_undone(furnished: Hub) -> None:
    await close_often(furnished, BLACKOUTS_MAX)
    await furnished.published()
    answer = await furnished.call("PUT", "/v1/blackouts/zu", CLOSED, If_None_Match="*")
    assert problem(answer)[:2] == (409, "offers_would_break")
    assert answer.json()["offer_ids"] == [offer_id()]
    assert await furnished.messages() == []
    assert problem(await furnished.call("GET", "/v1/blackouts/zu"))[:2] == (404, "not_found")


async def test_horizon_that_would_break_one_offer__goes_on_with_the_others(furnished: Hub) -> None:
    await furnished.create("/v1/places/hof", {**PLACE, "holidays": "DE-SN", "apply_holidays": True})
    await furnished.create("/v1/resources/hof", {**ROOM, "place_id": "hof"})
    elsewhere = {"mode": "instant", "components": [{"component_id": "hof", "kind": "unit", "resource_ids": ["hof"]}]}
    await close_often(furnished, BLACKOUTS_MAX)
    await furnished.published("voll")
    await furnished.published("hof", {**OFFER, "place_ids": ["hof"], "booking": elsewhere})
    place = {"place_id": "haus", **PLACE, "holidays": "DE-SN", "apply_holidays": True}
    await furnished.call("PUT", "/v1/places/haus", place, If_Match='"1"')
    await loops.extend_horizon(furnished.house, furnished.pool)
    await loops.work_on_jobs(furnished.house, furnished.pool)
    assert [each.offer_id for each in await furnished.states()] == [offer_id("hof")]


async def close_often(hub: Hub, number: int) -> None:
    """Closures of the house, an hour each, as many as one state may hold."""
    start = NOW + timedelta(days=1)
    closures = [
        Blackout(f"zu-{n}", "place", start + timedelta(hours=n), start + timedelta(hours=n + 1), "works", "haus")
        for n in range(number)
    ]
    writes = [EntityWrite(each.blackout_id, documents.text(documents.BLACKOUTS.write(each))) for each in closures]
    async with changing(hub.house, hub.pool) as (tx, now):
        await entities.save_entities(tx, "blackouts", writes, source=None, now=now, by="test")


async def test_change_that_would_break_a_published_offer__is_undone(furnished: Hub) -> None:
    await furnished.published()
    many = {
        **PLACE,
        "exceptions": [{"date": f"20{n // 12 + 27}-{n % 12 + 1:02}-{day:02}"} for n in range(20) for day in range(1, 25)],
    }
    answer = await furnished.call("PUT", "/v1/places/haus", many, If_Match='"1"')
    assert problem(answer)[0] == 422, "more exceptions than the contract takes"
    assert (await furnished.call("GET", "/v1/places/haus")).json() == {"place_id": "haus", **PLACE}
    assert await furnished.messages() == []


async def test_creation__is_harmless_when_repeated_and_refused_when_it_differs(furnished: Hub) -> None:
    again = await furnished.call("PUT", "/v1/places/haus", PLACE, If_None_Match="*")
    assert (again.status_code, again.json()["changed"]) == (200, False)
    other = await furnished.call("PUT", "/v1/places/haus", {**PLACE, "capacity": 3}, If_None_Match="*")
    assert problem(other)[:2] == (412, "exists")
    stale = await furnished.call("PUT", "/v1/places/haus", {**PLACE, "capacity": 3}, If_Match='"4"')
    assert problem(stale)[:2] == (412, "stale_version")
    assert problem(await furnished.call("PUT", "/v1/places/haus", PLACE))[:2] == (428, "precondition_required")
