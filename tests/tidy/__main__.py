"""`python -m tests.tidy`: print what the rules find in the tree; exit 1 if anything."""

import sys
from pathlib import Path

from tests.tidy.rules import ALL
from tests.tidy.tree import Tree, findings


def main() -> int:
    """Number of findings as an exit code: 0 or 1."""
    found = findings(Tree.read(Path(__file__).parents[2]), ALL)
    sys.stdout.writelines(f"{finding}\n" for finding in found)
    sys.stdout.write(f"{len(found)} findings, {len(ALL)} rules\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
