"""Finding processes that outlive what started them: while a nest is open, orphans come to this process instead of to init."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_PR_SET_CHILD_SUBREAPER: Final = 36


class Nest:
    """Descendants of this process that were not there when the nest was opened.

    Children of those that were there are not counted: the servers of the test run may be ours, and others use them.
    """

    def __init__(self) -> None:
        self._before = frozenset(_descendants(frozenset()))

    def alive(self) -> dict[int, str]:
        """Process id -> command line of each new descendant that lives; a zombie counts as dead.

        So does one without a command line: it has given its memory back and is about to be a zombie.
        """
        living = (pid for pid, state in _descendants(self._before).items() if state not in "ZX")
        return {pid: command for pid in living if (command := _command(pid))}

    def reap(self) -> None:
        """Take dead orphans off the table of processes; they came to us, nobody else waits for them."""
        for pid, state in _descendants(self._before).items():
            if state == "Z":
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)


@contextmanager
def open_nest() -> Iterator[Nest]:
    """Become the one to whom orphans fall, for the block."""
    assert sys.platform == "linux", "only Linux lets orphans fall to somebody else than init"
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    nest = Nest()
    try:
        yield nest
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        nest.reap()


def _descendants(but: frozenset[int]) -> dict[int, str]:
    """Process id -> state of all that come from us, without those and all that come from them."""
    parents: dict[int, tuple[int, str]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                fields = (folder / "stat").read_bytes().rpartition(b")")[2].split()
                parents[int(folder.name)] = (int(fields[1]), fields[0].decode())
    found: dict[int, str] = {}
    ring = [os.getpid()]
    while ring:
        ring = [pid for pid, (parent, _) in parents.items() if parent in ring and pid not in found and pid not in but]
        found |= {pid: parents[pid][1] for pid in ring}
    return found


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:120]
    return ""
