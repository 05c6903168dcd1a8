"""Steps of the life cycle: publish, suspend and back, cancel, withdraw; and what a change elsewhere publishes again."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from contracts import topics
from contracts.catalog import OfferPublished, OfferWithdrawn
from contracts.envelope import Event
from hubkit import ids, outbox
from hubkit.db import ReadConn, Tx
from services.catalog.domain import life
from services.catalog.domain.gate import Findings
from services.catalog.domain.rows import OfferRow, RevisionWrite
from services.catalog.handlers import publishing
from services.catalog.handlers.publishing import Actor, Built, Wish
from services.catalog.limits import REPUBLISH_OFFERS_MAX
from services.catalog.store import offers
from services.catalog.wire import documents, states

log = logging.getLogger(__name__)

NO_FINDINGS = Findings((), ())


@dataclass(frozen=True, slots=True)
class Done:
    """The step was taken, or had been before; `sent` tells whether an event went out."""

    status: life.Status
    revision: int
    sent: bool
    findings: Findings = NO_FINDINGS


@dataclass(frozen=True, slots=True)
class Closed:
    """The gate says no."""

    findings: Findings


@dataclass(frozen=True, slots=True)
class Stale:
    """The working copy is another one than the caller saw."""

    version: int
    edited_at: datetime
    edited_by: str


class CannotRepublish(Exception):
    """A change elsewhere would leave these offers without a valid state: nothing of it is done."""

    def __init__(self, offer_ids: Sequence[str]) -> None:
        super().__init__(f"{len(offer_ids)} offers")
        self.offer_ids = tuple(offer_ids)


async def check(conn: ReadConn, row: OfferRow, *, hub_id: str, now: datetime) -> Findings:
    """What the gate would say now; nothing changes."""
    catalogue = await publishing.read_catalogue(conn, hub_id=hub_id)
    (offer,) = await publishing.with_schedules(conn, [row])
    (built,) = await publishing.build(conn, [Wish(row, offer, "published")], catalogue, now=now)
    return built.findings


async def take(
    tx: Tx, step: life.Step, row: OfferRow, *, expected_version: int | None, hub_id: str, actor: Actor, now: datetime
) -> Done | Closed | Stale | life.WrongState:
    """Take one step with one offer. The catalogue's lock and the offer's row are held."""
    if expected_version is not None and expected_version != row.version:
        return Stale(row.version, row.edited_at, row.edited_by)
    following = life.after(step, row.status)
    if isinstance(following, life.WrongState):
        return following
    if isinstance(following, life.AlreadyDone):
        return Done(following.status, row.revision, sent=False)
    if step == "withdraw":
        return await withdraw(tx, row, reason="editor", hub_id=hub_id, actor=actor, now=now)
    if step == "publish":
        outcomes = await publish(tx, [row], hub_id=hub_id, actor=actor, now=now)
        return outcomes[row.offer_id]
    wish = _frozen_wish(row, cast(life.WireStatus, following))
    catalogue = await publishing.read_catalogue(tx, hub_id=hub_id)
    built = await publishing.build(tx, [wish], catalogue, now=now)
    sent = await publishing.write(tx, _writable(built), hub_id=hub_id, actor=actor, now=now)
    return Done(following, row.revision + len(sent), sent=bool(sent))


async def publish(
    tx: Tx,
    rows: Sequence[OfferRow],
    *,
    hub_id: str,
    actor: Actor,
    now: datetime,
) -> dict[str, Done | Closed]:
    """Publish working copies through the gate, by offer id; those with a `publish_from` ahead are scheduled instead.

    At most `REPUBLISH_OFFERS_MAX`. The catalogue's lock and the rows are held.
    """
    assert len(rows) <= REPUBLISH_OFFERS_MAX, "larger sets come in parts"
    catalogue = await publishing.read_catalogue(tx, hub_id=hub_id)
    working = await publishing.with_schedules(tx, rows)
    wishes = [Wish(row, offer, "published") for row, offer in zip(rows, working, strict=True)]
    built = await publishing.build(tx, wishes, catalogue, now=now)
    outcomes: dict[str, Done | Closed] = {}
    passed: list[Built] = []
    for each in built:
        row, offer = each.wish.row, each.wish.offer
        if each.findings.errors:
            outcomes[row.offer_id] = Closed(each.findings)
        elif offer.publish_from is not None and offer.publish_from > now and row.status not in life.LIVE:
            frozen = documents.text(documents.OFFERS.write(offer))
            await offers.save_scheduled(tx, row.offer_id, frozen=frozen, publish_from=offer.publish_from)
            outcomes[row.offer_id] = Done("scheduled", row.revision, sent=False, findings=each.findings)
        else:
            passed.append(each)
    sent = set(await publishing.write(tx, passed, hub_id=hub_id, actor=actor, now=now))
    for each in passed:
        row = each.wish.row
        revision = row.revision + (row.offer_id in sent)
        outcomes[row.offer_id] = Done("published", revision, sent=row.offer_id in sent, findings=each.findings)
    return outcomes


async def republish(
    tx: Tx, offer_ids: Sequence[str], *, hub_id: str, actor: Actor, now: datetime, skip_broken: bool = False
) -> list[str]:
    """Build live offers anew from what they were published with; ids of those whose state differs and went out.

    The gate is not asked again, the contract is: CannotRepublish, unless `skip_broken` leaves such offers as they are, for
    timed work that nobody could repeat differently. The catalogue's lock is held.
    """
    rows = [each for each in await offers.lock_offers(tx, offer_ids) if each.status in life.LIVE]
    if not rows:
        return []
    catalogue = await publishing.read_catalogue(tx, hub_id=hub_id)
    wishes = [_frozen_wish(row, cast(life.WireStatus, row.status)) for row in rows]
    built = await publishing.build(tx, wishes, catalogue, now=now)
    if skip_broken:
        for each in built:
            if each.record is None:
                log.error("offer stays as it was", extra={"action": "republish", "offer_id": each.wish.row.offer_id})
        built = [each for each in built if each.record is not None]
    return await publishing.write(tx, _writable(built), hub_id=hub_id, actor=actor, now=now)


def _frozen_wish(row: OfferRow, status: life.WireStatus) -> Wish:
    assert row.frozen is not None, "a live offer was frozen when it was published"
    return Wish(row, documents.OFFERS.parse(row.frozen), status)


def _writable(built: Sequence[Built]) -> list[Built]:
    """Without the gate's findings: a published offer does not vanish because a contact did."""
    broken = [each.wish.row.offer_id for each in built if each.record is None]
    if broken:
        raise CannotRepublish(broken)
    return list(built)


async def withdraw(tx: Tx, row: OfferRow, *, reason: life.WithdrawReason, hub_id: str, actor: Actor, now: datetime) -> Done:
    """Take one offer off the bus; existing bookings stand. One that waited for its time becomes a draft again."""
    if row.status not in life.LIVE:
        await offers.save_status(tx, row.offer_id, "draft")
        return Done("draft", row.revision, sent=False)
    record = states.withdrawn(row.offer_id, hub_id=hub_id, revision=row.revision + 1, reason=reason, at=now)
    await offers.save_withdrawn(tx, [(row.offer_id, record.to_json().decode(), record.revision)], now=now)
    history = [RevisionWrite(row.offer_id, record.revision, "[]")]
    await offers.insert_revisions(tx, history, now=now, role=actor.role, actor_id=actor.id)
    await outbox.put(tx, topics.CATALOG_OFFERS, [_withdrawal(record, hub_id=hub_id, now=now)])
    return Done("withdrawn", record.revision, sent=True)


def _withdrawal(record: OfferWithdrawn, *, hub_id: str, now: datetime) -> Event:
    return Event(
        id=ids.new(),
        source=publishing.source_of(hub_id),
        type=record.ce_type,
        time=now,
        key=record.offer_id,
        data=record,
    )


async def send_tombstones(tx: Tx, offer_ids: Sequence[str], *, hub_id: str, now: datetime) -> None:
    """Remove withdrawn offers from the topic; its type is that of the record it removes."""
    events = [
        Event(id=ids.new(), source=publishing.source_of(hub_id), type=OfferWithdrawn.ce_type, time=now, key=offer_id, data=None)
        for offer_id in offer_ids
    ]
    await outbox.put(tx, topics.CATALOG_OFFERS, events)


async def send_states_again(tx: Tx, *, after: str, hub_id: str, now: datetime) -> str | None:
    """Put the next `REPUBLISH_OFFERS_MAX` current records into the outbox, numbers unchanged; the last id, none at the end."""
    rows = await offers.read_states(tx, after=after, limit=REPUBLISH_OFFERS_MAX)
    events = []
    for _, status, text in rows:
        if status in life.LIVE:
            record: OfferPublished = states.parsed_state(text)
            events.append(publishing.event_of(record, hub_id=hub_id, now=now))
        else:
            events.append(_withdrawal(states.parsed_withdrawal(text), hub_id=hub_id, now=now))
    await outbox.put(tx, topics.CATALOG_OFFERS, events)
    return rows[-1][0] if rows else None
