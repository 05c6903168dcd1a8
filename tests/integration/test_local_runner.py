"""The runner with real servers: killed at any moment, as another user, at odd paths, beside a second one."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from contracts import topics as catalogue
from deploy import topics
from deploy.failures import Failure
from deploy.local import accounts, fetch, kafka, pins, servers, stack
from deploy.local.accounts import Account
from deploy.local.folder import DataFolder, free_port, placed
from deploy.local.stack import Wanted
from deploy.local.supervisor import running
from tests.support.kafka import KafkaServer, Raw
from tests.support.nest import Nest, open_nest
from tests.support.waiting import eventually, eventually_sync

pytestmark = pytest.mark.timeout(240)  # a pair starts in 4 s on a quiet machine of two cores, in 40 on one where eight work
ROOT = Path(__file__).parents[2]
STOP_SECONDS_MAX = 10


@pytest.fixture
def nest() -> Iterator[Nest]:
    with open_nest() as opened:
        yield opened


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that the database's account may pass; pytest's own are closed to it."""
    made = Path(tempfile.mkdtemp(prefix="hubnetz runner, test "))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@dataclass
class Pair:
    """A pair of servers by `python -m deploy.local.servers`, started by this test."""

    process: subprocess.Popen[str]
    folder: DataFolder

    def addresses(self) -> tuple[str, str]:
        """Kafka's and PostgreSQL's, once both answer."""
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline().strip() for _ in range(2)]
        assert all(lines), self.errors()
        return lines[0].partition("=")[2], lines[1].partition("=")[2]

    def errors(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def stop(self) -> float:
        """Ask it to end; the seconds it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)
        assert self.process.returncode == 0
        return time.monotonic() - began


def start(folder: Path, *options: str, account: Account | None = None, python: Path = Path(sys.executable), **env: str) -> Pair:
    who: Mapping[str, object] = {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}
    process = subprocess.Popen(
        [str(python), "-m", "deploy.local.servers", "--throw-away", *options, str(folder)],
        cwd=ROOT,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **who,  # type: ignore[call-overload]
    )
    return Pair(process, DataFolder(folder))


async def use(addresses: tuple[str, str]) -> None:
    """Both do their work: a record goes through, a query is answered."""
    broker, database = KafkaServer(addresses[0]), addresses[1]
    topic = broker.name("works")
    broker.create(topic)
    await broker.produce(topic, [Raw(b"k", [], b"v")])
    assert [r.value for r in await broker.read(topic, count=1)] == [b"v"]
    connection = await asyncpg.connect(database)
    try:
        assert await connection.fetchval("SELECT 1") == 1
    finally:
        await connection.close()


async def test_path_with_blanks_and_a_comma__works_and_stops_in_time(place: Path, nest: Nest) -> None:
    pair = start(place / "a hub, ü")
    await use(pair.addresses())
    assert pair.stop() < STOP_SECONDS_MAX
    assert nest.alive() == {}


# From the first instant to the moment when both answer (some 5 s on two cores): fork, initdb, format, start of both.
@pytest.mark.parametrize("seconds", [0.1, 0.25, 0.4, 0.6, 0.9, 1.3, 1.8, 2.5, 3.5, 5.0])
def test_supervisor_killed_at_any_moment__leaves_no_process(place: Path, nest: Nest, seconds: float) -> None:
    pair = start(place / "hub")
    time.sleep(seconds)
    pair.process.kill()
    pair.process.communicate()
    eventually_sync(lambda: not nest.alive(), seconds=STOP_SECONDS_MAX, what="the end of all processes")


def test_supervisor_and_watchdog_killed_together__leaves_no_process(place: Path, nest: Nest) -> None:
    pair = start(place / "hub")
    pair.addresses()
    watchdog = next(p.pid for p in pair.folder.processes() if p.name == "watchdog")
    os.kill(watchdog, signal.SIGKILL)
    pair.process.kill()
    pair.process.communicate()
    eventually_sync(lambda: not nest.alive(), seconds=STOP_SECONDS_MAX, what="the end of all processes")


def test_folder_of_a_killed_runner__can_be_started_again_at_once(place: Path, nest: Nest) -> None:
    first = start(place / "hub")
    before = first.addresses()
    first.process.kill()
    first.process.communicate()
    second = start(place / "hub")
    assert second.addresses() == before, "the same ports and passwords"
    second.stop()
    assert nest.alive() == {}


async def test_servers_killed__started_again_at_the_same_address(place: Path, nest: Nest) -> None:
    pair = start(place / "hub")
    addresses = pair.addresses()
    before = {p.name: p.pid for p in pair.folder.processes()}
    for name in ("kafka", "postgres"):
        os.kill(before[name], signal.SIGKILL)

    async def both_again() -> bool:
        now = {p.name: p.pid for p in pair.folder.processes()}
        return all(now[name] != before[name] for name in ("kafka", "postgres")) and kafka.answers(addresses[0])

    await eventually(both_again, seconds=60, what="both servers anew")

    async def connected() -> bool:
        try:
            await (await asyncpg.connect(addresses[1])).close()
        except (OSError, asyncpg.PostgresError):
            return False
        return True

    await eventually(connected, seconds=60, what="a connection to the database")
    await use(addresses)
    pair.stop()
    assert nest.alive() == {}


async def test_two_hubs_side_by_side__do_not_disturb_each_other(place: Path, nest: Nest) -> None:
    one, two = start(place / "one"), start(place / "two")
    first, second = one.addresses(), two.addresses()
    assert len({*first, *second}) == 4
    assert kafka.cluster_id(one.folder) != kafka.cluster_id(two.folder)
    one.stop()
    await use(second)
    two.stop()
    assert nest.alive() == {}


def test_second_runner_on_the_folder__refused_with_the_holders_number(place: Path) -> None:
    with running(DataFolder(place / "hub")):
        second = start(place / "hub")
        _, told = second.process.communicate(timeout=60)
    assert second.process.returncode == 1
    assert f"Another runner (process {os.getpid()})" in told
    assert "try: " in told


def test_process_that_the_pair_lives_with_ends__the_pair_ends(place: Path, nest: Nest) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as patron:
        pair = start(place / "hub", "--until-gone", str(patron.pid))
        pair.addresses()
        patron.kill()
    pair.process.communicate(timeout=6 * STOP_SECONDS_MAX)
    assert pair.process.returncode == 0
    assert nest.alive() == {}


def test_port_taken_in_the_last_moment__another_one(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, running(DataFolder(place / "hub")) as supervisor:
        servers.make(supervisor, kafka=False, durable=False)
        offered = [taken.getsockname()[1]]
        monkeypatch.setattr(servers, "free_port", lambda preferred=None: offered.pop() if offered else free_port())
        server = servers.begin_postgres(supervisor, durable=False).wait()
        assert server.port != taken.getsockname()[1]
        assert "Address already in use" in server.log.read_text()


def test_port_of_last_time__taken_again_if_it_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert free_port(port) != port
    assert free_port(port) == port


def test_addresses_given__no_server_of_our_own(place: Path, nest: Nest, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = start(place / "servers")
    addresses = pair.addresses()
    for name, address in zip(("HUBNETZ_KAFKA", "HUBNETZ_POSTGRES"), addresses, strict=True):
        monkeypatch.setenv(name, address)
    wanted = Wanted("here", "Hier", services=())
    with running(DataFolder(place / "hub")) as supervisor:
        with pytest.raises(Failure, match="HUBNETZ_KAFKA_SECURITY is None"):
            stack.start(supervisor, wanted)
        monkeypatch.setenv("HUBNETZ_KAFKA_SECURITY", "plaintext-internal")
        hub = stack.start(supervisor, wanted)
        assert (hub.kafka, hub.postgres_admin) == addresses
        assert set(supervisor.children()) == {"mailsink"}
        assert topics.plan(topics.admin_of(hub.admin_settings()), catalogue.ALL) == []
    pair.stop()
    assert nest.alive() == {}


def test_folder_of_somebody_else__failure_with_a_remedy(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(place / "hub" / "lock"))

    monkeypatch.setattr(Path, "open", refuse)  # root may open everything
    with pytest.raises(Failure, match="lock belongs to somebody else"):
        DataFolder(place / "hub").take()


@pytest.fixture
def ordinary() -> Account:
    """Somebody who is not root; whoever runs the tests as such is meant himself."""
    return accounts.database_account() or Account("me", os.getuid(), os.getgid(), tuple(os.getgroups()))


@pytest.fixture
def public_python(place: Path, ordinary: Account) -> tuple[Path, dict[str, str]]:
    """An interpreter that an ordinary user may run, and its environment: a copy if this one lies below a closed folder."""
    packages = str(Path(pytest.__file__).parents[1])
    env = {"PYTHONPATH": f"{ROOT}{os.pathsep}{packages}", "HOME": str(place), "XDG_CACHE_HOME": str(place / "cache")}
    original = Path(sys.executable).resolve()
    if ordinary.may_pass(original.parent):
        return original, env
    copy = place / "python"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = Path(sys.base_prefix) / "lib"
    shutil.copytree(library / version, copy / "lib" / version, ignore=shutil.ignore_patterns("test", "site-packages", "*.pyc"))
    for shared in library.glob("libpython*"):
        shutil.copy2(shared, copy / "lib")
    (copy / "bin").mkdir()
    shutil.copy2(original, copy / "bin" / "python3")
    return copy / "bin" / "python3", {**env, "LD_LIBRARY_PATH": str(copy / "lib")}


async def test_ordinary_user__runs_both_servers_himself(
    place: Path, nest: Nest, ordinary: Account, public_python: tuple[Path, dict[str, str]]
) -> None:
    home, cache = place / "his", place / "cache"
    for folder in (home, cache / "hubnetz"):
        folder.mkdir(parents=True)
    shutil.copytree(fetch.cache_folder() / "jars", cache / "hubnetz" / "jars")  # no second download
    for path in (home, *cache.rglob("*"), cache):
        os.chown(path, ordinary.uid, ordinary.gid)
    python, env = public_python
    pair = start(home / ".hubnetz", account=ordinary, python=python, **env)
    await use(pair.addresses())
    owners = {os.stat(f"/proc/{p.pid}").st_uid for p in pair.folder.processes()}
    assert owners == {ordinary.uid}
    assert pair.stop() < STOP_SECONDS_MAX
    assert nest.alive() == {}


def test_folder_below_a_closed_one__data_move_for_the_databases_account(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    account = accounts.database_account()
    where = placed(closed / "hub" / ".hubnetz")
    if account is None:
        assert where == closed / "hub" / ".hubnetz"
    else:
        assert where.parent == Path("/var/lib/hubnetz")
        assert where != placed(closed / "other" / ".hubnetz")
        assert f"{account.name} may not pass {closed / 'hub'}" in capsys.readouterr().err
    assert placed(place / "open") == place / "open"


def test_unknown_platform__failure_names_the_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pins, "_MACHINES", {})
    with pytest.raises(Failure, match="No server binaries are pinned") as told:
        pins.postgresql()
    assert told.value.code == 3
    assert "HUBNETZ_POSTGRES" in told.value.remedy
