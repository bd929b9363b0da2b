"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

__all__ = [
    "Backend",
    "FirstRun",
    "Force",
    "Horizon",
    "Jobs",
    "Json",
    "Keep",
    "Parameters",
    "Quiet",
    "Receiver",
    "Runs",
    "Scheduler",
    "Seed",
    "Target",
    "examples",
]

Target: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="GAME",
        help="A game file (.json, .npz, or - for JSON on standard input), a game of the zoo, or "
        "random:FAMILY.",
        show_default=False,
    ),
]
Parameters: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        metavar="NAME=VALUE",
        help="Parameter of a zoo game, such as p=1/4; for random games n_states (default 4) and "
        "n_actions (3). Repeat for several.",
        show_default=False,
    ),
]
Seed: TypeAlias = Annotated[
    int | None,
    typer.Option(help="Seed of a random game, 0 when left out.", min=0, show_default=False),
]
Receiver: TypeAlias = Annotated[
    str, typer.Option(metavar="KIND", help="bayesian, biased:ALPHA or quantal:BETA.")
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Quiet: TypeAlias = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print the bare result, or nothing where there is none."),
]
Horizon: TypeAlias = Annotated[
    str,
    typer.Option("--horizon", "-T", metavar="ROUNDS", help="Rounds of a run, as 100000 or 1e5."),
]
Runs: TypeAlias = Annotated[
    str, typer.Option("--n-runs", "-n", metavar="N", help="Independent runs.")
]
FirstRun: TypeAlias = Annotated[
    int,
    typer.Option(
        "--first-run",
        metavar="R",
        help="Number of the first run, to divide the runs of one seed.",
        min=0,
    ),
]
Jobs: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        metavar="N",
        help="Processes that share the runs, 1 when left out; -1: one per core.",
        show_default=False,
    ),
]
Backend: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--backend",
        metavar="NAME",
        help="loky (processes, the default), threading, or dask with --scheduler.",
        show_default=False,
    ),
]
Scheduler: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS",
        help="Of a Dask cluster whose workers share the runs, as tcp://10.0.0.1:8786.",
        show_default=False,
    ),
]
Keep: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--store",
        metavar="DIR",
        help="Keep each finished run there; called again, only what is missing is played.",
        show_default=False,
    ),
]
Force: TypeAlias = Annotated[bool, typer.Option("--force", help="Overwrite a file that exists.")]


def examples(*lines: str) -> str:
    r"""Return an epilog that shows `lines` as they are.

    Examples
    --------
    >>> examples("persuasion zoo")
    '\x08\nExamples:\n  $ persuasion zoo'
    """
    return "\n".join(["\b", "Examples:", *(f"  $ {line}" for line in lines)])
