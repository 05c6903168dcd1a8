"""The watchdog: a child of the supervisor at the end of a pipe. End of file = the supervisor is gone, even by SIGKILL.

It runs as a plain file (`python -I -S watchdog.py <fd>`), with the standard library only, so that it starts in some 20 ms
and depends on nothing. Each child of the supervisor writes its own line before it becomes its program, so that there is no
moment in which a process exists that the watchdog does not know:

    start <process group> <signal> <seconds>
    end <process group>
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

POLL_SECONDS = 0.05


def members(group: int) -> list[int]:
    """The living processes of a group; a zombie counts as dead, since without a reaping init it stays for ever."""
    if not Path("/proc/self/stat").exists():
        return _members_by_ps(group)
    found = []
    for folder in os.listdir("/proc"):
        if folder.isdigit():
            facts = _stat(int(folder))
            if facts and facts[0] not in "ZX" and facts[1] == group:
                found.append(int(folder))
    return found


def started(pid: int) -> str | None:
    """When the process began, in the system's own notation; None: there is no such living process."""
    if not Path("/proc/self/stat").exists():
        return _ps("-o", "lstart=", "-p", str(pid)).strip() or None
    facts = _stat(pid)
    return facts[2] if facts and facts[0] not in "ZX" else None


def _stat(pid: int) -> tuple[str, int, str] | None:
    """State, process group and start time; the command's name, which may hold blanks and brackets, is cut off first."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return fields[0].decode(), int(fields[2]), fields[19].decode()


def _members_by_ps(group: int) -> list[int]:
    rows = (row.split() for row in _ps("-axo", "pid=,pgid=,stat=").splitlines())
    return [int(pid) for pid, pgid, state in rows if int(pgid) == group and not state.startswith("Z")]


def _ps(*options: str) -> str:
    """What /bin/ps tells where there is no /proc (macOS)."""
    command = ["/bin/ps", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603 - fixed words and ids


def send(group: int, number: int) -> None:
    """Signal a whole group; nothing if it is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def stop(groups: dict[int, tuple[int, float]]) -> None:
    """Ask all groups at once, wait as long as each may take, then kill what is left."""
    for group, (number, _) in groups.items():
        send(group, number)
    began = time.monotonic()
    left = dict(groups)
    while left:
        for group, (_, seconds) in list(left.items()):
            if not members(group):
                del left[group]
            elif time.monotonic() - began > seconds:
                send(group, signal.SIGKILL)
        time.sleep(POLL_SECONDS)


def main(fd: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: dict[int, tuple[int, float]] = {}
    with os.fdopen(fd) as pipe:
        for line in pipe:
            match line.split():
                case ["start", group, wanted, seconds]:
                    groups[int(group)] = (int(wanted), float(seconds))
                case ["end", group]:
                    groups.pop(int(group), None)
    # A group number is not given away again while anyone is in the group, and ended groups were struck off: no name, no
    # search, nobody else is hit.
    stop(groups)


if __name__ == "__main__":
    main(int(sys.argv[1]))
