"""What passes by itself is waited for inside the batch; locks that fail three times end as `busy`; plans are made again."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import pytest

from contracts import topics
from contracts.envelope import Event
from hubkit import db
from hubkit.errors import Repeat, Replan
from hubkit.messaging import Subscription, consumer, no_plan
from tests.support import frontend
from tests.support.consuming import Seen, Stand, consuming, prepare
from tests.support.kafka import KafkaServer
from tests.support.postgres import PostgresServer
from tests.support.waiting import eventually

REQUESTS = topics.BOOKING_REQUESTS


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "BACK_OFF_SECONDS", (0.02, 0.05))
    monkeypatch.setattr(db, "LOCK_MS_MAX", 150)


@asynccontextmanager
async def locked(dsn: str, statement: str, *arguments: object) -> AsyncIterator[None]:
    """Another session that holds the rows which `statement` locks."""
    other = await asyncpg.connect(dsn)
    try:
        async with other.transaction():
            await other.execute(statement, *arguments)
            yield
    finally:
        await other.close()


def retries(stand: Stand, error: str) -> float:
    return stand.metrics.value("hubnetz_consumer_retries_total", topic=REQUESTS.name, error=error)


async def test_connection_cut_in_mid_batch__batch_repeated_whole(
    kafka: KafkaServer, service_db: Callable[[str], str], postgres: PostgresServer
) -> None:
    """As in a restart of the database: the session ends while the handler works."""
    dsn, seen, cuts = service_db("notify"), Seen(), iter([True, True, False])
    await prepare(kafka, dsn, REQUESTS)

    async def cut(tx: db.Tx, batch: Sequence[Event], plan: None) -> None:
        await seen.handle(tx, batch, plan)
        if next(cuts, False):
            admin = await asyncpg.connect(postgres.dsn)
            try:
                await admin.execute("SELECT pg_terminate_backend($1)", tx.get_server_pid())
            finally:
                await admin.close()
        await tx.fetchval("SELECT 1")

    sent = frontend.requests(5, offers=1)
    await kafka.produce(kafka.name(REQUESTS.name), sent)
    async with consuming(kafka, dsn, Subscription(REQUESTS, cut, no_plan)) as stand:
        await stand.reached(5)
        assert await stand.recorded() == [frontend.event_id(raw) for raw in sent]
        assert [len(batch) for batch in seen.batches] == [5, 5, 5], "never halved, never skipped"
        assert await stand.letters() == []
        assert not stand.feed.consumer.retrying


async def test_database_that_takes_no_connections__waited_for(
    kafka: KafkaServer, service_db: Callable[[str], str], postgres: PostgresServer
) -> None:
    dsn, seen = service_db("notify"), Seen()
    await prepare(kafka, dsn, REQUESTS)
    name = dsn.rsplit("/", 1)[1]
    admin = await asyncpg.connect(postgres.dsn)
    async with consuming(kafka, dsn, Subscription(REQUESTS, seen.handle, no_plan)) as stand:
        await kafka.produce(stand.topic, [before := frontend.request()])
        await stand.reached(1)  # it has its partitions: without the database it could not find its positions
        try:
            await admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
            await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
            await kafka.produce(stand.topic, [one := frontend.request()])

            async def waits() -> bool:
                return stand.feed.consumer.retrying

            await eventually(waits)
        finally:
            await admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
            await admin.close()
        await stand.reached(2)
        assert set(seen.ids()) == {frontend.event_id(before), frontend.event_id(one)}
        assert await stand.letters() == []


async def test_lock_not_had_without_busy__tried_until_it_is_free(kafka: KafkaServer, service_db: Callable[[str], str]) -> None:
    dsn, seen = service_db("notify"), Seen()
    await prepare(kafka, dsn, REQUESTS)

    async def locks(tx: db.Tx, batch: Sequence[Event], plan: None) -> Mapping[int, str] | None:
        await tx.execute("LOCK TABLE dead_letters IN EXCLUSIVE MODE")
        return await seen.handle(tx, batch, plan)

    async with consuming(kafka, dsn, Subscription(REQUESTS, locks, no_plan)) as stand:
        async with locked(dsn, "LOCK TABLE dead_letters IN EXCLUSIVE MODE"):
            await kafka.produce(stand.topic, frontend.requests(4, offers=1))

            async def five() -> bool:
                return retries(stand, "55P03") >= 5

            await eventually(five, what="the fifth attempt")
            assert await stand.position() == 0
        await stand.reached(4)
        assert [len(batch) for batch in seen.batches] == [4]


async def test_waiting_for_the_fence__is_never_answered_busy(kafka: KafkaServer, service_db: Callable[[str], str]) -> None:
    """Who holds the partition's stored offset answers its requests: `busy` from here would be a second answer."""
    dsn, seen = service_db("notify"), Seen()
    await prepare(kafka, dsn, REQUESTS)

    async def busy(tx: db.Tx, batch: Sequence[Event]) -> None:
        raise AssertionError("answered busy while another process decides")

    async with consuming(kafka, dsn, Subscription(REQUESTS, seen.handle, no_plan, busy=busy)) as stand:
        await stand.assigned()
        async with locked(dsn, "SELECT 1 FROM stored_offsets FOR UPDATE"):
            await kafka.produce(stand.topic, frontend.requests(3, offers=1))

            async def four() -> bool:
                return retries(stand, "55P03") >= 4

            await eventually(four, what="the fourth attempt")
        await stand.reached(3)
        assert len(seen.ids()) == 3


class Rows:
    """A handler that locks one row per request, at once or not at all, and answers `busy` where it must."""

    def __init__(self) -> None:
        self.seen = Seen()
        self.answered_busy: list[UUID] = []
        self.attempts: list[int] = []

    async def handle(self, tx: db.Tx, batch: Sequence[Event], plan: None) -> Mapping[int, str] | None:
        self.attempts.append(len(batch))
        keys = [event.key for event in batch]
        await tx.execute("SELECT 1 FROM rows_of_test WHERE id = ANY ($1::text[]) ORDER BY id FOR UPDATE NOWAIT", keys)
        return await self.seen.handle(tx, batch, plan)

    async def busy(self, tx: db.Tx, batch: Sequence[Event]) -> None:
        self.answered_busy += [event.id for event in batch]


@pytest.mark.parametrize(("count", "attempts"), [(1, [1, 1, 1]), (8, [8, 4, 2, 2, 4])])
async def test_row_that_stays_locked__its_request_is_answered_busy_after_three_attempts(
    kafka: KafkaServer, service_db: Callable[[str], str], count: int, attempts: list[int]
) -> None:
    """Halves count as attempts; the requests that need other rows are decided meanwhile."""
    dsn, rows = service_db("notify"), Rows()
    await prepare(kafka, dsn, REQUESTS)
    sent = [frontend.request(offer=f"offer-{number}") for number in range(count)]
    await kafka.produce(kafka.name(REQUESTS.name), sent)
    async with locked(dsn, "CREATE TABLE rows_of_test AS SELECT 'offer-' || generate_series(0, 9) AS id"):
        pass
    async with (
        locked(dsn, "SELECT 1 FROM rows_of_test WHERE id = 'offer-0' FOR UPDATE"),
        consuming(kafka, dsn, Subscription(REQUESTS, rows.handle, no_plan, busy=rows.busy)) as stand,
    ):
        await stand.reached(count)
        assert rows.attempts == attempts
        assert rows.answered_busy == [frontend.event_id(raw) for raw in sent[: max(1, count // 4)]]
        assert await stand.recorded() == [frontend.event_id(raw) for raw in sent[max(1, count // 4) :]]
        assert await stand.letters() == []


async def test_handler_that_needs_more_rows__gets_a_plan_with_them(
    kafka: KafkaServer, service_db: Callable[[str], str]
) -> None:
    dsn, seen = service_db("notify"), Seen()
    await prepare(kafka, dsn, REQUESTS)
    plans: list[frozenset[str]] = []

    async def plan(pool: db.Pool, batch: Sequence[Event], extra: frozenset[str]) -> frozenset[str]:
        plans.append(extra)
        return extra

    async def handle(tx: db.Tx, batch: Sequence[Event], planned: frozenset[str]) -> Mapping[int, str] | None:
        for wanted in ("room", "key"):
            if wanted not in planned:
                raise Replan(frozenset({wanted}))
        return await seen.handle(tx, batch, None)

    async with consuming(kafka, dsn, Subscription(REQUESTS, handle, plan)) as stand:
        await kafka.produce(stand.topic, frontend.requests(3, offers=1))
        await stand.reached(3)
        assert plans == [frozenset(), frozenset({"room"}), frozenset({"room", "key"})]
        assert [len(batch) for batch in seen.batches] == [3]


async def test_handler_that_lost_a_race__is_called_again_after_a_new_plan(
    kafka: KafkaServer, service_db: Callable[[str], str]
) -> None:
    """`Repeat` rolls back: what was written before it is not left twice."""
    dsn, seen, races = service_db("notify"), Seen(), iter([True, True, False])
    await prepare(kafka, dsn, REQUESTS)
    plans: list[int] = []

    async def plan(pool: db.Pool, batch: Sequence[Event], extra: frozenset[str]) -> None:
        plans.append(len(batch))

    async def handle(tx: db.Tx, batch: Sequence[Event], planned: None) -> Mapping[int, str] | None:
        verdict = await seen.handle(tx, batch, planned)
        if next(races, False):
            raise Repeat
        return verdict

    async with consuming(kafka, dsn, Subscription(REQUESTS, handle, plan)) as stand:
        await kafka.produce(stand.topic, sent := frontend.requests(2, offers=1))
        await stand.reached(2)
        assert plans == [2, 2, 2]
        assert await stand.recorded() == [frontend.event_id(raw) for raw in sent]


async def test_plan_that_never_suffices__halved_then_busy_for_the_one_that_asks(
    kafka: KafkaServer, service_db: Callable[[str], str]
) -> None:
    dsn, seen = service_db("notify"), Seen()
    await prepare(kafka, dsn, REQUESTS)
    sent = frontend.requests(4, offers=1)
    answered_busy: list[UUID] = []

    async def handle(tx: db.Tx, batch: Sequence[Event], plan: None) -> Mapping[int, str] | None:
        if frontend.event_id(sent[2]) in [event.id for event in batch]:
            raise Replan(frozenset({"one more"}))
        return await seen.handle(tx, batch, plan)

    async def busy(tx: db.Tx, batch: Sequence[Event]) -> None:
        answered_busy.extend(event.id for event in batch)

    async with consuming(kafka, dsn, Subscription(REQUESTS, handle, no_plan, busy=busy)) as stand:
        await kafka.produce(stand.topic, sent)
        await stand.reached(4)
        assert answered_busy == [frontend.event_id(sent[2])]
        assert seen.ids() == [frontend.event_id(raw) for raw in sent if raw is not sent[2]]


async def test_plan_outdated_many_times_and_nobody_to_tell__tried_until_it_holds(
    kafka: KafkaServer, service_db: Callable[[str], str]
) -> None:
    """Facts of our own topics cannot be answered `busy`, and are no dead letters because others were faster."""
    dsn, seen = service_db("notify"), Seen()
    await prepare(kafka, dsn, REQUESTS)
    sent = frontend.requests(1)
    outdated = iter(range(9))

    async def handle(tx: db.Tx, batch: Sequence[Event], plan: None) -> Mapping[int, str] | None:
        if next(outdated, None) is not None:
            raise Replan(frozenset())
        return await seen.handle(tx, batch, plan)

    async with consuming(kafka, dsn, Subscription(REQUESTS, handle, no_plan)) as stand:
        await kafka.produce(stand.topic, sent)
        await stand.reached(1, seconds=20)
        assert seen.ids() == [frontend.event_id(sent[0])]
        assert await stand.letters() == []


async def test_consumer_waits_for_the_database__other_partitions_wait_too_and_nothing_is_skipped(
    kafka: KafkaServer, service_db: Callable[[str], str]
) -> None:
    """A batch spans partitions; while one fails nothing behind it may be committed."""
    dsn, seen = service_db("notify"), Seen()
    await prepare(kafka, dsn, REQUESTS, partitions=3)
    failures = iter([asyncpg.DeadlockDetectedError("x"), asyncpg.SerializationError("x"), TimeoutError(), None])

    async def handle(tx: db.Tx, batch: Sequence[Event], plan: None) -> Mapping[int, str] | None:
        if (failure := next(failures, None)) is not None:
            raise failure
        return await seen.handle(tx, batch, plan)

    async with consuming(kafka, dsn, Subscription(REQUESTS, handle, no_plan)) as stand:
        sent = frontend.requests(60)
        await kafka.produce(stand.topic, sent)

        async def all_there() -> bool:
            return len(await stand.recorded()) == 60

        await eventually(all_there)
        assert set(await stand.recorded()) == {frontend.event_id(raw) for raw in sent}
        assert await asyncio.gather(*(stand.position(p) for p in range(3))) != [0, 0, 0]


async def test_table_migrated_under_a_running_service__its_old_plans_are_made_again(
    kafka: KafkaServer, service_db: Callable[[str], str]
) -> None:
    """The server refuses the statement that the session has prepared, with the code of an unsupported feature."""
    dsn, seen = service_db("notify"), Seen()
    await prepare(kafka, dsn, REQUESTS)
    async with locked(dsn, "CREATE TABLE rows_of_test AS SELECT 1 AS id"):
        pass

    async def handle(tx: db.Tx, batch: Sequence[Event], plan: None) -> Mapping[int, str] | None:
        await tx.fetch("SELECT * FROM rows_of_test")
        return await seen.handle(tx, batch, plan)

    async with consuming(kafka, dsn, Subscription(REQUESTS, handle, no_plan)) as stand:
        await kafka.produce(stand.topic, [frontend.request()])
        await stand.reached(1)
        async with locked(dsn, "ALTER TABLE rows_of_test ADD COLUMN more integer"):
            pass
        await kafka.produce(stand.topic, [frontend.request()])
        await stand.reached(2)
        assert await stand.letters() == []
        assert len(seen.ids()) == 2
