"""Claims and their allocations: read by id, written in bulk. Nothing here is called without the resources' locks."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from hubkit.db import ReadConn, Tx
from hubkit.errors import BackstopHit, Repeat
from services.booking.domain.claims import Booking, Claimant, ClaimantKind, Part
from services.booking.domain.codes import BLOCKING, State

NO_OVERLAP = "no_overlap"


@dataclass(frozen=True, slots=True)
class Change:
    """A booking in its new state, and the version it had when it was read: the update is a compare-and-set on that."""

    booking: Booking
    version_before: int


async def read_places(conn: ReadConn | Tx, booking_ids: Collection[UUID]) -> dict[UUID, tuple[str, list[str]]]:
    """Booking id -> (offer id, ids of the resources it holds): what a command about it must lock. Unlocked."""
    rows = await conn.fetch(
        """
        SELECT b.booking_id, b.offer_id, array_remove(array_agg(a.resource_id), NULL)
        FROM bookings AS b
        LEFT JOIN allocations AS a ON a.booking_id = b.booking_id AND a.blocking
        WHERE b.booking_id = ANY ($1::uuid[])
        GROUP BY b.booking_id
        """,
        list(booking_ids),
    )
    return {row[0]: (row[1], row[2]) for row in rows}


async def read_bookings(conn: ReadConn | Tx, booking_ids: Collection[UUID]) -> list[Booking]:
    """The bookings with what they hold now, in no particular order; unknown ids are left out."""
    rows = await conn.fetch(
        """
        SELECT booking_id, offer_id, offer_revision, claimant_kind, person_id, hub_id, booking_ref, purpose, state, version,
               start, "end", time_zone, quantity, needs, check_in_code
        FROM bookings
        WHERE booking_id = ANY ($1::uuid[])
        """,
        list(booking_ids),
    )
    parts = await _read_parts(conn, [row[0] for row in rows])
    return [
        Booking(
            booking_id=row[0],
            offer_id=row[1],
            offer_revision=row[2],
            claimant=Claimant(ClaimantKind(row[3]), row[4], row[5], row[6], row[7]),
            state=State(row[8]),
            version=row[9],
            start=row[10],
            end=row[11],
            time_zone=row[12],
            quantity=row[13],
            needs=frozenset(row[14]),
            check_in_code=row[15],
            parts=tuple(parts.get(row[0], ())),
        )
        for row in rows
    ]


async def _read_parts(conn: ReadConn | Tx, booking_ids: Collection[UUID]) -> dict[UUID, list[Part]]:
    """What the bookings hold, or last held: freed allocations of ended bookings still say where they were."""
    rows = await conn.fetch(
        """
        SELECT booking_id, component_id, resource_id, unit_no, pool_no, quantity, lower(occupied), upper(occupied)
        FROM allocations
        WHERE booking_id = ANY ($1::uuid[])
        ORDER BY booking_id, component_id
        """,
        list(booking_ids),
    )
    parts: dict[UUID, list[Part]] = {}
    for row in rows:
        parts.setdefault(row[0], []).append(Part(*row[1:]))
    return parts


async def insert_bookings(tx: Tx, bookings: Sequence[Booking]) -> None:
    """One row each, in its final state of this poll. Errors: `Repeat` if another process made one of them."""
    try:
        await tx.execute(
            """
            INSERT INTO bookings (booking_id, offer_id, offer_revision, claimant_kind, person_id, hub_id, booking_ref, purpose,
                                  state, version, start, "end", time_zone, quantity, needs, check_in_code)
            SELECT w.booking_id, w.offer_id, w.offer_revision, w.claimant_kind, w.person_id, w.hub_id, w.booking_ref, w.purpose,
                   w.state, w.version, w.start, w."end", w.time_zone, w.quantity, string_to_array(w.needs, ' '), w.check_in_code
            FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::uuid[], $6::text[], $7::uuid[], $8::text[],
                        $9::text[], $10::integer[], $11::timestamptz[], $12::timestamptz[], $13::text[], $14::integer[],
                        $15::text[], $16::text[])
                 AS w (booking_id, offer_id, offer_revision, claimant_kind, person_id, hub_id, booking_ref, purpose, state,
                       version, start, "end", time_zone, quantity, needs, check_in_code)
            """,
            [b.booking_id for b in bookings],
            [b.offer_id for b in bookings],
            [b.offer_revision for b in bookings],
            [b.claimant.kind for b in bookings],
            [b.claimant.person_id for b in bookings],
            [b.claimant.hub_id for b in bookings],
            [b.claimant.booking_ref for b in bookings],
            [b.claimant.purpose for b in bookings],
            [b.state for b in bookings],
            [b.version for b in bookings],
            [b.start for b in bookings],
            [b.end for b in bookings],
            [b.time_zone for b in bookings],
            [b.quantity for b in bookings],
            [" ".join(sorted(b.needs)) for b in bookings],  # unnest would flatten arrays in an array; codes have no blanks
            [b.check_in_code for b in bookings],
        )
    except asyncpg.UniqueViolationError as exc:
        raise Repeat from exc


async def update_bookings(tx: Tx, changes: Sequence[Change]) -> None:
    """State and version of bookings that stood already. Errors: `Repeat` if one of them is no longer at its version."""
    status = await tx.execute(
        """
        UPDATE bookings AS b
        SET state = w.state, version = w.version
        FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::integer[]) AS w (booking_id, state, version, version_before)
        WHERE b.booking_id = w.booking_id AND b.version = w.version_before
        """,
        [change.booking.booking_id for change in changes],
        [change.booking.state for change in changes],
        [change.booking.version for change in changes],
        [change.version_before for change in changes],
    )
    if status != f"UPDATE {len(changes)}":
        raise Repeat


async def insert_allocations(tx: Tx, bookings: Sequence[Booking], resale_after: Mapping[UUID, datetime]) -> None:
    """What new bookings hold; rows of one that ended in the same poll do not block. Errors: `BackstopHit` on an overlap."""
    rows = [(booking, part) for booking in bookings for part in booking.parts]
    try:
        await tx.execute(
            """
            INSERT INTO allocations (booking_id, component_id, resource_id, unit_no, pool_no, booked, occupied, quantity,
                                     blocking, resale_after)
            SELECT w.booking_id, w.component_id, w.resource_id, w.unit_no, w.pool_no, tstzrange(w.start, w."end"),
                   tstzrange(w.occupied_start, w.occupied_end), w.quantity, w.blocking, w.resale_after
            FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::timestamptz[], $7::timestamptz[],
                        $8::timestamptz[], $9::timestamptz[], $10::integer[], $11::boolean[], $12::timestamptz[])
                 AS w (booking_id, component_id, resource_id, unit_no, pool_no, start, "end", occupied_start, occupied_end,
                       quantity, blocking, resale_after)
            """,
            [booking.booking_id for booking, _ in rows],
            [part.component_id for _, part in rows],
            [part.resource_id for _, part in rows],
            [part.unit_no for _, part in rows],
            [part.pool_no for _, part in rows],
            [booking.start for booking, _ in rows],
            [booking.end for booking, _ in rows],
            [part.occupied_start for _, part in rows],
            [part.occupied_end for _, part in rows],
            [part.quantity for _, part in rows],
            [booking.state in BLOCKING for booking, _ in rows],
            [resale_after.get(booking.booking_id) for booking, _ in rows],
        )
    except asyncpg.ExclusionViolationError as exc:
        if exc.constraint_name != NO_OVERLAP:
            raise
        raise BackstopHit(NO_OVERLAP) from exc


async def free_allocations(tx: Tx, booking_ids: Sequence[UUID], resale_after: Mapping[UUID, datetime]) -> None:
    """Let go of all that these bookings hold. Before new allocations are written, so that a swap passes the constraint."""
    await tx.execute(
        """
        UPDATE allocations AS a
        SET blocking = false, resale_after = w.resale_after
        FROM unnest($1::uuid[], $2::timestamptz[]) AS w (booking_id, resale_after)
        WHERE a.booking_id = w.booking_id AND a.blocking
        """,
        list(booking_ids),
        [resale_after.get(booking_id) for booking_id in booking_ids],
    )
