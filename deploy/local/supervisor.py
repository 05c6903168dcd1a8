"""The supervisor: starts processes, waits for them, restarts what crashes, stops in reverse, and leaves no orphan.

Three nets: signal handlers and the end of `running()`; the parent-death signal of each child (Linux); the watchdog at the end
of a pipe. Single-threaded on purpose: it forks, and the parent-death signal is tied to the thread that forked.
"""

import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Final

from deploy import say
from deploy.failures import Failure
from deploy.local import process
from deploy.local.folder import DataFolder, Running, last_lines
from deploy.local.process import Child, Spec, Watch

RESTARTS_MAX: Final = 5
RESTARTS_SECONDS: Final = 60
_POLL_SECONDS: Final = 0.05
_ROTATE_SECONDS: Final = 5
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """A signal, or the end of the process that this hub was to live with, asked for the end. No error."""


@dataclass(slots=True)
class _Kept:
    """A child that is started again when it ends; `held`: an operator's command stopped it and will let it go."""

    child: Child
    held: bool = False
    restarts: deque[float] = field(default_factory=lambda: deque(maxlen=RESTARTS_MAX))


class Supervisor:
    """The children of one data folder, in the order in which they were started."""

    def __init__(self, folder: DataFolder, *, wanted: Callable[[], bool] = lambda: True) -> None:
        """`wanted` is asked all the time; once it says no, the hub stops as after a signal."""
        self.folder = folder
        self._facts: dict[str, object] = {}
        self._wanted = wanted
        self._watch = Watch()
        self._kept: dict[str, _Kept] = {}
        self._jobs: list[Child] = []
        self._signals = 0
        self._rotated = 0.0

    def begin(self, spec: Spec) -> Child:
        """Start a one-shot; `finish` waits for it."""
        child = process.start(spec, log=self.folder.log_of(spec.name), watch=self._watch)
        self._jobs.append(child)
        self.note()
        return child

    def finish(self, child: Child, *, seconds: float) -> None:
        """Wait until the one-shot has ended well."""
        name = child.spec.name
        self.wait(child, lambda: child.ended() is not None, seconds=seconds, what=f"{name} to end")
        self._jobs.remove(child)
        self._watch.forget(child.group)
        if child.ended():
            raise self._ended_badly(child)

    def keep(self, spec: Spec) -> Child:
        """Start a process that shall run until the end; in the place of one of that name that has ended."""
        if former := self._kept.get(spec.name):
            assert former.child.ended() is not None
            self._watch.forget(former.child.group)
        child = process.start(spec, log=self.folder.log_of(spec.name), watch=self._watch)
        self._kept[spec.name] = _Kept(child)
        self.note()
        return child

    def wait(self, child: Child, ready: Callable[[], bool], *, seconds: float, what: str) -> None:
        """Wait until `ready`; a child that ended or takes too long is a failure with the end of its log."""
        deadline = time.monotonic() + seconds
        while not ready():
            self._look_for_the_end()
            if child.ended() is not None:
                if ready():  # a one-shot that ended between the two questions
                    return
                raise self._ended_badly(child)
            if time.monotonic() > deadline:
                log = self.folder.log_of(child.spec.name)
                raise Failure(
                    f"Waited {seconds:.0f} s for {what}, in vain. Its log ends:\n{last_lines(log)}",
                    log=log,
                    remedy="look at the log; a slow or full machine? start again",
                )
            self.tend(restart=False)  # what crashes while the hub starts is told when its turn comes
            time.sleep(_POLL_SECONDS)

    def run(self, *, every: Callable[[], None] = lambda: None) -> None:
        """Look after the children until a signal comes (`Stopped`) or one crashes too often (`Failure`)."""
        while True:  # tidy: unbounded the hub runs until somebody asks for its end
            self._look_for_the_end()
            self.tend()
            every()
            time.sleep(4 * _POLL_SECONDS)

    def tend(self, *, restart: bool = True) -> None:
        """One look at everything: crashed children start again, logs turn over, the watchdog lives."""
        if self._watch.renew({c.group: c.spec for c in self._children()}):
            say.line("  the watchdog had ended; it runs again")
            self.note()
        for name, kept in self._kept.items():
            if self.folder.is_held(name):
                self._hold(name, kept)
            elif kept.child.ended() is not None and (restart or kept.held):
                self._restart(name, kept)
        if time.monotonic() - self._rotated > _ROTATE_SECONDS:
            self._rotated = time.monotonic()
            self.folder.rotate_logs()

    def _hold(self, name: str, kept: _Kept) -> None:
        """Stop a child because a command works on what it would write; it starts again once the command lets go."""
        if not kept.held:
            say.line(f"  {name} is held")
            process.stop([kept.child])
            kept.held = True
            self.note()

    def _restart(self, name: str, kept: _Kept) -> None:
        now = time.monotonic()
        if kept.held:
            kept.held = False
            kept.restarts.clear()
            self._again(name, kept)
            return
        if len(kept.restarts) == RESTARTS_MAX and now - kept.restarts[0] < RESTARTS_SECONDS:
            raise self._ended_badly(kept.child, f" {RESTARTS_MAX + 1} times within {RESTARTS_SECONDS} s")
        say.line(f"  {name} ended with {kept.child.ended()}; starting it again")
        kept.restarts.append(now)
        self._again(name, kept)

    def _again(self, name: str, kept: _Kept) -> None:
        kept.child.kill()  # the leader is gone, its own children may not be
        self._watch.forget(kept.child.group)
        log = self.folder.log_of(name)
        kept.child = process.start(kept.child.spec, log=log, watch=self._watch)
        self.note()

    def _ended_badly(self, child: Child, often: str = "") -> Failure:
        log = self.folder.log_of(child.spec.name)
        code = child.ended()
        how = f"was ended by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
        return Failure(
            f"{child.spec.name} {how}{often}. Its log ends:\n{last_lines(log)}",
            log=log,
            remedy="read the lines above, remove the cause and start again",
        )

    def children(self) -> dict[str, Child]:
        """The processes that are kept running, by name."""
        return {name: kept.child for name, kept in self._kept.items()}

    def _children(self) -> list[Child]:
        return [*(kept.child for kept in self._kept.values()), *self._jobs]

    def tell(self, facts: dict[str, object]) -> None:
        """Add to what `runtime.json` says of the hub."""
        self._facts |= facts
        self.note()

    def note(self) -> None:
        """Write `runtime.json`: what runs, and the facts told."""
        running = [Running(c.spec.name, c.group, c.start_time) for c in self._children()]
        self.folder.write_runtime([*running, Running("watchdog", self._watch.pid, None)], self._facts)

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """The first signal asks for the end, the second kills."""
        self._signals += 1
        if self._signals > 1:
            for child in self._children():
                child.kill()

    def _look_for_the_end(self) -> None:
        if self._signals or not self._wanted():
            raise Stopped

    def stop(self) -> None:
        """Stop all in reverse: one-shots first, then what was started last; services side by side, servers one by one."""
        groups = [self._jobs, *self._in_reverse()]
        for children in groups:
            killed = process.stop(children)
            if killed:
                say.line(f"  killed after its patience: {', '.join(killed)}")
        self._watch.close()

    def _in_reverse(self) -> list[list[Child]]:
        servers = [self._kept[n].child for n in ("kafka", "postgres") if n in self._kept]
        services = [kept.child for name, kept in self._kept.items() if name not in ("kafka", "postgres")]
        return [services, servers[:1], servers[1:]]


@contextmanager
def running(folder: DataFolder, *, wanted: Callable[[], bool] = lambda: True) -> Iterator[Supervisor]:
    """Take the folder and supervise in it; at the end, however it comes, everything is stopped and the folder released."""
    folder.take()
    supervisor = Supervisor(folder, wanted=wanted)
    before = {number: signal.signal(number, supervisor.on_signal) for number in _SIGNALS}
    try:
        yield supervisor
    finally:
        supervisor.stop()
        for number, handler in before.items():
            signal.signal(number, handler)
        folder.release()
