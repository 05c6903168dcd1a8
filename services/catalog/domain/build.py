"""From working copies to what travels: all inheritance resolved, so that readers never need the tree."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from services.catalog.domain import tree
from services.catalog.domain.entities import (
    Blackout,
    Component,
    Contact,
    DayException,
    Hours,
    Occurrence,
    Offer,
    Place,
    Resource,
    Term,
    TermKey,
)
from services.catalog.domain.texts import without_simple
from services.catalog.limits import PAST_KEPT


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What offers are built from, read once per batch under the catalogue's lock."""

    hub_id: str
    places: Mapping[str, Place]
    resources: Mapping[str, Resource]
    contacts: Mapping[str, Contact]
    terms: Mapping[TermKey, Term]
    blackouts: Sequence[Blackout]


@dataclass(frozen=True, slots=True)
class BuiltBlackout:
    """A closed span as it travels."""

    blackout_id: str
    start: datetime
    end: datetime
    cause: str


@dataclass(frozen=True, slots=True)
class BuiltResource:
    """A resource as it travels, but for its revision, which counts how often this form changed."""

    resource_id: str
    kind: Literal["unit", "pool", "adviser", "session"]
    capacity: int | None = None
    hours: tuple[Hours, ...] = ()
    exceptions: tuple[DayException, ...] = ()
    blackouts: tuple[BuiltBlackout, ...] = ()
    setup_minutes: int = 0
    teardown_minutes: int = 0
    features: tuple[str, ...] = ()
    start: datetime | None = None  # sessions only, as the next three
    end: datetime | None = None
    status: Literal["scheduled", "cancelled"] | None = None
    occupies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """Everything of a published state that is not a number: revisions are given when it is written."""

    offer: Offer
    places: tuple[Place, ...]
    contact: Contact | None
    terms: tuple[Term, ...]
    occurrences: tuple[Occurrence, ...]
    components: tuple[Component, ...]
    resources: tuple[BuiltResource, ...]
    blackouts: tuple[BuiltBlackout, ...] = field(default=())


def build_state(offer: Offer, occurrences: Sequence[Occurrence], catalogue: Catalogue, *, now: datetime) -> State:
    """The state of an offer; ids that lead nowhere are left out here and named by the gate."""
    places = tuple(
        tree.resolved(catalogue.places[each], catalogue.places) for each in offer.place_ids if each in catalogue.places
    )
    sessions: tuple[BuiltResource, ...] = ()
    if takes_sessions(offer):
        sessions = tuple(build_session(each, offer, places, catalogue, now=now) for each in occurrences)
    session_ids = tuple(each.resource_id for each in sessions)
    components = tuple(
        replace(each, resource_ids=session_ids) if each.kind == "session" else each for each in offer.booking.components
    )
    shared = tuple(
        build_resource(catalogue.resources[each], catalogue, now=now)
        for each in shared_resource_ids(offer, occurrences)
        if each in catalogue.resources
    )
    return State(
        offer=with_reviewed_texts(offer),
        places=places,
        contact=catalogue.contacts.get(offer.contact_id) if offer.contact_id else None,
        terms=tuple(catalogue.terms[each] for each in offer.terms if each in catalogue.terms),
        occurrences=tuple(occurrences),
        components=components,
        resources=(*shared, *sessions),
        blackouts=_copied(
            (each for each in catalogue.blackouts if each.scope == "offer" and each.scope_id == offer.offer_id), now=now
        ),
    )


def takes_sessions(offer: Offer) -> bool:
    """Whether the offer's dates are booked, not only announced."""
    return any(each.kind == "session" for each in offer.booking.components)


def shared_resource_ids(offer: Offer, occurrences: Iterable[Occurrence]) -> list[str]:
    """The resources of the offer that are no dates: those of components first, then those that only a date occupies."""
    ids = [each for component in offer.booking.components if component.kind != "session" for each in component.resource_ids]
    if takes_sessions(offer):
        ids += [each for occurrence in occurrences for each in occurrence.occupies]
    return list(dict.fromkeys(ids))


def build_resource(resource: Resource, catalogue: Catalogue, *, now: datetime) -> BuiltResource:
    """A resource with the hours, exceptions, closures and `yes` answers of its place; it reads the same in every state."""
    place = catalogue.places.get(resource.place_id)
    line = {each.place_id for each in tree.ancestors(place, catalogue.places)} if place else set()
    answers = tree.resolved(place, catalogue.places) if place else None
    inherited_hours = answers.hours if answers else None
    inherited_exceptions = answers.exceptions if answers else None
    features = tree.features_of(answers.accessibility) if answers else []
    return BuiltResource(
        resource_id=resource.resource_id,
        kind=resource.kind,
        capacity=resource.capacity,
        hours=resource.hours if resource.hours is not None else inherited_hours or (),
        exceptions=resource.exceptions if resource.exceptions is not None else inherited_exceptions or (),
        blackouts=_copied((each for each in catalogue.blackouts if _hits(each, line, resource.resource_id)), now=now),
        setup_minutes=resource.setup_minutes,
        teardown_minutes=resource.teardown_minutes,
        features=tuple(dict.fromkeys((*features, *resource.features))),
    )


def build_session(
    occurrence: Occurrence, offer: Offer, places: Sequence[Place], catalogue: Catalogue, *, now: datetime
) -> BuiltResource:
    """A date as a bookable resource: moved = scheduled with the new span, postponed = cancelled.

    Only closures that touch its span come along. The offer's own answers enter here and nowhere else.
    """
    line = {parent.place_id for place in places for parent in tree.ancestors(place, catalogue.places)}
    accessibility = {**(places[0].accessibility if places else {}), **offer.accessibility}
    touching = (
        each
        for each in catalogue.blackouts
        if each.start < occurrence.end and each.end > occurrence.start and _hits(each, line, str(occurrence.occurrence_id))
    )
    return BuiltResource(
        resource_id=str(occurrence.occurrence_id),
        kind="session",
        capacity=occurrence.capacity,
        blackouts=_copied(touching, now=now),
        features=tuple(tree.features_of(accessibility)),
        start=occurrence.start,
        end=occurrence.end,
        status="scheduled" if occurrence.status in ("scheduled", "moved") else "cancelled",
        occupies=occurrence.occupies,
    )


def with_reviewed_texts(offer: Offer) -> Offer:
    """The offer without Leichte Sprache that nobody reviewed; health offers are always a special category."""
    if offer.kind == "health" and offer.data_category != "special":
        offer = replace(offer, data_category="special")
    if offer.simple_review is not None:
        return offer
    return replace(
        offer,
        title=without_simple(offer.title),
        teaser=without_simple(offer.teaser),
        description=without_simple(offer.description),
        procedure=without_simple(offer.procedure),
        required_documents=without_simple(offer.required_documents),
        legal_basis=without_simple(offer.legal_basis),
        visitor_notes=without_simple(offer.visitor_notes),
    )


def _hits(blackout: Blackout, place_ids: Collection[str], resource_id: str) -> bool:
    if blackout.scope == "hub":
        return True
    if blackout.scope == "place":
        return blackout.scope_id in place_ids
    return blackout.scope == "resource" and blackout.scope_id == resource_id


def _copied(blackouts: Iterable[Blackout], *, now: datetime) -> tuple[BuiltBlackout, ...]:
    """Accepted closures in order of time; long past ones are left behind."""
    kept = [each for each in blackouts if not each.proposed and each.end > now - PAST_KEPT]
    kept.sort(key=lambda each: (each.start, each.blackout_id))
    return tuple(BuiltBlackout(each.blackout_id, each.start, each.end, each.cause) for each in kept)
