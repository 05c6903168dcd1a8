"""The payload hash: fixed values, computed with sha256sum, and what must not change it."""

import hashlib
import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.booking import COMMANDS, Command, RequestBooking, commands, payload_hash
from contracts.envelope import READER
from contracts.envelope.values import Label
from tests.contracts.records import COMMAND, EVENT_ID, OFFER_ID, request
from tests.contracts.written import unhurried, wishes

PERSON = "0197f3c2-5a00-7014-8000-000000026aac"

GOLDEN = [
    (
        "RequestBooking",
        {
            "offer_id": OFFER_ID,
            "actor": {"role": "citizen", "id": PERSON},
            "claimant": {"kind": "person", "person_id": PERSON},
            "start": "2027-03-02T09:00:00+01:00",
            "end": "2027-03-02T10:00:00Z",
        },
        "99b3b7d8fd48e080bd5ba7fb85ce932df6bbf27e76a081c7a8999241819735c7",
    ),
    (
        "RequestBooking",
        {
            "offer_id": "offer-1",
            "actor": {"role": "citizen", "groups": ["vereine", "feuerwehr"]},
            "claimant": {"kind": "partner", "hub_id": "sued", "booking_ref": str(EVENT_ID)},
            "start": "2027-03-28T01:30:00",
            "duration_minutes": 90,
            "choices": {"room": "r-2", "beamer": "b-1"},
            "quantities": {"room": 2, "beamer": 1},
            "quantity": 2,
            "options": [],
            "intent": "hold",
            "hold_seconds": 600,
            "join_waitlist": False,
            "instant_only": False,
            "series": None,
        },
        "5566d60e3b87ac11bd701651a4dd135dee6dc2d1e6cf577badec15ae099bb5f9",
    ),
    (
        "CancelBooking",
        {
            "offer_id": "offer-1",
            "actor": {"id": "staff-17", "role": "staff"},
            "series_id": str(EVENT_ID),
            "from_n": 0,
            "reason_code": "room_closed",
        },
        "e53d1661b34a7d1a3d19cedb159ed2690e6a2c6316f2e262f8479be5b254cdc6",
    ),
]


def read(name: str, body: object) -> Command:
    model: type[Command] = getattr(commands, name)
    return model.model_validate_json(json.dumps(body), extra="ignore", context=READER)


@pytest.mark.parametrize(("name", "body", "digest"), GOLDEN)
def test_payload_hash_of_a_command__for_ever_this(name: str, body: dict[str, Any], digest: str) -> None:
    without_nulls = {field: content for field, content in body.items() if content is not None}

    assert payload_hash(name, read(name, without_nulls)) == digest


def test_payload_hash_of_an_invalid_body__of_its_bytes() -> None:
    assert (
        payload_hash("RequestBooking", b'{"quantity": 0}') == "fb755f33a8abb1338392784e0f9168041799d1b6adb6b2c95cedc8d9e8993886"
    )


def test_payload_hash_of_copies__equal_however_they_were_written() -> None:
    copies = [
        COMMAND,
        COMMAND.with_body(quantity=1, needs=[], choices={}, intent="book", join_waitlist=True, overbook=None, options=None),
        COMMAND.with_body(start="2027-03-02T10:00:00+02:00", end="2027-03-02T04:30:00-05:30"),
        COMMAND.with_body(added_by_a_newer_version=[1, 2, 3]),
        COMMAND.with_value(json.dumps(json.loads(COMMAND.value or b""), indent=2, sort_keys=True).encode()),
        COMMAND.with_header("ce_source", b"urn:hub:nord:frontend-kiosk").with_header("ce_time", b"2027-03-01T08:00:00Z"),
    ]

    found = {payload_hash("RequestBooking", data) for copy in copies if isinstance(data := copy.read().data, RequestBooking)}

    assert found == {payload_hash("RequestBooking", request())}


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": 2},
        {"start": "2027-03-02T08:00:01Z"},
        {"start": "2027-03-02T08:00:00", "end": "2027-03-02T10:00:00"},
        {"needs": ["step_free"]},
        {"choices": {"platz": "platz-3"}},
        {"actor": {"role": "staff", "id": PERSON}},
        {"expected_version": 1},
    ],
)
def test_payload_hash_of_another_wish__differs(changes: dict[str, object]) -> None:
    data = COMMAND.with_body(**changes).read().data

    assert isinstance(data, RequestBooking)
    assert payload_hash("RequestBooking", data) != payload_hash("RequestBooking", request())


def test_payload_hash_of_another_type__differs() -> None:
    assert payload_hash("ConfirmBooking", b"{}") != payload_hash("AcceptWaitlistOffer", b"{}")


def test_payload_hash_after_a_new_optional_field__as_before() -> None:
    class Newer(RequestBooking):
        a_note: Label | None = None
        zones: tuple[Label, ...] = ()

    newer = Newer.model_validate_json(request().to_json())

    assert payload_hash("RequestBooking", newer) == payload_hash("RequestBooking", request())
    assert payload_hash("RequestBooking", newer.model_copy(update={"a_note": "x"})) != payload_hash("RequestBooking", request())


@unhurried
@given(wishes())
def test_payload_hash_of_any_wish__as_the_rule_says_word_for_word(wish: RequestBooking) -> None:
    plain = wish.model_dump(mode="json", exclude_defaults=True)
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    assert wish.to_json() == text.encode()
    assert payload_hash("RequestBooking", wish) == hashlib.sha256(f"RequestBooking\n{text}".encode()).hexdigest()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
def test_commands_and_their_parts__fields_in_alphabetical_order(command: type[Command]) -> None:
    defs = command.model_json_schema()
    for schema in (defs, *defs.get("$defs", {}).values()):
        names = list(schema.get("properties", {}))
        assert names == sorted(names)


def test_derived_ids__namespace_is_a_uuid_whose_text_is_lower_case() -> None:
    assert str(UUID(str(EVENT_ID).upper())) == str(EVENT_ID)


@unhurried
@given(st.binary(max_size=200))
def test_payload_hash_of_any_bytes__64_hex_digits(body: bytes) -> None:
    assert len(payload_hash("RequestBooking", body)) == 64
