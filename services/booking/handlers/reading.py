"""From rows to the occupancy that a set of wishes is judged on; the same reading serves decisions and questions."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from hubkit.db import ReadConn, Tx
from services.booking.domain import quotas
from services.booking.domain.claims import Wish
from services.booking.domain.codes import Kind, Per
from services.booking.domain.evaluation import candidates, spans, windows
from services.booking.domain.occupancy import Occupancy, Places
from services.booking.domain.offers import Offer, Resource
from services.booking.store import occupancy as store
from services.booking.store.occupancy import Window

Wanted = tuple[Resource, datetime, datetime]
Asked = tuple[Offer, Wish]


async def read_occupancy(
    conn: ReadConn | Tx,
    asked: Sequence[Asked],
    *,
    used: Mapping[str, int],
    now: datetime,
    further: Iterable[Wanted] = (),
    ignore: UUID | None = None,
) -> Occupancy:
    """What is taken wherever one of the wishes could be placed, and in the `further` windows.

    `used` are the counters of all sessions concerned, as locked or read. `ignore`: a booking that does not count.
    """
    occupancy = Occupancy()
    sessions = {
        resource.resource_id
        for offer, _ in asked
        if (session := offer.session) is not None
        for resource in session.resources
        if resource.resource_id in used
    }
    kept = await store.read_kept_places(conn, sessions, now) if sessions else {}
    occupancy.sessions = {name: Places(count, kept.get(name, 0)) for name, count in used.items()}
    if ignore is not None:
        for name, quantity in (await store.read_places_of(conn, ignore)).items():
            if name in occupancy.sessions:
                occupancy.sessions[name].used -= quantity
    wanted = [window for offer, wish in asked for window in windows(offer, wish)]
    await _read_taken(conn, occupancy, _by_day([*wanted, *further]), now, ignore)
    await _read_people(conn, occupancy, asked, now, ignore)
    contested = {
        resource.resource_id
        for offer, wish in asked
        if offer.approval is not None and not offer.approval.blocks
        for resource in candidates(offer, wish)
    }
    if contested:
        for resource_id, taken in await store.read_competing(conn, contested):
            occupancy.competing.setdefault(resource_id, []).append(taken)
    return occupancy


def _by_day(wanted: Iterable[Wanted]) -> list[Wanted]:
    """One window per resource and day on which windows begin: their hull; those that meet are one.

    One hull over all days would be the whole calendar of the resource.
    """
    hulls: dict[tuple[str, int], Wanted] = {}
    for resource, low, high in wanted:
        key = (resource.resource_id, low.toordinal())
        known = hulls.get(key)
        hulls[key] = (resource, low, high) if known is None else (resource, min(known[1], low), max(known[2], high))
    merged: dict[str, list[Wanted]] = {}
    for resource, low, high in sorted(hulls.values(), key=lambda window: window[1]):
        windows_of = merged.setdefault(resource.resource_id, [])
        if windows_of and low <= windows_of[-1][2]:
            windows_of[-1] = (resource, windows_of[-1][1], max(windows_of[-1][2], high))
        else:
            windows_of.append((resource, low, high))
    return [window for windows_of in merged.values() for window in windows_of]


async def _read_taken(
    conn: ReadConn | Tx, occupancy: Occupancy, hulls: Sequence[Wanted], now: datetime, ignore: UUID | None
) -> None:
    if not hulls:
        return
    wanted = [Window(resource.resource_id, resource.unit_no, resource.pool_no, low, high) for resource, low, high in hulls]
    seen: set[tuple[UUID, str, str, bool, datetime]] = set()
    for n, booking_id, component_id, start, end, low, high, quantity, kept in await store.read_taken(conn, wanted, now, ignore):
        resource = hulls[n][0]
        identity = (booking_id, component_id, resource.resource_id, kept, low)
        if identity in seen:  # over midnight it meets the windows of two days
            continue
        seen.add(identity)
        occupancy.take(resource.resource_id, resource.kind, (low, high, start, end, booking_id, kept), quantity)
    for resource, low, high in hulls:
        if resource.kind is not Kind.SESSION:
            occupancy.known.setdefault(resource.resource_id, []).append((low, high))


async def _read_people(
    conn: ReadConn | Tx, occupancy: Occupancy, asked: Sequence[Asked], now: datetime, ignore: UUID | None
) -> None:
    people: dict[tuple[UUID, str], tuple[datetime, datetime]] = {}
    groups: dict[tuple[str, str], tuple[datetime, datetime]] = {}
    for offer, wish in asked:
        if not offer.limits or not (booked := spans(offer, wish)):
            continue
        low, high = quotas.reading_window(offer, booked, now)
        if wish.person_id is not None:
            for key in {limit.key for limit in offer.limits if limit.per is Per.PERSON}:
                known = people.get((wish.person_id, key), (low, high))
                people[wish.person_id, key] = min(known[0], low), max(known[1], high)
        for contingent in quotas.keys_of_groups(offer, wish.groups):
            known = groups.get(contingent, (low, high))
            groups[contingent] = min(known[0], low), max(known[1], high)
    if people:
        wanted = [(person, key, low, high) for (person, key), (low, high) in people.items()]
        for person_id, key, counted in await store.read_counted(conn, wanted, ignore):
            occupancy.count(person_id, key, counted)
    if groups:
        spread = [(group, key, low, high) for (group, key), (low, high) in groups.items()]
        for group, key, counted in await store.read_counted_groups(conn, spread, ignore):
            occupancy.count_group(group, key, counted)
