"""Commands, events and timers: one function each, inside the transaction that it is given. No call out of any of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from contracts import topics
from contracts.booking.events import BookingFact
from contracts.catalog import OfferPublished, OfferWithdrawn
from contracts.envelope import Event
from contracts.people import ContactSaved
from hubkit import outbox
from hubkit.clock import Clock
from hubkit.db import Tx
from hubkit.telemetry import Metrics
from services.notify import wire
from services.notify.domain.bookings import BookingEvent
from services.notify.domain.letters import Fate, Letter, Outcome
from services.notify.domain.messages import State, id_of, resend_key
from services.notify.domain.offers import Offer
from services.notify.domain.people import Contact
from services.notify.domain.plan import Rules, plan
from services.notify.domain.times import next_attempt
from services.notify.store import copies, plans, queue, timers
from services.notify.store.copies import OfferUpdate
from services.notify.store.queue import Judged, Mark

Refused = Mapping[int, str]


@dataclass(frozen=True, slots=True)
class House:
    """What every handler needs of its hub: who it is, when it reminds and is silent, where time comes from, what is counted."""

    hub_id: str
    rules: Rules
    clock: Clock
    metrics: Metrics

    async def tell(self, tx: Tx, fates: Sequence[Fate], now: datetime) -> None:
        """Put the facts into the outbox, with the state that they tell of."""
        await outbox.put(tx, topics.NOTIFY_DELIVERIES, [wire.fate_event(f, hub_id=self.hub_id, at=now) for f in fates])
        for fate in fates:
            self.metrics.add("notify_messages_total", state=fate.state, kind=fate.kind, reason=fate.reason or "")


async def take_bookings(house: House, tx: Tx, batch: Sequence[Event], _: None) -> Refused:
    """Keep the bookings, plan what people are told, supersede what has lost its point.

    Idempotent by booking version and by the messages' keys. Refused are events in a time zone that does not exist.
    """
    refused: dict[int, str] = {}
    events: list[BookingEvent] = []
    for position, event in enumerate(batch):
        if isinstance(event.data, BookingFact):
            if wire.is_zone(event.data.time_zone):
                events.append(wire.booking_event(event, event.data))
            else:
                refused[position] = "schema"
    if not events:
        return refused
    known = await copies.lock_bookings(tx, {event.booking_id for event in events})
    planned = plan(known, events, house.rules)
    if planned.bookings:
        await copies.upsert_bookings(tx, list(planned.bookings.values()))
    if planned.superseded:
        await plans.supersede_messages(tx, list(planned.superseded))
    if planned.messages:
        await plans.insert_messages(tx, list(planned.messages.values()))
    return refused


async def take_contacts(house: House, tx: Tx, batch: Sequence[Event], _: None) -> Refused:
    """Keep each person's last contact; a tombstone erases, for ever. Idempotent: the last state of the log wins."""
    refused: dict[int, str] = {}
    saved: dict[UUID, Contact] = {}
    gone: dict[UUID, datetime] = {}
    for position, event in enumerate(batch):
        if isinstance(event.data, ContactSaved):
            saved[event.data.person_id] = wire.contact(event.data)
        elif (person_id := wire.person_id(event.key)) is None:
            refused[position] = "bad_key"
        else:
            gone.setdefault(person_id, event.time)
    if gone:
        await copies.delete_people(tx, gone)
        at = max(gone.values())
        await house.tell(tx, await plans.suppress_erased(tx, list(gone), now=at), at)
    erased = await copies.read_erased(tx, list(saved)) if saved else set()
    kept = [contact for person_id, contact in saved.items() if person_id not in erased]
    if kept:
        await copies.upsert_people(tx, kept)
        await plans.hurry_messages(tx, [contact.person_id for contact in kept])
    return refused


async def take_offers(tx: Tx, batch: Sequence[Event], _: None) -> Refused:
    """Keep each offer's highest revision; a withdrawn one keeps its texts while bookings need them."""
    updates: dict[str, OfferUpdate] = {}
    tombstones: dict[str, None] = {}
    for event in batch:
        data = event.data
        if isinstance(data, OfferPublished | OfferWithdrawn):
            before = updates.get(data.offer_id)
            update = _merged(before, wire.offer(data))
            if before is None or before.offer.revision < update.offer.revision:
                updates[data.offer_id] = update
                tombstones.pop(data.offer_id, None)
        elif data is None:
            tombstones[event.key] = None
    if updates:
        await copies.upsert_offers(tx, list(updates.values()))
    if tombstones:
        await copies.withdraw_offers(tx, list(tombstones))
    return {}


def _merged(before: OfferUpdate | None, offer: Offer) -> OfferUpdate:
    """A withdrawal keeps the texts of what came just before it in the same batch, else those of the row."""
    if not offer.is_withdrawn or before is None or before.keeps_texts:
        return OfferUpdate(offer, keeps_texts=offer.is_withdrawn)
    return OfferUpdate(replace(before.offer, revision=offer.revision, is_withdrawn=True), keeps_texts=False)


@dataclass(frozen=True, slots=True)
class Claim:
    """Who claims, for which relay, and how much: `rows_kept` of `rows_max` are for the lanes behind the first."""

    relay: str
    process_id: UUID
    rows_max: int
    rows_kept: int
    copies_are_current: bool


async def claim_messages(house: House, tx: Tx, claim: Claim, now: datetime) -> list[Letter]:
    """Letters to be sent next, in their order, under a lease of this process; idempotent by the claim's number.

    What waits for its contact or offer goes back into the queue; the wait counts only while the copies are current.
    """
    letters, waiting = await queue.claim_messages(
        tx,
        relay=claim.relay,
        process_id=claim.process_id,
        now=now,
        rows_max=claim.rows_max,
        rows_kept=claim.rows_kept,
    )
    if waiting:
        fates = await queue.put_off_waiting(tx, waiting, now=now, counts=claim.copies_are_current)
        await house.tell(tx, fates, now)
    return letters


async def mark_sending(house: House, tx: Tx, marks: Sequence[Mark], now: datetime) -> Mapping[UUID, queue.Verdict]:
    """The re-check of claimed messages; verdict by message id, none for a claim that was lost. Idempotent by claim number."""
    span = house.rules.quiet.around(now) if house.rules.quiet else None
    judged: list[Judged] = await queue.mark_sending(tx, marks, now=now, quiet_until=span[1] if span else None)
    await house.tell(tx, [one.fate for one in judged if one.fate], now)
    return {one.message_id: one.verdict for one in judged}


async def settle_messages(house: House, tx: Tx, outcomes: Sequence[Outcome], now: datetime) -> list[Fate]:
    """How claims ended; idempotent by claim number. The fates that were told."""
    fates = await queue.settle_messages(tx, [_timed(outcome, now) for outcome in outcomes], now=now)
    await house.tell(tx, fates, now)
    return fates


def _timed(outcome: Outcome, now: datetime) -> Outcome:
    """With the instant from which it may be tried again; failed if its attempts are used up."""
    if outcome.state is not State.SCHEDULED:
        return outcome
    if outcome.delay is not None:
        return replace(outcome, next_at=now + outcome.delay)
    if not outcome.counted:
        return outcome
    again = next_attempt(
        outcome.message_id,
        attempts=outcome.attempts + 1,
        first_attempt_at=outcome.first_attempt_at or now,
        now=now,
    )
    return replace(outcome, next_at=again) if again else replace(outcome, state=State.FAILED, reason="attempts")


async def sweep_messages(house: House, tx: Tx, now: datetime) -> None:
    """Expired messages, lost leases, uncertain ones that are sent once more. Idempotent: the state is the guard."""
    await timers.release_claims(tx, now=now)
    fates = await timers.expire_messages(tx, now=now)
    fates += await timers.lose_sendings(tx, now=now)
    await timers.schedule_resends(tx, now=now)
    await house.tell(tx, fates, now)


async def resolve_message(house: House, tx: Tx, message_id: UUID, state: State, *, actor: str) -> bool:
    """An operator knows what became of an uncertain message; False if it is not uncertain. Idempotent by that state."""
    now = await house.clock.now(tx)
    reason = "resolved" if state is State.FAILED else None
    fate = await plans.resolve_message(tx, message_id, state=state, reason=reason, now=now)
    if fate is None:
        return False
    await plans.insert_act(tx, message_id, actor=actor, act=f"resolve {state}", now=now)
    await house.tell(tx, [fate], now)
    return True


async def resend_message(house: House, tx: Tx, message_id: UUID, *, actor: str) -> UUID | None:
    """A message that did not arrive is planned once more under a key of its own; its id, None if it may have arrived.

    Not idempotent: each call is a wish of its own, and the list shows how many there were.
    """
    found = await plans.read_resend_key(tx, message_id)
    if found is None or found[0] not in (State.FAILED, State.MISSED):
        return None
    now = await house.clock.now(tx)
    key = resend_key(found[1], found[2] + 1)
    await plans.copy_message(tx, message_id, new_id=id_of(key), dedupe_key=key, now=now)
    await plans.insert_act(tx, message_id, actor=actor, act="resend", now=now)
    return id_of(key)
