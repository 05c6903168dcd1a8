"""Questions and acts over HTTP: lists, a message's timeline, the calendar of a booking, what operators may settle."""

from collections.abc import Callable
from datetime import timedelta

import icalendar
import pytest

from services.notify.domain.replies import Phase, Reply
from tests.service.notify.house import LOST, OPERATOR, TOKEN, bench
from tests.support.notify_events import BookingStory, contact, offer

ServiceDb = Callable[[str], str]
FRONTEND = {"Authorization": f"Bearer {TOKEN}", "Hubnetz-Actor": "citizen/portal"}


async def test_list_of_messages__by_state_and_booking_page_by_page_without_addresses(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        stories = [BookingStory(start=BookingStory().start + timedelta(days=n)) for n in range(7)]
        people = [contact(s.person_id, address=f"geheim{n}@example.org") for n, s in enumerate(stories)]
        await desk.take(offer(), *people, *(s.confirmed() for s in stories))

        seen: list[str] = []
        cursor: str | None = None
        for _ in range(10):
            page = await desk.client.get("/v1/messages", params={"limit": 4} | ({"cursor": cursor} if cursor else {}))
            assert "geheim" not in page.text
            seen += [message["message_id"] for message in page.json()["messages"]]
            cursor = page.json()["next"]
            if cursor is None:
                break
        assert len(seen) == len(set(seen)) == 14

        of_one = await desk.client.get("/v1/messages", params={"booking_id": str(stories[3].booking_id)})
        assert {message["kind"] for message in of_one.json()["messages"]} == {"confirmed", "reminder"}
        none = await desk.client.get("/v1/messages", params={"state": "failed"})
        assert none.json() == {"messages": [], "next": None}


@pytest.mark.parametrize(
    ("query", "status"),
    [({"state": "unheard"}, 422), ({"cursor": "bm9uc2Vuc2U"}, 422), ({"cursor": "!"}, 422), ({"limit": "0"}, 422)],
)
async def test_question_that_does_not_fit__problem_details(service_db: ServiceDb, query: dict[str, str], status: int) -> None:
    async with bench(service_db("notify")) as desk:
        answer = await desk.client.get("/v1/messages", params=query)

        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_callers__need_the_service_token_and_for_messages_an_operators_role(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        bare = {"Authorization": "", "Hubnetz-Actor": ""}
        assert (await desk.client.get("/v1/messages", headers=bare)).status_code == 401
        assert (await desk.client.get("/v1/messages", headers=FRONTEND)).status_code == 403
        somewhere = "/v1/bookings/00000000-0000-4000-8000-000000000001/calendar"
        assert (await desk.client.get(somewhere, headers=bare)).status_code == 401
        assert (await desk.client.get(somewhere, headers=FRONTEND)).status_code == 404
        unknown = "/v1/messages/00000000-0000-4000-8000-000000000001"
        assert (await desk.client.get(unknown)).status_code == 404
        assert (await desk.client.post(f"{unknown}/resolve", json={"state": "sent"})).status_code == 409
        assert (await desk.client.post(f"{unknown}/resend")).status_code == 409


async def test_calendar_of_a_booking__as_the_last_mail_has_it_without_the_attendee(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        story = BookingStory()
        await desk.take(offer(), story.held())
        url = f"/v1/bookings/{story.booking_id}/calendar"
        assert (await desk.client.get(url, headers=FRONTEND)).json()["code"] == "no_entry"

        await desk.take(story.confirmed())
        await desk.take(story.checked_in())
        first = await desk.client.get(url, headers=FRONTEND)
        await desk.take(story.moved(story.start + timedelta(days=1)))
        second = await desk.client.get(url, headers=FRONTEND, params={"lang": "en"})
        await desk.take(story.cancelled())
        third = await desk.client.get(url, headers=FRONTEND)

        assert first.headers["content-type"] == 'text/calendar; charset="utf-8"; method=REQUEST'
        events = [icalendar.Calendar.from_ical(answer.content).walk("VEVENT")[0] for answer in (first, second, third)]
        assert [int(str(event["sequence"])) for event in events] == [2, 4, 5], "a check-in changes no entry"
        assert [str(event["status"]) for event in events] == ["CONFIRMED", "CONFIRMED", "CANCELLED"]
        assert len({str(event["uid"]) for event in events}) == 1
        assert not [event for event in events if "attendee" in event]
        assert [str(event["summary"]) for event in events][:2] == ["Besprechungsraum Röder", "Meeting room Roeder"]


async def test_calendar_of_a_special_offer__is_neutral(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        story = BookingStory()
        await desk.take(offer(special=True), story.confirmed())

        answer = await desk.client.get(f"/v1/bookings/{story.booking_id}/calendar", headers=FRONTEND)

        assert "SUMMARY:Ihr Termin\r\n" in answer.text
        assert "Schulden" not in answer.text
        assert "LOCATION" not in answer.text


@pytest.mark.parametrize(("state", "told"), [("sent", "MessageSent"), ("failed", "MessageFailed")])
async def test_uncertain_message__settled_by_an_operator_is_not_sent_again(
    service_db: ServiceDb, state: str, told: str
) -> None:
    async with bench(service_db("notify")) as desk:
        story = BookingStory()
        await desk.take(offer(), contact(story.person_id), story.confirmed())
        (letter,) = await desk.claim()
        await desk.send(letter, LOST)

        answer = await desk.client.post(f"/v1/messages/{letter.message_id}/resolve", json={"state": state})

        assert answer.status_code == 200
        assert (await desk.row(kind="confirmed"))["state"] == state
        assert await desk.told() == ["MessageUncertain", told]
        desk.later(minutes=1)
        await desk.sweep()
        assert await desk.claim() == []
        timeline = (await desk.client.get(f"/v1/messages/{letter.message_id}")).json()
        assert [(act["actor"], act["act"]) for act in timeline["acts"]] == [("operator/op-1", f"resolve {state}")]
        again = await desk.client.post(f"/v1/messages/{letter.message_id}/resolve", json={"state": state})
        assert (again.status_code, again.json()["code"]) == (409, "not_uncertain")


async def test_failed_message__sent_once_more_as_one_of_its_own_and_never_one_that_arrived(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        story = BookingStory()
        await desk.take(offer(), contact(story.person_id), story.confirmed())
        (letter,) = await desk.claim()
        await desk.send(letter, Reply(Phase.RCPT, 550))

        first = await desk.client.post(f"/v1/messages/{letter.message_id}/resend")
        second = await desk.client.post(f"/v1/messages/{letter.message_id}/resend")

        assert [first.status_code, second.status_code] == [202, 202]
        assert len({first.json()["message_id"], second.json()["message_id"], str(letter.message_id)}) == 3
        for again in await desk.claim():
            assert await desk.send(again) == "go"
        assert sorted(row["state"] for row in await desk.rows(kind="confirmed")) == ["failed", "sent", "sent"]
        refused = await desk.client.post(f"/v1/messages/{first.json()['message_id']}/resend")
        assert (refused.status_code, refused.json()["code"]) == (409, "not_failed")


async def test_message_sent_again_after_a_move__fails_its_recheck(service_db: ServiceDb) -> None:
    async with bench(service_db("notify")) as desk:
        story = BookingStory()
        await desk.take(offer(), contact(story.person_id), story.confirmed())
        (letter,) = await desk.claim()
        await desk.send(letter, Reply(Phase.RCPT, 550))
        await desk.take(story.moved(story.start + timedelta(days=1)))

        await desk.client.post(f"/v1/messages/{letter.message_id}/resend", headers=OPERATOR)

        verdicts = {one.start: await desk.send(one) for one in await desk.claim()}
        assert verdicts == {letter.start: "superseded", story.start: "go"}
