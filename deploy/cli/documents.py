"""`asyncapi` and `schemas`: the documents that are made from the contracts, and whether the committed ones still agree."""

import json
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.root import out
from deploy.failures import PROBLEM

Check = Annotated[bool, typer.Option("--check", help="write nothing; exit code 1 if what is there differs")]


def add_to(app: typer.Typer) -> None:
    app.command()(asyncapi)
    app.command()(schemas)


def asyncapi(
    output: Annotated[Path | None, typer.Option("--output", help="file to write; default: standard output")] = None,
    hub_id: Annotated[str | None, typer.Option("--hub-id", help="bind `ce_source` to this hub")] = None,
    check: Check = False,
) -> None:
    """Write the AsyncAPI document of the bus: topics, messages, who sends and who reads."""
    from contracts import asyncapi as document  # the models take 0.3 s to load

    text = json.dumps(document.asyncapi(hub_id), indent=2, ensure_ascii=False)
    if output is None:
        if check:
            raise typer.BadParameter("--check needs --output: the file to compare with")
        out(text)
    elif not check:
        output.write_text(text + "\n", encoding="utf-8")
    elif not output.exists() or output.read_text(encoding="utf-8") != text + "\n":
        out(f"{output} is out of date: hubnetz asyncapi --output {output}")
        raise typer.Exit(PROBLEM)


def schemas(check: Check = False) -> None:
    """Write the JSON Schemas of all messages; a breaking change within a major writes nothing. Exit code 1 for a problem."""
    from contracts import schema

    problems = schema.check() if check else [str(found) for found in schema.write()]
    for problem in problems:
        out(problem)
    if problems:
        raise typer.Exit(PROBLEM)
    out(f"{len(schema.models())} schemas are as the models say.")
