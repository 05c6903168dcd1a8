"""Child processes that cannot outlive their supervisor: own group, parent-death signal, known to the watchdog at birth."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from deploy.local import watchdog
from deploy.local.accounts import Account

_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True)
class Spec:
    """A process to be: what to run, as whom, and how it is asked to stop."""

    name: str
    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 25


class Watch:
    """The supervisor's end of the watchdog's pipe."""

    def __init__(self) -> None:
        self._read_end, self.fd = os.pipe()
        self._process = self._begin()

    def _begin(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-I", "-S", watchdog.__file__, str(self._read_end)]
        return subprocess.Popen(  # noqa: S603 - our own file
            command, pass_fds=[self._read_end], start_new_session=True, stdin=subprocess.DEVNULL
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def forget(self, group: int) -> None:
        """Strike off a group that has ended."""
        os.write(self.fd, f"end {group}\n".encode())

    def renew(self, running: Mapping[int, Spec]) -> bool:
        """Start the watchdog again if somebody ended it, and tell it what runs; whether that was needed."""
        if self._process.poll() is None:
            return False
        self._process = self._begin()
        for group, spec in running.items():
            os.write(self.fd, birth_line(group, spec))
        return True

    def close(self) -> None:
        """Let the watchdog go: it reads end of file, stops what it still knows, and ends."""
        os.close(self.fd)
        os.close(self._read_end)
        self._process.wait()


def birth_line(group: int, spec: Spec) -> bytes:
    """What a child tells the watchdog about itself; far below PIPE_BUF, so that lines never mix."""
    return f"start {group} {int(spec.stop_signal)} {spec.stop_seconds}\n".encode()


def _before_exec(spec: Spec, watch: Watch) -> Callable[[], None]:
    """What the forked child does before it becomes its program, after its group and user were set.

    The order matters: a change of user clears the parent-death signal; a parent that died before the call sends none, hence
    the look at the parent's id; the line to the watchdog comes last, and its pipe stays open in the child until then.
    """
    parent = os.getpid()
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def run() -> None:
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, int(spec.stop_signal))
        if os.getppid() != parent:
            os._exit(1)
        os.write(watch.fd, birth_line(os.getpid(), spec))

    return run


class Child:
    """A running process, leader of its own group; `group` is its process id too."""

    def __init__(self, spec: Spec, process: subprocess.Popen[bytes]) -> None:
        self.spec = spec
        self._process = process
        self.began = time.monotonic()
        self.start_time = watchdog.started(process.pid)

    @property
    def group(self) -> int:
        return self._process.pid

    def ended(self) -> int | None:
        """The exit code, negative for a signal; None while it runs. Reaps."""
        return self._process.poll()

    def ask_to_stop(self) -> None:
        watchdog.send(self.group, self.spec.stop_signal)

    def kill(self) -> None:
        watchdog.send(self.group, signal.SIGKILL)

    def alive(self) -> bool:
        """Whether anyone of the group lives: the leader may be gone while its own children still work."""
        return self.ended() is None or bool(watchdog.members(self.group))


def start(spec: Spec, *, log: Path, watch: Watch) -> Child:
    """Start the process with its output appended to `log`.

    Only from the main thread: the parent-death signal comes when the *thread* that forked ends.
    """
    assert threading.current_thread() is threading.main_thread()
    account = spec.account
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - running programs is this module's purpose
            spec.argv,
            cwd=spec.cwd,
            env=dict(spec.env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=account.groups if account else None,
            preexec_fn=_before_exec(spec, watch),
        )
    return Child(spec, process)


def stop(children: list[Child]) -> list[str]:
    """Ask all at once, wait as long as each may take, kill what is left; the names of those killed."""
    for child in children:
        child.ask_to_stop()
    began = time.monotonic()
    left, killed = list(children), []
    while left:
        for child in list(left):
            if not child.alive():
                left.remove(child)
            elif time.monotonic() - began > child.spec.stop_seconds:
                child.kill()
                killed.append(child.spec.name)
        time.sleep(watchdog.POLL_SECONDS)
    return sorted(set(killed))
