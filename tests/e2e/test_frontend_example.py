"""The frontend of the documentation against a running hub: it imports nothing of ours, and neither would anybody's."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from contracts import topics
from deploy import hub as hubs
from deploy import seed
from deploy.demo.day import look
from tests.support.hub import ROOT, RunningHub
from tests.support.kafka import KafkaServer

pytestmark = pytest.mark.timeout(120)
EXAMPLE = ROOT / "docs" / "examples" / "frontend.py"


def frontend(env: Mapping[str, Any], *flags: str, folder: Path) -> str:
    """What the program prints; started elsewhere, so that it could not import ours if it wanted to."""
    ended = subprocess.run(
        [sys.executable, "-I", str(EXAMPLE), *flags],
        input=json.dumps(env), cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, f"{ended.returncode}\n{ended.stdout}{ended.stderr}"
    return ended.stdout


async def test_frontend_of_the_documentation__books_repeats_and_is_told_of_a_reused_id(hub: RunningHub, tmp_path: Path) -> None:
    running = hubs.running(hub.data)
    await asyncio.to_thread(seed.import_hub, running)
    env = hub.env()
    listed = [json.loads(line)["offer"] for line in frontend(env, folder=tmp_path).splitlines()]
    shown = next(each for each in await look(running) if each.offer_id in listed and each.slots[-1].start)
    slot = shown.slots[-1]
    assert slot.start is not None
    request_id = str(uuid4())
    wish = ["--offer", shown.offer_id, "--start", slot.start.isoformat(), "--minutes", str(slot.minutes)]
    wish += ["--person", str(uuid4()), "--request-id", request_id, "--seconds", "20"]
    wish += [part for component, resource in slot.choices for part in ("--choose", f"{component}={resource}")]
    answer = json.loads(frontend(env, *wish, folder=tmp_path))
    assert answer["type"] == "de.hubnetz.booking.BookingConfirmed.v1"
    assert answer["data"]["request_id"] == request_id
    wish[wish.index("--seconds") + 1] = "3"  # it is not answered twice: the program then asks booking for the outcome
    again = json.loads(frontend(env, *wish, folder=tmp_path))
    assert again["data"]["booking_id"] == answer["data"]["booking_id"]
    other = json.loads(frontend(env, *wish, "--quantity", "2", folder=tmp_path))
    assert (other["type"], other["data"]["reason"]) == ("de.hubnetz.booking.RequestRefused.v1", "request_id_reused")
    records = await KafkaServer(running.kafka, prefix="").read_all(topics.BOOKING_EVENTS.name)
    of_request = {dict(r.headers)["ce_id"] for r in records if json.loads(r.value).get("request_id") == request_id}
    assert of_request == {answer["event_id"].encode()}, "one event id for one request, however often it was sent"
