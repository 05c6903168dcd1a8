"""The staff's part of the demo, as far as it is pure: dates that are good at any hour and date, and what is told of scenes."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from contracts.booking.vocabulary import ActorRole
from contracts.notify import Channel, MessageClass, MessageKind, MessageSent
from deploy.demo.desk import Otherwise, Scene, must, tail, tell
from deploy.demo.house import SERIES_WEEKS, ZONE, Dates, next_change
from deploy.demo.ledger import Ledger, report
from deploy.demo.post import Post
from tests.support.notify_events import NOW, BookingStory

HOURS = 31  # a step of the clock that meets each hour of the day, in winter and summer
MORNING = NOW + timedelta(hours=9)


@pytest.mark.parametrize(
    ("today", "change"),
    [
        (date(2026, 11, 24), date(2027, 3, 28)),
        (date(2027, 3, 14), date(2027, 3, 28)),
        (date(2027, 3, 15), date(2027, 3, 28)),
        (date(2027, 3, 16), date(2027, 10, 31)),
        (date(2027, 10, 19), date(2028, 3, 26)),
    ],
)
def test_next_change__is_the_first_that_leaves_time_for_a_series_before_it(today: date, change: date) -> None:
    assert next_change(today, ZONE, ahead_days=13) == change


def test_next_change_elsewhere__is_that_zones() -> None:
    assert next_change(date(2027, 1, 1), ZoneInfo("America/New_York"), ahead_days=1) == date(2027, 3, 14)


@pytest.mark.parametrize("year", [2026, 2027, 2028])
def test_dates_at_any_hour_of_a_year__lie_ahead_and_the_series_goes_over_the_change(year: int) -> None:
    for n in range(366 * 24 // HOURS):
        now = datetime(year, 1, 1, 0, 0, 30, tzinfo=UTC) + timedelta(hours=n * HOURS)
        dates = Dates.after(now)
        assert timedelta(minutes=9) <= dates.soon - now <= timedelta(minutes=10)
        starts = [dates.series + timedelta(weeks=week) for week in range(SERIES_WEEKS)]
        assert [start.date() < dates.change for start in starts] == [True, True, False, False]
        assert dates.closed_week == starts[2].date()
        ahead = [*starts, dates.course, dates.hall, datetime(dates.rooms.year, dates.rooms.month, dates.rooms.day)]  # noqa: DTZ001
        local = now.astimezone(ZONE).replace(tzinfo=None)
        assert all(timedelta(0) < wall - local < timedelta(days=300) for wall in ahead), now
        assert {start.replace(tzinfo=ZONE).utcoffset() for start in starts} == {timedelta(hours=1), timedelta(hours=2)}


def test_tell__names_each_scene_once_and_what_was_otherwise() -> None:
    lines = tell([Scene("approval", ("one", "two")), Scene("closure", (), "nobody was displaced")])
    assert lines == [
        "The staff's part of the day:",
        "  approval      one",
        "                two",
        "  closure       OTHERWISE THAN IT MUST BE: nobody was displaced",
        "",
    ]


def test_must__goes_on_or_says_what_is_otherwise() -> None:
    must(True, "never told")
    with pytest.raises(Otherwise, match="two stand at 1"):
        must(False, "two stand at 1")


def test_tail__is_the_end_of_the_id() -> None:
    assert tail(UUID("b59ea8ec-c22a-52e9-8a37-b2d12d92d260")) == "…d260"


def test_notice_at_night__its_person_waits_for_the_morning_and_is_not_missing() -> None:
    post, story = Post(), BookingStory()
    for event in (story.confirmed(), story.displaced()):
        assert event.data is not None
        post.take(event.bare_type, event.data)
    assert post.missing() == [story.booking_id]
    post.due[story.booking_id, "displaced"] = MORNING
    assert (post.missing(), post.waiting()) == ([], [MORNING])
    sent = MessageSent(
        message_id=uuid4(),
        kind=MessageKind.DISPLACED,
        message_class=MessageClass.NOTICE,
        channel=Channel.MAIL,
        booking_id=story.booking_id,
        due_at=MORNING,
        at=MORNING,
        attempts=1,
    )
    post.take("MessageSent", sent)
    assert (post.missing(), post.waiting(), post.sent()) == ([], [], 1)


def test_notice_at_night_overtaken_by_a_persons_own_move__that_has_to_be_told_at_once() -> None:
    post, story = Post(), BookingStory()
    for event in (story.confirmed(), story.displaced(), story.moved(NOW + timedelta(days=3))):
        assert event.data is not None
        post.take(event.bare_type, event.data)
    post.due[story.booking_id, "displaced"] = MORNING
    assert (post.missing(), post.waiting()) == ([story.booking_id], [])


@pytest.mark.parametrize(
    ("by", "request_id", "missing"),
    [(ActorRole.CITIZEN, None, 0), (ActorRole.CITIZEN, uuid4(), 1), (ActorRole.SYSTEM, None, 1)],
)
def test_date_of_a_series__is_told_by_itself_only_if_it_was_asked_for_or_came_by_itself(
    by: ActorRole, request_id: UUID | None, missing: int
) -> None:
    post, story = Post(), BookingStory()
    event = story.confirmed(by, series_id=uuid4(), occurrence_no=1, request_id=request_id)
    assert event.data is not None
    post.take(event.bare_type, event.data)
    assert len(post.missing()) == missing


def test_report__counts_what_is_neither_wish_nor_cancellation() -> None:
    ledger = Ledger()
    for command in ("RequestBooking", "CancelBooking", "DecideApproval", "CheckIn"):
        ledger.send(uuid4(), command, now=0.0)
    assert report(ledger, violations=0, dead_letters=0)[0].startswith("4 requests: 1 wishes, 1 cancellations, 2 others; ")
