"""Whether a process lives and whether it can serve; `python -m hubkit.health` asks for the container's health check."""

import asyncio
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

CHECK_SECONDS_MAX = 3.0

Check = Callable[[], Awaitable[str]]


@dataclass(slots=True)
class Health:
    """Named checks; each answers an empty string when all is well, otherwise the reason in a few words."""

    checks: dict[str, Check] = field(default_factory=dict)

    async def ready(self) -> dict[str, str]:
        """Reason by check, only of those that fail; empty = ready."""
        reasons = await asyncio.gather(*(self._ask(check) for check in self.checks.values()))
        return {name: reason for name, reason in zip(self.checks, reasons, strict=True) if reason}

    @staticmethod
    async def _ask(check: Check) -> str:
        try:
            return await asyncio.wait_for(check(), CHECK_SECONDS_MAX)
        except TimeoutError:
            return "no answer"


def main() -> int:
    """Exit code 0 if the service on `HUBNETZ_HTTP_PORT` is ready."""
    port = int(os.environ["HUBNETZ_HTTP_PORT"])  # tidy: environment the container's check has no other settings
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=CHECK_SECONDS_MAX + 1) as answer:
            return 0 if answer.status == 200 else 1
    except (urllib.error.URLError, OSError):
        return 1


if __name__ == "__main__":
    sys.exit(main())
