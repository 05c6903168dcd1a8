"""Claims and their allocations: read by id, written in bulk. Nothing here is called without the resources' locks."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
from asyncpg import Range

from hubkit.db import ReadConn, Tx
from hubkit.errors import BackstopHit, Repeat
from services.booking.domain.claims import Booking, Claimant, ClaimantKind, Part
from services.booking.domain.codes import BLOCKING, State

NO_OVERLAP = "no_overlap"

_BOOKING_COLUMNS = (
    "booking_id", "offer_id", "offer_revision", "claimant_kind", "person_id", "hub_id", "booking_ref", "purpose", "state",
    "version", "start", "end", "time_zone", "quantity", "needs", "check_in_code",
)  # fmt: skip
_ALLOCATION_COLUMNS = (
    "booking_id", "component_id", "resource_id", "unit_no", "pool_no", "booked", "occupied", "quantity", "blocking",
    "resale_after",
)  # fmt: skip


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
        await tx.copy_records_to_table(
            "bookings",
            columns=_BOOKING_COLUMNS,
            records=[
                (
                    b.booking_id, b.offer_id, b.offer_revision, b.claimant.kind, b.claimant.person_id, b.claimant.hub_id,
                    b.claimant.booking_ref, b.claimant.purpose, b.state, b.version, b.start, b.end, b.time_zone, b.quantity,
                    b.needs, b.check_in_code,
                )
                for b in bookings
            ],
        )  # fmt: skip
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
    try:
        await tx.copy_records_to_table(
            "allocations",
            columns=_ALLOCATION_COLUMNS,
            records=[
                (
                    booking.booking_id, part.component_id, part.resource_id, part.unit_no, part.pool_no,
                    Range(booking.start, booking.end), Range(part.occupied_start, part.occupied_end), part.quantity,
                    booking.state in BLOCKING, resale_after.get(booking.booking_id),
                )
                for booking in bookings
                for part in booking.parts
            ],
        )  # fmt: skip
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
