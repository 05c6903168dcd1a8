"""One booking followed by its ids through all four services: request, answer, mail, delivery, fact, figure; then given up.

Nothing here is a test double: offers come from the catalogue's import, the request from a frontend on Kafka.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import asyncpg
import httpx
import icalendar
import pytest

from contracts import topics
from contracts.booking import CancelBooking, Command, RequestBooking
from contracts.booking.commands import Actor
from contracts.booking.events import BookingCancelled, BookingConfirmed, BookingFact
from contracts.booking.vocabulary import ActorRole, PersonClaimant
from contracts.envelope import Event, decode
from contracts.notify import MessageClass, MessageFate, MessageKind, MessageSent
from contracts.topics import Topic
from deploy import hub as hubs
from deploy import seed
from deploy.demo.day import look
from deploy.demo.frontend import Frontend, connected
from deploy.demo.ledger import Ledger
from deploy.demo.visitors import Shown
from deploy.hub import Hub
from deploy.positions import records_in
from tests.support.hub import RunningHub
from tests.support.kafka import KafkaServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(120)
SECONDS = 30.0
SETTLED = """
    SELECT (SELECT sum(next_offset) FROM stored_offsets WHERE topic = ANY ($1::text[])) AS behind,
           (SELECT count(*) FROM dirty_days) + (SELECT count(*) FROM dirty_resources) AS marked
"""


@dataclass(slots=True)
class Follower:
    """Whoever looks for the booking's traces in each service, from outside."""

    running: RunningHub
    hub: Hub
    frontend: Frontend
    shown: Shown
    person_id: UUID = field(default_factory=uuid4)

    @property
    def actor(self) -> Actor:
        """The person."""
        return Actor(role=ActorRole.CITIZEN, id=str(self.person_id))

    async def told(self, topic: Topic, booking_id: UUID) -> list[Event]:
        """What a topic says of the booking, in the order of its partition."""
        records = await KafkaServer(self.hub.kafka, prefix="").read_all(topic.name)
        events = [decode(topic, key=r.key, headers=r.headers, value=r.value) for r in records]
        return [event for event in events if getattr(event.data, "booking_id", None) == booking_id]

    async def fate(self, cause: Event, kind: MessageKind) -> MessageSent:
        """The delivery that the event led to; there is one."""
        booking_id = _fact(cause).booking_id

        async def sent() -> list[Event]:
            events = await self.told(topics.NOTIFY_DELIVERIES, booking_id)
            return [e for e in events if isinstance(e.data, MessageFate) and e.data.kind is kind]

        (event,) = await eventually(sent, seconds=SECONDS, what=f"the delivery of {kind}")
        assert event.causation_id == cause.id
        assert isinstance(event.data, MessageSent)
        assert (event.data.message_class, event.data.attempts, event.data.resent) == (MessageClass.ANSWER, 1, False)
        return event.data

    async def mail(self, message_id: UUID) -> tuple[dict[str, Any], Any]:
        """The mail of that message in the sink, there is one, and its calendar part."""
        async with httpx.AsyncClient(base_url=self.hub.mail["http"]) as client:
            listed = (await client.get("/api/mails", params={"message_id": f"{message_id}@{self.hub.hub_id}.example"})).json()
            (summary,) = listed["mails"]
            mail: dict[str, Any] = (await client.get(f"/api/mails/{summary['number']}")).json()
        (part,) = (part["text"] for part in mail["parts"] if part["type"] == "text/calendar")
        return mail, icalendar.Calendar.from_ical(part)

    async def sql(self, service: str, query: str, *values: object) -> list[asyncpg.Record]:
        """What a service's own database holds."""
        connection = await asyncpg.connect(self.hub.postgres[service])
        try:
            return list(await connection.fetch(query, *values))
        finally:
            await connection.close()

    async def dead_letters(self) -> int:
        """How many records were ever set aside, by all services."""
        counts = [await self.sql(service, "SELECT count(*) FROM dead_letters") for service in self.hub.postgres]
        return sum(row[0] for (row,) in counts)

    async def figures(self, kpi: str, day: date, by: str) -> dict[str, float]:
        """The numerators of a figure on that day."""
        head = {"Authorization": f"Bearer {self.hub.service_token}", "Hubnetz-Actor": "manager/test"}
        query = {"kpi": kpi, "period": "day", "from": str(day), "to": str(day + timedelta(days=1)), "by": by}
        async with httpx.AsyncClient(base_url=self.hub.http["analytics"], headers=head) as client:
            answer = await client.get("/v1/figures", params=query)
        rows = answer.raise_for_status().json()["rows"]
        return {row["key"][by]: row["numerator"] for row in rows}

    async def settled(self) -> None:
        """Analytics has read all that booking and the catalogue have said, and computed it."""
        read = (topics.BOOKING_EVENTS.name, topics.CATALOG_OFFERS.name)
        end = sum(records_in(self.hub, name) for name in read)

        async def there() -> bool:
            (row,) = await self.sql("analytics", SETTLED, read)
            return bool(row["behind"] >= end and not row["marked"])  # hints may have been said since

        await eventually(there, seconds=SECONDS, what="analytics to have computed everything")

    def reconciled(self, day: date) -> None:
        """Figures are what booking's own table says."""
        told = self.running.json("analytics", "reconcile", "--from", str(day), "--json")
        assert told == {"days": 1, "differences": []}


def _fact(event: Event) -> BookingFact:
    assert isinstance(event.data, BookingFact)
    return event.data


@pytest.fixture
async def follower(hub: RunningHub) -> AsyncIterator[Follower]:
    running = hubs.running(hub.data)
    seed.import_hub(running)
    shown = next(page for page in await look(running) if page.slots[-1].start and not page.slots[-1].choices)
    async with connected(running, Ledger()) as frontend:
        follower = Follower(hub, running, frontend, shown)
        await frontend.introduce([follower.person_id])
        yield follower


async def asked(follower: Follower, request_id: UUID, command: Command) -> Event:
    """The answer, which is caused by the request and names it; booking has it in the log, and there is no other."""
    answer = await follower.frontend.ask(request_id, command)
    assert _fact(answer).request_id == request_id
    assert answer.causation_id == request_id
    events = await follower.told(topics.BOOKING_EVENTS, _fact(answer).booking_id)
    assert [event.id for event in events if _fact(event).request_id == request_id] == [answer.id]
    return answer


async def counted(follower: Follower, answer: Event) -> None:
    """Analytics has the event as a fact of the booking's version."""
    fact = _fact(answer)

    async def known() -> list[asyncpg.Record]:
        return await follower.sql("analytics", "SELECT booking_id, version FROM events WHERE event_id = $1", answer.id)

    (row,) = await eventually(known, seconds=SECONDS, what="the fact")
    assert (row["booking_id"], row["version"]) == (fact.booking_id, fact.version)


async def test_one_booking__from_the_request_to_the_figure_and_back(follower: Follower) -> None:
    letters = await follower.dead_letters()  # others have used this hub
    slot = follower.shown.slots[-1]
    assert slot.start is not None
    wish = RequestBooking(
        offer_id=follower.shown.offer_id,
        actor=follower.actor,
        claimant=PersonClaimant(kind="person", person_id=follower.person_id),
        start=slot.start,
        duration_minutes=slot.minutes,
    )
    day = slot.start.astimezone(ZoneInfo(follower.hub.time_zone)).date()
    await follower.settled()
    free = await follower.figures("booked", day, "resource")  # sessions of the day occupy rooms for the house

    answer = await asked(follower, uuid4(), wish)
    confirmed = _fact(answer)
    assert isinstance(confirmed, BookingConfirmed)
    (placement,) = confirmed.placements
    resource = placement.resource_id
    (row,) = await follower.sql("booking", "SELECT state, version FROM bookings WHERE booking_id = $1", confirmed.booking_id)
    assert (row["state"], row["version"]) == ("confirmed", confirmed.version)

    sent = await follower.fate(answer, MessageKind.CONFIRMED)
    mail, calendar = await follower.mail(sent.message_id)
    assert mail["recipients"] == ["besuch-1@visitors.example"]
    (text,) = (part["text"] for part in mail["parts"] if part["type"] == "text/plain")
    assert f"{confirmed.check_in_code[:4]}-{confirmed.check_in_code[4:]}" in text
    entry = calendar.walk("VEVENT")[0]
    uid = f"{confirmed.booking_id}@{follower.hub.hub_id}.example"
    assert (str(calendar["METHOD"]), str(entry["UID"]), int(entry["SEQUENCE"])) == ("REQUEST", uid, confirmed.version)
    assert (entry["DTSTART"].dt, entry["DTEND"].dt) == (confirmed.start, confirmed.end)

    await counted(follower, answer)
    minutes = confirmed.end - confirmed.start

    await follower.settled()
    booked = free | {resource: free[resource] + minutes.total_seconds()}
    assert await follower.figures("booked", day, "resource") == booked
    assert await follower.figures("made", day, "offer") == {confirmed.offer_id: 1}
    follower.reconciled(day)

    command = CancelBooking(offer_id=confirmed.offer_id, actor=follower.actor, booking_id=confirmed.booking_id)
    answer = await asked(follower, uuid4(), command)
    cancelled = _fact(answer)
    assert isinstance(cancelled, BookingCancelled)
    assert (cancelled.booking_id, cancelled.version) == (confirmed.booking_id, confirmed.version + 1)

    sent = await follower.fate(answer, MessageKind.CANCELLED)
    _, calendar = await follower.mail(sent.message_id)
    entry = calendar.walk("VEVENT")[0]
    assert (str(calendar["METHOD"]), str(entry["UID"]), int(entry["SEQUENCE"])) == ("CANCEL", uid, cancelled.version)
    assert str(entry["STATUS"]) == "CANCELLED"

    await counted(follower, answer)

    await follower.settled()
    assert await follower.figures("booked", day, "resource") == free
    assert await follower.figures("cancellation_rate", day, "offer") == {confirmed.offer_id: 1}
    follower.reconciled(day)
    assert await follower.dead_letters() == letters, "no more than before"
