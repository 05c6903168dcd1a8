"""Copies of what others own: contacts, offers, bookings."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from hubkit.db import ReadConn, Tx
from services.notify.domain.bookings import Booking, BookingState
from services.notify.domain.offers import Offer, Place
from services.notify.domain.people import Contact


@dataclass(frozen=True, slots=True)
class OfferUpdate:
    """A revision of an offer; `texts` are left out where it was only withdrawn, then those that are known stay."""

    offer: Offer
    keeps_texts: bool


async def read_erased(tx: Tx, person_ids: Collection[UUID]) -> set[UUID]:
    """Those of the people who were erased: they never come back, whatever a rewind brings."""
    rows = await tx.fetch("SELECT person_id FROM erased WHERE person_id = ANY ($1::uuid[])", list(person_ids))
    return {row[0] for row in rows}


async def upsert_people(tx: Tx, contacts: Sequence[Contact]) -> None:
    """The last state of each person; each at most once in `contacts`. Raises the copy's revision."""
    await tx.execute(
        """
        INSERT INTO people AS p (person_id, name, mailbox, has_address, needs_utf8, language, verified_at, link_epoch, revision)
        SELECT person_id, name, mailbox, has_address, needs_utf8, language, verified_at, link_epoch, 1
        FROM unnest($1::uuid[], $2::text[], $3::text[], $4::boolean[], $5::boolean[], $6::text[], $7::timestamptz[],
                    $8::integer[])
          AS c (person_id, name, mailbox, has_address, needs_utf8, language, verified_at, link_epoch)
        ORDER BY person_id
        ON CONFLICT (person_id) DO UPDATE
        SET name = excluded.name, mailbox = excluded.mailbox, has_address = excluded.has_address,
            needs_utf8 = excluded.needs_utf8, language = excluded.language, verified_at = excluded.verified_at,
            link_epoch = excluded.link_epoch, revision = p.revision + 1
        """,
        [c.person_id for c in contacts],
        [c.name for c in contacts],
        [c.mailbox for c in contacts],
        [c.has_address for c in contacts],
        [c.needs_utf8 for c in contacts],
        [c.language for c in contacts],
        [c.verified_at for c in contacts],
        [c.link_epoch for c in contacts],
    )


async def delete_people(tx: Tx, erased: Mapping[UUID, datetime]) -> None:
    """Delete the contacts and note their ids, with the instant of each tombstone; ids that are noted stay as they are."""
    await tx.execute("DELETE FROM people WHERE person_id = ANY ($1::uuid[])", list(erased))
    await tx.execute(
        """
        INSERT INTO erased (person_id, erased_at)
        SELECT person_id, erased_at
        FROM unnest($1::uuid[], $2::timestamptz[]) AS e (person_id, erased_at)
        ORDER BY person_id
        ON CONFLICT (person_id) DO NOTHING
        """,
        list(erased),
        list(erased.values()),
    )


async def upsert_offers(tx: Tx, updates: Sequence[OfferUpdate]) -> None:
    """The highest revision wins; each offer at most once in `updates`."""
    await tx.execute(
        """
        INSERT INTO offers AS o (offer_id, revision, kind, is_special, document, is_withdrawn)
        SELECT offer_id, revision, kind, is_special, document, is_withdrawn
        FROM unnest($1::text[], $2::bigint[], $3::text[], $4::boolean[], $5::jsonb[], $6::boolean[])
          AS u (offer_id, revision, kind, is_special, document, is_withdrawn)
        ORDER BY offer_id
        ON CONFLICT (offer_id) DO UPDATE
        SET revision = excluded.revision, is_withdrawn = excluded.is_withdrawn,
            kind = CASE WHEN o.offer_id = ANY ($7::text[]) THEN o.kind ELSE excluded.kind END,
            is_special = CASE WHEN o.offer_id = ANY ($7::text[]) THEN o.is_special ELSE excluded.is_special END,
            document = CASE WHEN o.offer_id = ANY ($7::text[]) THEN o.document ELSE excluded.document END
        WHERE o.revision < excluded.revision
        """,
        [u.offer.offer_id for u in updates],
        [u.offer.revision for u in updates],
        [u.offer.kind for u in updates],
        [u.offer.is_special for u in updates],
        [_document(u.offer) for u in updates],
        [u.offer.is_withdrawn for u in updates],
        [u.offer.offer_id for u in updates if u.keeps_texts],
    )


async def withdraw_offers(tx: Tx, offer_ids: Collection[str]) -> None:
    """A tombstone carries no revision: what is known stays, marked, until no booking needs it."""
    await tx.execute(
        """
        UPDATE offers
        SET is_withdrawn = true
        WHERE offer_id = ANY ($1::text[])
        """,
        list(offer_ids),
    )


def _document(offer: Offer) -> str:
    return json.dumps(
        {
            "title": dict(offer.title),
            "place": asdict(offer.place) if offer.place else None,
            "is_online": offer.is_online,
            "online_url": offer.online_url,
            "visitor_notes": dict(offer.visitor_notes),
            "contact_email": offer.contact_email,
            "contact_telephone": offer.contact_telephone,
        },
        ensure_ascii=False,
    )


def offer_of(row: asyncpg.Record) -> Offer:
    """The offer in a row's columns offer_id, revision, kind, is_special, is_withdrawn and document."""
    document = json.loads(row["document"])
    place = document.pop("place")
    return Offer(
        offer_id=row["offer_id"],
        revision=row["offer_revision"],
        kind=row["offer_kind"],
        is_special=row["is_special"],
        is_withdrawn=row["is_withdrawn"],
        place=Place(**place) if place else None,
        **document,
    )


async def read_offer(conn: ReadConn, offer_id: str) -> Offer | None:
    """The copy, withdrawn or not; None if it never came."""
    row = await conn.fetchrow(
        """
        SELECT offer_id, revision AS offer_revision, kind AS offer_kind, is_special, is_withdrawn, document
        FROM offers
        WHERE offer_id = $1
        """,
        offer_id,
    )
    return offer_of(row) if row else None


async def lock_bookings(tx: Tx, booking_ids: Collection[UUID]) -> dict[UUID, Booking]:
    """The known ones, locked until `tx` ends, in key order: two partitions never hold the same booking."""
    rows = await tx.fetch(
        """
        SELECT booking_id, version, state, offer_id, person_id, start, "end", time_zone, was_confirmed, check_in_code,
               told_version, told_at
        FROM bookings
        WHERE booking_id = ANY ($1::uuid[])
        ORDER BY booking_id
        FOR UPDATE
        """,
        list(booking_ids),
    )
    return {row["booking_id"]: _booking(row) for row in rows}


async def read_booking(conn: ReadConn, booking_id: UUID) -> Booking | None:
    """The copy as it is now, unlocked."""
    row = await conn.fetchrow(
        """
        SELECT booking_id, version, state, offer_id, person_id, start, "end", time_zone, was_confirmed, check_in_code,
               told_version, told_at
        FROM bookings
        WHERE booking_id = $1
        """,
        booking_id,
    )
    return _booking(row) if row else None


def _booking(row: asyncpg.Record) -> Booking:
    return Booking(**{**dict(row), "state": BookingState(row["state"])})


async def upsert_bookings(tx: Tx, bookings: Sequence[Booking]) -> None:
    """The new states; versions were compared under `lock_bookings`, and again here for a row that was not there to lock."""
    await tx.execute(
        """
        INSERT INTO bookings AS b (booking_id, version, state, offer_id, person_id, start, "end", time_zone, was_confirmed,
                                   check_in_code, told_version, told_at)
        SELECT booking_id, version, state, offer_id, person_id, start, "end", time_zone, was_confirmed, check_in_code,
               told_version, told_at
        FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::uuid[], $6::timestamptz[], $7::timestamptz[],
                    $8::text[], $9::boolean[], $10::text[], $11::integer[], $12::timestamptz[])
          AS n (booking_id, version, state, offer_id, person_id, start, "end", time_zone, was_confirmed, check_in_code,
                told_version, told_at)
        ORDER BY booking_id
        ON CONFLICT (booking_id) DO UPDATE
        SET version = excluded.version, state = excluded.state, offer_id = excluded.offer_id, person_id = excluded.person_id,
            start = excluded.start, "end" = excluded."end", time_zone = excluded.time_zone,
            was_confirmed = excluded.was_confirmed, check_in_code = excluded.check_in_code,
            told_version = excluded.told_version, told_at = excluded.told_at
        WHERE b.version < excluded.version
        """,
        [b.booking_id for b in bookings],
        [b.version for b in bookings],
        [b.state for b in bookings],
        [b.offer_id for b in bookings],
        [b.person_id for b in bookings],
        [b.start for b in bookings],
        [b.end for b in bookings],
        [b.time_zone for b in bookings],
        [b.was_confirmed for b in bookings],
        [b.check_in_code for b in bookings],
        [b.told_version for b in bookings],
        [b.told_at for b in bookings],
    )
