"""Each container killed once while visitors come: nothing lost, nothing doubled."""

import json
import time
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from deploy import installation
from tests.docker import crowd
from tests.support.compose_hub import ComposeHub
from tests.support.waiting import eventually_sync

pytestmark = pytest.mark.timeout(1500)
CROWD: Final = Path(crowd.__file__).parent
FILL: Final = "from deploy import hub, seed; print(seed.import_hub(hub.running(None))['published'])"
VIOLATIONS: Final = "from deploy import hub, seed; print(seed.violations(hub.running(None)))"
UNFINISHED: Final = """
    SELECT count(*) FROM messages
     WHERE state IN ('claimed', 'sending', 'uncertain') OR (state = 'scheduled' AND next_at < now())
"""
SECONDS_AWAY: Final = 3.0  # for the others to notice
SECONDS_BETWEEN: Final = 5.0  # for the crowd to go on


def kill_each(hub: ComposeHub, *services: str) -> dict[str, Any]:
    """Kill the services one after the other under load, each started again; what came of the crowd."""
    hub.ops("python", "-c", FILL)
    with hub.begin_ops("python", "/mounted/crowd.py", mount=CROWD) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            first = process.stdout.readline()
            assert first.strip() == "the crowd is there", first + process.communicate()[1]
            for service in services:
                time.sleep(SECONDS_BETWEEN)
                hub.compose("kill", service)
                assert hub.states()[service].startswith("exited 137")
                time.sleep(SECONDS_AWAY)
                print(f"{service} back after {hub.up(service):.1f} s")  # noqa: T201 - a figure for whoever runs it with -s
            time.sleep(SECONDS_BETWEEN)
            told, complaints = process.communicate(timeout=600)
            assert process.returncode == 0, complaints
        finally:
            process.kill()
    outcome: dict[str, Any] = json.loads(told.splitlines()[-1])
    print(outcome)  # noqa: T201 - likewise
    return outcome


def assert_settled(hub: ComposeHub) -> None:
    """Everything healthy, all outboxes empty, no invariant violated, no dead letter, no mail in between."""

    def healthy() -> bool:
        states = hub.states()
        return all(states[service] == "running healthy" for service in installation.SERVICES)

    eventually_sync(healthy, seconds=120, what="the health of all services")
    for service in installation.SERVICES:
        eventually_sync(partial(_is_sent, hub, service), seconds=60, what=f"{service}'s outbox")
    assert hub.ops("python", "-c", VIOLATIONS).split()[-1] == "0"
    hub.ops("hubnetz", "dlq", "list")
    eventually_sync(lambda: hub.sql("notify", UNFINISHED) == "0", seconds=120, what="the end of all mails that are due")


def test_each_service_killed_under_load__nothing_lost_or_doubled(hub: ComposeHub) -> None:
    outcome = kill_each(hub, *installation.SERVICES, "kafka", "postgres")
    assert outcome["asked"] > 100
    assert outcome["confirmed"] > 50
    assert outcome["wrong"] == outcome["strangers"] == 0
    assert outcome["unmailed"] == 0
    resent = int(hub.sql("notify", "SELECT count(*) FROM messages WHERE resent"))
    assert outcome["doubled"] <= resent  # twice only where the relay's answer was lost
    assert_settled(hub)
    assert _counted(hub) == _booked(hub)


def test_mail_sink_killed_under_load__every_mail_is_sent_by_the_end(hub: ComposeHub) -> None:
    before = int(hub.sql("notify", "SELECT count(*) FROM messages WHERE state = 'sent'"))
    outcome = kill_each(hub, "mailsink")
    assert outcome["wrong"] == outcome["strangers"] == 0
    assert_settled(hub)
    sent = int(hub.sql("notify", "SELECT count(*) FROM messages WHERE state = 'sent'")) - before
    assert sent >= outcome["confirmed"]
    assert hub.sql("notify", "SELECT count(*) FROM messages WHERE state IN ('failed', 'missed')") == "0"


def _is_sent(hub: ComposeHub, service: str) -> bool:
    return hub.sql(service, "SELECT count(*) FROM outbox") == "0"


def _booked(hub: ComposeHub) -> str:
    return hub.sql("booking", "SELECT count(*) FROM bookings")


def _counted(hub: ComposeHub) -> str:
    """Bookings that analytics has a fact of; waits until it has as many as booking."""
    query = "SELECT count(DISTINCT booking_id) FROM events WHERE booking_id IS NOT NULL"
    eventually_sync(lambda: hub.sql("analytics", query) == _booked(hub), seconds=60, what="analytics' facts")
    return hub.sql("analytics", query)
