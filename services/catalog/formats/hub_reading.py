"""A hub file turned into entities and working copies: names become ids, defaults and named rules are put in."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time
from typing import TypeVar
from uuid import NAMESPACE_URL, UUID
from zoneinfo import ZoneInfo

from services.catalog.domain import checks, tree
from services.catalog.domain.entities import (
    Address,
    Blackout,
    BlackoutScope,
    Booking,
    Component,
    Contact,
    Offer,
    OfferKind,
    Place,
    Price,
    Resource,
    Review,
    Schedule,
    Term,
    TermKey,
)
from services.catalog.domain.imported import ImportSource
from services.catalog.domain.wall_time import Choices, resolve_stated
from services.catalog.formats import public_holidays
from services.catalog.formats.hub_schema import (
    BlackoutPart,
    BookingPart,
    HubFile,
    OfferPart,
    PlacePart,
    ResourcePart,
    ReviewPart,
    SchedulePart,
    day_exceptions,
    local_time,
    week_hours,
)
from services.catalog.formats.recurrence import BadRule, checked_rule
from services.catalog.formats.yaml_file import Path
from services.catalog.wire import travelling

T = TypeVar("T")
DeriveId = Callable[[UUID, str], UUID]


@dataclass(frozen=True, slots=True)
class OfferRecord:
    """An offer of the file, schedules included, and whether it shall be published."""

    slug: str
    offer: Offer
    publish: bool


@dataclass(frozen=True, slots=True)
class Hub:
    """All that a file describes, in its order."""

    contacts: tuple[Contact, ...]
    terms: tuple[Term, ...]
    places: tuple[Place, ...]
    resources: tuple[Resource, ...]
    blackouts: tuple[Blackout, ...]
    sources: tuple[ImportSource, ...]
    offers: tuple[OfferRecord, ...]


def hub_namespace(hub_id: str, derive: DeriveId) -> UUID:
    """The namespace of ids that are derived from names."""
    return derive(NAMESPACE_URL, f"urn:hub:{hub_id}")


def offer_id_of(hub_id: str, name: str, derive: DeriveId) -> str:
    """The id of an offer that a file or a source knows by `name`: the same with every run."""
    return f"urn:hub:{hub_id}:offer:{derive(hub_namespace(hub_id, derive), name)}"


def told(path: Path, message: str, lines: Mapping[Path, int]) -> str:
    known = next(path[:n] for n in range(len(path), -1, -1) if path[:n] in lines or n == 0)
    return f"line {lines.get(known, 1)}: {'.'.join(str(part) for part in path) or 'the file'}: {message}"


@dataclass(slots=True)
class Reading:
    """The file while it is turned into entities; `faults` collects what a model cannot see: names that lead nowhere."""

    file: HubFile
    hub_id: str
    derive: DeriveId
    lines: Mapping[Path, int]
    faults: list[str] = field(default_factory=list)
    numbered: dict[str, list[str]] = field(default_factory=dict)

    def hub(self) -> Hub:
        """All entities; faults are collected, not raised."""
        if not checks.zone_exists(self.file.hub.time_zone):
            self._fault(("hub", "time_zone"), "no such time zone")
            return Hub((), (), (), (), (), (), ())
        resources = [each for slug, part in self.file.resources.items() for each in self._resources(slug, part)]
        return Hub(
            contacts=tuple(
                Contact(slug, part.name, part.email, part.telephone, part.url, part.hours)
                for slug, part in self.file.contacts.items()
            ),
            terms=tuple(self._terms()),
            places=tuple(self._place(slug, part) for slug, part in self.file.places.items()),
            resources=tuple(resources),
            blackouts=tuple(self._blackout(slug, part) for slug, part in self.file.blackouts.items()),
            sources=tuple(self._sources()),
            offers=tuple(self._offers()),
        )

    def judge(self, hub: Hub) -> None:
        """What can only be said of whole entities: the tree of places, and what the contract would refuse later."""
        places = {each.place_id: each for each in hub.places}
        for place in hub.places:
            problem = tree.misplaced(place, places)
            for each in (*([problem] if problem else []), *checks.place_problems(place), *travelling.faults(place)):
                self._fault(("places", place.place_id), f"{each.pointer} {each.code}")
        others: list[tuple[str, str, Resource | Contact | Term | Blackout]] = [
            *(("resources", each.resource_id, each) for each in hub.resources),
            *(("contacts", each.contact_id, each) for each in hub.contacts),
            *(("terms", f"{each.scheme}:{each.code}", each) for each in hub.terms),
            *(("blackouts", each.blackout_id, each) for each in hub.blackouts),
        ]
        for kind, name, entity in others:
            for each in travelling.faults(entity):
                self._fault((kind, name), f"{each.pointer} {each.code}")

    def _fault(self, path: Path, message: str) -> None:
        self.faults.append(told(path, message, self.lines))

    def _known(self, name: str, names: Mapping[str, object], path: Path) -> str:
        if name not in names:
            self._fault(path, f"{name!r} stands nowhere in this file")
        return name

    def _terms(self) -> Iterable[Term]:
        for key, part in self.file.terms.items():
            scheme, colon, code = key.partition(":")
            if not colon:
                self._fault(("terms", key), "a term is written <scheme>:<code>")
            if part.parent is not None:
                self._known(f"{scheme}:{part.parent}", self.file.terms, ("terms", key, "parent"))
            yield Term(scheme, code, part.label, part.parent)

    def _place(self, slug: str, part: PlacePart) -> Place:
        if part.within is not None:
            self._known(part.within, self.file.places, ("places", slug, "within"))
        if part.holidays is not None and not public_holidays.is_region(part.holidays):
            self._fault(("places", slug, "holidays"), f"{part.holidays!r} is no region with known public holidays")
        address = part.address
        return Place(
            place_id=slug,
            kind=part.kind,
            name=part.name,
            parent_id=part.within,
            address=Address(address.street, address.postal_code, address.city, address.country) if address else None,
            lat=part.lat,
            lon=part.lon,
            hours=None if part.hours is None else week_hours(part.hours),
            exceptions=None if part.exceptions is None else day_exceptions(part.exceptions),
            accessibility=part.accessibility,
            capacity=part.capacity,
            holidays=part.holidays,
            apply_holidays=part.apply_holidays,
        )

    def _resources(self, slug: str, part: ResourcePart) -> Iterable[Resource]:
        self._known(part.place, self.file.places, ("resources", slug, "place"))
        if part.kind == "pool" and part.capacity is None:
            self._fault(("resources", slug), "a pool has a capacity")
        one = Resource(
            resource_id=slug,
            kind=part.kind,
            place_id=part.place,
            name=part.name,
            capacity=part.capacity,
            features=tuple(part.features),
            hours=None if part.hours is None else week_hours(part.hours),
            exceptions=None if part.exceptions is None else day_exceptions(part.exceptions),
            setup_minutes=part.setup_minutes,
            teardown_minutes=part.teardown_minutes,
        )
        if part.count is None:
            return [one]
        self.numbered[slug] = [f"{slug}-{n}" for n in range(1, part.count + 1)]
        return [
            replace(one, resource_id=name, name={tag: f"{text} {n}" for tag, text in part.name.items()})
            for n, name in enumerate(self.numbered[slug], 1)
        ]

    def _blackout(self, slug: str, part: BlackoutPart) -> Blackout:
        path = ("blackouts", slug)
        scopes: dict[BlackoutScope, str] = {}
        if part.place is not None:
            scopes["place"] = self._known(part.place, self.file.places, (*path, "place"))
        if part.resource is not None:
            scopes["resource"] = self._known(part.resource, self._resource_names(), (*path, "resource"))
        if part.offer is not None:
            self._known(part.offer, self.file.offers, (*path, "offer"))
            scopes["offer"] = self._offer_id(part.offer)
        if len(scopes) > 1:
            self._fault(path, "a closure has one scope")
        scope: BlackoutScope = next(iter(scopes), "hub")
        start, end = self._instant(part.begin, (*path, "begin")), self._instant(part.end, (*path, "end"))
        if start >= end:
            self._fault((*path, "end"), "the end has to be after the beginning")
        return Blackout(slug, scope, start, end, part.cause, scopes.get(scope), part.note)

    def _instant(self, text: str, path: Path) -> datetime:
        local = self._local(text, path)
        resolved = resolve_stated(local, ZoneInfo(self.file.hub.time_zone))
        if isinstance(resolved, Choices):
            word = "does not exist" if resolved.oddity == "gap" else "comes twice"
            self._fault(path, f"{text} {word} that day: {resolved.first.isoformat()} or {resolved.second.isoformat()}")
            return resolved.first
        return resolved

    def _local(self, text: str, path: Path) -> datetime:
        try:
            return local_time(text)
        except ValueError as exc:
            self._fault(path, str(exc))
            return datetime(2000, 1, 1)  # noqa: DTZ001 wall time; the file is refused anyway

    def _resource_names(self) -> Mapping[str, object]:
        single = {slug for slug in self.file.resources if slug not in self.numbered}
        return dict.fromkeys(single.union(*self.numbered.values()) if self.numbered else single)

    def _offer_id(self, slug: str) -> str:
        return offer_id_of(self.hub_id, f"offer/{slug}", self.derive)

    def _sources(self) -> Iterable[ImportSource]:
        for slug, part in self.file.import_sources.items():
            path = ("import_sources", slug, "offer")
            # What the file says of its own offers, that somebody looked at them, is not true of foreign ones.
            template = replace(
                self._offer(f"source-{slug}", part.offer, path),
                last_verified_at=None,
                verified_by_role=None,
                simple_review=None,
            )
            names, where = self._resource_names(), ("import_sources", slug, "occupies")
            occupies = [self._known(each, names, where) for each in part.occupies]
            if template.schedules:
                self._fault((*path, "schedules"), "dates come from the source")
            yield ImportSource(slug, part.format, template, part.trusted, part.capacity, tuple(occupies))

    def _offers(self) -> Iterable[OfferRecord]:
        for slug, part in self.file.offers.items():
            publish = _either(part.publish, self.file.defaults.publish)
            yield OfferRecord(slug, self._offer(slug, part, ("offers", slug)), True if publish is None else publish)

    def _offer(self, slug: str, part: OfferPart, path: Path) -> Offer:
        common = self.file.defaults
        kind: OfferKind = _either(part.kind, common.kind) or "info"
        if part.kind is None and common.kind is None:
            self._fault(path, "an offer has a kind")
        contact = _either(part.contact, common.contact)
        if contact is not None:
            self._known(contact, self.file.contacts, (*path, "contact"))
        places = _either(part.places, common.places) or []
        review, verified = _either(part.simple_review, common.simple_review), _either(part.verified, common.verified)
        offer = Offer(
            offer_id=self._offer_id(slug),
            kind=kind,
            time_zone=self.file.hub.time_zone,
            visibility=_either(part.visibility, common.visibility) or "public",
            title=part.title,
            teaser=part.teaser,
            description=part.description,
            procedure=part.procedure or common.procedure,
            required_documents=part.required_documents,
            legal_basis=part.legal_basis,
            simple_review=None if review is None else Review(*_review(review)),
            delivery_languages=tuple(_either(part.languages, common.languages) or ()),
            place_ids=tuple(self._known(each, self.file.places, (*path, "places")) for each in places),
            attendance=_either(part.attendance, common.attendance) or "onsite",
            online_url=part.online_url,
            visitor_notes=part.visitor_notes or common.visitor_notes,
            accessibility=part.accessibility,
            schedules=tuple(self._schedule(slug, n, each, (*path, "schedules", n)) for n, each in enumerate(part.schedules)),
            prices=tuple(
                Price(each.label, each.cents, each.currency, each.eligibility)
                for each in _either(part.prices, common.prices) or ()
            ),
            is_free=bool(_either(part.free, common.free)) and not part.prices,
            audience=tuple(_either(part.audience, common.audience) or ()),
            age_min=part.age_min,
            age_max=part.age_max,
            terms=tuple(self._term(each, (*path, "terms")) for each in _either(part.terms, common.terms) or ()),
            keywords=tuple(_either(part.keywords, common.keywords) or ()),
            contact_id=contact,
            data_category=_either(part.data_category, common.data_category) or "normal",
            partner_mode=_either(part.partner_mode, common.partner_mode) or "none",
            booking_url=part.booking_url,
            booking=self._booking(part.booking or common.booking, (*path, "booking")),
            last_verified_at=None if verified is None else _review(verified)[0],
            verified_by_role=None if verified is None else verified.role,
            licence=_either(part.licence, common.licence) or "CC-BY-4.0",
        )
        for problem in checks.offer_problems(offer, hub_id=self.hub_id):
            self._fault((*path, *problem.pointer.strip("/").split("/")), problem.code)
        return offer

    def _term(self, key: str, path: Path) -> TermKey:
        scheme, _, code = self._known(key, self.file.terms, path).partition(":")
        return TermKey(scheme, code)

    def _schedule(self, slug: str, number: int, part: SchedulePart, path: Path) -> Schedule:
        start = self._local(part.start, (*path, "start"))
        rule = part.rrule
        if rule is not None:
            try:
                rule = checked_rule(rule)
            except BadRule as exc:
                self._fault((*path, "rrule"), str(exc))
        for each in part.occupies:
            self._known(each, self._resource_names(), (*path, "occupies"))
        offer_uuid = UUID(self._offer_id(slug).rsplit(":", 1)[1])
        return Schedule(
            schedule_id=str(self.derive(offer_uuid, f"schedule/{number}")),
            local_start=start,
            duration_minutes=part.duration_minutes,
            time_zone=self.file.hub.time_zone,
            rrule=rule,
            exdates=tuple(datetime.combine(each, start.time()) for each in part.without),
            valid_until=part.until,
            capacity=part.capacity,
            occupies=tuple(part.occupies),
        )

    def _booking(self, part: BookingPart | None, path: Path) -> Booking:
        if part is None:
            return Booking()
        rules: dict[str, object] = {}
        for name in part.rules:
            rules |= self.file.booking_rules.get(self._known(name, self.file.booking_rules, (*path, "rules")), {})
        rules |= part.own
        components = []
        for n, each in enumerate(part.components):
            names: list[str] = []
            for name in each.resources:
                names += self.numbered.get(name) or [
                    self._known(name, self._resource_names(), (*path, "components", n, "resources"))
                ]
            components.append(
                Component(
                    each.id, each.kind, tuple(names), each.choose, each.optional, each.setup_minutes, each.teardown_minutes
                )
            )
        return Booking(part.mode, tuple(components), rules)


def _either(own: T | None, common: T | None) -> T | None:
    return common if own is None else own


def _review(part: ReviewPart) -> tuple[datetime, str]:
    return datetime.combine(part.on, time(12), UTC), part.role
