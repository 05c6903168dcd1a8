"""The supervisor with small children of our own: restarts, patience, holding, logs, leftovers."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.failures import Failure
from deploy.local import folder as folders
from deploy.local import watchdog
from deploy.local.folder import DataFolder, Running
from deploy.local.process import Spec
from deploy.local.supervisor import RESTARTS_MAX, Stopped, Supervisor, running
from tests.support.nest import Nest, open_nest
from tests.support.waiting import eventually_sync

SLEEPER = "import time; time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"


@pytest.fixture
def nest() -> Iterator[Nest]:
    with open_nest() as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / "hub")


def spec(folder: DataFolder, code: str, name: str = "child", seconds: float = 5) -> Spec:
    return Spec(name=name, argv=(sys.executable, "-c", code), cwd=folder.path, stop_seconds=seconds)


def tend_until(supervisor: Supervisor, question: Callable[[], object]) -> None:
    def ask() -> object:
        supervisor.tend()
        return question()

    eventually_sync(ask, what="what the supervisor tends to")


def test_block_ends__children_and_watchdog_are_gone(folder: DataFolder, nest: Nest) -> None:
    with running(folder) as supervisor:
        supervisor.keep(spec(folder, SLEEPER))
        assert len(nest.alive()) == 2
    assert nest.alive() == {}
    assert folder.read_runtime() == {}


def test_child_crashes__started_again_and_told(folder: DataFolder) -> None:
    with running(folder) as supervisor:
        first = supervisor.keep(spec(folder, SLEEPER))
        os.killpg(first.group, signal.SIGKILL)
        tend_until(supervisor, lambda: supervisor.children()["child"].group != first.group)
        second = supervisor.children()["child"]
        assert second.ended() is None
        assert second.group in [process.pid for process in folder.processes()]


def test_child_crashes_again_and_again__all_stops_with_the_end_of_its_log(folder: DataFolder, nest: Nest) -> None:
    starts = "import pathlib; pathlib.Path('starts').open('a').write('x'); print('my last words'); raise SystemExit(3)"
    with running(folder) as supervisor:
        supervisor.keep(spec(folder, SLEEPER, "healthy"))
        supervisor.keep(spec(folder, starts))
        with pytest.raises(Failure, match=rf"(?s)exit code 3 {RESTARTS_MAX + 1} times.*my last words") as told:
            supervisor.run()
    assert told.value.log == folder.log_of("child")
    assert (folder.path / "starts").read_text() == "x" * (RESTARTS_MAX + 1)
    assert nest.alive() == {}


def test_child_deaf_to_sigterm__killed_after_its_patience(
    folder: DataFolder, nest: Nest, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(folder) as supervisor:
        supervisor.keep(spec(folder, STUBBORN, seconds=0.3))
        eventually_sync(lambda: "deaf" in folder.log_of("child").read_text())
        began = time.monotonic()
    assert 0.3 <= time.monotonic() - began < 3
    assert nest.alive() == {}
    assert "killed after its patience: child" in capsys.readouterr().err


def test_grandchild_of_a_stopped_child__gone_too(folder: DataFolder, nest: Nest) -> None:
    parent = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]); time.sleep(600)"
    with running(folder) as supervisor:
        supervisor.keep(spec(folder, parent, seconds=0.5))
        eventually_sync(lambda: "deaf" in folder.log_of("child").read_text())
    assert nest.alive() == {}


def test_one_shot_fails__failure_names_log_and_remedy(folder: DataFolder) -> None:
    with running(folder) as supervisor:
        job = supervisor.begin(spec(folder, "print('no such thing'); raise SystemExit(4)", "job"))
        with pytest.raises(Failure, match=r"(?s)job ended with exit code 4.*no such thing") as told:
            supervisor.finish(job, seconds=10)
    assert told.value.log == folder.log_of("job")
    assert told.value.remedy


def test_server_not_ready_in_time__failure_says_for_what_it_waited(folder: DataFolder) -> None:
    with running(folder) as supervisor:
        child = supervisor.keep(spec(folder, SLEEPER))
        with pytest.raises(Failure, match="Waited 0 s for the impossible"):
            supervisor.wait(child, lambda: False, seconds=0.2, what="the impossible")


def test_signal__ends_the_run(folder: DataFolder) -> None:
    with running(folder) as supervisor:
        supervisor.keep(spec(folder, SLEEPER))
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Stopped):
            supervisor.run()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_folder_in_use__second_runner_refused_with_the_first_ones_number(folder: DataFolder) -> None:
    with running(folder), pytest.raises(Failure, match=f"process {os.getpid()}"):
        DataFolder(folder.path).take()
    folder.take()
    folder.release()


def test_held_child__stays_stopped_until_let_go(folder: DataFolder) -> None:
    with running(folder) as supervisor:
        first = supervisor.keep(spec(folder, SLEEPER))
        inside, leave = threading.Event(), threading.Event()

        def command() -> None:
            with DataFolder(folder.path).hold("child"):
                inside.set()
                leave.wait(10)

        thread = threading.Thread(target=command)
        thread.start()
        tend_until(supervisor, inside.is_set)
        assert watchdog.started(first.group) is None
        supervisor.tend()
        assert supervisor.children()["child"].group == first.group
        leave.set()
        thread.join()
        tend_until(supervisor, lambda: supervisor.children()["child"].ended() is None)


def test_hold_of_a_killed_command__does_not_count(folder: DataFolder) -> None:
    folder.prepare()
    (folder.path / "hold").mkdir()
    (folder.path / "hold" / "child").write_text(f"{os.getpid()} another-start")
    assert not folder.is_held("child")


def test_watchdog_killed__started_again_and_knows_the_children(folder: DataFolder, nest: Nest) -> None:
    with running(folder) as supervisor:
        child = supervisor.keep(spec(folder, SLEEPER))
        old = next(p.pid for p in folder.processes() if p.name == "watchdog")
        os.kill(old, signal.SIGKILL)
        tend_until(supervisor, lambda: old not in [p.pid for p in folder.processes()])
        assert child.ended() is None
    assert nest.alive() == {}


def test_log_over_its_size__turned_over_while_the_child_writes_on(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "LOG_BYTES_MAX", 10_000)
    chatter = "import time\nfor n in range(100_000):\n    print(f'line {n}', flush=True)\n    time.sleep(0.0002)"
    with running(folder) as supervisor:
        supervisor.keep(spec(folder, chatter))
        log = folder.log_of("child")
        for number in range(1, folders.LOG_FILES_MAX + 2):
            eventually_sync(lambda: log.stat().st_size > 10_000)
            folder.rotate_logs()
            assert log.stat().st_size < 10_000, f"turn {number}"
        kept = sorted(path.name for path in folder.log.glob("child.log*"))
    assert kept == ["child.log", *(f"child.log.{n}" for n in range(1, folders.LOG_FILES_MAX))]
    newest = (folder.log / "child.log.1").read_text().splitlines()
    assert newest[-2].startswith("line ")


def test_leftover_of_a_killed_runner__ended_by_number_start_and_folder(
    folder: DataFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "_LEFTOVER_SECONDS", 0.2)
    folder.prepare()
    # The runner and its watchdog were killed together: a child works on in the folder, another program outside of it.
    command = [sys.executable, "-c", SLEEPER]
    with (
        subprocess.Popen(command, cwd=folder.path, process_group=0) as ours,
        subprocess.Popen(command, cwd="/", process_group=0) as foreign,
    ):
        start_of_ours, start_of_foreign = watchdog.started(ours.pid), watchdog.started(foreign.pid)
        told = [Running("ours", ours.pid, start_of_ours), Running("foreign", foreign.pid, start_of_foreign)]
        folder.write_runtime([*told, Running("reused", foreign.pid, "1")], {})
        folder.take()
        try:
            assert watchdog.started(ours.pid) is None
            assert watchdog.started(foreign.pid) == start_of_foreign
            assert "ending what a killed runner left: ours\n" in capsys.readouterr().err
        finally:
            foreign.kill()
            folder.release()
