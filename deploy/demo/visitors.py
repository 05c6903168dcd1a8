"""Who comes on the played day, and what they want. Pure: the same offers and the same seed give the same day."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

OPENS: Final = 8.0
CLOSES: Final = 18.0
RUSH_AT: Final = 10.0
RUSH_VISITORS: Final = 20
_SLOTS_LOOKED_AT: Final = 12  # people take one of the first free times they are shown, so they collide
_TWICE: Final = 0.12  # clicks again because nothing moved at once
_REUSED: Final = 0.04  # a faulty frontend: the id of one request for another
_CANCELS: Final = 0.2
_SECOND_TRY: Final = 0.5  # of those refused with a later free time
Odd = Literal["unknown_offer", "too_long", "far_ahead", "no_body"]
_ODD: Final[tuple[Odd, ...]] = ("unknown_offer", "too_long", "far_ahead", "no_body")
_ODD_SHARE: Final = 0.08


@dataclass(frozen=True, slots=True)
class Slot:
    """Something that can be asked for: a span of an offer, or one of its sessions, which then has no times of its own."""

    start: datetime | None
    minutes: int | None
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """An offer as its page shows it in the morning, with the free slots, soonest first."""

    offer_id: str
    title: str
    slots: tuple[Slot, ...]
    quantity_max: int = 1


@dataclass(frozen=True, slots=True)
class Visit:
    """One visitor's wish. `at` is the hour of the day; `cancels_after` hours later what was confirmed is given back."""

    at: float
    person_id: UUID
    request_id: UUID
    offer: Shown
    slot: Slot
    quantity: int = 1
    twice: bool = False
    reused: bool = False
    cancels_after: float | None = None
    second_try: bool = False
    odd: Odd | None = None


def day(offers: Sequence[Shown], *, seed: int, visitors: int) -> list[Visit]:
    """All visits in the order of the day; at ten a rush of visitors wants the same slot of the first offer."""
    assert offers and all(offer.slots for offer in offers)
    rng = random.Random(seed)  # noqa: S311 - a played day, no secret
    rush = min(RUSH_VISITORS, visitors)
    ordinary = [_visit(rng, offers) for _ in range(visitors - rush)]
    prize = offers[0]
    crowd = [Visit(RUSH_AT, _uuid(rng), _uuid(rng), prize, prize.slots[min(1, len(prize.slots) - 1)]) for _ in range(rush)]
    return sorted([*ordinary, *crowd], key=lambda visit: (visit.at, visit.request_id))


def _visit(rng: random.Random, offers: Sequence[Shown]) -> Visit:
    # The first offers are the popular ones: each next one is asked for a little less.
    offer = rng.choices(offers, weights=[1 / (rank + 2) for rank in range(len(offers))])[0]
    slot = rng.choice(offer.slots[:_SLOTS_LOOKED_AT])
    return Visit(
        at=min(CLOSES - 0.01, OPENS + abs(rng.gauss(0.35, 0.25)) * (CLOSES - OPENS)),
        person_id=_uuid(rng),
        request_id=_uuid(rng),
        offer=offer,
        slot=slot,
        quantity=rng.randint(1, min(3, offer.quantity_max)),
        twice=rng.random() < _TWICE,
        reused=rng.random() < _REUSED,
        cancels_after=rng.uniform(0.3, 3) if rng.random() < _CANCELS else None,
        second_try=rng.random() < _SECOND_TRY,
        odd=rng.choice(_ODD) if rng.random() < _ODD_SHARE else None,
    )


def _uuid(rng: random.Random) -> UUID:
    return UUID(int=rng.getrandbits(128), version=4)
