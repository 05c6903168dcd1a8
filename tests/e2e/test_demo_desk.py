"""The staff's part of the demo's day in a whole hub, and what booking's own table says of it afterwards."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID, uuid4, uuid5

import asyncpg
import httpx
import pytest

from deploy import hub as hubs
from deploy import seed
from deploy.demo import desk
from deploy.demo.desk import Otherwise, Scene, played
from deploy.demo.frontend import Frontend, connected
from deploy.demo.ledger import Ledger
from deploy.hub import Hub
from tests.support.hub import RunningHub

pytestmark = pytest.mark.timeout(120)
SECONDS = 30.0
STATES = "SELECT state, count(*) FROM bookings WHERE offer_id = $1 GROUP BY state"


@dataclass(frozen=True, slots=True)
class Stage:
    """A hub in which the scenes can be played once; `run` makes the ids of the offers."""

    hub: Hub
    frontend: Frontend
    run: UUID

    def offer_id(self, name: str) -> str:
        """Of the course, the rooms or the hall."""
        return f"urn:hub:{self.hub.hub_id}:offer:{uuid5(self.run, name)}"

    async def states(self, name: str) -> Counter[str]:
        """How many bookings of that offer are in which state."""
        connection = await asyncpg.connect(self.hub.postgres["booking"])
        try:
            return Counter({row["state"]: row["count"] for row in await connection.fetch(STATES, self.offer_id(name))})
        finally:
            await connection.close()

    async def strike(self) -> None:
        """Other tests of this hub look for offers: these are withdrawn."""
        head = {"Authorization": f"Bearer {self.hub.service_token}", "Hubnetz-Actor": "editor/test"}
        async with httpx.AsyncClient(base_url=self.hub.http["catalog"], headers=head) as client:
            for name in ("course", "rooms", "hall"):
                draft = await client.get(f"/v1/drafts/{self.offer_id(name)}")
                match = {"If-Match": draft.headers["ETag"]}
                gone = await client.post(f"/v1/offers/{self.offer_id(name)}/withdraw", headers=match)
                assert gone.is_success, gone.text


@pytest.fixture
async def stage(hub: RunningHub) -> AsyncIterator[Stage]:
    running = hubs.running(hub.data)
    async with connected(running, Ledger()) as frontend:
        stage = Stage(running, frontend, uuid4())
        yield stage
        await stage.strike()


async def test_staff_part_of_the_day__comes_out_and_booking_says_the_same(stage: Stage) -> None:
    part = await desk.play(stage.hub, stage.frontend, run=stage.run)
    assert [(scene.title, scene.wrong) for scene in part.scenes] == [
        (title, None) for title in ("waiting list", "approval", "closure", "series", "check-in")
    ]
    assert len(desk.tell(part.scenes)) <= 25
    async with asyncio.timeout(SECONDS):
        await stage.frontend.everybody_told()
    ledger = stage.frontend.ledger
    assert (ledger.wrong(), ledger.strangers) == ([], 0)
    assert ledger.number_of("BookingRejected", "RequestRefused", "BookingUnchanged") == 0
    assert await stage.states("course") == {"cancelled": 1, "confirmed": 2, "waitlisted": 2, "checked_in": 1}
    assert await stage.states("hall") == {"confirmed": 1}
    assert await stage.states("rooms") == {"confirmed": 1 + 3, "displaced": 2}
    assert seed.violations(stage.hub) == 0


async def test_scene_that_comes_out_otherwise__is_named_with_what_was_wrong() -> None:
    async def refused() -> list[str]:
        raise Otherwise("BookingConfirmed was due, BookingRejected came (conflict)")

    async def never() -> list[str]:
        await asyncio.Event().wait()
        return []

    assert await played("closure", refused) == Scene("closure", (), "BookingConfirmed was due, BookingRejected came (conflict)")
    assert await played("series", never, seconds=0.01) == Scene("series", (), "it did not come to its end within 0.01 s")
