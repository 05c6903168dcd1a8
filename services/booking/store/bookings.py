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
from services.booking.domain.codes import State
from services.booking.domain.desk import Left
from services.booking.store.wishes import dump_wish, load_wish

NO_OVERLAP = "no_overlap"

_BOOKING_COLUMNS = (
    "booking_id", "offer_id", "offer_revision", "claimant_kind", "person_id", "hub_id", "booking_ref", "purpose", "state",
    "version", "start", "end", "time_zone", "quantity", "needs", "check_in_code", "groups", "next_due_at", "wish", "competing",
    "queue_no", "waits_for", "series_id", "occurrence_no", "hold_expires_at", "offer_expires_at", "overbook_reason",
    "free_to_cancel", "given_back_at",
)  # fmt: skip
_ALLOCATION_COLUMNS = (
    "booking_id", "component_id", "resource_id", "unit_no", "pool_no", "booked", "occupied", "quantity", "blocking",
    "resale_after", "n", "competing", "superseded",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """A booking as it was read and as it is now: the update is a compare-and-set on the former's version."""

    before: Booking
    after: Booking


async def read_bookings(conn: ReadConn | Tx, booking_ids: Collection[UUID]) -> list[Booking]:
    """The bookings with what they hold, or last held, in no particular order; unknown ids are left out."""
    rows = await conn.fetch(
        """
        SELECT booking_id, offer_id, offer_revision, claimant_kind, person_id, hub_id, booking_ref, purpose, state, version,
               start, "end", time_zone, quantity, needs, check_in_code, groups, next_due_at, wish, competing, queue_no,
               waits_for, series_id, occurrence_no, hold_expires_at, offer_expires_at, overbook_reason, free_to_cancel,
               given_back_at, anonymised_at IS NOT NULL
        FROM bookings
        WHERE booking_id = ANY ($1::uuid[])
        """,
        list(booking_ids),
    )
    parts = await _read_parts(conn, [row[0] for row in rows])
    return [_booking(row, tuple(parts.get(row[0], ()))) for row in rows]


def _booking(row: asyncpg.Record, parts: tuple[Part, ...]) -> Booking:
    """In the order of the columns that `read_bookings` selects."""
    claimant = Claimant(ClaimantKind(row[3]), row[4], row[5], row[6], row[7])
    return Booking(
        row[0], row[1], row[2], claimant, State(row[8]), row[9], row[10], row[11], row[12], row[13], frozenset(row[14]),
        row[15], parts, groups=frozenset(row[16]), due_at=row[17], wish=load_wish(row[18]), competing=row[19], queue_no=row[20],
        waits_for=frozenset(row[21] or ()), series_id=row[22], occurrence_no=row[23], hold_expires_at=row[24],
        offer_expires_at=row[25], overbook_reason=row[26], free_to_cancel=row[27], given_back_at=row[28], anonymised=row[29],
    )  # fmt: skip


async def _read_parts(conn: ReadConn | Tx, booking_ids: Collection[UUID]) -> dict[UUID, list[Part]]:
    """What the bookings hold, or last held: freed allocations of ended bookings still say where they were."""
    rows = await conn.fetch(
        """
        SELECT booking_id, component_id, resource_id, unit_no, pool_no, quantity, lower(occupied), upper(occupied)
        FROM allocations
        WHERE booking_id = ANY ($1::uuid[]) AND NOT superseded
        ORDER BY booking_id, n
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
                    b.needs, b.check_in_code, b.groups, b.due_at, dump_wish(b.wish), b.competing, b.queue_no,
                    sorted(b.waits_for) or None, b.series_id, b.occurrence_no, b.hold_expires_at, b.offer_expires_at,
                    b.overbook_reason, b.free_to_cancel, b.given_back_at,
                )
                for b in bookings
            ],
        )  # fmt: skip
    except asyncpg.UniqueViolationError as exc:
        raise Repeat from exc


async def update_bookings(tx: Tx, changes: Sequence[Change]) -> None:
    """All that may change of bookings that stood already. Errors: `Repeat` if one is no longer at its version.

    What was waited for does not change while it is waited for, and is forgotten then.
    """
    after = [change.after for change in changes]
    status = await tx.execute(
        """
        UPDATE bookings AS b
        SET state = w.state, version = w.version, start = w.start, "end" = w."end", quantity = w.quantity,
            offer_revision = w.offer_revision, next_due_at = w.due_at, wish = w.wish::jsonb, competing = w.competing,
            hold_expires_at = w.hold_expires_at, offer_expires_at = w.offer_expires_at, overbook_reason = w.overbook_reason,
            free_to_cancel = w.free_to_cancel, given_back_at = w.given_back_at,
            waits_for = CASE w.state WHEN 'waitlisted' THEN b.waits_for END
        FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::integer[], $5::timestamptz[], $6::timestamptz[], $7::integer[],
                    $8::bigint[], $9::timestamptz[], $10::text[], $11::boolean[], $12::timestamptz[], $13::timestamptz[],
                    $14::text[], $15::boolean[], $16::timestamptz[])
             AS w (booking_id, version_before, state, version, start, "end", quantity, offer_revision, due_at, wish, competing,
                   hold_expires_at, offer_expires_at, overbook_reason, free_to_cancel, given_back_at)
        WHERE b.booking_id = w.booking_id AND b.version = w.version_before
        """,
        [b.booking_id for b in after],
        [change.before.version for change in changes],
        [b.state for b in after],
        [b.version for b in after],
        [b.start for b in after],
        [b.end for b in after],
        [b.quantity for b in after],
        [b.offer_revision for b in after],
        [b.due_at for b in after],
        [dump_wish(b.wish) for b in after],
        [b.competing for b in after],
        [b.hold_expires_at for b in after],
        [b.offer_expires_at for b in after],
        [b.overbook_reason for b in after],
        [b.free_to_cancel for b in after],
        [b.given_back_at for b in after],
    )
    if status != f"UPDATE {len(changes)}":
        raise Repeat


async def insert_allocations(
    tx: Tx, bookings: Sequence[Booking], left: Sequence[Left], resale_after: Mapping[UUID, datetime]
) -> None:
    """What bookings hold now, and where they were in between; what does not block is a trace. Errors: `BackstopHit`."""
    records = [
        (
            booking.booking_id, part.component_id, part.resource_id, part.unit_no, part.pool_no,
            Range(booking.start, booking.end), Range(part.occupied_start, part.occupied_end), part.quantity, booking.blocking,
            None if booking.blocking else resale_after.get(booking.booking_id), n, booking.competing, False,
        )
        for booking in bookings
        for n, part in enumerate(booking.parts)
    ]  # fmt: skip
    records += [
        (
            was.booking_id, part.component_id, part.resource_id, part.unit_no, part.pool_no, Range(was.start, was.end),
            Range(part.occupied_start, part.occupied_end), part.quantity, False, was.resale_after, n, False, True,
        )
        for was in left
        for n, part in enumerate(was.parts)
    ]  # fmt: skip
    try:
        await tx.copy_records_to_table("allocations", columns=_ALLOCATION_COLUMNS, records=records)
    except asyncpg.ExclusionViolationError as exc:
        if exc.constraint_name != NO_OVERLAP:
            raise
        raise BackstopHit(NO_OVERLAP) from exc


async def free_allocations(tx: Tx, booking_ids: Sequence[UUID], resale_after: Mapping[UUID, datetime]) -> None:
    """Let go of all that these bookings hold. Before new allocations are written, so that a swap passes the constraint."""
    await tx.execute(
        """
        UPDATE allocations AS a
        SET blocking = false, competing = false, resale_after = w.resale_after
        FROM unnest($1::uuid[], $2::timestamptz[]) AS w (booking_id, resale_after)
        WHERE a.booking_id = w.booking_id AND (a.blocking OR a.competing)
        """,
        list(booking_ids),
        [resale_after.get(booking_id) for booking_id in booking_ids],
    )


async def supersede_allocations(tx: Tx, booking_ids: Sequence[UUID], resale_after: Mapping[UUID, datetime]) -> None:
    """The same of bookings that are moved: the old rows stay as a trace of where they were."""
    await tx.execute(
        """
        UPDATE allocations AS a
        SET blocking = false, competing = false, superseded = true, resale_after = w.resale_after
        FROM unnest($1::uuid[], $2::timestamptz[]) AS w (booking_id, resale_after)
        WHERE a.booking_id = w.booking_id AND NOT a.superseded
        """,
        list(booking_ids),
        [resale_after.get(booking_id) for booking_id in booking_ids],
    )


async def drop_allocations(tx: Tx, booking_ids: Sequence[UUID]) -> None:
    """The same of bookings that stay where they are, but now block what they competed for or the other way: no trace."""
    await tx.execute(
        """
        DELETE FROM allocations
        WHERE booking_id = ANY ($1::uuid[]) AND NOT superseded
        """,
        list(booking_ids),
    )
