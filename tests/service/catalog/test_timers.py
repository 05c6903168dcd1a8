"""What time alone changes."""

from datetime import timedelta

from contracts.catalog import OfferPublished, OfferWithdrawn
from services.catalog.handlers.house import changing
from services.catalog.worker import loops
from tests.service.catalog.hub import COURSE, NOW, OFFER, PLACE, Hub, offer_id


async def tick(hub: Hub, **ahead: float) -> None:
    hub.clock.instant = NOW + timedelta(**ahead)
    await loops.change_what_is_due(hub.house, hub.pool)


async def test_offer_with_a_date_to_come__waits_and_then_goes_out_as_it_was_frozen(furnished: Hub) -> None:
    await furnished.create(f"/v1/offers/{offer_id()}", {**OFFER, "publish_from": "2027-03-02T08:00:00Z"})
    assert (await furnished.step("publish")).json()["status"] == "scheduled"
    await furnished.call("PATCH", f"/v1/offers/{offer_id()}", {"title": {"de": "Später geändert"}}, If_Match='"1"')
    await tick(furnished, hours=22, minutes=59)
    assert await furnished.messages() == []
    await tick(furnished, hours=23)
    (state,) = await furnished.states()
    assert (state.title["de"], state.revision) == ("Ein Raum", 1)
    await tick(furnished, hours=24)
    assert await furnished.messages() == []


async def test_scheduled_offer_that_the_gate_stops_then__goes_to_review_with_the_reason(furnished: Hub) -> None:
    await furnished.create(f"/v1/offers/{offer_id()}", {**OFFER, "publish_from": "2027-03-02T08:00:00Z"})
    await furnished.step("publish")
    await furnished.call("PUT", "/v1/places/haus", {**PLACE, "accessibility": {}}, If_Match='"1"')
    await tick(furnished, hours=23)
    assert await furnished.messages() == []
    (row,) = await furnished.rows("SELECT status, gate_errors FROM offers")
    assert row["status"] == "in_review"
    assert "accessibility_unanswered" in row["gate_errors"]


async def test_scheduled_offer_withdrawn__is_a_draft_again(furnished: Hub) -> None:
    await furnished.create(f"/v1/offers/{offer_id()}", {**OFFER, "publish_from": "2027-03-02T08:00:00Z"})
    await furnished.step("publish")
    assert (await furnished.step("withdraw")).json()["status"] == "draft"
    await tick(furnished, hours=23)
    assert await furnished.messages() == []


async def test_offer_whose_time_is_over__is_withdrawn(furnished: Hub) -> None:
    await furnished.published("a", {**OFFER, "publish_until": "2027-03-02T08:00:00Z"})
    await tick(furnished, hours=22)
    assert await furnished.messages() == []
    await tick(furnished, hours=23)
    (gone,) = await furnished.withdrawals()
    assert (gone.reason, gone.revision) == ("publish_until", 2)


async def test_withdrawn_offer__is_buried_after_forty_five_days_once(furnished: Hub) -> None:
    await furnished.published()
    await furnished.step("withdraw")
    await furnished.messages()
    await tick(furnished, days=44)
    assert await furnished.messages() == []
    await tick(furnished, days=45)
    (tombstone,) = await furnished.messages()
    assert (tombstone.key, tombstone.data, tombstone.type) == (offer_id(), None, OfferWithdrawn.ce_type)
    await tick(furnished, days=46)
    assert await furnished.messages() == []


async def test_offer_published_again_meanwhile__is_not_buried(furnished: Hub) -> None:
    await furnished.published()
    await furnished.step("withdraw")
    await furnished.step("publish")
    await furnished.messages()
    await tick(furnished, days=46)
    assert await furnished.messages() == []


async def test_horizon__brings_a_date_once_a_day(furnished: Hub) -> None:
    before = await furnished.published("kurs", COURSE)
    furnished.clock.instant = NOW + timedelta(days=8)
    for _ in range(2):
        await loops.extend_horizon(furnished.house, furnished.pool)
        await loops.work_on_jobs(furnished.house, furnished.pool)
    (state,) = await furnished.states()
    assert state.revision == 2
    assert len(state.occurrences) == len(before.occurrences) + 1
    assert state.occurrences[:-1] == before.occurrences, "no date changes its number for that"


async def test_horizon__proposes_holidays_and_applies_them_where_that_is_wished(furnished: Hub) -> None:
    await furnished.call("PUT", "/v1/places/haus", {**PLACE, "holidays": "DE-SN", "apply_holidays": True}, If_Match='"1"')
    await furnished.create("/v1/places/hof", {**PLACE, "holidays": "DE-SN"})
    await furnished.published()
    await loops.extend_horizon(furnished.house, furnished.pool)
    await loops.work_on_jobs(furnished.house, furnished.pool)
    (state,) = await furnished.states()
    closed = {each.blackout_id for each in state.booking.resources[0].blackouts}
    assert "holiday-haus-2027-11-17" in closed
    assert not any(each.startswith("holiday-hof") for each in closed)
    rows = await furnished.rows("SELECT proposed FROM blackouts WHERE scope_id = 'hof'")
    assert rows
    assert {row["proposed"] for row in rows} == {True}


async def test_timed_work__leaves_the_turn_to_whoever_has_the_lock(furnished: Hub) -> None:
    await furnished.published("a", {**OFFER, "publish_until": "2027-03-02T08:00:00Z"})
    async with changing(furnished.house, furnished.pool):
        await tick(furnished, hours=23)
    assert await furnished.messages() == []
    await tick(furnished, hours=23)
    assert [type(each.data) for each in await furnished.messages()] == [OfferWithdrawn]


async def test_figures__count_offers_by_state(furnished: Hub) -> None:
    await furnished.published()
    await furnished.create(f"/v1/offers/{offer_id('b')}", {**OFFER, "visibility": "local"})
    await loops.measure(furnished.house, furnished.pool)
    value = furnished.house.metrics.value
    assert value("catalog_offers", status="published", visibility="public") == 1
    assert value("catalog_offers", status="draft", visibility="local") == 1


async def test_past_dates__stay_thirty_days_and_change_nothing(furnished: Hub) -> None:
    before = await furnished.published("kurs", COURSE)
    furnished.clock.instant = NOW + timedelta(days=20)
    await loops.extend_horizon(furnished.house, furnished.pool)
    await loops.work_on_jobs(furnished.house, furnished.pool)
    (state,) = await furnished.states()
    assert isinstance(state, OfferPublished)
    assert state.occurrences[0] == before.occurrences[0]
    furnished.clock.instant = NOW + timedelta(days=40)
    await loops.extend_horizon(furnished.house, furnished.pool)
    await loops.work_on_jobs(furnished.house, furnished.pool)
    (state,) = await furnished.states()
    assert before.occurrences[0].occurrence_id not in {each.occurrence_id for each in state.occurrences}
