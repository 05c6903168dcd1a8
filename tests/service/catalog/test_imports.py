"""Imports: the seed's hub file, a real makerspace's calendar, and what goes wrong with either."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE
from datetime import UTC, datetime, timedelta

import pytest

from contracts.catalog import OfferPublished
from services.catalog.domain.imported import Report
from services.catalog.formats.apart import Killed, read_calendar_apart
from services.catalog.formats.calendar_file import Unreadable
from services.catalog.formats.hub_file import BadHubFile
from services.catalog.handlers.imports.calendar import TooManyGone, UnknownSource
from services.catalog.handlers.publishing import Actor
from services.catalog.worker import imports
from tests.service.catalog.hub import NOW, SEED, TODAY, Hub, makerspace_calendar

OPERATOR = Actor("operator", "test")
SOURCE = "fablab-cottbus"


async def read_calendar(hub: Hub, data: bytes, *, shift: bool = False, accept_gone: bool = False) -> Report:
    return await imports.import_calendar(
        hub.house, hub.pool, data, system=SOURCE, shift=shift, accept_gone=accept_gone, actor=OPERATOR
    )


def event(uid: str, day: str, *, title: str = "Kurs", more: str = "") -> str:
    return (
        f"BEGIN:VEVENT\r\nUID:{uid}\r\nSUMMARY:{title}\r\nDESCRIPTION:Text\r\nDTSTART;TZID=Europe/Berlin:{day}T180000\r\n"
        f"DTEND;TZID=Europe/Berlin:{day}T193000\r\n{more}END:VEVENT\r\n"
    )


def calendar(*events: str) -> bytes:
    return ("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//\r\n" + "".join(events) + "END:VCALENDAR\r\n").encode()


async def test_seed__is_published_whole(seeded: Hub) -> None:
    states = await seeded.states()
    assert len(states) == 44
    assert {each.status for each in states} == {"published"}
    kinds = {each.kind for each in states}
    assert kinds == {"room", "desk", "device", "showroom", "event", "course", "advice", "health", "info"}
    assert sum(each.booking.mode == "instant" for each in states) >= 25
    for each in states:
        assert "de" in each.title
        assert each.contact is not None
        assert each.is_free or each.prices
        assert each.places
    rows = await seeded.rows("SELECT status, count(*) AS n FROM offers GROUP BY status")
    assert rows == [{"status": "published", "n": 44}]


async def test_seed__treats_health_as_special(seeded: Hub) -> None:
    health = [each for each in await seeded.states() if each.kind == "health"]
    assert len(health) >= 5
    assert {each.data_category for each in health} == {"special"}
    assert {each.partner_mode for each in health} <= {"none", "redirect"}
    assert all(each.booking_url for each in health if each.partner_mode == "redirect")


async def test_seed__closes_on_saxony_s_holidays(seeded: Hub) -> None:
    states = {each.title["de"]: each for each in await seeded.states()}
    room = states["Besprechungsraum Massenei"].booking.resources[0]
    assert {"holiday-hub-2026-12-25", "holiday-hub-2027-11-17"} <= {each.blackout_id for each in room.blackouts}


async def test_seed__shares_resources_that_read_the_same_everywhere(seeded: Hub) -> None:
    seen: dict[str, object] = {}
    for state in await seeded.states():
        for each in state.booking.resources:
            assert seen.setdefault(each.resource_id, each) == each


async def test_seed_again__changes_nothing_and_sends_nothing(seeded: Hub) -> None:
    await seeded.messages()
    before = await seeded.rows("SELECT offer_id, version, revision, changed_seq, edited_at FROM offers ORDER BY offer_id")
    seeded.clock.instant = TODAY + timedelta(hours=1)
    report = await imports.import_hub(seeded.house, seeded.pool, SEED.read_bytes(), actor=OPERATOR)
    assert set(report.records) == {"unchanged"}
    assert report.published == 0
    assert await seeded.messages() == []
    after = await seeded.rows("SELECT offer_id, version, revision, changed_seq, edited_at FROM offers ORDER BY offer_id")
    assert before == after


async def test_seed_changed__sends_only_what_differs(seeded: Hub) -> None:
    await seeded.messages()
    text = SEED.read_text().replace("Drei kleine Kabinen, ab einer halben Stunde.", "Drei Kabinen.")
    report = await imports.import_hub(seeded.house, seeded.pool, text.encode(), actor=OPERATOR)
    assert (report.records["updated"], report.published) == (1, 1)
    (state,) = await seeded.states()
    assert (state.teaser["de"], state.revision) == ("Drei Kabinen.", 2)


async def test_seed_with_another_place__sends_the_offers_there(seeded: Hub) -> None:
    await seeded.messages()
    text = SEED.read_text().replace("Podcast- und Videostudio, en: Podcast and video studio", "Tonstudio, en: Studio", 1)
    report = await imports.import_hub(seeded.house, seeded.pool, text.encode(), actor=OPERATOR)
    assert report.records["updated"] == 1
    (state,) = await seeded.states()
    assert state.places[0].name["de"] == "Tonstudio"


async def test_edits_by_staff__survive_the_same_file(seeded: Hub) -> None:
    (row,) = await seeded.rows("SELECT offer_id FROM offers WHERE document -> 'title' ->> 'de' = 'Lasercutter'")
    await seeded.call("PATCH", f"/v1/offers/{row['offer_id']}", {"title": {"de": "Laser"}}, If_Match='"1"')
    await imports.import_hub(seeded.house, seeded.pool, SEED.read_bytes(), actor=OPERATOR)
    draft = (await seeded.call("GET", f"/v1/drafts/{row['offer_id']}")).json()
    assert draft["offer"]["title"]["de"] == "Laser"


async def test_bad_hub_file__changes_nothing(hub: Hub) -> None:
    text = SEED.read_text().replace("places: [raum-massenei]", "places: [raum-masseneu]", 1)
    with pytest.raises(BadHubFile, match=r"line \d+: offers.besprechungsraum-massenei.places: 'raum-masseneu' stands nowhere"):
        await imports.import_hub(hub.house, hub.pool, text.encode(), actor=OPERATOR)
    assert await hub.rows("SELECT FROM places") == []


async def test_offer_that_the_gate_stops__stays_a_draft_and_is_tried_again(seeded: Hub) -> None:
    await seeded.messages()
    text = SEED.read_text().replace("  fokusbox:\n    kind: room", "  telefonbox:\n    kind: room")
    text = text.replace("[{id: box, kind: unit, resources: [fokusbox], choose: any}]", "[{id: box, kind: unit}]")
    report = await imports.import_hub(seeded.house, seeded.pool, text.encode(), actor=OPERATOR)
    stopped = [(row.position, row.code, row.value) for row in report.rows if row.code == "gate"]
    assert ("offers.telefonbox", "gate", "bad_booking") in stopped
    rows = await seeded.rows("SELECT status FROM offers WHERE source_id = 'telefonbox'")
    assert rows == [{"status": "draft"}]


async def test_real_calendar__brings_what_lies_ahead(seeded: Hub) -> None:
    await seeded.messages()
    report = await read_calendar(seeded, makerspace_calendar())
    assert sum(report.records.values()) == 28
    assert report.records == {"created": 1, "skipped": 27}
    (state,) = await seeded.states()
    assert state.title == {"de": "Repair Café"}
    assert state.schedule is not None
    assert state.schedule.rrule == "FREQ=MONTHLY;BYDAY=1SA"
    assert [each.start.date().isoformat() for each in state.occurrences[:2]] == ["2026-12-05", "2027-01-02"]
    assert state.source is not None
    assert (state.source.system, state.source.format) == (SOURCE, "icalendar")


async def test_real_calendar_shifted__keeps_weekday_and_local_time_and_says_so(seeded: Hub) -> None:
    await seeded.messages()
    report = await read_calendar(seeded, makerspace_calendar(), shift=True)
    states = {each.title["de"]: each for each in await seeded.states()}
    assert report.shift_weeks > 0
    assert report.published >= len(states) >= 8, "the repair café comes twice: as a series and moved for one month"
    lights = states["Audiogesteuerte Lichter"]
    assert lights.schedule is not None
    moved = lights.schedule.local_start
    assert (moved.weekday(), moved.hour, moved.minute) == (6, 12, 0), "a Sunday at noon, as in 2018"
    assert (moved - datetime(2018, 10, 21, 12)).days % 7 == 0  # noqa: DTZ001 wall time
    assert any(row.code == "shifted" for row in report.rows)
    assert not any("verschoben" in title for title in states), "a notice waits for a person"


async def test_real_calendar_again__changes_nothing_also_next_week(seeded: Hub) -> None:
    await read_calendar(seeded, makerspace_calendar(), shift=True)
    await seeded.messages()
    seeded.clock.instant = TODAY + timedelta(days=6)
    again = await read_calendar(seeded, makerspace_calendar(), shift=True)
    assert set(again.records) == {"unchanged", "skipped"}
    assert await seeded.messages() == []


async def test_real_calendar__leaves_no_person_anywhere(seeded: Hub) -> None:
    data = makerspace_calendar().decode()
    await read_calendar(seeded, data.encode(), shift=True)
    contacts = {line.split(":", 1)[1] for line in data.replace("\r\n ", "").splitlines() if line.startswith("CONTACT:")}
    names = {each.split("\\;")[0].strip() for each in contacts if each.strip()}
    assert len(names) >= 5
    stored = await seeded.rows("SELECT document::text AS text FROM offers UNION ALL SELECT report::text FROM imports")
    sent = [each.value.decode() for each in await seeded.messages() if each.value]
    for text in (*(row["text"] for row in stored), *sent):
        for name in names:
            assert name not in text
        assert "Marie" not in text
        assert "Jörg" not in text
        assert "@gmail" not in text
        assert "ATTENDEE" not in text


async def test_untrusted_source__brings_drafts_only(seeded: Hub) -> None:
    text = SEED.read_text().replace("    trusted: true\n", "    trusted: false\n")
    await imports.import_hub(seeded.house, seeded.pool, text.encode(), actor=OPERATOR)
    await seeded.messages()
    report = await read_calendar(seeded, makerspace_calendar(), shift=True)
    assert await seeded.messages() == []
    assert {row.code for row in report.rows} >= {"not_trusted"}
    await imports.import_hub(seeded.house, seeded.pool, SEED.read_bytes(), actor=OPERATOR)
    later = await read_calendar(seeded, makerspace_calendar(), shift=True)
    assert later.published >= 8, "once trusted, they go through the gate"


async def test_edited_record__is_updated_and_keeps_what_staff_added(seeded: Hub) -> None:
    await read_calendar(seeded, calendar(event("a", "20270112")))
    (row,) = await seeded.rows("SELECT offer_id FROM offers WHERE source = $1", SOURCE)
    patch = {"title": {"en": "Course"}, "accessibility": {"lift": "yes"}}
    await seeded.call("PATCH", f"/v1/offers/{row['offer_id']}", patch, If_Match='"1"')
    await seeded.messages()
    report = await read_calendar(seeded, calendar(event("a", "20270113", title="Neuer Kurs")))
    assert report.records == {"updated": 1}
    (state,) = await seeded.states()
    assert state.title == {"de": "Neuer Kurs", "en": "Course"}
    assert state.accessibility.lift == "yes"
    (moved,) = state.occurrences
    assert (moved.status, moved.sequence) == ("moved", 1)
    assert moved.previous_start == datetime(2027, 1, 12, 17, tzinfo=UTC)


async def test_moved_date__keeps_its_id(seeded: Hub) -> None:
    await seeded.messages()
    await read_calendar(seeded, calendar(event("a", "20270112")))
    (before,) = await seeded.states()
    await read_calendar(seeded, calendar(event("a", "20270114")))
    (after,) = await seeded.states()
    assert after.occurrences[0].occurrence_id == before.occurrences[0].occurrence_id
    assert after.booking.resources[0].revision == 2


async def test_vanished_record__is_withdrawn(seeded: Hub) -> None:
    events = [event(name, "20270112") for name in "abcd"]
    await read_calendar(seeded, calendar(*events))
    await seeded.messages()
    report = await read_calendar(seeded, calendar(*events[:3]))
    assert report.records == {"unchanged": 3, "withdrawn": 1}
    (gone,) = await seeded.withdrawals()
    assert gone.reason == "source"


async def test_broken_export__does_not_empty_the_hub(seeded: Hub) -> None:
    events = [event(name, "20270112") for name in "abcd"]
    await read_calendar(seeded, calendar(*events))
    await seeded.messages()
    with pytest.raises(TooManyGone):
        await read_calendar(seeded, calendar(*events[:1]))
    assert await seeded.messages() == []
    await read_calendar(seeded, calendar(*events[:1]), accept_gone=True)
    assert len(await seeded.withdrawals()) == 3


async def test_bad_records__are_listed_beside_good_ones(seeded: Hub) -> None:
    bad = event("b", "20270112", more="RRULE:FREQ=SECONDLY\r\n")
    report = await read_calendar(seeded, calendar(event("a", "20270112"), bad, event("c", "20270113")))
    assert report.records == {"created": 2, "failed": 1}
    assert [(row.outcome, row.field, row.code) for row in report.rows if row.outcome == "failed"] == [
        ("failed", "RRULE", "rule_too_frequent")
    ]
    (kept,) = await seeded.rows("SELECT counts FROM imports WHERE format = 'icalendar'")
    assert '"failed": 1' in kept["counts"]


async def test_unknown_source__is_refused(hub: Hub) -> None:
    with pytest.raises(UnknownSource):
        await read_calendar(hub, calendar(event("a", "20270401")))


async def test_file_that_is_no_calendar__changes_nothing(seeded: Hub) -> None:
    with pytest.raises(Unreadable, match="not_a_calendar"):
        await read_calendar(seeded, b"kein Kalender")
    assert await seeded.rows("SELECT FROM imports WHERE format = 'icalendar'") == []


async def test_reading_that_takes_too_long__is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.catalog.formats.apart.IMPORT_WALL_SECONDS_MAX", 0.05)
    with pytest.raises(Killed):
        await read_calendar_apart(calendar(event("a", "20270112")), "Europe/Berlin")


SMALL = """
from services.catalog import limits
limits.IMPORT_MEMORY_BYTES_MAX = 10 * 1024 * 1024
from services.catalog.formats import apart
raise SystemExit(apart.main())
"""


async def test_reading_that_takes_too_much_memory__ends_and_gives_nothing() -> None:
    huge = calendar(event("a", "20270112", more="X-FILL:" + "x" * (3 * 1024 * 1024) + "\r\n"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SMALL, "Europe/Berlin", stdin=PIPE, stdout=PIPE, stderr=DEVNULL
    )
    output, _ = await process.communicate(huge)
    assert process.returncode not in (0, 3)
    assert output == b""


async def test_record_of_a_series__has_its_dates_in_the_horizon(seeded: Hub) -> None:
    await seeded.messages()
    await read_calendar(seeded, calendar(event("a", "20260106", more="RRULE:FREQ=WEEKLY;BYDAY=TU\r\n")))
    (state,) = await seeded.states()
    assert isinstance(state, OfferPublished)
    assert len(state.occurrences) == 53
    assert {each.capacity for each in state.occurrences} == {12}
    assert NOW > TODAY
