"""How long a month of days takes (`GET /v1/offers/{id}/days`) where the offer's resources carry 10,000 allocations in it.

    python -m bench.days [--questions 100] [--seed 1]

What is measured is the whole question, from the client's socket to the last byte of the answer, one after the other on one
connection: while nothing else happens, and while the service decides requests of others.
"""

import argparse
import asyncio
import http.client
import json
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from random import Random
from threading import Thread
from typing import Any, Final, Protocol
from urllib.parse import quote, urlencode, urlsplit

from bench.bookings import HUB, Town, now_whole
from bench.frontend import Frontend, percentile, uuid_of
from bench.hub import Hub, running_hub
from bench.month import CLAIMS, Asked, Month
from services.booking.app import verify

WARM: Final = 5
BESIDE: Final = 50.0  # requests a second that are decided meanwhile
GOAL_MS: Final = 100.0
ARRIVE_SECONDS_MAX: Final = 60.0
SETTLE_SECONDS: Final = 20.0  # hints of all that was written are worked out


class Figures(Protocol):
    """What takes the figures."""

    def add(self, name: str, value: float, unit: str, **more: object) -> None:
        """One figure."""


@dataclass(slots=True)
class Desk:
    """One connection to booking's HTTP."""

    link: http.client.HTTPConnection
    random: Random

    def ask(self, month: Month, one: Asked) -> tuple[float, Mapping[str, Any]]:
        """(milliseconds, answer) of a question that nobody asked before: each is somebody else's."""
        query = {"from": month.first, "to": month.last, "person_id": uuid_of(self.random), **one.question}
        started = time.perf_counter()
        self.link.request("GET", f"/v1/offers/{quote(one.offer_id)}/days?{urlencode(query)}")
        answer = self.link.getresponse()
        body = answer.read()
        taken = (time.perf_counter() - started) * 1000
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {body.decode()}")
        return taken, json.loads(body)


def measure(hub: Hub, figures: Figures, town: Town, frontend: Frontend, *, questions: int, seed: int) -> bool:
    """Each kind alone, then beside decisions; whether what was decided meanwhile was answered once and nothing is violated."""
    month = Month(seed, town.now)
    frontend.publish(month.offers(), source=f"urn:hub:{HUB}:catalog", at=town.now, ids=month.random)
    desk = Desk(connect(hub), month.random)
    try:
        wait_for_offers(desk.link, (one.offer_id for one in month.asked))
        asyncio.run(month.write(hub.postgres["booking"]))
        time.sleep(SETTLE_SECONDS)
        desk.link.close()  # the service has closed it meanwhile; the next question opens it again
        for one in month.asked:
            _ask(desk, month, one, figures, questions, "")
        well = _beside(desk, month, figures, town, frontend, questions)
    finally:
        desk.link.close()
    violated = {kind: found.number for kind, found in asyncio.run(verify(hub.postgres["booking"])).items() if found.number}
    figures.add("invariants violated after a month of days", sum(violated.values()), "", **violated)
    return well and not violated


def connect(hub: Hub) -> http.client.HTTPConnection:
    """To booking's HTTP; it opens itself again where the service closed it."""
    address = urlsplit(hub.http["booking"])
    assert address.hostname is not None, "an address of this machine"
    return http.client.HTTPConnection(address.hostname, address.port, timeout=60)


def wait_for_offers(link: http.client.HTTPConnection, offer_ids: Iterable[str]) -> None:
    """Until booking knows them all: what is asked before is refused."""
    deadline = time.monotonic() + ARRIVE_SECONDS_MAX
    for offer_id in offer_ids:
        while _status(link, f"/v1/offers/{quote(offer_id)}/check") == 404:
            if time.monotonic() > deadline:
                raise TimeoutError("the offers did not arrive")
            time.sleep(0.05)


def _status(link: http.client.HTTPConnection, path: str) -> int:
    link.request("GET", path)
    answer = link.getresponse()
    answer.read()
    return answer.status


def _ask(desk: Desk, month: Month, one: Asked, figures: Figures, questions: int, when: str) -> None:
    for _ in range(WARM):
        desk.ask(month, one)
    taken, answers = zip(*(desk.ask(month, one) for _ in range(questions)), strict=True)
    days = answers[-1]["days"]
    figures.add(
        f"month of days, {one.name}{when}", percentile(taken, 0.95), "ms p95", p50=round(percentile(taken, 0.5), 1),
        most=round(max(taken), 1), goal=GOAL_MS, days=len(days), free_days=sum(day["free"] for day in days),
        free=sum(day["count"] for day in days), allocations=CLAIMS,
    )  # fmt: skip


def _beside(desk: Desk, month: Month, figures: Figures, town: Town, frontend: Frontend, questions: int) -> bool:
    """The same questions while others' requests are decided; how long these take is a figure too."""
    due: dict[bytes, float] = {}
    seconds = 2.0 + questions * len(month.asked) * GOAL_MS / 1000
    requests = town.spread(int(BESIDE * seconds))
    doubled = frontend.answers.doubled
    sender = Thread(target=lambda: due.update(frontend.send_at_rate(requests, BESIDE)))
    sender.start()
    for one in month.asked:
        _ask(desk, month, one, figures, questions, f", beside {BESIDE:.0f} requests/s")
    sender.join()
    lost = frontend.wait_for(requests)
    arrived = frontend.answers.arrived
    taken = [(arrived[name] - at) * 1000 for name, at in due.items() if name in arrived]
    twice = frontend.answers.doubled - doubled
    figures.add(
        f"request to event at {BESIDE:.0f}/s beside months of days", percentile(taken, 0.99), "ms p99",
        p50=round(percentile(taken, 0.5), 1), most=round(max(taken), 1), lost=len(lost), doubled=twice,
    )  # fmt: skip
    return not lost and not twice


class Lines:
    """Figures as lines, for a run of one part alone."""

    def add(self, name: str, value: float, unit: str, **more: object) -> None:
        """One figure."""
        print(f"  {name:<76}{value:>9,.1f} {unit:<7}", "  ".join(f"{key} {known}" for key, known in more.items()), flush=True)


def main(arguments: list[str]) -> int:
    """Exit code 1 if a request was lost or doubled, or an invariant is violated, whatever the speed."""
    parser = argparse.ArgumentParser(prog="python -m bench.days", description=__doc__)
    parser.add_argument("--questions", type=int, default=100, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    with running_hub(HUB) as hub, hub.alone("booking"):
        town = Town(chosen.seed, now_whole())
        frontend = Frontend(hub.kafka)
        try:
            frontend.publish(town.offers(), source=f"urn:hub:{HUB}:catalog", at=town.now, ids=town.random)
            well = measure(hub, Lines(), town, frontend, questions=chosen.questions, seed=chosen.seed)
        finally:
            frontend.close()
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
