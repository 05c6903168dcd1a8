"""The demo's post: each booking's last word has to leave; what it overtakes does not, and numbers of mails prove nothing."""

from datetime import timedelta
from uuid import uuid4

from contracts.envelope import Event
from contracts.notify import Channel, FailureReason, MessageClass, MessageFailed, MessageKind, MessageSent
from deploy.demo.post import Post
from tests.support.notify_events import NOW, BookingStory


def take(post: Post, *events: Event) -> None:
    for event in events:
        assert event.data is not None
        post.take(event.bare_type, event.data)


def sent(story: BookingStory, kind: MessageKind) -> MessageSent:
    return MessageSent(
        message_id=uuid4(),
        kind=kind,
        message_class=MessageClass.ANSWER,
        channel=Channel.MAIL,
        booking_id=story.booking_id,
        due_at=NOW,
        at=NOW + timedelta(seconds=1),
        attempts=1,
    )


def test_confirmed__somebody_waits_until_it_was_sent() -> None:
    post, story = Post(), BookingStory()
    take(post, story.confirmed())
    assert post.missing() == [story.booking_id]
    post.take("MessageSent", sent(story, MessageKind.CONFIRMED))
    assert (post.missing(), post.sent(), post.overtaken()) == ([], 1, 0)


def test_cancelled_after_its_confirmation_was_sent__two_mails() -> None:
    post, story = Post(), BookingStory()
    take(post, story.confirmed(), story.cancelled())
    post.take("MessageSent", sent(story, MessageKind.CONFIRMED))
    assert post.missing() == [story.booking_id]
    post.take("MessageSent", sent(story, MessageKind.CANCELLED))
    assert (post.missing(), post.sent(), post.overtaken()) == ([], 2, 0)


def test_cancelled_before_its_confirmation_was_out__one_mail_and_nobody_waits() -> None:
    post, story = Post(), BookingStory()
    take(post, story.confirmed(), story.cancelled())
    post.take("MessageSent", sent(story, MessageKind.CANCELLED))
    assert (post.missing(), post.sent(), post.overtaken()) == ([], 1, 1)


def test_message_that_failed__its_person_was_not_told() -> None:
    post, story = Post(), BookingStory()
    take(post, story.confirmed())
    fields = sent(story, MessageKind.CONFIRMED).model_dump()
    post.take("MessageFailed", MessageFailed(**fields, reason=FailureReason.ATTEMPTS))
    assert post.missing() == [story.booking_id]
    assert post.others() == {"MessageFailed": 1}


def test_bookings_that_nobody_is_told_of__nobody_waits() -> None:
    post = Post()
    for story in (BookingStory(claimant="house"), BookingStory(claimant="partner")):
        take(post, story.confirmed())
    given_back = BookingStory()
    take(post, given_back.held(), given_back.cancelled())
    assert post.missing() == []


def test_events_of_a_booking_in_any_order__the_highest_version_is_the_last_word() -> None:
    post, story = Post(), BookingStory()
    confirmed, cancelled = story.confirmed(), story.cancelled()
    take(post, cancelled, confirmed)
    post.take("MessageSent", sent(story, MessageKind.CONFIRMED))
    assert post.missing() == [story.booking_id]
