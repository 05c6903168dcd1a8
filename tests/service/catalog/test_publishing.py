"""From a working copy to the bus: gate, revision, one message in one transaction."""

import asyncio
from datetime import timedelta
from uuid import uuid5

import pytest

from contracts.catalog import OfferPublished, OfferStatus, OfferWithdrawn
from services.catalog.domain.occurrences import offer_uuid
from services.catalog.handlers import steps
from services.catalog.handlers.house import changing
from services.catalog.handlers.publishing import Actor
from services.catalog.store import offers
from tests.service.catalog.hub import COURSE, HUB, NOW, OFFER, TUESDAYS, Body, Hub, offer_id, problem


async def test_publish__sends_the_whole_state_once(furnished: Hub) -> None:
    state = await furnished.published()
    assert (state.offer_id, state.hub_id, state.revision, state.status) == (offer_id(), HUB, 1, "published")
    assert state.places[0].accessibility.step_free == "yes"
    assert state.contact is not None
    (room,) = state.booking.resources
    assert (room.resource_id, room.revision, room.capacity, room.features) == ("raum", 1, 8, ("step_free",))
    assert [(hours.weekday, hours.from_, hours.to) for hours in room.hours] == [(1, "08:00", "18:00")]
    assert state.online_url == "https://treffen.example/raum", "notify needs it"


async def test_publish__is_told_by_the_catalogue_under_the_offer_s_key(furnished: Hub) -> None:
    await furnished.create(f"/v1/offers/{offer_id()}", OFFER)
    await furnished.step("publish")
    (event,) = await furnished.messages()
    assert (event.source, event.type, event.key) == (
        f"urn:hub:{HUB}:catalog",
        "de.hubnetz.catalog.OfferPublished.v1",
        offer_id(),
    )
    assert event.time == NOW


async def test_publish_again_unchanged__is_no_event(furnished: Hub) -> None:
    await furnished.published()
    answer = await furnished.step("publish")
    assert (answer.status_code, answer.json()["revision"]) == (200, 1)
    assert await furnished.messages() == []


async def test_edit__is_not_seen_until_it_is_published(furnished: Hub) -> None:
    await furnished.published()
    answer = await furnished.call("PATCH", f"/v1/offers/{offer_id()}", {"title": {"de": "Neuer Name"}}, If_Match='"1"')
    assert (answer.status_code, answer.json()["version"]) == (200, 2)
    assert await furnished.messages() == []
    assert (await furnished.call("GET", f"/v1/offers/{offer_id()}")).json()["title"]["de"] == "Ein Raum"
    await furnished.step("publish", version=2)
    (state,) = await furnished.states()
    assert (state.revision, state.title) == (2, {"de": "Neuer Name", "en": "A room"})


async def test_change_elsewhere__does_not_publish_the_working_copy(furnished: Hub) -> None:
    await furnished.published()
    await furnished.call("PATCH", f"/v1/offers/{offer_id()}", {"title": {"de": "Entwurf"}}, If_Match='"1"')
    place = (await furnished.call("GET", "/v1/places/haus")).json()
    await furnished.call("PUT", "/v1/places/haus", {**place, "capacity": 99}, If_Match='"1"')
    (state,) = await furnished.states()
    assert (state.title["de"], state.places[0].capacity) == ("Ein Raum", 99)


CLOSED_GATES: tuple[tuple[Body, list[tuple[str, str]]], ...] = (
    ({"title": {"en": "x"}}, [("/title/de", "missing_text")]),
    ({"contact_id": "niemand"}, [("/contact_id", "missing_contact")]),
    ({"is_free": False}, [("/prices", "missing_price")]),
    ({"place_ids": []}, [("/place_ids", "missing_place")]),
    ({"kind": "health", "partner_mode": "federated"}, [("/partner_mode", "special_needs_redirect")]),
    (
        {"booking": {**OFFER["booking"], "grid_minutes": 0}},
        [("/booking/grid_minutes", "bad_booking")],
    ),
    (
        {"booking": {"mode": "instant", "components": [{"component_id": "r", "kind": "unit", "resource_ids": ["weg"]}]}},
        [("/booking/components/0/resource_ids/0", "bad_booking")],
    ),
    ({"description": {"de": "x" * 20_000} | {f"de-x-a{n}": "ä" * 19_999 for n in range(7)}}, [("", "too_large")]),
)


async def test_closed_gate__says_why_and_sends_nothing(furnished: Hub) -> None:
    for number, (change, errors) in enumerate(CLOSED_GATES):
        name = f"gate{number}"
        await furnished.create(f"/v1/offers/{offer_id(name)}", {**OFFER, **change})
        assert problem(await furnished.step("publish", name)) == (422, "gate_closed", errors)
        checked = (await furnished.call("POST", f"/v1/offers/{offer_id(name)}/check")).json()
        assert [(each["pointer"], each["code"]) for each in checked["errors"]] == errors
    assert await furnished.messages() == []
    assert furnished.house.metrics.value("catalog_gate_errors_total", code="bad_booking") == 2


async def test_dates__travel_as_sessions_of_the_horizon(furnished: Hub) -> None:
    state = await furnished.published("kurs", COURSE)
    first = state.occurrences[0]
    assert first.occurrence_id == str(uuid5(offer_uuid(offer_id("kurs")), "2027-03-02T18:00:00"))
    assert (first.sequence, first.capacity) == (0, 10)
    assert len(state.occurrences) == 53
    session = state.booking.resources[0]
    assert (session.resource_id, session.kind, session.revision) == (first.occurrence_id, "session", 1)


async def test_date_that_falls_out__is_cancelled_and_counts_up(furnished: Hub) -> None:
    before = await furnished.published("kurs", COURSE)
    changed = {**TUESDAYS, "exdates": ["2027-03-09T18:00:00"]}
    path = f"/v1/offers/{offer_id('kurs')}/schedules/kurs"
    assert (await furnished.call("PUT", path, changed, If_Match='"1"')).status_code == 200
    await furnished.step("publish", "kurs")
    (state,) = await furnished.states()
    assert state.occurrences[1].status == "cancelled"
    assert state.occurrences[1].occurrence_id == before.occurrences[1].occurrence_id
    assert [each.sequence for each in state.occurrences[:3]] == [0, 1, 0]
    sessions = {each.resource_id: each for each in state.booking.resources}
    session = sessions[state.occurrences[1].occurrence_id]
    assert (session.status, session.revision) == ("cancelled", 2)


async def test_all_dates_over__nothing_ahead(furnished: Hub) -> None:
    await furnished.create(f"/v1/offers/{offer_id('kurs')}", COURSE)
    past = {**TUESDAYS, "rrule": "FREQ=WEEKLY;UNTIL=20270201T170000Z", "local_start": "2027-01-05T18:00:00"}
    await furnished.create(f"/v1/offers/{offer_id('kurs')}/schedules/kurs", past)
    assert problem(await furnished.step("publish", "kurs"))[2] == [("/schedules", "nothing_ahead")]


async def test_withdraw__says_so_once_and_leaves_the_list(furnished: Hub) -> None:
    await furnished.published()
    answer = await furnished.step("withdraw")
    assert (answer.json()["status"], answer.json()["revision"]) == ("withdrawn", 2)
    (gone,) = await furnished.withdrawals()
    assert (gone.offer_id, gone.revision, gone.reason, gone.withdrawn_at) == (offer_id(), 2, "editor", NOW)
    assert (await furnished.step("withdraw")).status_code == 200, "repeating a done step is harmless"
    assert await furnished.messages() == []
    assert problem(await furnished.call("GET", f"/v1/offers/{offer_id()}"))[:2] == (404, "not_found")


async def test_withdrawn_and_published_again__goes_on_counting(furnished: Hub) -> None:
    await furnished.published()
    await furnished.step("withdraw")
    await furnished.step("publish")
    assert [each.data.revision for each in await furnished.messages() if each.data] == [2, 3]  # type: ignore[attr-defined]


async def test_suspend_and_resume__are_states_of_their_own(furnished: Hub) -> None:
    await furnished.published()
    for step, status, revision in (("suspend", "suspended", 2), ("resume", "published", 3)):
        assert (await furnished.step(step)).json()["status"] == status
        (state,) = await furnished.states()
        assert (state.status, state.revision) == (status, revision)


async def test_cancel__needs_a_manager(furnished: Hub) -> None:
    await furnished.published()
    assert problem(await furnished.step("cancel", role="editor"))[:2] == (403, "not_permitted")
    await furnished.step("cancel")
    (state,) = await furnished.states()
    assert state.status is OfferStatus.CANCELLED
    assert problem(await furnished.step("resume"))[:2] == (409, "wrong_state")


async def test_draft__cannot_be_suspended(furnished: Hub) -> None:
    await furnished.create(f"/v1/offers/{offer_id()}", OFFER)
    answer = await furnished.step("suspend")
    assert problem(answer)[:2] == (409, "wrong_state")
    assert answer.json()["state"] == "draft"


async def test_two_editors__one_loses(furnished: Hub) -> None:
    await furnished.create(f"/v1/offers/{offer_id()}", OFFER)
    answers = await asyncio.gather(
        *(
            furnished.call("PATCH", f"/v1/offers/{offer_id()}", {"keywords": [name]}, If_Match='"1"', role="editor")
            for name in ("eins", "zwei")
        )
    )
    assert sorted(each.status_code for each in answers) == [200, 412]
    loser = next(each for each in answers if each.status_code == 412)
    assert (loser.json()["code"], loser.json()["version"], loser.json()["edited_by"]) == ("stale_version", 2, "editor/7")


async def test_publish_of_a_copy_not_seen__is_refused(furnished: Hub) -> None:
    await furnished.create(f"/v1/offers/{offer_id()}", OFFER)
    assert problem(await furnished.step("publish", version=3))[:2] == (412, "stale_version")
    answer = await furnished.call("POST", f"/v1/offers/{offer_id()}/publish")
    assert problem(answer)[:2] == (428, "precondition_required")


async def test_history__tells_each_revision_and_who_made_it(furnished: Hub) -> None:
    await furnished.published()
    await furnished.call("PATCH", f"/v1/offers/{offer_id()}", {"title": {"de": "Neu"}}, If_Match='"1"')
    await furnished.step("publish", version=2, role="editor")
    rows = await furnished.rows("SELECT revision, actor_role, actor_id, diff FROM revisions ORDER BY revision")
    assert [(row["revision"], row["actor_role"], row["actor_id"]) for row in rows] == [(1, "manager", "7"), (2, "editor", "7")]
    assert rows[1]["diff"] == '[{"op": "replace", "path": "/title/de", "value": "Neu"}]'


async def test_simple_language__waits_for_its_review(furnished: Hub) -> None:
    await furnished.create(f"/v1/offers/{offer_id()}", {**OFFER, "title": {"de": "Raum", "de-simple": "Ein Raum"}})
    await furnished.step("publish")
    (state,) = await furnished.states()
    assert "de-simple" not in state.title
    review = {"simple_review": {"at": "2027-02-01T10:00:00Z", "role": "editor"}}
    await furnished.call("PATCH", f"/v1/offers/{offer_id()}", review, If_Match='"1"')
    await furnished.step("publish", version=2)
    (state,) = await furnished.states()
    assert state.title["de-simple"] == "Ein Raum"
    await furnished.call("PATCH", f"/v1/offers/{offer_id()}", {"title": {"de-simple": "Ein Zimmer"}}, If_Match='"2"')
    await furnished.step("publish", version=3)
    (state,) = await furnished.states()
    assert "de-simple" not in state.title, "the review was of other words"


async def test_changes__have_numbers_that_rise_in_their_order(furnished: Hub) -> None:
    names = ["a", "b", "c", "d"]
    for name in names:
        await furnished.create(f"/v1/offers/{offer_id(name)}", OFFER)
    await asyncio.gather(*(furnished.step("publish", name) for name in names))
    told = [each.key for each in await furnished.messages()]
    rows = await furnished.rows("SELECT offer_id FROM offers ORDER BY changed_seq")
    assert [row["offer_id"] for row in rows] == told


async def test_failure_after_the_write__leaves_neither_state_nor_message(furnished: Hub) -> None:
    await furnished.create(f"/v1/offers/{offer_id()}", OFFER)

    async def publish_and_fail() -> None:
        async with changing(furnished.house, furnished.pool) as (tx, now):
            rows = await offers.lock_offers(tx, [offer_id()])
            await steps.publish(tx, rows, hub_id=HUB, actor=Actor("editor", "7"), now=now)
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        await publish_and_fail()
    assert await furnished.messages() == []
    assert (await furnished.rows("SELECT status, revision FROM offers")) == [{"status": "draft", "revision": 0}]


async def test_republish__sends_every_current_state_again_with_its_number(furnished: Hub) -> None:
    await furnished.published("a")
    await furnished.published("b")
    await furnished.step("withdraw", "b")
    first = {each.key: each for each in await furnished.messages()}
    async with changing(furnished.house, furnished.pool) as (tx, now):
        after = await steps.send_states_again(tx, after="", hub_id=HUB, now=now + timedelta(hours=1))
        assert after is not None
        assert await steps.send_states_again(tx, after=after, hub_id=HUB, now=now) is None
    again = {each.key: each for each in await furnished.messages()}
    assert set(again) == {offer_id("a"), offer_id("b")}
    kinds = {key: type(each.data) for key, each in again.items()}
    assert kinds == {offer_id("a"): OfferPublished, offer_id("b"): OfferWithdrawn}
    assert again[offer_id("b")].data == first[offer_id("b")].data
    assert again[offer_id("b")].id != first[offer_id("b")].id, "a new event, else readers would drop it as known"
