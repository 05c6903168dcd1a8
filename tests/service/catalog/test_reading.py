"""What is read by whom."""

from tests.service.catalog.hub import COURSE, OFFER, PLACE, TOKEN, Body, Hub, offer_id, problem


async def test_list__has_published_offers_by_title_with_their_next_date(furnished: Hub) -> None:
    await furnished.published("raum")
    await furnished.published("kurs", COURSE)
    await furnished.create(f"/v1/offers/{offer_id('entwurf')}", OFFER)
    body = (await furnished.client.get("/v1/offers")).json()
    assert body["total"] == 2
    course, room = body["hits"]
    assert (course["title"], course["next_start"], course["place"]) == (
        "Ein Kurs",
        "2027-03-02T17:00:00Z",
        {"place_id": "haus", "name": "Haus"},
    )
    assert (room["hub_name"], room["kind"], room["status"], room["is_free"]) == ("Hub Nord", "room", "published", True)
    assert "next_start" not in room


async def test_list__is_filtered_paged_and_in_the_reader_s_language(furnished: Hub) -> None:
    await furnished.published("raum")
    await furnished.published("kurs", COURSE)
    only = (await furnished.client.get("/v1/offers", params={"kind": "room", "lang": "en"})).json()
    assert (only["total"], only["hits"][0]["title"], only["hits"][0]["lang"]) == (1, "A room", "en")
    second = (await furnished.client.get("/v1/offers", params={"limit": 1, "offset": 1, "lang": "cs"})).json()
    assert (second["total"], second["hits"][0]["title"], second["hits"][0]["lang"]) == (2, "Ein Raum", "de")


async def test_list_with_a_bad_question__is_refused(hub: Hub) -> None:
    for query in ("kind=kiosk", "limit=0", "limit=101", "offset=1001", "lang=" + "x" * 50):
        assert problem(await hub.client.get(f"/v1/offers?{query}"))[:2] == (422, "invalid_request"), query


async def test_suspended_offers__are_marked_and_last(furnished: Hub) -> None:
    await furnished.published("a", {**OFFER, "title": {"de": "Aal"}})
    await furnished.published("b", {**OFFER, "title": {"de": "Bär"}})
    await furnished.step("suspend", "a")
    hits = (await furnished.client.get("/v1/offers")).json()["hits"]
    assert [(each["title"], each["status"]) for each in hits] == [("Bär", "published"), ("Aal", "suspended")]


async def test_public_offer__hides_how_to_get_in(furnished: Hub) -> None:
    await furnished.published()
    answer = await furnished.client.get(f"/v1/offers/{offer_id()}")
    assert (answer.status_code, answer.headers["etag"]) == (200, '"1"')
    assert answer.json()["description"] == {"de": "Groß und hell."}
    assert "treffen.example" not in answer.text
    assert "Schlüssel" not in answer.text


async def test_draft__is_unknown_to_the_public(furnished: Hub) -> None:
    await furnished.create(f"/v1/offers/{offer_id()}", OFFER)
    assert problem(await furnished.client.get(f"/v1/offers/{offer_id()}"))[:2] == (404, "not_found")


async def test_draft__is_shown_to_staff_with_what_the_gate_says(furnished: Hub) -> None:
    await furnished.create(f"/v1/offers/{offer_id('kurs')}", {**COURSE, "contact_id": None})
    answer = await furnished.call("GET", f"/v1/drafts/{offer_id('kurs')}", role="desk")
    body = answer.json()
    assert (answer.headers["etag"], body["status"], body["revision"], body["edited_by"]) == ('"1"', "draft", 0, "manager/7")
    assert {each["code"] for each in body["errors"]} == {"missing_contact", "bad_booking"}
    listed = (await furnished.call("GET", "/v1/drafts?status=draft")).json()
    assert [each["offer_id"] for each in listed["drafts"]] == [offer_id("kurs")]


STAFF_CALLS = (
    ("GET", "/v1/drafts"),
    ("GET", f"/v1/drafts/{offer_id()}"),
    ("PUT", f"/v1/offers/{offer_id()}"),
    ("PATCH", f"/v1/offers/{offer_id()}"),
    ("POST", f"/v1/offers/{offer_id()}/publish"),
    ("POST", f"/v1/offers/{offer_id()}/check"),
    ("GET", "/v1/resources"),
    ("GET", "/v1/contacts/empfang"),
    ("PUT", "/v1/places/haus"),
    ("PUT", "/v1/blackouts/zu"),
)


async def test_staff_s_calls__need_token_and_actor(hub: Hub) -> None:
    for method, path in STAFF_CALLS:
        body: Body | None = {} if method in ("PUT", "PATCH") else None
        assert problem(await hub.client.request(method, path, json=body))[:2] == (401, "unauthorized"), path
        wrong = await hub.client.request(method, path, json=body, headers={"Authorization": "Bearer falsch"})
        assert problem(wrong)[:2] == (401, "unauthorized"), path
        nobody = await hub.client.request(method, path, json=body, headers={"Authorization": f"Bearer {TOKEN}"})
        assert problem(nobody)[:2] == (401, "no_actor"), path
        citizen = await hub.call(method, path, body, role="citizen", If_Match='"1"')
        assert problem(citizen)[:2] == (403, "not_permitted"), path


async def test_place__is_public_as_stated(furnished: Hub) -> None:
    assert (await furnished.client.get("/v1/places/haus")).json() == {"place_id": "haus", **PLACE}
    assert [each["place_id"] for each in (await furnished.client.get("/v1/places")).json()["places"]] == ["haus"]
    assert problem(await furnished.client.get("/v1/places/weg"))[:2] == (404, "not_found")


async def test_term__is_public(furnished: Hub) -> None:
    await furnished.create("/v1/terms/hub:lernen", {"scheme": "hub", "code": "lernen", "label": {"de": "Lernen"}})
    assert (await furnished.client.get("/v1/terms/hub:lernen")).json()["label"] == {"de": "Lernen"}
    assert len((await furnished.client.get("/v1/terms")).json()["terms"]) == 1


async def test_offer_creation__is_judged(furnished: Hub) -> None:
    path = f"/v1/offers/{offer_id()}"
    bad = await furnished.call("PUT", path, {**OFFER, "titel": {"de": "x"}}, If_None_Match="*")
    assert problem(bad) == (422, "bad_document", [("/titel", "unknown_field")])
    other = "/v1/offers/urn:hub:sued:offer:7d0f6a52-63f0-4a7b-9c5f-2f8a1a0e4b11"
    assert problem(await furnished.call("PUT", other, OFFER, If_None_Match="*"))[2] == [("/offer_id", "other_hub")]
    assert (await furnished.call("PUT", path, OFFER, If_None_Match="*")).status_code == 201
    assert (await furnished.call("PUT", path, OFFER, If_None_Match="*")).status_code == 200
    differs = await furnished.call("PUT", path, {**OFFER, "kind": "desk"}, If_None_Match="*")
    assert problem(differs)[:2] == (412, "exists")
    moved = await furnished.call("PATCH", path, {"offer_id": offer_id("anders")}, If_Match='"1"')
    assert problem(moved)[2] == [("/offer_id", "read_only")]


async def test_unknown_offer__is_told(furnished: Hub) -> None:
    assert problem(await furnished.step("publish", "weg"))[:2] == (404, "not_found")
    assert problem(await furnished.call("GET", f"/v1/drafts/{offer_id('weg')}"))[:2] == (404, "not_found")


async def test_schedule_of_another_offer__is_refused(furnished: Hub) -> None:
    await furnished.published("kurs", COURSE)
    await furnished.create(f"/v1/offers/{offer_id('b')}", COURSE)
    body = {"local_start": "2027-03-02T18:00:00", "duration_minutes": 5, "time_zone": "Europe/Berlin"}
    answer = await furnished.call("PUT", f"/v1/offers/{offer_id('b')}/schedules/kurs", body, If_Match='"1"')
    assert problem(answer)[:2] == (409, "other_offer")
