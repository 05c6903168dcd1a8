"""From working copies to published states: build, judge, number, write, one outbox row each; the same code for one and 500."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from contracts import topics
from contracts.catalog import OfferPublished
from contracts.envelope import Event
from hubkit import ids, outbox
from hubkit.db import ReadConn, Tx
from services.catalog.domain import gate, life
from services.catalog.domain.build import Catalogue, State, build_state
from services.catalog.domain.diff import patch
from services.catalog.domain.entities import Json, Occurrence, Offer, Problem, TermKey
from services.catalog.domain.gate import Findings
from services.catalog.domain.occurrences import Calendar, reconcile
from services.catalog.domain.rows import OccurrenceNumber, OfferRow, PublishedWrite, ResourceNumber, RevisionWrite
from services.catalog.formats.recurrence import dates_of
from services.catalog.store import dates, entities, offers
from services.catalog.wire import documents, states


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it: a role and an id within it."""

    role: str
    id: str

    def __str__(self) -> str:
        return f"{self.role}/{self.id}"


@dataclass(frozen=True, slots=True)
class Wish:
    """An offer that shall have a published state; `offer` holds its schedules."""

    row: OfferRow
    offer: Offer
    status: life.WireStatus


@dataclass(frozen=True, slots=True)
class Built:
    """What became of a wish: a record of revision 0, or errors; and the rows that a publish of it would have to touch."""

    wish: Wish
    calendar: Calendar
    state: State
    findings: Findings
    record: OfferPublished | None
    stale_resources: tuple[ResourceNumber, ...]
    stale_dates: tuple[tuple[Occurrence, OccurrenceNumber], ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What was last public: the dates with their numbers, and the numbers of shared resources."""

    dates: Mapping[str, Sequence[Occurrence]]
    occurrences: Mapping[UUID, OccurrenceNumber]
    resources: Mapping[str, ResourceNumber]


async def read_catalogue(conn: ReadConn | Tx, *, hub_id: str) -> Catalogue:
    """Everything that offers are built from; for writing the catalogue's lock is held."""
    places = [documents.PLACES.parse(each.document) for each in await entities.read_entities(conn, "places")]
    resources = [documents.RESOURCES.parse(each.document) for each in await entities.read_entities(conn, "resources")]
    contacts = [documents.CONTACTS.parse(each.document) for each in await entities.read_entities(conn, "contacts")]
    terms = [documents.TERMS.parse(each.document) for each in await entities.read_entities(conn, "terms")]
    blackouts = [documents.BLACKOUTS.parse(each.document) for each in await entities.read_entities(conn, "blackouts")]
    return Catalogue(
        hub_id=hub_id,
        places={each.place_id: each for each in places},
        resources={each.resource_id: each for each in resources},
        contacts={each.contact_id: each for each in contacts},
        terms={TermKey(each.scheme, each.code): each for each in terms},
        blackouts=blackouts,
    )


async def with_schedules(conn: ReadConn | Tx, rows: Sequence[OfferRow]) -> list[Offer]:
    """The working copies of these rows, in their order, schedules included."""
    by_offer: dict[str, list[str]] = {each.offer_id: [] for each in rows}
    for schedule in await dates.read_schedules(conn, list(by_offer)):
        by_offer[schedule.offer_id].append(schedule.document)
    return [
        replace(
            documents.OFFERS.parse(row.document),
            schedules=tuple(documents.SCHEDULES.parse(each) for each in by_offer[row.offer_id]),
        )
        for row in rows
    ]


async def build(conn: ReadConn | Tx, wishes: Sequence[Wish], catalogue: Catalogue, *, now: datetime) -> list[Built]:
    """Build and judge, in the order of the wishes; writes nothing, so that a check is the same as a publish."""
    offer_ids = [each.offer.offer_id for each in wishes]
    known_dates, occurrence_numbers = await dates.read_occurrences(conn, offer_ids)
    resource_numbers = await entities.read_resource_numbers(conn, list(catalogue.resources))
    known = Known(known_dates, occurrence_numbers, resource_numbers)
    return [_built(each, known, catalogue, now=now) for each in wishes]


def _built(wish: Wish, known: Known, catalogue: Catalogue, *, now: datetime) -> Built:
    offer, before = wish.offer, known.dates[wish.offer.offer_id]
    planned = [dates_of(each, now=now) for each in offer.schedules]
    calendar = reconcile(offer.offer_id, planned, before, now=now, derive=ids.derived)
    state = build_state(offer, calendar.occurrences, catalogue, now=now)
    findings = gate.examine(offer, calendar.occurrences, calendar.odd, catalogue, now=now)
    shared = [each for each in state.resources if each.kind != "session"]
    sessions = {each.resource_id: states.resource_form(each) for each in state.resources if each.kind == "session"}
    resources = [_resource_number(known.resources[each.resource_id], states.resource_form(each)) for each in shared]
    numbered = [
        (each, _occurrence_number(each, known, [states.occurrence_form(each), sessions.get(str(each.occurrence_id))]))
        for each in state.occurrences
    ]
    sequences = {str(number.occurrence_id): number.sequence for _, number in numbered}
    made = states.record_of(
        state,
        hub_id=catalogue.hub_id,
        status=wish.status,
        sequences=sequences,
        revisions={each.resource_id: each.revision for each in resources} | {key: sequences[key] + 1 for key in sessions},
    )
    record = made if isinstance(made, OfferPublished) else None
    if not isinstance(made, OfferPublished):
        findings = replace(findings, errors=(*findings.errors, *_not_said_yet(made, findings.errors)))
    unchanged = {each.occurrence_id: each for each in before}
    return Built(
        wish,
        calendar,
        state,
        findings,
        record,
        tuple(each for each in resources if each != known.resources[each.resource_id]),
        tuple(
            (each, number)
            for each, number in numbered
            if each != unchanged.get(each.occurrence_id) or number != known.occurrences.get(each.occurrence_id)
        ),
    )


def _not_said_yet(more: Sequence[Problem], said: Sequence[Problem]) -> list[Problem]:
    """Without what the gate said already, of the same field or of one inside it."""
    known = tuple(f"{each.pointer}/" for each in said)
    return [each for each in more if not any(pointer.startswith(f"{each.pointer}/") for pointer in known)]


def _resource_number(known: ResourceNumber, form: Json) -> ResourceNumber:
    """The revision rises when the built form differs; inherited hours and closures are part of it."""
    fingerprint = documents.fingerprint(form)
    if fingerprint == known.built_hash:
        return known
    return ResourceNumber(known.resource_id, known.revision + 1, fingerprint)


def _occurrence_number(occurrence: Occurrence, known: Known, form: Json) -> OccurrenceNumber:
    """The sequence counts changes of what was public, so it stays 0 with the first publish."""
    before = known.occurrences.get(occurrence.occurrence_id) or OccurrenceNumber(occurrence.occurrence_id, 0, None)
    fingerprint = documents.fingerprint(form)
    if fingerprint == before.built_hash:
        return before
    sequence = before.sequence if before.built_hash is None else before.sequence + 1
    return OccurrenceNumber(before.occurrence_id, sequence, fingerprint)


async def write(tx: Tx, built: Sequence[Built], *, hub_id: str, actor: Actor, now: datetime) -> list[str]:
    """Keep and send the states that differ from what was last sent; ids of these offers. All of `built` has a record.

    Idempotent by content: a state equal to the last one is no event. The catalogue's lock is held.
    """
    changed: list[tuple[Built, OfferPublished, bytes]] = []
    same: list[PublishedWrite] = []
    for each in built:
        assert each.record is not None, "only what the contract takes is written"
        fingerprint = documents.fingerprint(states.content_of(each.record))
        row = each.wish.row
        if fingerprint != row.state_hash:
            changed.append((each, states.with_revision(each.record, row.revision + 1), fingerprint))
        else:
            same.append(_published(each, each.record, fingerprint))
    await _write_numbers(tx, built)
    published = [_published(each, record, fingerprint) for each, record, fingerprint in changed]
    await offers.save_published(tx, published, now=now)
    await offers.save_frozen(tx, same)
    await offers.insert_revisions(
        tx, [_revision(each, record) for each, record, _ in changed], now=now, role=actor.role, actor_id=actor.id
    )
    await outbox.put(tx, topics.CATALOG_OFFERS, [event_of(record, hub_id=hub_id, now=now) for _, record, _ in changed])
    return [record.offer_id for _, record, _ in changed]


async def _write_numbers(tx: Tx, built: Sequence[Built]) -> None:
    resources = {number.resource_id: number for each in built for number in each.stale_resources}
    await entities.save_resource_numbers(tx, list(resources.values()))
    stale = [pair for each in built for pair in each.stale_dates]
    await dates.save_occurrences(
        tx,
        [occurrence for occurrence, _ in stale],
        [number for _, number in stale],
        [json.dumps(occurrence.occupies) for occurrence, _ in stale],
    )
    await dates.delete_occurrences(tx, [key for each in built for key in each.calendar.removed])


def _published(built: Built, record: OfferPublished, fingerprint: bytes) -> PublishedWrite:
    offer = built.wish.offer
    shared = [each.resource_id for each in built.state.resources if each.kind != "session"]
    return PublishedWrite(
        offer_id=record.offer_id,
        status=built.wish.status,
        frozen=documents.text(documents.OFFERS.write(offer)),
        state=states.state_text(record),
        state_hash=fingerprint,
        revision=record.revision,
        shown_places=json.dumps([each.place_id for each in built.state.places]),
        shown_resources=json.dumps(shared),
        contact_id=offer.contact_id,
        publish_until=offer.publish_until,
    )


def _revision(built: Built, record: OfferPublished) -> RevisionWrite:
    before: Json = json.loads(built.wish.row.frozen) if built.wish.row.frozen else {}
    after = documents.OFFERS.write(built.wish.offer)
    return RevisionWrite(record.offer_id, record.revision, json.dumps(patch(before, after), ensure_ascii=False))


def event_of(record: OfferPublished, *, hub_id: str, now: datetime) -> Event:
    """The record as an event of its own id."""
    return Event(id=ids.new(), source=source_of(hub_id), type=record.ce_type, time=now, key=record.offer_id, data=record)


def source_of(hub_id: str) -> str:
    """Who speaks (`ce_source`)."""
    return f"urn:hub:{hub_id}:catalog"
