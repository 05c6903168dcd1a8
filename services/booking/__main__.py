"""`python -m services.booking` runs the service until SIGTERM; `... verify` counts violations of its invariants, 1 if any."""

import asyncio
import sys

from hubkit.app import run_service
from services.booking.app import SERVICE, build, verify
from services.booking.settings import BookingSettings


def main(arguments: list[str]) -> int:
    """The exit code."""
    settings = BookingSettings()
    if arguments == ["verify"]:
        found = asyncio.run(verify(settings.database_url.get_secret_value()))
        sys.stdout.writelines(f"{kind} {one.number}\n" for kind, one in found.items())
        return 1 if any(one.number for one in found.values()) else 0
    if arguments:
        sys.stderr.write("usage: python -m services.booking [verify]\n")
        return 2
    return run_service(SERVICE, settings, build)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
