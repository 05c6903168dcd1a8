"""Visitors of a hub, from inside its network: they come one after the other until standard input ends.

Each has a contact and one wish, sent again with the same id every few seconds while it is not answered, as every frontend
should. Prints what came of it as JSON: `wrong` are requests with no answer or several, `unmailed` and `doubled` confirmed
bookings whose mail is missing in the sink, or there more than once.
"""

import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID, uuid4

import httpx
from aiokafka.errors import KafkaError

from contracts.booking import ActorRole, RequestBooking
from contracts.booking.commands import Actor
from contracts.booking.vocabulary import PersonClaimant
from contracts.envelope import Event
from deploy import hub as hubs
from deploy.demo.day import look
from deploy.demo.frontend import Frontend, connected
from deploy.demo.ledger import Ledger
from deploy.demo.visitors import Shown
from deploy.hub import Hub

PEOPLE: Final = 900  # the sink keeps the last 1,000 mails
SECONDS_BETWEEN: Final = 0.25
SECONDS_TO_ASK_AGAIN: Final = 10.0
TRIES_MAX: Final = 30
QUIET_SECONDS: Final = 3.0  # a second answer would still be on its way
MAIL_SECONDS_MAX: Final = 120.0  # an uncertain mail is sent once more after half a minute


def wish(draw: random.Random, shown: Sequence[Shown], person: UUID) -> RequestBooking:
    offer = draw.choice(shown)
    slot = draw.choice(offer.slots)
    return RequestBooking(
        offer_id=offer.offer_id,
        actor=Actor(role=ActorRole.CITIZEN, id=str(person)),
        claimant=PersonClaimant(kind="person", person_id=person),
        start=slot.start,
        duration_minutes=slot.minutes,
        choices=dict(slot.choices),
        quantity=1,
    )


async def visit(frontend: Frontend, command: RequestBooking) -> Event | None:
    """The answer; None if there is none after all tries."""
    request_id = uuid4()
    asking: set[asyncio.Task[Event]] = set()
    try:
        for _ in range(TRIES_MAX):
            asking.add(asyncio.create_task(frontend.ask(request_id, command)))
            done, asking = await asyncio.wait(asking, timeout=SECONDS_TO_ASK_AGAIN, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if not isinstance(task.exception(), KafkaError):
                    return task.result()
    finally:
        for task in asking:
            task.cancel()
    return None


async def mailed(hub: Hub, confirmed: Sequence[str]) -> tuple[list[str], list[str]]:
    """Addresses of confirmed bookings without a mail, and those with the same mail more than once; waits for the late ones."""
    deadline = time.monotonic() + MAIL_SECONDS_MAX
    async with httpx.AsyncClient(base_url=hub.mail["http"]) as client:
        while True:
            found: list[dict[str, Any]] = (await client.get("/api/mails", params={"limit": 1000})).json()["mails"]
            count = Counter((address, mail["message_id"]) for mail in found for address in mail["recipients"])
            missing = set(confirmed) - {address for address, _ in count}
            if not missing or time.monotonic() > deadline:
                return sorted(missing), sorted(address for (address, _), times in count.items() if times > 1)
            await asyncio.sleep(1)


async def main() -> dict[str, Any]:
    hub = hubs.running(None)
    shown = await look(hub)
    people = [uuid4() for _ in range(PEOPLE)]
    draw = random.Random(7)
    ledger = Ledger()
    async with connected(hub, ledger) as frontend:
        await frontend.introduce(people)
        sys.stdout.write("the crowd is there\n")
        sys.stdout.flush()
        enough = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
        visits = []
        for person in people:
            if enough.done():
                break
            visits.append(asyncio.create_task(visit(frontend, wish(draw, shown, person))))
            await asyncio.sleep(SECONDS_BETWEEN)
        await enough
        answers = await asyncio.gather(*visits)
        await asyncio.sleep(QUIET_SECONDS)
    confirmed = [
        f"besuch-{number}@visitors.example"
        for number, answer in enumerate(answers, 1)
        if answer is not None and answer.bare_type == "BookingConfirmed"
    ]
    missing, doubled = await mailed(hub, confirmed)
    return {
        "asked": len(ledger.asked),
        "sent": sum(asked.copies for asked in ledger.asked.values()),
        "confirmed": len(confirmed),
        "wrong": len(ledger.wrong()),
        "strangers": ledger.strangers,
        "slowest_seconds": round(max(ledger.seconds(), default=0.0), 1),
        "unmailed": len(missing),
        "doubled": len(doubled),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(main())) + "\n")
