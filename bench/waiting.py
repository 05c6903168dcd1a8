"""A waiting list of 500 and 100 cancellations at once: how long until everybody is told, and whether the queue was kept.

    python -m bench.waiting [--rounds 3] [--seed 1]

From the first cancellation produced to the last event read: the answer of each, and the offer to each who moves up. What the
n-th cancellation frees has to go to the n-th of the queue, or to the first of those who wait for just that slot.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final, NamedTuple

from confluent_kafka import Message

from bench.bookings import HUB, now_whole, published
from bench.days import Figures, Lines, connect, wait_for_offers
from bench.frontend import QUIET_SECONDS_MAX, Frontend, Wanted, uuid_of, wanted
from bench.hub import Hub, running_hub
from contracts.catalog import OfferPublished
from services.booking.app import verify

PLACES: Final = 100
WAITING: Final = 500
SOURCE: Final = f"urn:hub:{HUB}:frontend-bench"


class Heard(NamedTuple):
    """One event: when it was read (perf_counter), what it is, what caused it."""

    at: float
    name: str
    event_id: str
    cause: str
    data: dict[str, Any]


class Listener(Frontend):
    """A client that keeps every event whole: who moves up is told without a request of theirs."""

    def __init__(self, kafka: str) -> None:
        self.heard: list[Heard] = []
        super().__init__(kafka)

    def _note(self, message: Message, now: float) -> None:
        headers = {name: value.decode() for name, value in dict(message.headers() or []).items() if isinstance(value, bytes)}
        value = message.value()
        if value is not None and "ce_type" in headers:
            name = headers["ce_type"].split(".")[-2]
            self.heard.append(Heard(now, name, headers["ce_id"], headers.get("ce_causationid", ""), json.loads(value)))

    def listen_until(self, done: Callable[[Sequence[Heard]], bool]) -> None:
        """Until what was heard is enough, or nothing has come for a while."""
        seen, quiet_since = -1, time.perf_counter()
        while time.perf_counter() - quiet_since < QUIET_SECONDS_MAX:
            if len(self.heard) == seen:
                time.sleep(0.005)
                continue
            seen, quiet_since = len(self.heard), time.perf_counter()
            if done(self.heard):
                return

    def ask_all(self, requests: Sequence[Wanted]) -> list[Heard | None]:
        """Send them and wait; the answer of each, None if it has none."""
        asked = {request.request_id.decode() for request in requests}
        self.send_all(requests)
        self.listen_until(lambda heard: asked <= {one.data.get("request_id") for one in heard})
        answers = {one.data["request_id"]: one for one in self.heard if one.data.get("request_id") in asked}
        return [answers.get(request.request_id.decode()) for request in requests]


@dataclass(frozen=True, slots=True)
class Full:
    """An offer with `PLACES` places, `start` None for the one session; or as many slots of one room, a place each."""

    name: str
    offer: OfferPublished
    session: str | None
    starts: Sequence[datetime | None]


def offers(random: Random, now: datetime) -> Iterator[Full]:
    """A session with each kind of queue, and a room with a hundred slots."""
    first = (now + timedelta(days=3)).replace(hour=6, minute=0, second=0, microsecond=0)
    for mode in ("strict", "fit"):
        name = f"session-{uuid_of(random)}"
        resource = {"start": first.isoformat(), "end": (first + timedelta(hours=2)).isoformat(), "capacity": PLACES}
        yield _full(random, f"session, {mode}", mode, "session", name, resource, [None] * PLACES)
    slots = [first + timedelta(hours=n) for n in range(PLACES)]
    yield _full(random, "slots of a room", "fit", "unit", f"room-{uuid_of(random)}", {}, slots)


def _full(
    random: Random, name: str, mode: str, kind: str, resource_id: str, more: dict[str, object],
    starts: Sequence[datetime | None],
) -> Full:  # fmt: skip
    booking = {
        "mode": "instant",
        "waitlist": {"mode": mode, "max_entries": WAITING, "offer_minutes": 1440, "promote_until_minutes": 120},
        "components": [{"component_id": "main", "kind": kind, "resource_ids": [resource_id]}],
        "resources": [{"resource_id": resource_id, "kind": kind, "revision": 1, **more}],
    }
    offer = published(f"urn:hub:{HUB}:offer:{uuid_of(random)}", "room", booking)
    return Full(name, offer, resource_id if kind == "session" else None, starts)


def _wish(random: Random, full: Full, start: datetime | None, now: datetime) -> Wanted:
    return wanted(random, source=SOURCE, offer_id=full.offer.offer_id, at=now, start=start, minutes=60, session=None)


def _cancellation(random: Random, full: Full, wish: Wanted, answer: Heard, now: datetime) -> Wanted:
    """Of the booking that answered the wish, by who wished it."""
    body = {"offer_id": full.offer.offer_id, "actor": json.loads(wish.value)["actor"], "booking_id": answer.data["booking_id"]}
    blank = _wish(random, full, None, now)
    headers = [(name, b"de.hubnetz.booking.CancelBooking.v1" if name == "ce_type" else value) for name, value in blank.headers]
    return Wanted(blank.request_id, blank.key, headers, json.dumps(body).encode())


def _round(listener: Listener, full: Full, figures: Figures, random: Random, now: datetime) -> bool:
    """One offer filled, waited for and cancelled; whether each was told once and the queue was kept."""
    wishes = [_wish(random, full, start, now) for start in full.starts]
    booked = [one for one in listener.ask_all(wishes) if one is not None and one.name == "BookingConfirmed"]
    hopes = [_wish(random, full, full.starts[n % PLACES], now) for n in range(WAITING)]
    joined = [one for one in listener.ask_all(hopes) if one is not None and one.name == "WaitlistJoined"]
    if (len(booked), len(joined)) != (PLACES, WAITING):
        raise RuntimeError(f"{full.name}: {len(booked)} booked, {len(joined)} wait")
    cancellations = [_cancellation(random, full, *pair, now) for pair in zip(wishes, booked, strict=True)]
    asked = {one.request_id.decode() for one in cancellations}
    before = len(listener.heard)

    def told(heard: Sequence[Heard]) -> bool:
        names = Counter(one.name for one in heard[before:])
        return names["BookingCancelled"] >= PLACES and names["WaitlistOffered"] >= PLACES

    started = listener.send_all(cancellations)
    listener.listen_until(told)
    heard = listener.heard[before:]
    answers = Counter(one.data["request_id"] for one in heard if one.data.get("request_id") in asked)
    offered = {one.cause: one.data["booking_id"] for one in heard if one.name == "WaitlistOffered"}
    first = [one.data["booking_id"] for one in joined[:PLACES]]
    in_order = [offered.get(one.request_id.decode()) for one in cancellations] == first
    once = len(answers) == PLACES and set(answers.values()) == {1}
    answered = max((one.at for one in heard if one.name == "BookingCancelled"), default=started)
    last = max((one.at for one in heard if one.name in ("BookingCancelled", "WaitlistOffered")), default=started)
    figures.add(
        f"{PLACES} cancel, {WAITING} wait: {full.name}", (last - started) * 1000, "ms",
        answered=round((answered - started) * 1000),
        moved_up=sum(one.name == "WaitlistOffered" for one in heard), in_order=in_order, answered_once=once,
    )  # fmt: skip
    return in_order and once and len(offered) == PLACES


def measure(hub: Hub, figures: Figures, *, rounds: int, seed: int) -> bool:
    """Some rounds of each kind of queue; whether every one was kept, everybody told once, and nothing is violated."""
    random, now = Random(f"waiting {seed}"), now_whole()
    listener, link = Listener(hub.kafka), connect(hub)
    well = True
    try:
        for _ in range(rounds):
            for full in offers(random, now):
                listener.publish([full.offer], source=f"urn:hub:{HUB}:catalog", at=now, ids=random)
                wait_for_offers(link, [full.offer.offer_id])
                link.close()
                well &= _round(listener, full, figures, random, now)
    finally:
        listener.close()
    violated = {kind: found.number for kind, found in asyncio.run(verify(hub.postgres["booking"])).items() if found.number}
    figures.add("invariants violated after the waiting lists", sum(violated.values()), "", **violated)
    return well and not violated


def main(arguments: list[str]) -> int:
    """Exit code 1 if somebody was told twice or never or was passed over, or an invariant is violated."""
    parser = argparse.ArgumentParser(prog="python -m bench.waiting", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    with running_hub(HUB) as hub, hub.alone("booking"):
        well = measure(hub, Lines(), rounds=chosen.rounds, seed=chosen.seed)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
