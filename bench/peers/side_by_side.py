"""`make bench PEERS=1`: one run that puts Hubnetz, pretix and Indico's room booking in the same places, one after the other."""

import asyncio
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Final, Protocol

from bench.bookings import HUB, now_whole, throughput
from bench.days import connect, wait_for_offers
from bench.frontend import Frontend
from bench.hub import Hub
from bench.peers import WHAT_MORE, hubnetz, places
from bench.peers.indico import ROOMS, running_indico
from bench.peers.loop import Answer, Run
from bench.peers.peer import AT_ONCE, CROWD, LAST, Counts, Size
from bench.peers.pretix import QUOTAS, running_pretix
from deploy import say
from deploy.failures import Failure

# A web server that answers orders one by one gets fewer, so that a run takes minutes; both get enough for a p99.
OURS: Final = Size(places=2_500, spread=3_000, alone=500)
THEIRS: Final = Size(places=200, spread=240, alone=100)
ALL_AT_ONCE: Final = 10_000


class Add(Protocol):
    """Takes one figure into the table of the run."""

    def __call__(self, name: str, value: float, unit: str, **more: object) -> None: ...


class Measured:
    """The runs of one system on their way into the table, and what its clients were told was theirs."""

    def __init__(self, name: str, add: Add) -> None:
        self._name = name
        self._add = add
        self.confirmed = 0
        self.undecided = 0

    def warm(self, run: Run) -> None:
        """No figure: a worker loads what it needs with its first order."""
        self._note(run)

    def run(self, what: str, run: Run) -> None:
        """Decisions per second and what one answer took."""
        self._note(run)
        told: dict[str, object] = {answer.value: run.count(answer) for answer in Answer if run.count(answer)}
        if run.odd:
            told["first_undecided"] = run.odd
        self._add(f"{self._name}: {what}", run.per_second, "1/s", **_percentiles(run), **told)

    def alone(self, run: Run) -> None:
        """One person at a time: what a decision takes when nobody else waits."""
        self._note(run)
        self._add(f"{self._name}: one person alone", run.taken(0.99), "ms p99", p50=round(run.taken(0.5), 1))

    def last_places(self, runs: list[Run]) -> None:
        """A crowd each for things that one of them can have; more than one winner each is told, not hidden."""
        for run in runs:
            self._note(run)
        winners = [run.count(Answer.CONFIRMED) for run in runs]
        undecided = sum(len(run.each) - run.decided for run in runs)
        name = f"{self._name}: {CROWD} want the last one, all answered"
        each = [round(run.seconds * 1000) for run in runs]
        self._add(name, max(run.seconds for run in runs) * 1000, "ms", each=each, winners=winners, undecided=undecided)

    def bulk(self, what: str, per_second: float, confirmed: int, undecided: int) -> None:
        """Requests handed over all at once, as only a bus takes them."""
        self.confirmed += confirmed
        self.undecided += undecided
        self._add(f"{self._name}: {what}", per_second, "1/s", confirmed=confirmed, undecided=undecided)

    def counted(self, counts: Counts) -> bool:
        """What the database says beside what the clients were told; whether both agree and nothing is held twice."""
        told = {"told": self.confirmed, "oversold": counts.oversold, "double_booked": counts.doubled}
        self._add(f"{self._name}: sold, as its database counts", counts.sold, "", **told)
        return counts.well and counts.sold == self.confirmed

    def _note(self, run: Run) -> None:
        self.confirmed += run.count(Answer.CONFIRMED)
        self.undecided += len(run.each) - run.decided


def _percentiles(run: Run) -> dict[str, float]:
    return {"p50_ms": round(run.taken(0.5), 1), "p99_ms": round(run.taken(0.99), 1)}


def measure(hub: Hub, add: Add, *, seed: int) -> bool:
    """All systems; whether Hubnetz decided everything and kept what it promised. A peer that does not is a figure."""
    with hub.alone("booking"):
        well = _hubnetz(hub, add, seed)
        with hub.folder.hold("booking"):  # nothing of ours but idle servers runs beside the peers
            told(add, f"pretix {places.version('pretix')}", lambda name: _pretix(hub, name, add))
            told(add, f"Indico {places.version('indico')}", lambda name: _indico(hub, name, add))
    for text in WHAT_MORE:
        print(f"  {text}", flush=True)
    return well


def told(add: Add, name: str, measured: Callable[[str], None]) -> None:
    """Measure a peer; one that cannot be installed or started here is a line of the table, never a silence."""
    try:
        measured(name)
    except Failure as problem:
        say.line(str(problem))
        add(f"{name}: NOT MEASURED, it could not be run here", 0.0, "", why=problem.cause)


def _hubnetz(hub: Hub, add: Add, seed: int) -> bool:
    town = hubnetz.SmallTown(seed, now_whole(), OURS.places)
    ours = Measured("Hubnetz", add)
    frontend = Frontend(hub.kafka)
    try:
        frontend.publish(town.offers(), source=f"urn:hub:{HUB}:catalog", at=town.now, ids=Random(seed))
        link = connect(hub)
        wait_for_offers(link, [*town.rooms, town.course])
        link.close()
        ours.warm(hubnetz.closed(frontend, town.spread(AT_ONCE * 4), AT_ONCE))
        ours.run(f"one session of {OURS.places:,}, {OURS.hot:,} want in", hubnetz.closed(frontend, town.hot(OURS.hot), AT_ONCE))
        ours.run("spread over 200 rooms", hubnetz.closed(frontend, town.spread(OURS.spread), AT_ONCE))
        ours.alone(hubnetz.closed(frontend, town.spread(OURS.alone), 1))
        ours.last_places([hubnetz.closed(frontend, town.one_slot(CROWD), CROWD) for _ in range(LAST)])
        rate = throughput(frontend, town.spread(ALL_AT_ONCE))
        ours.bulk("spread, all handed over at once", rate.per_second, rate.confirmed, rate.lost + rate.doubled)
    finally:
        frontend.close()
    return ours.counted(asyncio.run(hubnetz.counts(hub.postgres["booking"]))) and not ours.undecided


def _pretix(hub: Hub, name: str, add: Add) -> None:
    with tempfile.TemporaryDirectory(prefix="hubnetz-peer-") as folder, running_pretix(hub, Path(folder), THEIRS) as peer:
        theirs = Measured(name, add)
        theirs.warm(peer.shop.run(peer.spread(AT_ONCE * 4), AT_ONCE))
        theirs.run(f"a quota of {THEIRS.places}, {THEIRS.hot} want in", peer.shop.run(peer.hot(THEIRS.hot), AT_ONCE))
        theirs.run(f"spread over {QUOTAS} quotas", peer.shop.run(peer.spread(THEIRS.spread), AT_ONCE))
        theirs.alone(peer.shop.run(peer.spread(THEIRS.alone), 1))
        theirs.last_places([peer.shop.run(peer.last(number, CROWD), CROWD) for number in range(LAST)])
        theirs.counted(asyncio.run(peer.counts()))


def _indico(hub: Hub, name: str, add: Add) -> None:
    first = now_whole().date() + timedelta(days=2)
    with tempfile.TemporaryDirectory(prefix="hubnetz-peer-") as folder, running_indico(hub, Path(folder), first) as peer:
        theirs = Measured(name, add)
        theirs.warm(peer.shop.run(peer.spread(AT_ONCE * 4), AT_ONCE))
        theirs.run(f"spread over {ROOMS} rooms", peer.shop.run(peer.spread(THEIRS.spread), AT_ONCE))
        theirs.alone(peer.shop.run(peer.spread(THEIRS.alone), 1))
        theirs.last_places([peer.shop.run(peer.last(CROWD), CROWD) for _ in range(LAST)])
        theirs.counted(asyncio.run(peer.counts()))
