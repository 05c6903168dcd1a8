"""From messages to rows and back; our words are the contract's."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from contracts.booking import State as ContractState
from contracts.booking.rules import ResourceKind
from services.analytics.domain.pseudonyms import Pseudonyms
from services.analytics.domain.rows import EventRow
from services.analytics.domain.words import BOOKED, Kind, State
from services.analytics.domain.zones import zone
from services.analytics.wire.facts import FactReader, Place, instant_of
from services.analytics.wire.held import fact_of, held_fact, held_offer, offer_of
from services.analytics.wire.lean import microseconds
from services.analytics.wire.offers import offer_revision, read_state, resource_revision
from tests.service.analytics.log import Claim, blackout, local, named, published, room, session

MONDAY = local("2027-05-03", "09:00")
READER = FactReader("nord", zone("Europe/Berlin"), Pseudonyms({2026: b"a" * 32, 2027: b"b" * 32}))
PLACE = Place(3, 17, 1_800_000_000_123)


def row_of(claim: Claim) -> tuple[EventRow, str | None]:
    row, problem = READER.read(claim.last, PLACE)
    assert row is not None
    return row, problem


def test_words__are_the_contracts() -> None:
    assert {each.value for each in State} == {each.value for each in ContractState}
    assert {each.value for each in Kind} == {each.value for each in ResourceKind}
    assert {each.value for each in BOOKED} == {"confirmed", "checked_in", "completed", "no_show"}


@pytest.mark.parametrize("text", ["1999-12-31T23:59:59.999999", "2000-01-01", "2027-05-03T07:00:00.000001"])
def test_microseconds__there_and_back(text: str) -> None:
    instant = datetime.fromisoformat(text).replace(tzinfo=UTC)
    assert instant_of(microseconds(instant)) == instant


def test_a_confirmation__every_column() -> None:
    claim = Claim("b1", MONDAY, MONDAY + timedelta(hours=1), resources=(("a", 1), ("b", 2), ("a", 3)))
    row, problem = row_of(claim.confirmed())
    assert problem is None
    assert UUID(bytes=row.event_id) == named("b1/1")
    assert UUID(bytes=row.booking_id or b"") == named("b1")
    assert instant_of(row.starts_at or 0) == MONDAY
    assert instant_of(row.produced_at or 0) == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=PLACE.timestamp_ms)
    assert (row.partition, row.record_offset, row.version) == (3, 17, 1)
    assert (row.type, row.state, row.hub_id, row.side, row.claimant) == (
        "BookingConfirmed",
        "confirmed",
        "nord",
        "provider",
        "person",
    )
    assert (row.resource_ids, row.quantities) == (("a", "b"), (4, 2))
    assert row.last_day == row.first_day
    assert len(row.visitor or b"") == 16


def test_a_person__is_told_apart_only_by_the_years_key() -> None:
    claim = Claim("b1", MONDAY, MONDAY + timedelta(hours=1))
    row, _ = row_of(claim.confirmed())
    other_year, _ = row_of(Claim("b2", MONDAY - timedelta(days=300), MONDAY - timedelta(days=299)).confirmed())
    assert row.visitor == Pseudonyms({2027: b"b" * 32}).visitor(named("anna").bytes, 2027)
    assert other_year.visitor not in (None, row.visitor)
    assert named("anna").bytes not in b"".join(value for value in row if isinstance(value, bytes))


@pytest.mark.parametrize("more", [{"partner": True}, {"person": None}], ids=["partner", "house"])
def test_others_than_persons__have_no_visitor(more: dict[str, object]) -> None:
    row, problem = row_of(Claim("b1", MONDAY, MONDAY + timedelta(hours=1), **more).confirmed())  # type: ignore[arg-type]
    assert (row.visitor, problem) == (None, None)


@pytest.mark.parametrize(
    ("start", "end", "problem"),
    [
        (MONDAY, MONDAY, "span_not_forward"),
        (MONDAY, MONDAY - timedelta(hours=1), "span_not_forward"),
        (MONDAY, MONDAY + timedelta(days=402), "span_too_long"),
        (MONDAY + timedelta(days=800), MONDAY + timedelta(days=801), "no_year_key"),
        (MONDAY, MONDAY + timedelta(days=399), None),
    ],
)
def test_spans_that_nothing_can_be_computed_of__are_told(start: datetime, end: datetime, problem: str | None) -> None:
    at = MONDAY - timedelta(days=1)
    assert row_of(Claim("b1", start, end).confirmed(at))[1] == problem


def test_over_midnight__days_of_berlin() -> None:
    row, _ = row_of(Claim("b1", local("2027-05-03", "23:00"), local("2027-05-04", "00:00")).confirmed())
    assert (row.last_day - row.first_day, row.over_midnight) == (0, False)
    row, _ = row_of(Claim("b2", local("2027-05-03", "23:00"), local("2027-05-04", "00:01")).confirmed())
    assert (row.last_day - row.first_day, row.over_midnight) == (1, True)


def test_given_back__only_before_the_end() -> None:
    claim = Claim("b1", MONDAY, MONDAY + timedelta(hours=2)).confirmed()
    assert row_of(claim.completed())[0].given_back_at is None
    assert instant_of(row_of(claim.completed(MONDAY + timedelta(hours=1)))[0].given_back_at or 0) == MONDAY + timedelta(hours=1)
    assert row_of(claim.no_show())[0].given_back_at is None


def test_a_fact_in_the_quarantine__comes_back_as_it_was() -> None:
    row, _ = row_of(Claim("b1", MONDAY, MONDAY + timedelta(hours=1)).confirmed())
    held = held_fact(row, "log_ahead")
    assert fact_of(held.content) == row
    assert held.subject == str(named("b1/1"))
    assert not re.search(str(named("anna")), held.content)


def test_a_state__comes_back_from_the_quarantine_and_as_history() -> None:
    closed = blackout("b", MONDAY, MONDAY + timedelta(hours=1))
    course = session("course", MONDAY, MONDAY + timedelta(hours=2), 10, occupies=["room-1"])
    state = read_state(published("rooms", room(blackouts=[closed]), course, blackouts=[closed]))
    assert state is not None
    assert offer_of(held_offer(*state, "revision_conflict").content) == state
    offer, resources = state
    assert offer_revision(offer).blackouts == {"b": (MONDAY, MONDAY + timedelta(hours=1))}
    unit, date = (resource_revision(row) for row in resources)
    assert (unit.weekly[1], unit.session) == ([(480, 1080)], None)
    assert date.session is not None
    assert (date.session.start, date.session.occupies, date.units) == (MONDAY, frozenset({"room-1"}), 10)


def test_a_state_again__same_hash_and_any_change_another() -> None:
    def content(**rules: object) -> bytes:
        state = read_state(published("rooms", room(), **rules))  # type: ignore[arg-type]
        assert state is not None
        return state[0].content_hash

    assert content() == content()
    assert len({content(), content(mode="none"), content(bookable=[]), content(status="suspended")}) == 4
