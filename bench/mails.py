"""Mails per second from due rows to `sent` rows and outbox, beside bare aiosmtplib over the same connections.

Both send the same bytes to the same sink in the same run, alternating; the bare one has them ready and knows no database. What
is compared is the ratio: the sink and the machine are the same for both.

    python -m bench.mails --postgres postgresql://postgres:...@host/postgres [--mails 2000] [--rounds 5] [--kind reminder]
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final
from uuid import UUID

import aiosmtplib
import asyncpg
import uvloop

from bench.frontend import uuid_of
from deploy import migrate
from hubkit import db, migrations
from hubkit.clock import DatabaseClock
from hubkit.telemetry import Metrics
from services.notify.delivery.making import Desk, make
from services.notify.delivery.pipeline import Pipeline
from services.notify.delivery.relay import Breaker
from services.notify.delivery.writer import Writer
from services.notify.domain.bookings import ActorRole, BookingEvent, BookingState
from services.notify.domain.messages import Kind
from services.notify.domain.offers import Offer, Place
from services.notify.domain.people import Contact
from services.notify.domain.plan import Rules, plan
from services.notify.domain.times import DEFAULT_RULES
from services.notify.handlers import Claim, House, claim_messages
from services.notify.senders.smtp import Post, RelayAddress
from services.notify.store import copies, plans, relays

HUB: Final = "bench"
DATABASE: Final = "bench_notify"
OFFER: Final = "urn:hub:bench:offer:00000000-0000-4000-8000-000000000001"
CONNECTIONS: Final = 4  # the preset `local`
SECONDS_MAX: Final = 120.0
DESK: Final = Desk(hub_id=HUB, hub_name="Digitaler Hub", sender="hub@example.org", mail_domain="hub.example.org", is_live=True)


def story(random: Random, kind: Kind, now: datetime) -> tuple[Contact, BookingEvent]:
    """A person and the event that makes one message of the kind due a moment ago."""
    person, booking = uuid_of(random), uuid_of(random)
    contact = Contact(
        person_id=person,
        name="Anna Beispiel",
        mailbox=f"anna.{person.hex[:12]}@example.org",
        has_address=True,
        needs_utf8=False,
        language="de",
        verified_at=now,
        link_epoch=0,
    )
    # A reminder is due a day before the start: then the booking was made two days ago.
    at = now - (timedelta(days=2) if kind is Kind.REMINDER else timedelta(minutes=1))
    start = now + (timedelta(days=1, minutes=-1) if kind is Kind.REMINDER else timedelta(days=9))
    event = BookingEvent(
        type="BookingConfirmed",
        event_id=uuid_of(random),
        at=at,
        booking_id=booking,
        version=1,
        state=BookingState.CONFIRMED,
        from_state=None,
        offer_id=OFFER,
        person_id=person,
        start=start.replace(microsecond=0),
        end=start.replace(microsecond=0) + timedelta(hours=1),
        time_zone="UTC",
        is_of_series=False,
        actor_role=ActorRole.CITIZEN,
        answers_request=True,
        check_in_code="7K3M9QXT",
    )
    return contact, event


async def fill(pool: db.Pool, rules: Rules, *, kind: Kind, mails: int, random: Random) -> None:
    """`mails` due messages of one kind, and nothing else that is due."""
    now = datetime.now(UTC)
    stories = [story(random, kind, now) for _ in range(mails)]
    planned = plan({}, [event for _, event in stories], rules)
    async with db.transaction(pool) as tx:
        await copies.upsert_people(tx, [contact for contact, _ in stories])
        await copies.upsert_bookings(tx, list(planned.bookings.values()))
        await plans.insert_messages(tx, [m for m in planned.messages.values() if m.kind is kind])


async def posts(house: House, pool: db.Pool, mails: int) -> list[Post]:
    """The bytes that ours sends, made from the same rows; the rows stay as they are."""
    found: list[Post] = []
    connection = await pool.raw.acquire()
    transaction = connection.transaction()
    await transaction.start()
    try:
        now = datetime.now(UTC)
        while len(found) < mails:
            claim = Claim("main", UUID(int=0), 100, 0, True)
            letters = await claim_messages(house, connection, claim, now)  # type: ignore[arg-type]
            found += [made.post for letter in letters if (made := make(letter, DESK))]
    finally:
        await transaction.rollback()
        await pool.raw.release(connection)
    return found


async def bare(port: int, waiting: Sequence[Post]) -> float:
    """Seconds for aiosmtplib alone, command by command as notify speaks."""
    queue = iter(waiting)

    async def line() -> None:
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, use_tls=False, start_tls=False, local_hostname="bench")
        await client.connect()
        await client.ehlo()
        for post in queue:
            await client.mail(post.sender)
            await client.rcpt(post.recipient)
            await client.data(post.content)
        await client.quit()

    started = time.perf_counter()
    await asyncio.gather(*(line() for _ in range(CONNECTIONS)))
    return time.perf_counter() - started


async def ours(house: House, pool: db.Pool, address: RelayAddress, mails: int) -> float:
    """Seconds until all due rows are `sent` and their facts lie in the outbox."""
    process_id = UUID(int=1)
    breaker = Breaker(house, pool, address, process_id)
    pipeline = Pipeline(
        house=house,
        pool=pool,
        address=address,
        desk=DESK,
        writer=Writer(house, pool),
        breaker=breaker,
        process_id=process_id,
        connections=CONNECTIONS,
        copies_are_current=lambda: True,
    )
    async with pool.raw.acquire() as connection:
        before = await connection.fetchval("SELECT count(*) FROM messages WHERE state = 'sent'")
        started = time.perf_counter()
        running = asyncio.create_task(pipeline.run())
        try:
            while (await connection.fetchval("SELECT count(*) FROM messages WHERE state = 'sent'")) - before < mails:
                if running.done() or time.perf_counter() - started > SECONDS_MAX:
                    raise RuntimeError("not all mails were sent")
                await asyncio.sleep(0.05)
            seconds = time.perf_counter() - started
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        told = await connection.fetchval("SELECT count(*) FROM outbox")
        assert told >= mails, f"{told} facts for {mails} mails"
        await connection.execute("TRUNCATE outbox")
    return seconds


@asynccontextmanager
async def sink() -> AsyncIterator[int]:
    """The sink in its own process; its SMTP port."""
    command = [sys.executable, "-m", "deploy.local.mailsink"]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        yield int((await process.stdout.readline()).decode().strip().rpartition(":")[2])
    finally:
        process.terminate()
        await process.wait()


async def measure(postgres: str, *, kind: Kind, mails: int, rounds: int) -> None:
    """Print mails per second of each round and the ratio of the medians."""
    admin = await asyncpg.connect(postgres)
    await admin.execute("DROP DATABASE IF EXISTS bench_notify WITH (FORCE)")
    await admin.execute("CREATE DATABASE bench_notify")
    await admin.close()
    dsn = migrate.dsn_for(postgres, database=DATABASE)
    await migrations.upgrade(dsn, "notify")  # as administrator: the service's own login on this server stays as it is
    pool = await db.open_pool(dsn, name="bench")
    house = House(HUB, Rules(DEFAULT_RULES, None), DatabaseClock(), Metrics())
    random = Random(1)
    rates: dict[str, list[float]] = {"bare": [], "ours": []}
    try:
        async with sink() as port:
            address = RelayAddress(name="main", host="127.0.0.1", port=port, security="none", client_name="bench")
            async with db.transaction(pool) as tx:
                await relays.insert_relay(tx, "main")
                await copies.upsert_offers(tx, [copies.OfferUpdate(due_offer(), keeps_texts=False)])
            for number in range(rounds + 1):
                await fill(pool, house.rules, kind=kind, mails=mails, random=random)
                async with pool.raw.acquire() as connection:
                    await connection.execute("VACUUM ANALYZE messages")
                waiting = await posts(replace(house, metrics=Metrics()), pool, mails)
                seconds = {"bare": await bare(port, waiting), "ours": await ours(house, pool, address, mails)}
                if number:  # the first round warms up
                    for name, value in seconds.items():
                        rates[name].append(mails / value)
                    print(f"round {number}: bare {mails / seconds['bare']:.0f}/s, ours {mails / seconds['ours']:.0f}/s")
    finally:
        await pool.close()
    medians = {name: statistics.median(values) for name, values in rates.items()}
    share = 100 * medians["ours"] / medians["bare"]
    print(f"{kind}: bare {medians['bare']:.0f}/s, ours {medians['ours']:.0f}/s, {share:.0f} % of it")


def due_offer() -> Offer:
    """The offer that all mails are about."""
    return Offer(
        offer_id=OFFER,
        revision=1,
        kind="room",
        is_special=False,
        is_withdrawn=False,
        title={"de": "Besprechungsraum Röder"},
        place=Place(name={"de": "Rathaus"}, street="Rathausplatz 1", postal_code="01900", city="Großröhrsdorf"),
        visitor_notes={"de": "Bitte am Eingang klingeln."},
        contact_email="raum@example.org",
        contact_telephone="+49 35952 100",
    )


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.mails", description=__doc__)
    parser.add_argument("--postgres", required=True, help="the administrator's address")
    parser.add_argument("--mails", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kind", type=Kind, default=Kind.REMINDER, choices=[Kind.REMINDER, Kind.CONFIRMED])
    chosen = parser.parse_args()
    uvloop.run(measure(chosen.postgres, kind=chosen.kind, mails=chosen.mails, rounds=chosen.rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
