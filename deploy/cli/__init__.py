"""The command `hubnetz`. Exit codes: 0 ok, 1 problem found, 2 usage, 3 something missing."""

import sys

from deploy import say
from deploy.cli import documents, figures, init, jobs, letters, played, positions, running, upkeep, verify
from deploy.cli.root import app
from deploy.failures import Failure

for part in (init, running, played, jobs, letters, positions, figures, documents, verify, upkeep):
    part.add_to(app)


def main() -> None:
    """Run one command; a failure tells its cause, its log and what to try."""
    try:
        app()
    except Failure as failure:
        say.line(str(failure))
        sys.exit(failure.code)
    except BrokenPipeError:  # `hubnetz logs | head`
        sys.stderr.close()
        sys.exit(0)
