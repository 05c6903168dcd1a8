"""Dead letters over HTTP: listed, shown, handed to the handler again in one transaction with their mark, or dropped."""

import asyncio
import base64
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx

from contracts import topics
from contracts.envelope import Event, encode
from contracts.people import ContactSaved
from hubkit import db
from hubkit.messaging import Subscription, no_plan
from tests.support import frontend, hostile
from tests.support.consuming import Seen, prepare, serving
from tests.support.kafka import KafkaServer, Raw
from tests.support.recorder import OPERATOR, SERVICE, TOKEN
from tests.support.waiting import eventually

REQUESTS = topics.BOOKING_REQUESTS
NOW = datetime(2026, 11, 24, tzinfo=UTC)
LIST = "/v1/dead-letters"


async def listed(client: httpx.AsyncClient, count: int, **query: Any) -> list[dict[str, Any]]:
    """The list, once it has so many letters."""

    async def there() -> list[dict[str, Any]]:
        answer = await client.get(LIST, params=query)
        assert answer.status_code == 200, answer.text
        letters: list[dict[str, Any]] = answer.json()["dead_letters"]
        return letters if len(letters) == count else []

    return await eventually(there, what=f"{count} dead letters")


async def rows(dsn: str, query: str, *arguments: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn)
    try:
        return list(await connection.fetch(query, *arguments))
    finally:
        await connection.close()


class Mendable(Seen):
    """A handler with a bug that a release mends: `broken` is its name in the test."""

    broken = True

    async def handle(self, tx: db.Tx, batch: Sequence[Event], plan: None) -> Mapping[int, str] | None:
        verdict = await super().handle(tx, batch, plan)
        if self.broken:
            raise LookupError(frontend.PERSON)
        return verdict


async def test_bug_mended__replayed_once_with_its_mark(kafka: KafkaServer, service_db: Callable[[str], str]) -> None:
    dsn, handler = service_db(SERVICE), Mendable()
    await prepare(kafka, dsn, REQUESTS)
    async with serving(kafka, dsn, Subscription(REQUESTS, handler.handle, no_plan)) as (_, client):
        await kafka.produce(kafka.name(REQUESTS.name), [sent := frontend.request()])
        (letter,) = await listed(client, 1)
        where = f"{LIST}/{letter['dead_letter_id']}"
        refused = await client.post(f"{where}/replay")
        assert (refused.status_code, refused.json()["code"]) == (409, "bug")
        assert (await listed(client, 1))[0]["state"] == "kept", "what failed again is still there"
        assert await rows(dsn, "SELECT 1 FROM recorded UNION ALL SELECT 1 FROM inbox") == []

        handler.broken = False
        done = await client.post(f"{where}/replay")
        assert (done.status_code, done.json()["state"]) == (200, "replayed")
        again = await client.post(f"{where}/replay")
        assert (again.status_code, again.json()["code"]) == (409, "not_kept")
        assert (await client.post(f"{where}/drop")).status_code == 409
        assert [row["event_id"] for row in await rows(dsn, "SELECT event_id FROM recorded")] == [frontend.event_id(sent)]
        (kept,) = await rows(dsn, "SELECT state, ended_by, ended_at FROM dead_letters")
        assert (kept["state"], kept["ended_by"]) == ("replayed", "operator/op-1")
        # The same event, sent again by its frontend, is known by now.
        await kafka.produce(kafka.name(REQUESTS.name), [sent, marker := frontend.request()])

        async def marked() -> bool:
            return frontend.event_id(marker) in handler.ids()

        await eventually(marked)
        assert len(await rows(dsn, "SELECT 1 FROM recorded")) == 2


async def test_two_operators_replay_at_once__applied_once(kafka: KafkaServer, service_db: Callable[[str], str]) -> None:
    dsn, handler = service_db(SERVICE), Mendable()
    await prepare(kafka, dsn, REQUESTS)
    async with serving(kafka, dsn, Subscription(REQUESTS, handler.handle, no_plan, remembers=False)) as (_, client):
        await kafka.produce(kafka.name(REQUESTS.name), [frontend.request()])
        (letter,) = await listed(client, 1)
        handler.broken = False
        path = f"{LIST}/{letter['dead_letter_id']}/replay"
        answers = await asyncio.gather(*(client.post(path) for _ in range(5)))
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]
        assert len(await rows(dsn, "SELECT 1 FROM recorded")) == 1


async def test_event_that_the_handler_refused__replayed_when_it_fits(
    kafka: KafkaServer, service_db: Callable[[str], str]
) -> None:
    """Its id must not be known from the refusal: that replay said "replayed" and did nothing."""
    dsn, sent = service_db(SERVICE), frontend.request()
    seen = Seen(verdict={frontend.event_id(sent): "revision_conflict"})
    await prepare(kafka, dsn, REQUESTS)
    async with serving(kafka, dsn, Subscription(REQUESTS, seen.handle, no_plan)) as (_, client):
        await kafka.produce(kafka.name(REQUESTS.name), [sent])
        (letter,) = await listed(client, 1, reason="revision_conflict")
        path = f"{LIST}/{letter['dead_letter_id']}/replay"
        refused = await client.post(path)
        assert (refused.status_code, refused.json()["code"]) == (409, "revision_conflict")
        seen.verdict = {}
        assert (await client.post(path)).status_code == 200
        assert len(await rows(dsn, "SELECT 1 FROM recorded")) == 1


async def test_bad_records__listed_by_pages_and_shown_as_they_came(
    kafka: KafkaServer, service_db: Callable[[str], str]
) -> None:
    dsn, seen = service_db(SERVICE), Seen()
    await prepare(kafka, dsn, REQUESTS)
    headers: list[tuple[str, bytes | None]] = [("x", b"\xff"), ("x", None), ("ce_id", b"1")]
    bad = [Raw(b"\xfe%d" % number, headers, b"\x00%d" % number) for number in range(7)]
    async with serving(kafka, dsn, Subscription(REQUESTS, seen.handle, no_plan)) as (_, client):
        await kafka.produce(kafka.name(REQUESTS.name), bad)
        letters = await listed(client, 7)
        assert [letter["offset"] for letter in letters] == list(range(7))
        assert "value" not in letters[0], "a list shows no records"
        pages: list[dict[str, Any]] = []
        query: dict[str, Any] = {"limit": 3}
        while query.get("after", "first") is not None:
            page = (await client.get(LIST, params=query)).json()
            pages += page["dead_letters"]
            query["after"] = page["next"]
        assert [page["dead_letter_id"] for page in pages] == [letter["dead_letter_id"] for letter in letters]
        shown = (await client.get(f"{LIST}/{letters[2]['dead_letter_id']}")).json()
        assert base64.b64decode(shown["key"]) == bad[2].key
        assert base64.b64decode(shown["value"]) == bad[2].value
        assert [(n, v if v is None else base64.b64decode(v)) for n, v in shown["headers"]] == headers
        for letter in letters[:2]:
            assert (await client.post(f"{LIST}/{letter['dead_letter_id']}/drop")).json()["state"] == "dropped"
        assert len(await listed(client, 5)) == 5
        assert len(await listed(client, 2, state="dropped")) == 2
        assert (await client.post(f"{LIST}/{letters[0]['dead_letter_id']}/drop")).status_code == 200, "repeated: harmless"
        refused = await client.post(f"{LIST}/{letters[3]['dead_letter_id']}/replay")
        assert (refused.status_code, refused.json()["code"]) == (409, "bad_encoding")


async def test_odd_header_name_and_packed_batch__shown_and_never_applied_by_a_replay(
    kafka: KafkaServer, service_db: Callable[[str], str]
) -> None:
    """What was kept of the first would pass: its name is only a picture of the bytes."""
    dsn, seen = service_db(SERVICE), Seen()
    await prepare(kafka, dsn, REQUESTS)
    raw = frontend.request()
    good = [(name.encode(), value) for name, value in raw.headers]
    batches = [
        hostile.batch([hostile.Bare(raw.key, [*good, (b"\xffname", b"v")], raw.value)]),
        hostile.batch([hostile.Bare(b"k", [], bytes(30_000_000))], codec=hostile.ZSTD),
    ]
    async with serving(kafka, dsn, Subscription(REQUESTS, seen.handle, no_plan)) as (_, client):
        for batch in batches:
            await hostile.send(kafka.address, kafka.name(REQUESTS.name), 0, batch)
        letters = await listed(client, 2)
        assert [letter["reason"] for letter in letters] == ["bad_encoding", "too_large"]
        for letter in letters:
            assert (await client.get(f"{LIST}/{letter['dead_letter_id']}")).status_code == 200
            assert (await client.post(f"{LIST}/{letter['dead_letter_id']}/replay")).status_code == 409
        assert await rows(dsn, "SELECT 1 FROM recorded") == []


WRONG = [
    ({}, 401, "unauthorized"),
    ({"Authorization": "Bearer wrong-token-wrong"}, 401, "unauthorized"),
    ({"Authorization": f"Basic {TOKEN}"}, 401, "unauthorized"),
    ({"Authorization": f"Bearer {TOKEN}"}, 401, "no_actor"),
    (OPERATOR | {"Hubnetz-Actor": "operator"}, 401, "no_actor"),
    (OPERATOR | {"Hubnetz-Actor": "king/1"}, 401, "no_actor"),
    (OPERATOR | {"Hubnetz-Actor": "operator/" + "x" * 101}, 401, "no_actor"),
    (OPERATOR | {"Hubnetz-Actor": "desk/1"}, 403, "not_permitted"),
    (OPERATOR | {"Hubnetz-Actor": "citizen/1"}, 403, "not_permitted"),
]


async def test_wrong_token_or_role__refused_everywhere_before_anything_is_looked_up(
    kafka: KafkaServer, service_db: Callable[[str], str]
) -> None:
    dsn, seen = service_db(SERVICE), Seen()
    await prepare(kafka, dsn, REQUESTS)
    async with serving(kafka, dsn, Subscription(REQUESTS, seen.handle, no_plan)) as (app, client):
        await kafka.produce(kafka.name(REQUESTS.name), [Raw(b"k", [], b"")])
        (letter,) = await listed(client, 1)
        one = f"{LIST}/{letter['dead_letter_id']}"
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{app.port}") as stranger:
            for method, path in (("GET", LIST), ("GET", one), ("POST", f"{one}/replay"), ("POST", f"{one}/drop")):
                for headers, status, code in WRONG:
                    answer = await stranger.request(method, path, headers=headers)
                    assert (answer.status_code, answer.json()["code"]) == (status, code), (method, path, headers)
                    assert answer.headers["content-type"] == "application/problem+json"
            for path in ("/health/live", "/health/ready", "/metrics"):
                assert (await stranger.get(path)).status_code == 200, "the supervisor asks without a token"
        assert (await listed(client, 1))[0]["state"] == "kept"


async def test_requests_that_fit_nothing__answered_as_problems(kafka: KafkaServer, service_db: Callable[[str], str]) -> None:
    dsn, seen = service_db(SERVICE), Seen()
    await prepare(kafka, dsn, REQUESTS)
    asked = [
        ("GET", f"{LIST}?limit=0", 422, "invalid_request"),
        ("GET", f"{LIST}?limit=1000", 422, "invalid_request"),
        ("GET", f"{LIST}?state=lost", 422, "invalid_request"),
        ("GET", f"{LIST}?reason=%00", 422, "invalid_request"),
        ("GET", f"{LIST}?after=nobody", 422, "invalid_request"),
        ("GET", f"{LIST}/{uuid.uuid4()}", 404, "not_found"),
        ("POST", f"{LIST}/{uuid.uuid4()}/replay", 404, "not_found"),
        ("POST", f"{LIST}/{uuid.uuid4()}/drop", 404, "not_found"),
        ("DELETE", LIST, 405, "method_not_allowed"),
        ("GET", "/docs", 404, "not_found"),
        ("GET", "/nothing", 404, "not_found"),
    ]
    async with serving(kafka, dsn, Subscription(REQUESTS, seen.handle, no_plan)) as (_, client):
        for method, path, status, code in asked:
            answer = await client.request(method, path)
            assert (answer.status_code, answer.json()["code"]) == (status, code), (method, path, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"


async def test_contact_that_was_set_aside__leaves_its_value_in_its_topic_alone(
    kafka: KafkaServer, service_db: Callable[[str], str]
) -> None:
    """The only personal data on the bus. A replay reads it where it can be erased, and is over when it is gone."""
    dsn, handler, person = service_db(SERVICE), Mendable(), uuid.uuid4()
    await prepare(kafka, dsn, topics.PEOPLE_CONTACTS)
    sent = contact(person)
    dead_letters = kafka.name(topics.dead_letter(SERVICE).name)
    async with serving(kafka, dsn, Subscription(topics.PEOPLE_CONTACTS, handler.handle, no_plan)) as (_, client):
        await kafka.produce(kafka.name(topics.PEOPLE_CONTACTS.name), [sent])
        (letter,) = await listed(client, 1)
        (record,) = await kafka.read(dead_letters, count=1)
        assert (record.key, record.value) == (str(person).encode(), None)
        assert {name for name, _ in record.headers} == {
            "dl_id", "dl_reason", "dl_attempts", "dl_topic", "dl_partition", "dl_offset", "dl_at", "dl_sha256",
        }  # fmt: skip
        (row,) = await rows(dsn, "SELECT * FROM dead_letters")
        assert frontend.PERSON.encode() not in b"".join(value for value in row.values() if isinstance(value, bytes))

        path = f"{LIST}/{letter['dead_letter_id']}/replay"
        await rows(dsn, "UPDATE dead_letters SET record_offset = 99")
        gone = await client.post(path)
        assert (gone.status_code, gone.json()["code"]) == (409, "gone")
        await rows(dsn, "UPDATE dead_letters SET record_offset = 0, payload_sha256 = sha256('other')")
        assert (await client.post(path)).json()["code"] == "gone", "another record lies there now"

        await rows(dsn, "UPDATE dead_letters SET payload_sha256 = decode($1, 'hex')", letter["sha256"])
        handler.broken = False
        assert (await client.post(path)).status_code == 200
        (applied,) = handler.batches[-1]
        assert isinstance(applied.data, ContactSaved)
        assert (applied.key, applied.data.name) == (str(person), frontend.PERSON)


def contact(person: uuid.UUID) -> Raw:
    data = ContactSaved(person_id=person, name=frontend.PERSON, address=f"{frontend.PERSON}@example.org")
    event = Event(uuid.uuid4(), "urn:hub:test:portal", data.ce_type, NOW, str(person), data)
    key, headers, value = encode(event)
    return Raw(key, headers, value)
