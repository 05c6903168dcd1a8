"""What all commands share: the application, the common options, and how an answer is printed."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Puts up, runs and looks after a Hubnetz hub.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)

Data = Annotated[Path | None, typer.Option("--data", help="the hub's data folder (default: HUBNETZ_DATA, else .hubnetz)")]
Json = Annotated[bool, typer.Option("--json", help="answer as JSON")]
Yes = Annotated[bool, typer.Option("--yes", help="do not ask")]


def out(text: str) -> None:
    """One line of the answer, on standard output; progress goes to standard error."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()  # in order with the progress on standard error


def out_json(answer: object) -> None:
    """The whole answer as one JSON document."""
    out(json.dumps(answer, indent=1, ensure_ascii=False))


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns as wide as their widest cell; nothing at all if there are no rows."""
    if not rows:
        return
    cells = [[str(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(heads))]
    for row in cells:
        out("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be taken back; a no ends the command."""
    if not yes:
        typer.confirm(question, abort=True)
