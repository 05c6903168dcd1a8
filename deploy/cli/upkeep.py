"""`dev`: what maintainers of Hubnetz itself need."""

import typer

from deploy import say

dev_app = typer.Typer(help="For maintainers of Hubnetz.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    app.add_typer(dev_app, name="dev")


@dev_app.callback()
def dev() -> None:
    """For maintainers of Hubnetz."""


@dev_app.command("pins")
def pins() -> None:
    """Resolve and download the runner's jars anew and write their sizes and sums to pins.toml."""
    from deploy.local import renew  # the resolver takes 0.3 s to load

    with say.step("pins.toml") as step:
        step.note(f"{renew.renew()} jars")
