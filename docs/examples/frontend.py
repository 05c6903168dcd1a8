"""A whole frontend in one file: ask for a booking on Kafka, read the answer. Needs only `pip install "aiokafka[zstd]"`.

    hubnetz env --json | python docs/examples/frontend.py
    hubnetz env --json | python docs/examples/frontend.py --offer <offer id> --start 2027-05-11T10:00:00 --minutes 60

Without an offer it prints what can be booked; with one, the answering event as JSON. Exit code 0: there is an answer,
whatever it says; 1: there was none in time; 2: it was called wrongly.
"""

import argparse
import asyncio
import json
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

REQUESTS, EVENTS, OFFERS = "booking.requests.v1", "booking.events.v1", "catalog.offers.v1"
ANSWER_SECONDS = 10.0  # an answer takes milliseconds; this long only if the hub is just starting
Json = dict[str, Any]


def request_body(args: argparse.Namespace) -> Json:
    """The value of a RequestBooking. Fields equal to their default are left out; lengths and counts are integers."""
    body: Json = {
        "offer_id": args.offer,
        "actor": {"role": "citizen", "id": args.person},
        "claimant": {"kind": "person", "person_id": args.person},
    }
    if args.start:
        body |= {"start": args.start, "duration_minutes": args.minutes}
    if args.choose:
        body["choices"] = dict(pair.split("=", 1) for pair in args.choose)
    if args.quantity != 1:
        body["quantity"] = args.quantity
    return body


def request_headers(hub_id: str, request_id: str) -> list[tuple[str, bytes]]:
    """CloudEvents 1.0, Kafka binary mode: each attribute a header, once, in UTF-8. `ce_id` is the request id."""
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": request_id,
        "ce_source": f"urn:hub:{hub_id}:frontend-example",
        "ce_type": "de.hubnetz.booking.RequestBooking.v1",
        "ce_time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "content-type": "application/json",
    }
    return [(name, value.encode()) for name, value in attributes.items()]


def is_answer(headers: dict[str, str], body: Json, request_id: str) -> bool:
    """The one event that answers carries `request_id`.

    Only the refusal of an id that was used for something else has none, lest its first sender takes it for the answer.
    """
    refused = headers["ce_type"].split(".")[-2] == "RequestRefused" and headers.get("ce_causationid") == request_id
    return body.get("request_id", request_id if refused else None) == request_id


async def reader(env: Json, topic: str, *, from_start: bool) -> AIOKafkaConsumer:
    """A consumer of all partitions without a group: it commits nothing and disturbs nobody. Positions are taken here."""
    place = "earliest" if from_start else "latest"
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=env["kafka"], auto_offset_reset=place)
    await consumer.start()
    for partition in consumer.assignment():
        await consumer.position(partition)
    return consumer


async def ask(env: Json, args: argparse.Namespace) -> Json | None:
    """Send the request and wait for its answer; None if there is none in time."""
    # The reader stands at the end before the request is sent: the answer cannot come too early.
    events = await reader(env, args.topic_prefix + EVENTS, from_start=False)
    producer = AIOKafkaProducer(bootstrap_servers=env["kafka"], enable_idempotence=True, compression_type="zstd")
    await producer.start()
    try:
        await producer.send_and_wait(
            args.topic_prefix + REQUESTS,
            key=args.offer.encode(),
            headers=request_headers(env["hub_id"], args.request_id),
            value=json.dumps(request_body(args), ensure_ascii=False).encode(),
        )
        async with asyncio.timeout(args.seconds):
            async for record in events:
                headers = {name: value.decode() for name, value in record.headers}
                body = json.loads(record.value)
                if is_answer(headers, body, args.request_id):
                    return {"event_id": headers["ce_id"], "type": headers["ce_type"], "data": body}
    except TimeoutError:
        return None
    finally:
        await producer.stop()
        await events.stop()
    return None


def stored_outcome(env: Json, request_id: str) -> Json | None:
    """The outcome as booking keeps it. A request sent a second time is not answered again: this is where it is found."""
    url = f"{env['http']['booking']}/v1/requests/{request_id}"
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as response:  # noqa: S310 - the hub's own address
            outcome: Json = json.load(response)
    except urllib.error.HTTPError as error:
        if error.code == 404:  # not decided yet
            return None
        raise
    except urllib.error.URLError as error:
        sys.stderr.write(f"{url}: {error.reason}\n")
        return None
    return {"type": outcome["type"], "data": outcome["data"]}


async def bookable(env: Json, topic_prefix: str) -> list[Json]:
    """The offers that can be booked here, read from their topic: the newest record of a key is its state."""
    offers = await reader(env, topic_prefix + OFFERS, from_start=True)
    try:
        ends = await offers.end_offsets(list(offers.assignment()))
        states: dict[bytes, Json] = {}
        while any([await offers.position(partition) < end for partition, end in ends.items()]):
            for records in (await offers.getmany(timeout_ms=1000)).values():
                states |= {record.key: json.loads(record.value) if record.value else {} for record in records}
    finally:
        await offers.stop()
    return [
        {"offer": state["offer_id"], "title": state["title"]["de"], "components": state["booking"].get("components", [])}
        for state in states.values()
        if state.get("status") == "published" and state.get("booking", {}).get("mode") in ("instant", "request")
    ]


def arguments() -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(description="Ask a hub for a booking and print the answer.")
    parser.add_argument("--offer", help="offer id; without one the bookable offers are listed")
    parser.add_argument("--start", help="instant (2027-05-11T08:00:00Z) or local time; not for sessions")
    parser.add_argument("--minutes", type=int, default=60, help="length, with --start")
    parser.add_argument("--choose", action="append", metavar="COMPONENT=RESOURCE", help="needed for sessions")
    parser.add_argument("--quantity", type=int, default=1)
    parser.add_argument("--person", default=str(uuid4()), help="a random id that stands for the person, never a name")
    parser.add_argument("--request-id", default=str(uuid4()), help="repeat one to send the same request again")
    parser.add_argument("--seconds", type=float, default=ANSWER_SECONDS, help="how long to wait for the event")
    parser.add_argument("--topic-prefix", default="", help="where one broker serves several test hubs")
    return parser.parse_args()


def main() -> int:
    """Exit code."""
    args = arguments()
    env: Json = json.load(sys.stdin)
    if env["kafka_security"] != "plaintext-internal":
        sys.stderr.write("This example has no login; give the Kafka clients in it yours.\n")
        return 2
    if not args.offer:
        for offer in asyncio.run(bookable(env, args.topic_prefix)):
            sys.stdout.write(json.dumps(offer, ensure_ascii=False) + "\n")
        return 0
    answer = asyncio.run(ask(env, args)) or stored_outcome(env, args.request_id)
    sys.stdout.write(json.dumps({"request_id": args.request_id, **(answer or {})}, ensure_ascii=False, indent=2) + "\n")
    return 0 if answer else 1


if __name__ == "__main__":
    sys.exit(main())
