"""Offers: from the published state to the copies that are kept, and from the copies to rules that can be asked."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from contracts.booking import rules as contract
from contracts.booking.rules import BookingRules
from contracts.catalog import OfferPublished, OfferWithdrawn
from contracts.envelope import READER
from services.booking.domain.codes import Choose, Kind, Lead, Measure, Per, Queue, Window
from services.booking.domain.copies import OfferCopy, ResourceCopy, Status
from services.booking.domain.hours import Blackouts, LocalSpan, Opening
from services.booking.domain.offers import Approval, CheckInRules, Component, Limit, Offer, Resource, Waitlist, serves
from services.booking.domain.zones import zone

FALLBACK_ZONE = "Etc/UTC"
RELEASE_MINUTES = 15  # booking.md §3


def copies_of(offer: OfferPublished) -> tuple[OfferCopy, list[ResourceCopy]]:
    """What is kept of a published state: the offer without its resources, and these."""
    rules = offer.booking.model_copy(update={"resources": ()}).to_json().decode()
    resources = [resource_copy(resource) for resource in offer.booking.resources]
    named = {resource_id for part in offer.booking.components for resource_id in part.resource_ids}
    keys = {limit.key for limit in offer.booking.limits}
    content = "\n".join((offer.hub_id, offer.status, offer.time_zone, offer.partner_mode, rules))
    copy = OfferCopy(
        offer_id=offer.offer_id,
        hub_id=offer.hub_id,
        revision=offer.revision,
        status=Status(offer.status),
        time_zone=offer.time_zone,
        partner_mode=offer.partner_mode,
        rules=rules,
        content_hash=hashlib.sha256(content.encode()).digest(),
        resource_ids=sorted(named),
        limit_keys=sorted(keys),
    )
    return copy, resources


def withdrawn_copy(offer: OfferWithdrawn, known: OfferCopy | None) -> OfferCopy:
    """The copy of an offer that is gone: what was known of its rules stays, since its bookings stand."""
    return OfferCopy(
        offer_id=offer.offer_id,
        hub_id=offer.hub_id,
        revision=offer.revision,
        status=Status.WITHDRAWN,
        time_zone=known.time_zone if known else FALLBACK_ZONE,
        partner_mode=known.partner_mode if known else "none",
        rules=known.rules if known else "{}",
        content_hash=hashlib.sha256(b"withdrawn").digest(),
        resource_ids=known.resource_ids if known else (),
        limit_keys=known.limit_keys if known else (),
    )


def offer_of(copy: OfferCopy, resources: Mapping[str, ResourceCopy]) -> Offer:
    """The rules made ready. A component keeps the resources that are known and of its kind, in list order.

    Of an unknown time zone nothing can be said: such an offer is not served.
    """
    rules = BookingRules.model_validate_json(copy.rules, extra="ignore", context=READER)
    try:
        where, known_zone = zone(copy.time_zone), True
    except LookupError:
        where, known_zone = zone(FALLBACK_ZONE), False
    ready: dict[str, Resource] = {}
    for resource_id in copy.resource_ids:
        if resource_id in resources:
            ready[resource_id] = resource_of(resources[resource_id], where.key)
    components = tuple(_component(part, ready) for part in rules.components)
    return Offer(
        offer_id=copy.offer_id,
        revision=copy.revision,
        where=where,
        published=copy.status is Status.PUBLISHED,
        served=known_zone and serves(rules.mode, components),
        federated=copy.partner_mode == "federated",
        components=components,
        opening=_opening(rules.hours, rules.exceptions, where.key),
        blackouts=_blackouts(rules.blackouts),
        bookable_from=rules.bookable_from,
        bookable_until=rules.bookable_until,
        lead=rules.lead.value,
        lead_unit=Lead(rules.lead.unit),
        horizon_days=rules.horizon_days,
        grid=None if rules.grid_minutes is None else timedelta(minutes=rules.grid_minutes),
        shortest=timedelta(minutes=rules.min_minutes),
        longest=timedelta(minutes=rules.max_minutes),
        lengths=None if rules.durations is None else frozenset(timedelta(minutes=n) for n in rules.durations),
        quantity_most=rules.max_quantity,
        permitted_groups=None if rules.permitted_groups is None else frozenset(rules.permitted_groups),
        limits=tuple(
            Limit(limit.key, Per(limit.per), limit.group, Measure(limit.unit), Window(limit.window), limit.max)
            for limit in rules.limits
        ),
        cancel_ahead=timedelta(minutes=rules.cancel.until_minutes),
        cancel_late=rules.cancel.after is contract.AfterDeadline.LATE,
        resale_delay=timedelta(minutes=rules.resale_delay_minutes),
        approval=_approval(rules),
        waitlist=Waitlist(
            Queue(rules.waitlist.mode),
            timedelta(minutes=rules.waitlist.offer_minutes),
            timedelta(minutes=rules.waitlist.promote_until_minutes),
            rules.waitlist.max_entries,
        ),
        check_in=_check_in(rules, components),
        hold=timedelta(minutes=rules.hold_minutes),
        rebook=timedelta(days=rules.rebook_days),
        cancelled=copy.status is Status.CANCELLED,
    )


def _approval(rules: BookingRules) -> Approval | None:
    if rules.mode is not contract.BookingMode.REQUEST:
        return None
    stated = rules.approval
    return Approval(stated.blocks, timedelta(minutes=stated.decide_within_minutes), frozenset(stated.auto_groups))


def _check_in(rules: BookingRules, components: tuple[Component, ...]) -> CheckInRules:
    """By kind: sessions are not freed early, everything else after a quarter of an hour."""
    stated = rules.check_in
    minutes = stated.release_after_minutes
    if isinstance(minutes, str):
        minutes = None if any(part.kind is Kind.SESSION for part in components) else RELEASE_MINUTES
    release = None if minutes is None else timedelta(minutes=minutes)
    return CheckInRules(stated.required, timedelta(minutes=stated.opens_minutes), release)


def uuid_of(offer_id: str) -> UUID:
    """The UUID part of an offer's id: the namespace of what is derived from it (bus.md §1)."""
    return UUID(offer_id.rpartition(":")[2])


def resource_copy(resource: contract.Resource) -> ResourceCopy:
    """What is kept of a published resource; numbers are drawn by the database."""
    rules = resource.to_json()
    return ResourceCopy(
        resource_id=resource.resource_id,
        kind=resource.kind,
        capacity=resource.capacity,
        revision=resource.revision,
        rules=rules.decode(),
        content_hash=hashlib.sha256(rules).digest(),
        occupies=resource.occupies,
    )


def blackouts_of(rules: str, *, of_offer: bool) -> frozenset[tuple[datetime, datetime, str]]:
    """(start, end, cause) of each blackout in the kept rules of an offer or a resource."""
    model = BookingRules if of_offer else contract.Resource
    stated = model.model_validate_json(rules, extra="ignore", context=READER)
    return frozenset((blackout.start, blackout.end, blackout.cause) for blackout in stated.blackouts)


def resource_of(copy: ResourceCopy, zone_name: str) -> Resource:
    """A resource made ready, its local times meant in that zone."""
    rules = contract.Resource.model_validate_json(copy.rules, extra="ignore", context=READER)
    return Resource(
        resource_id=copy.resource_id,
        kind=Kind(copy.kind),
        revision=copy.revision,
        capacity=copy.capacity,
        opening=_opening(rules.hours, rules.exceptions, zone_name),
        blackouts=_blackouts(rules.blackouts),
        setup=timedelta(minutes=rules.setup_minutes),
        teardown=timedelta(minutes=rules.teardown_minutes),
        features=frozenset(rules.features),
        unit_no=copy.unit_no,
        pool_no=copy.pool_no,
        start=rules.start,
        end=rules.end,
        scheduled=rules.status is contract.SessionStatus.SCHEDULED,
        occupies=rules.occupies,
    )


def _component(part: contract.Component, ready: Mapping[str, Resource]) -> Component:
    kind = Kind(part.kind)
    resources = tuple(ready[name] for name in part.resource_ids if name in ready and ready[name].kind is kind)
    return Component(
        component_id=part.component_id,
        kind=kind,
        resources=resources,
        choose=Choose(part.choose),
        optional=part.optional,
        setup=None if part.setup_minutes is None else timedelta(minutes=part.setup_minutes),
        teardown=None if part.teardown_minutes is None else timedelta(minutes=part.teardown_minutes),
        features=frozenset(feature for resource in resources for feature in resource.features),
    )


def _opening(hours: contract.Hours, exceptions: contract.Exceptions, zone_name: str) -> Opening | None:
    if not hours and not exceptions:
        return None
    weekly: list[list[LocalSpan]] = [[] for _ in range(7)]
    for interval in hours:
        weekly[interval.weekday - 1].append((_minutes(interval.from_), _minutes(interval.to)))
    dated = {day.date: [(_minutes(i.from_), _minutes(i.to)) for i in day.hours] for day in exceptions}
    return Opening(weekly if hours else None, dated, zone(zone_name))


def _minutes(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


def _blackouts(blackouts: contract.Blackouts) -> Blackouts:
    return Blackouts([(blackout.start, blackout.end) for blackout in blackouts])
