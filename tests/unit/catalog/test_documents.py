"""Working copies as JSON: what is read, what is written, what is refused and where."""

import pytest

from services.catalog.domain import checks
from services.catalog.domain.entities import Booking, Component, Hours
from services.catalog.handlers.drafts import read_schedule
from services.catalog.wire import travelling
from services.catalog.wire.documents import BLACKOUTS, OFFERS, PLACES, RESOURCES, BadDocument, JsonObject, fingerprint, text
from tests.unit.catalog.build import HUB, OFFER_ID, course, offer, place, schedule

MINIMAL: JsonObject = {"offer_id": OFFER_ID, "kind": "room", "time_zone": "Europe/Berlin"}


def test_offer__travels_flat_and_comes_back_the_same() -> None:
    body = OFFERS.write(offer())
    assert body["booking"] == {
        "mode": "instant",
        "components": [{"component_id": "raum", "kind": "unit", "resource_ids": ["raum"]}],
        "grid_minutes": 15,
    }
    assert OFFERS.read(body) == offer()


def test_frozen_offer__holds_its_schedules() -> None:
    frozen = text(OFFERS.write(course()))
    assert OFFERS.parse(frozen) == course()


def test_defaults__are_not_written() -> None:
    assert OFFERS.write(OFFERS.read(MINIMAL)) == MINIMAL


def test_rules__are_carried_as_stated() -> None:
    rules: JsonObject = {"check_in": {"release_after_minutes": None}}
    read = OFFERS.read({**MINIMAL, "booking": {"mode": "instant", "components": [], **rules}})
    assert read.booking == Booking("instant", (), {"check_in": {"release_after_minutes": None}})


def test_equal_content__has_equal_text_and_fingerprint() -> None:
    assert text({"b": 1, "a": [2]}) == '{"a":[2],"b":1}'
    assert fingerprint({"b": 1, "a": [2]}) == fingerprint({"a": [2], "b": 1}) != fingerprint({"a": [2], "b": 2})


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"kind": "kiosk"}, ("/kind", "bad_value")),
        ({"titel": {}}, ("/titel", "unknown_field")),
        ({"title": {"de": 1}}, ("/title/de", "bad_value")),
        ({"title": {"de": "x\x00"}}, ("/title/de", "bad_characters")),
        ({"schedules": []}, ("/schedules", "unknown_field")),
        ({"booking": {"mode": "sofort"}}, ("/booking/mode", "bad_value")),
        ({"booking": {"components": [{"component_id": "x"}]}}, ("/booking/components/0/kind", "missing")),
        ({"place_ids": "haus"}, ("/place_ids", "bad_value")),
    ],
)
def test_offer_that_is_none__is_refused_with_its_place(change: JsonObject, problem: tuple[str, str]) -> None:
    with pytest.raises(BadDocument) as caught:
        OFFERS.read({**MINIMAL, **change})
    assert [(each.pointer, each.code) for each in caught.value.problems] == [problem]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"offer_id": "urn:hub:sued:offer:7d0f6a52-63f0-4a7b-9c5f-2f8a1a0e4b11"}, ("/offer_id", "other_hub")),
        ({"offer_id": "raum-1"}, ("/offer_id", "bad_id")),
        ({"time_zone": "Mars/Olympus"}, ("/time_zone", "unknown_time_zone")),
        ({"time_zone": "../etc/passwd"}, ("/time_zone", "unknown_time_zone")),
        ({"title": {"de": "x", "deutsch_": "y"}}, ("/title/deutsch_", "bad_language_tag")),
        ({"title": {"de-x-simple": "y"}}, ("/title/de-x-simple", "bad_language_tag")),
        ({"accessibility": {"lift": 3}}, ("/accessibility/lift", "bad_value")),
        ({"accessibility": {"rampe": "yes"}}, ("/accessibility/rampe", "unknown_field")),
        ({"accessibility": {"door_width_cm": "yes"}}, ("/accessibility/door_width_cm", "bad_value")),
        ({"keywords": [str(n) for n in range(21)]}, ("/keywords", "too_many")),
        ({"age_min": 18, "age_max": 12}, ("/age_max", "bad_order")),
        ({"publish_from": "2027-03-01T10:00:00"}, ("/publish_from", "no_offset")),
        (
            {"publish_from": "2027-03-01T10:00:00Z", "publish_until": "2027-03-01T10:00:00Z"},
            ("/publish_until", "bad_order"),
        ),
    ],
)
def test_offer_that_cannot_be_stored__is_told(change: JsonObject, problem: tuple[str, str]) -> None:
    found = checks.offer_problems(OFFERS.read({**MINIMAL, **change}), hub_id=HUB)
    assert [(each.pointer, each.code) for each in found] == [problem]


def test_place__reads_hours_under_their_names() -> None:
    read = PLACES.read({"place_id": "h", "kind": "site", "name": {}, "hours": [{"weekday": 1, "from": "08:00", "to": "24:00"}]})
    assert read.hours == (Hours(1, "08:00", "24:00"),)
    assert PLACES.write(read)["hours"] == [{"weekday": 1, "from": "08:00", "to": "24:00"}]


@pytest.mark.parametrize(
    "hours",
    [
        [{"weekday": 0, "from": "08:00", "to": "10:00"}],
        [{"weekday": 1, "from": "8:00", "to": "10:00"}],
        [{"weekday": 1, "from": "10:00", "to": "10:00"}],
        [{"weekday": 1, "from": "10:00", "to": "25:00"}],
    ],
)
def test_hours_that_the_contract_refuses__are_refused_when_they_are_saved(hours: list[object]) -> None:
    read = PLACES.read({"place_id": "h", "kind": "site", "name": {}, "hours": hours})  # type: ignore[dict-item]
    assert travelling.faults(read)
    assert not travelling.faults(place())


def test_pool_without_capacity__is_refused_when_it_is_saved() -> None:
    pool = RESOURCES.read({"resource_id": "v", "kind": "pool", "place_id": "haus", "name": {"de": "Vorrat"}})
    assert [each.pointer for each in travelling.faults(pool)] == ["/capacity"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"end": "2027-03-01T00:00:00Z"}, "bad_order"),
        ({"start": "2027-03-02T00:00:00"}, "no_offset"),
        ({"scope": "hub"}, "bad_scope"),
        ({"scope_id": None}, "bad_scope"),
    ],
)
def test_closure_that_is_none__is_told(change: JsonObject, code: str) -> None:
    whole: JsonObject = {
        "blackout_id": "zu",
        "scope": "place",
        "scope_id": "haus",
        "start": "2027-03-02T00:00:00Z",
        "end": "2027-03-03T00:00:00Z",
        "cause": "works",
    }
    assert not list(checks.blackout_problems(BLACKOUTS.read(whole)))
    assert code in {each.code for each in checks.blackout_problems(BLACKOUTS.read({**whole, **change}))}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"rrule": "FREQ=HOURLY"}, ("/rrule", "rule_too_frequent")),
        ({"local_start": "2027-03-02T18:00:00Z"}, ("/local_start", "not_local_time")),
        ({"duration_minutes": 0}, ("/duration_minutes", "out_of_range")),
        ({"time_zone": "Nirgends"}, ("/time_zone", "unknown_time_zone")),
    ],
)
def test_schedule_that_is_none__is_told(change: JsonObject, problem: tuple[str, str]) -> None:
    whole: JsonObject = {
        "schedule_id": "d",
        "local_start": "2027-03-02T18:00:00",
        "duration_minutes": 90,
        "time_zone": "Europe/Berlin",
        "rrule": "freq=weekly;byday=tu",
    }
    assert read_schedule(whole).rrule == "FREQ=WEEKLY;BYDAY=TU"
    with pytest.raises(BadDocument) as caught:
        read_schedule({**whole, **change})
    assert [(each.pointer, each.code) for each in caught.value.problems] == [problem]


def test_component__keeps_its_own_buffers() -> None:
    buffered = offer(booking=Booking("instant", (Component("raum", "unit", ("raum",), setup_minutes=0),)))
    assert OFFERS.read(OFFERS.write(buffered)) == buffered, "0 minutes stated is not the same as none stated"


def test_schedule__keeps_wall_time() -> None:
    assert text(OFFERS.write(course(schedule())))
    assert OFFERS.parse(text(OFFERS.write(course()))).schedules[0].local_start.tzinfo is None
