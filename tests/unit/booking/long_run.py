"""The model for as long as you like: `python -m tests.unit.booking.long_run [examples [seed]]`, 2,000 of 50 steps by default.

It prints its seed first; the same seed runs the same examples. Exit status 1 and the shortest run found where they differ.
"""

import secrets
import sys
import time

from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.unit.booking.machine import Booking, heard

EXAMPLES = 2_000
STEPS = 50


def main() -> None:
    """Run and say what was heard."""
    examples = int(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLES
    number = int(sys.argv[2]) if len(sys.argv) > 2 else secrets.randbelow(2**32)
    print(f"seed {number}, {examples} examples of {STEPS} steps", flush=True)  # noqa: T201  what a named target is for
    started = time.monotonic()
    run_state_machine_as_test(
        seed(number)(Booking),
        settings=settings(
            max_examples=examples, stateful_step_count=STEPS, deadline=None, database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
    print(f"no difference in {time.monotonic() - started:.0f} s; heard:")  # noqa: T201
    print(", ".join(f"{word} {number}" for word, number in heard.most_common()))  # noqa: T201


if __name__ == "__main__":
    main()
