"""What goes wrong while a hub is put up, told so that a person can act on it."""

from pathlib import Path
from typing import Final

PROBLEM: Final = 1
USAGE: Final = 2
MISSING: Final = 3


class Failure(Exception):
    """A step failed: the cause, the log file if one exists, and what to try.

    `code` becomes the exit code of the command: `PROBLEM`, `USAGE` or `MISSING`.
    """

    def __init__(self, cause: str, *, remedy: str, log: Path | None = None, code: int = PROBLEM) -> None:
        super().__init__(cause)
        self.cause = cause
        self.remedy = remedy
        self.log = log
        self.code = code

    def __str__(self) -> str:
        log = f"\n  log: {self.log}" if self.log else ""
        return f"{self.cause}{log}\n  try: {self.remedy}"
