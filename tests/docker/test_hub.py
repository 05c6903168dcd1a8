"""A hub by compose: healthy, walled in, without a secret to be seen; it serves a frontend and plays a day."""

import json
import urllib.request
from pathlib import Path
from typing import Final

import pytest

from deploy import installation
from tests.support.compose import ROOT
from tests.support.compose_hub import ComposeHub, docker
from tests.support.waiting import eventually_sync

pytestmark = pytest.mark.timeout(900)
SERVING: Final = ("kafka", "postgres", "mailsink", *installation.SERVICES)
HEALTHY_SECONDS_MAX: Final = 300.0  # of an overloaded machine; the report says what it took
NO_NET: Final = "import socket; socket.create_connection(('192.0.2.1', 53), 3)"


def test_hub_started__all_healthy_and_both_jobs_done(hub: ComposeHub) -> None:
    states = hub.states()
    assert {name: states[name] for name in SERVING} == dict.fromkeys(SERVING, "running healthy")
    assert {name: states[name] for name in ("migrate", "topics")} == dict.fromkeys(("migrate", "topics"), "exited 0")
    assert hub.healthy_seconds < HEALTHY_SECONDS_MAX
    print(f"\nhealthy after {hub.healthy_seconds:.0f} s")  # noqa: T201 - a figure for whoever runs it with -s


def test_hub_started_again__changes_nothing(hub: ComposeHub) -> None:
    before = {name: each["Id"] for name, each in hub.inspect().items()}
    hub.up()
    assert {name: each["Id"] for name, each in hub.inspect().items()} == before
    assert hub.states()["migrate"] == "exited 0"


def test_containers_of_ours__have_no_rights(hub: ComposeHub) -> None:
    containers = hub.inspect()
    for name in ("migrate", "topics", "mailsink", *installation.SERVICES):
        facts, limits = containers[name]["Config"], containers[name]["HostConfig"]
        assert facts["User"] == "10001:10001", name
        assert limits["ReadonlyRootfs"] is True, name
        assert limits["CapDrop"] == ["ALL"], name
        assert limits["SecurityOpt"] == ["no-new-privileges:true"], name
        assert limits["PidsLimit"] == 200, name
        assert 0 < limits["Memory"] <= 256 * 1024 * 1024, name
        assert limits["Init"] is True, name
    told = hub.compose(
        "exec", "-T", "booking", "sh", "-c", "id -u; touch /opt/x /run/secrets/x 2>&1; touch /tmp/x && echo written"
    )
    assert told.startswith("10001\n")
    assert told.count("ead-only") == 2 or told.count("denied") + told.count("ead-only") == 2
    assert told.endswith("written\n")


def test_secrets__are_seen_neither_by_the_engine_nor_in_logs(hub: ComposeHub) -> None:
    files = [path for path in (hub.folder / "secrets").rglob("*") if path.is_file() and path.name != ".gitignore"]
    secrets = {path.name: path.read_text().strip() for path in files if path.read_text().strip()}
    secrets |= {f"{name} password": text.split(":")[2].split("@")[0] for name, text in secrets.items() if "://" in text}
    assert len(secrets) > 10
    told = json.dumps(hub.inspect()) + hub.compose("logs") + hub.compose("config")
    assert [name for name, secret in secrets.items() if secret in told] == []


def test_secrets_in_a_container__are_those_of_its_service(hub: ComposeHub) -> None:
    there = hub.compose("exec", "-T", "catalog", "ls", "/run/secrets").split()
    assert sorted(there) == ["database-url", "service-token"]


def test_network_of_the_hub__has_no_way_out(hub: ComposeHub) -> None:
    routes = hub.compose("exec", "-T", "booking", "cat", "/proc/net/route").splitlines()[1:]
    assert routes
    assert [route for route in routes if route.split()[1] == "00000000"] == []  # no default route
    outside = hub.compose("exec", "-T", "notify", "cat", "/proc/net/route").splitlines()[1:]
    assert [route for route in outside if route.split()[1] == "00000000"] != []


def test_database_of_another_service__is_closed(hub: ComposeHub) -> None:
    code = (
        "import asyncio, asyncpg, pathlib\n"
        "address = pathlib.Path('/run/secrets/database-url').read_text().replace('/catalog', '/booking')\n"
        "asyncio.run(asyncpg.connect(address))"
    )
    hub.compose("exec", "-T", "catalog", "python", "-c", code, code=1)


def test_day_played_by_the_seed__every_request_answered_once(hub: ComposeHub) -> None:
    told = hub.ops("hubnetz", "seed", "--visitors", "80")
    assert "invariants violated          0" in told
    assert "hubnetz seed" not in hub.ops("hubnetz", "dlq", "list")
    assert "All topics are as the table says." in hub.ops("hubnetz", "topics", "plan")
    assert hub.sql("booking", "SELECT count(*) FROM outbox") == "0"


def test_frontend_of_the_documentation__books_by_the_network_of_the_hub(hub: ComposeHub) -> None:
    env = hub.ops("hubnetz", "env", "--json")
    examples = ROOT / "docs" / "examples"
    offers = [json.loads(line) for line in hub.ops("python", "/mounted/frontend.py", text=env, mount=examples).splitlines()]
    assert len(offers) > 5
    code = (
        "import asyncio, json; from deploy import hub; from deploy.demo.day import look\n"
        "shown = next(each for each in asyncio.run(look(hub.running(None))) if each.slots[-1].start)\n"
        "slot = shown.slots[-1]\n"
        "print(json.dumps([shown.offer_id, slot.start.isoformat(), slot.minutes, dict(slot.choices)]))"
    )
    offer, start, minutes, choices = json.loads(hub.ops("python", "-c", code).splitlines()[-1])
    ids = {"--person": "3d6a7a55-6a0e-4f7e-9a43-2f0c1b8e5a10", "--request-id": "5b1f0a3e-1f0e-4d56-9a2a-6a1c5f1d2e77"}
    flags = {"--offer": offer, "--start": start, "--minutes": str(minutes), "--seconds": "15", **ids}
    wish = [part for flag in flags.items() for part in flag]
    wish += [part for component, resource in choices.items() for part in ("--choose", f"{component}={resource}")]
    answer = json.loads(hub.ops("python", "/mounted/frontend.py", *wish, text=env, mount=examples))
    assert answer["type"] == "de.hubnetz.booking.BookingConfirmed.v1"
    again = json.loads(hub.ops("python", "/mounted/frontend.py", *wish, text=env, mount=examples))  # not answered twice
    assert again["data"]["booking_id"] == answer["data"]["booking_id"]


def test_mails__are_shown_on_this_machine_only(hub: ComposeHub) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{hub.mailsink_port}/api/mails?limit=1", timeout=10) as answer:
        assert json.load(answer)["stored"] > 10
    (port,) = hub.inspect()["mailsink"]["NetworkSettings"]["Ports"]["8025/tcp"]
    assert port["HostIp"] == "127.0.0.1"


def test_figures_of_the_day__agree_with_booking(hub: ComposeHub) -> None:
    told = [
        *("-e", "HUBNETZ_BOOKING_URL=http://booking:8080", "-e", "HUBNETZ_BOOKING_TOKEN_FILE=/run/secrets/service-token"),
        *("-e", "HUBNETZ_ANALYTICS_URL=http://analytics:8080", "-e", "HUBNETZ_SERVICE_TOKEN_FILE=/run/secrets/service-token"),
        *("-e", "HUBNETZ_DATABASE_URL_FILE=/run/secrets/analytics-database-url", "-e", "HUBNETZ_HTTP_PORT=0"),
        *("-e", "HUBNETZ_ANALYTICS_KEYS=/tmp"),
    ]
    days = hub.sql("booking", "SELECT min(lower(booked))::date || ' ' || max(lower(booked))::date FROM allocations").split()
    span = ("--from", days[0], "--to", days[1])

    def difference() -> str:
        ended = hub.compose("run", "--rm", "-T", *told, "ops", "python", "-m", "services.analytics", "reconcile", *span)
        return ended.splitlines()[-1]

    assert eventually_sync(difference, seconds=60).endswith(" 0 differences")


def test_consumer_rewound_while_it_is_stopped__reads_again_and_counts_once(hub: ComposeHub) -> None:
    facts = "SELECT count(*) FROM events"
    position = "SELECT sum(next_offset) FROM stored_offsets WHERE topic = 'booking.events.v1'"
    before, end = hub.sql("analytics", facts), hub.sql("analytics", position)
    hub.compose("stop", "analytics")
    hub.ops("hubnetz", "rewind", "analytics", "--to", "start", "--yes")
    assert hub.sql("analytics", position) == "0"
    hub.up("analytics")
    eventually_sync(lambda: hub.sql("analytics", position) == end, seconds=60, what="the end of the log")
    assert hub.sql("analytics", facts) == before


def test_secret_renewed__commands_that_init_names_bring_it_to_the_hub(hub: ComposeHub) -> None:
    old = (hub.folder / "secrets" / "booking-database-url").read_text()
    told = hub.init("--rotate", "booking-database-url")
    commands = [line.split() for line in told.splitlines() if line.startswith("  docker compose")]
    assert len(commands) == 2
    for command in commands:
        hub.compose(*(part for part in command[2:] if part != "--build"))
    assert hub.states()["booking"] == "running healthy"
    code = f"import asyncio, asyncpg; asyncio.run(asyncpg.connect({old!r}))"
    hub.ops("python", "-c", code, code=1)
    hub.ops("python", "-c", code.replace(old, (hub.folder / "secrets" / "booking-database-url").read_text()))


def test_administrators_password_renewed__the_command_that_init_names_sets_it(hub: ComposeHub, tmp_path: Path) -> None:
    told = hub.init("--rotate", "postgres-admin")
    (command,) = [line.strip() for line in told.splitlines() if line.startswith("  printf")]
    assert command.startswith(
        'printf "ALTER ROLE postgres PASSWORD \'%s\'" "$(cat secrets/postgres-admin)" | docker compose exec'
    )
    password = (hub.folder / "secrets" / "postgres-admin").read_text()
    hub.compose(*command.split("docker compose ")[1].split(), text=f"ALTER ROLE postgres PASSWORD '{password}'")
    hub.compose("run", "--rm", "migrate")  # logs in with the new one, over the network


def test_process_killed_inside_its_container__comes_back(hub: ComposeHub) -> None:
    restarts = hub.inspect()["catalog"]["RestartCount"]
    hub.compose("exec", "-T", "catalog", "sh", "-c", "kill -9 $(cat /proc/1/task/1/children)")
    eventually_sync(lambda: hub.inspect()["catalog"]["RestartCount"] > restarts, seconds=60, what="the restart")
    eventually_sync(lambda: hub.states()["catalog"] == "running healthy", seconds=120, what="catalog's health")


def test_hub_stopped_and_started__its_data_are_there(hub: ComposeHub) -> None:
    bookings = hub.sql("booking", "SELECT count(*) FROM bookings")
    assert int(bookings) > 10
    hub.compose("--profile", "tools", "down", "--timeout", "45")
    hub.up()
    assert hub.sql("booking", "SELECT count(*) FROM bookings") == bookings
    assert "All topics are as the table says." in hub.ops("hubnetz", "topics", "plan")


def test_second_hub_on_the_same_machine__fits_beside(hub: ComposeHub) -> None:
    names = docker(
        "ps", "--all", "--format", "{{.Names}}", "--filter", f"label=com.docker.compose.project={hub.project}"
    ).split()
    assert names
    assert all(name.startswith(hub.project) for name in names)
