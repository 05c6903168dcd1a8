"""Progress for people: one line per step on standard error, with size and seconds; a moving line on a terminal only."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_BOLD: Final = "\033[1m"
_PLAIN: Final = "\033[0m"
_ERASE: Final = "\r\033[2K"


def _is_terminal() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def line(text: str) -> None:
    """Write one line."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def headline(text: str) -> None:
    """Write one line, bold on a terminal unless NO_COLOR is set."""
    line(f"{_BOLD}{text}{_PLAIN}" if _is_terminal() and not os.environ.get("NO_COLOR") else text)


def size(count: int) -> str:
    """Bytes as a person reads them: `45.0 MB`, decimal units."""
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"


class Step:
    """A step under way: `note` says what came of it, `move` shows how far it is (on a terminal only)."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.result = ""
        self._shown = 0.0

    def note(self, result: str) -> None:
        """What stands behind the step's name when it is done: `45.0 MB`."""
        self.result = result

    def move(self, text: str) -> None:
        """Overwrite the moving line, ten times a second at most."""
        if _is_terminal() and time.monotonic() - self._shown > 0.1:
            self._shown = time.monotonic()
            sys.stderr.write(f"{_ERASE}  {self.what} {text}")
            sys.stderr.flush()


@contextmanager
def step(what: str) -> Iterator[Step]:
    """Time a step and print `  <what>  <note>  <seconds> s` when it is done; a failed step prints nothing."""
    current, began = Step(what), time.monotonic()
    current.move("...")
    try:
        yield current
    except BaseException:
        if _is_terminal():
            sys.stderr.write(_ERASE)
        raise
    if _is_terminal():
        sys.stderr.write(_ERASE)
    line(f"  {what:<42} {current.result:>22} {time.monotonic() - began:6.1f} s")
