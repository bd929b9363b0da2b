"""``persuasion demo``: a first look at the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from persuasion.commands.options import Quiet, examples

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("demo", epilog=examples("persuasion demo --out out/demo"))(demo)


def demo(
    out: Annotated[Path, typer.Option(help="Folder for what it writes; made when missing.")] = Path(
        "out/demo"
    ),
    quiet: Quiet = False,
) -> None:
    """Show what the package does, in a few minutes.

    Leaves pictures and a report to look at in the folder of --out.
    """
    from persuasion.demo import run

    run(out, quiet)
