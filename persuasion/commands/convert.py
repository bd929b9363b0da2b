"""``persuasion convert``: between the file formats of games."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from persuasion.commands.options import Force, Quiet, examples
from persuasion.commands.output import note

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    lines = (
        "persuasion zoo prosecutor --write prosecutor.json",
        "persuasion convert prosecutor.json prosecutor.npz --float",
        "persuasion convert prosecutor.npz exact.json --exact",
    )
    app.command("convert", epilog=examples(*lines))(convert)


def convert(
    source: Annotated[
        Path, typer.Argument(metavar="SRC", help="Game file to read.", show_default=False)
    ],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="DST", help="Game file to write, .json or .npz.", show_default=False
        ),
    ],
    exact: Annotated[
        bool | None,
        typer.Option(
            "--exact/--float",
            help="Write fractions, or floats; as they were given when left out.",
            show_default=False,
        ),
    ] = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Write a game file in another format.

    The endings of SRC and DST, .json or .npz, say which.
    """
    from persuasion.io import convert as convert_file

    convert_file(source, target, exact=exact, overwrite=force)
    if not quiet:
        note(f"wrote {target}")
